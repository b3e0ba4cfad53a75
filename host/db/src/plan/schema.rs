//! Expressions and conditions of a table's definition: over the row's own columns, with their values written out.

use super::building::Building;
use super::invalid;
use super::sql::{Bind, MANY, MANY_MORE, Sql};
use crate::catalog::Catalog;
use crate::dialect::literal;
use crate::error::DbError;
use crate::kind::Kind;
use crate::shape::{Condition, Expr};

/// What a table's definition gets.
#[derive(Debug)]
pub(crate) struct Defined {
    pub(crate) sql: String,
    /// The same with its values beside it.
    pub(crate) bound: Sql,
    pub(crate) kind: Kind,
    /// The columns that it reads.
    pub(crate) columns: Vec<usize>,
}

/// An expression. `want` is the kind of what it is for, where the expression doesn't tell its own.
pub(crate) fn expression(catalog: &Catalog, table: usize, expr: &Expr, want: Option<Kind>) -> Result<Defined, DbError> {
    let mut query = Building::new(catalog, table);
    query.prefix = Some(String::new());
    let found = query.expression(expr, want, None)?;
    Ok(Defined {
        sql: written(&query, &found.sql)?,
        bound: found.sql,
        kind: found.kind,
        columns: query.used.into_inner().into_iter().collect(),
    })
}

/// A condition.
pub(crate) fn condition(catalog: &Catalog, table: usize, condition: &Condition) -> Result<Defined, DbError> {
    let mut query = Building::new(catalog, table);
    query.prefix = Some(String::new());
    let sql = query.condition(condition, None)?;
    Ok(Defined {
        sql: written(&query, &sql)?,
        bound: sql,
        kind: Kind::Boolean,
        columns: query.used.into_inner().into_iter().collect(),
    })
}

fn written(query: &Building<'_>, sql: &Sql) -> Result<String, DbError> {
    if query.aliases > 0 || sql.text.contains("SELECT ") {
        return Err(invalid("reads other rows than its own; a table's definition is about one row"));
    }
    let mut binds = sql.binds.iter();
    let mut text = String::with_capacity(sql.text.len());
    for c in sql.text.chars() {
        match (c, if matches!(c, '?' | MANY | MANY_MORE) { binds.next() } else { None }) {
            ('?', Some(Bind::Const { value, slot })) => {
                text.push_str(&literal::write(query.catalog.dialect, slot.kind, value));
            }
            ('?' | MANY | MANY_MORE, _) => {
                return Err(invalid("takes a value from outside, and none comes with a manifest"));
            }
            (c, _) => text.push(c),
        }
    }
    Ok(text)
}
