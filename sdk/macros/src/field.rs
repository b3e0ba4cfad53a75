//! A model's field, as it was written.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, LitInt, LitStr, Type};

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

/// What a field is besides its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Plain,
    /// `Id<Self>`.
    AutoKey,
    ForeignKey,
    OneToOne,
    /// It has no column.
    ManyToMany,
    /// Fields of a struct with `#[derive(Fields)]`.
    Flattened,
}

/// A field as far as it is sound: of a wrong attribute nothing is left, and of a wrong type the compiler is made to say nothing more.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) form: Form,
    /// The type without `Option`, as it was written.
    inner: Type,
    /// The whole type, for signatures.
    pub(crate) shown: TokenStream,
    /// The same for bodies, where one that isn't a kind is no second mistake.
    pub(crate) ty: TokenStream,
    /// What a new row takes.
    pub(crate) base: TokenStream,
    pub(crate) nullable: bool,
    /// The model that it leads to.
    pub(crate) to: Option<Target>,
    /// What the other model calls the rows that point to it, where they can be called anything.
    pub(crate) reverse: Option<Ident>,
    /// The items that the types above are made of.
    pub(crate) aliases: TokenStream,
    /// Whether the type was told to be a mistake.
    pub(crate) is_wrong: bool,
    /// Whether it is the primary key, or a part of it.
    pub(crate) is_key: bool,
    pub(crate) attributes: FieldAttributes,
}

/// The model that a relation leads to.
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
        is_auto_key: bool,
        outside: &dyn Fn(&Type) -> TokenStream,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let ident = field.ident.clone()?;
        let name = ident.to_string().trim_start_matches("r#").to_owned();
        mistakes.note(names::check(&name, ident.span(), "a field"));
        let before = mistakes.count();
        let attributes = FieldAttributes::read(&field.attrs, mistakes);
        let all_read = mistakes.count() == before;
        let mut this = Self::of(ident, name, outside(&field.ty), field.ty.clone(), attributes);
        let option = types::argument_of(&field.ty, "Option");
        let inner = option.unwrap_or(&field.ty);
        this.nullable = option.is_some();
        this.base = outside(inner);
        this.inner = inner.clone();
        this.is_key = is_auto_key || this.attributes.primary_key.is_some();
        if is_auto_key {
            this.form = Form::AutoKey;
        } else if this.attributes.flatten.is_some() {
            this.form = Form::Flattened;
            let check = types::has(inner, &quote!(::bandstand::db::FieldSet), "FIELDS");
            let alias = format_ident!("__{model}_{}", this.name);
            this.aliases = types::known(&alias, &this.base, &check);
            this.ty = quote!(#alias);
        } else {
            this.read_type(inner, model, outside, mistakes);
        }
        this.check_values(mistakes);
        this.check_relation(&field.ty, all_read, mistakes);
        Some(this)
    }

    /// The primary key of a model that has none.
    pub(crate) fn missing_key(model: &TokenStream, span: Span) -> Self {
        let ident = Ident::new("id", span);
        let inner = syn::parse_quote!(Id<Self>);
        let mut this =
            Self::of(ident, "id".into(), quote!(::bandstand::db::Id<#model>), inner, FieldAttributes::default());
        (this.form, this.is_key) = (Form::AutoKey, true);
        this
    }

    fn of(ident: Ident, name: String, ty: TokenStream, inner: Type, attributes: FieldAttributes) -> Self {
        Self {
            ident,
            name,
            form: Form::Plain,
            inner,
            shown: ty.clone(),
            base: ty.clone(),
            ty,
            nullable: false,
            to: None,
            reverse: None,
            aliases: TokenStream::new(),
            is_wrong: false,
            is_key: false,
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
        let second_key = types::id(inner);
        if second_key.is_some() {
            self.is_wrong = true;
            let problem = "a model has one `Id`; a relation to another model is a `ForeignKey<…>`";
            mistakes.add(syn::Error::new_spanned(inner, problem));
        }
        let relations =
            [("ForeignKey", Form::ForeignKey), ("OneToOne", Form::OneToOne), ("ManyToMany", Form::ManyToMany)];
        let relation =
            relations.into_iter().find_map(|(word, form)| types::argument_of(inner, word).map(|to| (to, form)));
        if let Some(mistake) = types::refused(inner) {
            self.ty = whole(quote!(#alias));
            (self.shown, self.base) = (self.ty.clone(), quote!(#alias));
            self.is_wrong = true;
            self.aliases = types::item(&alias, &types::wrong(&mistake));
        } else if let Some((to, form)) = relation.or(second_key.map(|to| (to, Form::ForeignKey))) {
            let to = outside(to);
            self.form = form;
            let word = match form {
                Form::OneToOne => quote!(OneToOne),
                Form::ManyToMany => quote!(ManyToMany),
                _ => quote!(ForeignKey),
            };
            self.ty = whole(quote!(::bandstand::db::#word<#alias>));
            self.base = quote!(<#alias as ::bandstand::db::Model>::Key);
            let check = related(&quote!(()), &to, &quote!(::bandstand::db::Must));
            self.aliases = types::known(&alias, &to, &quote!(let _: #check;));
            self.to = Some(Target { shown: to, ty: quote!(#alias) });
            if form == Form::ManyToMany && self.nullable {
                self.is_wrong = true;
                mistakes.add(syn::Error::new_spanned(inner, "a `ManyToMany` isn't optional: it may lead to no rows"));
            }
        } else if !types::is_plain(inner) {
            let check = types::has(inner, &quote!(::bandstand::db::Kind), "NULL");
            self.aliases = types::known(&alias, &self.base, &check);
            self.ty = whole(quote!(#alias));
            // A type that the app made itself may not be a kind at all. Then its uses are no mistakes either, so the alias is what they see.
            if !types::is_named(inner, &["Json"]) {
                (self.shown, self.base) = (self.ty.clone(), quote!(<#alias as ::bandstand::db::Kind>::Base));
            }
        } else if types::is_named(inner, &["FilePath", "ImagePath"]) {
            self.base = quote!(::std::string::String);
        }
    }

    fn is(&self, names: &[&str]) -> bool {
        types::is_named(&self.inner, names)
    }

    /// Checks the attributes that speak of the field's values, and drops what is wrong. Of a type that no field has nothing else is said.
    fn check_values(&mut self, mistakes: &mut Mistakes) {
        let is_text = self.is(&["String", "Text"]);
        let is_file = self.is(&["FilePath", "ImagePath"]);
        let (is_decimal, is_moment) = (self.is(&["Decimal"]), self.is(&["DateTime", "Timestamp", "Date", "Time"]));
        let is_ip = self.is(&["IpAddr"]);
        let is_wrong = self.is_wrong;
        let attributes = &mut self.attributes;
        if let Some(length) = attributes.max_length.take() {
            let number = mistakes.note(length.base10_parse::<u64>());
            if !is_wrong && !is_text && !is_file {
                mistakes.add(syn::Error::new(length.span(), "only a `String` has a max_length"));
            } else if number.is_some_and(|number| !(1..=1_000_000).contains(&number)) {
                mistakes.add(syn::Error::new(length.span(), "max_length must be 1 to 1000000"));
            } else if number.is_some() {
                attributes.max_length = Some(length);
            }
        }
        let mut only = |wrong: bool, span: Option<Span>, problem: &str| {
            if let (true, false, Some(span)) = (wrong, is_wrong, span) {
                mistakes.add(syn::Error::new(span, problem));
            }
        };
        only(!is_text, attributes.text.as_ref().map(Ident::span), "only a `String` can be a slug, an email or a url");
        only(
            !is_file,
            attributes.upload_to.as_ref().map(LitStr::span),
            "only a `FilePath` or an `ImagePath` has an upload_to",
        );
        only(!is_ip, attributes.protocol.as_ref().map(LitStr::span), "only an `IpAddr` has a protocol");
        for size in [&attributes.max_digits, &attributes.decimal_places] {
            only(!is_decimal, size.as_ref().map(LitInt::span), "only a `Decimal` has max_digits and decimal_places");
        }
        if let Some(protocol) = &attributes.protocol
            && !["both", "ipv4", "ipv6"].contains(&protocol.value().as_str())
        {
            let words = ["both", "ipv4", "ipv6"];
            mistakes.add(names::unknown("protocol", &protocol.value(), protocol.span(), &words));
        }
        if is_decimal && !is_wrong {
            let sizes = (attributes.max_digits.as_ref(), attributes.decimal_places.as_ref());
            match sizes {
                (Some(digits), Some(places)) => {
                    let number = |literal: &LitInt| literal.base10_parse::<u32>().ok();
                    match (number(digits), number(places)) {
                        (Some(digits), Some(places)) if (1..=28).contains(&digits) && places <= digits => {}
                        _ => mistakes.add(syn::Error::new(
                            digits.span(),
                            "max_digits must be 1 to 28, and decimal_places no more than that",
                        )),
                    }
                }
                _ => mistakes.add(syn::Error::new_spanned(
                    &self.inner,
                    "how large is it? add `#[field(max_digits = 10, decimal_places = 2)]`",
                )),
            }
        }
        for span in [attributes.auto_now, attributes.auto_now_add].into_iter().flatten() {
            if !is_wrong && !is_moment {
                let problem = "only a `DateTime`, a `Date` or a `Time` can be set to the present moment";
                mistakes.add(syn::Error::new(span, problem));
            }
        }
        if let (Some(span), Some(_)) = (attributes.auto_now, attributes.auto_now_add) {
            let problem = "`auto_now` sets it at creation too; leave `auto_now_add` out";
            mistakes.add(syn::Error::new(span, problem));
        }
        if let (Some(span), true) = (attributes.primary_key, self.nullable) {
            mistakes.add(syn::Error::new(span, "a primary key can't be NULL: make its type one without `Option`"));
        }
    }

    fn check_relation(&self, ty: &Type, all_read: bool, mistakes: &mut Mistakes) {
        let FieldAttributes { on_delete, related_name, through, through_fields, db_table, .. } = &self.attributes;
        let has_column = matches!(self.form, Form::ForeignKey | Form::OneToOne);
        if let (Some(on_delete), false, false) = (on_delete, has_column, self.is_wrong) {
            mistakes.add(syn::Error::new(on_delete.span(), "only a `ForeignKey` or a `OneToOne` has an on_delete"));
        }
        if self.form != Form::ManyToMany && !self.is_wrong {
            let of_many = through.as_ref().map(|through| types::ends(through).0);
            let of_many = of_many.or(through_fields.first().map(LitStr::span)).or(db_table.as_ref().map(LitStr::span));
            if let Some(span) = of_many {
                mistakes.add(syn::Error::new(span, "only a `ManyToMany` has rows between"));
            }
        }
        if self.to.is_none() {
            if let (Some(related), false) = (related_name, self.is_wrong) {
                mistakes.add(syn::Error::new(related.span(), "only a relation has a related_name"));
            }
            return;
        }
        if self.form == Form::ManyToMany {
            if !through_fields.is_empty() && through_fields.len() != 2 {
                let problem = "two fields of `through`: the one that points here, and the one that points there";
                mistakes.add(syn::Error::new(through_fields[0].span(), problem));
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
            None if self.form == Form::OneToOne => (model.to_owned(), self.ident.span()),
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

    /// Whether a create may give it.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self.form, Form::ManyToMany | Form::AutoKey) && self.attributes.generated.is_none()
    }

    /// Whether a new row may leave it out.
    pub(crate) fn optional(&self) -> bool {
        let attributes = &self.attributes;
        self.nullable || attributes.has_default || attributes.db_default.is_some() || self.is_auto()
    }

    /// Whether it is set to the present moment by itself.
    pub(crate) fn is_auto(&self) -> bool {
        self.attributes.auto_now.is_some() || self.attributes.auto_now_add.is_some()
    }

    /// The word of the manifest.
    pub(crate) fn on_delete(&self) -> &'static str {
        let given = self.attributes.on_delete.as_ref();
        given.and_then(|given| ON_DELETE.iter().find(|(word, _)| given == word)).map_or("", |(_, word)| word)
    }

    /// The kind in the manifest.
    pub(crate) fn kind(&self) -> TokenStream {
        let FieldAttributes { max_length, text, protocol, upload_to, max_digits, decimal_places, .. } =
            &self.attributes;
        let kind = quote!(::bandstand::db::FieldKind);
        let length = |otherwise: u32| max_length.as_ref().map_or_else(|| quote!(#otherwise), |length| quote!(#length));
        if let Some(text) = text {
            let (word, otherwise) = match text.to_string().as_str() {
                "slug" => (quote!(Slug), 50),
                "email" => (quote!(Email), 254),
                _ => (quote!(Url), 200),
            };
            let length = length(otherwise);
            return quote!(#kind::#word { max_length: #length });
        }
        if self.is(&["FilePath", "ImagePath"]) {
            let word = if self.is(&["FilePath"]) { quote!(File) } else { quote!(Image) };
            let (length, upload_to) =
                (length(100), upload_to.as_ref().map_or_else(|| quote!(""), |path| quote!(#path)));
            return quote!(#kind::#word { max_length: #length, upload_to: #upload_to });
        }
        if let (Some(digits), Some(places)) = (max_digits, decimal_places) {
            return quote!(#kind::Decimal { max_digits: #digits, decimal_places: #places });
        }
        if let Some(protocol) = protocol {
            return quote!(#kind::Ip { protocol: #protocol });
        }
        if let Some(length) = max_length {
            return quote!(#kind::Char { max_length: #length });
        }
        let ty = &self.ty;
        match (&self.to, self.form) {
            (Some(to), Form::ManyToMany) => {
                let to = &to.ty;
                let through = match &self.attributes.through {
                    Some(through) => quote!(<#through as ::bandstand::db::Model>::NAME),
                    None => quote!(""),
                };
                quote!(#kind::ManyToMany { to: <#to as ::bandstand::db::Model>::NAME, through: #through })
            }
            _ => quote!(<#ty as ::bandstand::db::Kind>::KIND),
        }
    }
}

/// The type of the relation to `to` as it is reached from `from`. It stands where `to` is written, since a struct that isn't a model is
/// told there.
pub(crate) fn related(from: &TokenStream, to: &TokenStream, nullness: &TokenStream) -> TokenStream {
    let (first, last) = types::ends(to);
    let (open, close) = (quote_spanned!(first=> ::bandstand::db::Related<), quote_spanned!(last=> >));
    quote!(#open #from, #to, #nullness #close)
}
