//! What indexes and constraints are called, and which fields a name stands for.
//!
//! Names tell what they are about, so that an error of the database, which names them, leads back to model and field.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::catalog::{Catalog, Column, Table};
use crate::dialect::Dialect;

/// Bytes of a name that every database but SQLite takes.
const MAX: usize = 63;

/// A name that fits: a long one keeps its beginning and gets a hash of the whole.
fn fitting(dialect: Dialect, name: String) -> String {
    if dialect == Dialect::Sqlite || name.len() <= MAX {
        return name;
    }
    let hash = hex::encode(&Sha256::digest(&name)[..8]);
    // Names are ASCII, so any place is a boundary of characters.
    format!("{}_{hash}", &name[..MAX - hash.len() - 1])
}

/// The foreign key of a column.
pub(crate) fn key(dialect: Dialect, table: &Table, column: &Column) -> String {
    fitting(dialect, format!("{}__{}__key", table.name, column.name))
}

/// The check on a column's range.
pub(crate) fn range(dialect: Dialect, table: &Table, column: &Column) -> String {
    fitting(dialect, format!("{}__{}__range", table.name, column.name))
}

/// An index, or a unique one, over columns.
pub(crate) fn index(dialect: Dialect, table: &Table, columns: &[usize], unique: bool) -> String {
    let names: Vec<&str> = columns.iter().map(|at| table.columns[*at].name.as_str()).collect();
    let word = if unique { "unique" } else { "index" };
    fitting(dialect, format!("{}__{word}__{}", table.name, names.join("__")))
}

/// Whether an index of that name is of this module's making.
pub(crate) fn is_ours(table: &Table, name: &str) -> bool {
    ["unique", "index"].iter().any(|word| name.starts_with(&format!("{}__{word}__", table.name)))
}

/// The indexes that a table shall have: their columns, and whether they are unique.
pub(crate) fn wanted(table: &Table) -> Vec<(Vec<usize>, bool)> {
    let mut wanted = Vec::new();
    let mut known = BTreeSet::new();
    let mut want = |columns: Vec<usize>, unique: bool| {
        if known.insert((columns.clone(), unique)) {
            wanted.push((columns, unique));
        }
    };
    for (at, column) in table.columns.iter().enumerate().skip(1) {
        if column.unique {
            want(vec![at], true);
        } else if column.index {
            want(vec![at], false);
        }
    }
    for columns in &table.unique_together {
        want(columns.clone(), true);
    }
    for columns in &table.indexes {
        want(columns.clone(), false);
    }
    wanted
}

/// The columns that a constraint or unique index is about, by its name.
pub(crate) fn columns_of<'c>(catalog: &'c Catalog, name: &str) -> Option<(&'c Table, Vec<&'c Column>)> {
    let dialect = catalog.dialect;
    for table in &catalog.tables {
        // PostgreSQL's own name of a primary key.
        if name == format!("{}_pkey", table.name) {
            return Some((table, table.columns.iter().take(1).collect()));
        }
        let unique =
            wanted(table).into_iter().find(|(columns, unique)| *unique && index(dialect, table, columns, true) == name);
        if let Some((columns, _)) = unique {
            return Some((table, columns.into_iter().map(|at| &table.columns[at]).collect()));
        }
        let named = |column: &&Column| key(dialect, table, column) == name || range(dialect, table, column) == name;
        if let Some(column) = table.columns.iter().find(named) {
            return Some((table, vec![column]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, other) = ("a".repeat(70), format!("{}b", "a".repeat(69)));
        let cut = fitting(Dialect::Postgres, one.clone());
        assert_eq!(cut.len(), 63);
        assert_ne!(cut, fitting(Dialect::Postgres, other));
        assert_eq!(fitting(Dialect::Sqlite, one.clone()), one);
        assert_eq!(fitting(Dialect::Mariadb, "short".into()), "short");
    }
}
