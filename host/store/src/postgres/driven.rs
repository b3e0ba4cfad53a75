//! A connection that is driven by whoever waits for it.
//!
//! What is read and written has no task of its own: a request would wait for two more threads to wake up, its own after
//! the one that reads. While nobody waits nothing is read, and what the server says meanwhile is heard when somebody asks
//! ([`Connection::is_closed`]).

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Session, Stopper, config, refusal};
use crate::datum::Datum;
use crate::error::StoreError;
use crate::owner::Statement;
use crate::server::outage::Refusal;
use crate::server::target::Target;
use crate::server::wire::{Failure, TakeRow};

/// One connection.
pub(crate) struct Connection {
    session: Session,
    driver: Driver,
}

/// What reads and writes, until the connection ends.
struct Driver(Option<BoxFuture<'static, Result<(), tokio_postgres::Error>>>);

impl Driver {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(driver) = &mut self.0 else { return Poll::Ready(()) };
        let Poll::Ready(ended) = driver.as_mut().poll(context) else { return Poll::Pending };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the database ended");
        }
        self.0 = None;
        Poll::Ready(())
    }

    /// Waits for `work`, whose messages go this way.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            // What came first, so that the work finds it; then what the work wants to send.
            let _ = self.poll(context);
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                let _ = self.poll(context);
            }
            done
        })
        .await
    }
}

fn apart<S, T>(
    connected: Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>,
) -> Result<(Client, Driver), Refusal>
where
    tokio_postgres::Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    let (client, connection) = connected.map_err(|error| refusal(&error))?;
    Ok((client, Driver(Some(Box::pin(connection)))))
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Target, tls: Option<MakeRustlsConnect>, keep: usize) -> Result<Self, Refusal> {
        let (config, host) = (config(target), Arc::new(target.host.clone()));
        let (client, mut driver) = match &tls {
            Some(tls) => apart(config.connect(tls.clone()).await)?,
            None => apart(config.connect(NoTls).await)?,
        };
        let session = driver.during(Session::begin(client, host, tls, keep)).await?;
        Ok(Self { session, driver })
    }

    /// Says goodbye, as far as that takes no longer than `within`.
    pub(crate) async fn close(self, within: Duration) {
        let Self { session, mut driver } = self;
        drop(session);
        let _ = tokio::time::timeout(within, poll_fn(|context| driver.poll(context))).await;
    }

    /// Whether it is of no use any more, as far as the server has let us know.
    pub(crate) fn is_closed(&mut self) -> bool {
        // Whoever waits next is woken in its place.
        self.driver.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// What tells another connection about this one.
    pub(crate) fn process(&self) -> u32 {
        self.session.process()
    }

    /// Whether the server works for the connection whose [`Connection::process`] this is. Where it doesn't say, it may.
    pub(crate) async fn sees_working(&mut self, process: u32) -> bool {
        self.driver.during(self.session.sees_working(process)).await
    }

    pub(crate) fn stopper(&self) -> Stopper {
        self.session.stopper()
    }

    /// Sends `command` in front of the next statement.
    pub(crate) fn first(&mut self, command: impl Into<Cow<'static, str>>) {
        self.session.first(command);
    }

    /// Works for `role` from the next statement on; `None` is the login's own. Never inside a transaction, whose end could
    /// undo it.
    pub(crate) fn act_as(&mut self, role: Option<&Arc<str>>) {
        self.session.act_as(role);
    }

    /// What goes in front of the next statement, but for whose role it works.
    pub(crate) fn waiting(&self) -> &[Cow<'static, str>] {
        self.session.waiting()
    }

    /// Sends what waits, and `command`, without a statement.
    pub(crate) async fn flush(&mut self, command: Option<&'static str>) -> Result<(), Failure> {
        self.driver.during(self.session.flush(command)).await
    }

    /// Runs a statement once for each of `several`, without waiting between them.
    pub(crate) async fn run_all<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        if self.is_closed() {
            return Err(closed());
        }
        self.driver.during(self.session.run_all(statement, several, row)).await
    }

    /// Runs a statement that reads in a transaction of its own, some rows at a time.
    pub(crate) async fn run_in_portions<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: &[Datum<'_>],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        if self.is_closed() {
            return Err(closed());
        }
        self.driver.during(self.session.run_in_portions(statement, params, row)).await
    }

    /// The names of a statement's columns, where it is prepared.
    pub(crate) fn columns(&mut self, statement: &Statement) -> Vec<String> {
        self.session.columns(statement)
    }

    /// As it was when it was opened, but for what is prepared.
    pub(crate) async fn reset(&mut self) -> bool {
        self.driver.during(self.session.reset()).await
    }

    /// Waits until nothing that was sent is still on its way back.
    pub(crate) async fn drain(&mut self) -> bool {
        self.driver.during(self.session.drain()).await
    }
}

fn closed<E>() -> Failure<E> {
    Failure::Lost { why: "the connection is closed".into(), sent: false }
}
