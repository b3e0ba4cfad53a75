//! The constants, and the struct through which other models reach these fields.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Visibility;

use super::Model;
use crate::field::{Field, Form, related};

impl Model {
    pub(super) fn queries(&self) -> TokenStream {
        let (vis, ident, this) = (&self.vis, &self.ident, &self.this);
        let constants = self.fields.iter().map(|field| constant(field, vis, this));
        let paths = paths(
            &self.fields,
            vis,
            ident,
            Some(this),
            &format!("The fields of [`{ident}`] as another model reaches them over a relation."),
        );
        quote! {
            #[allow(dead_code)]
            impl #this {
                #(#constants)*
            }

            #paths
        }
    }
}

/// `Question::PUB_DATE`.
fn constant(field: &Field, vis: &Visibility, this: &TokenStream) -> TokenStream {
    let (constant, name, ty) = (field.constant(), &field.name, &field.shown);
    let doc = format!("The field `{name}` in queries.");
    let (declared, value) = match (&field.to, field.form) {
        (Some(to), Form::ManyToMany) => {
            let to = &to.ty;
            let value = quote! {{
                let path = ::bandstand::db::Path::field(#name).to_many();
                ::bandstand::db::Reverse::<#this, #to>::at(path, <<#to as ::bandstand::db::Model>::Fields<#this, ::bandstand::db::May>>::__at(path))
            }};
            (quote!(::bandstand::db::Reverse<#this, #to>), value)
        }
        (Some(to), _) => {
            let nullness = if field.nullable { quote!(::bandstand::db::May) } else { quote!(::bandstand::db::Must) };
            let (related, to) = (related(this, &to.shown, &nullness), &to.ty);
            let value = quote! {{
                let path = ::bandstand::db::Path::field(#name);
                ::bandstand::db::Related::<#this, #to, #nullness>::at(path, <<#to as ::bandstand::db::Model>::Fields<#this, #nullness>>::__at(path))
            }};
            (related, value)
        }
        (None, Form::Flattened) => {
            let ty = &field.ty;
            let fields = quote!(<#ty as ::bandstand::db::FieldSet>::Fields<#this, ::bandstand::db::Must>);
            (fields.clone(), quote!(<#fields>::__of(::core::option::Option::None)))
        }
        (None, _) => (
            quote!(::bandstand::db::Field<#this, #ty>),
            quote!(::bandstand::db::Field::at(::bandstand::db::Path::field(#name))),
        ),
    };
    quote_spanned! {field.ident.span()=>
        #[doc = #doc]
        #vis const #constant: #declared = #value;
    }
}

/// What stands in the crate's root, beside `app!`: the rows of a model as they are reached from somewhere. Its methods are the reverse
/// relations, which the models that point there add to it.
pub(super) fn reached() -> TokenStream {
    quote!(crate::__AppInTheCrateRoot)
}

/// The struct of all fields as they are reached from somewhere, with a method for each. Those of a model lead to its reverse relations.
pub(super) fn paths(
    fields: &[Field],
    vis: &Visibility,
    ident: &Ident,
    model: Option<&TokenStream>,
    doc: &str,
) -> TokenStream {
    let paths = format_ident!("{ident}Fields");
    let methods = fields.iter().map(|field| method(field, vis));
    let reached = reached();
    let (way, at) = match model {
        Some(model) => (quote!(#reached<R, #model, W>), quote!(#reached::at(path))),
        None => (quote!(::bandstand::db::Way<R, W>), quote!(::bandstand::db::Way::at(path))),
    };
    let further = model.map(|_| {
        quote! {
            #[automatically_derived]
            impl<R, W: ::bandstand::db::Nullness> ::core::ops::Deref for #paths<R, W> {
                type Target = #way;

                fn deref(&self) -> &#way {
                    &self.way
                }
            }
        }
    });
    quote! {
        #[doc = #doc]
        #vis struct #paths<R, W: ::bandstand::db::Nullness = ::bandstand::db::Must> {
            way: #way,
        }

        #further

        #[automatically_derived]
        impl<R, W: ::bandstand::db::Nullness> ::core::clone::Clone for #paths<R, W> {
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl<R, W: ::bandstand::db::Nullness> ::core::marker::Copy for #paths<R, W> {}

        #[allow(dead_code)]
        impl<R, W: ::bandstand::db::Nullness> #paths<R, W> {
            #[doc(hidden)]
            #vis const fn __at(path: ::bandstand::db::Path) -> Self {
                Self::__of(::core::option::Option::Some(path))
            }

            #[doc(hidden)]
            #vis const fn __of(path: ::core::option::Option<::bandstand::db::Path>) -> Self {
                Self { way: #at }
            }

            #(#methods)*
        }
    }
}

/// `Choice::QUESTION.pub_date()`.
fn method(field: &Field, vis: &Visibility) -> TokenStream {
    let (method, name, ty) = (&field.ident, &field.name, &field.shown);
    let doc = format!("The field `{name}`, reached over the relation.");
    let path = quote!(::bandstand::db::Path::reached(self.way.path, #name));
    let (returned, body) = match (&field.to, field.form) {
        (Some(to), Form::ManyToMany) => {
            let to = &to.ty;
            let body = quote! {
                let path = #path.to_many();
                ::bandstand::db::Reverse::<R, #to>::at(path, <<#to as ::bandstand::db::Model>::Fields<R, ::bandstand::db::May>>::__at(path))
            };
            (quote!(::bandstand::db::Reverse<R, #to>), body)
        }
        (Some(to), _) => {
            let nullness = if field.nullable { quote!(::bandstand::db::May) } else { quote!(W) };
            let (related, to) = (related(&quote!(R), &to.shown, &nullness), &to.ty);
            let body = quote! {
                let path = #path;
                ::bandstand::db::Related::<R, #to, #nullness>::at(path, <<#to as ::bandstand::db::Model>::Fields<R, #nullness>>::__at(path))
            };
            (related, body)
        }
        (None, Form::Flattened) => {
            let ty = &field.ty;
            let fields = quote!(<#ty as ::bandstand::db::FieldSet>::Fields<R, W>);
            (fields.clone(), quote!(<#fields>::__of(self.way.path)))
        }
        (None, _) => {
            // What the way may not lead to is NULL.
            let read = if field.nullable { quote!(#ty) } else { quote!(<W as ::bandstand::db::Nullness>::Of<#ty>) };
            (quote!(::bandstand::db::Field<R, #read>), quote!(::bandstand::db::Field::at(#path)))
        }
    };
    quote! {
        #[doc = #doc]
        #vis fn #method(&self) -> #returned {
            #body
        }
    }
}
