//! The checks that make a manifest trustworthy.

use std::collections::HashSet;

use super::{FieldKind, MAX_BYTES, Manifest, Model, OnDelete, VERSION};
use crate::name::check_name;

/// Most models of one app.
const MAX_MODELS: usize = 500;
/// Most fields of one model: SQLite's default is 2,000 columns, MariaDB's 1,017, and nobody reads 300.
const MAX_FIELDS: usize = 300;
/// Most routes of one app.
const MAX_ROUTES: usize = 2_000;
/// The longest text that is shown to people (labels, help, reasons), in bytes.
const MAX_TEXT: usize = 1_000;

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
    let manifest: Manifest = serde_json::from_str(json).map_err(|e| error("document", e))?;
    check(&manifest)?;
    Ok(manifest)
}

fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    text("label", &manifest.label)?;
    text("version", &manifest.version)?;
    text("sdk", &manifest.sdk)?;
    at_most("models", manifest.models.len(), MAX_MODELS)?;
    at_most("routes", manifest.routes.len(), MAX_ROUTES)?;
    at_most("capabilities", manifest.capabilities.len(), 100)?;
    unique("models", manifest.models.iter().map(|m| m.name.as_str()))?;
    for model in &manifest.models {
        check_model(manifest, model)?;
    }
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
        if request.name.is_empty() || request.name.len() > 60 || !request.name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(error(place, "its name must be 1 to 60 printable ASCII characters"));
        }
    }
    Ok(())
}

fn check_model(manifest: &Manifest, model: &Model) -> Result<(), ManifestError> {
    let place = format!("model `{}`", shown(&model.name));
    check_name(&model.name).map_err(|e| error(&place, e))?;
    text(&place, &model.label)?;
    text(&place, &model.label_plural)?;
    at_most(&place, model.fields.len(), MAX_FIELDS)?;
    unique(&place, model.fields.iter().map(|f| f.name.as_str()))?;
    unique_columns(&place, model)?;
    match model.fields.iter().position(super::Field::is_primary_key) {
        Some(0) => {}
        Some(_) => return Err(error(place, "its `auto` field must come first")),
        None => return Err(error(place, "has no primary key; begin with a field of kind `auto`, usually called `id`")),
    }
    for (at, field) in model.fields.iter().enumerate() {
        let place = format!("{place}, field `{}`", shown(&field.name));
        check_name(&field.name).map_err(|e| error(&place, e))?;
        text(&place, &field.label)?;
        text(&place, &field.help_text)?;
        at_most(&place, field.choices.len(), 1_000)?;
        if at > 0 && field.is_primary_key() {
            return Err(error(place, "is a second `auto` field; a model has one"));
        }
        if field.is_primary_key() && (field.null || field.default.is_some()) {
            return Err(error(place, "is the primary key and can be neither null nor have a default"));
        }
        if field.default.as_ref().is_some_and(|d| d.is_array() || d.is_object()) {
            return Err(error(place, "its default must be null, a boolean, a number or a string"));
        }
        match &field.kind {
            FieldKind::Char { max_length } if *max_length == 0 || *max_length > 1_000_000 => {
                return Err(error(place, "its max_length must be 1 to 1000000"));
            }
            FieldKind::ForeignKey { to, on_delete, related_name } => {
                if manifest.model(to).is_none() {
                    let hint = crate::name::nearest(to, manifest.models.iter().map(|m| m.name.as_str()))
                        .map(|near| format!("; did you mean `{near}`?"))
                        .unwrap_or_default();
                    return Err(error(place, format_args!("points to the unknown model `{}`{hint}", shown(to))));
                }
                if !related_name.is_empty() {
                    check_name(related_name).map_err(|e| error(&place, e))?;
                }
                match on_delete {
                    OnDelete::SetNull if !field.null => {
                        return Err(error(place, "has on_delete `set_null` but is not null-able; set `null`"));
                    }
                    OnDelete::SetDefault if field.default.is_none() => {
                        return Err(error(place, "has on_delete `set_default` but no default"));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    for (key, sets) in [("unique_together", &model.unique_together), ("indexes", &model.indexes)] {
        at_most(&place, sets.len(), 50)?;
        for set in sets {
            if set.is_empty() || set.len() > 16 {
                return Err(error(&place, format_args!("each entry of `{key}` lists 1 to 16 fields")));
            }
            for name in set {
                known_field(&place, model, name)?;
            }
        }
    }
    at_most(&place, model.ordering.len(), 16)?;
    for name in &model.ordering {
        known_field(&place, model, name.strip_prefix('-').unwrap_or(name))?;
    }
    Ok(())
}

fn unique_columns(place: &str, model: &Model) -> Result<(), ManifestError> {
    let columns: Vec<String> = model.fields.iter().map(super::Field::column).collect();
    unique(place, columns.iter().map(String::as_str))
}

fn known_field(place: &str, model: &Model, name: &str) -> Result<(), ManifestError> {
    if model.field(name).is_some() {
        return Ok(());
    }
    let hint = crate::name::nearest(name, model.fields.iter().map(|f| f.name.as_str()))
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    Err(error(place, format_args!("names the unknown field `{}`{hint}", shown(name))))
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
mod tests {
    use super::*;

    fn with_model(model: serde_json::Value) -> Result<Manifest, ManifestError> {
        parse(&serde_json::json!({ "v": 1, "name": "polls", "models": [model] }).to_string())
    }

    #[test]
    fn a_whole_manifest_is_read_and_written_back() {
        let json = serde_json::json!({
            "v": 1, "name": "polls", "version": "0.1.0",
            "models": [
                { "name": "question", "ordering": ["-pub_date"], "fields": [
                    { "name": "id", "kind": "auto" },
                    { "name": "question_text", "kind": "char", "max_length": 200 },
                    { "name": "pub_date", "kind": "datetime", "label": "date published" },
                ]},
                { "name": "choice", "fields": [
                    { "name": "id", "kind": "auto" },
                    { "name": "question", "kind": "foreign_key", "to": "question", "on_delete": "cascade", "related_name": "choices" },
                    { "name": "votes", "kind": "integer", "default": 0 },
                ]},
            ],
            "routes": [{ "path": "/{question:int}/vote/", "methods": ["POST"], "name": "vote" }],
            "capabilities": [{ "name": "db", "required": true }],
        });
        let manifest = parse(&json.to_string()).expect("a manifest");
        assert_eq!(manifest.model("choice").expect("the model").fields[1].column(), "question_id");
        assert_eq!(serde_json::to_value(&manifest).expect("json"), json);
        assert_eq!(manifest.missing(&crate::grants::Grants::none()).count(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let cases = [
            (serde_json::json!({"name": "x;drop", "fields": []}), "not a valid name"),
            (serde_json::json!({"name": "x", "fields": []}), "no primary key"),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"a","kind":"text"},{"name":"id","kind":"auto"}]}),
                "come first",
            ),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},{"name":"a","kind":"telepathy"}]}),
                "telepathy",
            ),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},{"name":"id","kind":"text"}]}),
                "twice",
            ),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
                {"name":"a","kind":"foreign_key","to":"y","on_delete":"cascade"}]}),
                "unknown model `y`",
            ),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
                {"name":"a","kind":"foreign_key","to":"x","on_delete":"set_null"}]}),
                "set `null`",
            ),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
                {"name":"a","kind":"foreign_key","to":"x","on_delete":"cascade"},{"name":"a_id","kind":"integer"}]}),
                "`a_id` stands twice",
            ),
            (
                serde_json::json!({"name": "x", "ordering": ["-titel"], "fields": [{"name":"id","kind":"auto"},{"name":"title","kind":"text"}]}),
                "did you mean `title`",
            ),
            (
                serde_json::json!({"name": "x", "label": "a\u{202e}b", "fields": [{"name":"id","kind":"auto"}]}),
                "u{202e}",
            ),
            (
                serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
                {"name":"a","kind":"foreign_key","to":"z".repeat(900_000),"on_delete":"cascade"}]}),
                "unknown model `zzz",
            ),
        ];
        for (model, word) in cases {
            let error = with_model(model).expect_err(word).to_string();
            assert!(error.contains(word) && error.len() < 1_000, "{error} should contain {word}");
        }
        let forging = serde_json::json!({"v": 1, "name": "a", "version": "1\n2026-01-01 ERROR forged"}).to_string();
        assert!(parse(&forging).expect_err("two lines").to_string().contains("line break"));
    }

    /// The published schema is made of the types; after a change of them, run this test with `UPDATE_SCHEMA=1`.
    #[test]
    #[allow(clippy::disallowed_methods)] // A test of a file in the checkout.
    fn the_published_schema_is_in_step() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/app/manifest.schema.json");
        let schema = schemars::schema_for!(Manifest);
        let now = serde_json::to_string_pretty(&schema).expect("json") + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &now).expect("the file is ours");
        }
        let published = std::fs::read_to_string(path).expect("wit/app/manifest.schema.json");
        assert!(published == now, "wit/app/manifest.schema.json is not what the types say");
    }

    #[test]
    fn hostile_documents_are_refused() {
        for json in [
            "",
            "null",
            "[]",
            "{",
            "{\"v\":2,\"name\":\"a\"}",
            "{\"v\":1}",
            &"[".repeat(100_000),
            &"x".repeat(MAX_BYTES + 1),
        ] {
            assert!(parse(json).is_err());
        }
        assert!(parse("{\"v\":7}").expect_err("a newer one").to_string().contains("update the host"));
    }
}
