//! `#[derive(Choices)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Lit};

use crate::attributes::ChoiceAttribute;
use crate::mistakes::Mistakes;
use crate::names;

/// A variant's value.
enum Value {
    Text(String),
    Integer(i32),
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    syn::parse2(input).and_then(expand_enum).unwrap_or_else(|mistake| mistake.to_compile_error())
}

fn expand_enum(input: DeriveInput) -> syn::Result<TokenStream> {
    let DeriveInput { ident, generics, data, .. } = input;
    let Data::Enum(data) = data else {
        return Err(syn::Error::new(ident.span(), "choices are the variants of an enum"));
    };
    if !generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&generics, "choices can't be generic: they are a few values"));
    }
    if data.variants.is_empty() {
        return Err(syn::Error::new(ident.span(), "choices need a variant at least"));
    }
    let mut mistakes = Mistakes::default();
    let mut found: Vec<(syn::Ident, Value, String)> = Vec::new();
    for variant in &data.variants {
        let name = variant.ident.to_string();
        if !variant.fields.is_empty() {
            mistakes.add(syn::Error::new(variant.ident.span(), "a choice has no fields: it is one value"));
        }
        let ChoiceAttribute { value, negative, label } = ChoiceAttribute::read(&variant.attrs, &mut mistakes);
        let span = value.as_ref().map_or(variant.ident.span(), Lit::span);
        let value = match value {
            None => Value::Text(names::snake_case(&name)),
            Some(Lit::Str(text)) if !negative => Value::Text(text.value()),
            Some(Lit::Int(number)) => {
                let text = format!("{}{}", if negative { "-" } else { "" }, number.base10_digits());
                let number = text.parse().map_err(|_| syn::Error::new(span, "this number doesn't fit 32 bits"));
                Value::Integer(mistakes.note(number).unwrap_or_default())
            }
            Some(_) => {
                mistakes.add(syn::Error::new(span, "the value of a choice is a text or a whole number"));
                continue;
            }
        };
        let label = label.map_or_else(|| words(&name), |label| label.value());
        let twice = found.iter().any(|(_, other, _)| match (other, &value) {
            (Value::Text(other), Value::Text(value)) => other == value,
            (Value::Integer(other), Value::Integer(value)) => other == value,
            _ => false,
        });
        if twice {
            mistakes.add(syn::Error::new(span, "a choice before this one has the same value"));
        }
        let mixed = found.first().is_some_and(|(_, first, _)| {
            matches!((first, &value), (Value::Text(_), Value::Integer(_)) | (Value::Integer(_), Value::Text(_)))
        });
        if mixed {
            mistakes.add(syn::Error::new(span, "the values of choices are all texts or all whole numbers"));
            continue;
        }
        found.push((variant.ident.clone(), value, label));
    }
    let told = mistakes.told();
    if !mistakes.none() {
        return Ok(told);
    }
    Ok(implemented(&ident, &found))
}

fn implemented(ident: &syn::Ident, found: &[(syn::Ident, Value, String)]) -> TokenStream {
    let variants: Vec<_> = found.iter().map(|(variant, ..)| variant).collect();
    let labels = found.iter().map(|(.., label)| label);
    let values: Vec<TokenStream> = found
        .iter()
        .map(|(_, value, _)| match value {
            Value::Text(text) => quote!(#text),
            Value::Integer(number) => quote!(#number),
        })
        .collect();
    let is_text = matches!(found[0].1, Value::Text(_));
    let (ty, kind, word, literal, read) = if is_text {
        let longest = found.iter().map(|(_, value, _)| match value {
            Value::Text(text) => text.chars().count(),
            Value::Integer(_) => 0,
        });
        let longest = u32::try_from(longest.max().unwrap_or(1).max(1)).unwrap_or(u32::MAX);
        (
            quote!(&'static str),
            quote!(Char { max_length: #longest }),
            "text",
            quote!(Text(self.__value())),
            quote!(::bandstand::db::Cell::Text(value)),
        )
    } else {
        (
            quote!(i32),
            quote!(Integer),
            "integer",
            quote!(Integer(self.__value() as i64)),
            quote!(::bandstand::db::Cell::Integer(value)),
        )
    };
    let into_value = if is_text {
        quote!(::bandstand::db::Value::Text(self.__value().into()))
    } else {
        quote!(::bandstand::db::Value::Integer(self.__value().into()))
    };
    let serialize = if is_text { quote!(serialize_str) } else { quote!(serialize_i32) };
    let (found_in, named) = if is_text {
        (
            quote!(<::std::string::String as ::bandstand::serde::Deserialize>::deserialize(deserializer)?),
            quote!(value.as_str()),
        )
    } else {
        (quote!(<i32 as ::bandstand::serde::Deserialize>::deserialize(deserializer)?), quote!(value))
    };
    let known =
        values.iter().map(|value| value.to_string().trim_matches('"').to_owned()).collect::<Vec<_>>().join(", ");
    let wrong = format!("must be one of: {known}");
    let compared = if is_text { quote!(self.__value() == value) } else { quote!(i64::from(self.__value()) == value) };
    let value_type = if is_text { quote!(&str) } else { quote!(i64) };
    quote! {
        impl #ident {
            #[doc(hidden)]
            pub const fn __value(self) -> #ty {
                match self {
                    #(Self::#variants => #values,)*
                }
            }

            #[doc(hidden)]
            pub const fn __literal(self) -> ::bandstand::db::Literal {
                ::bandstand::db::Literal::#literal
            }

            #[doc(hidden)]
            pub const fn __label(self) -> &'static str {
                match self {
                    #(Self::#variants => #labels,)*
                }
            }

            fn __is(self, value: #value_type) -> bool {
                #compared
            }
        }

        #[automatically_derived]
        impl ::bandstand::db::Choices for #ident {
            type Value = #ty;
            const ALL: &'static [Self] = &[#(Self::#variants),*];

            fn value(self) -> #ty {
                self.__value()
            }

            fn label(self) -> &'static str {
                self.__label()
            }
        }

        #[automatically_derived]
        impl ::bandstand::db::Store for #ident {
            const WORD: &'static str = #word;

            fn into_value(self) -> ::bandstand::db::Value {
                #into_value
            }
        }

        #[automatically_derived]
        impl ::bandstand::db::Kind for #ident {
            type Base = Self;
            type Nullness = ::bandstand::db::Must;
            type Literal = #ty;
            const KIND: ::bandstand::db::FieldKind = ::bandstand::db::FieldKind::#kind;
            const CHOICES: &'static [(::bandstand::db::Literal, &'static str)] = {
                const LIST: &[(::bandstand::db::Literal, &str)] = &{
                    let mut list = [(::bandstand::db::Literal::Null, ""); <#ident as ::bandstand::db::Choices>::ALL.len()];
                    let mut at = 0;
                    while at < list.len() {
                        let choice = <#ident as ::bandstand::db::Choices>::ALL[at];
                        list[at] = (choice.__literal(), choice.__label());
                        at += 1;
                    }
                    list
                };
                LIST
            };

            fn to_value(&self) -> ::bandstand::db::Value {
                ::bandstand::db::Store::into_value(*self)
            }

            fn from_cell(cell: ::bandstand::db::Cell<'_>, _: &mut ::bandstand::db::Column) -> ::core::result::Result<Self, ::bandstand::db::Misfit> {
                match cell {
                    #read => <Self as ::bandstand::db::Choices>::ALL.iter().copied().find(|choice| choice.__is(value)).ok_or(::bandstand::db::Misfit),
                    _ => ::core::result::Result::Err(::bandstand::db::Misfit),
                }
            }
        }

        ::bandstand::__values!(#ident as #ident);

        #[automatically_derived]
        impl<R> ::bandstand::db::Natural<R> for #ident {
            type Kind = #ident;
        }

        #[automatically_derived]
        impl ::bandstand::serde::Serialize for #ident {
            fn serialize<S: ::bandstand::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.#serialize(self.__value())
            }
        }

        #[automatically_derived]
        impl<'de> ::bandstand::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::bandstand::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                let value = #found_in;
                <Self as ::bandstand::db::Choices>::ALL
                    .iter()
                    .copied()
                    .find(|choice| choice.__value() == #named)
                    .ok_or_else(|| ::bandstand::serde::de::Error::custom(#wrong))
            }
        }
    }
}

/// `NotYetPublished` becomes `Not yet published`.
fn words(name: &str) -> String {
    let text = names::snake_case(name).replace('_', " ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_in_words() {
        for (name, expected) in [("Small", "Small"), ("NotYetPublished", "Not yet published"), ("XL", "Xl")] {
            assert_eq!(words(name), expected);
        }
    }
}
