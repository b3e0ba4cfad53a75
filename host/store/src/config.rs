//! What an operator can set about the database.

use std::path::PathBuf;
use std::time::Duration;

use crate::server::target::ServerConfig;

/// `[database]` in `bandstand.toml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The SQLite file. Without it the data lies in a private temporary directory and is gone with the store, which is
    /// what tests want: the same files and locks as in production, only without waiting for the disk.
    pub path: Option<PathBuf>,
    /// The server that the data lies on instead. `path`, `exclusive`, the readers, the cache, groups and the file's lock
    /// mean nothing then.
    #[serde(skip)]
    pub server: Option<ServerConfig>,
    /// Whether no other program may open the file while the site runs. It saves each read two system calls, a microsecond
    /// or two; but a backup or a shell then has to wait until the site is stopped. A temporary store is always exclusive.
    pub exclusive: bool,
    /// Threads, each with a connection, for reads that may take long.
    pub readers: usize,
    /// Connections for short reads, which run on the thread that asks. As many as threads that serve requests is best:
    /// each thread then keeps to one connection and its prepared statements.
    pub inline_readers: usize,
    /// Pages that each connection keeps in memory, in KiB.
    pub cache_kib: u32,
    /// The largest value, and the largest row, in bytes.
    pub max_value_bytes: u32,
    /// Statements that may wait for a connection, for all apps together; an app may have half of them.
    pub max_waiting: usize,
    /// Writes that are committed together at most.
    pub max_group: usize,
    /// Milliseconds after which no more writes join those that are committed together. A write that takes longer by
    /// itself is committed at once.
    pub group_ms: u64,
    /// Milliseconds that one write, with all its statements, may take on the connection that everybody shares.
    pub write_ms: u64,
    /// Milliseconds that an app's writes and transactions may be in others' way in a minute: what is longer than
    /// short, which is twice what a commit takes.
    pub hold_ms_per_minute: u64,
    /// Milliseconds that a transaction which has written may wait between two statements.
    pub transaction_idle_ms: u64,
    /// Milliseconds that a transaction may last from its first write on.
    pub transaction_total_ms: u64,
    /// Milliseconds that a cursor may keep its connection without being asked for rows while others wait for one.
    pub cursor_idle_ms: u64,
    /// Milliseconds to wait for another program (a backup, a shell) that holds the file's lock.
    pub lock_wait_ms: u64,
    /// KiB of the write-ahead log past which reads that may take long are held back, so that the log can begin anew.
    pub log_kib: u32,
    /// Prepared statements that each connection keeps.
    pub statements: usize,
    /// Reads of an app that may be slow at once, on a server also writes and transactions.
    pub slow_statements: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: None,
            server: None,
            exclusive: false,
            readers: 4,
            inline_readers: 8,
            cache_kib: 8 << 10,
            max_value_bytes: 16 << 20,
            max_waiting: 1_024,
            max_group: 64,
            group_ms: 20,
            write_ms: 500,
            hold_ms_per_minute: 300,
            transaction_idle_ms: 50,
            transaction_total_ms: 500,
            cursor_idle_ms: 250,
            lock_wait_ms: 500,
            log_kib: 64 << 10,
            statements: 256,
            slow_statements: half_of_the_processors(),
        }
    }
}

/// Of this machine, as if a server had as many: so no app takes all.
fn half_of_the_processors() -> usize {
    (host_core::priority::processors() / 2).max(1)
}

impl StoreConfig {
    /// A store that is gone when it is dropped.
    pub fn temporary() -> Self {
        Self::default()
    }

    /// A store in the file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// A store on a database server.
    pub fn server(server: ServerConfig) -> Self {
        Self { server: Some(server), ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let within = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("[database] {key} = {value}: must be {least} to {most}"))
            }
        };
        within("readers", self.readers as u64, 1, 256)?;
        within("inline_readers", self.inline_readers as u64, 1, 256)?;
        within("cache_kib", self.cache_kib.into(), 64, 16 << 20)?;
        // SQLite's own limits: a row is at most 2^31 - 1 bytes, and below 64 KiB a page of text doesn't fit.
        within("max_value_bytes", self.max_value_bytes.into(), 64 << 10, 1 << 30)?;
        within("max_waiting", self.max_waiting as u64, 2, 1 << 20)?;
        within("max_group", self.max_group as u64, 1, 10_000)?;
        within("group_ms", self.group_ms, 1, 600_000)?;
        within("write_ms", self.write_ms, 1, 600_000)?;
        within("hold_ms_per_minute", self.hold_ms_per_minute, 0, 600_000)?;
        within("transaction_idle_ms", self.transaction_idle_ms, 1, 600_000)?;
        within("transaction_total_ms", self.transaction_total_ms, 1, 600_000)?;
        within("cursor_idle_ms", self.cursor_idle_ms, 1, 600_000)?;
        within("lock_wait_ms", self.lock_wait_ms, 0, 600_000)?;
        within("log_kib", self.log_kib.into(), 1 << 10, 1 << 30)?;
        within("statements", self.statements as u64, 8, 100_000)?;
        within("slow_statements", self.slow_statements as u64, 1, 10_000)?;
        if let Some(server) = &self.server {
            within("connections", server.connections as u64, 2, 10_000)?;
            within("connect_ms", server.connect_ms, 1, 600_000)?;
            within("lifetime_s", server.lifetime_s, 1, 31_536_000)?;
        }
        Ok(())
    }

    pub(crate) fn group_time(&self) -> Duration {
        Duration::from_millis(self.group_ms)
    }

    /// The most that can count as short.
    pub(crate) fn most_short(&self) -> Duration {
        self.group_time() / 4
    }

    pub(crate) fn write_time(&self) -> Duration {
        Duration::from_millis(self.write_ms)
    }
}
