//! The app's tables: made, and widened for a new version, never narrowed.
//!
//! What only adds is done at load: tables, columns that old rows can have (null-able, or with a default), indexes,
//! unique sets. What the old version still reads stays: removed models and fields keep their tables and columns. What
//! would change or lose data is an error for the operator, before anything is done. A table without rows has nothing to
//! lose and is made anew.
//!
//! What is compared stands here and knows no database; how a database is asked what there is stands in `present`, how
//! things are made in `ddl`.

pub(crate) mod ddl;
mod existing;
mod indexes;
pub(crate) mod names;
mod present;

use std::collections::BTreeSet;

use host_core::manifest::{Field, Manifest};
use host_store::{Datum, Statement, StoreError, Type};

use crate::catalog::{Catalog, Column, Table};
use crate::dialect::Dialect;
use crate::error::{Fault, SchemaError};
use crate::kind::Kind;
use crate::run::{Run, first_cell, no_rows};
use crate::types::Value;
use present::{Present, PresentColumn};

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

/// What has to be done for `manifest`.
pub(crate) async fn changes(on: &mut impl Run, catalog: &Catalog, manifest: &Manifest) -> Result<Vec<Change>, Refusal> {
    let refuse = |problem: String| Refusal::Schema(SchemaError { app: catalog.app.to_string(), problem });
    let before = stored(on, catalog.dialect, catalog.app.as_str()).await?;
    let (mut changes, mut keys) = (Vec::new(), Vec::new());
    let mut made_anew = BTreeSet::new();
    for (at, table) in catalog.tables.iter().enumerate() {
        // Another app's is that app's to make and to change.
        if table.access.is_some() {
            continue;
        }
        let none = BTreeSet::new();
        let present = present::present(on, catalog.dialect, &table.name).await?;
        if !table.managed {
            there(catalog, table, present.as_ref()).map_err(refuse)?;
            continue;
        }
        let Some(present) = present else {
            changes.push(ddl::create(catalog, table));
            changes.extend(indexes(catalog.dialect, table, &Present::default()));
            keys.push((at, none));
            continue;
        };
        match widen(catalog, table, &present, before.as_ref(), manifest) {
            Ok(added) => {
                changes.extend(added);
                changes.extend(checks(catalog.dialect, table, &present));
                changes.extend(indexes(catalog.dialect, table, &present));
                keys.push((at, present.keys));
            }
            // Without rows there is nothing to lose.
            Err(problem) if !is_empty(on, table).await? => return Err(refuse(problem)),
            Err(_) => {
                let last = present::last_key(on, catalog.dialect, &table.name).await?;
                changes.extend(ddl::anew(catalog, table, last));
                changes.extend(indexes(catalog.dialect, table, &Present::default()));
                keys.push((at, none));
                made_anew.insert(at);
            }
        }
    }
    // Last: a key can name a table that is made after its own.
    for (at, present) in keys {
        let table = &catalog.tables[at];
        for column in &table.columns {
            // PostgreSQL drops the keys that point to a table together with it.
            let lost = catalog.dialect == Dialect::Postgres && column.target.is_some_and(|to| made_anew.contains(&to));
            if lost || !present.contains(&names::key(catalog.dialect, table, column)) {
                changes.extend(ddl::key(catalog, table, column));
            }
            // One that pointed somewhere and shall no longer.
            let name = names::key(catalog.dialect, table, column);
            if !column.constrained && present.contains(&name) {
                changes.push(ddl::drop_key(catalog.dialect, table, &name));
            }
        }
    }
    Ok(changes)
}

/// Whether a table that the host doesn't manage has what the model says.
fn there(catalog: &Catalog, table: &Table, present: Option<&Present>) -> Result<(), String> {
    let Some(present) = present else {
        return Err(format!(
            "model `{}` isn't managed, and there is no table `{}`; make it, or take `managed` away",
            table.model, table.name
        ));
    };
    for column in &table.columns {
        let Some(known) = present.columns.iter().find(|known| known.name == column.name) else {
            return Err(format!(
                "model `{}` isn't managed, and its table `{}` has no column `{}` for the field `{}`; say which one it is by \
                 `column`",
                table.model, table.name, column.name, column.field
            ));
        };
        if !existing::fits(catalog.dialect, column.kind, &known.sql_type) {
            return Err(format!(
                "model `{}` isn't managed, and the column `{}` of its table is {}, where the field `{}` of kind {} needs {}",
                table.model,
                column.name,
                known.sql_type,
                column.field,
                column.word,
                ddl::column_type(catalog.dialect, column.kind)
            ));
        }
    }
    Ok(())
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
            None => {
                addable(catalog.dialect, table, column)?;
                changes.push(ddl::add(catalog, table, column));
            }
            Some(known) => {
                let has = |field: &&Field| field.has_column() && field.column() == column.name;
                let old = old.and_then(|model| model.fields.iter().find(has));
                let new = manifest.model(&table.model).and_then(|model| model.field(&column.field));
                same(catalog.dialect, table, column, known, old.zip(new))?;
                changes.extend(ddl::lengthen(catalog.dialect, table, column, &known.sql_type));
            }
        }
    }
    if let Some(old) = old {
        let was: Vec<String> = old.key().map(Field::column).collect();
        let is: Vec<String> = table.key.iter().map(|at| table.columns[*at].name.clone()).collect();
        if was != is {
            return Err(format!(
                "model `{}`: its primary key was `{}` and is `{}`, which needs the data to be rewritten; add a new model \
                 instead",
                table.model,
                was.join("`, `"),
                is.join("`, `")
            ));
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

async fn is_empty(on: &mut impl Run, table: &Table) -> Result<bool, Refusal> {
    let ask = Statement::of_host(format!("SELECT 1 FROM {} LIMIT 1", table.quoted()));
    Ok(first_cell(on, &ask, &[]).await?.is_none())
}

/// Does it, and remembers the manifest. Runs inside one unit of work: all of it or nothing, where the database can make
/// tables so. Where it can't (MariaDB), each step says by itself whether it is still to be done, and a change that broke
/// off is continued at the next load.
pub(crate) async fn expand(on: &mut impl Run, catalog: &Catalog, manifest: &Manifest) -> Result<Vec<String>, Refusal> {
    let changes = changes(on, catalog, manifest).await?;
    for change in &changes {
        let done = on
            .run(&Statement::of_host(change.sql.clone()), &mut [].into_iter(), &mut no_rows)
            .await
            .map_err(Refusal::from);
        done.map_err(|error| match error {
            Refusal::Store(StoreError::Constraint { .. }) => Refusal::Schema(SchemaError {
                app: catalog.app.to_string(),
                problem: format!("{}: {}", change.line, change.trouble),
            }),
            other => other,
        })?;
    }
    let json = serde_json::to_string(manifest).map_err(|e| StoreError::Internal(format!("writing a manifest: {e}")))?;
    let remember = Statement::of_host(ddl::remember(catalog.dialect)).taking([Type::Text, Type::Text]);
    let values = [Datum::Text(catalog.app.as_str().as_bytes()), Datum::Text(json.as_bytes())];
    on.run(&remember, &mut values.into_iter(), &mut no_rows).await.map_err(Refusal::from)?;
    Ok(lines(changes))
}

/// What is done, for the operator; several steps may be one thing.
pub(crate) fn lines(changes: Vec<Change>) -> Vec<String> {
    let mut lines: Vec<String> = changes.into_iter().map(|change| change.line).collect();
    lines.dedup();
    lines
}

/// The manifests of these apps that the database remembers.
pub(crate) async fn remembered(on: &mut impl Run, dialect: Dialect, apps: &[String]) -> Result<Vec<Manifest>, Refusal> {
    let mut manifests = Vec::new();
    for app in apps {
        manifests.extend(stored(on, dialect, app).await?);
    }
    Ok(manifests)
}

/// The manifest that the database remembers of an app.
pub(crate) async fn stored(on: &mut impl Run, dialect: Dialect, app: &str) -> Result<Option<Manifest>, Refusal> {
    let ask = Statement::of_host(ddl::recall(dialect)).taking([Type::Text]);
    match first_cell(on, &ask, &[Datum::Text(app.as_bytes())]).await? {
        Some(Value::Text(json)) => match Manifest::parse(&json) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                // Written by a newer host, say. The columns themselves still tell most of it.
                tracing::warn!(app, %error, "the stored manifest can't be read");
                Ok(None)
            }
        },
        _ => Ok(None),
    }
}

/// Whether rows that are there can have a new column.
fn addable(dialect: Dialect, table: &Table, column: &Column) -> Result<(), String> {
    if let Some(generated) = &column.generated {
        if dialect == Dialect::Sqlite && generated.stored {
            return Err(format!(
                "model `{}` has the new field `{}`, which is generated and stored; SQLite can't add that to a table that \
                 exists: take `stored` away",
                table.model, column.field
            ));
        }
        return Ok(());
    }
    if dialect == Dialect::Sqlite && column.db_default.as_ref().is_some_and(|default| !default.inline.constant) {
        return Err(format!(
            "model `{}` has the new field `{}` with a db_default that is computed, which SQLite can't add to a table that \
             exists; give it a value, or make the field null-able without a default",
            table.model, column.field
        ));
    }
    let has_default =
        column.default.as_ref().is_some_and(|default| *default != Value::Null) || column.db_default.is_some();
    if !column.null && !has_default {
        return Err(format!(
            "model `{}` has the new field `{}`, for which rows that are there already have no value; \
             give it a default or make it null-able",
            table.model, column.field
        ));
    }
    if dialect == Dialect::Sqlite && column.target.is_some() && column.constrained && has_default {
        return Err(format!(
            "model `{}` has the new foreign key `{}` with a default, which SQLite can't add to a table that exists; \
             make it null-able without a default",
            table.model, column.field
        ));
    }
    Ok(())
}

fn same(
    dialect: Dialect,
    table: &Table,
    column: &Column,
    known: &PresentColumn,
    fields: Option<(&Field, &Field)>,
) -> Result<(), String> {
    let (model, field) = (&table.model, &column.field);
    let changed = |what: String| {
        format!(
            "model `{model}`, field `{field}`: {what}, which needs the data to be rewritten; add a new field instead"
        )
    };
    if let Some((old, new)) = fields {
        let target = |field: &Field| field.kind.relation().map(|relation| relation.to.to_owned());
        let (was, is) = (Kind::of(&old.kind), Kind::of(&new.kind));
        // The length and form of texts is checked on the way in, so the column is the same for all of them.
        let alike = was.is_text() && is.is_text() || was == is && target(old) == target(new);
        if !alike {
            return Err(changed(format!("its kind was `{}` and is `{}`", was.word(), is.word())));
        }
        if old.generated != new.generated {
            return Err(changed("it is generated otherwise than before".into()));
        }
        let constrained = |field: &Field| field.kind.relation().is_some_and(|relation| relation.db_constraint);
        if dialect == Dialect::Sqlite && constrained(old) != constrained(new) {
            return Err(changed("its db_constraint is another one".into()));
        }
    }
    if !ddl::fits(dialect, column.kind, &known.sql_type) {
        let wanted = ddl::column_type(dialect, column.kind);
        return Err(changed(format!("its column is {} and would be {wanted}", known.sql_type)));
    }
    let must = ddl::must(dialect, column);
    if known.not_null != must {
        let (was, is) = if must { ("null-able", "required") } else { ("required", "null-able") };
        return Err(changed(format!("it was {was} and is {is}")));
    }
    Ok(())
}

/// Makes the indexes that are missing and drops those of this module's making that are no longer declared.
fn indexes(dialect: Dialect, table: &Table, present: &Present) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut columns: Vec<&str> = present.columns.iter().map(|column| column.name.as_str()).collect();
    let wanted = indexes::wanted(dialect, table);
    for one in wanted.iter().filter(|one| !present.indexes.contains(&one.name)) {
        changes.extend(one.make(dialect, table, &columns));
        columns.extend(one.hidden());
    }
    for name in &present.indexes {
        let ours = ["unique", "index", "deferred"].iter().any(|word| names::is_ours(table, name, word));
        if ours && !wanted.iter().any(|one| one.name == *name) {
            changes.push(indexes::drop(dialect, table, name));
        }
    }
    // Made for an index alone: no field's column is called so.
    for column in present.columns.iter().filter(|column| column.name.starts_with('$')) {
        if !wanted.iter().any(|one| one.hidden().any(|name| name == column.name)) {
            changes.push(ddl::drop_hidden(dialect, table, &column.name));
        }
    }
    changes
}

/// Adds the checks that are missing and drops those that are no longer declared.
fn checks(dialect: Dialect, table: &Table, present: &Present) -> Vec<Change> {
    let wanted = ddl::checks(dialect, table);
    let gone = present
        .checks
        .iter()
        .filter(|name| names::is_ours(table, name, "check") && !wanted.iter().any(|(wanted, _)| wanted == *name));
    let mut changes: Vec<Change> = gone.map(|name| ddl::drop_check(dialect, table, name)).collect();
    let missing = wanted.iter().filter(|(name, _)| !present.checks.contains(name));
    changes.extend(missing.map(|(_, definition)| ddl::add_check(table, definition)));
    changes
}
