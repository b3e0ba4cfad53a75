//! Values on their way to a database and back, the same for every database.
//!
//! A parameter says what it means (a date, a decimal, …), and each backend writes that as its database wants it. Cells come
//! back the same way, so that what is made of a result is written once.

use rusqlite::types::ValueRef;
use rust_decimal::Decimal;

use crate::error::StoreError;

/// One value, borrowed from whoever has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Datum<'a> {
    /// SQL NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number, or a duration in microseconds.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text. Always UTF-8 as a parameter; a cell of a SQLite file that was tampered with may hold other bytes.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i64),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    DateTime(i64),
    /// A decimal number with as many places as its column has. SQLite keeps the number without its point.
    Decimal(Decimal),
    /// A UUID: 16 bytes.
    Uuid(&'a [u8]),
    /// A JSON document.
    Json(&'a [u8]),
}

/// What a place of a statement takes, for databases that want to know before a value comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// [`Datum::Boolean`].
    Boolean,
    /// [`Datum::Integer`].
    Integer,
    /// [`Datum::Real`].
    Real,
    /// [`Datum::Text`].
    Text,
    /// [`Datum::Blob`].
    Blob,
    /// [`Datum::Date`].
    Date,
    /// [`Datum::Time`].
    Time,
    /// [`Datum::DateTime`].
    DateTime,
    /// [`Datum::Decimal`].
    Decimal,
    /// [`Datum::Uuid`].
    Uuid,
    /// [`Datum::Json`].
    Json,
}

impl<'a> Datum<'a> {
    /// The text that it is, where it is one.
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Datum::Text(text) | Datum::Json(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The number that it is, where it is a whole one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Datum::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Bytes of its content that have a length of their own.
    pub fn content(&self) -> usize {
        match self {
            Datum::Text(bytes) | Datum::Blob(bytes) | Datum::Json(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// As SQLite keeps it.
    pub(crate) fn to_sqlite(self) -> ValueRef<'a> {
        match self {
            Datum::Null => ValueRef::Null,
            Datum::Boolean(truth) => ValueRef::Integer(i64::from(truth)),
            Datum::Integer(number) | Datum::Date(number) | Datum::Time(number) | Datum::DateTime(number) => {
                ValueRef::Integer(number)
            }
            Datum::Real(number) => ValueRef::Real(number),
            Datum::Text(text) | Datum::Json(text) => ValueRef::Text(text),
            Datum::Blob(bytes) | Datum::Uuid(bytes) => ValueRef::Blob(bytes),
            // Decimals of more digits are refused when their model is loaded; a number to compare with may be larger, and
            // then is beyond all that a row can have.
            Datum::Decimal(number) => {
                let units = number.mantissa();
                let most = if units < 0 { i64::MIN } else { i64::MAX };
                ValueRef::Integer(i64::try_from(units).unwrap_or(most))
            }
        }
    }

    pub(crate) fn from_sqlite(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Datum::Null,
            ValueRef::Integer(number) => Datum::Integer(number),
            ValueRef::Real(number) => Datum::Real(number),
            ValueRef::Text(text) => Datum::Text(text),
            ValueRef::Blob(bytes) => Datum::Blob(bytes),
        }
    }
}

/// The cells of one row, as long as the row is there.
#[derive(Debug)]
pub struct Cells<'r>(pub(crate) Row<'r>);

pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
    Mariadb(&'r mysql_async::Row),
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row")
    }
}

impl Cells<'_> {
    /// The columns' names, in order.
    pub fn names(&self) -> Vec<String> {
        match &self.0 {
            Row::Sqlite(row) => row.as_ref().column_names().map(str::to_owned).collect(),
            Row::Postgres(row) => row.columns().iter().map(|column| column.name().to_owned()).collect(),
            Row::Mariadb(row) => row.columns_ref().iter().map(|column| column.name_str().into_owned()).collect(),
        }
    }

    /// The cell at `at`, counted from 0.
    #[inline]
    pub fn get(&self, at: usize) -> Result<Datum<'_>, StoreError> {
        match &self.0 {
            Row::Sqlite(row) => match row.get_ref(at) {
                Ok(value) => Ok(Datum::from_sqlite(value)),
                Err(error) => Err(StoreError::Internal(error.to_string())),
            },
            Row::Postgres(row) => match row.try_get::<_, crate::postgres::wire::Cell<'_>>(at) {
                Ok(cell) => Ok(cell.0),
                Err(error) => {
                    let known =
                        std::error::Error::source(&error).and_then(|source| source.downcast_ref::<StoreError>());
                    Err(known.cloned().unwrap_or_else(|| StoreError::Internal(crate::postgres::said(&error))))
                }
            },
            Row::Mariadb(row) => match (row.as_ref(at), row.columns_ref().get(at)) {
                (Some(value), Some(column)) => crate::mariadb::wire::cell(value, column),
                _ => Err(StoreError::Internal(format!("a row has no cell {at}"))),
            },
        }
    }
}
