//! Expressions and conditions of the manifest, as they stand in a schema: about one row's own columns, with their values
//! written out.

use super::filter::{Found, Query};
use super::invalid;
use super::sql::{Bind, Sql};
use crate::catalog::Catalog;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::kind::Kind;
use crate::shape::{Condition, Expr};
use crate::types::Value;

/// The SQL of an expression over a row of `table`, its kind, and whether it can be NULL. `want` is the kind of the column that
/// it is for, where there is one.
#[allow(dead_code, reason = "for what the manifest says in expressions")]
pub(crate) fn expression(
    catalog: &Catalog,
    table: usize,
    expr: &Expr,
    want: Option<Kind>,
) -> Result<(String, Kind, bool), DbError> {
    let mut query = bare(catalog, table);
    let found = query.expression(expr, want, None)?;
    let Found { sql, kind, null, .. } = found;
    Ok((written(&query, sql)?, kind, null))
}

/// The SQL of a condition on a row of `table`.
#[allow(dead_code, reason = "for what the manifest says in conditions")]
pub(crate) fn condition(catalog: &Catalog, table: usize, condition: &Condition) -> Result<String, DbError> {
    let mut query = bare(catalog, table);
    for path in condition.fields() {
        if query.many_step(path)?.is_some() {
            return Err(not_own(&path.join(".")));
        }
    }
    let sql = query.condition(condition, None)?;
    written(&query, sql)
}

fn bare(catalog: &Catalog, table: usize) -> Query<'_> {
    let mut query = Query::new(catalog, table);
    query.prefix = Some(String::new());
    query
}

fn not_own(name: &str) -> DbError {
    invalid(format!("`{name}` is of another row; what the schema holds is about the row's own fields"))
}

/// The text with its values in it.
fn written(query: &Query<'_>, sql: Sql) -> Result<String, DbError> {
    if query.has_joins() {
        return Err(not_own("a path over a relation"));
    }
    let mut text = String::with_capacity(sql.text.len() + 16);
    let mut binds = sql.binds.iter();
    for c in sql.text.chars() {
        if c != '?' {
            text.push(c);
            continue;
        }
        match binds.next() {
            Some(Bind::Const { value, slot }) => text.push_str(&literal(query.catalog.dialect, slot.kind, value)?),
            _ => return Err(invalid("a manifest has no holes; write the value itself")),
        }
    }
    Ok(text)
}

/// A value as it is written into a schema. PostgreSQL has the type behind it.
fn literal(dialect: Dialect, kind: Kind, value: &Value) -> Result<String, DbError> {
    let sqlite = dialect == Dialect::Sqlite;
    Ok(match (value, kind) {
        (Value::Null, _) => "NULL".into(),
        (Value::Boolean(truth), _) => if *truth { "TRUE" } else { "FALSE" }.into(),
        (value, Kind::Decimal { places, .. }) if sqlite => kind.scaled(value, places).to_string(),
        (Value::Text(number), Kind::Decimal { .. }) => number.clone(),
        (Value::Integer(number), Kind::Date | Kind::Time | Kind::DateTime) if !sqlite => {
            dialect.text(&moment(kind, *number).ok_or_else(|| invalid(format!("{number} is no {}", kind.word())))?)
        }
        (Value::Integer(number), Kind::Float) => format!("{number}.0"),
        (Value::Integer(number), _) if *number < 0 => format!("({number})"),
        (Value::Integer(number), _) => number.to_string(),
        (Value::Float(number), _) if number.is_finite() => format!("({number:?})"),
        (Value::Float(number), _) => return Err(invalid(format!("{number} can't stand in a schema"))),
        (Value::Text(text), _) => dialect.text(text),
        (Value::Bytes(bytes), _) if dialect == Dialect::Postgres => match kind {
            Kind::Uuid => format!("'{}'", hex::encode(bytes)),
            _ => format!("'\\x{}'", hex::encode(bytes)),
        },
        (Value::Bytes(bytes), _) => format!("x'{}'", hex::encode(bytes)),
    })
}

/// A date, a time or a datetime in the form that PostgreSQL and MariaDB read.
fn moment(kind: Kind, number: i64) -> Option<String> {
    let epoch = jiff::civil::date(1970, 1, 1);
    match kind {
        Kind::Date => {
            let days = jiff::Span::new().try_days(number).ok()?;
            epoch.checked_add(days).ok().map(|date| date.to_string())
        }
        Kind::Time => {
            let micros = jiff::Span::new().try_microseconds(number).ok()?;
            jiff::civil::Time::midnight().checked_add(micros).ok().map(|time| time.strftime("%H:%M:%S%.6f").to_string())
        }
        _ => jiff::Timestamp::from_microsecond(number).ok().map(|at| at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()),
    }
}
