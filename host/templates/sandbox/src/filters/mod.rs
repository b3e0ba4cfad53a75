//! Filters with Django's names, on top of the engine's own.

mod markup;
mod number;
mod text;
mod time;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

/// Adds all filters.
pub(crate) fn add(env: &mut Environment<'static>) {
    env.add_filter("default", default);
    env.add_filter("default_if_none", default_if_none);
    env.add_filter("yesno", yesno);
    markup::add(env);
    number::add(env);
    text::add(env);
    time::add(env);
}

/// The names that a misspelt one may have meant.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    const NAMES: [&str; 70] = [
        "abs",
        "attr",
        "batch",
        "bool",
        "capfirst",
        "capitalize",
        "center",
        "chain",
        "count",
        "cut",
        "date",
        "datetime",
        "default",
        "default_if_none",
        "dictsort",
        "escape",
        "escapejs",
        "filesizeformat",
        "first",
        "float",
        "floatformat",
        "format",
        "groupby",
        "indent",
        "int",
        "intcomma",
        "intword",
        "items",
        "join",
        "json_script",
        "last",
        "length",
        "linebreaks",
        "linebreaksbr",
        "lines",
        "list",
        "ljust",
        "lower",
        "map",
        "max",
        "min",
        "naturaltime",
        "ordinal",
        "pluralize",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "rjust",
        "round",
        "safe",
        "select",
        "selectattr",
        "slice",
        "slugify",
        "sort",
        "split",
        "string",
        "striptags",
        "sum",
        "time",
        "timesince",
        "timeuntil",
        "title",
        "trim",
        "truncatechars",
        "truncatewords",
        "unique",
        "upper",
        "urlize",
    ];
    NAMES.into_iter().chain(["tojson", "urlencode", "wordcount", "wordwrap", "yesno", "zip"])
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Text made of markup: safe where the page is HTML, plain elsewhere.
fn markup(state: &State, html: String) -> Value {
    if escapes(state) { Value::from_safe_string(html) } else { Value::from(html) }
}

fn escapes(state: &State) -> bool {
    *state.auto_escape() == AutoEscape::Html
}

/// A value as text, for filters that work on text: none and undefined are empty, lists and maps are refused.
fn text(value: &Value) -> Result<std::borrow::Cow<'_, str>, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok("".into()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().into()),
        ValueKind::Number | ValueKind::Bool => Ok(value.to_string().into()),
        kind => Err(invalid(format!("this filter works on text, not on a {kind}"))),
    }
}

/// `default`: for whatever counts as false, as in Django.
fn default(value: Value, other: Option<Value>) -> Value {
    if value.is_true() { value } else { other.unwrap_or_else(|| Value::from("")) }
}

fn default_if_none(value: Value, other: Value) -> Value {
    if value.is_none() { other } else { value }
}

/// `yesno("yeah,no,maybe")`: for true, false and none; without a third word none counts as false.
fn yesno(value: Value, words: Option<&str>) -> Result<String, Error> {
    let words: Vec<&str> = words.unwrap_or("yes,no,maybe").split(',').collect();
    match (words.as_slice(), value.is_true(), value.is_none() || value.is_undefined()) {
        ([yes, _] | [yes, _, _], true, _) => Ok((*yes).into()),
        ([_, _, maybe], false, true) => Ok((*maybe).into()),
        ([_, no] | [_, no, _], false, _) => Ok((*no).into()),
        _ => Err(invalid("yesno takes two or three words with commas between them")),
    }
}
