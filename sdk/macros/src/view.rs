//! `#[get]` and the other route attributes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Expr, FnArg, GenericArgument, Ident, ItemFn, Lit, LitStr, Pat, PathArguments, ReturnType, Token, Type, bracketed,
};

use crate::names;
use crate::pattern::{self, Part};

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

struct Attribute {
    pattern: LitStr,
    name: Option<LitStr>,
    methods: Vec<Ident>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let pattern: Expr = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected the pattern as a text in quotes, such as \"/{question}/\"")
        })?;
        let Expr::Lit(syn::ExprLit { lit: Lit::Str(pattern), .. }) = pattern else {
            return Err(syn::Error::new(
                pattern.span(),
                "the pattern must be a text in quotes, such as \"/{question}/\": it is read while compiling",
            ));
        };
        let mut this = Self { pattern, name: None, methods: Vec::new() };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "name" => this.name = Some(input.parse()?),
                "methods" => {
                    let inner;
                    bracketed!(inner in input);
                    this.methods = Punctuated::<Ident, Token![,]>::parse_terminated(&inner)?.into_iter().collect();
                }
                other => return Err(names::unknown("option of a route", other, key.span(), &["name", "methods"])),
            }
        }
        Ok(this)
    }
}

/// The type in `Path<…>`, where `ty` is one.
fn path_type(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last().filter(|last| last.ident == "Path")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}

fn is_request(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else {
        return false;
    };
    matches!(&*reference.elem, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Request"))
}

pub(crate) fn expand(method: Option<&str>, attribute: TokenStream, function: TokenStream) -> syn::Result<TokenStream> {
    let attribute: Attribute = syn::parse2(attribute)?;
    let function: ItemFn = syn::parse2(function)?;
    let methods = methods(method, &attribute)?;
    if let Some(name) = &attribute.name {
        names::check(&name.value(), name.span(), "a route")?;
    }
    let parts = pattern::parse(&attribute.pattern)?;
    if !function.sig.generics.params.is_empty() {
        return Err(syn::Error::new(
            function.sig.generics.span(),
            "a view can't be generic: the request decides nothing about types",
        ));
    }

    let ident = &function.sig.ident;
    let captures: Vec<(&str, Option<&str>)> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Capture { name, converter } => Some((name.as_str(), converter.as_deref())),
            Part::Text(_) => None,
        })
        .collect();
    let mut types: Vec<Option<&Type>> = vec![None; captures.len()];
    let mut extract = Vec::new();
    let mut pass = Vec::new();
    for (at, argument) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(argument) = argument else {
            return Err(syn::Error::new(argument.span(), "a view is a function, not a method"));
        };
        let ty = &argument.ty;
        if is_request(ty) {
            pass.push(quote!(request));
            continue;
        }
        let variable = format_ident!("argument_{at}");
        if let Some(inner) = path_type(ty) {
            let name = path_name(&argument.pat)?;
            let Some(position) = captures.iter().position(|(capture, _)| *capture == name) else {
                let known = captures.iter().map(|(capture, _)| format!("`{capture}`")).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "nothing".into() } else { known };
                return Err(syn::Error::new(
                    argument.pat.span(),
                    format!(
                        "the pattern doesn't capture `{name}`; it captures {known}. Write `/{{{name}}}/` in it, or remove the argument"
                    ),
                ));
            };
            types[position] = Some(inner);
            extract.push(quote_spanned! {ty.span()=>
                let #variable = match ::bandstand::extract::path_param::<#inner>(request, #position) {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(error) => return ::bandstand::response::Response::from(error),
                };
            });
        } else {
            extract.push(quote_spanned! {ty.span()=>
                let #variable = match <#ty as ::bandstand::extract::FromRequest>::from_request(request).await {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(error) => return ::bandstand::response::Response::from(error),
                };
            });
        }
        pass.push(quote!(#variable));
    }
    for ((name, _), ty) in captures.iter().zip(&types) {
        if ty.is_none() {
            return Err(syn::Error::new(
                attribute.pattern.span(),
                format!(
                    "the pattern captures `{name}`, but the view has no argument for it; add `{name}: Path<String>` (or Id<…>, i64, Slug, Uuid)"
                ),
            ));
        }
    }
    let (path, checks) = path(ident, &attribute, &parts, &types);

    let name = match &attribute.name {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    let vis = &function.vis;
    let wait = function.sig.asyncness.is_some().then(|| quote!(.await));
    let returned = match &function.sig.output {
        ReturnType::Default => {
            return Err(syn::Error::new(ident.span(), "a view returns a response: `-> Result<Response>`"));
        }
        ReturnType::Type(_, ty) => ty.span(),
    };
    let answer = quote_spanned!(returned=> ::bandstand::response::IntoResponse::into_response(answer));
    let doc = format!("The view [`{ident}`](fn@{ident}), for `app!`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code)]
        #vis struct #ident {}

        #[automatically_derived]
        impl ::bandstand::view::View for #ident {
            const ROUTE: ::bandstand::view::RouteMeta = ::bandstand::view::RouteMeta {
                path: &[#(#path),*],
                methods: &[#(#methods),*],
                name: #name,
            };

            async fn call(request: &::bandstand::request::Request) -> ::bandstand::response::Response {
                #(#checks)*
                #(#extract)*
                let answer = #ident(#(#pass),*)#wait;
                #answer
            }
        }
    })
}

/// The argument's name: `question` in `question: Path<…>`, `Path(question): Path<…>` and `_question: Path<…>`.
fn path_name(pattern: &Pat) -> syn::Result<String> {
    match pattern {
        Pat::Ident(pattern) => {
            let name = pattern.ident.to_string();
            let name = name.trim_start_matches("r#");
            Ok(name.strip_prefix('_').unwrap_or(name).to_owned())
        }
        Pat::TupleStruct(tuple) if tuple.elems.len() == 1 => path_name(&tuple.elems[0]),
        other => Err(syn::Error::new(other.span(), "name this argument after the capture: `question: Path<…>`")),
    }
}

fn methods(method: Option<&str>, attribute: &Attribute) -> syn::Result<Vec<String>> {
    if let Some(method) = method {
        if let Some(given) = attribute.methods.first() {
            return Err(syn::Error::new(given.span(), "`methods` goes with `#[route(…)]`; this attribute has its own"));
        }
        return Ok(vec![method.into()]);
    }
    if attribute.methods.is_empty() {
        return Err(syn::Error::new(
            attribute.pattern.span(),
            "which methods does it answer? add `methods = [GET, POST]`",
        ));
    }
    let mut methods = Vec::new();
    for given in &attribute.methods {
        let word = given.to_string();
        if !METHODS.contains(&word.as_str()) {
            return Err(names::unknown("method", &word, given.span(), &METHODS));
        }
        if methods.contains(&word) {
            return Err(syn::Error::new(given.span(), format!("`{word}` stands twice")));
        }
        methods.push(word);
    }
    Ok(methods)
}

/// The pattern's pieces for the manifest, and checks of what only the types know.
fn path(
    ident: &Ident,
    attribute: &Attribute,
    parts: &[Part],
    types: &[Option<&Type>],
) -> (Vec<TokenStream>, Vec<TokenStream>) {
    let mut pieces = Vec::new();
    let mut checks = Vec::new();
    let mut types = types.iter().flatten();
    let span = attribute.pattern.span();
    for part in parts {
        match part {
            Part::Text(text) => pieces.push(quote!(::bandstand::view::Part::Text(#text))),
            Part::Capture { name, converter } => {
                let Some(ty) = types.next() else {
                    continue;
                };
                let of_type = quote_spanned!(ty.span()=> <#ty as ::bandstand::extract::PathValue>::CONVERTER);
                if let Some(written) = converter {
                    let problem = format!(
                        "the pattern's converter `{written}` isn't the one of the argument's type; leave `:{written}` out"
                    );
                    checks.push(quote_spanned! {span=>
                        const _: () = assert!(::bandstand::view::converter_fits(#written, #of_type), #problem);
                    });
                }
                pieces.push(quote!(::bandstand::view::Part::Capture(#name, #of_type)));
            }
        }
    }
    let problem = "a `PathTail` takes the whole rest of the path: it must be the last part of the pattern";
    checks.push(quote_spanned! {span=>
    const _: () = assert!(::bandstand::view::tail_is_last(<#ident as ::bandstand::view::View>::ROUTE.path), #problem);
        });
    (pieces, checks)
}
