//! Stopping a statement that runs: by its deadline, by the work it has done, or because nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

use crate::allowance::Crowd;
use crate::error::StoreError;

/// Virtual-machine steps between two looks at the clock: some 20 to 100 µs.
pub(crate) const STEPS: i32 = 1_000;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const NOT: u8 = 0;
const LATE: u8 = 1;
const LONG: u8 = 2;
const UNWANTED: u8 = 3;

/// What the progress handler of one connection looks at.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Nanoseconds since [`START`].
    deadline: AtomicU64,
    /// Looks that are left; negative means that steps don't count.
    looks: AtomicI64,
    /// The job that runs, and the job to stop: a number each, so that a late stop can't hit the next job.
    job: AtomicU64,
    stop: AtomicU64,
    why: AtomicU8,
    /// From when on it is stopped if others wait, in nanoseconds since [`START`]; 0 means never.
    yields: AtomicU64,
    crowd: OnceLock<Arc<Crowd>>,
}

/// How far a statement may go.
#[derive(Debug, Clone, Copy)]
pub struct Until {
    /// When it is stopped with [`StoreError::Timeout`].
    pub deadline: Instant,
    /// After how many thousand virtual-machine steps it is stopped with [`StoreError::NotShort`].
    pub kilosteps: Option<u32>,
}

impl Until {
    /// Only the clock counts.
    pub fn deadline(deadline: Instant) -> Self {
        Self { deadline, kilosteps: None }
    }

    /// For reads on a thread that serves others too: at most `kilosteps` thousand steps.
    pub fn short(deadline: Instant, kilosteps: u32) -> Self {
        Self { deadline, kilosteps: Some(kilosteps) }
    }
}

impl Control {
    pub(crate) fn arm(&self, until: Until) {
        let nanos = until.deadline.saturating_duration_since(*START).as_nanos();
        self.deadline.store(u64::try_from(nanos).unwrap_or(u64::MAX), Relaxed);
        self.looks.store(until.kilosteps.map_or(-1, i64::from), Relaxed);
        self.why.store(NOT, Relaxed);
    }

    /// Says who may wait behind this connection.
    pub(crate) fn serve(&self, crowd: Arc<Crowd>) {
        // A connection serves one queue for its life.
        let _ = self.crowd.set(crowd);
    }

    /// Stops whatever runs from `when` on, if others wait then.
    pub(crate) fn yield_from(&self, when: Option<Instant>) {
        let nanos = when.map_or(0, |when| when.saturating_duration_since(*START).as_nanos());
        self.yields.store(u64::try_from(nanos).unwrap_or(u64::MAX), Relaxed);
    }

    fn is_in_the_way(&self, now: u64) -> bool {
        let yields = self.yields.load(Relaxed);
        yields != 0 && now >= yields && self.crowd.get().is_some_and(|crowd| crowd.waits())
    }

    /// Says that from now on the connection works for job `number`; 0 is none.
    pub(crate) fn begin_job(&self, number: u64) {
        self.job.store(number, Relaxed);
    }

    /// Stops job `number` if it is the one that runs.
    pub(crate) fn stop_job(&self, number: u64) {
        self.stop.store(number, Relaxed);
    }

    /// Called by SQLite every [`STEPS`] steps; `true` interrupts.
    pub(crate) fn look(&self) -> bool {
        let job = self.job.load(Relaxed);
        let why = if job != 0 && self.stop.load(Relaxed) == job {
            UNWANTED
        } else {
            match self.looks.load(Relaxed) {
                0 => LONG,
                looks => {
                    if looks > 0 {
                        self.looks.store(looks - 1, Relaxed);
                    }
                    let now = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    if now >= self.deadline.load(Relaxed) || self.is_in_the_way(now) { LATE } else { NOT }
                }
            }
        };
        self.why.store(why, Relaxed);
        why != NOT
    }

    /// Why the statement was interrupted.
    pub(crate) fn why(&self) -> StoreError {
        match self.why.load(Relaxed) {
            LONG => StoreError::NotShort,
            UNWANTED => StoreError::Cancelled,
            _ => StoreError::Timeout,
        }
    }
}

/// A number for a job, never 0.
pub(crate) fn next_job() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// Makes sure that the clock has begun before the first deadline is set.
pub(crate) fn new() -> Arc<Control> {
    LazyLock::force(&START);
    Arc::new(Control::default())
}
