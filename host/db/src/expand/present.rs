//! What there is of a table, as each database tells it.

use std::collections::BTreeSet;

use host_store::{Datum, Statement, StoreError, Type};

use super::Refusal;
use crate::dialect::Dialect;
use crate::run::{Run, first_cell};
use crate::types::Value;

/// What there is of a table.
#[derive(Default)]
pub(super) struct Present {
    pub(super) columns: Vec<PresentColumn>,
    pub(super) indexes: BTreeSet<String>,
    /// Foreign keys, where they have names of their own: not on SQLite.
    pub(super) keys: BTreeSet<String>,
    /// Checks that have names.
    pub(super) checks: BTreeSet<String>,
}

pub(super) struct PresentColumn {
    pub(super) name: String,
    /// As [`super::ddl::column_type`] writes it.
    pub(super) sql_type: String,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
}

/// Name, type, whether it must have a value, whether it gets one by itself.
fn columns(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            // The pragma alone takes `album` for `Album`.
            "SELECT c.name, c.type, c.\"notnull\" OR c.pk, c.dflt_value IS NOT NULL OR c.pk OR c.hidden \
             FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE t.type = 'table' AND t.name = ?"
        }
        Dialect::Postgres => {
            "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, atthasdef OR attidentity <> '' \
             FROM pg_catalog.pg_attribute \
             WHERE attrelid = to_regclass(quote_ident($1)) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        }
        Dialect::Mariadb => {
            "SELECT column_name, column_type, is_nullable = 'NO', column_default IS NOT NULL OR extra LIKE '%auto_increment%' \
             FROM information_schema.columns WHERE table_schema = database() AND table_name = ? ORDER BY ordinal_position"
        }
    }
}

fn indexes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?",
        Dialect::Postgres => {
            "SELECT c.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE i.indrelid = to_regclass(quote_ident($1))"
        }
        Dialect::Mariadb => {
            "SELECT DISTINCT index_name FROM information_schema.statistics \
             WHERE table_schema = database() AND table_name = ?"
        }
    }
}

fn keys(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        // They stand in the table's definition and never come or go by themselves.
        Dialect::Sqlite => None,
        Dialect::Postgres => Some(
            "SELECT conname::text FROM pg_catalog.pg_constraint \
             WHERE conrelid = to_regclass(quote_ident($1)) AND contype = 'f'",
        ),
        Dialect::Mariadb => Some(
            "SELECT constraint_name FROM information_schema.referential_constraints \
             WHERE constraint_schema = database() AND table_name = ?",
        ),
    }
}

/// The names of a table's checks; on SQLite the text that made it.
fn checks(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?",
        Dialect::Postgres => {
            "SELECT conname::text FROM pg_catalog.pg_constraint \
             WHERE conrelid = to_regclass(quote_ident($1)) AND contype = 'c'"
        }
        Dialect::Mariadb => {
            "SELECT constraint_name FROM information_schema.check_constraints \
             WHERE constraint_schema = database() AND table_name = ?"
        }
    }
}

/// The names of the constraints in the text that made a table: `CONSTRAINT "name"`, wherever it doesn't stand in a text.
fn constraints(sql: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = sql;
    let mut before = "";
    while let Some(at) = rest.find(['\'', '"']) {
        let quote = &rest[at..=at];
        if at > 0 {
            before = rest[..at].trim();
        }
        let Some(length) = rest[at + 1..].find(quote) else { break };
        let inside = &rest[at + 1..at + 1 + length];
        if quote == "\"" && before.ends_with("CONSTRAINT") {
            names.insert(inside.to_owned());
        }
        before = "";
        rest = &rest[at + length + 2..];
    }
    names
}

/// The counter of an automatic key: the last number that it gave, or the next one.
fn counter(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT seq FROM sqlite_sequence WHERE name = ?",
        Dialect::Postgres => {
            "SELECT s.last_value FROM pg_catalog.pg_sequences s JOIN pg_catalog.pg_class c ON c.relname = s.sequencename \
             JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.deptype = 'i' \
             WHERE d.refobjid = to_regclass(quote_ident($1)) AND s.schemaname = current_schema()"
        }
        Dialect::Mariadb => {
            "SELECT CAST(auto_increment AS SIGNED) - 1 FROM information_schema.tables \
             WHERE table_schema = database() AND table_name = ?"
        }
    }
}

/// `None` where there is no such table.
pub(super) async fn present(on: &mut impl Run, dialect: Dialect, table: &str) -> Result<Option<Present>, Refusal> {
    let name = [Datum::Text(table.as_bytes())];
    let ask = |sql: &str| Statement::of_host(sql).taking([Type::Text]);
    let mut found = Vec::new();
    on.run(&ask(columns(dialect)), &mut name.into_iter(), &mut |row| {
        let text = |at: usize| Ok::<_, StoreError>(row.get(at)?.as_text().unwrap_or_default().to_owned());
        let truth = |at: usize| Ok::<_, StoreError>(matches!(row.get(at)?, Datum::Boolean(true) | Datum::Integer(1)));
        let column = PresentColumn {
            name: text(0)?,
            sql_type: plain_type(dialect, text(1)?),
            not_null: truth(2)?,
            has_default: truth(3)?,
        };
        found.push(column);
        Ok(())
    })
    .await?;
    if found.is_empty() {
        return Ok(None);
    }
    let indexes = names(on, &ask(indexes(dialect)), name).await?;
    let keys = match keys(dialect) {
        Some(sql) => names(on, &ask(sql), name).await?,
        None => BTreeSet::new(),
    };
    let checks = names(on, &ask(checks(dialect)), name).await?;
    let checks = match dialect {
        Dialect::Sqlite => checks.iter().flat_map(|sql| constraints(sql)).collect(),
        _ => checks,
    };
    Ok(Some(Present { columns: found, indexes, keys, checks }))
}

async fn names(on: &mut impl Run, ask: &Statement, table: [Datum<'_>; 1]) -> Result<BTreeSet<String>, Refusal> {
    let mut names = BTreeSet::new();
    on.run(ask, &mut table.into_iter(), &mut |row| {
        names.insert(row.get(0)?.as_text().unwrap_or_default().to_owned());
        Ok(())
    })
    .await?;
    Ok(names)
}

/// The last key that an empty table gave away; a new table must go on from there.
pub(super) async fn last_key(on: &mut impl Run, dialect: Dialect, table: &str) -> Result<Option<i64>, Refusal> {
    let ask = Statement::of_host(counter(dialect)).taking([Type::Text]);
    match first_cell(on, &ask, &[Datum::Text(table.as_bytes())]).await? {
        Some(Value::Integer(last)) if last > 0 => Ok(Some(last)),
        _ => Ok(None),
    }
}

/// MariaDB shows how wide a number is on a terminal: `bigint(20)`.
fn plain_type(dialect: Dialect, shown: String) -> String {
    if dialect != Dialect::Mariadb {
        return shown;
    }
    match shown.split_once('(') {
        Some((word, _)) if word.ends_with("int") => word.to_owned(),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_found_by_their_names_alone() {
        let sql = r#"CREATE TABLE "t" ("a" TEXT DEFAULT 'CONSTRAINT "x"' CONSTRAINT "t__a__range" CHECK (1), "b" TEXT DEFAULT ''' CONSTRAINT "y"',
            CONSTRAINT
            "t__check__one" CHECK ("a" <> 'it''s CONSTRAINT "z"'), CONSTRAINT"t__check__two" CHECK ("CONSTRAINT" > 1))"#;
        let found: Vec<String> = constraints(sql).into_iter().collect();
        assert_eq!(found, ["t__a__range", "t__check__one", "t__check__two"]);
        for broken in ["", "'", "\"", "CONSTRAINT", "CONSTRAINT \"", "ä'ä\"ä"] {
            assert!(constraints(broken).is_empty());
        }
    }
}
