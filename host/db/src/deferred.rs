//! Queries that wait for the page of their request.

use std::sync::Arc;

use crate::error::{DbError, code};
use crate::page::{Branch, PageRows};
use crate::plan::Plan;
use crate::request::{RequestDb, reading};
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

    /// Runs the deferred query `number`; its rows are called `name` on the page. `Ok(false)` where the request deferred no
    /// query of that number.
    ///
    /// It may be called when the request's own part is over, and then counts against the same budget.
    pub async fn run_deferred(&self, name: &str, number: u32, page: &mut PageRows) -> Result<bool, DbError> {
        let waiting = self.scope.state.deferred.lock().get(number as usize).cloned();
        let Some(Deferred { plan, params }) = waiting else { return Ok(false) };
        let branch = Branch::fetch(&self.scope, plan, vec![params]).await?;
        page.add(name, branch);
        Ok(true)
    }
}
