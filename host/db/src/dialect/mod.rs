//! What differs between the databases in how a statement is written.
//!
//! Everything that builds SQL asks here, so that a newcomer finds the differences in one place. The text that the planner
//! builds marks each value with `?`, whatever the database; it is numbered where the database wants that when the statement
//! is made.

mod aggregate;
mod arithmetic;
mod cast;
mod choice;
pub(crate) mod functions;
mod json;
pub(crate) mod literal;
mod lookup;
mod time;

use std::borrow::Cow;

use host_store::{Server, ServerKind, Store};

use crate::kind::Kind;
use crate::plan::sql::{Bind, Purpose, Slot, Sql};
use crate::shape::Nulls;
use crate::types::Value;

/// The database that SQL is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL 15 and later.
    Postgres,
    /// MariaDB 10.11 and later.
    Mariadb,
}

impl Dialect {
    /// The one of a store.
    pub(crate) fn of(store: &Store) -> Self {
        match store.server().map(Server::kind) {
            None => Dialect::Sqlite,
            Some(ServerKind::Postgres) => Dialect::Postgres,
            Some(ServerKind::Mariadb) => Dialect::Mariadb,
        }
    }

    /// A table's or column's name as it stands in a statement. Names were checked when the manifest was read and hold no
    /// quotes.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Dialect::Sqlite | Dialect::Postgres => format!("\"{name}\""),
            Dialect::Mariadb => format!("`{name}`"),
        }
    }

    /// A text of the host's own with its `?` as the database wants them.
    pub(crate) fn number(self, text: String) -> String {
        if self != Dialect::Postgres {
            return text;
        }
        let mut numbered = String::with_capacity(text.len() + 16);
        for (at, part) in text.split('?').enumerate() {
            if at > 0 {
                numbered.push('$');
                numbered.push_str(&at.to_string());
            }
            numbered.push_str(part);
        }
        numbered
    }

    /// A value of this kind in its place.
    pub(crate) fn bound(self, kind: Kind, bind: Bind) -> Sql {
        Sql { text: self.place(kind).into(), binds: vec![bind] }
    }

    /// A text that never changes, as a value.
    fn constant(self, text: String) -> Sql {
        let slot = Slot { kind: Kind::Text, column: None, purpose: Purpose::Compare };
        self.bound(Kind::Text, Bind::Const { value: Value::Text(text), slot })
    }

    /// The place of a value of this kind. PostgreSQL has to know its type where nothing beside it tells.
    fn place(self, kind: Kind) -> Cow<'static, str> {
        match (self, kind) {
            // It takes a decimal as a text, and would reckon with floats.
            (Dialect::Mariadb, Kind::Decimal { places, .. }) => {
                return format!("CAST(? AS decimal(65, {places}))").into();
            }
            (Dialect::Sqlite | Dialect::Mariadb, _) => return "?".into(),
            (Dialect::Postgres, _) => {}
        }
        let place = match kind {
            Kind::Float => "?::float8",
            Kind::Decimal { .. } => "?::numeric",
            Kind::Boolean => "?::boolean",
            Kind::Binary => "?::bytea",
            Kind::Date => "?::date",
            Kind::Time => "?::time",
            Kind::DateTime => "?::timestamptz",
            Kind::Uuid => "?::uuid",
            Kind::Json => "?::jsonb",
            kind if kind.is_text() => "?::text",
            _ => "?::bigint",
        };
        place.into()
    }

    /// NULL of this kind.
    pub(crate) fn null(self, kind: Kind) -> String {
        self.place(kind).replace('?', "NULL")
    }

    /// A whole number that was parsed.
    pub(crate) fn integer(self, number: i64) -> String {
        match self {
            Dialect::Postgres => format!("({number})::bigint"),
            _ if number < 0 => format!("({number})"),
            _ => number.to_string(),
        }
    }

    /// An entry of ORDER BY. NULL comes first ascending and last descending, unless `nulls` says otherwise.
    pub(crate) fn ordered(self, sql: Sql, may_be_null: bool, descending: bool, nulls: Option<Nulls>) -> Sql {
        let direction = if descending { " DESC" } else { "" };
        let usual = if descending { Nulls::Last } else { Nulls::First };
        let nulls = nulls.unwrap_or(usual);
        if !may_be_null || (nulls == usual && self != Dialect::Postgres) {
            let mut sql = sql;
            sql.push(direction);
            return sql;
        }
        let word = if nulls == Nulls::First { "FIRST" } else { "LAST" };
        match self {
            Dialect::Sqlite | Dialect::Postgres => Sql::fill(&format!("{{0}}{direction} NULLS {word}"), &[sql]),
            Dialect::Mariadb => {
                let first = if nulls == Nulls::First { " DESC" } else { "" };
                Sql::fill(&format!("({{0}} IS NULL){first}, {{0}}{direction}"), &[sql])
            }
        }
    }

    /// What stands for no limit where an offset needs one.
    pub(crate) fn no_limit(self) -> &'static str {
        match self {
            Dialect::Sqlite => " LIMIT -1",
            Dialect::Postgres => "",
            Dialect::Mariadb => " LIMIT 18446744073709551615",
        }
    }

    /// What an automatic key becomes that an insert gives: null is the next one, and a number beyond those that were counted
    /// moves the counter, so that no key is given twice. SQLite and MariaDB do both by themselves.
    pub(crate) fn given_key(self, table: &str, column: &str, value: Sql) -> Sql {
        if self != Dialect::Postgres {
            return value;
        }
        // The names were checked when the manifest was read and hold no quotes. A table that the host didn't make may have
        // no counter.
        let counter = format!("pg_get_serial_sequence('{table}', '{column}')::regclass");
        let template = format!(
            "CASE WHEN {{0}} IS NULL THEN nextval({counter}) \
             WHEN {{0}} > coalesce(pg_sequence_last_value({counter}), 0) THEN coalesce(setval({counter}, {{0}}), {{0}}) \
             ELSE {{0}} END"
        );
        Sql::fill(&template, &[value])
    }

    /// The end of an insert that gives no column a value.
    pub(crate) fn no_values(self) -> &'static str {
        match self {
            Dialect::Sqlite | Dialect::Postgres => " DEFAULT VALUES",
            Dialect::Mariadb => " () VALUES ()",
        }
    }

    /// What makes a statement tell its plan.
    pub(crate) fn explain(self) -> &'static str {
        match self {
            Dialect::Sqlite => "EXPLAIN QUERY PLAN ",
            Dialect::Postgres => "EXPLAIN ",
            Dialect::Mariadb => "EXPLAIN FORMAT=JSON ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn values_are_numbered_where_the_database_wants_it() {
        let text = || "SELECT ? WHERE a IN (?,?)".to_owned();
        assert_eq!(Dialect::Postgres.number(text()), "SELECT $1 WHERE a IN ($2,$3)");
        assert_eq!(Dialect::Sqlite.number(text()), text());
    }
}
