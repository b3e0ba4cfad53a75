//! `#[derive(Fields)]`: fields that several models share.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{DeriveInput, Type};

use super::new::NewRow;
use super::{meta, push_column, queries, read_row, serialize_field, source, touch};
use crate::field::{Field, Form};
use crate::mistakes::Mistakes;
use crate::names;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    syn::parse2(input).and_then(expand_set).unwrap_or_else(|mistake| mistake.to_compile_error())
}

fn expand_set(input: DeriveInput) -> syn::Result<TokenStream> {
    let DeriveInput { vis, ident, generics, data, .. } = input;
    if !generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&generics, "a set of fields can't be generic"));
    }
    let this = quote!(#ident);
    let outside = |ty: &Type| {
        names::replaced(ty.to_token_stream(), &|word| (word == "Self").then(|| names::at(&this, word.span())))
    };
    let mut mistakes = Mistakes::default();
    let fields: Vec<Field> = source(&data, &ident)?
        .into_iter()
        .filter_map(|field| Field::read(field, &ident, false, &outside, &mut mistakes))
        .collect();
    for field in &fields {
        let problem = match field.form {
            Form::Plain if field.is_key => "a primary key stands in the model itself",
            Form::Plain => continue,
            Form::Flattened => "fields are flattened into a model, one level deep",
            _ => "a relation stands in the model itself: the other model calls its rows by the model's name",
        };
        mistakes.add(syn::Error::new(field.ident.span(), problem));
    }
    let told = mistakes.told();
    if !mistakes.none() {
        return Ok(told);
    }
    let aliases = fields.iter().map(|field| &field.aliases);
    let allow = quote!(#[allow(dead_code)]);
    let paths = format_ident!("{ident}Fields");
    let path_struct = queries::paths(&fields, &vis, &ident, None, &format!("The fields of [`{ident}`] in queries."));
    let entries = meta::fields(&fields, &this);
    let read = read_row(&fields);
    let columns = fields.iter().filter(|field| field.is_given()).map(|field| push_column(field, &quote!(columns)));
    let touched = touch(&fields);
    let members = fields.iter().map(|field| serialize_field(field, &quote!(row)));
    let row = NewRow::of(&fields, &vis, &ident, true);
    let doc = format!("New [`{ident}`]: the fields that have no default. The others are methods.");
    let structs = row.structs(&doc, &allow);
    let (new, with) = (format_ident!("New{ident}"), format_ident!("New{ident}With"));
    let new_columns = row.columns();
    Ok(quote! {
        #(#aliases)*
        #path_struct
        #structs

        #[automatically_derived]
        impl ::bandstand::db::FieldSet for #ident {
            type Fields<R, W: ::bandstand::db::Nullness> = #paths<R, W>;
            type New = #with;
            const FIELDS: &'static [::bandstand::db::FieldMeta] = #entries;

            fn read(row: &mut ::bandstand::db::Reader<'_>) -> ::bandstand::Result<Self> {
                #read
            }

            fn columns(&self, columns: &mut ::std::vec::Vec<(&'static str, ::bandstand::db::Value)>) {
                #(#columns)*
            }

            fn touch(&mut self) {
                #touched
            }

            fn serialize<S: ::bandstand::serde::ser::SerializeStruct>(&self, row: &mut S) -> ::core::result::Result<(), S::Error> {
                #(#members)*
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl ::bandstand::db::NewFields for #with {
            type Required = #new;

            fn columns(self, columns: &mut ::std::vec::Vec<(&'static str, ::bandstand::db::Value)>) {
                #new_columns
            }
        }
    })
}
