//! What differs between the databases in how a statement is written.
//!
//! Everything that builds SQL asks here, so that a newcomer finds the differences in one place. The text that the planner
//! builds marks each value with `?`, whatever the database; it is numbered where the database wants that when the statement
//! is made.

pub(crate) mod literal;

use host_store::{Server, ServerKind, Store};

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

    /// A finished text with its `?` as the database wants them.
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
