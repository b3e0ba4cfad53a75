//! `#[derive(Model)]`.
//!
//! A struct with mistakes still becomes a model, of what is sound in it: the rest of the app speaks of it everywhere, and would otherwise be
//! told dozens of times that it isn't there. Only the bodies of such a model's functions are left out.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Data, DeriveInput, Fields, GenericParam, Type, Visibility};

use crate::attributes::{FieldAttributes, ModelAttributes, Value, known_field};
use crate::field::{Field, Target, related};
use crate::mistakes::Mistakes;
use crate::{names, types};

/// A model, as far as it is sound.
struct Model {
    vis: Visibility,
    ident: Ident,
    /// The type: the name, and `'static` for lifetimes, which a model can't have.
    this: TokenStream,
    name: String,
    attributes: ModelAttributes,
    key: Field,
    /// Whether the struct has a field of the key's name.
    has_id: bool,
    fields: Vec<Field>,
    mistakes: Mistakes,
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2(input).and_then(read) {
        Ok(model) => model.expand(),
        Err(mistake) => mistake.to_compile_error(),
    }
}

/// Errors: what leaves no model at all. Other mistakes are in it.
fn read(input: DeriveInput) -> syn::Result<Model> {
    let DeriveInput { attrs, vis, ident, generics, data } = input;
    let generic = syn::Error::new_spanned(&generics, "a model can't be generic: it is one table");
    let lifetimes: Vec<&Ident> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(param) => Some(&param.lifetime.ident),
            _ => None,
        })
        .collect();
    if lifetimes.len() < generics.params.len() {
        return Err(generic);
    }
    let arguments = lifetimes.iter().map(|_| quote!('static));
    let this = if lifetimes.is_empty() { quote!(#ident) } else { quote!(#ident<#(#arguments),*>) };
    let outside = |ty: &Type| {
        names::replaced(ty.to_token_stream(), &|word| match word {
            word if word == "Self" => Some(names::at(&this, word.span())),
            word if lifetimes.contains(&word) => Some(quote!(static)),
            _ => None,
        })
    };

    let mut mistakes = Mistakes::default();
    let mut attributes = ModelAttributes::read(&attrs, &mut mistakes);
    let (name, span) = match &attributes.name {
        Some(name) => (name.value(), name.span()),
        None => (names::snake_case(&ident.to_string()), ident.span()),
    };
    let name = match mistakes.note(names::check(&name, span, "a model")) {
        Some(()) => name,
        None => names::snake_case(&ident.to_string()),
    };
    let read = source(&data, &ident).map(|source| read_fields(&source, &ident, &outside, &mut mistakes));
    let (key, mut fields) = mistakes.note(read).unwrap_or_else(|| {
        // Where there are no fields, no name of one is a mistake.
        attributes = ModelAttributes::default();
        (Key::Missing, Vec::new())
    });
    let (key, has_id) = match key {
        Key::Field(key) => (*key, true),
        Key::Wrong => (Field::missing_key(&this, ident.span()), true),
        Key::Missing => (Field::missing_key(&this, ident.span()), false),
    };
    name_reverses(&mut fields, &name, &mut mistakes);
    // The lifetime of a reference is told with the reference.
    if !lifetimes.is_empty() && fields.iter().all(|field| !field.is_wrong) {
        mistakes.add(generic);
    }
    let known: Vec<&str> = std::iter::once(&key).chain(&fields).map(|field| field.name.as_str()).collect();
    let mut is_known = |name: &syn::LitStr| mistakes.note(known_field(name, &known)).is_some();
    attributes.ordering.retain(&mut is_known);
    attributes.unique_together.retain(|set| set.iter().all(&mut is_known));
    attributes.indexes.retain(|set| set.iter().all(&mut is_known));
    Ok(Model { vis, ident, this, name, attributes, key, has_id, fields, mistakes })
}

/// The fields as they were written.
fn source<'a>(data: &'a Data, ident: &Ident) -> syn::Result<Vec<&'a syn::Field>> {
    let problem = match data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => return Ok(named.named.iter().collect()),
            _ => "a model's fields have names: `struct Question { pub id: Id<Self>, … }`",
        },
        _ => "a model is a struct",
    };
    Err(syn::Error::new(ident.span(), problem))
}

/// What there is of a key.
enum Key {
    Field(Box<Field>),
    /// A field `id` of another type.
    Wrong,
    Missing,
}

/// The key and the other fields.
fn read_fields(
    source: &[&syn::Field],
    model: &Ident,
    outside: &dyn Fn(&Type) -> TokenStream,
    mistakes: &mut Mistakes,
) -> (Key, Vec<Field>) {
    let is_key = |field: &syn::Field| types::argument_of(&field.ty, "Id").is_some();
    let is_called_id = |field: &syn::Field| field.ident.as_ref().is_some_and(|name| name == "id");
    let at = match source.first() {
        Some(first) if is_key(first) => Some(0),
        first => {
            let problem = "a model begins with its primary key: `pub id: Id<Self>`";
            mistakes.add(match first {
                Some(syn::Field { vis, ident, ty, .. }) => syn::Error::new_spanned(quote!(#vis #ident: #ty), problem),
                None => syn::Error::new(model.span(), problem),
            });
            source.iter().position(|field| is_called_id(field))
        }
    };
    let mut read = |field: &syn::Field, as_key| Field::read(field, model, as_key, outside, mistakes);
    let key = match at.map(|at| source[at]) {
        Some(field) if is_key(field) => read(field, true).map_or(Key::Missing, |field| Key::Field(Box::new(field))),
        Some(_) => Key::Wrong,
        None => Key::Missing,
    };
    let others = source.iter().enumerate().filter(|(other, _)| Some(*other) != at);
    (key, others.filter_map(|(_, field)| read(field, false)).collect())
}

/// Gives the relations the names that the other models know them by, each model one of each.
fn name_reverses(fields: &mut [Field], model: &str, mistakes: &mut Mistakes) {
    let mut taken: Vec<(String, String)> = Vec::new();
    for field in fields {
        let Some(pair) = field.name_reverse(model, mistakes) else {
            continue;
        };
        if taken.contains(&pair) {
            let (to, name) = &pair;
            let span = field.attributes.related_name.as_ref().map_or(field.ident.span(), |related| related.span());
            let problem = format!("`{to}` has two relations called `{name}`; give one of them another related_name");
            mistakes.add(syn::Error::new(span, problem));
            field.reverse = None;
        }
        taken.push(pair);
    }
}

fn or_empty(text: Option<&syn::LitStr>) -> TokenStream {
    text.map_or_else(|| quote!(""), |text| quote!(#text))
}

impl Model {
    fn all(&self) -> impl Iterator<Item = &Field> {
        std::iter::once(&self.key).chain(&self.fields)
    }

    fn is_sound(&self) -> bool {
        self.mistakes.none() && self.fields.iter().all(|field| !field.is_wrong)
    }

    /// A function's body. With mistakes it is left out: nobody will run it, and what it does with a wrong field would be told as well.
    fn body(&self, body: TokenStream) -> TokenStream {
        if self.is_sound() { body } else { quote!(::core::unreachable!()) }
    }

    /// For items whose functions may be left unused, or their arguments with their bodies.
    fn allow(&self) -> TokenStream {
        if self.is_sound() { quote!(#[allow(dead_code)]) } else { quote!(#[allow(dead_code, unused_variables)]) }
    }

    fn expand(&self) -> TokenStream {
        let (ident, this, name) = (&self.ident, &self.this, &self.name);
        let (meta, queries, relations) = (self.meta(), self.queries(), self.relations());
        let (new, serialize) = (self.new_row(), self.serialize());
        let aliases = self.fields.iter().map(|field| &field.aliases);
        let told = self.mistakes.told();
        let allow = self.allow();
        let paths = format_ident!("{ident}Fields");
        let read = self.all().map(|field| {
            let (ident, name, ty) = (&field.ident, &field.name, &field.ty);
            quote!(#ident: row.field::<#ty>(#name)?)
        });
        let read = self.body(quote!(::core::result::Result::Ok(Self { #(#read),* })));
        let columns = self.fields.iter().map(|field| {
            let (ident, name, ty) = (&field.ident, &field.name, &field.ty);
            let value = if field.attributes.auto_now.is_some() {
                quote!(::bandstand::db::Store::into_value(::bandstand::time::now()))
            } else {
                quote!(<#ty as ::bandstand::db::Kind>::to_value(&self.#ident))
            };
            quote!((#name, #value))
        });
        let columns = self.body(quote!(::std::vec![#(#columns),*]));
        let key = &self.key.ident;
        let id = self.body(quote!(self.#key));
        let missing_id = (!self.has_id).then(|| self.missing_id());
        quote! {
            #(#aliases)*
            #missing_id

            #[automatically_derived]
            #allow
            impl ::bandstand::db::Model for #this {
                type Fields<R> = #paths<R>;
                const NAME: &'static str = #name;
                const META: &'static ::bandstand::db::ModelMeta = &{ #told #meta };

                fn read(row: &mut ::bandstand::db::Reader<'_>) -> ::bandstand::Result<Self> {
                    #read
                }

                fn columns(&self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                    #columns
                }

                fn id(&self) -> ::bandstand::db::Id<Self> {
                    #id
                }
            }

            #queries
            #relations
            #new
            #serialize
        }
    }

    /// What `question.id` is where the struct forgot its key: a derive can't add a field, but one to be reached by dereferencing.
    fn missing_id(&self) -> TokenStream {
        let (vis, this) = (&self.vis, &self.this);
        let (holder, ident, ty) = (format_ident!("__{}_key", self.ident), &self.key.ident, &self.key.ty);
        quote! {
            #[allow(non_camel_case_types)]
            #[doc(hidden)]
            #vis struct #holder {
                #vis #ident: #ty,
            }

            impl ::core::ops::Deref for #this {
                type Target = #holder;

                fn deref(&self) -> &#holder {
                    ::core::unreachable!()
                }
            }
        }
    }

    /// The model in the manifest.
    fn meta(&self) -> TokenStream {
        let mut entries = Vec::new();
        for field in self.all() {
            let FieldAttributes { unique, index, blank, .. } = field.attributes;
            let (name, ty) = (&field.name, &field.ty);
            let kind = match &field.attributes.max_length {
                Some(length) => quote!(::bandstand::db::FieldKind::Char { max_length: #length }),
                None => quote!(<#ty as ::bandstand::db::Kind>::KIND),
            };
            // The literal's own type is checked where it stands.
            let literal = |value: &Value| {
                let (expression, for_manifest) = (value.expression(), &value.for_manifest);
                let check =
                    quote_spanned!(value.span()=> let _: <#ty as ::bandstand::db::Kind>::Literal = #expression;);
                quote!({ #check #for_manifest })
            };
            let default = match field.attributes.default.as_ref().map(literal) {
                Some(value) => quote!(::core::option::Option::Some(#value)),
                None => quote!(::core::option::Option::None),
            };
            let choices = field.attributes.choices.iter().map(|(value, label)| {
                let value = literal(value);
                quote!((#value, #label))
            });
            let (label, help_text) =
                (or_empty(field.attributes.label.as_ref()), or_empty(field.attributes.help_text.as_ref()));
            let related_name = or_empty(field.attributes.related_name.as_ref());
            let (on_delete, null) = (field.on_delete(), field.nullable);
            entries.push(quote! {
                ::bandstand::db::FieldMeta {
                    name: #name,
                    kind: #kind,
                    null: #null,
                    blank: #blank,
                    unique: #unique,
                    index: #index,
                    default: #default,
                    choices: &[#(#choices),*],
                    label: #label,
                    help_text: #help_text,
                    on_delete: #on_delete,
                    related_name: #related_name,
                }
            });
        }
        let (name, attributes) = (&self.name, &self.attributes);
        let (label, label_plural) = (or_empty(attributes.label.as_ref()), or_empty(attributes.label_plural.as_ref()));
        let ordering = &attributes.ordering;
        let unique_together = attributes.unique_together.iter().map(|set| quote!(&[#(#set),*]));
        let indexes = attributes.indexes.iter().map(|set| quote!(&[#(#set),*]));
        quote! {
            ::bandstand::db::ModelMeta {
                name: #name,
                label: #label,
                label_plural: #label_plural,
                fields: &[#(#entries),*],
                ordering: &[#(#ordering),*],
                unique_together: &[#(#unique_together),*],
                indexes: &[#(#indexes),*],
            }
        }
    }

    /// The constants, and the struct through which other models reach these fields.
    fn queries(&self) -> TokenStream {
        let (vis, ident, this) = (&self.vis, &self.ident, &self.this);
        let paths = format_ident!("{ident}Fields");
        let constants = self.all().map(|field| {
            let (constant, name, ty) = (field.constant(), &field.name, &field.shown);
            let doc = format!("The field `{name}` in queries.");
            match &field.to {
                Some(to) => {
                    let (related, to) = (related(this, &to.shown), &to.ty);
                    quote_spanned! {field.ident.span()=>
                        #[doc = #doc]
                        #vis const #constant: #related = {
                            let path = ::bandstand::db::Path::field(#name);
                            ::bandstand::db::Related::<#this, #to>::at(path, <<#to as ::bandstand::db::Model>::Fields<#this>>::at(path))
                        };
                    }
                }
                None => quote_spanned! {field.ident.span()=>
                    #[doc = #doc]
                    #vis const #constant: ::bandstand::db::Field<#this, #ty> = ::bandstand::db::Field::at(::bandstand::db::Path::field(#name));
                },
            }
        });
        let methods = self.all().map(|field| {
            let (method, name, ty) = (&field.ident, &field.name, &field.shown);
            let doc = format!("The field `{name}`, reached over the relation.");
            match &field.to {
                Some(to) => {
                    let (related, to) = (related(&quote!(R), &to.shown), &to.ty);
                    quote! {
                        #[doc = #doc]
                        #vis fn #method(&self) -> #related {
                            let path = self.path.then(#name);
                            ::bandstand::db::Related::<R, #to>::at(path, <<#to as ::bandstand::db::Model>::Fields<R>>::at(path))
                        }
                    }
                }
                None => quote! {
                    #[doc = #doc]
                    #vis fn #method(&self) -> ::bandstand::db::Field<R, #ty> {
                        ::bandstand::db::Field::at(self.path.then(#name))
                    }
                },
            }
        });
        let doc = format!("The fields of [`{ident}`] as another model reaches them over a relation.");
        quote! {
            #[allow(dead_code)]
            impl #this {
                #(#constants)*
            }

            #[doc = #doc]
            #vis struct #paths<R> {
                path: ::bandstand::db::Path,
                marker: ::core::marker::PhantomData<fn() -> R>,
            }

            #[automatically_derived]
            impl<R> ::core::clone::Clone for #paths<R> {
                fn clone(&self) -> Self {
                    *self
                }
            }

            #[automatically_derived]
            impl<R> ::core::marker::Copy for #paths<R> {}

            #[allow(dead_code)]
            impl<R> #paths<R> {
                #[doc(hidden)]
                #vis const fn at(path: ::bandstand::db::Path) -> Self {
                    Self { path, marker: ::core::marker::PhantomData }
                }

                #(#methods)*
            }
        }
    }

    /// `choice.question()`, `question.choices()` and `Question::CHOICES`.
    fn relations(&self) -> TokenStream {
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
        let doc = format!("The row that `{name}` points to. Loads those of all rows fetched together, once.");
        let Target { shown: to, ty } = to;
        let get = quote!(::bandstand::db::ForeignKey::<#ty>::get);
        let (returned, body) = if field.nullable {
            let body = quote! {
                match &self.#ident {
                    ::core::option::Option::Some(key) => #get(key).await.map(::core::option::Option::Some),
                    ::core::option::Option::None => ::core::result::Result::Ok(::core::option::Option::None),
                }
            };
            (quote!(::core::option::Option<::bandstand::db::Row<#to>>), body)
        } else {
            (quote!(::bandstand::db::Row<#to>), quote!(#get(&self.#ident).await))
        };
        let body = self.body(body);
        quote! {
            #[doc = #doc]
            #vis async fn #ident(&self) -> ::bandstand::Result<#returned> {
                #body
            }
        }
    }

    fn reverse(&self, field: &Field, to: &Target, method: &Ident) -> TokenStream {
        let (vis, ident, this, name) = (&self.vis, &self.ident, &self.this, &field.name);
        let related = method.to_string();
        let related = related.trim_start_matches("r#");
        let constant = Ident::new(&related.to_uppercase(), method.span());
        let doc = format!("The rows of [`{ident}`] whose `{name}` is this one.");
        let constant_doc = format!("The rows of [`{ident}`] that point here, in queries.");
        let Target { shown: to, ty } = to;
        quote! {
            #[allow(dead_code)]
            impl #to {
                #[doc = #constant_doc]
                #vis const #constant: ::bandstand::db::Reverse<#to, #this> = ::bandstand::db::Reverse::at(
                    <<#this as ::bandstand::db::Model>::Fields<#to>>::at(::bandstand::db::Path::field(#related))
                );

                #[doc = #doc]
                #vis fn #method(&self) -> ::bandstand::db::QuerySet<#this> {
                    ::bandstand::db::QuerySet::pointing(#name, <#ty as ::bandstand::db::Model>::id(self).get())
                }
            }
        }
    }

    /// `NewQuestion`.
    fn new_row(&self) -> TokenStream {
        let (vis, ident, this, allow) = (&self.vis, &self.ident, &self.this, self.allow());
        let new = format_ident!("New{ident}");
        let with = format_ident!("New{ident}With");
        let required: Vec<&Field> = self.fields.iter().filter(|field| !field.optional()).collect();
        let optional: Vec<&Field> = self.fields.iter().filter(|field| field.optional()).collect();
        let declared = required.iter().map(|field| {
            let (ident, base) = (&field.ident, &field.base);
            let doc = format!("The field `{}`.", field.name);
            quote!(#[doc = #doc] #vis #ident: #base)
        });
        let held = optional.iter().map(|field| {
            let ident = &field.ident;
            quote!(#ident: ::core::option::Option<::bandstand::db::Value>)
        });
        let empty: Vec<TokenStream> = optional
            .iter()
            .map(|field| {
                let ident = &field.ident;
                quote!(#ident: ::core::option::Option::None)
            })
            .collect();
        let setters = |begin: TokenStream| -> Vec<TokenStream> {
            optional.iter().map(|field| self.setter(field, &with, &begin)).collect()
        };
        let from_new = setters(quote!(self.into()));
        let from_with = setters(quote!(self));
        let columns = self.fields.iter().map(|field| {
            let (ident, name) = (&field.ident, &field.name);
            if !field.optional() {
                let into_value = into_value(field);
                return quote!(columns.push((#name, #into_value(self.new.#ident))););
            }
            if field.attributes.auto_now.is_some() || field.attributes.auto_now_add.is_some() {
                return quote! {
                    columns.push((#name, self.#ident.unwrap_or_else(|| ::bandstand::db::Store::into_value(::bandstand::time::now()))));
                };
            }
            quote! {
                if let ::core::option::Option::Some(value) = self.#ident {
                    columns.push((#name, value));
                }
            }
        });
        let count = self.fields.len();
        let columns = self.body(quote! {
            let mut columns = ::std::vec::Vec::with_capacity(#count);
            #(#columns)*
            columns
        });
        let doc = format!("A new [`{ident}`] for `create`: the fields that have no default. The others are methods.");
        let with_doc = format!("A [`{new}`] with some of its optional fields set.");
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

            #allow
            impl #new {
                #(#from_new)*
            }

            #allow
            impl #with {
                #(#from_with)*
            }

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

    /// The method that sets an optional field of a new row, which `begin` makes of `self`.
    fn setter(&self, field: &Field, with: &Ident, begin: &TokenStream) -> TokenStream {
        let (vis, ident, base, into_value) = (&self.vis, &field.ident, &field.base, into_value(field));
        let doc = format!("Sets the field `{}`, which may be left out.", field.name);
        let (takes, value) = if field.nullable {
            let takes = quote!(impl ::core::convert::Into<::core::option::Option<#base>>);
            (takes, quote!(value.into().map_or(::bandstand::db::Value::Null, #into_value)))
        } else {
            (quote!(impl ::core::convert::Into<#base>), quote!(#into_value(value.into())))
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

    fn serialize(&self) -> TokenStream {
        let (this, allow) = (&self.this, self.allow());
        let (count, name) = (self.fields.len() + 1, self.ident.to_string());
        let members = self.all().map(|field| {
            let (ident, name, ty) = (&field.ident, &field.name, &field.ty);
            quote!(::bandstand::serde::ser::SerializeStruct::serialize_field::<#ty>(&mut row, #name, &self.#ident)?;)
        });
        let body = self.body(quote! {
            let mut row = ::bandstand::serde::Serializer::serialize_struct(serializer, #name, #count)?;
            #(#members)*
            ::bandstand::serde::ser::SerializeStruct::end(row)
        });
        quote! {
            #[automatically_derived]
            #allow
            impl ::bandstand::serde::Serialize for #this {
                fn serialize<S: ::bandstand::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                    #body
                }
            }
        }
    }
}

/// The function that makes a new row's value of the field one that crosses.
fn into_value(field: &Field) -> TokenStream {
    let ty = &field.ty;
    quote!(<<#ty as ::bandstand::db::Kind>::Base as ::bandstand::db::Store>::into_value)
}
