//! What an app's tables take of the disk, and what they may.
//!
//! The size is measured by a thread of its own, now and then; in between, what the app writes is added to it by its length. So
//! nobody waits for a measurement, and what is noticed late is what indexes and half-empty pages add to the values.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use host_core::quota::UsedUp;
use parking_lot::Mutex;

use crate::control::Until;
use crate::datum::{Cells, Datum, Type};
use crate::error::StoreError;
use crate::owner::{Owner, Statement};
use crate::server::Server;
use crate::server::target::ServerKind;
use crate::sqlite::Sqlite;
use crate::{Backend, Store};

/// Time between two looks at what is to be measured.
const TICK: Duration = Duration::from_millis(100);

/// Time after which an app that has written is measured again, however little it wrote.
const AT_LATEST: Duration = Duration::from_secs(1);

/// A measurement that takes long isn't repeated before so many times its own duration.
const PAUSE: u32 = 20;

/// Time for which MariaDB's numbers, which it brings up to date when it likes, don't make what was written count less.
const STALE: Duration = Duration::from_secs(30);

/// Time after which one that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// The most time that measuring one app may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of one app's size.
#[derive(Debug)]
pub(crate) struct Storage {
    /// `u64::MAX` where nothing is bounded.
    limit: AtomicU64,
    measured: AtomicU64,
    /// Bytes written since.
    since: AtomicU64,
    /// When it was measured last, and how long that took.
    last: Mutex<Option<(Instant, Duration)>>,
    /// When it couldn't be measured, where it couldn't be since.
    failed: Mutex<Option<Instant>>,
}

impl Default for Storage {
    fn default() -> Self {
        let none = || AtomicU64::new(0);
        Self {
            limit: AtomicU64::new(u64::MAX),
            measured: none(),
            since: none(),
            last: Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

impl Storage {
    pub(crate) fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn is_bounded(&self) -> bool {
        self.limit.load(Relaxed) != u64::MAX
    }

    /// Counts what is about to be written, unless there is no room for it.
    pub(crate) fn grow(&self, bytes: u64) -> Result<(), UsedUp> {
        let limit = self.limit.load(Relaxed);
        if limit == u64::MAX {
            return Ok(());
        }
        let used = self.measured.load(Relaxed).saturating_add(self.since.load(Relaxed));
        if used.saturating_add(bytes) > limit {
            return Err(UsedUp { key: "storage_bytes", limit, after: None });
        }
        self.since.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Counts what was written beyond that.
    pub(crate) fn grew(&self, bytes: u64) {
        if self.is_bounded() {
            self.since.fetch_add(bytes, Relaxed);
        }
    }

    /// Says that something was written which may have made it smaller.
    pub(crate) fn touch(&self) {
        if self.is_bounded() {
            self.since.fetch_add(1, Relaxed);
        }
    }

    fn is_due(&self) -> bool {
        if !self.is_bounded() || self.failed.lock().is_some_and(|at| at.elapsed() < AGAIN) {
            return false;
        }
        let Some((at, took)) = *self.last.lock() else { return true };
        let (since, ago) = (self.since.load(Relaxed), at.elapsed());
        let much = since > self.limit.load(Relaxed) / 64 || self.measured.load(Relaxed) >= self.limit.load(Relaxed);
        since > 0 && (much || ago >= AT_LATEST) && ago >= took * PAUSE
    }

    /// It couldn't be measured. Returns whether that is news.
    fn put_off(&self) -> bool {
        self.failed.lock().replace(Instant::now()).is_none()
    }

    fn settle(&self, began: Instant, before: u64, bytes: u64, stale: bool) {
        *self.failed.lock() = None;
        let changed = self.measured.swap(bytes, Relaxed) != bytes;
        let mut last = self.last.lock();
        let old = last.is_none_or(|(at, _)| at.elapsed() >= STALE);
        if !stale || changed || old {
            // What was written meanwhile may not be in it.
            let _ = self.since.fetch_update(Relaxed, Relaxed, |since| Some(since.saturating_sub(before)));
            *last = Some((Instant::now(), began.elapsed()));
        }
    }
}

/// Measures the apps of a store that have a quota, for as long as there is the store.
pub(crate) fn start(store: &Arc<Store>, started: &AtomicBool) {
    if started.swap(true, Relaxed) {
        return;
    }
    let store = Arc::downgrade(store);
    let thread = std::thread::Builder::new().name("db-measure".into()).spawn(move || serve(&store));
    if let Err(error) = thread {
        tracing::error!(%error, "starting the thread that measures tables failed: `storage_bytes` counts what is written alone");
    }
}

fn serve(store: &Weak<Store>) {
    loop {
        std::thread::sleep(TICK);
        let Some(store) = store.upgrade() else { return };
        for owner in store.owners() {
            if owner.storage().is_due()
                && let Err(error) = measure(&store, &owner)
                && owner.storage().put_off()
            {
                tracing::error!(app = %owner.app(), %error, "its tables can't be measured: `storage_bytes` counts what it writes until they can");
            }
        }
    }
}

/// How large the tables of an app are, indexes included.
fn measure(store: &Store, owner: &Arc<Owner>) -> Result<(), StoreError> {
    let storage = owner.storage();
    let (began, before) = (Instant::now(), storage.since.load(Relaxed));
    let (bytes, stale) = match store.backend() {
        Backend::Sqlite(sqlite) => (on_sqlite(sqlite, owner)?, false),
        Backend::Server(server) => (on_server(server, owner)?, server.kind() == ServerKind::Mariadb),
    };
    storage.settle(began, before, bytes, stale);
    Ok(())
}

/// A number of bytes for the table whose name is the only value.
fn question(sql: &'static str) -> Statement {
    Statement::of_host(sql).taking([Type::Text])
}

static SQLITE: LazyLock<Statement> = LazyLock::new(|| {
    // The pages of each tree, that of the table and those of its indexes.
    question(
        "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)",
    )
});

static POSTGRES: LazyLock<Statement> =
    LazyLock::new(|| question("SELECT pg_total_relation_size(to_regclass(quote_ident($1)))"));

static MARIADB: LazyLock<Statement> = LazyLock::new(|| {
    question(
        "SELECT CAST(data_length + index_length AS SIGNED) FROM information_schema.tables \
         WHERE table_schema = database() AND table_name = ?",
    )
});

fn add(total: &mut u64, row: &Cells<'_>) -> Result<(), StoreError> {
    if let Datum::Integer(bytes) = row.get(0)? {
        *total = total.saturating_add(u64::try_from(bytes).unwrap_or(0));
    }
    Ok(())
}

fn on_sqlite(sqlite: &Sqlite, owner: &Owner) -> Result<u64, StoreError> {
    let until = Until::deadline(Instant::now() + PATIENCE);
    let mut session = sqlite.another()?;
    let mut total = 0;
    for table in owner.tables() {
        session.run(&SQLITE, until, [Datum::Text(table.as_bytes())], |row| add(&mut total, row))?;
    }
    Ok(total)
}

fn on_server(server: &Server, owner: &Owner) -> Result<u64, StoreError> {
    let tables = owner.tables();
    let question: &'static Statement = match server.kind() {
        ServerKind::Postgres => &POSTGRES,
        ServerKind::Mariadb => &MARIADB,
    };
    let connection = server.connecting_as_host(Instant::now() + PATIENCE);
    server.blocking(async move {
        let (mut connection, mut total) = (connection.await?, 0);
        for table in tables {
            connection.run(question, &[Datum::Text(table.as_bytes())], |row| add(&mut total, row)).await?;
        }
        Ok(total)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_counts_until_it_is_measured() {
        let storage = Storage::default();
        assert_eq!(storage.grow(u64::MAX), Ok(()), "nothing is bounded");
        storage.set_limit(Some(1_000));
        assert_eq!(storage.grow(600), Ok(()));
        let full = storage.grow(600).expect_err("no room");
        assert_eq!((full.key, full.limit, full.after), ("storage_bytes", 1_000, None));
        storage.settle(Instant::now(), 600, 700, false);
        assert_eq!(storage.grow(300), Ok(()));
        assert!(storage.grow(1).is_err());
        storage.settle(Instant::now(), 300, 200, false);
        assert_eq!(storage.grow(800), Ok(()));
    }

    #[test]
    fn a_failure_is_told_once_and_tried_again_later() {
        let storage = Storage::default();
        storage.set_limit(Some(1_000));
        assert!(storage.is_due());
        assert!(storage.put_off());
        assert!(!storage.is_due() && !storage.put_off());
        storage.settle(Instant::now(), 0, 100, false);
        assert_eq!(storage.grow(100), Ok(()));
        assert!(storage.put_off(), "it was measured meanwhile");
    }

    #[test]
    fn a_number_that_may_be_old_makes_nothing_count_less() {
        let storage = Storage::default();
        storage.set_limit(Some(1_000));
        storage.settle(Instant::now(), 0, 100, true);
        assert_eq!(storage.grow(500), Ok(()));
        storage.settle(Instant::now(), 500, 100, true);
        assert!(storage.grow(500).is_err());
        storage.settle(Instant::now(), 500, 400, true);
        assert_eq!(storage.grow(500), Ok(()));
    }
}
