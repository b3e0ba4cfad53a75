//! What a site keeps: its database connections, and the machine code of its apps ([`CodeCache`]).
//!
//! What this crate guarantees, for SQLite:
//!
//! - **One writer, many readers.** Writes of many requests are committed together, each in a savepoint of its own: one
//!   that fails doesn't touch its neighbours, and each is acknowledged after the commit that the disk confirmed.
//! - **A wall between apps.** Each statement belongs to an [`Owner`] or to the host, is prepared under its own identity,
//!   and is checked table by table whenever it is prepared ([`Owner::owns`]). SQL of a plan that went wrong fails here.
//! - **Everything ends.** A statement has a deadline ([`Until`]), a transaction has one from its first write on, queues
//!   are bounded and fair to each app.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use host_store::{Statement, Store, StoreConfig, StoreError};
//!
//! let store = Store::open(StoreConfig::temporary())?;
//! store.write_as_host(|work| work.run(&Statement::of_host("CREATE TABLE t (a) "), [], |_| Ok::<_, StoreError>(())))?;
//! # Ok::<(), StoreError>(())
//! ```

mod authorizer;
pub mod calendar;
mod claim;
mod code_cache;
mod config;
mod control;
mod datum;
mod error;
mod fair;
mod functions;
mod lease;
mod owner;
mod readers;
mod session;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use host_core::name::AppId;
use parking_lot::Mutex;

pub use code_cache::CodeCache;
pub use config::StoreConfig;
pub use control::Until;
pub use datum::{Cells, Datum, Type};
pub use error::{Constraint, StoreError};
pub use lease::Lease;
pub use owner::{Owner, Statement};
pub use rust_decimal::Decimal;
pub use session::{KEEP_SQL, Session};
pub use writer::Work;

use readers::{Inline, Readers};
use session::Mode;
use writer::Writer;

/// The site's database. Dropped, it finishes what it began and closes its connections.
pub struct Store {
    // In this order: the writer closes last and leaves a tidy file.
    inline: Inline,
    readers: Readers,
    writer: Writer,
    config: StoreConfig,
    path: PathBuf,
    owners: Mutex<HashMap<AppId, Arc<Owner>>>,
    _temporary: Option<tempfile::TempDir>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database and starts its threads; makes the file, readable by its owner alone, where there is none.
    /// Errors are for the operator.
    pub fn open(config: StoreConfig) -> Result<Arc<Self>, StoreError> {
        config.check().map_err(StoreError::Config)?;
        let (path, temporary) = place(&config)?;
        // The writer first: it makes the file and switches it to WAL, which readers can't.
        let writing = Session::open(&path, Mode::Write, temporary.is_none(), &config)?;
        let durable = temporary.is_none();
        let readers = Readers::start(&path, durable, &config)?;
        let inline = Inline::new(path.clone(), durable, &config);
        let writer = Writer::start(writing, &config)?;
        Ok(Arc::new(Self {
            inline,
            readers,
            writer,
            config,
            path,
            owners: Mutex::new(HashMap::new()),
            _temporary: temporary,
        }))
    }

    /// The settings that it was opened with.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An app as the wall sees it, with `tables` (full names such as `polls__choice`) added to those that it owns. All
    /// versions of an app are one owner: they share its tables, its place in the queues and its count of commits.
    pub fn owner(&self, app: &AppId, tables: impl IntoIterator<Item = String>) -> Arc<Owner> {
        let mut owners = self.owners.lock();
        // Lane 0 is the host's.
        let next = owners.len() as u64 + 1;
        let owner = owners.entry(app.clone()).or_insert_with(|| Arc::new(Owner::new(app.clone(), next))).clone();
        owner.add(tables);
        owner
    }

    /// Runs `read` on this thread, on a connection that is free. `None` where none is: go to [`Store::read`] then.
    ///
    /// For short reads only ([`Until::short`]): while it runs, nothing else on this thread does.
    pub fn read_inline<R>(&self, read: impl FnOnce(&mut Session) -> R) -> Option<Result<R, StoreError>> {
        self.inline.with(read)
    }

    /// Runs `read` on a thread of its own. Errors: [`StoreError::Busy`] where it couldn't begin before `deadline`.
    /// Dropping the future takes it back, or stops it at its next look at the clock.
    pub async fn read<T, E>(
        &self,
        owner: &Owner,
        deadline: Instant,
        read: impl FnOnce(&mut Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.read(owner, deadline, read).await
    }

    /// Runs `job` on the writing connection, atomically: all of it is on disk when this returns `Ok`, nothing remains
    /// where it returns an error. It may run several times before that, and everything it did in a run that doesn't
    /// count is undone.
    ///
    /// Errors: [`StoreError::Busy`] where it couldn't begin before `deadline`; [`StoreError::UnknownOutcome`] where the
    /// disk failed during the commit. Dropping the future takes the job back if it hasn't begun.
    pub async fn write<T, E>(
        &self,
        owner: &Arc<Owner>,
        deadline: Instant,
        job: impl FnMut(&mut Work<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(owner, deadline, job).await
    }

    /// Runs `job` for the host itself, alone in its commit, such as a change of tables. Blocks this thread until it is
    /// done, so never call it on a thread that serves requests.
    pub fn write_as_host<T, E>(&self, job: impl FnMut(&mut Work<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write_as_host(job)
    }

    /// Waits for the write lease, until `deadline`. With `seen`, a number that [`Owner::commits`] gave before the
    /// transaction's first read, it is refused with [`StoreError::Conflict`] where the app's data changed since.
    pub async fn lease(&self, owner: &Arc<Owner>, seen: Option<u64>, deadline: Instant) -> Result<Lease, StoreError> {
        Lease::wait(&self.writer, owner, seen, deadline).await
    }
}

fn place(config: &StoreConfig) -> Result<(PathBuf, Option<tempfile::TempDir>), StoreError> {
    let unwritable = |path: &Path, error: std::io::Error| StoreError::ReadOnly(format!("{}: {error}", path.display()));
    let Some(path) = &config.path else {
        // In memory where the system has a file system there, else wherever temporary files go.
        let memory = Path::new("/dev/shm");
        let made = tempfile::Builder::new().prefix("bandstand-").tempdir_in(memory);
        let directory = made
            .or_else(|_| tempfile::Builder::new().prefix("bandstand-").tempdir())
            .map_err(|e| unwritable(memory, e))?;
        return Ok((directory.path().join("site.db"), Some(directory)));
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|e| unwritable(parent, e))?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| unwritable(path, e))?;
    Ok((path.clone(), None))
}
