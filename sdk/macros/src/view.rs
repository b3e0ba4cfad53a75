//! `#[get]` and the other route attributes.

//!
//! A view with mistakes is still a view, whose function is never called: `app!` and `url!` would otherwise be told that it isn't there.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, FnArg, Ident, ItemFn, Lit, LitStr, Pat, ReturnType, Token, Type, bracketed};

use crate::mistakes::{Mistakes, entries, skip_entry};
use crate::pattern::{self, Part};
use crate::{names, types};

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The types that a part of a path can have, by their names alone.
const PARTS: [&str; 9] = ["i32", "i64", "u32", "u64", "String", "Uuid", "Slug", "PathTail", "Id"];

/// What stands in the attribute, as far as it is sound.
#[derive(Default)]
struct Attribute {
    pattern: Option<LitStr>,
    name: Option<LitStr>,
    methods: Option<Vec<Ident>>,
}

impl Attribute {
    fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut this = Self::default();
        mistakes.reading(|mistakes| {
            let read = |input: ParseStream<'_>| {
                this.pattern = mistakes.note(pattern(input));
                if this.pattern.is_none() {
                    skip_entry(input);
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
                entries(input, "option of a route", &["name", "methods"], mistakes, |key, _, input| {
                    input.parse::<Token![=]>()?;
                    match key {
                        "name" => this.name = Some(input.parse()?),
                        _ => {
                            let inner;
                            bracketed!(inner in input);
                            let methods = Punctuated::<Ident, Token![,]>::parse_terminated(&inner)?;
                            this.methods = Some(methods.into_iter().collect());
                        }
                    }
                    Ok(())
                });
                Ok(())
            };
            read.parse2(tokens)
        });
        this
    }
}

fn pattern(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let pattern: Expr = input.parse().map_err(|error| {
        syn::Error::new(error.span(), "expected the pattern as a text in quotes, such as \"/{question}/\"")
    })?;
    match pattern {
        Expr::Lit(syn::ExprLit { lit: Lit::Str(pattern), .. }) => Ok(pattern),
        other => Err(syn::Error::new_spanned(
            other,
            "the pattern must be a text in quotes, such as \"/{question}/\": it is read while compiling",
        )),
    }
}

fn is_request(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if types::is_named(&reference.elem, &["Request"]))
}

/// What a pattern captures: the name, and the converter where one is written.
type Capture<'a> = (&'a str, Option<&'a str>);

/// What becomes of a view's arguments.
#[derive(Default)]
struct Arguments {
    /// Types of captures, each as an item.
    aliases: TokenStream,
    /// Statements that get the arguments from the request.
    extract: Vec<TokenStream>,
    /// The arguments, as the function is called with them.
    pass: Vec<TokenStream>,
}

pub(crate) fn expand(method: Option<&str>, attribute: TokenStream, function: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(function.clone()) {
        Ok(parsed) => parsed,
        Err(mistake) => {
            let told = mistake.to_compile_error();
            return quote!(#function #told);
        }
    };
    if let Some(receiver) = function.sig.receiver() {
        let told = syn::Error::new_spanned(receiver, "a view is a function, not a method").to_compile_error();
        return quote!(#function #told);
    }
    let mut mistakes = Mistakes::default();
    let attribute = Attribute::read(attribute, &mut mistakes);
    let methods = methods(method, &attribute, &mut mistakes);
    if let Some(name) = &attribute.name {
        mistakes.note(names::check(&name.value(), name.span(), "a route"));
    }
    let parts = attribute.pattern.as_ref().and_then(|pattern| mistakes.note(pattern::parse(pattern)));
    if !function.sig.generics.params.is_empty() {
        let problem = "a view can't be generic: the request decides nothing about types";
        mistakes.add(syn::Error::new_spanned(&function.sig.generics, problem));
    }
    let captures = parts.as_deref().map(captures);
    let mut types = vec![None; captures.as_ref().map_or(0, Vec::len)];
    let before = mistakes.count();
    let arguments = arguments(&function, captures.as_deref(), &mut types, &mut mistakes);
    // A capture without an argument may be the one that an argument has under another name.
    if let (Some(captures), true) = (&captures, mistakes.count() == before) {
        no_argument(captures, &types, &attribute, &mut mistakes);
    }

    let ident = function.sig.ident.clone();
    let mut is_sound = mistakes.none();
    let returned = match &function.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => {
            // Told in place of the type, so that nothing is said of what the function does return.
            is_sound = false;
            let mistake = syn::Error::new(ident.span(), "a view returns a response: `-> Result<Response>`");
            let wrong = types::wrong(&mistake);
            function.sig.output = syn::parse_quote!(-> #wrong);
            ident.span()
        }
    };
    let (path, checks) = path(&ident, attribute.pattern.as_ref(), parts.as_deref().unwrap_or_default(), &types);
    let name = match &attribute.name {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    let Arguments { aliases, extract, pass } = arguments;
    let wait = function.sig.asyncness.is_some().then(|| quote!(.await));
    let answer = quote_spanned!(returned=> ::bandstand::response::IntoResponse::into_response(answer));
    let call = if is_sound {
        quote! {
            #(#checks)*
            #(#extract)*
            let answer = #ident(#(#pass),*)#wait;
            #answer
        }
    } else {
        quote! {
            let _ = request;
            ::core::unreachable!()
        }
    };
    let (vis, told) = (&function.vis, mistakes.told());
    let doc = format!("The view [`{ident}`](fn@{ident}), for `app!`.");
    quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code)]
        #vis struct #ident {}

        #aliases

        #[automatically_derived]
        impl ::bandstand::view::View for #ident {
            const ROUTE: ::bandstand::view::RouteMeta = {
                #told
                ::bandstand::view::RouteMeta {
                    path: &[#(#path),*],
                    methods: &[#(#methods),*],
                    name: #name,
                }
            };

            async fn call(request: &::bandstand::request::Request) -> ::bandstand::response::Response {
                #call
            }
        }
    }
}

fn captures(parts: &[Part]) -> Vec<Capture<'_>> {
    parts
        .iter()
        .filter_map(|part| match part {
            Part::Capture { name, converter } => Some((name.as_str(), converter.as_deref())),
            Part::Text(_) => None,
        })
        .collect()
}

/// Reads the arguments, and enters the types of those that take captures among `types`. Where the captures aren't known, nothing is
/// said of such arguments.
fn arguments(
    function: &ItemFn,
    captures: Option<&[Capture<'_>]>,
    types: &mut [Option<TokenStream>],
    mistakes: &mut Mistakes,
) -> Arguments {
    let mut this = Arguments::default();
    for (at, argument) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(argument) = argument else {
            continue;
        };
        let ty = &argument.ty;
        if is_request(ty) {
            this.pass.push(quote!(request));
            continue;
        }
        let variable = format_ident!("argument_{at}");
        let get = match types::argument_of(ty, "Path") {
            Some(inner) => {
                let position = mistakes
                    .note(path_name(&argument.pat))
                    .zip(captures)
                    .and_then(|(name, captures)| mistakes.note(position(&name, captures, &argument.pat)));
                let Some(position) = position else {
                    continue;
                };
                let inner = if types::is_named(inner, &PARTS) {
                    inner.to_token_stream()
                } else {
                    let alias = format_ident!("__{}_{at}", function.sig.ident);
                    let check = types::has(inner, &quote!(::bandstand::extract::PathValue), "CONVERTER");
                    this.aliases.extend(types::known(&alias, inner, &check));
                    alias.to_token_stream()
                };
                let get = quote_spanned!(ty.span()=> ::bandstand::extract::path_param::<#inner>(request, #position));
                types[position] = Some(inner);
                get
            }
            None => {
                quote_spanned!(ty.span()=> <#ty as ::bandstand::extract::FromRequest>::from_request(request).await)
            }
        };
        this.extract.push(quote_spanned! {ty.span()=>
            let #variable = match #get {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(error) => return ::bandstand::response::Response::from(error),
            };
        });
        this.pass.push(quote!(#variable));
    }
    this
}

/// Which of the captures the argument `name` takes.
fn position(name: &str, captures: &[Capture<'_>], argument: &Pat) -> syn::Result<usize> {
    captures.iter().position(|(capture, _)| *capture == name).ok_or_else(|| {
        let known = captures.iter().map(|(capture, _)| format!("`{capture}`")).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "nothing".into() } else { known };
        syn::Error::new(
            argument.span(),
            format!(
                "the pattern doesn't capture `{name}`; it captures {known}. Write `/{{{name}}}/` in it, or remove the argument"
            ),
        )
    })
}

/// Notes the captures that no argument takes.
fn no_argument(
    captures: &[Capture<'_>],
    types: &[Option<TokenStream>],
    attribute: &Attribute,
    mistakes: &mut Mistakes,
) {
    for ((name, _), ty) in captures.iter().zip(types) {
        if ty.is_none() {
            mistakes.add(syn::Error::new(
                attribute.pattern.span(),
                format!(
                    "the pattern captures `{name}`, but the view has no argument for it; add `{name}: Path<String>` (or Id<…>, i64, Slug, Uuid)"
                ),
            ));
        }
    }
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

fn methods(method: Option<&str>, attribute: &Attribute, mistakes: &mut Mistakes) -> Vec<String> {
    let given = attribute.methods.as_deref().unwrap_or_default();
    if let Some(method) = method {
        if let Some(given) = given.first() {
            let problem = "`methods` goes with `#[route(…)]`; this attribute has its own";
            mistakes.add(syn::Error::new(given.span(), problem));
        }
        return vec![method.into()];
    }
    // What wasn't read may be the methods.
    if given.is_empty() && mistakes.none() {
        let problem = "which methods does it answer? add `methods = [GET, POST]`";
        mistakes.add(syn::Error::new(attribute.pattern.span(), problem));
    }
    let mut methods = Vec::new();
    for given in given {
        let word = given.to_string();
        if !METHODS.contains(&word.as_str()) {
            mistakes.add(names::unknown("method", &word, given.span(), &METHODS));
        } else if methods.contains(&word) {
            mistakes.add(syn::Error::new(given.span(), format!("`{word}` stands twice")));
        } else {
            methods.push(word);
        }
    }
    methods
}

/// The pattern's pieces for the manifest, and checks of what only the types know.
fn path(
    ident: &Ident,
    pattern: Option<&LitStr>,
    parts: &[Part],
    types: &[Option<TokenStream>],
) -> (Vec<TokenStream>, Vec<TokenStream>) {
    let mut pieces = Vec::new();
    let mut checks = Vec::new();
    let mut types = types.iter();
    let span = pattern.span();
    for part in parts {
        match part {
            Part::Text(text) => pieces.push(quote!(::bandstand::view::Part::Text(#text))),
            Part::Capture { name, converter } => {
                let Some(Some(ty)) = types.next() else {
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
