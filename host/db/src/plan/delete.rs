//! The statements that a collecting delete needs for each foreign key that points to a model.

use std::sync::Arc;

use host_core::manifest::OnDelete;
use host_store::{Datum, Owner, Statement, Type};

use crate::catalog::{Catalog, Reference};
use crate::dialect::Dialect;
use crate::kind::Kind;
use crate::types::Value;

/// Keys that one statement takes. A list is filled up by repeating its last key.
pub(crate) const CHUNK: usize = 256;

/// For one model.
#[derive(Debug)]
pub(crate) struct Collect {
    /// Deletes by key.
    pub(crate) delete: [Statement; 2],
    /// Which of given keys there are.
    pub(crate) exist: [Statement; 2],
    pub(crate) incoming: Vec<Incoming>,
}

/// For one foreign key that points to the model.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) reference: Reference,
    /// The keys of the rows that point to given keys.
    pub(crate) find: [Statement; 2],
    /// Sets the foreign key of rows, by their keys, to what `on_delete` says.
    pub(crate) replace: Option<[Statement; 2]>,
    replacement: Value,
}

impl Incoming {
    /// What the foreign key becomes.
    pub(crate) fn replacement(&self) -> Datum<'_> {
        Kind::Key.to_sql(&self.replacement)
    }
}

/// The statements for every model that something points to, in the catalog's order.
pub(crate) fn collectors(catalog: &Catalog, owner: &Arc<Owner>) -> Vec<Collect> {
    let both = |sql: &dyn Fn(&str) -> String| both(catalog, owner, sql);
    let table = |at: usize| {
        let table = &catalog.tables[at];
        let (name, key) = (table.quoted(), table.columns[0].quoted());
        let incoming = table.incoming.iter().map(|reference| incoming(catalog, owner, *reference)).collect();
        Collect {
            delete: both(&|list| format!("DELETE FROM {name} WHERE {key} IN ({list})")),
            exist: both(&|list| format!("SELECT {key} FROM {name} WHERE {key} IN ({list})")),
            incoming,
        }
    };
    (0..catalog.tables.len()).map(table).collect()
}

fn incoming(catalog: &Catalog, owner: &Arc<Owner>, reference: Reference) -> Incoming {
    let both = |sql: &dyn Fn(&str) -> String| both(catalog, owner, sql);
    let child = &catalog.tables[reference.table];
    let column = &child.columns[reference.column];
    let (name, key, points) = (child.quoted(), child.columns[0].quoted(), column.quoted());
    let replacement = match reference.on_delete {
        OnDelete::SetDefault => column.default.clone().unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let replaces = matches!(reference.on_delete, OnDelete::SetNull | OnDelete::SetDefault);
    Incoming {
        reference,
        find: both(&|list| format!("SELECT {key} FROM {name} WHERE {points} IN ({list})")),
        replace: replaces.then(|| both(&|list| format!("UPDATE {name} SET {points} = ? WHERE {key} IN ({list})"))),
        replacement,
    }
}

/// One statement for a single key, one for [`CHUNK`] of them.
fn both(catalog: &Catalog, owner: &Arc<Owner>, sql: &dyn Fn(&str) -> String) -> [Statement; 2] {
    let statement = |keys: usize| {
        let text = sql(&vec!["?"; keys].join(","));
        let places = text.matches('?').count();
        Statement::of_app(owner, catalog.dialect.number(text)).taking(vec![Type::Integer; places])
    };
    [statement(1), statement(CHUNK)]
}

/// A statement for each foreign key that gives a row where the key points nowhere. They are needed where the database
/// looks at keys row by row (MariaDB), for units in which a key may point nowhere for a while. What they read is locked, so
/// that it is still so when the unit is committed.
pub(crate) fn dangling(catalog: &Catalog, owner: &Arc<Owner>) -> Vec<Statement> {
    if catalog.dialect != Dialect::Mariadb {
        return Vec::new();
    }
    let mut statements = Vec::new();
    for table in &catalog.tables {
        for column in &table.columns {
            let Some(target) = column.target.map(|target| &catalog.tables[target]) else { continue };
            statements.push(Statement::of_app(
                owner,
                format!(
                    "SELECT 1 FROM {} AS c LEFT JOIN {} AS t ON t.{} = c.{point} \
                     WHERE c.{point} IS NOT NULL AND t.{} IS NULL LIMIT 1 LOCK IN SHARE MODE",
                    table.quoted(),
                    target.quoted(),
                    target.columns[0].quoted(),
                    target.columns[0].quoted(),
                    point = column.quoted(),
                ),
            ));
        }
    }
    statements
}

/// The statement for `keys` (at most [`CHUNK`]) and the keys filled up to its places.
pub(crate) fn fill<'s, 'v>(
    statements: &'s [Statement; 2],
    keys: &[i64],
) -> (&'s Statement, impl Iterator<Item = Datum<'v>> + use<'v>) {
    let places = if keys.len() <= 1 { 1 } else { CHUNK };
    let last = keys.last().copied().unwrap_or_default();
    let keys: Vec<i64> = keys.iter().copied().chain(std::iter::repeat(last)).take(places).collect();
    (&statements[usize::from(places > 1)], keys.into_iter().map(Datum::Integer))
}
