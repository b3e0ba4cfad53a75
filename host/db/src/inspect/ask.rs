//! Questions about a database's own tables.

use host_store::{Cells, Datum, Statement, StoreError};

use crate::error::Fault;
use crate::run::Run;
use crate::types::Value;

/// The rows of a question of the host's own, each of `width` cells; more than `most` are an error.
pub(super) async fn rows(
    on: &mut impl Run,
    ask: String,
    width: usize,
    most: usize,
) -> Result<Vec<Vec<Value>>, StoreError> {
    rows_of(on, &Statement::of_host(ask), &[], width, most).await
}

/// The same, with values.
pub(super) async fn rows_of(
    on: &mut impl Run,
    ask: &Statement,
    params: &[Datum<'_>],
    width: usize,
    most: usize,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut rows = Vec::new();
    let mut values = params.iter().copied();
    let mut take = |row: &Cells<'_>| {
        if rows.len() == most {
            return Err(StoreError::Internal(format!("it has more than {most} tables or columns")).into());
        }
        let mut cells = Vec::with_capacity(width);
        for at in 0..width {
            cells.push(match row.get(at)? {
                Datum::Null => Value::Null,
                Datum::Boolean(truth) => Value::Integer(truth.into()),
                Datum::Integer(number) => Value::Integer(number),
                Datum::Real(number) => Value::Float(number),
                // What isn't UTF-8 is shown as well as it can be: it's for people.
                Datum::Text(text) | Datum::Json(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                _ => Value::Null,
            });
        }
        rows.push(cells);
        Ok(())
    };
    match on.run(ask, &mut values, &mut take).await {
        Ok(_) => Ok(rows),
        Err(Fault::Store(error)) => Err(error),
        Err(Fault::Db(error)) => Err(StoreError::Internal(error.to_string())),
    }
}

/// The text in a cell; nothing where it is none.
pub(super) fn text(row: &[Value], at: usize) -> &str {
    match row.get(at) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// The whole number in a cell; 0 where it is none.
pub(super) fn number(row: &[Value], at: usize) -> i64 {
    match row.get(at) {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    }
}
