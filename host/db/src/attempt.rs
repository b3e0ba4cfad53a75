//! How long a statement may take, and how often it may begin again.

use std::time::{Duration, Instant};

use host_core::budget::Exhausted;
use host_core::context::RequestContext;
use host_store::StoreError;

use crate::error::Fault;

/// Times that a unit begins because it and another one were in each other's way. Nothing of it was done then.
const ATTEMPTS: u32 = 4;

/// When a statement that begins now must have ended. Ask once it begins: waiting for a connection takes wall time alone.
pub(crate) fn until(context: &RequestContext) -> Result<Instant, Exhausted> {
    Ok(ends(context, context.budget.db_left()?))
}

fn ends(context: &RequestContext, left: Duration) -> Instant {
    context.deadline.min(Instant::now() + left)
}

/// The time of a write that may have to run again because of its neighbours: it has all of it again then.
#[derive(Debug, Default)]
pub(crate) struct Repeatable(Option<Duration>);

impl Repeatable {
    pub(crate) fn until(&mut self, context: &RequestContext) -> Result<Instant, Exhausted> {
        let left = match self.0 {
            Some(left) => left,
            None => *self.0.insert(context.budget.db_left()?),
        };
        Ok(ends(context, left))
    }
}

/// Counts the attempts at one unit on a server.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// Whether the unit begins again after it ended so. Waits a little first, so that those that met don't meet again at
    /// once; call it without a connection in hand.
    pub(crate) async fn again<T>(&mut self, result: &Result<T, Fault>) -> bool {
        self.0 += 1;
        let again = self.0 < ATTEMPTS && matches!(result, Err(Fault::Store(StoreError::Conflict)));
        if again {
            tokio::time::sleep(Duration::from_millis(3 << self.0)).await;
        }
        again
    }
}
