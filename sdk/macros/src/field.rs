//! A model's field, as it was written.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use crate::attributes::FieldAttributes;
use crate::mistakes::Mistakes;
use crate::names;
use crate::types;

const ON_DELETE: [(&str, &str); 6] = [
    ("Cascade", "cascade"),
    ("Protect", "protect"),
    ("Restrict", "restrict"),
    ("SetNull", "set_null"),
    ("SetDefault", "set_default"),
    ("DoNothing", "do_nothing"),
];

/// A field as far as it is sound: of a wrong attribute nothing is left, and of a wrong type the compiler is made to say nothing more.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// The whole type, for signatures.
    pub(crate) shown: TokenStream,
    /// The same for bodies, where one that isn't a kind is no second mistake.
    pub(crate) ty: TokenStream,
    /// What a new row takes.
    pub(crate) base: TokenStream,
    pub(crate) nullable: bool,
    pub(crate) to: Option<Target>,
    /// What the other model calls the rows that point to it, where they can be called anything.
    pub(crate) reverse: Option<Ident>,
    /// The items that the types above are made of.
    pub(crate) aliases: TokenStream,
    /// Whether the type was told to be a mistake.
    pub(crate) is_wrong: bool,
    pub(crate) attributes: FieldAttributes,
}

/// The model that a foreign key points to.
pub(crate) struct Target {
    /// For signatures.
    pub(crate) shown: TokenStream,
    /// For bodies, where one that isn't a model is no second mistake.
    pub(crate) ty: TokenStream,
}

impl Field {
    /// Reads a field of the model `model`; `outside` makes its type one that can stand outside of the struct.
    pub(crate) fn read(
        field: &syn::Field,
        model: &Ident,
        is_key: bool,
        outside: &dyn Fn(&Type) -> TokenStream,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let ident = field.ident.clone()?;
        let name = ident.to_string().trim_start_matches("r#").to_owned();
        mistakes.note(names::check(&name, ident.span(), "a field"));
        let before = mistakes.count();
        let attributes = FieldAttributes::read(&field.attrs, mistakes);
        let all_read = mistakes.count() == before;
        let mut this = Self::of(ident, name, outside(&field.ty), attributes);
        let option = types::argument_of(&field.ty, "Option");
        let inner = option.unwrap_or(&field.ty);
        this.nullable = option.is_some();
        this.base = outside(inner);
        if !is_key {
            this.read_type(inner, model, outside, mistakes);
        }
        this.check_values(inner, mistakes);
        this.check_relation(&field.ty, all_read, mistakes);
        Some(this)
    }

    /// The primary key of a model that has none.
    pub(crate) fn missing_key(model: &TokenStream, span: Span) -> Self {
        let ident = Ident::new("id", span);
        Self::of(ident, "id".into(), quote!(::bandstand::db::Id<#model>), FieldAttributes::default())
    }

    fn of(ident: Ident, name: String, ty: TokenStream, attributes: FieldAttributes) -> Self {
        Self {
            ident,
            name,
            shown: ty.clone(),
            base: ty.clone(),
            ty,
            nullable: false,
            to: None,
            reverse: None,
            aliases: TokenStream::new(),
            is_wrong: false,
            attributes,
        }
    }

    /// Settles what stands for the type, which is `inner` or an `Option` of it.
    fn read_type(
        &mut self,
        inner: &Type,
        model: &Ident,
        outside: &dyn Fn(&Type) -> TokenStream,
        mistakes: &mut Mistakes,
    ) {
        let alias = format_ident!("__{model}_{}", self.name);
        let whole = |inner: TokenStream| {
            if self.nullable { quote!(::core::option::Option<#inner>) } else { inner }
        };
        let second_key = types::argument_of(inner, "Id");
        if second_key.is_some() {
            self.is_wrong = true;
            let problem = "a model has one `Id`; a relation to another model is a `ForeignKey<…>`";
            mistakes.add(syn::Error::new_spanned(inner, problem));
        }
        if let Some(mistake) = types::refused(inner) {
            self.ty = whole(quote!(#alias));
            (self.shown, self.base) = (self.ty.clone(), quote!(#alias));
            self.is_wrong = true;
            self.aliases = types::item(&alias, &types::wrong(&mistake));
        } else if let Some(to) = types::argument_of(inner, "ForeignKey").or(second_key) {
            let to = outside(to);
            self.ty = whole(quote!(::bandstand::db::ForeignKey<#alias>));
            self.base = quote!(::bandstand::db::Id<#to>);
            let check = related(&quote!(()), &to);
            self.aliases = types::known(&alias, &to, &quote!(let _: #check;));
            self.to = Some(Target { shown: to, ty: quote!(#alias) });
        } else if !types::is_plain(inner) {
            let check = types::has(inner, &quote!(::bandstand::db::Kind), "NULL");
            self.aliases = types::known(&alias, &self.base, &check);
            self.ty = whole(quote!(#alias));
            // A type that the app made itself may not be a kind at all. Then its uses are no mistakes either, so the alias is what they see.
            if !types::is_named(inner, &["Json"]) {
                (self.shown, self.base) = (self.ty.clone(), quote!(#alias));
            }
        }
    }

    /// Checks the attributes that speak of the field's values, and drops what is wrong. Of a type that no field has nothing else is said.
    fn check_values(&mut self, inner: &Type, mistakes: &mut Mistakes) {
        let attributes = &mut self.attributes;
        if let Some(length) = attributes.max_length.take() {
            let number = mistakes.note(length.base10_parse::<u64>());
            if !self.is_wrong && !types::is_named(inner, &["String", "Text"]) {
                mistakes.add(syn::Error::new(length.span(), "only a `String` has a max_length"));
            } else if number.is_some_and(|number| !(1..=1_000_000).contains(&number)) {
                mistakes.add(syn::Error::new(length.span(), "max_length must be 1 to 1000000"));
            } else if number.is_some() {
                attributes.max_length = Some(length);
            }
        }
        for span in [attributes.auto_now, attributes.auto_now_add].into_iter().flatten() {
            if !self.is_wrong && !types::is_named(inner, &["DateTime", "Timestamp"]) {
                mistakes.add(syn::Error::new(span, "only a `DateTime` can be set to the present moment"));
            }
        }
        if let (Some(span), Some(_)) = (attributes.auto_now, attributes.auto_now_add) {
            let problem = "`auto_now` sets it at creation too; leave `auto_now_add` out";
            mistakes.add(syn::Error::new(span, problem));
        }
    }

    fn check_relation(&self, ty: &Type, all_read: bool, mistakes: &mut Mistakes) {
        let FieldAttributes { on_delete, related_name, .. } = &self.attributes;
        if self.to.is_none() {
            if let (Some(on_delete), false) = (on_delete, self.is_wrong) {
                mistakes.add(syn::Error::new(on_delete.span(), "only a `ForeignKey` has an on_delete"));
            }
            if let (Some(related), false) = (related_name, self.is_wrong) {
                mistakes.add(syn::Error::new(related.span(), "only a `ForeignKey` has a related_name"));
            }
            return;
        }
        let words = ON_DELETE.map(|(word, _)| word);
        match on_delete {
            // What is missing may be what couldn't be read.
            None if self.is_wrong || !all_read => {}
            None => mistakes.add(syn::Error::new_spanned(
                ty,
                format!(
                    "what happens to this row when that one is deleted? add `#[field(on_delete = Cascade)]`, or {}",
                    words[1..].join(", ")
                ),
            )),
            Some(on_delete) if !words.iter().any(|word| on_delete == word) => {
                mistakes.add(names::unknown("on_delete", &on_delete.to_string(), on_delete.span(), &words));
            }
            Some(on_delete) if on_delete == "SetNull" && !self.nullable => mistakes.add(syn::Error::new(
                on_delete.span(),
                "`SetNull` needs a field that can be null: make its type `Option<ForeignKey<…>>`",
            )),
            Some(_) => {}
        }
    }

    /// Decides what the other model calls the rows of the model `model`, and returns that name with the other model's.
    pub(crate) fn name_reverse(&mut self, model: &str, mistakes: &mut Mistakes) -> Option<(String, String)> {
        let to = self.to.as_ref()?.shown.to_string();
        let (name, span) = match &self.attributes.related_name {
            Some(related) => (related.value(), related.span()),
            None => (format!("{model}_set"), self.ident.span()),
        };
        let before = mistakes.count();
        if self.attributes.related_name.is_some() {
            mistakes.note(names::check(&name, span, "a reverse relation"));
        }
        // What is a wrong name for the host may still be one for Rust.
        let ident = names::ident(&name, span);
        self.reverse = if mistakes.count() > before { ident.ok() } else { mistakes.note(ident) };
        Some((to, name))
    }

    pub(crate) fn constant(&self) -> Ident {
        Ident::new(&self.name.to_uppercase(), self.ident.span())
    }

    /// Whether a new row may leave it out.
    pub(crate) fn optional(&self) -> bool {
        let attributes = &self.attributes;
        self.nullable || attributes.has_default || attributes.auto_now.is_some() || attributes.auto_now_add.is_some()
    }

    /// The word of the manifest.
    pub(crate) fn on_delete(&self) -> &'static str {
        let given = self.attributes.on_delete.as_ref();
        given.and_then(|given| ON_DELETE.iter().find(|(word, _)| given == word)).map_or("", |(_, word)| word)
    }
}

/// The type of the relation to `to` as it is reached from `from`. It stands where `to` is written, since a struct that isn't a model is
/// told there.
pub(crate) fn related(from: &TokenStream, to: &TokenStream) -> TokenStream {
    let (first, last) = types::ends(to);
    let (open, close) = (quote_spanned!(first=> ::bandstand::db::Related<), quote_spanned!(last=> >));
    quote!(#open #from, #to #close)
}
