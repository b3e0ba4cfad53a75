//! `#[derive(Model)]`.
//!
//! A struct with mistakes still becomes a model, of what is sound in it: the rest of the app speaks of it everywhere, and would otherwise be
//! told dozens of times that it isn't there. Only the bodies of such a model's functions are left out.

mod meta;
mod new;
mod queries;
mod relations;
mod set;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Data, DeriveInput, Fields, GenericParam, LitStr, Type, Visibility};

use crate::attributes::{ModelAttributes, known_field};
use crate::field::{Field, Form};
use crate::mistakes::Mistakes;
use crate::{names, types};

pub(crate) use set::expand as expand_set;

/// A model, as far as it is sound.
pub(crate) struct Model {
    vis: Visibility,
    ident: Ident,
    /// The type: the name, and `'static` for lifetimes, which a model can't have.
    this: TokenStream,
    name: String,
    attributes: ModelAttributes,
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
    let own_key: Vec<String> = attributes.primary_key.iter().map(LitStr::value).collect();
    let read = source(&data, &ident).map(|source| read_fields(&source, &ident, &own_key, &outside, &mut mistakes));
    let (key, mut fields) = mistakes.note(read).unwrap_or_else(|| {
        // Where there are no fields, no name of one is a mistake.
        attributes = ModelAttributes::default();
        (Key::Missing, Vec::new())
    });
    let has_id = match key {
        Key::There => true,
        Key::Wrong | Key::Missing => {
            fields.insert(0, Field::missing_key(&this, ident.span()));
            matches!(key, Key::Wrong)
        }
    };
    name_reverses(&mut fields, &name, &mut mistakes);
    // The lifetime of a reference is told with the reference.
    if !lifetimes.is_empty() && fields.iter().all(|field| !field.is_wrong) {
        mistakes.add(generic);
    }
    // What is flattened has names that only the compiler knows: it is asked about all of them then.
    if fields.iter().all(|field| field.form != Form::Flattened) {
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let mut is_known = |name: &LitStr| mistakes.note(known_field(name, &known)).is_some();
        attributes.ordering.retain(&mut is_known);
        attributes.primary_key.retain(&mut is_known);
        attributes.unique_together.retain(|set| set.iter().all(&mut is_known));
        attributes.indexes.retain(|set| set.iter().all(&mut is_known));
    }
    Ok(Model { vis, ident, this, name, attributes, has_id, fields, mistakes })
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
    There,
    /// A field `id` of another type, which is left out.
    Wrong,
    Missing,
}

/// The fields, and whether a key is among them; `own_key` are the names of a key of several fields.
fn read_fields(
    source: &[&syn::Field],
    model: &Ident,
    own_key: &[String],
    outside: &dyn Fn(&Type) -> TokenStream,
    mistakes: &mut Mistakes,
) -> (Key, Vec<Field>) {
    let is_id = |field: &syn::Field| types::id(&field.ty).is_some();
    let is_called_id = |field: &syn::Field| field.ident.as_ref().is_some_and(|name| name == "id");
    let starts_with_id = source.first().is_some_and(|first| is_id(first));
    let mut fields = Vec::new();
    let mut left_out = false;
    for (at, field) in source.iter().enumerate() {
        let is_auto = is_id(field) && (at == 0 || !starts_with_id && is_called_id(field));
        let Some(mut field) = Field::read(field, model, is_auto, outside, mistakes) else { continue };
        field.is_key |= own_key.contains(&field.name);
        fields.push(field);
    }
    let own: Vec<&Field> = fields.iter().filter(|field| field.is_key && field.form != Form::AutoKey).collect();
    let has_auto = fields.iter().any(|field| field.form == Form::AutoKey);
    match own.as_slice() {
        [] if starts_with_id => {}
        [] => {
            let problem =
                "a model begins with its primary key: `pub id: Id<Self>`, or a field with `#[field(primary_key)]`";
            mistakes.add(match source.first() {
                Some(syn::Field { vis, ident, ty, .. }) => syn::Error::new_spanned(quote!(#vis #ident: #ty), problem),
                None => syn::Error::new(model.span(), problem),
            });
            // Where the key is a field of another type, all uses of it are right but for that.
            if !has_auto && let Some(at) = fields.iter().position(|field| field.name == "id") {
                fields.remove(at);
                left_out = true;
            }
        }
        [first, ..] if has_auto => {
            let span = first.attributes.primary_key.unwrap_or_else(|| first.ident.span());
            mistakes.add(syn::Error::new(span, "a model has one primary key; leave the `Id` out, or this"));
        }
        [first, second, ..] if own_key.is_empty() => {
            let span = second.attributes.primary_key.unwrap_or_else(|| second.ident.span());
            let problem = format!(
                "for a primary key of several fields write `#[model(primary_key = [\"{}\", \"{}\"])]`",
                first.name, second.name
            );
            mistakes.add(syn::Error::new(span, problem));
        }
        _ => return (Key::There, fields),
    }
    let key = match (has_auto || fields.iter().any(|field| field.is_key), left_out) {
        (true, _) => Key::There,
        (false, true) => Key::Wrong,
        (false, false) => Key::Missing,
    };
    (key, fields)
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

impl Model {
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

    fn has_flattened(&self) -> bool {
        self.fields.iter().any(|field| field.form == Form::Flattened)
    }

    /// The fields of the primary key, in the order in which it was said.
    fn keys(&self) -> Vec<&Field> {
        let order = &self.attributes.primary_key;
        if order.is_empty() {
            return self.fields.iter().filter(|field| field.is_key).collect();
        }
        order.iter().filter_map(|name| self.fields.iter().find(|field| field.name == name.value())).collect()
    }

    fn expand(&self) -> TokenStream {
        let (ident, this, name) = (&self.ident, &self.this, &self.name);
        let (meta, queries, relations) = (self.meta(), self.queries(), self.relations());
        let (new, serialize) = (self.new_row(), self.serialize());
        let aliases = self.fields.iter().map(|field| &field.aliases);
        let allow = self.allow();
        let paths = format_ident!("{ident}Fields");
        let read = self.body(read_row(&self.fields));
        let columns = self.columns();
        let (key, pk) = self.key();
        let row = (self.keys().len() == 1).then(|| quote!(::bandstand::__row!(#this as #key);));
        let touched = self.body(touch(&self.fields));
        let missing_id = (!self.has_id).then(|| self.missing_id());
        quote! {
            #(#aliases)*
            #missing_id

            #[automatically_derived]
            #allow
            impl ::bandstand::db::Model for #this {
                type Fields<R, W: ::bandstand::db::Nullness> = #paths<R, W>;
                type Key = #key;
                const NAME: &'static str = #name;
                const META: &'static ::bandstand::db::ModelMeta = #meta;

                fn read(row: &mut ::bandstand::db::Reader<'_>) -> ::bandstand::Result<Self> {
                    #read
                }

                fn columns(&self) -> ::std::vec::Vec<(&'static str, ::bandstand::db::Value)> {
                    #columns
                }

                fn pk(&self) -> Self::Key {
                    #pk
                }

                fn touch(&mut self) {
                    #touched
                }
            }

            #row

            #queries
            #relations
            #new
            #serialize
        }
    }

    /// What `save` writes.
    fn columns(&self) -> TokenStream {
        let written = self.fields.iter().filter(|field| field.is_given() && !field.is_key);
        let count = self.fields.len();
        let columns = written.map(|field| push_column(field, &quote!(&mut columns)));
        self.body(quote! {
            let mut columns = ::std::vec::Vec::with_capacity(#count);
            #(#columns)*
            columns
        })
    }

    /// The primary key's type, and how it is got from a row.
    fn key(&self) -> (TokenStream, TokenStream) {
        let keys = self.keys();
        let one = |field: &Field| {
            let ident = &field.ident;
            match field.form {
                Form::AutoKey => quote!(self.#ident),
                Form::ForeignKey | Form::OneToOne => quote!(self.#ident.id()),
                _ => quote!(::core::clone::Clone::clone(&self.#ident)),
            }
        };
        let (ty, value) = match keys.as_slice() {
            [field] => {
                let base = &field.base;
                (quote!(#base), one(field))
            }
            several => {
                let (bases, values) = (several.iter().map(|field| &field.base), several.iter().map(|field| one(field)));
                (quote!((#(#bases),*)), quote!((#(#values),*)))
            }
        };
        (ty, self.body(value))
    }

    /// What `question.id` is where the struct forgot its key: a derive can't add a field, but one to be reached by dereferencing.
    fn missing_id(&self) -> TokenStream {
        let (vis, this) = (&self.vis, &self.this);
        let Some(key) = self.fields.first() else { return TokenStream::new() };
        let (holder, ident, ty) = (format_ident!("__{}_key", self.ident), &key.ident, &key.ty);
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

    fn serialize(&self) -> TokenStream {
        let (this, allow) = (&self.this, self.allow());
        let (count, name) = (self.fields.len(), self.ident.to_string());
        let members = self.fields.iter().map(|field| serialize_field(field, &quote!(&mut row)));
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

/// Reads all fields, in their order.
fn read_row(fields: &[Field]) -> TokenStream {
    let read = fields.iter().map(|field| {
        let (ident, name, ty) = (&field.ident, &field.name, &field.ty);
        match field.form {
            Form::ManyToMany => quote!(#ident: ::bandstand::db::ManyToMany::new()),
            Form::Flattened => quote!(#ident: <#ty as ::bandstand::db::FieldSet>::read(row)?),
            _ => quote!(#ident: row.field::<#ty>(#name)?),
        }
    });
    quote!(::core::result::Result::Ok(Self { #(#read),* }))
}

/// Sets the fields to the present moment that each `save` sets.
fn touch(fields: &[Field]) -> TokenStream {
    let touched = fields.iter().filter_map(|field| {
        let (ident, ty, base) = (&field.ident, &field.ty, &field.base);
        match (field.form, field.attributes.auto_now) {
            (Form::Flattened, _) => Some(quote!(<#ty as ::bandstand::db::FieldSet>::touch(&mut self.#ident);)),
            (_, None) => None,
            (_, Some(_)) => {
                let present = quote!(<#base as ::bandstand::time::Present>::present());
                let present = if field.nullable { quote!(::core::option::Option::Some(#present)) } else { present };
                Some(quote!(self.#ident = #present;))
            }
        }
    });
    quote!(#(#touched)*)
}

/// Adds a field's column to those that are written; `to` is a reference to them.
fn push_column(field: &Field, to: &TokenStream) -> TokenStream {
    let (ident, name, ty) = (&field.ident, &field.name, &field.ty);
    if field.form == Form::Flattened {
        return quote!(<#ty as ::bandstand::db::FieldSet>::columns(&self.#ident, #to););
    }
    let value = quote!(<#ty as ::bandstand::db::Kind>::to_value(&self.#ident));
    quote!((#to).push((#name, #value));)
}

/// Writes a field to `row`, a reference to the serializer of the struct.
fn serialize_field(field: &Field, row: &TokenStream) -> TokenStream {
    let (ident, name, ty) = (&field.ident, &field.name, &field.ty);
    match field.form {
        // A field that nothing reads would be warned about.
        Form::ManyToMany => quote!(let _ = &self.#ident;),
        Form::Flattened => quote!(<#ty as ::bandstand::db::FieldSet>::serialize(&self.#ident, #row)?;),
        _ => {
            quote!(::bandstand::serde::ser::SerializeStruct::serialize_field::<#ty>(#row, #name, &self.#ident)?;)
        }
    }
}
