//! `NewQuestion`: what a create takes.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::Visibility;

use super::Model;
use crate::field::{Field, Form};

/// The parts of a `New…` and its `New…With`.
pub(super) struct NewRow<'a> {
    vis: &'a Visibility,
    new: Ident,
    with: Ident,
    fields: Vec<&'a Field>,
    /// Whether functions have bodies; see [`Model::body`].
    is_sound: bool,
}

impl<'a> NewRow<'a> {
    pub(super) fn of(fields: &'a [Field], vis: &'a Visibility, ident: &Ident, is_sound: bool) -> Self {
        let fields = fields.iter().filter(|field| field.is_given()).collect();
        Self { vis, new: format_ident!("New{ident}"), with: format_ident!("New{ident}With"), fields, is_sound }
    }

    fn body(&self, body: TokenStream) -> TokenStream {
        if self.is_sound { body } else { quote!(::core::unreachable!()) }
    }

    fn optional(&self) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().copied().filter(|field| field.optional())
    }

    /// Both structs, with a method for each field that may be left out.
    pub(super) fn structs(&self, doc: &str, allow: &TokenStream) -> TokenStream {
        let Self { vis, new, with, .. } = self;
        let declared = self.fields.iter().filter(|field| !field.optional()).map(|field| {
            let (ident, taken) = (&field.ident, taken(field));
            let doc = format!("The field `{}`.", field.name);
            quote!(#[doc = #doc] #vis #ident: #taken)
        });
        let held = self.optional().map(|field| {
            let (ident, held) = (&field.ident, held(field));
            quote!(#ident: ::core::option::Option<#held>)
        });
        let empty = self.optional().map(|field| {
            let ident = &field.ident;
            quote!(#ident: ::core::option::Option::None)
        });
        let setters = |begin: TokenStream| -> Vec<TokenStream> {
            self.optional().map(|field| self.setter(field, &begin)).collect()
        };
        let (from_new, from_with) = (setters(quote!(self.into())), setters(quote!(self)));
        let with_doc = format!("A [`{new}`] with some of its optional fields set.");
        let default = self.fields.iter().all(|field| field.optional()).then(|| {
            quote! {
                #[automatically_derived]
                impl ::core::default::Default for #with {
                    fn default() -> Self {
                        Self::from(#new {})
                    }
                }
            }
        });
        quote! {
            #[doc = #doc]
            #[allow(dead_code)]
            #vis struct #new {
                #(#declared),*
            }

            #[doc = #with_doc]
            #[allow(dead_code)]
            #vis struct #with {
                new: #new,
                #(#held),*
            }

            #[automatically_derived]
            impl ::core::convert::From<#new> for #with {
                fn from(new: #new) -> Self {
                    Self { new, #(#empty),* }
                }
            }

            #default

            #allow
            impl #new {
                #(#from_new)*
            }

            #allow
            impl #with {
                #(#from_with)*
            }
        }
    }

    /// The statements that add the columns of `self`, a `New…With`, to `columns`, a reference to them.
    pub(super) fn columns(&self) -> TokenStream {
        self.fields.iter().map(|field| column(field)).collect()
    }

    /// The method that sets an optional field of a new row, which `begin` makes of `self`.
    fn setter(&self, field: &Field, begin: &TokenStream) -> TokenStream {
        let Self { vis, with, .. } = self;
        let (ident, base) = (&field.ident, &field.base);
        let doc = format!("Sets the field `{}`, which may be left out.", field.name);
        let (takes, value) = match field.form {
            Form::Flattened => {
                let ty = &field.ty;
                let new = quote!(<#ty as ::bandstand::db::FieldSet>::New);
                (quote!(impl ::core::convert::Into<#new>), quote!(value.into()))
            }
            _ if field.nullable => {
                (quote!(impl ::bandstand::db::Given<#base>), quote!(::bandstand::db::Given::<#base>::given(value)))
            }
            _ => (quote!(impl ::bandstand::db::Single<#base>), quote!(::bandstand::db::Single::<#base>::single(value))),
        };
        let body = self.body(quote! {
            let mut row: #with = #begin;
            row.#ident = ::core::option::Option::Some(#value);
            row
        });
        quote! {
            #[doc = #doc]
            #vis fn #ident(self, value: #takes) -> #with {
                #body
            }
        }
    }
}

/// The type of a field that must be given.
fn taken(field: &Field) -> TokenStream {
    let (ty, base) = (&field.ty, &field.base);
    match field.form {
        Form::Flattened => quote!(<<#ty as ::bandstand::db::FieldSet>::New as ::bandstand::db::NewFields>::Required),
        _ => base.clone(),
    }
}

/// The type in which a field is held that may be left out.
fn held(field: &Field) -> TokenStream {
    let ty = &field.ty;
    match field.form {
        Form::Flattened => quote!(<#ty as ::bandstand::db::FieldSet>::New),
        _ => quote!(::bandstand::db::Value),
    }
}

fn column(field: &Field) -> TokenStream {
    let (ident, name, ty, base) = (&field.ident, &field.name, &field.ty, &field.base);
    if field.form == Form::Flattened {
        let new = if field.optional() {
            quote!(self.#ident.unwrap_or_default())
        } else {
            quote!(<<#ty as ::bandstand::db::FieldSet>::New as ::core::convert::From<_>>::from(self.new.#ident))
        };
        return quote!(::bandstand::db::NewFields::columns(#new, columns););
    }
    if !field.optional() {
        // Of the type, not of what stands for it here: one that is no kind is told where it is written.
        return quote!(columns.push((#name, <<#ty as ::bandstand::db::Kind>::Base as ::bandstand::db::Store>::into_value(self.new.#ident))););
    }
    if field.is_auto() {
        return quote! {
            columns.push((#name, self.#ident.unwrap_or_else(|| {
                ::bandstand::db::Store::into_value(<#base as ::bandstand::time::Present>::present())
            })));
        };
    }
    quote! {
        if let ::core::option::Option::Some(value) = self.#ident {
            columns.push((#name, value));
        }
    }
}

impl Model {
    /// `NewQuestion`.
    pub(super) fn new_row(&self) -> TokenStream {
        let (ident, this, allow) = (&self.ident, &self.this, self.allow());
        let row = NewRow::of(&self.fields, &self.vis, ident, self.is_sound());
        let doc = format!("A new [`{ident}`] for `create`: the fields that have no default. The others are methods.");
        let structs = row.structs(&doc, &allow);
        let NewRow { new, with, .. } = &row;
        let (count, columns) = (self.fields.len(), row.columns());
        let columns = self.body(quote! {
            let mut all = ::std::vec::Vec::with_capacity(#count);
            let columns = &mut all;
            #columns
            all
        });
        quote! {
            #structs

            #[automatically_derived]
            impl ::bandstand::db::New<#this> for #new {
                fn columns(self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                    ::bandstand::db::New::<#this>::columns(#with::from(self))
                }
            }

            #[automatically_derived]
            impl ::bandstand::db::New<#this> for #with {
                fn columns(self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                    #columns
                }
            }
        }
    }
}
