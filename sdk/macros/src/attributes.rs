//! What stands in `#[model(…)]` and `#[field(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, Lit, LitInt, LitStr, Token, bracketed, parenthesized};

use crate::mistakes::{Mistakes, entries};
use crate::names;

/// A literal, with a minus before a number.
pub(crate) struct Value {
    negative: bool,
    literal: Lit,
    /// As a `bandstand::db::Literal`.
    pub(crate) for_manifest: TokenStream,
}

impl Parse for Value {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
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
        Ok(Self { negative, literal, for_manifest })
    }
}

impl Value {
    pub(crate) fn span(&self) -> Span {
        self.literal.span()
    }

    /// As a Rust expression.
    pub(crate) fn expression(&self) -> TokenStream {
        let literal = &self.literal;
        if self.negative { quote!(-#literal) } else { quote!(#literal) }
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

#[derive(Default)]
pub(crate) struct ModelAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) label: Option<LitStr>,
    pub(crate) label_plural: Option<LitStr>,
    pub(crate) ordering: Vec<LitStr>,
    pub(crate) unique_together: Vec<Vec<LitStr>>,
    pub(crate) indexes: Vec<Vec<LitStr>>,
}

impl ModelAttributes {
    pub(crate) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let known = ["name", "label", "label_plural", "ordering", "unique_together", "indexes"];
        let mut this = Self::default();
        each(attributes, "model", &known, mistakes, |key, _, input| {
            match key {
                "name" => this.name = Some(value(input)?),
                "label" => this.label = Some(value(input)?),
                "label_plural" => this.label_plural = Some(value(input)?),
                "ordering" => this.ordering = assigned(input, texts)?,
                "unique_together" => this.unique_together = assigned(input, sets)?,
                _ => this.indexes = assigned(input, sets)?,
            }
            Ok(())
        });
        this
    }
}

#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) max_length: Option<LitInt>,
    pub(crate) default: Option<Value>,
    /// Whether a default was meant, however it was written.
    pub(crate) has_default: bool,
    pub(crate) unique: bool,
    pub(crate) index: bool,
    pub(crate) blank: bool,
    pub(crate) auto_now: Option<Span>,
    pub(crate) auto_now_add: Option<Span>,
    pub(crate) choices: Vec<(Value, LitStr)>,
    pub(crate) label: Option<LitStr>,
    pub(crate) help_text: Option<LitStr>,
    pub(crate) on_delete: Option<Ident>,
    pub(crate) related_name: Option<LitStr>,
}

impl FieldAttributes {
    pub(crate) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let known = [
            "max_length",
            "default",
            "unique",
            "index",
            "blank",
            "choices",
            "label",
            "help_text",
            "auto_now",
            "auto_now_add",
            "on_delete",
            "related_name",
        ];
        let mut this = Self::default();
        each(attributes, "field", &known, mistakes, |key, ident, input| {
            match key {
                "max_length" => this.max_length = Some(value(input)?),
                "default" => {
                    this.has_default = true;
                    this.default = Some(value(input)?);
                }
                "unique" => this.unique = flag(input)?,
                "index" => this.index = flag(input)?,
                "blank" => this.blank = flag(input)?,
                "auto_now" => this.auto_now = flag(input)?.then(|| ident.span()),
                "auto_now_add" => this.auto_now_add = flag(input)?.then(|| ident.span()),
                "choices" => this.choices = assigned(input, pairs)?,
                "label" => this.label = Some(value(input)?),
                "help_text" => this.help_text = Some(value(input)?),
                "on_delete" => this.on_delete = Some(assigned(input, on_delete)?),
                _ => this.related_name = Some(value(input)?),
            }
            Ok(())
        });
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
