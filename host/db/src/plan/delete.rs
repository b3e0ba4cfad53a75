//! The statements that a collecting delete needs for each foreign key that points to a model.

use std::sync::Arc;

use host_core::manifest::OnDelete;
use host_store::{Datum, Owner, Statement};

use crate::catalog::{Catalog, Reference};
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
    let table = |at: usize| {
        let table = &catalog.tables[at];
        let (name, key) = (table.quoted(), table.columns[0].quoted());
        let incoming = table.incoming.iter().map(|reference| incoming(catalog, owner, *reference)).collect();
        Collect {
            delete: both(owner, |list| format!("DELETE FROM {name} WHERE {key} IN ({list})")),
            exist: both(owner, |list| format!("SELECT {key} FROM {name} WHERE {key} IN ({list})")),
            incoming,
        }
    };
    (0..catalog.tables.len()).map(table).collect()
}

fn incoming(catalog: &Catalog, owner: &Arc<Owner>, reference: Reference) -> Incoming {
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
        find: both(owner, |list| format!("SELECT {key} FROM {name} WHERE {points} IN ({list})")),
        replace: replaces
            .then(|| both(owner, |list| format!("UPDATE {name} SET {points} = ? WHERE {key} IN ({list})"))),
        replacement,
    }
}

/// One statement for a single key, one for [`CHUNK`] of them.
fn both(owner: &Arc<Owner>, sql: impl Fn(&str) -> String) -> [Statement; 2] {
    let many = vec!["?"; CHUNK].join(",");
    [Statement::of_app(owner, sql("?")), Statement::of_app(owner, sql(&many))]
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
