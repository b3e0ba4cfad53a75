//! SQL of the app's own, on `bandstand:db/raw`, for what queries can't say.
//!
//! Needs the capability `db-raw`: `app! { capabilities: [db_raw], … }`, and the operator's grant. A statement reaches the app's own tables alone,
//! under the names that they have in the database (`polls__question`), and is written for one kind of database, which [`dialect`] tells.
//!
//! ```ignore
//! let busiest: Vec<(String, i64)> = raw::fetch(
//!     "SELECT question_text, count(*) FROM polls__question q JOIN polls__choice c ON c.question_id = q.id
//!      WHERE q.pub_date > ? GROUP BY q.id, question_text HAVING count(*) > ?",
//!     (since, 3),
//! )
//! .await?;
//! ```
//!
//! A value stands as `?` in the text on every database, and never in the text itself. What a model promises isn't looked after here: validators,
//! defaults and `on_delete` are the host's, and SQL goes past it.

use super::meta::FieldKind;
use super::model::Model;
use super::rows::{Cell as Read, Column, Misfit, Reader};
use super::{Kind, Value};
use crate::bindings::bandstand::db::raw as host;
use crate::error::{Error, Result};

pub use host::Dialect;

/// What the site keeps the app's tables in.
///
/// Errors: `is_denied` without the capability.
pub fn dialect() -> Result<Dialect> {
    host::database().map_err(Error::from)
}

/// The rows that a statement gives, each as a tuple: `let rows: Vec<(String, Option<i64>)> = raw::fetch("SELECT …", (1, "x")).await?`.
///
/// The statement begins with `SELECT`, `WITH`, `VALUES` or `EXPLAIN`, and sees what is committed, also inside of a transaction.
///
/// Errors: `invalid-sql` with what the database says; a column that isn't what the tuple says; those of other queries.
pub async fn fetch<R: RawRow>(sql: &str, params: impl RawParams) -> Result<Vec<R>> {
    let table = host::fetch(sql.to_owned(), params.cells()).await.map_err(Error::from)?;
    typed(&table)
}

/// Rows of a model from a statement that gives all of its columns, in any order: `raw::rows::<Question>("SELECT * FROM polls__question WHERE …", ())`.
///
/// Errors: those of [`fetch`]; `invalid-sql` where a column of the model is missing.
pub async fn rows<M: Model>(sql: &str, params: impl RawParams) -> Result<Vec<M>> {
    let rows = host::fetch_model(M::NAME.to_owned(), sql.to_owned(), params.cells()).await.map_err(Error::from)?;
    super::join::all(&[], Reader::typed(M::NAME, M::META.width(), &rows)?)
}

/// Runs a statement that writes, as a transaction by itself: on disk when it returns. Returns how many rows it wrote.
///
/// The statement begins with `INSERT`, `UPDATE`, `DELETE`, `REPLACE`, `MERGE` or `WITH`. Errors: those of [`fetch`] and of other writes; `would-deadlock`
/// inside of a transaction that has written.
pub async fn execute(sql: &str, params: impl RawParams) -> Result<u64> {
    host::execute(sql.to_owned(), params.cells()).await.map(|change| change.affected).map_err(Error::from)
}

/// The same for a statement with `RETURNING`, whose rows come back.
pub async fn returning<R: RawRow>(sql: &str, params: impl RawParams) -> Result<Vec<R>> {
    let change = host::execute(sql.to_owned(), params.cells()).await.map_err(Error::from)?;
    typed(&change.returned)
}

fn typed<R: RawRow>(table: &host::Table) -> Result<Vec<R>> {
    let width = table.columns.len();
    if width != R::WIDTH {
        // Without columns there are no rows either.
        let problem = format!("the statement gives {width} columns, and {} are read", R::WIDTH);
        return if width == 0 { Ok(Vec::new()) } else { Err(Error::internal(problem)) };
    }
    table.cells.chunks_exact(width.max(1)).map(|row| R::read(row, &table.columns)).collect()
}

/// A value for a place of a statement: what a model's field can hold, or a `&str`.
pub trait RawParam {
    #[doc(hidden)]
    fn cell(self) -> host::Cell;
}

impl<T: Kind> RawParam for T {
    fn cell(self) -> host::Cell {
        match (self.to_value(), T::KIND) {
            (Value::Integer(days), FieldKind::Date) => host::Cell::Date(days),
            (Value::Integer(micros), FieldKind::Time) => host::Cell::Time(micros),
            (Value::Integer(micros), FieldKind::DateTime) => host::Cell::Datetime(micros),
            (Value::Text(digits), FieldKind::Decimal { .. }) => host::Cell::Decimal(digits),
            (Value::Text(document), FieldKind::Json) => host::Cell::Json(document),
            (Value::Bytes(bytes), FieldKind::Binary) => host::Cell::Bytes(bytes),
            // A UUID, or the key of a row that has one.
            (Value::Bytes(bytes), _) if bytes.len() == 16 => host::Cell::Uuid(bytes),
            (Value::Null, _) => host::Cell::Null,
            (Value::Boolean(truth), _) => host::Cell::Boolean(truth),
            (Value::Integer(number), _) => host::Cell::Integer(number),
            (Value::Float(number), _) => host::Cell::Float(number),
            (Value::Text(text), _) => host::Cell::Text(text),
            (Value::Bytes(bytes), _) => host::Cell::Bytes(bytes),
        }
    }
}

impl RawParam for &str {
    fn cell(self) -> host::Cell {
        host::Cell::Text(self.to_owned())
    }
}

/// The values of a statement: a tuple `(1, "x")`, one for each `?`; `()` for none; a `Vec` or an array where they are of one type.
pub trait RawParams {
    #[doc(hidden)]
    fn cells(self) -> Vec<host::Cell>;
}

impl RawParams for () {
    fn cells(self) -> Vec<host::Cell> {
        Vec::new()
    }
}

impl<T: RawParam> RawParams for Vec<T> {
    fn cells(self) -> Vec<host::Cell> {
        self.into_iter().map(RawParam::cell).collect()
    }
}

impl<T: RawParam, const N: usize> RawParams for [T; N] {
    fn cells(self) -> Vec<host::Cell> {
        self.into_iter().map(RawParam::cell).collect()
    }
}

/// A row that [`fetch`] reads: a tuple of what a model's field can hold, one for each column.
pub trait RawRow: Sized {
    #[doc(hidden)]
    const WIDTH: usize;
    #[doc(hidden)]
    fn read(row: &[host::Cell], names: &[String]) -> Result<Self>;
}

macro_rules! tuples {
    ($($($name:ident $at:tt),+;)+) => {
        $(
            impl<$($name: RawParam),+> RawParams for ($($name,)+) {
                fn cells(self) -> Vec<host::Cell> {
                    vec![$(self.$at.cell()),+]
                }
            }

            impl<$($name: Kind),+> RawRow for ($($name,)+) {
                const WIDTH: usize = [$($at),+].len();

                fn read(row: &[host::Cell], names: &[String]) -> Result<Self> {
                    Ok(($(one::<$name>(&row[$at], &names[$at])?,)+))
                }
            }
        )+
    };
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
}

fn one<T: Kind>(cell: &host::Cell, name: &str) -> Result<T> {
    let misfit = |Misfit| {
        Error::internal(format!(
            "the column `{name}` is {}, which isn't a {}",
            shown(cell),
            core::any::type_name::<T>()
        ))
    };
    let read = match cell {
        host::Cell::Null => Read::Null,
        host::Cell::Boolean(truth) => Read::Boolean(*truth),
        host::Cell::Integer(number)
        | host::Cell::Date(number)
        | host::Cell::Time(number)
        | host::Cell::Datetime(number) => Read::Integer(*number),
        host::Cell::Float(number) => Read::Float(*number),
        host::Cell::Text(text) | host::Cell::Json(text) => Read::Text(text),
        host::Cell::Bytes(bytes) | host::Cell::Uuid(bytes) => Read::Bytes(bytes),
        host::Cell::Decimal(digits) => match T::KIND {
            // What servers make of a sum or an average.
            FieldKind::Float => Read::Float(digits.parse().map_err(|_| misfit(Misfit))?),
            FieldKind::Decimal { .. } | FieldKind::Text => Read::Text(digits),
            _ => Read::Integer(digits.parse().map_err(|_| misfit(Misfit))?),
        },
    };
    T::from_cell(read, &mut Column::default()).map_err(misfit)
}

fn shown(cell: &host::Cell) -> &'static str {
    match cell {
        host::Cell::Null => "NULL",
        host::Cell::Boolean(_) => "a boolean",
        host::Cell::Integer(_) => "a whole number",
        host::Cell::Float(_) => "a float",
        host::Cell::Text(_) => "a text",
        host::Cell::Bytes(_) => "bytes",
        host::Cell::Date(_) => "a date",
        host::Cell::Time(_) => "a time",
        host::Cell::Datetime(_) => "a moment",
        host::Cell::Decimal(_) => "a decimal",
        host::Cell::Uuid(_) => "a UUID",
        host::Cell::Json(_) => "a document",
    }
}
