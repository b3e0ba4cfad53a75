//! SQLite's write-ahead log: carried over into the database between commits, and kept from growing without end.
//!
//! The log begins anew only when all of it was carried over and nobody reads from it any more. One read after the other, each
//! begun before the last one ended, could put that off for ever. So past a size no read of the reading threads begins, and
//! cursors that nobody reads from give their threads back, until those under way have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::fair::FairQueue;
use crate::readers::Job;
use crate::session::Session;

/// Pages in the log from which on they are carried over: SQLite's own number.
const CARRY_OVER: u32 = 1_000;

/// Time between two attempts while readers are held back.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(5);

/// Time after which readers are held back again, where it didn't help because another program reads.
const IN_VAIN: Duration = Duration::from_secs(60);

/// Pages in the log after the latest commit, as SQLite counts them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages(Arc<AtomicU32>);

impl Pages {
    pub(crate) fn set(&self, pages: i32) {
        self.0.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the writer knows of its log.
pub(crate) struct Log {
    readers: Arc<FairQueue<Job>>,
    limit: u64,
    holding: bool,
    failing: bool,
    not_before: Instant,
}

impl Log {
    /// A log that may have so many bytes before readers are held back.
    pub(crate) fn new(readers: Arc<FairQueue<Job>>, limit: u64) -> Self {
        Self { readers, limit, holding: false, failing: false, not_before: Instant::now() }
    }

    /// Whether readers are held back, so that it has to be looked after even while nobody writes.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding
    }

    /// Carries over what is due. Call it outside of any transaction, after those who wait for the commit have their answers.
    pub(crate) fn tidy(&mut self, session: &mut Session) {
        // Where the disk is full the log can't grow, but it may begin anew.
        let full = session.take_full();
        let pages = session.log_pages().get();
        if pages < CARRY_OVER && !full && !self.holding {
            return;
        }
        let rest = match session.carry_over() {
            Ok(rest) => rest,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the log can't be carried over into the database; it grows until it can");
                }
                // Readers aren't what is in its way.
                self.hold(false);
                return;
            }
        };
        self.failing = false;
        if rest == 0 {
            // The next commit begins at the log's start.
            session.log_pages().set(0);
            self.hold(false);
        } else if u64::from(pages) * session.page_bytes() > self.limit && Instant::now() >= self.not_before {
            // Once more on each attempt: those that were in use may be idle now.
            self.hold(true);
            if self.readers.is_unused() {
                tracing::warn!(
                    pages,
                    "the log can't begin anew although no app reads: does another program, a backup or the measuring for `storage_bytes`?"
                );
                self.not_before = Instant::now() + IN_VAIN;
                self.hold(false);
            }
        }
    }

    fn hold(&mut self, holding: bool) {
        if holding || self.holding {
            self.readers.hold(holding);
        }
        self.holding = holding;
    }
}
