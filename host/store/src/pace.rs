//! Which statements are slow.
//!
//! A server shares its processors among its connections and knows nothing of apps, and so does this machine among the threads
//! that read from SQLite. One app whose statements all compute takes the processors away from the others. What isn't known to be
//! quick therefore waits for a turn: an app has a few (`slow_statements`), however many connections it may have. What it took
//! before tells whether it is quick; what was never run isn't known to be. Where an app's quick statements make a server compute
//! more than the app's part in sum, and others want theirs, they wait for a turn as well ([`host_core::usage`]).

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use host_core::usage::Usage;

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::owner::Owner;
use crate::server::pool::{Place, Places};
use crate::share::{Keeper, Taker};

/// What has not been run yet.
const UNKNOWN: u32 = u32::MAX;

/// How many runs the average remembers, roughly.
const RUNS: u32 = 8;

/// A statement that takes no longer, the way to the server not counted, is quick.
const QUICK_STATEMENT: Duration = Duration::from_millis(2);

/// The same for all statements of an interactive transaction together.
const QUICK_TRANSACTION: Duration = Duration::from_millis(10);

/// How long something takes at the server, on the average of its latest runs.
#[derive(Debug)]
pub struct Pace {
    average: AtomicU32,
    quick: u32,
}

impl Pace {
    /// A statement's.
    pub fn of_statement() -> Arc<Self> {
        Arc::new(Self { average: AtomicU32::new(UNKNOWN), quick: micros(QUICK_STATEMENT) })
    }

    /// That of an app's interactive transactions, which are quick until they aren't: most are.
    pub(crate) fn of_transactions() -> Self {
        Self { average: AtomicU32::new(0), quick: micros(QUICK_TRANSACTION) }
    }

    /// What the next run is expected to be like.
    pub fn effort(&self) -> Effort {
        if self.average.load(Relaxed) <= self.quick { Effort::Quick } else { Effort::Slow }
    }

    /// A run took so long.
    pub fn took(&self, time: Duration) {
        let (before, now) = (self.average.load(Relaxed), micros(time));
        // Where two end at once, one may go uncounted.
        self.average.store(if before == UNKNOWN { now } else { before - before / RUNS + now / RUNS }, Relaxed);
    }
}

/// What a unit of work is expected to be like for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// It gets a connection as soon as one is free.
    Quick,
    /// It waits for one of its app's turns before.
    Slow,
}

/// An app's turns for what is slow.
pub struct Turns(Arc<Places<Infallible>>);

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl Turns {
    /// So many at once.
    pub(crate) fn new(most: usize, config: &StoreConfig) -> Self {
        Self(Places::new(most, config.max_waiting, Duration::from_millis(config.cursor_idle_ms)))
    }

    /// One of them, where `effort` needs one: for [`crate::Connection::takes`]. Get it before the connection, so that nobody who waits
    /// for one has what the holder of another needs. `keeper` gives it back where the app needs it otherwise.
    ///
    /// Errors: [`StoreError::Busy`] where none was free by `deadline`.
    pub async fn take(
        &self,
        effort: Effort,
        keeper: Option<Weak<dyn Keeper>>,
        deadline: Instant,
    ) -> Result<Turn, StoreError> {
        if effort == Effort::Quick {
            return Ok(Turn(None));
        }
        let taken = self.0.enter(Taker { keeper, ..Taker::host() }, deadline).await;
        let place = taken.map_err(|_| {
            StoreError::Busy(
                "the app's slow statements wait for one another, and there was no turn in time (`slow_statements`)",
            )
        })?;
        let beside = Arc::new(Turns(self.0.others(1)));
        Ok(Turn(Some(Taken { beside, _place: place })))
    }
}

/// One of an app's turns, where it needs one; by default it needs none. Dropped, the next one gets it.
#[derive(Default)]
#[must_use]
pub struct Turn(Option<Taken>);

struct Taken {
    beside: Arc<Turns>,
    _place: Place<Infallible>,
}

impl Turn {
    /// As long as there is this turn: those for what its request does besides, one at a time, which would wait for this one
    /// otherwise.
    pub fn beside(&self) -> Weak<Turns> {
        self.0.as_ref().map(|taken| Arc::downgrade(&taken.beside)).unwrap_or_default()
    }
}

/// The shortest time that anything took lately at a server: the way there and back.
#[derive(Debug)]
pub(crate) struct Floor(AtomicU32);

impl Default for Floor {
    fn default() -> Self {
        Self(AtomicU32::new(UNKNOWN))
    }
}

impl Floor {
    /// How much longer than that `time` is.
    pub(crate) fn beyond(&self, time: Duration) -> Duration {
        let (floor, now) = (self.0.load(Relaxed), micros(time));
        // It rises slowly, since the way may become longer.
        let floor = floor.saturating_add(floor / 1_024 + 1).min(now);
        self.0.store(floor, Relaxed);
        Duration::from_micros((now - floor).into())
    }
}

/// One run of a statement.
#[derive(Debug)]
pub(crate) struct Run {
    began: Instant,
    pace: Option<Arc<Pace>>,
    usage: Option<Arc<Usage>>,
    noted: AtomicBool,
}

impl Run {
    pub(crate) fn begin(pace: Option<&Arc<Pace>>, owner: Option<&Owner>) -> Arc<Self> {
        let usage = owner.map(|owner| owner.usage().clone());
        Arc::new(Self { began: Instant::now(), pace: pace.cloned(), usage, noted: AtomicBool::new(false) })
    }

    /// The server is through with it, or has its first row where others decide when the next ones are taken. Returns how long
    /// that took it, the first time.
    pub(crate) fn end(&self, floor: &Floor) -> Duration {
        if self.noted.swap(true, Relaxed) {
            return Duration::ZERO;
        }
        let time = floor.beyond(self.began.elapsed());
        if let Some(pace) = &self.pace {
            pace.took(time);
        }
        if let Some(usage) = &self.usage {
            usage.charge(time);
        }
        time
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(UNKNOWN).min(UNKNOWN - 1)
}

#[cfg(test)]
mod tests {
    use host_core::name::AppId;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_was_never_run_is_slow_and_one_long_run_among_many_changes_nothing() {
        let pace = Pace::of_statement();
        assert_eq!(pace.effort(), Effort::Slow);
        pace.took(MS);
        assert_eq!(pace.effort(), Effort::Quick);
        pace.took(8 * MS);
        assert_eq!(pace.effort(), Effort::Quick);
        pace.took(Duration::MAX);
        assert_eq!(pace.effort(), Effort::Slow);
        for _ in 0..200 {
            pace.took(Duration::ZERO);
        }
        assert_eq!(pace.effort(), Effort::Quick);
    }

    #[test]
    fn the_way_to_the_server_does_not_count() {
        let floor = Floor::default();
        assert_eq!(floor.beyond(30 * MS), Duration::ZERO);
        assert!(floor.beyond(33 * MS) < 3 * MS);
        assert_eq!(floor.beyond(MS), Duration::ZERO);
        assert!(floor.beyond(9 * MS) > 7 * MS);
        for _ in 0..5_000 {
            floor.beyond(20 * MS);
        }
        assert_eq!(floor.beyond(20 * MS), Duration::ZERO, "the way has become longer");
    }

    #[test]
    fn what_runs_is_its_apps() {
        let presence = Arc::default();
        let owner = |app, lane| Owner::new(AppId::new(app).expect("a name"), lane, &StoreConfig::default(), &presence);
        let (greedy, modest) = (owner("greedy", 1), owner("modest", 2));
        let floor = Floor::default();
        floor.beyond(Duration::ZERO);
        let ran = |owner: &Owner, before: Duration| {
            let run = Run::begin(None, Some(owner));
            let run = Arc::into_inner(run).map(|run| Run { began: run.began - before, ..run });
            run.expect("it has one owner").end(&floor);
        };
        ran(&greedy, 10_000 * MS);
        assert_eq!(greedy.effort(Effort::Quick), Effort::Quick, "nobody else is there");
        ran(&modest, Duration::ZERO);
        assert_eq!(greedy.effort(Effort::Quick), Effort::Slow);
        assert_eq!(modest.effort(Effort::Quick), Effort::Quick);
        assert_eq!(modest.effort(Effort::Slow), Effort::Slow);
    }

    #[test]
    fn a_run_is_noted_once() {
        let (pace, floor) = (Pace::of_statement(), Floor::default());
        let run = Run::begin(Some(&pace), None);
        run.end(&floor);
        assert_eq!(pace.effort(), Effort::Quick);
        pace.took(Duration::MAX);
        assert_eq!(run.end(&floor), Duration::ZERO);
        assert_eq!(pace.effort(), Effort::Slow);
    }
}
