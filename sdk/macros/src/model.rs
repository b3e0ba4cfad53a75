//! `#[derive(Model)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, GenericArgument, Ident, PathArguments, Type, Visibility};

use crate::attributes::{FieldAttributes, ModelAttributes, known_field};
use crate::names;

const ON_DELETE: [(&str, &str); 6] = [
    ("Cascade", "cascade"),
    ("Protect", "protect"),
    ("Restrict", "restrict"),
    ("SetNull", "set_null"),
    ("SetDefault", "set_default"),
    ("DoNothing", "do_nothing"),
];

/// A field as it was written.
struct Field {
    ident: Ident,
    name: String,
    /// The whole type, `Self` replaced.
    ty: TokenStream,
    span: Span,
    /// Without `Option`.
    inner: TokenStream,
    nullable: bool,
    /// The model that a foreign key points to.
    to: Option<TokenStream>,
    is_text: bool,
    attributes: FieldAttributes,
}

impl Field {
    fn constant(&self) -> Ident {
        Ident::new(&self.name.to_uppercase(), self.ident.span())
    }

    /// What a new row's field takes.
    fn base(&self) -> TokenStream {
        match &self.to {
            Some(to) => quote!(::bandstand::db::Id<#to>),
            None => self.inner.clone(),
        }
    }

    /// Whether a new row may leave it out.
    fn optional(&self) -> bool {
        let attributes = &self.attributes;
        self.nullable
            || attributes.default.is_some()
            || attributes.auto_now.is_some()
            || attributes.auto_now_add.is_some()
    }
}

/// The single type in `Name<…>`, where `ty` is one.
fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

fn is_named(ty: &Type, names: &[&str]) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name)))
}

fn read_field(field: &syn::Field, model: &Ident) -> syn::Result<Field> {
    let ident = field.ident.clone().ok_or_else(|| syn::Error::new(field.span(), "a model's fields have names"))?;
    let name = ident.to_string().trim_start_matches("r#").to_owned();
    names::check(&name, ident.span(), "a field")?;
    let attributes = FieldAttributes::read(&field.attrs)?;
    let option = argument_of(&field.ty, "Option");
    let inner = option.unwrap_or(&field.ty);
    let target = argument_of(inner, "ForeignKey");
    let plain = |ty: &Type| names::without_self(quote!(#ty), model);
    let this = Field {
        ident,
        name,
        ty: plain(&field.ty),
        span: field.ty.span(),
        inner: plain(inner),
        nullable: option.is_some(),
        to: target.map(plain),
        is_text: is_named(inner, &["String", "Text"]),
        attributes,
    };
    check_field(&this, inner)?;
    Ok(this)
}

fn check_field(field: &Field, inner: &Type) -> syn::Result<()> {
    let attributes = &field.attributes;
    if let Some(length) = &attributes.max_length {
        if !field.is_text {
            return Err(syn::Error::new(length.span(), "only a `String` has a max_length"));
        }
        if !(1..=1_000_000).contains(&length.base10_parse::<u64>()?) {
            return Err(syn::Error::new(length.span(), "max_length must be 1 to 1000000"));
        }
    }
    for span in [attributes.auto_now, attributes.auto_now_add].into_iter().flatten() {
        if !is_named(inner, &["DateTime", "Timestamp"]) {
            return Err(syn::Error::new(span, "only a `DateTime` can be set to the present moment"));
        }
    }
    if let (Some(span), Some(_)) = (attributes.auto_now, attributes.auto_now_add) {
        return Err(syn::Error::new(span, "`auto_now` sets it at creation too; leave `auto_now_add` out"));
    }
    if field.to.is_some() {
        let words = ON_DELETE.map(|(word, _)| word);
        let Some(on_delete) = &attributes.on_delete else {
            return Err(syn::Error::new(
                field.span,
                format!(
                    "what happens to this row when that one is deleted? add `#[field(on_delete = Cascade)]`, or {}",
                    words[1..].join(", ")
                ),
            ));
        };
        if !words.iter().any(|word| on_delete == word) {
            return Err(names::unknown("on_delete", &on_delete.to_string(), on_delete.span(), &words));
        }
        if on_delete == "SetNull" && !field.nullable {
            return Err(syn::Error::new(
                on_delete.span(),
                "`SetNull` needs a field that can be null: make its type `Option<ForeignKey<…>>`",
            ));
        }
        if let Some(related) = &attributes.related_name {
            names::check(&related.value(), related.span(), "a reverse relation")?;
        }
    } else {
        if let Some(on_delete) = &attributes.on_delete {
            return Err(syn::Error::new(on_delete.span(), "only a `ForeignKey` has an on_delete"));
        }
        if let Some(related) = &attributes.related_name {
            return Err(syn::Error::new(related.span(), "only a `ForeignKey` has a related_name"));
        }
    }
    Ok(())
}

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new(input.generics.span(), "a model can't be generic: it is one table"));
    }
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new(ident.span(), "a model is a struct"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(syn::Error::new(
            ident.span(),
            "a model's fields have names: `struct Question { pub id: Id<Self>, … }`",
        ));
    };
    let attributes = ModelAttributes::read(&input.attrs)?;
    let name = match &attributes.name {
        Some(name) => (name.value(), name.span()),
        None => (names::snake_case(&ident.to_string()), ident.span()),
    };
    names::check(&name.0, name.1, "a model")?;
    let name = name.0;

    let no_key = || {
        let known = "a model begins with its primary key: `pub id: Id<Self>`";
        syn::Error::new(named.named.first().map_or(ident.span(), Spanned::span), known)
    };
    let mut source = named.named.iter();
    let key = source.next().filter(|field| argument_of(&field.ty, "Id").is_some()).ok_or_else(no_key)?;
    let key = read_field(key, ident)?;
    let mut fields = Vec::new();
    let mut errors: Option<syn::Error> = None;
    for field in source {
        let read = if argument_of(&field.ty, "Id").is_some() {
            Err(syn::Error::new(
                field.ty.span(),
                "a model has one `Id`; a relation to another model is a `ForeignKey<…>`",
            ))
        } else {
            read_field(field, ident)
        };
        match read {
            Ok(field) => fields.push(field),
            // All mistakes of a struct at once.
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let all_names: Vec<String> = std::iter::once(&key).chain(&fields).map(|field| field.name.clone()).collect();
    for name in attributes
        .ordering
        .iter()
        .chain(attributes.unique_together.iter().flatten())
        .chain(attributes.indexes.iter().flatten())
    {
        known_field(name, &all_names)?;
    }

    let meta = meta(&name, &attributes, &key, &fields)?;
    let queries = queries(&input.vis, ident, &key, &fields);
    let relations = relations(&input.vis, ident, &name, &fields)?;
    let new = new_row(&input.vis, ident, &fields);
    let serialize = serialize(ident, &key, &fields);
    let paths = format_ident!("{ident}Fields");
    let key_ident = &key.ident;
    let read = std::iter::once(&key).chain(&fields).map(|field| {
        let (ident, name) = (&field.ident, &field.name);
        quote!(#ident: row.field(#name)?)
    });
    let columns = fields.iter().map(|field| {
        let (ident, name) = (&field.ident, &field.name);
        let value = if field.attributes.auto_now.is_some() {
            quote!(::bandstand::db::Store::into_value(::bandstand::time::now()))
        } else {
            quote!(::bandstand::db::Kind::to_value(&self.#ident))
        };
        quote!((#name, #value))
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::bandstand::db::Model for #ident {
            type Fields<R> = #paths<R>;
            const NAME: &'static str = #name;
            const META: &'static ::bandstand::db::ModelMeta = &#meta;

            fn read(row: &mut ::bandstand::db::Reader<'_>) -> ::bandstand::Result<Self> {
                ::core::result::Result::Ok(Self { #(#read),* })
            }

            fn columns(&self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                ::std::vec![#(#columns),*]
            }

            fn id(&self) -> ::bandstand::db::Id<Self> {
                self.#key_ident
            }
        }

        #queries
        #relations
        #new
        #serialize
    })
}

fn or_empty(text: Option<&syn::LitStr>) -> TokenStream {
    text.map_or_else(|| quote!(""), |text| quote!(#text))
}

/// The model in the manifest.
fn meta(name: &str, attributes: &ModelAttributes, key: &Field, fields: &[Field]) -> syn::Result<TokenStream> {
    let mut entries = Vec::new();
    for field in std::iter::once(key).chain(fields) {
        let FieldAttributes { unique, index, blank, .. } = field.attributes;
        let (name, ty) = (&field.name, &field.ty);
        let kind = match &field.attributes.max_length {
            Some(length) => quote!(::bandstand::db::FieldKind::Char { max_length: #length }),
            None => quote_spanned!(field.span=> <#ty as ::bandstand::db::Kind>::KIND),
        };
        let default = match &field.attributes.default {
            Some(value) => {
                let (literal, expression) = (value.for_manifest()?, value.expression());
                // The literal's own type is checked where it stands.
                let check =
                    quote_spanned!(value.span()=> let _: <#ty as ::bandstand::db::Kind>::Literal = #expression;);
                quote!(::core::option::Option::Some({ #check #literal }))
            }
            None => quote!(::core::option::Option::None),
        };
        let mut choices = Vec::new();
        for (value, label) in &field.attributes.choices {
            let (literal, expression) = (value.for_manifest()?, value.expression());
            let check = quote_spanned!(value.span()=> let _: <#ty as ::bandstand::db::Kind>::Literal = #expression;);
            choices.push(quote!(({ #check #literal }, #label)));
        }
        let (label, help_text) =
            (or_empty(field.attributes.label.as_ref()), or_empty(field.attributes.help_text.as_ref()));
        let related_name = or_empty(field.attributes.related_name.as_ref());
        let on_delete = field
            .attributes
            .on_delete
            .as_ref()
            .map_or("", |given| ON_DELETE.iter().find(|(word, _)| given == word).map_or("", |(_, word)| word));
        let null = field.nullable;
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
    let (label, label_plural) = (or_empty(attributes.label.as_ref()), or_empty(attributes.label_plural.as_ref()));
    let ordering = &attributes.ordering;
    let unique_together = attributes.unique_together.iter().map(|set| quote!(&[#(#set),*]));
    let indexes = attributes.indexes.iter().map(|set| quote!(&[#(#set),*]));
    Ok(quote! {
        ::bandstand::db::ModelMeta {
            name: #name,
            label: #label,
            label_plural: #label_plural,
            fields: &[#(#entries),*],
            ordering: &[#(#ordering),*],
            unique_together: &[#(#unique_together),*],
            indexes: &[#(#indexes),*],
        }
    })
}

/// The constants, and the struct through which other models reach these fields.
fn queries(vis: &Visibility, ident: &Ident, key: &Field, fields: &[Field]) -> TokenStream {
    let paths = format_ident!("{ident}Fields");
    let all = || std::iter::once(key).chain(fields);
    let constants = all().map(|field| {
        let (constant, name, ty) = (field.constant(), &field.name, &field.ty);
        let doc = format!("The field `{name}` in queries.");
        match &field.to {
            Some(to) => quote_spanned! {field.ident.span()=>
                #[doc = #doc]
                #vis const #constant: ::bandstand::db::Related<#ident, #to> = {
                    let path = ::bandstand::db::Path::field(#name);
                    ::bandstand::db::Related::at(path, <<#to as ::bandstand::db::Model>::Fields<#ident>>::at(path))
                };
            },
            None => quote_spanned! {field.ident.span()=>
                #[doc = #doc]
                #vis const #constant: ::bandstand::db::Field<#ident, #ty> = ::bandstand::db::Field::at(::bandstand::db::Path::field(#name));
            },
        }
    });
    let methods = all().map(|field| {
        let (method, name, ty) = (&field.ident, &field.name, &field.ty);
        let doc = format!("The field `{name}`, reached over the relation.");
        match &field.to {
            Some(to) => quote! {
                #[doc = #doc]
                #vis fn #method(&self) -> ::bandstand::db::Related<R, #to> {
                    let path = self.path.then(#name);
                    ::bandstand::db::Related::at(path, <<#to as ::bandstand::db::Model>::Fields<R>>::at(path))
                }
            },
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
        impl #ident {
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
fn relations(vis: &Visibility, ident: &Ident, name: &str, fields: &[Field]) -> syn::Result<TokenStream> {
    let mut forward = Vec::new();
    let mut reverse = Vec::new();
    let mut taken: Vec<(String, String)> = Vec::new();
    for field in fields {
        let Some(to) = &field.to else {
            continue;
        };
        let (field_ident, field_name) = (&field.ident, &field.name);
        let doc = format!("The row that `{field_name}` points to. Loads those of all rows fetched together, once.");
        forward.push(if field.nullable {
            quote! {
                #[doc = #doc]
                #vis async fn #field_ident(&self) -> ::bandstand::Result<::core::option::Option<::bandstand::db::Row<#to>>> {
                    match &self.#field_ident {
                        ::core::option::Option::Some(key) => key.get().await.map(::core::option::Option::Some),
                        ::core::option::Option::None => ::core::result::Result::Ok(::core::option::Option::None),
                    }
                }
            }
        } else {
            quote! {
                #[doc = #doc]
                #vis async fn #field_ident(&self) -> ::bandstand::Result<::bandstand::db::Row<#to>> {
                    self.#field_ident.get().await
                }
            }
        });
        let (related, span) = match &field.attributes.related_name {
            Some(related) => (related.value(), related.span()),
            None => (format!("{name}_set"), field.ident.span()),
        };
        let pair = (to.to_string(), related.clone());
        if taken.contains(&pair) {
            let problem =
                format!("`{}` has two relations called `{related}`; give one of them another related_name", pair.0);
            return Err(syn::Error::new(span, problem));
        }
        taken.push(pair);
        let method = Ident::new(&related, span);
        let constant = Ident::new(&related.to_uppercase(), span);
        let doc = format!("The rows of [`{ident}`] whose `{field_name}` is this one.");
        let constant_doc = format!("The rows of [`{ident}`] that point here, in queries.");
        reverse.push(quote! {
            #[allow(dead_code)]
            impl #to {
                #[doc = #constant_doc]
                #vis const #constant: ::bandstand::db::Reverse<#to, #ident> = ::bandstand::db::Reverse::at(
                    <<#ident as ::bandstand::db::Model>::Fields<#to>>::at(::bandstand::db::Path::field(#related))
                );

                #[doc = #doc]
                #vis fn #method(&self) -> ::bandstand::db::QuerySet<#ident> {
                    ::bandstand::db::QuerySet::pointing(#field_name, ::bandstand::db::Model::id(self).get())
                }
            }
        });
    }
    Ok(quote! {
        #[allow(dead_code)]
        impl #ident {
            #(#forward)*
        }

        #(#reverse)*
    })
}

/// `NewQuestion`.
fn new_row(vis: &Visibility, ident: &Ident, fields: &[Field]) -> TokenStream {
    let new = format_ident!("New{ident}");
    let with = format_ident!("New{ident}With");
    let required: Vec<&Field> = fields.iter().filter(|field| !field.optional()).collect();
    let optional: Vec<&Field> = fields.iter().filter(|field| field.optional()).collect();
    let declared = required.iter().map(|field| {
        let (ident, base) = (&field.ident, field.base());
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
    let setters = |begin: &TokenStream| -> Vec<TokenStream> {
        optional
            .iter()
            .map(|field| {
                let (ident, base) = (&field.ident, field.base());
                let doc = format!("Sets the field `{}`, which may be left out.", field.name);
                let (takes, value) = if field.nullable {
                    let value =
                        quote!(value.into().map_or(::bandstand::db::Value::Null, ::bandstand::db::Store::into_value));
                    (quote!(impl ::core::convert::Into<::core::option::Option<#base>>), value)
                } else {
                    (
                        quote!(impl ::core::convert::Into<#base>),
                        quote!(::bandstand::db::Store::into_value(value.into())),
                    )
                };
                quote! {
                    #[doc = #doc]
                    #vis fn #ident(self, value: #takes) -> #with {
                        let mut row: #with = #begin;
                        row.#ident = ::core::option::Option::Some(#value);
                        row
                    }
                }
            })
            .collect()
    };
    let from_new = setters(&quote!(self.into()));
    let from_with = setters(&quote!(self));
    let columns = fields.iter().map(|field| {
        let (ident, name) = (&field.ident, &field.name);
        if !field.optional() {
            return quote!(columns.push((#name, ::bandstand::db::Store::into_value(self.new.#ident))););
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
    let count = fields.len();
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

        #[allow(dead_code)]
        impl #new {
            #(#from_new)*
        }

        #[allow(dead_code)]
        impl #with {
            #(#from_with)*
        }

        #[automatically_derived]
        impl ::bandstand::db::New<#ident> for #new {
            fn columns(self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                ::bandstand::db::New::<#ident>::columns(#with::from(self))
            }
        }

        #[automatically_derived]
        impl ::bandstand::db::New<#ident> for #with {
            fn columns(self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                let mut columns = ::std::vec::Vec::with_capacity(#count);
                #(#columns)*
                columns
            }
        }
    }
}

fn serialize(ident: &Ident, key: &Field, fields: &[Field]) -> TokenStream {
    let count = fields.len() + 1;
    let name = ident.to_string();
    let members = std::iter::once(key).chain(fields).map(|field| {
        let (ident, name) = (&field.ident, &field.name);
        quote!(::bandstand::serde::ser::SerializeStruct::serialize_field(&mut row, #name, &self.#ident)?;)
    });
    quote! {
        #[automatically_derived]
        impl ::bandstand::serde::Serialize for #ident {
            fn serialize<S: ::bandstand::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                let mut row = ::bandstand::serde::Serializer::serialize_struct(serializer, #name, #count)?;
                #(#members)*
                ::bandstand::serde::ser::SerializeStruct::end(row)
            }
        }
    }
}
