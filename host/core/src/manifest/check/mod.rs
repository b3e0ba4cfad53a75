//! The checks that make a manifest trustworthy.

mod field;
mod model;
mod shared;

use std::collections::HashSet;

use super::{FieldKind, MAX_BYTES, Manifest, VERSION};
use crate::name::{check_name, nearest};

/// Most models of one app.
const MAX_MODELS: usize = 500;
/// Most routes of one app.
const MAX_ROUTES: usize = 2_000;
/// Most capabilities that one app asks for.
const MAX_CAPABILITIES: usize = 100;
/// The longest name of a capability, in bytes.
const MAX_CAPABILITY: usize = 60;
/// The longest text that is shown to people (labels, help, reasons), in bytes.
const MAX_TEXT: usize = 1_000;
/// The largest expression or condition of a model, in bytes of its JSON.
const MAX_EXPRESSION: usize = 8 << 10;
/// The longest name of a table or column that isn't made of names by the host: PostgreSQL cuts identifiers at 63 bytes.
const MAX_IDENTIFIER: usize = 60;

/// Why a manifest was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("manifest: {place}: {problem}")]
pub struct ManifestError {
    place: String,
    problem: String,
}

fn error(place: impl Into<String>, problem: impl std::fmt::Display) -> ManifestError {
    ManifestError { place: place.into(), problem: problem.to_string() }
}

pub(super) fn parse(json: &str) -> Result<Manifest, ManifestError> {
    if json.len() > MAX_BYTES {
        return Err(error("document", format_args!("{} bytes; the most is {MAX_BYTES}", json.len())));
    }
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    // The version is read first: an error about an unknown kind would mislead where the format itself is newer.
    let version: Version = serde_json::from_str(json).map_err(|e| error("document", e))?;
    if version.v != VERSION {
        return Err(error(
            "v",
            format_args!(
                "is {}; this host reads version {VERSION}: update the host, or rebuild the app with its SDK",
                version.v
            ),
        ));
    }
    let mut manifest: Manifest = serde_json::from_str(json).map_err(|e| error("document", short(&e)))?;
    pairs(&mut manifest)?;
    check(&manifest)?;
    Ok(manifest)
}

/// What serde says of a value that doesn't fit may hold the value.
fn short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… at line {} column {}", &text[..end], error.line(), error.column()),
        None => text,
    }
}

/// Adds the models of the pairs that many-to-many relations get which name none. Those that are there are of an earlier
/// reading of the same manifest, or of somebody who can't have made them.
fn pairs(manifest: &mut Manifest) -> Result<(), ManifestError> {
    manifest.models.retain(|model| !model.auto_created);
    let mut made = Vec::new();
    for model in &manifest.models {
        for field in &model.fields {
            let FieldKind::ManyToMany { to, through, db_table, .. } = &field.kind else { continue };
            if !through.is_empty() {
                continue;
            }
            let pairs = super::model::through(&model.name, &field.name, to, db_table);
            let place = place_of(&model.name, &field.name);
            if check_name(&model.name).is_ok() && check_name(&field.name).is_ok() && check_name(&pairs.name).is_err() {
                return Err(error(
                    place,
                    format_args!(
                        "the model of its pairs would be called `{}`, which is too long; shorten a name, or declare a model \
                         of a shorter name and give it as `through`",
                        pairs.name
                    ),
                ));
            }
            if manifest.model(&pairs.name).is_some() {
                return Err(error(
                    place,
                    format_args!(
                        "the model of its pairs would be called `{}`, as another model is; rename one, or give that \
                         model as `through` if it is meant",
                        shown(&pairs.name)
                    ),
                ));
            }
            made.push(pairs);
        }
        at_most("models", made.len(), MAX_MODELS)?;
    }
    manifest.models.extend(made);
    Ok(())
}

fn place_of(model: &str, field: &str) -> String {
    format!("model `{}`, field `{}`", shown(model), shown(field))
}

/// `; did you mean …?`, where something is near.
fn hint<'m>(given: &str, known: impl IntoIterator<Item = &'m str>) -> String {
    nearest(given, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Checks the name of a table or a column that the app chose itself.
fn identifier(place: &str, what: &str, name: &str) -> Result<(), ManifestError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let valid = name.len() <= MAX_IDENTIFIER
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if valid {
        return Ok(());
    }
    let problem = format!(
        "`{}` is no name for {what}: use 1 to {MAX_IDENTIFIER} ASCII letters, digits and underscores, not beginning with \
         a digit",
        shown(name)
    );
    Err(error(place, problem))
}

/// Checks the size of an expression or a condition; what it says is checked where queries are planned.
fn expression(place: &str, what: &str, json: &serde_json::Value) -> Result<(), ManifestError> {
    let length = json.to_string().len();
    if length > MAX_EXPRESSION {
        return Err(error(place, format_args!("{what} takes {length} bytes; the most is {MAX_EXPRESSION}")));
    }
    Ok(())
}

fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    text("label", &manifest.label)?;
    text("version", &manifest.version)?;
    text("sdk", &manifest.sdk)?;
    at_most("models", manifest.models.len(), MAX_MODELS)?;
    at_most("routes", manifest.routes.len(), MAX_ROUTES)?;
    at_most("capabilities", manifest.capabilities.len(), MAX_CAPABILITIES)?;
    unique("models", manifest.models.iter().map(|m| m.name.as_str()))?;
    for model in &manifest.models {
        model::check(manifest, model)?;
        shared::check(manifest, model)?;
    }
    // SQLite and MariaDB take `Album` and `album` for the same.
    let tables: Vec<String> =
        manifest.models.iter().map(|model| model.table_name(&manifest.name).to_ascii_lowercase()).collect();
    unique("tables", tables.iter().map(String::as_str))?;
    unique("routes", manifest.routes.iter().filter_map(|route| route.name.as_deref()))?;
    for route in &manifest.routes {
        let place = format!("route `{}`", route.path);
        if let Some(name) = &route.name {
            check_name(name).map_err(|e| error(&place, e))?;
        }
        if route.methods.is_empty() {
            return Err(error(place, "answers no method; list at least one in `methods`"));
        }
    }
    for (at, request) in manifest.capabilities.iter().enumerate() {
        let place = format!("capabilities[{at}]");
        text(&place, &request.reason)?;
        let name = &request.name;
        if name.is_empty() || name.len() > MAX_CAPABILITY || !name.bytes().all(|b| b.is_ascii_graphic()) {
            let problem = format_args!("its name must be 1 to {MAX_CAPABILITY} printable ASCII characters");
            return Err(error(place, problem));
        }
    }
    Ok(())
}

fn text(place: &str, text: &str) -> Result<(), ManifestError> {
    at_most(place, text.len(), MAX_TEXT)?;
    // It is shown in logs and on terminals, where these are commands or make a line read as another one.
    match text.chars().find(|c| crate::text::is_hidden(*c) && *c != '\n') {
        Some(c) => Err(error(place, format_args!("has the character {}, which can't be shown", c.escape_unicode()))),
        None if text.contains('\n') && ["version", "sdk"].contains(&place) => {
            Err(error(place, "has a line break; it is one line"))
        }
        None => Ok(()),
    }
}

/// A name from a manifest as it may stand in a message: short, and on one line.
fn shown(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_default).collect()
}

fn at_most(place: &str, len: usize, most: usize) -> Result<(), ManifestError> {
    if len > most { Err(error(place, format_args!("{len} entries or bytes; the most is {most}"))) } else { Ok(()) }
}

fn unique<'a>(place: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ManifestError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(error(place, format_args!("`{}` stands twice", shown(name))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
