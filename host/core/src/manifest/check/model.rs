//! The checks of one model.

use std::collections::HashSet;

use super::{ManifestError, at_most, error, expression, field, hint, identifier, shown, text, unique};
use crate::manifest::{Constraint, Field, FieldKind, Index, Manifest, Model};
use crate::name::check_name;

/// Most fields of one model: SQLite's default is 2,000 columns, MariaDB's 1,017, and nobody reads 300.
const MAX_FIELDS: usize = 300;
/// Most fields of an index, a unique set, an ordering: MariaDB takes 16 columns in one index.
const MAX_SET: usize = 16;
/// Most fields of a composite key.
const MAX_KEY: usize = 8;
/// Most indexes, and most constraints, of one model: MariaDB takes 64 indexes for a table.
const MAX_SETS: usize = 50;
/// Most permissions of one model.
const MAX_PERMISSIONS: usize = 50;
/// The longest name of a permission, in bytes: Django's `codename`.
const MAX_CODENAME: usize = 100;

pub(super) fn check(manifest: &Manifest, model: &Model) -> Result<(), ManifestError> {
    let place = format!("model `{}`", shown(&model.name));
    check_name(&model.name).map_err(|e| error(&place, e))?;
    text(&place, &model.label)?;
    text(&place, &model.label_plural)?;
    at_most(&place, model.fields.len(), MAX_FIELDS)?;
    unique(&place, model.fields.iter().map(|f| f.name.as_str()))?;
    if !model.table.is_empty() {
        table(&place, manifest, &model.table)?;
    }
    for field in &model.fields {
        field::check(manifest, model, field)?;
    }
    // SQLite and MariaDB take `Name` and `name` for the same.
    let columns = model.fields.iter().filter(|field| field.has_column());
    let columns: Vec<String> = columns.map(|field| field.column().to_ascii_lowercase()).collect();
    unique(&place, columns.iter().map(String::as_str))?;
    key(&place, manifest, model)?;
    at_most(&place, model.unique_together.len(), MAX_SETS)?;
    for set in &model.unique_together {
        if set.is_empty() || set.len() > MAX_SET {
            return Err(error(&place, format_args!("each entry of `unique_together` lists 1 to {MAX_SET} fields")));
        }
        columns_known(&place, model, set.iter().map(String::as_str))?;
    }
    at_most(&place, model.indexes.len(), MAX_SETS)?;
    unique(&place, model.indexes.iter().map(|index| index.name.as_str()).filter(|name| !name.is_empty()))?;
    for index in &model.indexes {
        check_index(&place, model, index)?;
    }
    at_most(&place, model.constraints.len(), MAX_SETS)?;
    unique(&place, model.constraints.iter().map(|constraint| constraint.name.as_str()))?;
    for constraint in &model.constraints {
        check_constraint(&place, model, constraint)?;
    }
    at_most(&place, model.ordering.len(), MAX_SET)?;
    columns_known(&place, model, model.ordering.iter().map(|name| name.strip_prefix('-').unwrap_or(name)))?;
    permissions(&place, model)
}

/// A table's name that the app chose.
fn table(place: &str, manifest: &Manifest, name: &str) -> Result<(), ManifestError> {
    identifier(place, "a table", name)?;
    // PostgreSQL looks for `pg_…` among its own tables first.
    const KEPT: [&str; 4] = ["bandstand__", "sqlite_", "pg_", "mysql_"];
    let lower = name.to_ascii_lowercase();
    if let Some(kept) = KEPT.iter().find(|kept| lower.starts_with(**kept)) {
        let problem = format!("`{name}` is kept for the host's or the database's own tables (`{kept}…`)");
        return Err(error(place, problem));
    }
    // One of the app's own that differs in case alone would be the same table without needing a grant.
    if lower.starts_with(&format!("{}__", manifest.name)) && lower != name {
        return Err(error(place, format_args!("`{name}` begins like the app's own tables; write those in lower case")));
    }
    Ok(())
}

/// The primary key.
fn key(place: &str, manifest: &Manifest, model: &Model) -> Result<(), ManifestError> {
    match model.fields.iter().position(Field::is_automatic_key) {
        Some(0) => {}
        Some(_) => {
            let word =
                model.fields.iter().find(|field| field.is_automatic_key()).map_or("auto", |field| match field.kind {
                    FieldKind::AutoUuid => "auto_uuid",
                    _ => "auto",
                });
            return Err(error(place, format_args!("its `{word}` field must come first")));
        }
        None if model.primary_key.is_empty() => {
            return Err(error(
                place,
                "has no primary key; begin with a field of kind `auto`, usually called `id`, or name the fields of the \
                 key in `primary_key`",
            ));
        }
        None => {}
    }
    if model.primary_key.is_empty() {
        return Ok(());
    }
    if model.primary_key.len() > MAX_KEY {
        return Err(error(place, format_args!("its primary_key lists more than {MAX_KEY} fields")));
    }
    unique(&format!("{place}, primary_key"), model.primary_key.iter().map(String::as_str))?;
    columns_known(&format!("{place}, primary_key"), model, model.primary_key.iter().map(String::as_str))?;
    if let Some(automatic) = model.fields.first().filter(|field| field.is_automatic_key())
        && model.primary_key != [automatic.name.as_str()]
    {
        return Err(error(
            place,
            format_args!(
                "its field `{}` is a primary key that fills itself, so primary_key can't name others; leave one of them \
                 out",
                shown(&automatic.name)
            ),
        ));
    }
    for field in model.key() {
        let place = super::place_of(&model.name, &field.name);
        if field.null {
            return Err(error(place, "is part of the primary key and can't be null"));
        }
        if field.generated.is_some() {
            return Err(error(place, "is generated, so it can't be part of the primary key"));
        }
        let single = model.primary_key.len() == 1;
        let fits = match field.kind {
            FieldKind::Date | FieldKind::DateTime => !single,
            FieldKind::Float
            | FieldKind::Decimal { .. }
            | FieldKind::Boolean
            | FieldKind::Text
            | FieldKind::File { .. }
            | FieldKind::Image { .. }
            | FieldKind::Binary
            | FieldKind::Time
            | FieldKind::Duration
            | FieldKind::Json
            | FieldKind::ManyToMany { .. } => false,
            _ => true,
        };
        if !fits {
            return Err(error(
                place,
                "is of a kind that makes no primary key; use an integer, char, slug, email, url, ip or uuid field, or a \
                 foreign key (in a key of several fields a date or datetime as well)",
            ));
        }
    }
    key_circle(place, manifest, model)
}

/// A key that is a foreign key is of the kind of that model's key, which must be of some kind in the end.
fn key_circle(place: &str, manifest: &Manifest, model: &Model) -> Result<(), ManifestError> {
    let mut seen = HashSet::new();
    let mut at = model;
    while let ([name], true) = (at.primary_key.as_slice(), seen.insert(at.name.as_str())) {
        let relation = at.field(name).and_then(|field| field.kind.relation());
        let Some(next) = relation.and_then(|relation| manifest.model(relation.to)) else { return Ok(()) };
        at = next;
    }
    if seen.contains(at.name.as_str()) && at.primary_key.len() == 1 {
        return Err(error(
            place,
            "its primary key is a foreign key that leads back to itself; give it a key of its own",
        ));
    }
    Ok(())
}

fn check_index(place: &str, model: &Model, index: &Index) -> Result<(), ManifestError> {
    let place = &if index.name.is_empty() {
        format!("{place}, an index")
    } else {
        check_name(&index.name).map_err(|e| error(format!("{place}, an index"), e))?;
        format!("{place}, index `{}`", index.name)
    };
    if !(1..=MAX_SET).contains(&(index.fields.len() + index.expressions.len())) {
        return Err(error(place, format_args!("each entry of `indexes` lists 1 to {MAX_SET} fields and expressions")));
    }
    columns_known(place, model, index.fields.iter().map(|name| name.strip_prefix('-').unwrap_or(name)))?;
    if index.name.is_empty() && (!index.expressions.is_empty() || index.condition.is_some()) {
        return Err(error(place, "has expressions or a condition and needs a `name`, by which it is known again"));
    }
    sized(place, &index.expressions, index.condition.as_ref())?;
    include(place, model, &index.include)
}

fn check_constraint(place: &str, model: &Model, constraint: &Constraint) -> Result<(), ManifestError> {
    check_name(&constraint.name).map_err(|e| error(format!("{place}, a constraint"), e))?;
    let place = &format!("{place}, constraint `{}`", constraint.name);
    text(place, &constraint.message)?;
    let parts = constraint.unique.len() + constraint.expressions.len();
    match (&constraint.check, parts) {
        (None, 0) => return Err(error(place, "says nothing; give it `check`, `unique` or `expressions`")),
        (Some(_), 1..) => return Err(error(place, "has `check` and what is unique; make two constraints of it")),
        (Some(check), 0) => {
            if constraint.condition.is_some()
                || !constraint.include.is_empty()
                || constraint.deferrable
                || !constraint.nulls_distinct
            {
                return Err(error(place, "`check` takes nothing else but `name` and `message`"));
            }
            return expression(place, "its check", check);
        }
        (None, _) => {}
    }
    if parts > MAX_SET {
        return Err(error(place, format_args!("has more than {MAX_SET} fields and expressions")));
    }
    unique(place, constraint.unique.iter().map(String::as_str))?;
    columns_known(place, model, constraint.unique.iter().map(String::as_str))?;
    sized(place, &constraint.expressions, constraint.condition.as_ref())?;
    if constraint.deferrable
        && (constraint.condition.is_some()
            || !constraint.expressions.is_empty()
            || !constraint.include.is_empty()
            || !constraint.nulls_distinct)
    {
        return Err(error(place, "is deferrable, which only plain `unique` fields can be"));
    }
    include(place, model, &constraint.include)
}

fn sized(
    place: &str,
    expressions: &[serde_json::Value],
    condition: Option<&serde_json::Value>,
) -> Result<(), ManifestError> {
    for json in expressions {
        expression(place, "an expression", json)?;
    }
    condition.map_or(Ok(()), |condition| expression(place, "its condition", condition))
}

fn include(place: &str, model: &Model, fields: &[String]) -> Result<(), ManifestError> {
    if fields.len() > MAX_SET {
        return Err(error(place, format_args!("`include` lists more than {MAX_SET} fields")));
    }
    unique(place, fields.iter().map(String::as_str))?;
    columns_known(place, model, fields.iter().map(String::as_str))
}

fn permissions(place: &str, model: &Model) -> Result<(), ManifestError> {
    const KNOWN: [&str; 4] = ["add", "change", "delete", "view"];
    if let Some(other) = model.default_permissions.iter().find(|word| !KNOWN.contains(&word.as_str())) {
        let problem =
            format!("default_permissions are of {}; `{}` belongs into `permissions`", KNOWN.join(", "), shown(other));
        return Err(error(place, problem));
    }
    at_most(place, model.permissions.len(), MAX_PERMISSIONS)?;
    let names = model.default_permissions.iter().chain(model.permissions.iter().map(|(name, _)| name));
    unique(&format!("{place}, permissions"), names.map(String::as_str))?;
    for (name, label) in &model.permissions {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > MAX_CODENAME || !name.bytes().all(plain) {
            let problem = format!(
                "the permission `{}` must be 1 to {MAX_CODENAME} characters of a-z, 0-9 and underscores",
                shown(name)
            );
            return Err(error(place, problem));
        }
        text(place, label)?;
    }
    Ok(())
}

/// Fields of the model that are columns.
pub(super) fn columns_known<'m>(
    place: &str,
    model: &Model,
    names: impl Iterator<Item = &'m str>,
) -> Result<(), ManifestError> {
    for name in names {
        match model.field(name) {
            Some(field) if field.has_column() => {}
            Some(_) => {
                let problem = format!("names `{}`, a many-to-many relation, which is no column", shown(name));
                return Err(error(place, problem));
            }
            None => {
                let hint = hint(name, model.fields.iter().map(|f| f.name.as_str()));
                return Err(error(place, format_args!("names the unknown field `{}`{hint}", shown(name))));
            }
        }
    }
    Ok(())
}
