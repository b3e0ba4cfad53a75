//! Queries that run when a page is made: their rows become JSON for the template, without crossing into the app.

use std::sync::Arc;

use crate::error::{DbError, code};
use crate::json::{Row, Writer};
use crate::plan::Plan;
use crate::request::{RequestDb, reading};
use crate::result::Packed;
use crate::types::Param;

/// Deferred queries of one request: a page has a handful of lists.
const MAX_DEFERRED: usize = 16;

/// A query that waits for its page.
#[derive(Debug, Clone)]
pub(crate) struct Deferred {
    plan: Arc<Plan>,
    params: Vec<Param>,
}

impl RequestDb {
    /// Keeps a `select` for the page and returns its number. What is wrong with it is told here, not on the page.
    pub fn defer(&self, shape: &[u8], params: Vec<Param>) -> Result<u32, DbError> {
        let plan = self.scope.planned(shape, &params)?;
        if reading(&plan)?.names.is_empty() {
            return Err(DbError::new(code::INVALID_SHAPE, "a page takes rows: defer a `select`"));
        }
        let mut deferred = self.scope.state.deferred.lock();
        if deferred.len() >= MAX_DEFERRED {
            let problem = format!("a request defers at most {MAX_DEFERRED} queries");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("limit", MAX_DEFERRED));
        }
        deferred.push(Deferred { plan, params });
        Ok(u32::try_from(deferred.len() - 1).unwrap_or(u32::MAX))
    }

    /// Runs the deferred query `number` and writes its rows as a JSON array of objects: fields by their names, those of
    /// related rows in objects of their own. `Ok(false)` where the request deferred no query of that number.
    ///
    /// It may be called when the request's own part is over, and then counts against the same budget.
    pub async fn write_deferred(&self, number: u32, out: &mut Vec<u8>) -> Result<bool, DbError> {
        let waiting = self.scope.state.deferred.lock().get(number as usize).cloned();
        let Some(Deferred { plan, params }) = waiting else { return Ok(false) };
        let rows: Packed = self.scope.fetch_planned(plan.clone(), params).await?;
        let row = Row::of(&reading(&plan)?.names);
        // What is packed was packed by this crate; a gap in it is a mistake of its own.
        let written = Writer::new(&rows.0).and_then(|mut cells| cells.rows(&row, out));
        written.ok_or_else(|| DbError::new(code::INTERNAL, "packed rows that end within a cell"))?;
        Ok(true)
    }
}
