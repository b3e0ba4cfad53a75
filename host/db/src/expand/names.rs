//! What indexes and constraints are called, and which fields a name stands for.
//!
//! Names tell what they are about, so that an error of the database, which names them, leads back to model and field.

use sha2::{Digest, Sha256};

use super::indexes;
use crate::catalog::{Catalog, Column, Constraint, Rule, Table};
use crate::dialect::Dialect;

/// Bytes of a name that every database but SQLite takes.
const MAX: usize = 63;

/// Bytes of a long name that are kept; a hash of the whole follows.
const KEPT: usize = MAX - 17;

/// A name that fits: a long one keeps its beginning and gets a hash of the whole.
pub(super) fn fitting(dialect: Dialect, name: String) -> String {
    if dialect == Dialect::Sqlite || name.len() <= MAX {
        return name;
    }
    // Names are ASCII, so any place is a boundary of characters.
    format!("{}_{}", &name[..KEPT], hash(&name, 8))
}

/// So many bytes of a text's hash, as digits.
pub(super) fn hash(text: &str, bytes: usize) -> String {
    hex::encode(&Sha256::digest(text)[..bytes])
}

/// The foreign key of a column.
pub(crate) fn key(dialect: Dialect, table: &Table, column: &Column) -> String {
    fitting(dialect, format!("{}__{}__key", table.name, column.name))
}

/// The check on a column's range.
pub(crate) fn range(dialect: Dialect, table: &Table, column: &Column) -> String {
    fitting(dialect, format!("{}__{}__range", table.name, column.name))
}

/// The primary key, where the table's definition names it.
pub(crate) fn primary(dialect: Dialect, table: &Table) -> String {
    fitting(dialect, format!("{}_pkey", table.name))
}

/// A check of the manifest's. One that says something else is another one.
pub(crate) fn check(dialect: Dialect, table: &Table, constraint: &Constraint) -> Option<String> {
    match &constraint.rule {
        Rule::Check(inline) => {
            Some(fitting(dialect, format!("{}__check__{}__{}", table.name, constraint.name, hash(&inline.sql, 4))))
        }
        Rule::Unique { .. } => None,
    }
}

/// Whether something of that name on the table is of this module's making; `word` tells what it is.
pub(crate) fn is_ours(table: &Table, name: &str, word: &str) -> bool {
    let prefix = format!("{}__{word}__", table.name);
    // A long name may have lost the word.
    name.starts_with(&prefix) || name.len() == MAX && prefix.len() > KEPT && name[..KEPT] == prefix[..KEPT]
}

/// What a name of the database's stands for.
pub(crate) struct Named<'c> {
    pub(crate) table: &'c Table,
    pub(crate) columns: Vec<&'c Column>,
    /// The manifest's constraint, where it is one.
    pub(crate) constraint: Option<&'c Constraint>,
}

/// What the name of a constraint or a unique index stands for.
pub(crate) fn named<'c>(catalog: &'c Catalog, name: &str) -> Option<Named<'c>> {
    // SQLite says so of an index over expressions.
    let name = name.strip_prefix("index '").and_then(|name| name.strip_suffix('\'')).unwrap_or(name);
    let dialect = catalog.dialect;
    catalog.tables.iter().find_map(|table| {
        let at = |columns: &[usize]| columns.iter().map(|at| &table.columns[*at]).collect::<Vec<_>>();
        if name == primary(dialect, table) {
            return Some(Named { table, columns: at(&table.key), constraint: None });
        }
        let mut unique = indexes::wanted(dialect, table).into_iter().filter(|wanted| wanted.unique);
        if let Some(wanted) = unique.find(|wanted| wanted.name == name) {
            let columns = match wanted.constraint {
                Some(constraint) => constraint.columns(),
                None => wanted.index.columns.iter().map(|(column, _)| *column).collect(),
            };
            return Some(Named { table, columns: at(&columns), constraint: wanted.constraint });
        }
        let check = |constraint: &&Constraint| check(dialect, table, constraint).as_deref() == Some(name);
        if let Some(constraint) = table.constraints.iter().find(check) {
            return Some(Named { table, columns: at(&constraint.columns()), constraint: Some(constraint) });
        }
        let of = |column: &&Column| key(dialect, table, column) == name || range(dialect, table, column) == name;
        let column = table.columns.iter().find(of)?;
        Some(Named { table, columns: vec![column], constraint: None })
    })
}

/// What `polls__choice.question_id, polls__choice.text` stands for: SQLite names the columns of a unique index.
pub(crate) fn listed<'c>(catalog: &'c Catalog, subject: &str) -> Option<Named<'c>> {
    let found: Vec<(&Table, &Column)> = subject
        .split(", ")
        .filter_map(|part| part.split_once('.'))
        .filter_map(|(table, column)| catalog.column_of(table, column))
        .collect();
    let (table, _) = *found.first()?;
    let columns: Vec<&Column> = found.into_iter().map(|(_, column)| column).collect();
    let same = |constraint: &&Constraint| match &constraint.rule {
        Rule::Unique { index, .. } if index.expressions.is_empty() && index.condition.is_none() => {
            let of = index.columns.iter().map(|(at, _)| table.columns[*at].name.as_str());
            of.eq(columns.iter().map(|column| column.name.as_str()))
        }
        _ => false,
    };
    let constraint = table.constraints.iter().find(same);
    Some(Named { table, columns, constraint })
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
