//! Types as they are written: what can be told of them before the compiler knows what they are.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{GenericArgument, Ident, PathArguments, Type};

use crate::names;

/// The types that are a field's by their name alone.
const PLAIN: [&str; 19] = [
    "i16",
    "i32",
    "i64",
    "u16",
    "u32",
    "Decimal",
    "IpAddr",
    "FilePath",
    "ImagePath",
    "f64",
    "bool",
    "String",
    "Date",
    "Time",
    "DateTime",
    "Timestamp",
    "Duration",
    "SignedDuration",
    "Uuid",
];

/// The last name of a path and what stands in its angle brackets.
fn named(ty: &Type) -> Option<(&Ident, Vec<&Type>)> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    let arguments = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Some((&last.ident, arguments))
}

/// The single type in `Name<…>`, where `ty` is one.
pub(crate) fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    match named(ty) {
        Some((ident, arguments)) if ident == name && arguments.len() == 1 => Some(arguments[0]),
        _ => None,
    }
}

/// Whether it is a key that is made by itself: `Id<Self>` or `Id<Self, Uuid>`. The first type in its brackets.
pub(crate) fn id(ty: &Type) -> Option<&Type> {
    match named(ty) {
        Some((ident, arguments)) if ident == "Id" && matches!(arguments.len(), 1 | 2) => Some(arguments[0]),
        _ => None,
    }
}

pub(crate) fn is_named(ty: &Type, names: &[&str]) -> bool {
    named(ty).is_some_and(|(ident, _)| names.iter().any(|name| ident == name))
}

/// Where the tokens begin and where they end.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut tokens = tokens.to_token_stream().into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    (first, tokens.last().map_or(first, |token| token.span()))
}

/// Whether a field can have the type, by its name alone.
pub(crate) fn is_plain(ty: &Type) -> bool {
    is_named(ty, &PLAIN) || argument_of(ty, "Vec").is_some_and(|element| is_named(element, &["u8"]))
}

/// A type in whose place a mistake is told. The compiler, which knows then that it is a wrong one, says nothing of its uses.
pub(crate) fn wrong(mistake: &syn::Error) -> TokenStream {
    let told = mistake.to_compile_error();
    quote!([(); { #told 0 }])
}

/// `alias` as the type `ty`, if the statement `check` compiles. Where it doesn't, the compiler says so, once, and nothing of the alias's uses.
pub(crate) fn known(alias: &Ident, ty: &impl ToTokens, check: &TokenStream) -> TokenStream {
    item(alias, &quote!(<#ty as ::bandstand::known::If<{ #check true }>>::Type))
}

/// The statement that the type has the constant `item` of a trait. What is wrong with it is told where the type is written.
pub(crate) fn has(ty: &impl ToTokens, of: &TokenStream, item: &str) -> TokenStream {
    let ((first, last), item) = (ends(ty), format_ident!("{item}"));
    let (open, close) = (quote_spanned!(first=> <), names::at(&quote!(as #of>::#item), last));
    quote!(let _ = #open #ty #close;)
}

/// An alias, as an item.
pub(crate) fn item(alias: &Ident, ty: &TokenStream) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        type #alias = #ty;
    }
}

/// The mistake of a type that no field can have, where it shows in how the type is written; `inner` is what stands in an `Option`, or the
/// type itself. About other types the compiler is asked.
pub(crate) fn refused(inner: &Type) -> Option<syn::Error> {
    let instead = match inner {
        Type::Paren(paren) => return refused(&paren.elem),
        Type::Group(group) => return refused(&group.elem),
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(slice) if is_named(&slice.elem, &["u8"]) => "`Vec<u8>`, a row owns its values",
            ty if is_named(ty, &["str"]) => "`String`, a row owns its values",
            _ => "a type without `&`, a row owns its values",
        },
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) => "`Json<…>` around it",
        Type::Path(_) => {
            let (ident, arguments) = named(inner)?;
            match (ident.to_string().as_str(), arguments.as_slice()) {
                ("u8" | "i8", []) => "`i16`",
                ("u64" | "u128" | "i128" | "usize" | "isize", []) => "`i64`",
                ("f32", []) => "`f64`",
                ("Ipv4Addr" | "Ipv6Addr", []) => "`IpAddr` with `#[field(protocol = \"ipv4\")]` or `\"ipv6\"`",
                ("char" | "str", []) | ("Cow", [_]) => "`String`",
                ("Vec", [element]) if !is_plain(inner) && (is_plain(element) || refused(element).is_some()) => {
                    "`Json<…>` around it"
                }
                ("HashMap" | "BTreeMap", [_, _]) | ("HashSet" | "BTreeSet" | "VecDeque", [_]) => "`Json<…>` around it",
                ("Option", [_]) => "one `Option`, there is one NULL",
                ("Self", []) => "`ForeignKey<Self>` for a row of the same model",
                _ => return None,
            }
        }
        Type::Macro(_) | Type::Verbatim(_) => return None,
        _ => {
            "i16, i32, i64, u16, u32, f64, Decimal, bool, String, Vec<u8>, Date, Time, DateTime, Duration, Uuid, IpAddr, FilePath, ImagePath, Json<T>, ForeignKey<M>, OneToOne<M>, an enum with `#[derive(Choices)]`, or an Option of one"
        }
    };
    let written = written(&inner.to_token_stream());
    Some(syn::Error::new_spanned(inner, format!("`{written}` can't be the type of a model's field: use {instead}")))
}

/// The tokens as a person would write them: no spaces but those after commas and between words.
fn written(tokens: &TokenStream) -> String {
    let text = tokens.to_string();
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let between_words = out.ends_with(is_word) && chars.peek().copied().is_some_and(|c| is_word(c) || c == '\'');
        if c != ' ' || between_words || out.ends_with([',', ';']) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        refused(&syn::parse_str(text).expect(text)).map(|mistake| mistake.to_string())
    }

    #[test]
    fn a_type_that_no_field_has_is_told_with_one_that_fields_have() {
        for (text, expected) in [
            ("u64", "`u64` can't be the type of a model's field: use `i64`"),
            ("&'a str", "`&'a str` can't be the type of a model's field: use `String`, a row owns its values"),
            (
                "std::collections::HashMap<String, Vec<i32>>",
                "`std::collections::HashMap<String, Vec<i32>>` can't be the type of a model's field: use `Json<…>` around it",
            ),
            ("(i32, [u8; 4])", "`(i32, [u8; 4])` can't be the type of a model's field: use `Json<…>` around it"),
        ] {
            assert_eq!(of(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_may_be_a_fields_type_is_left_to_the_compiler() {
        for text in
            ["String", "Vec<u8>", "Vec<Byte>", "Status", "shop::Price", "Json<Vec<u32>>", "ForeignKey<Self>", "u64<T>"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
