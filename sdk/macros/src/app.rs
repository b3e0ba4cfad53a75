//! `app!`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Path, Token, bracketed};

use crate::mistakes::{Mistakes, entries};
use crate::{names, types};

const KEYS: [&str; 5] = ["name", "label", "models", "routes", "capabilities"];
/// What there is to ask for; models bring `db` by themselves.
const CAPABILITIES: [&str; 3] = ["db", "db_raw", "templates"];

/// What stands in `app!`, as far as it is sound.
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

impl App {
    fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut this = Self::default();
        let mut seen = Vec::new();
        mistakes.reading(|mistakes| {
            let read = |input: ParseStream<'_>| {
                entries(input, "part of an app", &KEYS, mistakes, |word, key, input| {
                    if seen.contains(&word) {
                        return Err(syn::Error::new(key.span(), format!("`{word}` stands twice")));
                    }
                    seen.push(word);
                    input.parse::<Token![:]>()?;
                    match word {
                        "name" => this.name = Some(input.parse()?),
                        "label" => this.label = Some(input.parse()?),
                        "models" => {
                            this.models_span = Some(key.span());
                            this.models = bracketed_list(input)?;
                        }
                        "routes" => this.routes = bracketed_list(input)?,
                        _ => this.capabilities = bracketed_list(input)?,
                    }
                    Ok(())
                });
                Ok(())
            };
            read.parse2(tokens)
        });
        // What wasn't read may be the name.
        match &this.name {
            Some(name) => {
                mistakes.note(names::check(&name.value(), name.span(), "an app"));
            }
            None if mistakes.none() => {
                mistakes.add(syn::Error::new(Span::call_site(), "an app needs a name: `name: \"polls\"`"));
            }
            None => {}
        }
        this
    }

    /// What the manifest asks for besides the database, which the models ask for.
    fn capabilities(&self, mistakes: &mut Mistakes) -> Vec<String> {
        let mut capabilities: Vec<String> = Vec::new();
        for capability in &self.capabilities {
            let word = capability.to_string();
            if !CAPABILITIES.contains(&word.as_str()) {
                mistakes.add(names::unknown("capability", &word, capability.span(), &CAPABILITIES));
            } else if !(capabilities.contains(&word.replace('_', "-")) || word == "db" && !self.models.is_empty()) {
                // The manifest's words have dashes, which no identifier has.
                capabilities.push(word.replace('_', "-"));
            }
        }
        capabilities
    }
}

/// The paths under aliases that are only what they should be, with the aliases' names.
fn aliases(paths: &[Path], kind: &str, of: &TokenStream, item: &str) -> (TokenStream, Vec<Ident>) {
    let mut items = TokenStream::new();
    let mut aliases = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        // Not a name that a model may have.
        let alias = format_ident!("__{kind}{at}");
        items.extend(types::known(&alias, path, &types::has(path, of, item)));
        aliases.push(alias);
    }
    (items, aliases)
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let app = App::read(input, &mut mistakes);
    let capabilities = app.capabilities(&mut mistakes);
    let (model_items, models) = aliases(&app.models, "Model", &quote!(::bandstand::db::Model), "META");
    let (view_items, views) = aliases(&app.routes, "View", &quote!(::bandstand::view::View), "ROUTE");
    let name_is_new = app.routes.iter().enumerate().map(|(at, view)| {
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
    let told = mistakes.told();
    let component = mistakes.none().then(|| component(&app, &views, &capabilities));
    quote! {
        ::bandstand::__root!();

        const _: () = {
            #model_items
            #view_items

            // The compiler looks at signatures before all bodies: a struct that is no model is told here, before its uses are.
            #[allow(dead_code)]
            struct __Listed(#(#models,)* #(#views),*);

            const MODELS: &[&::bandstand::db::ModelMeta] = { #told &[#(<#models as ::bandstand::db::Model>::META),*] };
            const ROUTES: &[::bandstand::view::RouteMeta] = &[#(<#views as ::bandstand::view::View>::ROUTE),*];
            #(#name_is_new)*
            #complete
            #component
        };
    }
}

/// The app's exports.
fn component(app: &App, views: &[Ident], capabilities: &[String]) -> TokenStream {
    let name = &app.name;
    let label = app.label.as_ref().map_or_else(|| quote!(""), |label| quote!(#label));
    let arms = views.iter().enumerate().map(|(at, view)| {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        quote!(#at => ::core::option::Option::Some(<#view as ::bandstand::view::View>::call(request).await))
    });
    quote! {
        struct __App;

        impl ::bandstand::app::exports::Manifest for __App {
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

        impl ::bandstand::app::exports::Handler for __App {
            async fn handle(request: ::bandstand::app::exports::Request) -> ::bandstand::app::exports::Response {
                ::bandstand::app::answer(request, async |route: u32, request: &::bandstand::request::Request| match route {
                    #(#arms,)*
                    _ => ::core::option::Option::None,
                })
                .await
            }
        }

        ::bandstand::bindings::export_app!(__App with_types_in ::bandstand::bindings);
    }
}
