//! Reading packed rows again: what this crate packed, for its own use.

use crate::result::{Packed, tag};
use crate::types::Value;

/// A cell as it lies in the bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Cell<'_> {
    /// The cell as a value of its own.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Boolean(truth) => Value::Boolean(truth),
            Cell::Integer(number) => Value::Integer(number),
            Cell::Float(number) => Value::Float(number),
            Cell::Text(text) => Value::Text(text.to_owned()),
            Cell::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }
}

/// Rows by their number, cells by theirs.
#[derive(Debug, Default)]
pub(crate) struct PackedRows {
    bytes: Vec<u8>,
    width: usize,
    /// Where each cell begins, row by row, and where the last one ends.
    cells: Vec<u32>,
}

impl PackedRows {
    /// Adds rows of the same width. None where the bytes aren't whole rows, which would be a mistake of this crate.
    pub(crate) fn add(&mut self, packed: &Packed) -> Option<()> {
        let mut rest = packed.0.as_slice();
        let (width, rows) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
        if !self.cells.is_empty() && self.width != width {
            return None;
        }
        self.width = width;
        let cells = rest;
        let before = self.bytes.len();
        // Ends are one more than beginnings; the last end is the next beginning.
        if self.cells.is_empty() {
            self.cells.push(0);
        }
        for _ in 0..width.checked_mul(rows)? {
            read(&mut rest)?;
            self.cells.push(u32::try_from(before + cells.len() - rest.len()).ok()?);
        }
        self.bytes.extend_from_slice(cells);
        rest.is_empty().then_some(())
    }

    pub(crate) fn len(&self) -> usize {
        (self.cells.len().max(1) - 1).checked_div(self.width).unwrap_or(0)
    }

    /// The bytes of a cell, the same for equal values.
    pub(crate) fn raw(&self, row: usize, cell: usize) -> &[u8] {
        let at = row * self.width + cell;
        let (Some(from), Some(to)) = (self.cells.get(at), self.cells.get(at + 1)) else { return &[tag::NULL] };
        &self.bytes[*from as usize..*to as usize]
    }

    pub(crate) fn cell(&self, row: usize, cell: usize) -> Cell<'_> {
        // It was read once already when it was added.
        read(&mut self.raw(row, cell)).unwrap_or(Cell::Null)
    }
}

fn read<'a>(rest: &mut &'a [u8]) -> Option<Cell<'a>> {
    Some(match take(rest, 1)?[0] {
        tag::NULL => Cell::Null,
        tag::FALSE => Cell::Boolean(false),
        tag::TRUE => Cell::Boolean(true),
        tag::INTEGER => Cell::Integer(i64::from_le_bytes(*take(rest, 8)?.first_chunk()?)),
        tag::FLOAT => Cell::Float(f64::from_le_bytes(*take(rest, 8)?.first_chunk()?)),
        tag::TEXT => Cell::Text(std::str::from_utf8(long(rest)?).ok()?),
        tag::BYTES => Cell::Bytes(long(rest)?),
        _ => return None,
    })
}

fn long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_u32(rest)?;
    take(rest, length)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_u32(rest: &mut &[u8]) -> Option<usize> {
    take(rest, 4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one cell each.
    fn packed(cells: &[&[u8]]) -> Packed {
        let rows = u32::try_from(cells.len()).expect("few").to_le_bytes();
        Packed([&1_u32.to_le_bytes()[..], &rows, &cells.concat()].concat())
    }

    #[test]
    fn rows_of_several_results_follow_one_another() {
        let seven = [&[tag::INTEGER][..], &7_i64.to_le_bytes()].concat();
        let text = [&[tag::TEXT, 2, 0, 0, 0][..], "ü".as_bytes()].concat();
        let mut rows = PackedRows::default();
        assert_eq!(rows.len(), 0);
        for packed in [packed(&[&seven, &[tag::NULL]]), packed(&[]), packed(&[&text])] {
            rows.add(&packed).expect("whole rows");
        }
        assert_eq!(rows.len(), 3);
        assert_eq!([0, 1, 2].map(|row| rows.cell(row, 0)), [Cell::Integer(7), Cell::Null, Cell::Text("ü")]);
        assert_eq!(rows.raw(0, 0), seven);
        assert_eq!(rows.cell(9, 9), Cell::Null);
    }

    #[test]
    fn bytes_that_are_not_rows_are_refused() {
        let half = packed(&[&[tag::TEXT, 9, 0, 0, 0]]);
        let more = Packed([&packed(&[&[tag::NULL]]).0[..], &[0]].concat());
        for broken in [half, more, packed(&[&[9]]), Packed(vec![1, 0])] {
            assert!(PackedRows::default().add(&broken).is_none());
        }
        let mut rows = PackedRows::default();
        rows.add(&packed(&[&[tag::TRUE]])).expect("a row");
        assert!(rows.add(&Packed([2_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat())).is_none(), "another width");
    }
}
