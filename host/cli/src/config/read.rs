//! From the text of a configuration file to typed values, with errors that name file, line and the nearest known key.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, Problems};

/// The largest file in bytes: a thousand apps with all their keys fit ten times.
const MAX_BYTES: usize = 256 << 10;
/// The longest value of one environment variable, in bytes.
const MAX_VARIABLE: usize = 64 << 10;
/// After so many problems the rest is likely to follow from them.
const MAX_PROBLEMS: usize = 20;
/// What the names of environment variables begin with that override a key.
pub(crate) const PREFIX: &str = "BANDSTAND__";

/// An environment variable that overrides a key.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    /// The whole name, such as `BANDSTAND__SERVER__BIND`.
    pub(crate) name: String,
    /// Its value; none where it isn't UTF-8.
    pub(crate) value: Option<String>,
}

/// A file's text; of one that is too large, as much as tells so.
pub(crate) fn text(file: cap_std::fs::File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    // A large file may have been cut in the midst of a character.
    let large = bytes.len() > MAX_BYTES;
    String::from_utf8(bytes)
        .or_else(|error| if large { Ok(" ".repeat(MAX_BYTES + 1)) } else { Err(error) })
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// Reads `text`, which stands in `file` (a name for messages), with the overrides on top.
pub(crate) fn read<'a, T: DeserializeOwned>(
    file: &'a str,
    text: &'a str,
    overrides: &'a [Override],
) -> Result<T, Problems> {
    if text.len() > MAX_BYTES {
        let message = format!("has more than {MAX_BYTES} bytes");
        return Err(Problems(vec![
            Problem::new("config.E001", file, message).hint("is this really a configuration file?"),
        ]));
    }
    let reader = Reader { file, text, overrides };
    let (parsed, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().take(MAX_PROBLEMS).map(|error| {
            let place = error.span().map_or_else(|| file.to_owned(), |span| reader.place(&span));
            Problem::new("config.E001", place, format!("isn't valid TOML: {}", one_line(error.message())))
        });
        return Err(Problems(problems.collect()));
    }
    let root = parsed.span();
    let mut table = parsed.into_inner();
    let mut problems = reader.apply_overrides(&mut table);
    let in_order = |mut problems: Vec<(usize, Problem)>| {
        problems.sort_by_key(|(start, _)| *start);
        Problems(problems.into_iter().map(|(_, problem)| problem).collect())
    };
    loop {
        let error = match T::deserialize(toml::Deserializer::from(Spanned::new(root.clone(), table.clone()))) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => return Err(in_order(problems)),
            Err(error) => error,
        };
        // What is at fault is taken out, so that one run finds all that is wrong.
        let span = error.span().unwrap_or_else(|| root.clone());
        let path = locate(&table, &span).unwrap_or_default();
        if let Some(value) = reader.mistaken_override(&span, &table, error.message()) {
            replace(&mut table, &path, value);
            continue;
        }
        problems.push((span.start, reader.problem(&span, &path, &table, error.message())));
        if problems.len() == MAX_PROBLEMS || !remove(&mut table, &path) {
            return Err(in_order(problems));
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    overrides: &'a [Override],
}

impl<'a> Reader<'a> {
    /// Keys and values that come from the environment get spans behind the end of the file, two for each variable, so
    /// that an error's span tells where the value came from.
    fn span_of(&self, at: usize, value: bool) -> Range<usize> {
        let start = MAX_BYTES + 4 * at + if value { 2 } else { 0 };
        start..start + 1
    }

    fn override_at(&self, span: &Range<usize>) -> Option<&'a Override> {
        self.overrides.get(span.start.checked_sub(MAX_BYTES)? / 4)
    }

    fn place(&self, span: &Range<usize>) -> String {
        match self.override_at(span) {
            Some(variable) => format!("environment variable {}", variable.name),
            None => {
                let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
                format!("{}:{}", self.file, before.iter().filter(|byte| **byte == b'\n').count() + 1)
            }
        }
    }

    fn apply_overrides(&self, table: &mut DeTable<'a>) -> Vec<(usize, Problem)> {
        let mut problems = Vec::new();
        for (at, variable) in self.overrides.iter().enumerate() {
            if let Err(message) = self.apply(at, variable, table) {
                let place = format!("environment variable {}", variable.name);
                let problem = Problem::new("config.E004", place, message).hint(
                    "BANDSTAND__SECTION__KEY=value sets `key` in [section]; two underscores stand between the parts",
                );
                problems.push((self.span_of(at, false).start, problem));
            }
        }
        problems
    }

    fn apply(&self, at: usize, variable: &'a Override, table: &mut DeTable<'a>) -> Result<(), String> {
        let value = variable.value.as_deref().ok_or("its value isn't UTF-8")?;
        if value.len() > MAX_VARIABLE {
            return Err(format!("its value has {} bytes; the most is {MAX_VARIABLE}", value.len()));
        }
        let path: Vec<String> = variable.name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if path.iter().any(|part| part.is_empty() || part.len() > 60) || path.len() > 8 {
            return Err("its name doesn't spell the path of a key".into());
        }
        let Some((last, parents)) = path.split_last() else { return Ok(()) };
        let key = self.span_of(at, false);
        let mut table = &mut *table;
        for (depth, part) in parents.iter().enumerate() {
            if !table.contains_key(part.as_str()) {
                table.insert(
                    Spanned::new(key.clone(), Cow::Owned(part.clone())),
                    Spanned::new(key.clone(), DeValue::Table(DeTable::new())),
                );
            }
            table = match table.get_mut(part.as_str()).map(Spanned::get_mut) {
                Some(DeValue::Table(inner)) => inner,
                _ => return Err(format!("`{}` is a value, not a section", path[..=depth].join("."))),
            };
        }
        // A list or a number is written as in the file; whatever isn't TOML is a text, so that nobody quotes twice.
        let parsed = match DeValue::parse(value) {
            Ok(parsed) => parsed.into_inner(),
            Err(_) => DeValue::String(Cow::Borrowed(value)),
        };
        table.remove(last.as_str());
        table.insert(Spanned::new(key, Cow::Owned(last.clone())), spanned(parsed, &self.span_of(at, true)));
        Ok(())
    }

    /// Another reading of an override: a text where it was taken for a number, a boolean or the like (a site may well
    /// be called `2001`), a list of texts where it was taken for one.
    fn mistaken_override(&self, span: &Range<usize>, table: &DeTable<'_>, message: &str) -> Option<DeValue<'a>> {
        let variable = self.override_at(span)?;
        let text = variable.value.as_deref()?;
        match find(table, span)? {
            DeValue::Array(_) | DeValue::Table(_) => None,
            DeValue::String(_) if !message.contains("expected a sequence") => None,
            DeValue::String(_) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let item = |item: &'a str| Spanned::new(span.clone(), DeValue::String(Cow::Borrowed(item)));
                Some(DeValue::Array(items.map(item).collect()))
            }
            _ => Some(DeValue::String(Cow::Borrowed(text))),
        }
    }

    fn problem(&self, span: &Range<usize>, path: &[String], table: &DeTable<'_>, message: &str) -> Problem {
        let place = self.place(span);
        let (key, parents) = path.split_last().map_or(("", path), |(key, parents)| (key.as_str(), parents));
        let section = if parents.is_empty() { String::new() } else { format!(" in [{}]", dotted(parents)) };
        if message.starts_with("unknown field") {
            let known = known_keys(message);
            let problem = Problem::new("config.E002", place, format!("unknown key `{}`{section}", key.escape_debug()));
            // `[apps.report.models.shop.product]` is the table `product` in the grant for a model called `shop`.
            if let [apps, app, models, owner, model] = path
                && (apps.as_str(), models.as_str()) == ("apps", "models")
                && matches!(find(table, span), Some(DeValue::Table(_)))
            {
                let meant = dotted(&[apps.clone(), app.clone(), models.clone(), format!("{owner}.{model}")]);
                return problem.hint(format!("app and model are one key, in quotes: [{meant}]"));
            }
            return match host_core::name::nearest(key, known.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None if known.is_empty() => problem.hint("this section has no keys"),
                None => problem.hint(format!("known are: {}", known.join(", "))),
            };
        }
        let what = if key.is_empty() { String::new() } else { format!("`{}`{section}: ", key.escape_debug()) };
        Problem::new("config.E003", place, format!("{what}{}", in_plain_words(&one_line(message))))
    }
}

/// A path of keys as TOML has it: keys with a dot, say, in quotes.
fn dotted(path: &[String]) -> String {
    let is_bare = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let key = |key: &String| if is_bare(key) { key.clone() } else { format!("\"{}\"", key.escape_debug()) };
    path.iter().map(key).collect::<Vec<_>>().join(".")
}

/// serde's words for types are Rust's; an operator need not know them.
fn in_plain_words(message: &str) -> String {
    ["expected u64", "expected u32", "expected u16", "expected usize"]
        .iter()
        .find_map(|words| message.strip_suffix(words))
        .map(|start| format!("{start}expected a whole number, 0 or more"))
        .unwrap_or_else(|| message.replace("expected path string", "expected a text"))
}

/// serde names the known fields in the message alone: "unknown field `a`, expected one of `b`, `c`".
fn known_keys(message: &str) -> Vec<&str> {
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    expected.split('`').skip(1).step_by(2).collect()
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join("; ")
}

/// Gives a value and all that it holds the same span.
fn spanned<'t>(value: DeValue<'t>, span: &Range<usize>) -> Spanned<DeValue<'t>> {
    let value = match value {
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| spanned(item.into_inner(), span)).collect())
        }
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| (Spanned::new(span.clone(), key.into_inner()), spanned(value.into_inner(), span)))
                .collect(),
        ),
        plain => plain,
    };
    Spanned::new(span.clone(), value)
}

/// The path to the key or value with exactly that span, the deepest where several have it.
fn locate(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    for (key, value) in table {
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(mut path) = locate(inner, span)
        {
            path.insert(0, key.get_ref().to_string());
            return Some(path);
        }
        let inside = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
        let items = matches!(value.get_ref(), DeValue::Array(_)) && inside(value.span());
        if key.span() == *span || value.span() == *span || items {
            return Some(vec![key.get_ref().to_string()]);
        }
    }
    None
}

fn find<'v, 't>(table: &'v DeTable<'t>, span: &Range<usize>) -> Option<&'v DeValue<'t>> {
    let path = locate(table, span)?;
    let (last, parents) = path.split_last()?;
    let mut table = table;
    for part in parents {
        table = table.get(part.as_str())?.get_ref().as_table()?;
    }
    table.get(last.as_str()).map(Spanned::get_ref)
}

/// The table that holds the last key of `path`.
fn holder<'v, 't>(table: &'v mut DeTable<'t>, path: &[String]) -> Option<&'v mut DeTable<'t>> {
    let mut table = table;
    for part in path.split_last()?.1 {
        table = match table.get_mut(part.as_str())?.get_mut() {
            DeValue::Table(inner) => inner,
            _ => return None,
        };
    }
    Some(table)
}

fn remove(table: &mut DeTable<'_>, path: &[String]) -> bool {
    let Some(last) = path.last() else { return false };
    holder(table, path).is_some_and(|table| table.remove(last.as_str()).is_some())
}

fn replace<'t>(table: &mut DeTable<'t>, path: &[String], value: DeValue<'t>) {
    if let (Some(last), Some(table)) = (path.last(), holder(table, path))
        && let Some(place) = table.get_mut(last.as_str())
    {
        *place.get_mut() = value;
    }
}
