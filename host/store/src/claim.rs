//! Work that waits for a thread: who may still take it back.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::control::{self, Control};
use crate::error::StoreError;

const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const TAKEN_BACK: u8 = 2;

/// Shared by the request that waits and the thread that works. Exactly one of "it began" and "it was taken back" happens,
/// so whoever gets `busy` knows that nothing was done.
#[derive(Debug)]
pub(crate) struct Claim {
    state: AtomicU8,
    number: u64,
    on: OnceLock<Arc<Control>>,
}

impl Claim {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(WAITING), number: control::next_job(), on: OnceLock::new() })
    }

    /// The thread begins, unless it was taken back.
    pub(crate) fn begin(&self) -> bool {
        self.state.compare_exchange(WAITING, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// As [`Claim::begin`], and whoever loses interest may stop the connection that works on it.
    pub(crate) fn begin_stoppable(&self, control: &Arc<Control>) -> bool {
        control.begin_job(self.number);
        // Set before the state changes: who sees "running" must find the connection.
        let _ = self.on.set(control.clone());
        self.begin()
    }

    /// Whether it hasn't begun.
    pub(crate) fn waits(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Takes it back, unless it began.
    pub(crate) fn take_back(&self) -> bool {
        self.state.compare_exchange(WAITING, TAKEN_BACK, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Takes the work back, or stops it where it may be stopped, when the future that waits for it is dropped.
struct Interest(Arc<Claim>);

impl Drop for Interest {
    fn drop(&mut self) {
        if !self.0.take_back()
            && let Some(control) = self.0.on.get()
        {
            control.stop_job(self.0.number);
        }
    }
}

/// Waits for the answer, for its beginning only until `deadline`; `why_late` says what was in the way then.
pub(crate) async fn answer<T, E: From<StoreError>>(
    claim: Arc<Claim>,
    mut answer: oneshot::Receiver<Result<T, E>>,
    deadline: Instant,
    why_late: impl FnOnce() -> StoreError,
) -> Result<T, E> {
    let interest = Interest(claim);
    let lost = || E::from(StoreError::Internal("the database thread gave no answer".into()));
    match tokio::time::timeout_at(deadline.into(), &mut answer).await {
        Ok(result) => result.unwrap_or_else(|_| Err(lost())),
        Err(_) if interest.0.take_back() => Err(why_late().into()),
        // It runs, under a deadline of its own: wait for what came of it.
        Err(_) => answer.await.unwrap_or_else(|_| Err(lost())),
    }
}
