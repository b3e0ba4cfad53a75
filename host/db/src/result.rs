//! Rows on their way out: as values, or packed.

use host_store::{Datum, Decimal, StoreError};

use crate::plan::Cell;
use crate::types::{Rows, Value};

/// What takes the cells of a result, row by row.
pub(crate) trait Sink: Send + 'static {
    fn start(width: usize) -> Self;
    /// Takes one cell and returns what it weighs, in bytes.
    fn cell(&mut self, value: Datum<'_>, cell: Cell) -> Result<usize, StoreError>;
    /// Told once, at the end.
    fn end(&mut self, rows: u32);
}

/// A cell as an app gets it.
enum Seen<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    /// A decimal with so many places.
    Decimal(Decimal, u32),
    /// A document as PostgreSQL writes it, with spaces.
    Json(&'a [u8]),
}

/// What the database gave, understood as the plan says.
#[inline]
fn seen(value: Datum<'_>, cell: Cell) -> Result<Seen<'_>, StoreError> {
    Ok(match (value, cell) {
        (Datum::Null, _) => Seen::Null,
        (Datum::Integer(number), Cell::Boolean) => Seen::Boolean(number != 0),
        (Datum::Integer(units), Cell::Decimal(places)) => Seen::Decimal(scaled(units, places)?, places),
        #[allow(clippy::cast_precision_loss)]
        (Datum::Integer(number), Cell::Float) => Seen::Float(number as f64),
        (Datum::Integer(number) | Datum::Date(number) | Datum::Time(number) | Datum::DateTime(number), _) => {
            Seen::Integer(number)
        }
        (Datum::Boolean(truth), _) => Seen::Boolean(truth),
        (Datum::Real(number), _) => Seen::Float(number),
        (Datum::Text(text), _) => Seen::Text(text),
        (Datum::Blob(bytes) | Datum::Uuid(bytes), _) => Seen::Bytes(bytes),
        (Datum::Decimal(number), Cell::Float) => {
            Seen::Float(f64::try_from(number).map_err(|error| StoreError::Internal(error.to_string()))?)
        }
        (Datum::Decimal(number), Cell::Integer) => {
            Seen::Integer(i64::try_from(number.trunc()).map_err(|_| StoreError::Overflow)?)
        }
        (Datum::Decimal(number), Cell::Decimal(places)) => Seen::Decimal(number, places),
        (Datum::Decimal(number), _) => Seen::Decimal(number, number.scale()),
        (Datum::Json(document), _) => Seen::Json(document),
    })
}

fn scaled(units: i64, places: u32) -> Result<Decimal, StoreError> {
    Decimal::try_from_i128_with_scale(units.into(), places).map_err(|error| StoreError::Internal(error.to_string()))
}

/// The canonical text of a decimal: `places` digits after the point, no `-0`.
fn decimal_text(mut number: Decimal, places: u32) -> String {
    number.rescale(places);
    if number.is_zero() {
        number.set_sign_positive(true);
    }
    number.to_string()
}

/// Leaves out the spaces between the parts of a JSON document.
fn compact(document: &[u8], into: &mut Vec<u8>) {
    let (mut quoted, mut escaped) = (false, false);
    for byte in document {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            quoted = *byte == b'"';
        }
        into.push(*byte);
    }
}

impl Sink for Rows {
    fn start(width: usize) -> Self {
        Rows { width: u32::try_from(width).unwrap_or(u32::MAX), cells: Vec::new() }
    }

    fn cell(&mut self, value: Datum<'_>, cell: Cell) -> Result<usize, StoreError> {
        let value = to_value(value, cell)?;
        let weight = value.weight();
        self.cells.push(value);
        Ok(weight)
    }

    fn end(&mut self, _rows: u32) {}
}

pub(crate) fn to_value(value: Datum<'_>, cell: Cell) -> Result<Value, StoreError> {
    Ok(match seen(value, cell)? {
        Seen::Null => Value::Null,
        Seen::Boolean(truth) => Value::Boolean(truth),
        Seen::Integer(number) => Value::Integer(number),
        Seen::Float(number) => Value::Float(number),
        // Text was UTF-8 when it came in; a file that was tampered with is shown, not trusted.
        Seen::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        Seen::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Seen::Decimal(number, places) => Value::Text(decimal_text(number, places)),
        Seen::Json(document) => {
            let mut text = Vec::with_capacity(document.len());
            compact(document, &mut text);
            Value::Text(String::from_utf8(text).map_err(|error| StoreError::Internal(error.to_string()))?)
        }
    })
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

    fn cell(&mut self, value: Datum<'_>, cell: Cell) -> Result<usize, StoreError> {
        let bytes = &mut self.0;
        let before = bytes.len();
        let mut long = |tag: u8, content: &[u8]| {
            bytes.push(tag);
            // The store refuses values of 2 GiB.
            bytes.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(content);
        };
        match seen(value, cell)? {
            Seen::Null => bytes.push(tag::NULL),
            Seen::Boolean(truth) => bytes.push(if truth { tag::TRUE } else { tag::FALSE }),
            Seen::Integer(number) => {
                bytes.push(tag::INTEGER);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Seen::Float(number) => {
                bytes.push(tag::FLOAT);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Seen::Text(text) => match std::str::from_utf8(text) {
                Ok(_) => long(tag::TEXT, text),
                Err(_) => long(tag::TEXT, String::from_utf8_lossy(text).as_bytes()),
            },
            Seen::Bytes(content) => long(tag::BYTES, content),
            Seen::Decimal(number, places) => long(tag::TEXT, decimal_text(number, places).as_bytes()),
            Seen::Json(document) => {
                let mut text = Vec::with_capacity(document.len());
                compact(document, &mut text);
                long(tag::TEXT, &text);
            }
        }
        Ok(self.0.len() - before)
    }

    fn end(&mut self, rows: u32) {
        self.0[4..8].copy_from_slice(&rows.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_lose_their_spaces_and_texts_keep_them() {
        let written = br#"{"a b": [1, 2.50, "x \" , y\\"], "c": null}"#;
        let mut out = Vec::new();
        compact(written, &mut out);
        assert_eq!(String::from_utf8(out).as_deref(), Ok(r#"{"a b":[1,2.50,"x \" , y\\"],"c":null}"#));
    }

    #[test]
    fn decimals_have_all_their_places_and_no_negative_zero() {
        for (units, places, expected) in [(-5, 2, "-0.05"), (0, 2, "0.00"), (1200, 2, "12.00"), (7, 0, "7")] {
            assert_eq!(to_value(Datum::Integer(units), Cell::Decimal(places)), Ok(Value::Text(expected.into())));
        }
        let third = Decimal::new(-1, 3);
        assert_eq!(to_value(Datum::Decimal(third), Cell::Decimal(2)), Ok(Value::Text("0.00".into())));
        let large = Datum::Decimal(Decimal::from(u64::MAX));
        assert_eq!(to_value(large, Cell::Integer), Err(StoreError::Overflow));
    }
}
