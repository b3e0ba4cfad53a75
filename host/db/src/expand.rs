//! The app's tables: made, and widened for a new version, never narrowed.
//!
//! What only adds is done at load: tables, columns that old rows can have (null-able, or with a default), indexes,
//! unique sets. What the old version still reads stays: removed models and fields keep their tables and columns. What
//! would change or lose data is an error for the operator, before anything is done. A table without rows has nothing to
//! lose and is made anew.

use std::collections::BTreeSet;

use host_core::manifest::{FieldKind, Manifest};
use host_store::{Statement, StoreError, ValueRef};

use crate::catalog::{Catalog, Column, Table};
use crate::error::{Fault, SchemaError};
use crate::kind::Kind;
use crate::run::{Run, first_cell};
use crate::types::Value;

/// The host's own table: each app's manifest as it was last expanded.
pub(crate) const OWN_TABLE: &str = "CREATE TABLE IF NOT EXISTS \"bandstand__app\" (\"name\" TEXT PRIMARY KEY, \"manifest\" TEXT NOT NULL) STRICT, WITHOUT ROWID";

/// One thing to do.
#[derive(Debug)]
pub(crate) struct Change {
    sql: String,
    /// What it is, for the operator.
    pub(crate) line: String,
    /// What is wrong where it fails for the rows that are there.
    trouble: String,
}

/// Why the tables stay as they are.
#[derive(Debug)]
pub(crate) enum Refusal {
    Schema(SchemaError),
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => Self::Store(error),
            Fault::Db(error) => Self::Store(StoreError::Internal(error.to_string())),
        }
    }
}

/// What there is of a table.
struct Present {
    columns: Vec<PresentColumn>,
    indexes: BTreeSet<String>,
}

struct PresentColumn {
    name: String,
    sql_type: String,
    not_null: bool,
    has_default: bool,
}

/// What has to be done for `manifest`.
pub(crate) fn changes(on: &mut impl Run, catalog: &Catalog, manifest: &Manifest) -> Result<Vec<Change>, Refusal> {
    let refuse = |problem: String| Refusal::Schema(SchemaError { app: catalog.app.to_string(), problem });
    let before = stored(on, catalog)?;
    let mut changes = Vec::new();
    for table in &catalog.tables {
        let Some(present) = present(on, &table.name)? else {
            changes.push(create(catalog, table));
            indexes(table, &BTreeSet::new(), &mut changes);
            continue;
        };
        match widen(catalog, table, &present, before.as_ref(), manifest) {
            Ok(added) => {
                changes.extend(added);
                indexes(table, &present.indexes, &mut changes);
            }
            // Without rows there is nothing to lose.
            Err(problem) if !is_empty(on, table)? => return Err(refuse(problem)),
            Err(_) => {
                changes.extend(anew(on, catalog, table)?);
                indexes(table, &BTreeSet::new(), &mut changes);
            }
        }
    }
    Ok(changes)
}

/// What a table that is there lacks, or why it can't be brought to what is declared with the rows that it has.
fn widen(
    catalog: &Catalog,
    table: &Table,
    present: &Present,
    before: Option<&Manifest>,
    manifest: &Manifest,
) -> Result<Vec<Change>, String> {
    let old = before.and_then(|manifest| manifest.model(&table.model));
    let mut changes = Vec::new();
    for column in &table.columns {
        match present.columns.iter().find(|known| known.name == column.name) {
            None => changes.push(add(catalog, table, column)?),
            Some(known) => {
                let old = old.and_then(|model| model.fields.iter().find(|field| field.column() == column.name));
                let new = manifest.model(&table.model).and_then(|model| model.field(&column.field));
                same(table, column, known, old.zip(new).map(|(old, new)| (&old.kind, &new.kind)))?;
            }
        }
    }
    for known in &present.columns {
        let gone = !table.columns.iter().any(|column| column.name == known.name);
        if gone && known.not_null && !known.has_default {
            return Err(format!(
                "model `{}` no longer has the field of column `{}`, which must have a value in each row; \
                 keep the field, or give it a default in a version before the one that removes it",
                table.model, known.name
            ));
        }
    }
    Ok(changes)
}

fn is_empty(on: &mut impl Run, table: &Table) -> Result<bool, Refusal> {
    let ask = Statement::of_host(format!("SELECT 1 FROM {} LIMIT 1", table.quoted()));
    Ok(first_cell(on, &ask, &[])?.is_none())
}

/// Makes an empty table anew. It goes on counting keys where it was: an old link must not lead to a new row.
fn anew(on: &mut impl Run, catalog: &Catalog, table: &Table) -> Result<Vec<Change>, Refusal> {
    let ask = Statement::of_host("SELECT seq FROM sqlite_sequence WHERE name = ?");
    let last = first_cell(on, &ask, &[ValueRef::Text(table.name.as_bytes())])?;
    let line = format!("make the table of model `{}`, which is empty, anew", table.model);
    let step = |sql: String| Change { sql, line: line.clone(), trouble: "it can't be made".into() };
    let mut changes = vec![step(format!("DROP TABLE {}", table.quoted())), step(create(catalog, table).sql)];
    if let Some(Value::Integer(last)) = last {
        // The table's name is one that this module made, of letters, digits and underscores.
        changes.push(step(format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{}', {last})", table.name)));
    }
    Ok(changes)
}

/// Does it, and remembers the manifest. Runs inside one unit of work: all of it or nothing.
pub(crate) fn expand(on: &mut impl Run, catalog: &Catalog, manifest: &Manifest) -> Result<Vec<String>, Refusal> {
    let changes = changes(on, catalog, manifest)?;
    for change in &changes {
        let done = on.run(&Statement::of_host(change.sql.clone()), [], |_| Ok(())).map_err(Refusal::from);
        done.map_err(|error| match error {
            Refusal::Store(StoreError::Constraint { .. }) => Refusal::Schema(SchemaError {
                app: catalog.app.to_string(),
                problem: format!("{}: {}", change.line, change.trouble),
            }),
            other => other,
        })?;
    }
    let json = serde_json::to_string(manifest).map_err(|e| StoreError::Internal(format!("writing a manifest: {e}")))?;
    let remember = Statement::of_host(
        "INSERT INTO \"bandstand__app\" (\"name\", \"manifest\") VALUES (?, ?) \
         ON CONFLICT (\"name\") DO UPDATE SET \"manifest\" = excluded.\"manifest\"",
    );
    let values = [ValueRef::Text(catalog.app.as_str().as_bytes()), ValueRef::Text(json.as_bytes())];
    on.run(&remember, values, |_| Ok(())).map_err(Refusal::from)?;
    Ok(lines(changes))
}

/// What is done, for the operator; several steps may be one thing.
pub(crate) fn lines(changes: Vec<Change>) -> Vec<String> {
    let mut lines: Vec<String> = changes.into_iter().map(|change| change.line).collect();
    lines.dedup();
    lines
}

fn stored(on: &mut impl Run, catalog: &Catalog) -> Result<Option<Manifest>, Refusal> {
    let ask = Statement::of_host("SELECT \"manifest\" FROM \"bandstand__app\" WHERE \"name\" = ?");
    match first_cell(on, &ask, &[ValueRef::Text(catalog.app.as_str().as_bytes())])? {
        Some(Value::Text(json)) => match Manifest::parse(&json) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                // Written by a newer host, say. The columns themselves still tell most of it.
                tracing::warn!(app = %catalog.app, %error, "the stored manifest can't be read");
                Ok(None)
            }
        },
        _ => Ok(None),
    }
}

fn present(on: &mut impl Run, table: &str) -> Result<Option<Present>, Refusal> {
    let mut columns = Vec::new();
    let ask = Statement::of_host(
        "SELECT name, type, \"notnull\" OR pk, dflt_value IS NOT NULL OR pk FROM pragma_table_xinfo(?)",
    );
    let name = [ValueRef::Text(table.as_bytes())];
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    };
    let wrong = |e: &dyn std::fmt::Display| StoreError::Internal(e.to_string());
    on.run(&ask, name, |row| {
        let cell = |at: usize| row.get_ref(at).map_err(|e| wrong(&e));
        columns.push(PresentColumn {
            name: text(cell(0)?),
            sql_type: text(cell(1)?),
            not_null: cell(2)? == ValueRef::Integer(1),
            has_default: cell(3)? == ValueRef::Integer(1),
        });
        Ok(())
    })?;
    if columns.is_empty() {
        return Ok(None);
    }
    let mut indexes = BTreeSet::new();
    let ask = Statement::of_host("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?");
    on.run(&ask, name, |row| {
        indexes.insert(text(row.get_ref(0).map_err(|e| wrong(&e))?));
        Ok(())
    })?;
    Ok(Some(Present { columns, indexes }))
}

fn create(catalog: &Catalog, table: &Table) -> Change {
    let columns: Vec<String> = table.columns.iter().map(|column| definition(catalog, table, column)).collect();
    Change {
        sql: format!("CREATE TABLE {} ({}) STRICT", table.quoted(), columns.join(", ")),
        line: format!("create the table of model `{}`", table.model),
        trouble: "it can't be made".into(),
    }
}

fn add(catalog: &Catalog, table: &Table, column: &Column) -> Result<Change, String> {
    let has_default = column.default.as_ref().is_some_and(|default| *default != Value::Null);
    if !column.null && !has_default {
        return Err(format!(
            "model `{}` has the new field `{}`, for which rows that are there already have no value; \
             give it a default or make it null-able",
            table.model, column.field
        ));
    }
    if column.target.is_some() && has_default {
        return Err(format!(
            "model `{}` has the new foreign key `{}` with a default, which SQLite can't add to a table that exists; \
             make it null-able without a default",
            table.model, column.field
        ));
    }
    Ok(Change {
        sql: format!("ALTER TABLE {} ADD COLUMN {}", table.quoted(), definition(catalog, table, column)),
        line: format!("add the field `{}` to model `{}`", column.field, table.model),
        trouble: "its default isn't allowed by its own check".into(),
    })
}

fn definition(catalog: &Catalog, table: &Table, column: &Column) -> String {
    let name = column.quoted();
    if column.kind == Kind::Auto {
        // AUTOINCREMENT: a key that was given away is never given again, so an old link can't lead to a new row.
        return format!("{name} INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL");
    }
    let mut sql = format!("{name} {}", column.kind.sql_type());
    if !column.null {
        sql.push_str(" NOT NULL");
    }
    if let Some(default) = &column.default {
        sql.push_str(" DEFAULT ");
        sql.push_str(&literal(column.kind, default));
    }
    let constraint = |what: &str| format!(" CONSTRAINT \"{}__{}__{what}\"", table.name, column.name);
    if let Some(check) = column.kind.sql_check(&name) {
        sql.push_str(&constraint("range"));
        sql.push_str(&format!(" CHECK ({check})"));
    }
    if let Some(target) = column.target {
        let target = &catalog.tables[target];
        sql.push_str(&constraint("key"));
        sql.push_str(&format!(
            " REFERENCES {} ({}) DEFERRABLE INITIALLY DEFERRED",
            target.quoted(),
            target.columns[0].quoted()
        ));
    }
    sql
}

/// A default in a table's definition, the only place where a value is written into SQL: it can't be bound there.
fn literal(kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Null) => "NULL".into(),
        (_, Value::Boolean(truth)) => u8::from(*truth).to_string(),
        (Kind::Float, Value::Integer(number)) => format!("{number}.0"),
        (_, Value::Integer(number)) => format!("({number})"),
        (_, Value::Float(number)) if number.is_infinite() => if *number > 0.0 { "9e999" } else { "(-9e999)" }.into(),
        (_, Value::Float(number)) => format!("({number:e})"),
        (_, Value::Text(text)) => format!("'{}'", text.replace('\'', "''")),
        (_, Value::Bytes(bytes)) => format!("X'{}'", hex::encode(bytes)),
    }
}

fn same(
    table: &Table,
    column: &Column,
    known: &PresentColumn,
    kinds: Option<(&FieldKind, &FieldKind)>,
) -> Result<(), String> {
    let (model, field) = (&table.model, &column.field);
    let changed = |what: String| {
        format!(
            "model `{model}`, field `{field}`: {what}, which needs the data to be rewritten; add a new field instead"
        )
    };
    if let Some((old, new)) = kinds {
        let target = |kind: &FieldKind| match kind {
            FieldKind::ForeignKey { to, .. } => Some(to.clone()),
            _ => None,
        };
        let (was, is) = (Kind::of(old), Kind::of(new));
        // The length of texts is checked on the way in, so the column is the same for all of them.
        let alike = was.is_text() && is.is_text() || was == is && target(old) == target(new);
        if !alike {
            return Err(changed(format!("its kind was `{}` and is `{}`", was.word(), is.word())));
        }
    }
    if known.sql_type != column.kind.sql_type() {
        return Err(changed(format!("its column is {} and would be {}", known.sql_type, column.kind.sql_type())));
    }
    let must = !column.null;
    if known.not_null != must {
        let (was, is) = if must { ("null-able", "required") } else { ("required", "null-able") };
        return Err(changed(format!("it was {was} and is {is}")));
    }
    Ok(())
}

/// Makes the indexes that are missing and drops those of this module's making that are no longer declared.
fn indexes(table: &Table, present: &BTreeSet<String>, changes: &mut Vec<Change>) {
    let mut wanted = BTreeSet::new();
    let mut want = |columns: &[usize], unique: bool, changes: &mut Vec<Change>| {
        let names: Vec<&str> = columns.iter().map(|at| table.columns[*at].name.as_str()).collect();
        let word = if unique { "unique" } else { "index" };
        let name = format!("{}__{word}__{}", table.name, names.join("__"));
        if wanted.insert(name.clone()) && !present.contains(&name) {
            let columns: Vec<&str> = columns.iter().map(|at| table.columns[*at].quoted()).collect();
            let kind = if unique { "UNIQUE INDEX" } else { "INDEX" };
            changes.push(Change {
                sql: format!("CREATE {kind} \"{name}\" ON {} ({})", table.quoted(), columns.join(", ")),
                line: format!(
                    "make `{}` of model `{}` {}",
                    names.join(", "),
                    table.model,
                    if unique { "unique" } else { "an index" }
                ),
                trouble: "rows that are there already have the same values; change or delete them first".into(),
            });
        }
    };
    for (at, column) in table.columns.iter().enumerate().skip(1) {
        if column.unique {
            want(&[at], true, changes);
        } else if column.index {
            want(&[at], false, changes);
        }
    }
    for columns in &table.unique_together {
        want(columns, true, changes);
    }
    for columns in &table.indexes {
        want(columns, false, changes);
    }
    for name in present {
        let ours = |word: &str| name.starts_with(&format!("{}__{word}__", table.name));
        if (ours("unique") || ours("index")) && !wanted.contains(name) {
            changes.push(Change {
                sql: format!("DROP INDEX \"{name}\""),
                line: format!("drop the index `{name}` of model `{}`, which is no longer declared", table.model),
                trouble: "it can't be dropped".into(),
            });
        }
    }
}
