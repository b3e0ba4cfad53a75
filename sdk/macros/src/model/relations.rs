//! `choice.question()`, `question.choices()`, `Question::CHOICES`, and the same of many-to-many fields.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{Model, queries};
use crate::field::{Field, Form, Target};

impl Model {
    pub(super) fn relations(&self) -> TokenStream {
        let (this, allow) = (&self.this, self.allow());
        let relations = || self.fields.iter().filter_map(|field| field.to.as_ref().map(|to| (field, to)));
        let forward = relations().map(|(field, to)| self.forward(field, to));
        let reverse = relations().filter_map(|(field, to)| Some(self.reverse(field, to, field.reverse.as_ref()?)));
        quote! {
            #allow
            impl #this {
                #(#forward)*
            }

            #(#reverse)*
        }
    }

    fn forward(&self, field: &Field, to: &Target) -> TokenStream {
        let (vis, ident, name) = (&self.vis, &field.ident, &field.name);
        let Target { shown, ty } = to;
        if field.form == Form::ManyToMany {
            let doc = format!("The rows that `{name}` leads to. Loads those of all rows fetched together, once.");
            let (through, own) = self.through(field, to);
            let reverse = field.reverse.as_ref().map(|name| name.to_string().trim_start_matches("r#").to_owned());
            let body = self.body(quote! {
                const BY: (&str, &str, &str) = #through;
                let by = ::bandstand::db::By::Through { name: #reverse, through: BY.0, source: BY.1, target: BY.2 };
                ::bandstand::db::Many::of::<Self>(self, by, #own)
            });
            return quote! {
                #[doc = #doc]
                #vis fn #ident(&self) -> ::bandstand::db::Many<#ty> {
                    #body
                }
            };
        }
        let doc = format!("The row that `{name}` points to. Loads those of all rows fetched together, once.");
        let get = quote!(::bandstand::db::ForeignKey::<#ty>::get);
        let (returned, body) = if field.nullable {
            let body = quote! {
                match &self.#ident {
                    ::core::option::Option::Some(key) => #get(key).await.map(::core::option::Option::Some),
                    ::core::option::Option::None => ::core::result::Result::Ok(::core::option::Option::None),
                }
            };
            (quote!(::core::option::Option<::bandstand::db::Row<#shown>>), body)
        } else {
            (quote!(::bandstand::db::Row<#shown>), quote!(#get(&self.#ident).await))
        };
        let body = self.body(body);
        quote! {
            #[doc = #doc]
            #vis async fn #ident(&self) -> ::bandstand::Result<#returned> {
                #body
            }
        }
    }

    /// The model between, its field that points to this model, and its field that points to the other; and whether it is the app's own.
    fn through(&self, field: &Field, to: &Target) -> (TokenStream, bool) {
        let (this, name) = (&self.this, &self.name);
        let to = &to.ty;
        let same = to.to_string() == this.to_string()
            || field.to.as_ref().is_some_and(|to| to.shown.to_string() == this.to_string());
        let target = quote!(<#to as ::bandstand::db::Model>::NAME);
        match &field.attributes.through {
            None => {
                let through = format!("{name}_{}", field.name);
                if same {
                    let (from, to) = (format!("from_{name}"), format!("to_{name}"));
                    return (quote!((#through, #from, #to)), false);
                }
                (quote!((#through, #name, #target)), false)
            }
            Some(through) => {
                let meta = quote!(<#through as ::bandstand::db::Model>::META);
                let fields = match field.attributes.through_fields.as_slice() {
                    [source, target] => quote!(#source, #target),
                    _ => {
                        quote!(::bandstand::db::pointing_to(#meta, #name), ::bandstand::db::pointing_to(#meta, #target))
                    }
                };
                (quote!((<#through as ::bandstand::db::Model>::NAME, #fields)), true)
            }
        }
    }

    fn reverse(&self, field: &Field, to: &Target, method: &Ident) -> TokenStream {
        let (vis, ident, this, name) = (&self.vis, &self.ident, &self.this, &field.name);
        let related = method.to_string();
        let related = related.trim_start_matches("r#");
        let constant = Ident::new(&related.to_uppercase(), method.span());
        let constant_method = method.clone();
        let doc = format!(
            "The rows of [`{ident}`] whose `{name}` is this one. Loads those of all rows fetched together, once."
        );
        let constant_doc = format!("The rows of [`{ident}`] that point here, in queries.");
        let Target { shown, ty } = to;
        let method = match field.form {
            Form::OneToOne => {
                let body = self.body(quote! {
                    let pointing = ::bandstand::db::Pointing::to::<#ty>(self, ::bandstand::db::By::Field(#name));
                    ::bandstand::db::QuerySet::<#this>::pointing(pointing).belonging().await
                });
                let doc = format!(
                    "The row of [`{ident}`] whose `{name}` is this one. Loads those of all rows fetched together, once."
                );
                quote! {
                    #[doc = #doc]
                    #vis async fn #method(&self) -> ::bandstand::Result<::core::option::Option<#this>> {
                        #body
                    }
                }
            }
            Form::ManyToMany => {
                let (through, own) = self.through(field, to);
                let body = self.body(quote! {
                    const BY: (&str, &str, &str) = #through;
                    let by = ::bandstand::db::By::Through { name: #name, through: BY.0, source: BY.2, target: BY.1 };
                    ::bandstand::db::Many::of::<#ty>(self, by, #own)
                });
                quote! {
                    #[doc = #doc]
                    #vis fn #method(&self) -> ::bandstand::db::Many<#this> {
                        #body
                    }
                }
            }
            _ => quote! {
                #[doc = #doc]
                #vis fn #method(&self) -> ::bandstand::db::QuerySet<#this> {
                    ::bandstand::db::QuerySet::pointing(::bandstand::db::Pointing::to::<#ty>(self, ::bandstand::db::By::Field(#name)))
                }
            },
        };
        let (allow, reached) = (self.allow(), queries::reached());
        let name = &constant_method;
        quote! {
            #allow
            impl<R, W: ::bandstand::db::Nullness> #reached<R, #ty, W> {
                #[doc = #constant_doc]
                #vis fn #name(&self) -> ::bandstand::db::Reverse<R, #this> {
                    let path = ::bandstand::db::Path::reached(self.path, #related).to_many();
                    ::bandstand::db::Reverse::at(path, <<#this as ::bandstand::db::Model>::Fields<R, ::bandstand::db::May>>::__at(path))
                }
            }

            #allow
            impl #shown {
                #[doc = #constant_doc]
                #vis const #constant: ::bandstand::db::Reverse<#shown, #this> = {
                    let path = ::bandstand::db::Path::field(#related).to_many();
                    ::bandstand::db::Reverse::at(path, <<#this as ::bandstand::db::Model>::Fields<#shown, ::bandstand::db::May>>::__at(path))
                };

                #method
            }
        }
    }
}
