//! MariaDB: one connection, what it keeps prepared, and what it sends before the next statement.

pub(crate) mod error;
pub(crate) mod wire;

use std::borrow::Cow;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, SslOpts};

use crate::datum::{Cells, Datum, Row};
use crate::error::{Constraint, StoreError};
use crate::owner::Statement;
use crate::server::outage::Refusal;
use crate::server::statements::Prepared;
use crate::server::target::{Host, Target, Tls};
use crate::server::wire::{Failure, TakeRow};
use error::{failure, refusal};

/// What holds for every connection: texts compared by their bytes; moments in UTC; a value that doesn't fit is an error, dividing by zero is NULL; names
/// in backticks; what a transaction changes must be as it saw it; an update reads the row as it was. Backslashes keep their
/// meaning in texts, because the server itself writes definitions so; no text of an app ever stands in a statement.
const SESSION: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_bin; SET time_zone = '+00:00', \
    sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_UNSIGNED_SUBTRACTION,SIMULTANEOUS_ASSIGNMENT', \
    innodb_snapshot_isolation = ON, \
    foreign_key_checks = 1, unique_checks = 1, div_precision_increment = 16, group_concat_max_len = 16777216, \
    lock_wait_timeout = 60; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// How long a connection may be silent before the machine asks whether its other end is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// One connection.
pub(crate) struct Connection {
    conn: Conn,
    /// Whoever has a login may stop what runs under it.
    opts: Opts,
    prepared: Prepared<mysql_async::Statement>,
    prelude: Vec<Cow<'static, str>>,
    broken: bool,
    /// Whether a key may point nowhere until the transaction ends.
    pub(crate) deferring: bool,
    /// Whether one may do so now: the server was told not to look, so the host has to.
    pub(crate) unchecked: bool,
}

/// Stops what a connection runs, from outside.
pub(crate) struct Stopper {
    opts: Opts,
    id: u32,
    says_so: bool,
}

impl Stopper {
    /// Returns whether it is known that nothing which is sent from now on will be stopped.
    pub(crate) async fn stop(self) -> bool {
        let stopped = async {
            let mut conn = Conn::new(self.opts).await?;
            // Whose connection is killed isn't told whether its statement was.
            let what = if self.says_so { "QUERY" } else { "CONNECTION" };
            conn.query_drop(format!("KILL {what} {}", self.id)).await?;
            conn.disconnect().await
        };
        if let Err(error) = stopped.await {
            tracing::debug!(%error, "a statement could not be stopped; its connection is closed");
        }
        // The server only notes that it is to stop, and looks when it gets to it.
        false
    }
}

fn opts(target: &Target) -> Opts {
    let builder = match &target.host {
        Host::Tcp(host, port) => OptsBuilder::default().ip_or_hostname(host).tcp_port(*port),
        Host::Socket(path, _) => OptsBuilder::default().socket(Some(path.to_string_lossy())),
    };
    let tls = match &target.tls {
        Tls::Off => None,
        Tls::On => Some(SslOpts::default()),
        Tls::Authority(path) => {
            Some(SslOpts::default().with_root_certs(vec![path.clone().into()]).with_disable_built_in_roots(true))
        }
    };
    builder
        .user(Some(&target.user))
        .pass(Some(&target.password.0))
        .db_name(Some(&target.database))
        .prefer_socket(false)
        .ssl_opts(tls)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE))
        // Asking for them costs two more round trips for each connection.
        .max_allowed_packet(Some(1 << 30))
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0)
        // An update that changes nothing has found its rows all the same.
        .client_found_rows(true)
        .into()
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Target, keep: usize) -> Result<Self, Refusal> {
        let opts = opts(target);
        let conn = Conn::new(opts.clone()).await.map_err(|error| refusal(&error))?;
        let mut open = Self {
            conn,
            opts,
            prepared: Prepared::new(keep),
            prelude: Vec::new(),
            broken: false,
            deferring: false,
            unchecked: false,
        };
        let (major, minor, _) = open.conn.server_version();
        if (major, minor) < (10, 11) {
            let why = format!("the server is of version {major}.{minor}; MariaDB 10.11 is the oldest that works");
            return Err(Refusal::Denied(why));
        }
        open.conn.query_drop(SESSION).await.map_err(|error| refusal(&error))?;
        Ok(open)
    }

    /// What tells another connection about this one.
    pub(crate) fn process(&self) -> u32 {
        self.conn.id()
    }

    /// Whether the server works for the connection whose [`Connection::process`] this is, which has the same login. Where it
    /// doesn't say, it may.
    pub(crate) async fn sees_working(&mut self, process: u32) -> bool {
        let ask = format!("SELECT 1 FROM information_schema.processlist WHERE id = {process} AND command <> 'Sleep'");
        self.conn.query_first::<u8, _>(ask).await.map_or(true, |found| found.is_some())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.broken || self.conn.is_disconnected()
    }

    /// With `says_so` the server tells what became of the statement, as far as it hears at once.
    pub(crate) fn stopper(&self, says_so: bool) -> Stopper {
        Stopper { opts: self.opts.clone(), id: self.conn.id(), says_so }
    }

    pub(crate) async fn close(self, within: Duration) {
        let _ = tokio::time::timeout(within, self.conn.disconnect()).await;
    }

    /// Sends `command` before the next statement.
    pub(crate) fn first(&mut self, command: impl Into<Cow<'static, str>>) {
        self.prelude.push(command.into());
    }

    /// What goes before the next statement.
    pub(crate) fn waiting(&self) -> &[Cow<'static, str>] {
        &self.prelude
    }

    /// Sends what waits, and `command`, without a statement.
    pub(crate) async fn flush(&mut self, command: Option<&'static str>) -> Result<(), Failure> {
        let mut commands = std::mem::take(&mut self.prelude);
        commands.extend(command.map(Cow::Borrowed));
        if commands.is_empty() {
            return Ok(());
        }
        // All of them in one round trip.
        let sent = self.conn.query_drop(commands.join("; ")).await;
        sent.map_err(|error| self.failed(&error))
    }

    pub(crate) async fn run_all<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        self.flush(None).await.map_err(|failure| failure.not_sent().other())?;
        let known = self.prepared.get(statement.id()).cloned();
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let prepared = self.conn.prep(statement.sql()).await;
                let prepared = prepared.map_err(|error| self.failed(&error).not_sent().other())?;
                for old in self.prepared.keep(statement.id(), prepared.clone()) {
                    self.conn.close(old).await.map_err(|error| self.failed(&error).not_sent().other())?;
                }
                prepared
            }
        };
        if let Some(wrong) = several.iter().find(|params| params.len() != usize::from(prepared.num_params())) {
            return Err(Failure::Store(StoreError::places(prepared.num_params().into(), wrong.len())));
        }
        let mut affected = 0;
        for params in several {
            let values = params.iter().map(|value| wire::param(*value)).collect::<Vec<_>>();
            let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
            let result = match self.run_one(&prepared, params.clone(), row).await {
                // Keys are looked at row by row here, and at the end in other databases. What points nowhere now, or is
                // still pointed to, may be right at the end of the transaction: then it is looked at.
                Err(Failure::Store(StoreError::Constraint { kind: Constraint::ForeignKey, .. }))
                    if self.deferring && !statement.is_strict() =>
                {
                    self.unlooked(&prepared, params, row).await
                }
                result => result,
            };
            affected += match result {
                Err(Failure::Stale) => {
                    self.prepared.forget(statement.id());
                    return Err(Failure::Stale);
                }
                result => result?,
            };
        }
        Ok(affected)
    }

    /// Runs a statement while the server doesn't look at keys.
    async fn unlooked<E: From<StoreError>>(
        &mut self,
        prepared: &mysql_async::Statement,
        params: Params,
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        self.unchecked = true;
        self.flush(Some("SET foreign_key_checks = 0")).await.map_err(Failure::other)?;
        let result = self.run_one(prepared, params, row).await;
        self.flush(Some("SET foreign_key_checks = 1")).await.map_err(Failure::other)?;
        result
    }

    async fn run_one<E: From<StoreError>>(
        &mut self,
        prepared: &mysql_async::Statement,
        params: Params,
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        let mut broken = false;
        let result = async {
            let mut fail = |error: mysql_async::Error| {
                broken |= error.is_fatal();
                failure(&error).other()
            };
            let mut rows = self.conn.exec_iter(prepared, params).await.map_err(&mut fail)?;
            if rows.is_empty() {
                let affected = rows.affected_rows();
                rows.drop_result().await.map_err(&mut fail)?;
                return Ok(affected);
            }
            let mut count = 0;
            while let Some(next) = rows.next().await.map_err(&mut fail)? {
                let pause = row(&Cells(Row::Mariadb(&next))).map_err(Failure::Row)?;
                if let Some(pause) = pause {
                    pause.await;
                }
                count += 1;
            }
            let affected = rows.affected_rows();
            rows.drop_result().await.map_err(&mut fail)?;
            // `INSERT … RETURNING` says how many rows it gave, not how many it wrote; they are the same.
            Ok(if affected == 0 { count } else { affected })
        }
        .await;
        self.broken |= broken;
        result
    }

    /// The names of a statement's columns, where it is prepared.
    pub(crate) fn columns(&mut self, statement: &Statement) -> Vec<String> {
        let prepared = self.prepared.get(statement.id());
        prepared
            .map(|it| it.columns().iter().map(|column| column.name_str().into_owned()).collect())
            .unwrap_or_default()
    }

    /// As it was when it was opened.
    pub(crate) async fn reset(&mut self) -> bool {
        self.prepared.clear();
        matches!(self.conn.reset().await, Ok(true)) && self.conn.query_drop(SESSION).await.is_ok()
    }

    /// Waits until nothing that was sent is still on its way back.
    pub(crate) async fn drain(&mut self) -> bool {
        // The driver reads what is left before it sends anything else.
        self.conn.ping().await.is_ok()
    }

    fn failed(&mut self, error: &mysql_async::Error) -> Failure {
        self.broken |= error.is_fatal();
        failure(error)
    }
}
