//! One connection: how it is opened, how it runs a statement, what it keeps prepared.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::authorizer::{Acting, ActingCell};
use crate::config::StoreConfig;
use crate::control::{self, Control, STEPS, Until};
use crate::datum::{Cells, Datum, Row};
use crate::error::StoreError;
use crate::log::Pages;
use crate::owner::Statement;

/// Values up to this size in bytes may stay bound to a statement until its next run; larger ones would pile up, one for
/// each statement that is kept.
const KEEP_BOUND: usize = 4 << 10;

/// Statements with up to this much text in bytes are kept prepared. A longer one (a list of a thousand values takes 2 KiB)
/// becomes a program of several hundred KiB, and an app could make any number of them.
pub const KEEP_SQL: usize = 8 << 10;

/// Whether a connection may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// A connection with its prepared statements. Whoever has it has it alone.
pub struct Session {
    // The statements borrow from the connection behind the pointer, so `drop` empties the map first.
    statements: HashMap<u64, Prepared>,
    clock: u64,
    keep: usize,
    /// The one that is too long to be kept, until it has run or the next one is prepared.
    long: Option<u64>,
    connection: NonNull<Connection>,
    acting: ActingCell,
    control: Arc<Control>,
    max_value_bytes: u32,
    /// Pages in the log; it counts for the writer alone.
    log: Pages,
    /// Whether a statement found the disk full.
    full: Cell<bool>,
    /// The names of all tables, in lower case, as of a version of the schema.
    tables: (i64, Arc<HashSet<String>>),
}

struct Prepared {
    // Not really 'static: it lives no longer than the session's connection, see `Session::prepare`.
    statement: rusqlite::Statement<'static>,
    used: u64,
}

// SAFETY: a connection may move between threads as long as one thread uses it at a time (SQLite is compiled
// thread-safe, and `Connection` is `Send` for that reason). The statements are reachable through this session alone, so
// they move with it, and all methods that touch either take `&mut self`.
unsafe impl Send for Session {}

impl Drop for Session {
    fn drop(&mut self) {
        self.acting.set(Acting::Host);
        self.statements.clear();
        // SAFETY: the pointer came from `Box::into_raw` in `open`, nothing else frees it, and no statement is left.
        drop(unsafe { Box::from_raw(self.connection.as_ptr()) });
    }
}

/// What holds for all connections, before the first one.
fn set_up() {
    static DONE: std::sync::Once = std::sync::Once::new();
    DONE.call_once(|| {
        // Without the sum of all memory, which nothing asks for: every allocation of every thread would take one lock for it.
        // SAFETY: the option takes one integer. SQLite refuses it where it is in use already, which only costs time then.
        let refused = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0) } != ffi::SQLITE_OK;
        if refused {
            tracing::debug!("SQLite goes on counting its memory");
        }
    });
}

impl Session {
    pub(crate) fn open(path: &Path, mode: Mode, durable: bool, config: &StoreConfig) -> Result<Self, StoreError> {
        let alone = cfg!(unix) && (config.exclusive || !durable);
        let access = match mode {
            // Closing a read-only connection would give up the lock that the whole process holds; `query_only` keeps
            // these from writing.
            Mode::Read if alone => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Mode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let fail = |error| StoreError::from_sqlite(error, config.max_value_bytes);
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        set_up();
        // This variant of the file layer keeps the locks that the connections of this process need among themselves in
        // memory, and holds the file's own lock against everybody else.
        let opened = match alone {
            true => Connection::open_with_flags_and_vfs(path, flags, "unix-excl"),
            false => Connection::open_with_flags(path, flags),
        };
        let mut connection = opened.map_err(fail)?;
        let acting = ActingCell::default();
        acting.set(Acting::Host);
        let control = control::new();
        configure(&mut connection, mode, durable, config, &acting, &control).map_err(fail)?;
        let log = Pages::default();
        if mode == Mode::Write {
            // In place of SQLite's own, which would carry pages over before the commit is acknowledged.
            let log = log.clone();
            let count = move |_: &mut _, pages| {
                log.set(pages);
                Ok(())
            };
            connection.wal_hook(Some(count)).map_err(fail)?;
        }
        acting.set(Acting::Nobody);
        Ok(Self {
            statements: HashMap::new(),
            clock: 0,
            keep: config.statements,
            long: None,
            connection: NonNull::from(Box::leak(Box::new(connection))),
            acting,
            control,
            max_value_bytes: config.max_value_bytes,
            log,
            full: Cell::new(false),
            tables: (-1, Arc::default()),
        })
    }

    /// Opens a database that may be anybody's, to look at its tables: nothing is made, changed or kept locked. Errors are
    /// for the operator.
    pub fn look(path: &Path) -> Result<Self, StoreError> {
        let config = StoreConfig { exclusive: false, ..StoreConfig::temporary() };
        Self::open(path, Mode::Read, true, &config)
    }

    fn connection(&self) -> &Connection {
        // SAFETY: the connection lives as long as `self`, and nothing makes a `&mut` of it.
        unsafe { self.connection.as_ref() }
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Pages in the log.
    pub(crate) fn log_pages(&self) -> &Pages {
        &self.log
    }

    /// Whether a statement found the disk full since this was asked last.
    pub(crate) fn take_full(&self) -> bool {
        self.full.take()
    }

    /// The size of a page.
    pub(crate) fn page_bytes(&mut self) -> u64 {
        let size = self.as_host(|connection| connection.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0)));
        u64::from(size.unwrap_or(4_096))
    }

    /// Carries pages of the log over into the database, as far as readers let it, and returns how many are left.
    pub(crate) fn carry_over(&mut self) -> Result<u32, StoreError> {
        let most = self.max_value_bytes;
        self.as_host(|connection| {
            let done = connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE);
            // SAFETY: the handle is asked for its latest error alone, while the connection behind it is open.
            let handle = unsafe { connection.handle() };
            let (all, done) = done.map_err(|error| match &error {
                rusqlite::Error::SqliteFailure(failure, _) if has_no_room(handle, failure) => StoreError::Full,
                _ => StoreError::from_sqlite(error, most),
            })?;
            Ok(u32::try_from(all.saturating_sub(done)).unwrap_or(0))
        })
    }

    fn as_host<R>(&mut self, work: impl FnOnce(&Connection) -> R) -> R {
        self.acting.set(Acting::Host);
        self.control.arm(Until::deadline(Instant::now() + Duration::from_secs(600)));
        let result = work(self.connection());
        self.acting.set(Acting::Nobody);
        result
    }

    /// Whether no transaction is open: after a failed statement inside one this means that SQLite rolled it back.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.connection().is_autocommit()
    }

    /// Whether a deferred foreign key points nowhere at this moment of the open transaction.
    pub fn has_dangling_keys(&mut self) -> bool {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the handle is open, and both pointers are valid for the call.
        let answer = unsafe {
            ffi::sqlite3_db_status(
                self.connection().handle(),
                ffi::SQLITE_DBSTATUS_DEFERRED_FKS,
                &raw mut current,
                &raw mut highest,
                0,
            )
        };
        // Where SQLite can't say, a commit would say it; calling it dangling is the safe side.
        answer != ffi::SQLITE_OK || current != 0
    }

    /// Runs `statement` with `params` in order and hands each of its rows to `row`. Returns the number of rows that it
    /// inserted, changed or deleted; that of a reading statement means nothing.
    ///
    /// Whatever `row` returns as an error ends the run and comes back.
    pub fn run<'p, E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        until: Until,
        params: impl IntoIterator<Item = Datum<'p>>,
        mut row: impl FnMut(&Cells<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.acting.act_for(statement, &self.tables.1);
        self.control.arm(until);
        let result = self.step_through(statement, params, &mut row);
        self.forget_long();
        self.acting.set(Acting::Nobody);
        result
    }

    /// Closes the statement that is too long to be kept.
    fn forget_long(&mut self) {
        if let Some(id) = self.long.take() {
            self.statements.remove(&id);
        }
    }

    /// Looks at a statement that an app wrote before it runs, and returns its columns' names.
    ///
    /// Errors: what SQLite says about the text; [`StoreError::ReadOnly`] for one that writes where `reads`.
    pub fn look_at(&mut self, statement: &Statement, places: usize, reads: bool) -> Result<Vec<String>, StoreError> {
        self.control.arm(Until::deadline(Instant::now() + Duration::from_secs(1)));
        self.acting.set(Acting::Host);
        let tables = self.look_at_tables().map_err(|error| StoreError::from_sqlite(error, self.max_value_bytes));
        let prepared = tables.and_then(|()| {
            self.acting.act_for(statement, &self.tables.1);
            self.prepare(statement)
        });
        self.acting.set(Acting::Nobody);
        prepared?;
        let Some(Prepared { statement, .. }) = self.statements.get(&statement.id()) else {
            return Err(StoreError::Internal("a prepared statement went missing".into()));
        };
        if statement.parameter_count() != places {
            let count = statement.parameter_count();
            return Err(StoreError::places(count, places));
        }
        if reads && !statement.readonly() {
            return Err(StoreError::ReadOnly("the statement writes".into()));
        }
        Ok(statement.column_names().map(str::to_owned).collect())
    }

    fn step_through<'p, E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: impl IntoIterator<Item = Datum<'p>>,
        row: &mut impl FnMut(&Cells<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.prepare(statement)?;
        let (max, control, full) = (self.max_value_bytes, self.control.clone(), &self.full);
        // SAFETY: the handle is asked for its latest error alone, while the connection behind it is open.
        let handle = unsafe { self.connection.as_ref().handle() };
        let fail = |error: rusqlite::Error| {
            let error = match &error {
                rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::OperationInterrupted => {
                    control.why()
                }
                rusqlite::Error::SqliteFailure(failure, _) if has_no_room(handle, failure) => StoreError::Full,
                _ => StoreError::from_sqlite(error, max),
            };
            if error == StoreError::Full {
                full.set(true);
            }
            E::from(error)
        };
        self.clock += 1;
        let clock = self.clock;
        let Some(prepared) = self.statements.get_mut(&statement.id()) else {
            return Err(StoreError::Internal("a prepared statement went missing".into()).into());
        };
        prepared.used = clock;
        let (mut count, mut large) = (0, false);
        for (at, value) in params.into_iter().enumerate() {
            let value = value.to_sqlite();
            prepared.statement.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(value)).map_err(&fail)?;
            count = at + 1;
            large |= matches!(value, ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() > KEEP_BOUND);
        }
        // Whatever isn't bound would be NULL, or worse, what the run before bound.
        if count != prepared.statement.parameter_count() {
            let error =
                format!("{count} values for {} places: {}", prepared.statement.parameter_count(), statement.sql());
            return Err(StoreError::Internal(error).into());
        }
        let mut rows = prepared.statement.raw_query();
        while let Some(next) = rows.next().map_err(&fail)? {
            row(&Cells(Row::Sqlite(next)))?;
        }
        drop(rows);
        if large {
            prepared.statement.clear_bindings();
        }
        Ok(self.connection().changes())
    }

    fn look_at_tables(&mut self) -> rusqlite::Result<()> {
        let version = self.connection().query_row("PRAGMA schema_version", [], |row| row.get(0))?;
        if self.tables.0 != version {
            let mut all = self.connection().prepare("SELECT lower(name) FROM sqlite_schema")?;
            let names = all.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<HashSet<String>>>()?;
            drop(all);
            self.tables = (version, Arc::new(names));
        }
        Ok(())
    }

    fn prepare(&mut self, statement: &Statement) -> Result<(), StoreError> {
        if self.statements.contains_key(&statement.id()) {
            return Ok(());
        }
        // One that was looked at and never run may be there.
        self.forget_long();
        if self.statements.len() >= self.keep {
            // Rare, so a look at all of them costs less than keeping an order on every use.
            let mut ages: Vec<(u64, u64)> = self.statements.iter().map(|(id, kept)| (kept.used, *id)).collect();
            ages.sort_unstable();
            for (_, id) in ages.iter().take(self.keep / 4 + 1) {
                self.statements.remove(id);
            }
        }
        let prepared = self
            .connection()
            .prepare_with_flags(statement.sql(), rusqlite::PrepFlags::SQLITE_PREPARE_PERSISTENT)
            .map_err(|error| StoreError::from_sqlite(error, self.max_value_bytes))?;
        // SAFETY: the statement borrows the connection behind `self.connection`, which stays at its address until
        // `drop` has emptied `self.statements`; no statement leaves the session.
        let prepared =
            unsafe { std::mem::transmute::<rusqlite::Statement<'_>, rusqlite::Statement<'static>>(prepared) };
        self.statements.insert(statement.id(), Prepared { statement: prepared, used: self.clock });
        self.long = (statement.sql().len() > KEEP_SQL).then_some(statement.id());
        Ok(())
    }

    /// Rolls back what a failed statement left open.
    pub(crate) fn recover(&mut self) {
        self.acting.set(Acting::Host);
        if !self.is_autocommit()
            && let Err(error) = self.connection().execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "rolling back after a failure failed");
        }
        self.acting.set(Acting::Nobody);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("statements", &self.statements.len()).finish_non_exhaustive()
    }
}

/// Whether a page could not be written because its user's share of the disk, or the largest file, is used up. SQLite knows
/// the full disk alone.
fn has_no_room(handle: *mut ffi::sqlite3, failure: &ffi::Error) -> bool {
    // SAFETY: whoever asks has the connection open, and nobody else uses it.
    let errno = || rustix::io::Errno::from_raw_os_error(unsafe { ffi::sqlite3_system_errno(handle) });
    failure.extended_code == ffi::SQLITE_IOERR_WRITE
        && [rustix::io::Errno::DQUOT, rustix::io::Errno::FBIG, rustix::io::Errno::NOSPC].contains(&errno())
}

fn configure(
    connection: &mut Connection,
    mode: Mode,
    durable: bool,
    config: &StoreConfig,
    acting: &ActingCell,
    control: &Arc<Control>,
) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(config.lock_wait_ms))?;
    if mode == Mode::Write {
        // Before anything is read, so that the first page is written this way.
        connection.pragma_update(None, "journal_mode", "wal")?;
        // FULL: an acknowledged write survives a power cut. NORMAL would lose the last ones.
        connection.pragma_update(None, "synchronous", if durable { "full" } else { "off" })?;
        connection.pragma_update(None, "journal_size_limit", i64::from(config.log_kib) << 10)?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(config.cache_kib))?;
    connection.pragma_update(None, "cell_size_check", true)?;
    for (switch, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(switch, on)?;
    }
    let value = i32::try_from(config.max_value_bytes).unwrap_or(i32::MAX);
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, value),
        // A planned shape of 64 KiB with a thousand places stays below.
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    crate::functions::register(connection, config.max_value_bytes, control)?;
    let control = control.clone();
    connection.progress_handler(STEPS, Some(move || control.look()))?;
    let acting = acting.clone();
    connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| acting.decide(context)))?;
    Ok(())
}
