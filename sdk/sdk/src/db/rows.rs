//! Reading the rows that the host sends.

use core::any::Any;
use std::rc::Rc;

use super::key::{Key, RawKey};
use super::model::Model;
use super::{Rows, Value, scope};
use crate::error::{Error, Result};

/// One value of a row, borrowed from what the host sent.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the cases are those of the contract's `value`")]
pub enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Boolean(v) => Cell::Boolean(*v),
            Value::Integer(v) => Cell::Integer(*v),
            Value::Float(v) => Cell::Float(*v),
            Value::Text(v) => Cell::Text(v),
            Value::Bytes(v) => Cell::Bytes(v),
        }
    }
}

/// A cell that isn't of the field's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit;

/// What all cells of one column share.
#[derive(Default)]
pub struct Column {
    /// The peers of a relation.
    pub(crate) shared: Option<Rc<dyn Any>>,
    /// The set that the rows are whose key this is; 0 for none.
    pub(crate) set: u32,
}

/// Where the cells come from.
enum Source<'a> {
    Packed(&'a [u8]),
    Typed(std::slice::Iter<'a, Value>),
}

/// Hands a row's cells to the model, one field after the other.
pub struct Reader<'a> {
    model: &'static str,
    source: Source<'a>,
    columns: Vec<Column>,
    at: usize,
    rows: usize,
    /// Cells of a row before those of the model.
    lead: usize,
}

impl<'a> Reader<'a> {
    /// Over what `fetch-packed` answered, for rows of `width` cells.
    pub(crate) fn packed(model: &'static str, width: usize, bytes: &'a [u8]) -> Result<Self> {
        let mut rest = bytes;
        let (Some(found), Some(rows)) = (take_u32(&mut rest), take_u32(&mut rest)) else {
            return Err(broken(model, "the result has no header"));
        };
        Self::new(model, width, found, rows, Source::Packed(rest))
    }

    /// Over the typed rows of an outcome.
    pub(crate) fn typed(model: &'static str, width: usize, rows: &'a Rows) -> Result<Self> {
        let found = rows.width as usize;
        let count = rows.cells.len().checked_div(found).unwrap_or(0);
        Self::new(model, width, found, count, Source::Typed(rows.cells.iter()))
    }

    fn new(model: &'static str, width: usize, found: usize, rows: usize, source: Source<'a>) -> Result<Self> {
        if rows > 0 && found != width {
            return Err(broken(
                model,
                &format!("rows of {found} cells came where the model has {width} fields; was it migrated?"),
            ));
        }
        Ok(Self { model, source, columns: Vec::new(), at: 0, rows, lead: 0 })
    }

    /// Over one row that was read before, without the cells before it.
    pub(crate) fn again(model: &'static str, row: &'a [u8], lead: usize) -> Self {
        Self { model, source: Source::Packed(row), columns: Vec::new(), at: lead, rows: 0, lead }
    }

    /// With what the columns of other rows share.
    pub(crate) fn share(&mut self, columns: Vec<Column>, lead: usize) {
        self.columns = columns;
        self.lead = lead;
    }

    pub(crate) fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// The rows are a set, if there are several: what belongs to one is loaded for all. Returns the set's number, 0 for none.
    pub(crate) fn begin_set(&mut self, model: &'static str) -> u32 {
        let set = if self.rows > 1 { scope::new_set(model) } else { 0 };
        self.of_set(set);
        set
    }

    pub(crate) fn is_a_set<M: Model>(&mut self) {
        self.begin_set(M::NAME);
    }

    /// The rows are those of this set.
    pub(crate) fn of_set(&mut self, set: u32) {
        let key = self.lead;
        self.column(key).set = set;
    }

    /// Notes which rows are in the set.
    pub(crate) fn keep_keys<'m, M: Model>(&mut self, rows: impl Iterator<Item = &'m M>) {
        let key = self.lead;
        match self.column(key).set {
            0 => {}
            set => scope::keep_keys(set, rows.map(|row| row.pk().raw())),
        }
    }

    /// The set of the row that comes next, where the rows are of several models; it is made where there is none and the first are one.
    pub(crate) fn next_set<M: Model>(&mut self) -> u32 {
        let (first, at) = (self.lead, self.at);
        if self.column(first).set != 0 && self.column(at).set == 0 {
            self.column(at).set = scope::new_set(M::NAME);
        }
        self.column(at).set
    }

    pub(crate) fn column(&mut self, at: usize) -> &mut Column {
        if self.columns.len() <= at {
            self.columns.resize_with(at + 1, Column::default);
        }
        &mut self.columns[at]
    }

    /// How many rows to make room for. A row takes a byte at least, so a wrong count can't reserve more than was sent.
    pub(crate) fn capacity(&self) -> usize {
        let most = match &self.source {
            Source::Packed(rest) => rest.len(),
            Source::Typed(cells) => cells.len(),
        };
        self.rows.min(most)
    }

    /// The next cell's content, without taking it.
    pub(crate) fn peek(&self) -> Option<Cell<'a>> {
        match &self.source {
            Source::Packed(rest) => take_cell(&mut { *rest }),
            Source::Typed(cells) => cells.clone().next().map(Cell::from),
        }
    }

    /// The key in the cell at `column` of the current row, of which nothing was taken yet.
    pub(crate) fn peek_key(&self, column: usize) -> Result<RawKey> {
        let cell = match &self.source {
            Source::Packed(rest) => {
                let mut rest = *rest;
                let mut cell = take_cell(&mut rest);
                for _ in 0..column {
                    cell = take_cell(&mut rest);
                }
                cell
            }
            Source::Typed(cells) => cells.clone().nth(column).map(Cell::from),
        };
        cell.and_then(RawKey::of_cell)
            .ok_or_else(|| broken(self.model, "a row came without the key that it was asked by"))
    }

    /// Leaves out cells of the current row.
    pub(crate) fn skip(&mut self, cells: usize) {
        for _ in 0..cells {
            match &mut self.source {
                Source::Packed(rest) => {
                    take_cell(rest);
                }
                Source::Typed(cells) => {
                    cells.next();
                }
            }
        }
        self.at += cells;
    }

    /// How far into the result, whose bytes are these, the next cell is.
    pub(crate) fn position(&self, bytes: &[u8]) -> usize {
        match &self.source {
            Source::Packed(rest) => bytes.len().saturating_sub(rest.len()),
            Source::Typed(_) => 0,
        }
    }

    /// The next row as a model.
    pub(crate) fn next_row<M: Model>(&mut self) -> Result<Option<M>> {
        if self.begin_row() { M::read(self).map(Some) } else { Ok(None) }
    }

    /// Whether there is another row, whose cells come next.
    pub(crate) fn begin_row(&mut self) -> bool {
        let more = self.rows > 0;
        self.rows = self.rows.saturating_sub(1);
        self.at = 0;
        more
    }

    /// The next cell of the current row, for the field `field`.
    pub fn field<T: super::Kind>(&mut self, field: &'static str) -> Result<T> {
        let cell = match &mut self.source {
            Source::Packed(rest) => take_cell(rest),
            Source::Typed(cells) => cells.next().map(Cell::from),
        };
        let Some(cell) = cell else {
            return Err(broken(self.model, "the result ends within a row"));
        };
        let at = self.at;
        self.at += 1;
        T::from_cell(cell, self.column(at)).map_err(|Misfit| misfit(self.model, field, cell))
    }
}

/// Lines of text, one in each row.
pub(crate) fn packed_texts(model: &'static str, bytes: &[u8]) -> Result<String> {
    let mut reader = Reader::packed(model, 1, bytes)?;
    let mut lines = String::new();
    while reader.begin_row() {
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(&reader.field::<String>("a line")?);
    }
    Ok(lines)
}

#[cold]
fn misfit(model: &str, field: &str, cell: Cell<'_>) -> Error {
    let what = match cell {
        Cell::Null => "as NULL, which its type doesn't allow",
        _ => "with a value that isn't of its kind",
    };
    broken(model, &format!("field `{field}` came {what}"))
}

/// A count, which a whole result starts with.
pub(crate) fn packed_number(bytes: &[u8]) -> Option<i64> {
    let mut rest = bytes;
    let (width, rows) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
    match (width, rows, take_cell(&mut rest)?) {
        (1, 1, Cell::Integer(number)) => Some(number),
        (1, 1, Cell::Boolean(yes)) => Some(yes.into()),
        _ => None,
    }
}

fn broken(model: &str, problem: &str) -> Error {
    Error::internal(format!("reading `{model}`: {problem}"))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N)?.try_into().ok()
}

fn take_u32(rest: &mut &[u8]) -> Option<usize> {
    take_array(rest).map(|bytes| u32::from_le_bytes(bytes) as usize)
}

fn take_cell<'a>(rest: &mut &'a [u8]) -> Option<Cell<'a>> {
    Some(match take(rest, 1)?[0] {
        0 => Cell::Null,
        1 => Cell::Boolean(false),
        2 => Cell::Boolean(true),
        3 => Cell::Integer(i64::from_le_bytes(take_array(rest)?)),
        4 => Cell::Float(f64::from_le_bytes(take_array(rest)?)),
        5 => {
            let len = take_u32(rest)?;
            Cell::Text(core::str::from_utf8(take(rest, len)?).ok()?)
        }
        6 => {
            let len = take_u32(rest)?;
            Cell::Bytes(take(rest, len)?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(width: u32, rows: u32, cells: &[u8]) -> Vec<u8> {
        [&width.to_le_bytes()[..], &rows.to_le_bytes(), cells].concat()
    }

    #[test]
    fn every_kind_of_cell_is_read() {
        let mut cells = vec![0, 1, 2, 3];
        cells.extend((-5_i64).to_le_bytes());
        cells.push(4);
        cells.extend(1.5_f64.to_le_bytes());
        cells.extend([5, 2, 0, 0, 0]);
        cells.extend("ü".as_bytes());
        cells.extend([6, 1, 0, 0, 0, 0xff]);
        let bytes = packed(7, 1, &cells);
        let mut reader = Reader::packed("thing", 7, &bytes).expect("a result");
        assert_eq!(reader.field::<Option<i32>>("a").expect("null"), None);
        assert!(!reader.field::<bool>("b").expect("false"));
        assert!(reader.field::<bool>("c").expect("true"));
        assert_eq!(reader.field::<i32>("d").expect("a number"), -5);
        assert!((reader.field::<f64>("e").expect("a float") - 1.5).abs() < f64::EPSILON);
        assert_eq!(reader.field::<String>("f").expect("a text"), "ü");
        assert_eq!(reader.field::<Vec<u8>>("g").expect("bytes"), [0xff]);
        assert!(reader.field::<i32>("h").is_err());
    }

    #[test]
    fn broken_results_are_errors() {
        let huge = [5, 0xff, 0xff, 0xff, 0xff];
        for cells in [&[9][..], &[3, 1, 2], &huge, &[5, 1, 0, 0, 0, 0xff], &[]] {
            let bytes = packed(1, 1, cells);
            let mut reader = Reader::packed("thing", 1, &bytes).expect("a header");
            assert!(reader.field::<String>("a").is_err());
        }
        assert!(Reader::packed("thing", 1, &[1, 0, 0]).is_err());
        assert!(Reader::packed("thing", 2, &packed(1, 1, &[0])).is_err());
        assert!(Reader::packed("thing", 2, &packed(0, 0, &[])).is_ok());
        assert_eq!(packed_number(&packed(1, 1, &[2])), Some(1));
        assert_eq!(packed_number(&packed(2, 1, &[2, 2])), None);
    }

    #[test]
    fn a_number_too_large_for_its_field_is_an_error() {
        let mut cells = vec![3];
        cells.extend(i64::MAX.to_le_bytes());
        let bytes = packed(1, 1, &cells);
        let error = Reader::packed("thing", 1, &bytes).expect("a header").field::<i32>("a").expect_err("too large");
        assert!(error.to_string().contains("field `a`"), "{error}");
    }
}
