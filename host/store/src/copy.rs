//! A copy of a SQLite file as it is at one moment, while others go on writing to it.
//!
//! SQLite's own backup reads page by page and begins again whenever another connection has written. On a busy site it
//! would never end. So the reading connection holds a read transaction from before the first page to after the last:
//! what it reads stays as it was, and writers don't wait for it. Until it ends, the log beside the file (`-wal`) keeps all that
//! is written meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::control::{self, Until};
use crate::error::StoreError;

/// Pages that are copied between two looks at whether to go on: 1 MiB of the usual size.
const PAGES: i32 = 256;
/// How long to wait for others' locks. A host holds one for moments only.
const PATIENCE: Duration = Duration::from_secs(5);
/// Faults that are told of a damaged copy: the first say enough.
const FAULTS: usize = 5;
/// The largest value that functions of indexes may make, in bytes: the largest that a store may be given.
const MAX_VALUE: u32 = 1 << 30;

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The size of the copy in bytes.
    pub bytes: u64,
    /// What the operator should know about the data, a sentence without a full stop each. The copy is true to it all the same.
    pub notes: Vec<String>,
}

/// Why there is no copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Another program holds the file alone.
    #[error("another program holds the file and lets nobody else read it")]
    Held,
    /// The caller didn't want it any more.
    #[error("stopped")]
    Stopped,
    /// The file isn't sound.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Held,
            Some(ErrorCode::OperationInterrupted) => Self::Stopped,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Store(StoreError::from_sqlite(error, MAX_VALUE)),
        }
    }
}

/// What is being done, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many of so many bytes are copied.
    Copying {
        /// Bytes that are copied.
        done: u64,
        /// Bytes of the whole.
        total: u64,
    },
    /// The copy is read and examined.
    Examining,
}

/// Copies the SQLite database at `from` into a new file at `to`, as it is at one moment, and examines the copy: its pages, its
/// indexes, its rows. `stop` ends it at any time. The copy isn't flushed to the disk.
///
/// Errors: [`CopyError::Held`] where a store is open on it with `exclusive`; [`CopyError::Damaged`] where the copy, and so the
/// file, isn't sound. Then what is at `to` is of no use.
pub fn copy(
    from: &Path,
    to: &Path,
    stop: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, CopyError> {
    let source = snapshot(from)?;
    let page = number(&source, "PRAGMA page_size")?;
    {
        let mut target = Connection::open(to)?;
        // If it breaks off, nobody wants what is there.
        target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
        let backup = Backup::new(&source, &mut target)?;
        let begun = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(CopyError::Stopped);
            }
            let step = backup.step(PAGES)?;
            let now = backup.progress();
            let bytes = |pages: i32| u64::try_from(pages).unwrap_or_default() * page;
            progress(Progress::Copying { done: bytes(now.pagecount - now.remaining), total: bytes(now.pagecount) });
            match step {
                StepResult::Done => break,
                StepResult::Busy | StepResult::Locked if begun.elapsed() > PATIENCE => return Err(CopyError::Held),
                StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(10)),
                _ => {}
            }
        }
    }
    drop(source);
    progress(Progress::Examining);
    let notes = examine(to, stop)?;
    let bytes =
        std::fs::metadata(to).map_err(|error| StoreError::ReadOnly(format!("{}: {error}", to.display())))?.len();
    Ok(Copied { bytes, notes })
}

/// The size that a copy would have now, in bytes: with what is in the log and not yet in the file.
///
/// Errors: as [`copy`], but for damage of which the first page tells nothing.
pub fn size(from: &Path) -> Result<u64, CopyError> {
    let source = snapshot(from)?;
    Ok(number(&source, "PRAGMA page_size")? * number(&source, "PRAGMA page_count")?)
}

/// A connection that sees the database as it is now, until it is closed.
fn snapshot(from: &Path) -> Result<Connection, CopyError> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    source.busy_timeout(PATIENCE)?;
    source.execute_batch("BEGIN")?;
    // The first read takes the snapshot.
    number(&source, "PRAGMA schema_version")?;
    Ok(source)
}

fn number(source: &Connection, pragma: &str) -> Result<u64, CopyError> {
    let number: i64 = source.query_row(pragma, [], |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// Looks at all pages, indexes and rows of a database that nobody else has open. What it returns are things to know.
fn examine(path: &Path, stop: &Arc<AtomicBool>) -> Result<Vec<String>, CopyError> {
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Indexes over expressions call the host's functions.
    let control = control::new();
    control.arm(Until::deadline(Instant::now() + Duration::from_secs(30 * 24 * 3600)));
    crate::functions::register(&connection, MAX_VALUE, &control)?;
    let stop = stop.clone();
    connection.progress_handler(control::STEPS, Some(move || stop.load(Ordering::Relaxed)))?;
    let mut notes = Vec::new();
    let faults: rusqlite::Result<Vec<String>> = connection
        .prepare(&format!("PRAGMA integrity_check({FAULTS})"))
        .and_then(|mut check| check.query_map([], |row| row.get(0))?.collect());
    match faults {
        Ok(faults) if faults == ["ok"] => {}
        Ok(faults) => return Err(CopyError::Damaged(faults.join("; "))),
        Err(error) => notes.push(unexamined("can't all be examined", error)?),
    }
    match dangling(&connection) {
        Ok(dangling) => notes.extend(dangling),
        Err(error) => notes.push(unexamined("has foreign keys that can't be examined", error)?),
    }
    Ok(notes)
}

/// A database of other makers may need functions or orders of text that this program doesn't have. Its pages are copied all
/// the same, so that is a note; damage isn't.
fn unexamined(what: &str, error: rusqlite::Error) -> Result<String, CopyError> {
    match CopyError::from(error) {
        CopyError::Store(StoreError::Internal(words)) => Ok(format!("{what}: {words}")),
        CopyError::Store(error) => Ok(format!("{what}: {error}")),
        other => Err(other),
    }
}

/// Rows with a foreign key to a row that isn't there, by table. A host never makes any, other programs may.
fn dangling(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut check = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = check.query([])?;
    let (mut count, mut tables) = (0_u64, std::collections::BTreeSet::new());
    while let Some(row) = rows.next()? {
        count += 1;
        if tables.len() < FAULTS {
            tables.insert(row.get::<_, String>(0)?);
        }
    }
    let tables: Vec<String> = tables.into_iter().collect();
    let rows = if count == 1 { "row" } else { "rows" };
    Ok((count > 0).then(|| format!("has {count} {rows} with a key that leads nowhere, in {}", tables.join(", "))))
}

/// Whether another program has the SQLite database at `path` open: a host, a shell. The file isn't changed.
///
/// Errors: it can't be opened, or is no database.
pub fn is_open_elsewhere(path: &Path) -> Result<bool, StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = Path::new(&log).exists();
    let look = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_millis(500))?;
        // Whoever has a file with a log open holds a shared lock on it all the time, and this asks for the only one.
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        // A log that is there stays as it is; one that SQLite makes to look into goes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
    };
    match look() {
        Ok(_) => Ok(false),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(true),
            _ => Err(StoreError::from_sqlite(error, MAX_VALUE)),
        },
    }
}
