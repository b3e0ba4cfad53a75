//! SQLite's write-ahead log: carried over into the database between commits, and kept from growing without end.
//!
//! The log begins anew only when all of it was carried over and nobody reads from it any more. One read after the other, each
//! begun before the last one ended, could put that off for ever. So past a size no read of the reading threads begins, and
//! cursors that nobody reads from give their threads back, until those under way have ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::fair::FairQueue;
use crate::readers::Job;
use crate::session::Session;

/// Pages in the log from which on they are carried over: SQLite's own number.
const CARRY_OVER: u32 = 1_000;

/// Time between two attempts while readers are held back.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(5);

/// Time for which nobody may have read, and the log still not begun anew, before that is taken for another program's doing. A
/// read may have ended just after an attempt, and short reads elsewhere come and go.
const SURE: Duration = Duration::from_millis(100);

/// Time after which readers are held back again, where it didn't help because another program reads.
const IN_VAIN: Duration = Duration::from_secs(60);

/// Pages in the log after the latest commit, as SQLite counts them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages(Arc<AtomicU32>);

impl Pages {
    pub(crate) fn set(&self, pages: i32) {
        self.0.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the writer knows of its log.
pub(crate) struct Log {
    readers: Arc<FairQueue<Job>>,
    database: PathBuf,
    limit: u64,
    holding: bool,
    failing: bool,
    unused_since: Option<Instant>,
    not_before: Instant,
}

impl Log {
    /// The log of a database that may have so many bytes before readers are held back.
    pub(crate) fn new(readers: Arc<FairQueue<Job>>, database: PathBuf, limit: u64) -> Self {
        Self {
            readers,
            database,
            limit,
            holding: false,
            failing: false,
            unused_since: None,
            not_before: Instant::now(),
        }
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
                    tracing::error!("{}", held_up(&self.database, u64::from(pages) * session.page_bytes(), &error));
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
            if !self.readers.is_unused() {
                self.unused_since = None;
            } else if self.unused_since.get_or_insert_with(Instant::now).elapsed() >= SURE {
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
        if !holding {
            self.unused_since = None;
        }
    }
}

/// What to tell an operator whose database can't take in its log, in which so many bytes are.
fn held_up(database: &Path, bytes: u64, error: &StoreError) -> String {
    let path = database.display();
    let what = format!("{path}-wal can't be carried over into {path}, and grows until it can: {error}");
    match error {
        // Pages that the file has already take no room, so it may be less.
        StoreError::Full => format!("{what}; by now it needs about {} MiB free at {path}", bytes.div_ceil(1 << 20)),
        _ => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_told_which_file_needs_how_much_room() {
        let path = Path::new("data/site.db");
        for (bytes, error, expected) in [
            (
                (4 << 20) + 1,
                StoreError::Full,
                "data/site.db-wal can't be carried over into data/site.db, and grows until it can: the disk is full; by now \
                 it needs about 5 MiB free at data/site.db",
            ),
            (
                1,
                StoreError::Internal("disk I/O error".into()),
                "data/site.db-wal can't be carried over into data/site.db, and grows until it can: database: disk I/O error",
            ),
        ] {
            assert_eq!(held_up(path, bytes, &error), expected);
        }
    }
}
