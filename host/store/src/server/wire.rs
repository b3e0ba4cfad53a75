//! One connection to a server of either kind, and what may go wrong on it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::datum::{Cells, Datum};
use crate::error::StoreError;
use crate::mariadb;
use crate::owner::Statement;
use crate::postgres;

/// What whoever takes rows waits for before it takes the next one.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What takes a row: an error ends the statement, a pause is waited for.
pub(crate) trait TakeRow<E>: FnMut(&Cells<'_>) -> Result<Option<Pause>, E> + Send {}

impl<E, F: FnMut(&Cells<'_>) -> Result<Option<Pause>, E> + Send> TakeRow<E> for F {}

/// Why a statement failed.
#[derive(Debug)]
pub(crate) enum Failure<E = Infallible> {
    /// Whoever takes the rows refused one.
    Row(E),
    /// The server refused; the connection is fine.
    Store(StoreError),
    /// The connection is gone, and why. Where the statement was not `sent`, the server can't have done it.
    Lost { why: String, sent: bool },
    /// What was prepared is no longer right.
    Stale,
}

impl Failure {
    /// The same where rows could be refused.
    pub(crate) fn other<E>(self) -> Failure<E> {
        match self {
            Failure::Row(never) => match never {},
            Failure::Store(error) => Failure::Store(error),
            Failure::Lost { why, sent } => Failure::Lost { why, sent },
            Failure::Stale => Failure::Stale,
        }
    }
}

impl<E> Failure<E> {
    /// The same of what came before the statement.
    pub(crate) fn not_sent(self) -> Self {
        match self {
            Failure::Lost { why, .. } => Failure::Lost { why, sent: false },
            other => other,
        }
    }
}

/// A connection, how old it is, and when it was heard of last.
pub(crate) struct Wire {
    line: Line,
    /// When it is closed rather than lent again.
    pub(crate) retires: Instant,
    pub(crate) answered: Instant,
}

enum Line {
    Postgres(Box<postgres::Connection>),
    Mariadb(Box<mariadb::Connection>),
}

/// Stops what a connection runs.
pub(crate) enum Stopper {
    Postgres(Box<postgres::Stopper>),
    Mariadb(Box<mariadb::Stopper>),
}

impl Wire {
    pub(crate) fn postgres(connection: postgres::Connection, retires: Instant) -> Self {
        Self { line: Line::Postgres(Box::new(connection)), retires, answered: Instant::now() }
    }

    pub(crate) fn mariadb(connection: mariadb::Connection, retires: Instant) -> Self {
        Self { line: Line::Mariadb(Box::new(connection)), retires, answered: Instant::now() }
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        match &mut self.line {
            Line::Postgres(connection) => connection.is_closed(),
            Line::Mariadb(connection) => connection.is_closed(),
        }
    }

    /// Asks the server whether it is there.
    pub(crate) async fn answers(&mut self, within: Duration) -> bool {
        let heard = tokio::time::timeout(within, self.drain()).await.is_ok_and(|heard| heard);
        if heard {
            self.answered = Instant::now();
        }
        heard
    }

    /// What tells another connection about this one.
    pub(crate) fn process(&self) -> u32 {
        match &self.line {
            Line::Postgres(connection) => connection.process(),
            Line::Mariadb(connection) => connection.process(),
        }
    }

    /// Whether the server still works for the connection of the same login whose [`Wire::process`] this is. Where it doesn't say, it
    /// may.
    pub(crate) async fn sees_working(&mut self, process: u32) -> bool {
        match &mut self.line {
            Line::Postgres(connection) => connection.sees_working(process).await,
            Line::Mariadb(connection) => connection.sees_working(process).await,
        }
    }

    /// With `says_so` what is stopped tells whether it was done; without, it is stopped more surely.
    pub(crate) fn stopper(&self, says_so: bool) -> Stopper {
        match &self.line {
            Line::Postgres(connection) => Stopper::Postgres(Box::new(connection.stopper())),
            Line::Mariadb(connection) => Stopper::Mariadb(Box::new(connection.stopper(says_so))),
        }
    }

    /// On PostgreSQL, works for `role` from the next statement on.
    pub(crate) fn act_as(&mut self, role: Option<&Arc<str>>) {
        if let Line::Postgres(connection) = &mut self.line {
            connection.act_as(role);
        }
    }

    pub(crate) fn first(&mut self, command: Cow<'static, str>) {
        match &mut self.line {
            Line::Postgres(connection) => connection.first(command),
            Line::Mariadb(connection) => connection.first(command),
        }
    }

    /// What goes in front of the next statement.
    pub(crate) fn waiting(&self) -> Vec<Cow<'static, str>> {
        match &self.line {
            Line::Postgres(connection) => connection.waiting().to_vec(),
            Line::Mariadb(connection) => connection.waiting().to_vec(),
        }
    }

    pub(crate) async fn flush(&mut self, command: Option<&'static str>) -> Result<(), Failure> {
        match &mut self.line {
            Line::Postgres(connection) => connection.flush(command).await,
            Line::Mariadb(connection) => connection.flush(command).await,
        }
    }

    /// Forgets what a statement that an app wrote may have changed about the session.
    pub(crate) async fn reset(&mut self) -> bool {
        match &mut self.line {
            Line::Postgres(connection) => connection.reset().await,
            Line::Mariadb(connection) => connection.reset().await,
        }
    }

    /// Waits until nothing that was sent is still on its way back.
    pub(crate) async fn drain(&mut self) -> bool {
        match &mut self.line {
            Line::Postgres(connection) => connection.drain().await,
            Line::Mariadb(connection) => connection.drain().await,
        }
    }

    pub(crate) async fn run_all<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        match &mut self.line {
            Line::Postgres(connection) => connection.run_all(statement, several, row).await,
            Line::Mariadb(connection) => connection.run_all(statement, several, row).await,
        }
    }

    /// Whether what [`Wire::run_in_portions`] runs ends by itself, soon after its first row, where it isn't waited for any more.
    pub(crate) fn has_portions(&self) -> bool {
        matches!(&self.line, Line::Postgres(_))
    }

    /// Runs a statement that reads, outside of any transaction, for somebody who takes its rows as slowly as he wants.
    pub(crate) async fn run_in_portions<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: &[Datum<'_>],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        match &mut self.line {
            Line::Postgres(connection) => connection.run_in_portions(statement, params, row).await,
            Line::Mariadb(connection) => connection.run_all(statement, &[params], row).await,
        }
    }

    /// The names of a statement's columns, where it is prepared.
    pub(crate) fn columns(&mut self, statement: &Statement) -> Vec<String> {
        match &mut self.line {
            Line::Postgres(connection) => connection.columns(statement),
            Line::Mariadb(connection) => connection.columns(statement),
        }
    }

    /// Lets keys point nowhere until the transaction ends, which begins. Only MariaDB has to be told.
    pub(crate) fn defer_keys(&mut self) {
        if let Line::Mariadb(connection) = &mut self.line {
            (connection.deferring, connection.unchecked) = (true, false);
        }
    }

    /// Lets the server look at each key at once.
    pub(crate) fn check_keys(&mut self) {
        if let Line::Mariadb(connection) = &mut self.line {
            connection.deferring = false;
        }
    }

    pub(crate) fn defers_keys(&self) -> bool {
        matches!(&self.line, Line::Mariadb(connection) if connection.deferring)
    }

    /// Whether a key may point nowhere now without the server's knowing.
    pub(crate) fn is_unchecked(&self) -> bool {
        matches!(&self.line, Line::Mariadb(connection) if connection.unchecked)
    }

    pub(crate) async fn close(self, within: Duration) {
        match self.line {
            Line::Postgres(connection) => connection.close(within).await,
            Line::Mariadb(connection) => connection.close(within).await,
        }
    }
}

impl Stopper {
    /// Returns whether it is known that nothing which is sent from now on will be stopped.
    pub(crate) async fn stop(self) -> bool {
        match self {
            Stopper::Postgres(stopper) => stopper.stop().await,
            Stopper::Mariadb(stopper) => stopper.stop().await,
        }
    }
}
