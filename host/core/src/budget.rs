//! What one request may cost, and what it has cost so far.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::quota::Account;

/// The limits of one request of one app; `[apps.NAME.limits]` in `bandstand.toml` sets them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Wall-clock time in milliseconds, instantiation and waiting included, up to the end of the response's body.
    pub wall_ms: u64,
    /// Time on a processor in milliseconds.
    pub cpu_ms: u64,
    /// Linear memories and tables of the request's store, summed, in bytes.
    pub memory_bytes: u64,
    /// Bytes that host calls carry in and out.
    pub hostcall_bytes: u64,
    /// Resources, streams and waiting calls that are open at once.
    pub handles: u64,
    /// Time that the request's statements spend in the database, in milliseconds.
    pub db_ms: u64,
    /// Rows that its statements return.
    pub db_rows: u64,
    /// Statements that it runs.
    pub db_statements: u64,
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// Bytes of the response's body, streamed or not.
    pub response_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 10_000,
            cpu_ms: 1_000,
            memory_bytes: 64 << 20,
            hostcall_bytes: 64 << 20,
            handles: 256,
            db_ms: 2_000,
            db_rows: 10_000,
            // A page of an admin takes some fifty; a thousand is a loop that asks for each row.
            db_statements: 1_000,
            body_bytes: 1 << 20,
            response_bytes: 64 << 20,
        }
    }
}

/// A part of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// [`Limits::wall_ms`].
    Wall,
    /// [`Limits::cpu_ms`].
    Cpu,
    /// [`Limits::memory_bytes`].
    Memory,
    /// [`Limits::hostcall_bytes`].
    HostcallBytes,
    /// [`Limits::handles`].
    Handles,
    /// [`Limits::db_ms`].
    DbTime,
    /// [`Limits::db_rows`].
    DbRows,
    /// [`Limits::db_statements`].
    DbStatements,
    /// [`Limits::body_bytes`].
    BodyBytes,
    /// [`Limits::response_bytes`].
    ResponseBytes,
}

impl Resource {
    /// The key in `[apps.NAME.limits]`.
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Wall => "wall_ms",
            Resource::Cpu => "cpu_ms",
            Resource::Memory => "memory_bytes",
            Resource::HostcallBytes => "hostcall_bytes",
            Resource::Handles => "handles",
            Resource::DbTime => "db_ms",
            Resource::DbRows => "db_rows",
            Resource::DbStatements => "db_statements",
            Resource::BodyBytes => "body_bytes",
            Resource::ResponseBytes => "response_bytes",
        }
    }
}

/// A part of a request's budget ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Which part.
    pub resource: Resource,
    /// Its limit, in the unit that its key names.
    pub limit: u64,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request's budget ran out: {} = {}", self.resource.as_str(), self.limit)
    }
}

impl std::error::Error for Exhausted {}

/// What a request has used up. Shared by all rooms that serve it; every charge is one atomic addition.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    hostcall_bytes: AtomicU64,
    db_nanos: AtomicU64,
    db_rows: AtomicU64,
    statements: AtomicU64,
    response_bytes: AtomicU64,
    log_bytes: AtomicU64,
    /// What all requests of the app together have, where that is bounded.
    account: OnceLock<Arc<Account>>,
}

impl Budget {
    /// A full budget.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            hostcall_bytes: AtomicU64::new(0),
            db_nanos: AtomicU64::new(0),
            db_rows: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            account: OnceLock::new(),
        }
    }

    /// Counts what it takes of the database from its app's account as well, from now on.
    pub fn bill(&self, account: Arc<Account>) {
        // The first one stays: a request belongs to one app.
        let _ = self.account.set(account);
    }

    /// Its app's account, where there is one.
    pub fn account(&self) -> Option<&Account> {
        self.account.get().map(|account| &**account)
    }

    /// What it began with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Charges what one host call carried, in bytes, before it takes effect.
    pub fn charge_hostcall(&self, bytes: u64) -> Result<(), Exhausted> {
        charge(&self.hostcall_bytes, bytes, self.limits.hostcall_bytes, Resource::HostcallBytes)
    }

    /// Charges rows that a statement returned.
    pub fn charge_rows(&self, rows: u64) -> Result<(), Exhausted> {
        if let Some(account) = self.account() {
            account.charge_rows(rows);
        }
        charge(&self.db_rows, rows, self.limits.db_rows, Resource::DbRows)
    }

    /// Rows that may still come.
    pub fn rows_left(&self) -> u64 {
        self.limits.db_rows.saturating_sub(self.db_rows.load(Relaxed))
    }

    /// Charges statements before they run.
    pub fn charge_statements(&self, statements: u64) -> Result<(), Exhausted> {
        charge(&self.statements, statements, self.limits.db_statements, Resource::DbStatements)
    }

    /// Charges time in the database.
    pub fn charge_db(&self, time: Duration) {
        if let Some(account) = self.account() {
            account.charge_time(time);
        }
        self.db_nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Database time that is left, or the error if none is.
    pub fn db_left(&self) -> Result<Duration, Exhausted> {
        let limit = Duration::from_millis(self.limits.db_ms);
        limit
            .checked_sub(self.db_used())
            .filter(|left| !left.is_zero())
            .ok_or(Exhausted { resource: Resource::DbTime, limit: self.limits.db_ms })
    }

    /// Database time used so far.
    pub fn db_used(&self) -> Duration {
        Duration::from_nanos(self.db_nanos.load(Relaxed))
    }

    /// Statements begun so far.
    pub fn statements(&self) -> u64 {
        self.statements.load(Relaxed)
    }

    /// Counts bytes that the request writes to the site's log and returns how many it had written before.
    pub fn count_log(&self, bytes: u64) -> u64 {
        self.log_bytes.fetch_add(bytes, Relaxed)
    }

    /// Charges bytes of the response's body.
    pub fn charge_response(&self, bytes: u64) -> Result<(), Exhausted> {
        charge(&self.response_bytes, bytes, self.limits.response_bytes, Resource::ResponseBytes)
    }
}

fn charge(counter: &AtomicU64, amount: u64, limit: u64, resource: Resource) -> Result<(), Exhausted> {
    // `fetch_add` wraps; a request would need 2^64 bytes for that, and amounts are lengths of what is in memory.
    let before = counter.fetch_add(amount, Relaxed);
    if before.saturating_add(amount) > limit { Err(Exhausted { resource, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_past_the_limit_is_refused_and_names_it() {
        let budget = Budget::new(Limits { db_rows: 10, ..Limits::default() });
        assert_eq!(budget.charge_rows(10), Ok(()));
        let error = budget.charge_rows(1).expect_err("the eleventh row");
        assert_eq!(error.to_string(), "the request's budget ran out: db_rows = 10");
        assert_eq!(budget.rows_left(), 0);
    }

    #[test]
    fn a_loop_of_statements_ends() {
        let budget = Budget::new(Limits { db_statements: 3, ..Limits::default() });
        assert_eq!(budget.charge_statements(3), Ok(()));
        let error = budget.charge_statements(1).expect_err("the fourth");
        assert_eq!(error.to_string(), "the request's budget ran out: db_statements = 3");
    }

    #[test]
    fn database_time_runs_out() {
        let budget = Budget::new(Limits { db_ms: 5, ..Limits::default() });
        budget.charge_db(Duration::from_millis(3));
        assert_eq!(budget.db_left(), Ok(Duration::from_millis(2)));
        budget.charge_db(Duration::from_millis(2));
        assert!(budget.db_left().is_err());
    }
}
