//! What becomes of the rows of a statement that an app wrote.

use std::sync::Arc;

use host_store::{Cells, Datum};

use super::{Cell, Table, wrong};
use crate::catalog::Catalog;
use crate::error::{DbError, Fault};
use crate::plan;
use crate::result::to_value;
use crate::run::Allowance;
use crate::types::Rows;

/// Takes a result: first the columns' names, then row by row.
pub(super) trait Gather: Send + 'static {
    fn head(&mut self, names: Vec<String>) -> Result<(), DbError>;
    fn row(&mut self, row: &Cells<'_>, allowance: &mut Allowance) -> Result<(), Fault>;
}

/// All columns as they are.
#[derive(Default)]
pub(super) struct Plain {
    columns: Vec<String>,
    cells: Vec<Cell>,
}

impl Plain {
    pub(super) fn table(self) -> Table {
        Table { columns: self.columns, cells: self.cells }
    }
}

impl Gather for Plain {
    fn head(&mut self, names: Vec<String>) -> Result<(), DbError> {
        self.columns = names;
        Ok(())
    }

    fn row(&mut self, row: &Cells<'_>, allowance: &mut Allowance) -> Result<(), Fault> {
        allowance.one_row()?;
        for at in 0..self.columns.len() {
            let datum = row.get(at)?;
            allowance.room_for(16 + datum.content())?;
            self.cells.push(cell(datum));
        }
        Ok(())
    }
}

fn cell(datum: Datum<'_>) -> Cell {
    // Text was UTF-8 when it came in; a file that was tampered with is shown, not trusted.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match datum {
        Datum::Null => Cell::Null,
        Datum::Boolean(truth) => Cell::Boolean(truth),
        Datum::Integer(number) => Cell::Integer(number),
        Datum::Real(number) => Cell::Float(number),
        Datum::Text(bytes) => Cell::Text(text(bytes)),
        Datum::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        Datum::Date(days) => Cell::Date(days),
        Datum::Time(micros) => Cell::Time(micros),
        Datum::DateTime(micros) => Cell::Datetime(micros),
        Datum::Decimal(number) => Cell::Decimal(number.to_string()),
        Datum::Uuid(bytes) => Cell::Uuid(bytes.to_vec()),
        Datum::Json(bytes) => Cell::Json(text(bytes)),
    }
}

/// Rows of a model, its fields in the manifest's order.
pub(super) struct OfModel {
    catalog: Arc<Catalog>,
    table: usize,
    /// For each field, where it stands in the result and how it is read.
    picks: Vec<(usize, plan::Cell)>,
    rows: Rows,
}

impl OfModel {
    pub(super) fn new(catalog: Arc<Catalog>, table: usize) -> Self {
        let width = catalog.tables[table].shown;
        let rows = Rows { width: u32::try_from(width).unwrap_or(u32::MAX), cells: Vec::new() };
        Self { catalog, table, picks: Vec::new(), rows }
    }

    pub(super) fn rows(self) -> Rows {
        self.rows
    }
}

impl Gather for OfModel {
    fn head(&mut self, names: Vec<String>) -> Result<(), DbError> {
        let table = &self.catalog.tables[self.table];
        let pick = |column: &crate::catalog::Column| {
            let at = names.iter().position(|name| *name == column.name).ok_or_else(|| {
                let problem = format!(
                    "the result has no column `{}`; a row of `{}` needs all of its columns: `SELECT {}.* …`",
                    column.name, table.model, table.name
                );
                wrong(problem).with("model", &table.model).with("field", &column.field)
            })?;
            Ok((at, plan::Cell::of(column.kind)))
        };
        self.picks = table.fields().iter().map(pick).collect::<Result<_, DbError>>()?;
        Ok(())
    }

    fn row(&mut self, row: &Cells<'_>, allowance: &mut Allowance) -> Result<(), Fault> {
        allowance.one_row()?;
        for (at, how) in &self.picks {
            let datum = row.get(*at)?;
            allowance.room_for(16 + datum.content())?;
            self.rows.cells.push(to_value(datum, *how)?);
        }
        Ok(())
    }
}
