//! The statements that a collecting delete needs for each foreign key that points to a model.

use std::sync::Arc;

use host_core::access::Action;
use host_core::manifest::OnDelete;
use host_store::{Datum, Owner, Statement, Type};

use super::key::Key;
use crate::catalog::{Catalog, Reference, Table};
use crate::dialect::Dialect;
use crate::kind::Kind;
use crate::types::Value;

/// Keys that one statement takes. A list is filled up by repeating its last key.
pub(crate) const CHUNK: usize = 256;

/// For one model.
#[derive(Debug)]
pub(crate) struct Collect {
    /// Deletes by key.
    pub(crate) delete: ByKeys,
    /// Which of given keys there are.
    pub(crate) exist: ByKeys,
    pub(crate) incoming: Vec<Incoming>,
    /// Columns of the primary key.
    pub(crate) width: usize,
}

/// For one foreign key that points to the model.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) reference: Reference,
    /// The keys of the rows that point to given keys.
    pub(crate) find: ByKeys,
    /// Sets the foreign key of rows, by their keys, to what `on_delete` says.
    pub(crate) replace: Option<ByKeys>,
    replacement: Value,
    kind: Kind,
}

impl Incoming {
    /// What the foreign key becomes.
    pub(crate) fn replacement(&self) -> Datum<'_> {
        self.kind.to_sql(&self.replacement)
    }
}

/// A statement over a list of keys: one text for a single key, one for [`CHUNK`] of them.
#[derive(Debug)]
pub(crate) struct ByKeys {
    statements: [Statement; 2],
    kinds: Box<[Kind]>,
}

impl ByKeys {
    /// `sql` gets the comparison, `"id" IN (?, …)`; `before` is what a value takes that stands before it.
    fn new(
        catalog: &Catalog,
        owner: &Arc<Owner>,
        table: &Table,
        columns: &[(&str, Kind)],
        before: Option<Kind>,
        sql: impl Fn(&str) -> String,
    ) -> Self {
        let kinds: Box<[Kind]> = columns.iter().map(|(_, kind)| *kind).collect();
        let of = |places: usize| {
            let text = sql(&among(catalog.dialect, columns, places));
            let keys = std::iter::repeat_n(&kinds, places).flatten().map(|kind| kind.sql_datum());
            let types: Vec<Type> = before.map(Kind::sql_datum).into_iter().chain(keys).collect();
            let statement = Statement::of_app(owner, catalog.dialect.number(text)).taking(types);
            if table.access.is_some() { statement.strict() } else { statement }
        };
        Self { statements: [of(1), of(CHUNK)], kinds }
    }

    /// The statement for `keys` (at most [`CHUNK`]) and its values, the keys filled up to its places.
    pub(crate) fn fill<'k>(&self, keys: &'k [Key]) -> (&Statement, Vec<Datum<'k>>) {
        let places = if keys.len() <= 1 { 1 } else { CHUNK };
        let mut values = Vec::with_capacity(places * self.kinds.len());
        for key in keys.iter().chain(std::iter::repeat_n(keys.last(), CHUNK).flatten()).take(places) {
            key.data(&self.kinds, &mut values);
        }
        (&self.statements[usize::from(places > 1)], values)
    }
}

/// `"id" IN (?, ?)`, or the same of several columns.
fn among(dialect: Dialect, columns: &[(&str, Kind)], places: usize) -> String {
    if let [(column, _)] = columns {
        return format!("{column} IN ({})", vec!["?"; places].join(","));
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    let rows = vec![row.as_str(); places].join(",");
    let values = if dialect == Dialect::Sqlite { "VALUES " } else { "" };
    format!("({}) IN ({values}{rows})", names.join(", "))
}

fn key(table: &Table) -> Vec<(&str, Kind)> {
    table.key.iter().map(|at| (table.columns[*at].quoted(), table.columns[*at].kind)).collect()
}

/// The statements for every model, in the catalog's order.
pub(crate) fn collectors(catalog: &Catalog, owner: &Arc<Owner>) -> Vec<Collect> {
    let table = |at: usize| {
        let table = &catalog.tables[at];
        let (name, key) = (table.quoted(), key(table));
        let incoming = table
            .incoming
            .iter()
            .filter(|reference| is_collected(catalog, reference))
            .map(|reference| incoming(catalog, owner, table, *reference))
            .collect();
        let list = table.key_list("");
        let by_keys = |sql: &dyn Fn(&str) -> String| ByKeys::new(catalog, owner, table, &key, None, sql);
        Collect {
            delete: by_keys(&|among| format!("DELETE FROM {name} WHERE {among}")),
            exist: by_keys(&|among| format!("SELECT {list} FROM {name} WHERE {among}")),
            incoming,
            width: table.key.len(),
        }
    };
    (0..catalog.tables.len()).map(table).collect()
}

/// Whether the app may do with the rows that point to one which goes what is to be done with them. Where it may not, they stay,
/// and the database refuses the delete.
fn is_collected(catalog: &Catalog, reference: &Reference) -> bool {
    let child = &catalog.tables[reference.table];
    let Some(access) = &child.access else { return reference.on_delete != OnDelete::DoNothing };
    let may = |action| access.allow(action, "").is_ok();
    let has = match reference.on_delete {
        OnDelete::Cascade => may(Action::Delete),
        OnDelete::SetNull | OnDelete::SetDefault => may(Action::Change) && access.writes.contains(&reference.column),
        OnDelete::Protect | OnDelete::Restrict => true,
        OnDelete::DoNothing => false,
    };
    // Whether others point there that the app doesn't see is the database's to find out.
    has && may(Action::View) && !access.has_rule()
}

fn incoming(catalog: &Catalog, owner: &Arc<Owner>, target: &Table, reference: Reference) -> Incoming {
    let child = &catalog.tables[reference.table];
    let column = &child.columns[reference.column];
    let (name, list, points) = (child.quoted(), child.key_list(""), column.quoted());
    let replacement = match reference.on_delete {
        OnDelete::SetDefault => column.default.clone().unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let replaces = matches!(reference.on_delete, OnDelete::SetNull | OnDelete::SetDefault);
    // What points there is of the kind of the key that it points to.
    let pointing: Vec<(&str, Kind)> = key(target).into_iter().map(|(_, kind)| (points, kind)).collect();
    Incoming {
        reference,
        find: ByKeys::new(catalog, owner, child, &pointing, None, |among| {
            format!("SELECT {list} FROM {name} WHERE {among}")
        }),
        replace: replaces.then(|| {
            ByKeys::new(catalog, owner, child, &key(child), Some(column.kind), |among| {
                format!("UPDATE {name} SET {points} = ? WHERE {among}")
            })
        }),
        replacement,
        kind: column.kind,
    }
}

/// A statement for each foreign key that gives a row where the key points nowhere. They are needed where the database
/// looks at keys row by row (MariaDB), for units in which a key may point nowhere for a while. What they read is locked, so
/// that it is still so when the unit is committed.
pub(crate) fn dangling(catalog: &Catalog, owner: &Arc<Owner>) -> Vec<Statement> {
    if catalog.dialect != Dialect::Mariadb {
        return Vec::new();
    }
    let mut statements = Vec::new();
    // Another app's are looked at by the server, at once.
    for table in catalog.tables.iter().filter(|table| table.access.is_none()) {
        for column in table.columns.iter().filter(|column| column.constrained) {
            let Some(target) = column.target.map(|target| &catalog.tables[target]) else { continue };
            let Some(key) = target.single_key().map(|key| target.columns[key].quoted()) else { continue };
            statements.push(Statement::of_app(
                owner,
                format!(
                    "SELECT 1 FROM {} AS c LEFT JOIN {} AS t ON t.{} = c.{point} \
                     WHERE c.{point} IS NOT NULL AND t.{} IS NULL LIMIT 1 LOCK IN SHARE MODE",
                    table.quoted(),
                    target.quoted(),
                    key,
                    key,
                    point = column.quoted(),
                ),
            ));
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_several_columns_are_compared_as_rows() {
        let columns = [("\"a\"", Kind::Key), ("\"b\"", Kind::Text)];
        assert_eq!(among(Dialect::Sqlite, &columns, 2), "(\"a\", \"b\") IN (VALUES (?,?),(?,?))");
        assert_eq!(among(Dialect::Postgres, &columns, 1), "(\"a\", \"b\") IN ((?,?))");
        assert_eq!(among(Dialect::Mariadb, &columns[..1], 2), "\"a\" IN (?,?)");
    }
}
