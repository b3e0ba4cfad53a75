//! SQLite: one writing thread, reading threads, and connections for short reads on the asking thread.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::lease::Lease;
use crate::owner::Owner;
use crate::readers::{Inline, Readers};
use crate::session::{Mode, Session};
use crate::share::Keeper;
use crate::writer::{Work, Writer};

/// The database in a file. Dropped, it finishes what it began and closes its connections.
pub struct Sqlite {
    // In this order: the writer closes last and leaves a tidy file.
    inline: Inline,
    readers: Readers,
    writer: Writer,
    path: PathBuf,
    config: StoreConfig,
    _temporary: Option<tempfile::TempDir>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sqlite {
    pub(crate) fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let (path, temporary) = place(config)?;
        // The writer first: it makes the file and switches it to WAL, which readers can't.
        let writing = Session::open(&path, Mode::Write, temporary.is_none(), config)?;
        let durable = temporary.is_none();
        let readers = Readers::start(&path, durable, config)?;
        let inline = Inline::new(path.clone(), durable, config);
        let writer = Writer::start(writing, &path, readers.queue(), config)?;
        Ok(Self { inline, readers, writer, path, config: config.clone(), _temporary: temporary })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reading connection besides the others.
    pub(crate) fn another(&self) -> Result<Session, StoreError> {
        Session::open(&self.path, Mode::Read, self._temporary.is_none(), &self.config)
    }

    /// Runs `read` on this thread, on a connection that is free. `None` where none is: go to [`Sqlite::read`] then.
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
        self.readers.read(owner.taker(), deadline, read).await
    }

    /// As [`Sqlite::read`], for a read that lasts as long as somebody wants: `keeper` gives its thread back where that is
    /// too long for others.
    pub async fn read_kept<T, E>(
        &self,
        owner: &Owner,
        keeper: Weak<dyn Keeper>,
        deadline: Instant,
        read: impl FnOnce(&mut Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.read(owner.keeping(keeper), deadline, read).await
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
