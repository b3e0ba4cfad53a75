//! Rows on their way out: as values, or packed.

use host_store::ValueRef;

use crate::plan::Cell;
use crate::types::{Rows, Value};

/// What takes the cells of a result, row by row.
pub(crate) trait Sink: Send + 'static {
    fn start(width: usize) -> Self;
    /// Takes one cell and returns what it weighs, in bytes.
    fn cell(&mut self, value: ValueRef<'_>, cell: Cell) -> usize;
    /// Told once, at the end.
    fn end(&mut self, rows: u32);
}

impl Sink for Rows {
    fn start(width: usize) -> Self {
        Rows { width: u32::try_from(width).unwrap_or(u32::MAX), cells: Vec::new() }
    }

    fn cell(&mut self, value: ValueRef<'_>, cell: Cell) -> usize {
        let value = to_value(value, cell);
        let weight = value.weight();
        self.cells.push(value);
        weight
    }

    fn end(&mut self, _rows: u32) {}
}

pub(crate) fn to_value(value: ValueRef<'_>, cell: Cell) -> Value {
    match (value, cell) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(number), Cell::Boolean) => Value::Boolean(number != 0),
        (ValueRef::Integer(number), Cell::Plain) => Value::Integer(number),
        (ValueRef::Integer(units), Cell::Decimal(places)) => Value::Text(decimal(units, places)),
        (ValueRef::Real(number), _) => Value::Float(number),
        // Text was UTF-8 when it came in; a file that was tampered with is shown, not trusted.
        (ValueRef::Text(text), _) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        (ValueRef::Blob(bytes), _) => Value::Bytes(bytes.to_vec()),
    }
}

/// A decimal that SQLite keeps without its point.
fn decimal(units: i64, places: u8) -> String {
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = usize::from(places) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(places));
    let sign = if units < 0 { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Rows as `fetch-packed` sends them.
pub(crate) struct Packed(pub(crate) Vec<u8>);

pub(crate) mod tag {
    pub(crate) const NULL: u8 = 0;
    pub(crate) const FALSE: u8 = 1;
    pub(crate) const TRUE: u8 = 2;
    pub(crate) const INTEGER: u8 = 3;
    pub(crate) const FLOAT: u8 = 4;
    pub(crate) const TEXT: u8 = 5;
    pub(crate) const BYTES: u8 = 6;
}

impl Sink for Packed {
    fn start(width: usize) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&u32::try_from(width).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        Packed(bytes)
    }

    fn cell(&mut self, value: ValueRef<'_>, cell: Cell) -> usize {
        let bytes = &mut self.0;
        let before = bytes.len();
        let mut long = |tag: u8, content: &[u8]| {
            bytes.push(tag);
            // The store refuses values of 2 GiB.
            bytes.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(content);
        };
        match (value, cell) {
            (ValueRef::Null, _) => bytes.push(tag::NULL),
            (ValueRef::Integer(number), Cell::Boolean) => bytes.push(if number == 0 { tag::FALSE } else { tag::TRUE }),
            (ValueRef::Integer(number), Cell::Plain) => {
                bytes.push(tag::INTEGER);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            (ValueRef::Integer(units), Cell::Decimal(places)) => long(tag::TEXT, decimal(units, places).as_bytes()),
            (ValueRef::Real(number), _) => {
                bytes.push(tag::FLOAT);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            (ValueRef::Text(text), _) => match std::str::from_utf8(text) {
                Ok(_) => long(tag::TEXT, text),
                Err(_) => long(tag::TEXT, String::from_utf8_lossy(text).as_bytes()),
            },
            (ValueRef::Blob(content), _) => long(tag::BYTES, content),
        }
        self.0.len() - before
    }

    fn end(&mut self, rows: u32) {
        self.0[4..8].copy_from_slice(&rows.to_le_bytes());
    }
}
