//! `app!`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Path, Token, bracketed};

use crate::names;

const KEYS: [&str; 5] = ["name", "label", "models", "routes", "capabilities"];
/// What there is to ask for; models bring `db` by themselves.
const CAPABILITIES: [&str; 2] = ["db", "templates"];

#[derive(Default)]
struct App {
    name: Option<LitStr>,
    label: Option<LitStr>,
    models: Vec<Path>,
    models_span: Option<Span>,
    routes: Vec<Path>,
    capabilities: Vec<Ident>,
}

fn bracketed_list<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    let inner;
    bracketed!(inner in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&inner)?.into_iter().collect())
}

impl Parse for App {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut this = Self::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            let word = key.to_string();
            if seen.contains(&word) {
                return Err(syn::Error::new(key.span(), format!("`{word}` stands twice")));
            }
            input.parse::<Token![:]>()?;
            match word.as_str() {
                "name" => this.name = Some(input.parse()?),
                "label" => this.label = Some(input.parse()?),
                "models" => {
                    this.models_span = Some(key.span());
                    this.models = bracketed_list(input)?;
                }
                "routes" => this.routes = bracketed_list(input)?,
                "capabilities" => this.capabilities = bracketed_list(input)?,
                _ => return Err(names::unknown("part of an app", &word, key.span(), &KEYS)),
            }
            seen.push(word);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(this)
    }
}

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let app: App = syn::parse2(input)?;
    let Some(name) = &app.name else {
        return Err(syn::Error::new(Span::call_site(), "an app needs a name: `name: \"polls\"`"));
    };
    names::check(&name.value(), name.span(), "an app")?;
    let label = app.label.as_ref().map_or_else(|| quote!(""), |label| quote!(#label));
    let mut capabilities: Vec<String> = Vec::new();
    for capability in &app.capabilities {
        let word = capability.to_string();
        if !CAPABILITIES.contains(&word.as_str()) {
            return Err(names::unknown("capability", &word, capability.span(), &CAPABILITIES));
        }
        // Models ask for the database already.
        if !(capabilities.contains(&word) || word == "db" && !app.models.is_empty()) {
            capabilities.push(word);
        }
    }
    let models = app.models.iter().map(|model| quote_spanned!(model.span()=> <#model as ::bandstand::db::Model>::META));
    let routes = app.routes.iter().map(|view| quote_spanned!(view.span()=> <#view as ::bandstand::view::View>::ROUTE));
    let unique = app.routes.iter().enumerate().map(|(at, view)| {
        quote_spanned! {view.span()=>
            const _: () = assert!(::bandstand::view::name_is_new(ROUTES, #at), "a view before this one has the same route name");
        }
    });
    let complete = quote_spanned! {app.models_span.unwrap_or_else(Span::call_site)=>
        const _: () = assert!(
            ::bandstand::db::relations_stay_inside(MODELS),
            "a foreign key points to a model that isn't in `models`",
        );
    };
    let arms = app.routes.iter().enumerate().map(|(at, view)| {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        quote!(#at => ::core::option::Option::Some(<#view as ::bandstand::view::View>::call(request).await))
    });
    Ok(quote! {
        const _: () = {
            struct App;

            const MODELS: &[&::bandstand::db::ModelMeta] = &[#(#models),*];
            const ROUTES: &[::bandstand::view::RouteMeta] = &[#(#routes),*];
            #(#unique)*
            #complete

            impl ::bandstand::app::exports::Manifest for App {
                fn describe() -> ::std::string::String {
                    ::bandstand::app::describe(&::bandstand::app::Description {
                        name: #name,
                        label: #label,
                        version: ::core::env!("CARGO_PKG_VERSION"),
                        models: MODELS,
                        routes: ROUTES,
                        capabilities: &[#(#capabilities),*],
                    })
                }
            }

            impl ::bandstand::app::exports::Handler for App {
                async fn handle(request: ::bandstand::app::exports::Request) -> ::bandstand::app::exports::Response {
                    ::bandstand::app::answer(request, async |route: u32, request: &::bandstand::request::Request| match route {
                        #(#arms,)*
                        _ => ::core::option::Option::None,
                    })
                    .await
                }
            }

            ::bandstand::bindings::export_app!(App with_types_in ::bandstand::bindings);
        };
    })
}
