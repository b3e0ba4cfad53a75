//! What stands in `#[model(…)]` and `#[field(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit, LitInt, LitStr, Token, bracketed, parenthesized};

use crate::mistakes::{Mistakes, entries};
use crate::names;

/// A literal, with a minus before a number; or a variant of an enum.
pub(crate) struct Value {
    written: TokenStream,
    span: Span,
    /// As a `bandstand::db::Literal`.
    pub(crate) for_manifest: TokenStream,
    pub(crate) is_variant: bool,
}

impl Parse for Value {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `Size::Small`; a name alone is likelier a forgotten pair of quotes.
        if input.peek(Ident) && input.peek2(Token![::]) {
            let path: syn::Path = input.parse()?;
            let for_manifest = quote!((#path).__literal());
            return Ok(Self { span: path.span(), written: quote!(#path), for_manifest, is_variant: true });
        }
        let minus: Option<Token![-]> = input.parse()?;
        let literal: Lit = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected a literal: a number, a text in quotes, `true` or `false`")
        })?;
        if let Some(minus) = minus
            && !matches!(literal, Lit::Int(_) | Lit::Float(_))
        {
            return Err(syn::Error::new(minus.span(), "only a number can be negative"));
        }
        let negative = minus.is_some();
        let for_manifest = for_manifest(negative, &literal)?;
        let written = if negative { quote!(-#literal) } else { quote!(#literal) };
        Ok(Self { written, span: literal.span(), for_manifest, is_variant: false })
    }
}

impl Value {
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// As a Rust expression.
    pub(crate) fn expression(&self) -> &TokenStream {
        &self.written
    }
}

fn for_manifest(negative: bool, literal: &Lit) -> syn::Result<TokenStream> {
    let sign = if negative { "-" } else { "" };
    Ok(match literal {
        Lit::Bool(value) => quote!(::bandstand::db::Literal::Bool(#value)),
        Lit::Str(value) => quote!(::bandstand::db::Literal::Text(#value)),
        Lit::Int(value) => {
            let number: i64 = format!("{sign}{}", value.base10_digits())
                .parse()
                .map_err(|_| syn::Error::new(value.span(), "this number doesn't fit 64 bits"))?;
            quote!(::bandstand::db::Literal::Integer(#number))
        }
        Lit::Float(value) => {
            let number: f64 = value.base10_parse()?;
            let number = if negative { -number } else { number };
            if !number.is_finite() {
                return Err(syn::Error::new(value.span(), "this number doesn't fit a float"));
            }
            let text = format!("{number:?}");
            quote!(::bandstand::db::Literal::Float(#text))
        }
        other => {
            return Err(syn::Error::new(other.span(), "expected a number, a text in quotes, `true` or `false`"));
        }
    })
}

/// One text, or several in brackets.
fn texts(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    if input.peek(syn::token::Bracket) {
        let inner;
        bracketed!(inner in input);
        return Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&inner)?.into_iter().collect());
    }
    Ok(vec![input.parse()?])
}

/// `[["a", "b"], ["c"]]`
fn sets(input: ParseStream<'_>) -> syn::Result<Vec<Vec<LitStr>>> {
    let outer;
    bracketed!(outer in input);
    let mut sets = Vec::new();
    while !outer.is_empty() {
        sets.push(texts(&outer)?);
        if !outer.is_empty() {
            outer.parse::<Token![,]>()?;
        }
    }
    Ok(sets)
}

/// What an entry of `indexes` or `constraints` is: names of fields, or an expression that makes it.
fn entries_of(input: ParseStream<'_>) -> syn::Result<(Vec<Vec<LitStr>>, Vec<Expr>)> {
    let outer;
    bracketed!(outer in input);
    let (mut sets, mut made) = (Vec::new(), Vec::new());
    while !outer.is_empty() {
        if outer.peek(syn::token::Bracket) || outer.peek(LitStr) {
            sets.push(texts(&outer)?);
        } else {
            made.push(outer.parse()?);
        }
        if !outer.is_empty() {
            outer.parse::<Token![,]>()?;
        }
    }
    Ok((sets, made))
}

#[derive(Default)]
pub(crate) struct ModelAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) label: Option<LitStr>,
    pub(crate) label_plural: Option<LitStr>,
    pub(crate) table: Option<LitStr>,
    /// The other app's model that it is.
    pub(crate) of: Option<LitStr>,
    pub(crate) actions: Vec<LitStr>,
    pub(crate) unmanaged: bool,
    pub(crate) primary_key: Vec<LitStr>,
    pub(crate) ordering: Vec<LitStr>,
    pub(crate) unique_together: Vec<Vec<LitStr>>,
    pub(crate) indexes: Vec<Vec<LitStr>>,
    pub(crate) more_indexes: Vec<Expr>,
    pub(crate) constraints: Vec<Expr>,
    pub(crate) default_permissions: Option<Vec<LitStr>>,
    pub(crate) permissions: Vec<(Value, LitStr)>,
}

impl ModelAttributes {
    pub(crate) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let known = [
            "name",
            "label",
            "label_plural",
            "table",
            "of",
            "actions",
            "managed",
            "primary_key",
            "ordering",
            "unique_together",
            "indexes",
            "constraints",
            "default_permissions",
            "permissions",
        ];
        let mut this = Self::default();
        each(attributes, "model", &known, mistakes, |key, _, input| {
            match key {
                "name" => this.name = Some(value(input)?),
                "label" => this.label = Some(value(input)?),
                "label_plural" => this.label_plural = Some(value(input)?),
                "table" => this.table = Some(value(input)?),
                "of" => this.of = Some(of(value(input)?)?),
                "actions" => this.actions = actions(assigned(input, texts)?)?,
                "managed" => this.unmanaged = !flag(input)?,
                "primary_key" => this.primary_key = assigned(input, texts)?,
                "ordering" => this.ordering = assigned(input, texts)?,
                "unique_together" => this.unique_together = assigned(input, sets)?,
                "indexes" => (this.indexes, this.more_indexes) = assigned(input, entries_of)?,
                "constraints" => {
                    let (sets, constraints) = assigned(input, entries_of)?;
                    if let Some(set) = sets.first().and_then(|set| set.first()) {
                        let problem = "a constraint is made by `Constraint::check(…)` or `Constraint::unique(…)`; for a list of names there is `unique_together`";
                        return Err(syn::Error::new(set.span(), problem));
                    }
                    this.constraints = constraints;
                }
                "default_permissions" => this.default_permissions = Some(assigned(input, texts)?),
                _ => this.permissions = assigned(input, pairs)?,
            }
            Ok(())
        });
        this
    }
}

/// `"polls.question"`
fn of(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    if text.split('.').count() == 2 && text.split('.').all(|part| names::check(part, name.span(), "a model").is_ok()) {
        return Ok(name);
    }
    let problem = "`of` names another app's model by both names: \"polls.question\"";
    Err(syn::Error::new(name.span(), problem))
}

fn actions(words: Vec<LitStr>) -> syn::Result<Vec<LitStr>> {
    const KNOWN: [&str; 4] = ["view", "add", "change", "delete"];
    match words.iter().find(|word| !KNOWN.contains(&word.value().as_str())) {
        None => Ok(words),
        Some(other) => {
            let problem = format!("actions are of \"{}\"", KNOWN.join("\", \""));
            Err(syn::Error::new(other.span(), problem))
        }
    }
}

#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) max_length: Option<LitInt>,
    pub(crate) max_digits: Option<LitInt>,
    pub(crate) decimal_places: Option<LitInt>,
    /// `slug`, `email` or `url`.
    pub(crate) text: Option<Ident>,
    pub(crate) protocol: Option<LitStr>,
    pub(crate) upload_to: Option<LitStr>,
    pub(crate) default: Option<Value>,
    /// Whether a default was meant, however it was written.
    pub(crate) has_default: bool,
    pub(crate) db_default: Option<Expr>,
    pub(crate) generated: Option<Expr>,
    pub(crate) stored: bool,
    pub(crate) primary_key: Option<Span>,
    pub(crate) unique: bool,
    pub(crate) index: bool,
    pub(crate) blank: bool,
    pub(crate) not_editable: bool,
    pub(crate) column: Option<LitStr>,
    /// The manifest's names with their values.
    pub(crate) validators: Vec<(&'static str, Value)>,
    pub(crate) auto_now: Option<Span>,
    pub(crate) auto_now_add: Option<Span>,
    pub(crate) choices: Vec<(Value, LitStr)>,
    pub(crate) label: Option<LitStr>,
    pub(crate) help_text: Option<LitStr>,
    pub(crate) on_delete: Option<Ident>,
    pub(crate) related_name: Option<LitStr>,
    pub(crate) no_db_constraint: bool,
    pub(crate) through: Option<syn::Type>,
    pub(crate) through_fields: Vec<LitStr>,
    pub(crate) db_table: Option<LitStr>,
    pub(crate) flatten: Option<Span>,
}

impl FieldAttributes {
    pub(crate) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let known = [
            "max_length",
            "max_digits",
            "decimal_places",
            "slug",
            "email",
            "url",
            "protocol",
            "upload_to",
            "default",
            "db_default",
            "generated",
            "stored",
            "primary_key",
            "unique",
            "index",
            "blank",
            "editable",
            "column",
            "min",
            "max",
            "min_length",
            "regex",
            "step",
            "choices",
            "label",
            "help_text",
            "auto_now",
            "auto_now_add",
            "on_delete",
            "related_name",
            "db_constraint",
            "through",
            "through_fields",
            "db_table",
            "flatten",
        ];
        let mut this = Self::default();
        each(attributes, "field", &known, mistakes, |key, ident, input| {
            match key {
                "max_length" => this.max_length = Some(value(input)?),
                "max_digits" => this.max_digits = Some(value(input)?),
                "decimal_places" => this.decimal_places = Some(value(input)?),
                "slug" | "email" | "url" => {
                    if flag(input)?
                        && let Some(other) = this.text.replace(ident.clone())
                    {
                        return Err(syn::Error::new(ident.span(), format!("it is `{other}` already")));
                    }
                }
                "protocol" => this.protocol = Some(value(input)?),
                "upload_to" => this.upload_to = Some(value(input)?),
                "default" => {
                    this.has_default = true;
                    // Alone it means the default of what is flattened.
                    if input.peek(Token![=]) || this.flatten.is_none() {
                        this.default = Some(value(input)?);
                    }
                }
                "db_default" => this.db_default = Some(value(input)?),
                "generated" => this.generated = Some(value(input)?),
                "stored" => this.stored = flag(input)?,
                "primary_key" => this.primary_key = flag(input)?.then(|| ident.span()),
                "unique" => this.unique = flag(input)?,
                "index" => this.index = flag(input)?,
                "blank" => this.blank = flag(input)?,
                "editable" => this.not_editable = !flag(input)?,
                "column" => this.column = Some(value(input)?),
                "min" => this.validators.push(("min_value", value(input)?)),
                "max" => this.validators.push(("max_value", value(input)?)),
                "min_length" => this.validators.push(("min_length", value(input)?)),
                "regex" => this.validators.push(("regex", value(input)?)),
                "step" => this.validators.push(("step", value(input)?)),
                "auto_now" => this.auto_now = flag(input)?.then(|| ident.span()),
                "auto_now_add" => this.auto_now_add = flag(input)?.then(|| ident.span()),
                "choices" => this.choices = assigned(input, pairs)?,
                "label" => this.label = Some(value(input)?),
                "help_text" => this.help_text = Some(value(input)?),
                "on_delete" => this.on_delete = Some(assigned(input, on_delete)?),
                "related_name" => this.related_name = Some(value(input)?),
                "db_constraint" => this.no_db_constraint = !flag(input)?,
                "through" => this.through = Some(value(input)?),
                "through_fields" => this.through_fields = assigned(input, texts)?,
                "db_table" => this.db_table = Some(value(input)?),
                _ => this.flatten = flag(input)?.then(|| ident.span()),
            }
            Ok(())
        });
        this
    }
}

/// What stands in `#[choice(…)]`: the value, the label, or both.
#[derive(Default)]
pub(crate) struct ChoiceAttribute {
    pub(crate) value: Option<Lit>,
    pub(crate) negative: bool,
    pub(crate) label: Option<LitStr>,
}

impl ChoiceAttribute {
    pub(crate) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut this = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("choice")) {
            let read = attribute.parse_args_with(|input: ParseStream<'_>| {
                this.negative = input.parse::<Option<Token![-]>>()?.is_some();
                this.value = Some(input.parse()?);
                if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
                    this.label = Some(input.parse()?);
                }
                Ok(())
            });
            mistakes.note(read);
        }
        this
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    assigned(input, T::parse)
}

/// What stands after `=`.
fn assigned<T>(input: ParseStream<'_>, read: fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    read(input)
}

/// `unique` or `unique = true`.
fn flag(input: ParseStream<'_>) -> syn::Result<bool> {
    if input.peek(Token![=]) {
        return value::<syn::LitBool>(input).map(|value| value.value);
    }
    Ok(true)
}

/// `[("s", "Small"), ("l", "Large")]`
fn pairs(input: ParseStream<'_>) -> syn::Result<Vec<(Value, LitStr)>> {
    let inner;
    bracketed!(inner in input);
    let mut pairs = Vec::new();
    while !inner.is_empty() {
        let pair;
        parenthesized!(pair in inner);
        let choice = pair.parse()?;
        pair.parse::<Token![,]>()?;
        pairs.push((choice, pair.parse()?));
        if !inner.is_empty() {
            inner.parse::<Token![,]>()?;
        }
    }
    Ok(pairs)
}

/// One word: `Cascade`, not `"cascade"` or `models::CASCADE`.
fn on_delete(input: ParseStream<'_>) -> syn::Result<Ident> {
    let wrong =
        input.error("expected one word: `Cascade`, `Protect`, `Restrict`, `SetNull`, `SetDefault` or `DoNothing`");
    match input.parse() {
        Ok(word) if input.is_empty() || input.peek(Token![,]) => Ok(word),
        _ => Err(wrong),
    }
}

/// Calls `read` for each key in all attributes called `name`.
fn each(
    attributes: &[Attribute],
    name: &str,
    known: &[&'static str],
    mistakes: &mut Mistakes,
    mut read: impl FnMut(&'static str, &Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    let what = format!("attribute of a {name}");
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        mistakes.reading(|mistakes| {
            attribute.parse_args_with(|input: ParseStream<'_>| {
                entries(input, &what, known, mistakes, &mut read);
                Ok(())
            })
        });
    }
}

/// The error for a list that names a field the model doesn't have.
pub(crate) fn known_field(name: &LitStr, fields: &[&str]) -> syn::Result<()> {
    let text = name.value();
    let bare = text.strip_prefix('-').unwrap_or(&text);
    if fields.contains(&bare) {
        return Ok(());
    }
    Err(names::unknown("field", bare, name.span(), fields))
}
