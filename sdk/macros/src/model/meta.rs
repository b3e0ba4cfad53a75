//! The model in the manifest.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, LitStr};

use super::Model;
use crate::attributes::Value;
use crate::field::{Field, Form};
use crate::names;

impl Model {
    pub(super) fn meta(&self) -> TokenStream {
        let told = self.mistakes.told();
        let fields = fields(&self.fields, &self.this);
        let attributes = &self.attributes;
        let name = &self.name;
        let mut members = Vec::new();
        for (member, text) in [
            (quote!(label), &attributes.label),
            (quote!(label_plural), &attributes.label_plural),
            (quote!(table), &attributes.table),
            (quote!(of), &attributes.of),
        ] {
            members.extend(text.as_ref().map(|text| quote!(#member: #text)));
        }
        if !attributes.actions.is_empty() {
            let actions = &attributes.actions;
            members.push(quote!(actions: &[#(#actions),*]));
        }
        if attributes.unmanaged {
            members.push(quote!(managed: false));
        }
        let own_key =
            self.keys().iter().filter(|field| field.form != Form::AutoKey).map(|field| &field.name).collect::<Vec<_>>();
        members.push(quote!(primary_key: &[#(#own_key),*]));
        let ordering = &attributes.ordering;
        members.push(quote!(ordering: &[#(#ordering),*]));
        for (member, sets) in
            [(quote!(unique_together), &attributes.unique_together), (quote!(indexes), &attributes.indexes)]
        {
            let sets = sets.iter().map(|set| quote!(&[#(#set),*]));
            members.push(quote!(#member: &[#(#sets),*]));
        }
        for (member, what, entries) in [
            (quote!(more_indexes), quote!(Index), &attributes.more_indexes),
            (quote!(constraints), quote!(Constraint), &attributes.constraints),
        ] {
            if !entries.is_empty() && self.is_sound() {
                let written = entries.iter().map(|entry| made_of(entry, &quote!(::bandstand::db::#what::<Self>)));
                members.push(quote!(#member: &[#(#written),*]));
            }
        }
        if let Some(permissions) = &attributes.default_permissions {
            members.push(quote!(default_permissions: ::core::option::Option::Some(&[#(#permissions),*])));
        }
        if !attributes.permissions.is_empty() {
            let pairs = attributes.permissions.iter().map(|(name, label)| {
                let name = name.expression();
                quote!((#name, #label))
            });
            members.push(quote!(permissions: &[#(#pairs),*]));
        }
        let checks = self.names_are_known();
        quote! {
            &{
                #told
                const FIELDS: &[::bandstand::db::FieldMeta] = #fields;
                #checks
                ::bandstand::db::ModelMeta {
                    name: #name,
                    fields: FIELDS,
                    #(#members,)*
                    ..::bandstand::db::ModelMeta::NEW
                }
            }
        }
    }

    /// Where fields are flattened, only the compiler knows all names.
    fn names_are_known(&self) -> TokenStream {
        if !self.has_flattened() {
            return TokenStream::new();
        }
        let attributes = &self.attributes;
        let sets = attributes.unique_together.iter().chain(&attributes.indexes).flatten();
        let names = attributes.ordering.iter().chain(&attributes.primary_key).chain(sets);
        let check = |name: &LitStr| {
            let problem = format!("unknown field `{}`", name.value());
            quote_spanned!(name.span()=> const _: () = ::core::assert!(::bandstand::db::has_field(FIELDS, #name), #problem);)
        };
        names.map(check).collect()
    }
}

/// A function that writes what an expression of the model makes.
fn made_of(entry: &Expr, ty: &TokenStream) -> TokenStream {
    let span = entry.span();
    let typed = quote_spanned!(span=> let made: #ty = #entry;);
    quote! {
        |out: &mut ::std::vec::Vec<u8>| {
            #[allow(unused_imports)]
            use ::bandstand::db::{Constraint, Index, PerRow as _, Term as _};
            #typed
            made.write(out);
        }
    }
}

/// A function that writes an expression of a field's kind.
fn expression_of(field: &Field, expression: &Expr, this: &TokenStream) -> TokenStream {
    let ty = &field.ty;
    let span = expression.span();
    // The constant that it stands in is an item of its own, which knows no `Self`.
    let expression =
        names::replaced(quote!(#expression), &|word| (word == "Self").then(|| names::at(this, word.span())));
    let written = quote_spanned!(span=> ::bandstand::db::write_expression::<#this, #ty>(#expression, out));
    quote! {
        ::core::option::Option::Some(|out: &mut ::std::vec::Vec<u8>| {
            #[allow(unused_imports)]
            use ::bandstand::db::{PerRow as _, Term as _, functions::*};
            #written
        })
    }
}

fn or_empty(text: Option<&LitStr>) -> Option<TokenStream> {
    text.map(|text| quote!(#text))
}

/// The fields, as a slice that can be a constant.
pub(super) fn fields(fields: &[Field], this: &TokenStream) -> TokenStream {
    let mut parts: Vec<TokenStream> = Vec::new();
    let mut run: Vec<TokenStream> = Vec::new();
    for field in fields {
        if field.form == Form::Flattened {
            let ty = &field.ty;
            parts.push(quote!(&[#(#run),*]));
            run.clear();
            parts.push(quote!(<#ty as ::bandstand::db::FieldSet>::FIELDS));
        } else {
            run.push(entry(field, this));
        }
    }
    if parts.is_empty() {
        return quote!(&[#(#run),*]);
    }
    parts.push(quote!(&[#(#run),*]));
    quote! {
        &{
            const PARTS: &[&[::bandstand::db::FieldMeta]] = &[#(#parts),*];
            const COUNT: usize = {
                let (mut at, mut count) = (0, 0);
                while at < PARTS.len() {
                    count += PARTS[at].len();
                    at += 1;
                }
                count
            };
            ::bandstand::db::joined::<COUNT>(PARTS)
        }
    }
}

fn entry(field: &Field, this: &TokenStream) -> TokenStream {
    let attributes = &field.attributes;
    let (name, ty, kind) = (&field.name, &field.ty, field.kind());
    // The literal's own type is checked where it stands.
    let literal = |value: &Value| {
        let (expression, for_manifest) = (value.expression(), &value.for_manifest);
        let of = syn::Ident::new(if value.is_variant { "Base" } else { "Literal" }, value.span());
        let check = quote_spanned!(value.span()=> let _: <#ty as ::bandstand::db::Kind>::#of = #expression;);
        quote!({ #check #for_manifest })
    };
    let mut members = vec![quote!(name: #name), quote!(kind: #kind)];
    let mut flag = |member: &str, is: bool, value: bool| {
        if is {
            let member = syn::Ident::new(member, Span::call_site());
            members.push(quote!(#member: #value));
        }
    };
    flag("null", field.nullable, true);
    flag("blank", attributes.blank, true);
    flag("unique", attributes.unique, true);
    flag("index", attributes.index, true);
    flag("editable", attributes.not_editable, false);
    flag("auto_now", attributes.auto_now.is_some(), true);
    flag("auto_now_add", attributes.auto_now_add.is_some(), true);
    flag("stored", attributes.stored, true);
    flag("db_constraint", attributes.no_db_constraint, false);
    if let Some(value) = attributes.default.as_ref().map(literal) {
        members.push(quote!(default: ::core::option::Option::Some(#value)));
    }
    for (member, expression) in
        [(quote!(db_default), &attributes.db_default), (quote!(generated), &attributes.generated)]
    {
        if let Some(expression) = expression {
            let written = expression_of(field, expression, this);
            members.push(quote!(#member: #written));
        }
    }
    if !attributes.choices.is_empty() {
        let choices = attributes.choices.iter().map(|(value, label)| {
            let value = literal(value);
            quote!((#value, #label))
        });
        members.push(quote!(choices: &[#(#choices),*]));
    } else if field.form == Form::Plain && !field.is_wrong {
        members.push(quote!(choices: <#ty as ::bandstand::db::Kind>::CHOICES));
    }
    if !attributes.validators.is_empty() {
        let validators = attributes.validators.iter().map(|(word, value)| {
            let value = match *word {
                // A length is a number, and what a text must look like is one, whatever the field's kind.
                "min_length" | "regex" => value.for_manifest.clone(),
                _ => literal(value),
            };
            quote!((#word, #value))
        });
        members.push(quote!(validators: &[#(#validators),*]));
    }
    for (member, text) in [
        (quote!(label), &attributes.label),
        (quote!(help_text), &attributes.help_text),
        (quote!(column), &attributes.column),
        (quote!(related_name), &attributes.related_name),
        (quote!(db_table), &attributes.db_table),
    ] {
        members.extend(or_empty(text.as_ref()).map(|text| quote!(#member: #text)));
    }
    let on_delete = field.on_delete();
    if !on_delete.is_empty() {
        members.push(quote!(on_delete: #on_delete));
    }
    if !attributes.through_fields.is_empty() {
        let fields = &attributes.through_fields;
        members.push(quote!(through_fields: &[#(#fields),*]));
    }
    quote!(::bandstand::db::FieldMeta { #(#members,)* ..::bandstand::db::FieldMeta::NEW })
}
