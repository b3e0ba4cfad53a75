//! PostgreSQL: one connection, what it keeps prepared, and what it sends along with the next statement.

mod driven;
pub(crate) mod error;
pub(crate) mod wire;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::try_join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config, NoTls, RowStream, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::datum::{Cells, Datum, Row};
use crate::error::StoreError;
use crate::owner::Statement;
use crate::server::outage::Refusal;
use crate::server::statements::Prepared;
use crate::server::target::{Host, Target, Tls};
use crate::server::wire::{Failure, TakeRow};
use error::{Meaning, meaning};
use wire::Param;

/// What holds for every connection. `client_connection_check_interval` ends a statement whose host is gone.
const SESSION: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SET TIME ZONE 'UTC'; SET client_min_messages = error; SET jit = off; SET max_parallel_workers_per_gather = 0; \
    SET client_connection_check_interval = '2s'; \
    SET standard_conforming_strings = on; SET synchronous_commit = on";

/// How long a connection may be silent before the machine asks whether its other end is still there.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(15);
/// The time between two such questions.
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(5);
/// How long what was sent may go without the other machine's confirmation.
const UNHEARD: Duration = Duration::from_secs(15);

/// Rows that a reader who may pause gets at first, from one question to the server. Each time it is twice as many.
const FIRST_PORTION: i32 = 64;
/// Past so many the way to the server and back costs nothing any more.
const LARGEST_PORTION: i32 = 1_024;

pub(crate) use driven::Connection;

/// What is said over one connection.
struct Session {
    client: Client,
    /// The number of the server's process.
    process: u32,
    host: Arc<Host>,
    tls: Option<MakeRustlsConnect>,
    prepared: Prepared<tokio_postgres::Statement>,
    /// The command that makes it work for another role, where it has to be told.
    turn: Option<Cow<'static, str>>,
    /// Commands that go in front of the next statement, in the same flight.
    prelude: Vec<Cow<'static, str>>,
    /// For whose role it works: `None` is the login's own.
    role: Option<Arc<str>>,
}

/// Stops what a connection runs, from outside.
pub(crate) struct Stopper {
    token: CancelToken,
    host: Arc<Host>,
    tls: Option<MakeRustlsConnect>,
}

impl Stopper {
    /// Returns whether it is known that nothing which is sent from now on will be stopped.
    #[allow(clippy::disallowed_methods, reason = "it calls the database server that the operator named")]
    pub(crate) async fn stop(self) -> bool {
        let stopped = match (self.tls, &*self.host) {
            (Some(tls), _) => self.token.cancel_query(tls).await.map(|()| false).map_err(io::Error::other),
            (None, Host::Tcp(host, port)) => tell(&self.token, TcpStream::connect((host.as_str(), *port)).await).await,
            (None, Host::Socket(folder, port)) => {
                tell(&self.token, UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await).await
            }
        };
        stopped.unwrap_or_else(|error| {
            tracing::debug!(%error, "a statement could not be stopped; its connection is closed");
            false
        })
    }
}

/// Asks for a stop, and waits until the server closes the way on which it was asked, which it does after it has stopped what
/// ran: <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS>.
async fn tell(token: &CancelToken, way: io::Result<impl AsyncRead + AsyncWrite + Unpin>) -> io::Result<bool> {
    let mut way = way?;
    token.cancel_query_raw(&mut way, NoTls).await.map_err(io::Error::other)?;
    Ok(way.read(&mut [0]).await? == 0)
}

fn config(target: &Target) -> Config {
    let mut config = Config::new();
    match &target.host {
        Host::Tcp(host, port) => config.host(host).port(*port),
        Host::Socket(folder, port) => config.host_path(folder).port(*port),
    };
    config
        .user(&target.user)
        .password(&target.password.0)
        .dbname(&target.database)
        .application_name("bandstand")
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE_AGAIN)
        .keepalives_retries(3)
        .tcp_user_timeout(UNHEARD)
        .ssl_mode(if target.tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
    config
}

impl Session {
    /// Asks the server what is needed to begin.
    async fn begin(
        client: Client,
        host: Arc<Host>,
        tls: Option<MakeRustlsConnect>,
        keep: usize,
    ) -> Result<Self, Refusal> {
        let told = client.simple_query(&format!("{SESSION}; SELECT pg_backend_pid()")).await;
        let process = told.map_err(|error| refusal(&error))?.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).and_then(|number| number.parse().ok()),
            _ => None,
        });
        let process =
            process.ok_or_else(|| Refusal::Denied("the server doesn't say which process serves it".into()))?;
        let prepared = Prepared::new(keep);
        Ok(Self { client, process, host, tls, prepared, turn: None, prelude: Vec::new(), role: None })
    }

    /// What tells another connection about this one.
    fn process(&self) -> u32 {
        self.process
    }

    /// Whether the server works for the connection whose [`Connection::process`] this is. Where it doesn't say, it may.
    async fn sees_working(&self, process: u32) -> bool {
        let ask = format!(
            "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = {process} AND (state IS NULL OR state = 'active')"
        );
        match self.client.simple_query(&ask).await {
            Ok(messages) => messages.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))),
            Err(_) => true,
        }
    }

    fn stopper(&self) -> Stopper {
        Stopper { token: self.client.cancel_token(), host: self.host.clone(), tls: self.tls.clone() }
    }

    /// Sends `command` in front of the next statement.
    fn first(&mut self, command: impl Into<Cow<'static, str>>) {
        self.prelude.push(command.into());
    }

    /// Works for `role` from the next statement on; `None` is the login's own. Never inside a transaction, whose end could
    /// undo it.
    fn act_as(&mut self, role: Option<&Arc<str>>) {
        if self.role.as_ref() == role {
            return;
        }
        self.turn = Some(match role {
            Some(role) => format!("SET ROLE \"{role}\"").into(),
            None => "RESET ROLE".into(),
        });
        self.role = role.cloned();
    }

    /// What goes in front of the next statement, but for whose role it works.
    fn waiting(&self) -> &[Cow<'static, str>] {
        &self.prelude
    }

    fn take_prelude(&mut self) -> Vec<Cow<'static, str>> {
        let prelude = std::mem::take(&mut self.prelude);
        self.turn.take().into_iter().chain(prelude).collect()
    }

    /// Sends what waits, and `command`, without a statement.
    async fn flush(&mut self, command: Option<&'static str>) -> Result<(), Failure> {
        let mut prelude = self.take_prelude();
        prelude.extend(command.map(Cow::Borrowed));
        self.send(&prelude).await.map_err(|error| self.failed(&error))
    }

    /// One message for each: together they would be one transaction.
    async fn send(&self, commands: &[Cow<'static, str>]) -> Result<(), tokio_postgres::Error> {
        if !commands.is_empty() {
            try_join_all(commands.iter().map(|command| self.client.batch_execute(command))).await?;
        }
        Ok(())
    }

    /// Runs a statement once for each of `several`, without waiting between them.
    async fn run_all<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        let (prepared, prelude) = self.prepare(statement, several).await?;
        let streams = several.iter().map(|params| self.query(&prepared, params));
        let (sent, streams) = futures::join!(self.send(&prelude), all_in_order(streams));
        let mut affected = 0;
        let result = async {
            sent.map_err(|error| self.failed(&error).other())?;
            for stream in streams {
                let stream = stream.await.map_err(|error| self.failed(&error).other())?;
                futures::pin_mut!(stream);
                while let Some(next) = stream.try_next().await.map_err(|error| self.failed(&error).other())? {
                    let pause = row(&Cells(Row::Postgres(&next))).map_err(Failure::Row)?;
                    if let Some(pause) = pause {
                        pause.await;
                    }
                }
                affected += stream.rows_affected().unwrap_or(0);
            }
            Ok(())
        }
        .await;
        if let Err(Failure::Stale) = &result {
            self.prepared.forget(statement.id());
        }
        result.map(|()| affected)
    }

    /// Prepares a statement for `several`, and returns it with what is to be sent in front of it, where that wasn't sent.
    async fn prepare<E>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
    ) -> Result<(tokio_postgres::Statement, Vec<Cow<'static, str>>), Failure<E>> {
        let prelude = self.take_prelude();
        let known = self.prepared.get(statement.id()).cloned();
        let (prepared, prelude) = match known {
            Some(prepared) => (prepared, prelude),
            None => {
                let types: Vec<_> = statement.types().iter().map(|of| wire::declared(*of)).collect();
                let preparing = self.client.prepare_typed(statement.sql(), &types);
                let (sent, prepared) = futures::join!(self.send(&prelude), preparing);
                sent.map_err(|error| self.failed(&error).not_sent().other())?;
                let prepared = prepared.map_err(|error| self.failed(&error).not_sent().other())?;
                self.prepared.keep(statement.id(), prepared.clone());
                (prepared, Vec::new())
            }
        };
        if let Some(wrong) = several.iter().find(|params| params.len() != prepared.params().len()) {
            // What was to come before it must not come before the next one.
            self.prelude = prelude;
            return Err(Failure::Store(StoreError::places(prepared.params().len(), wrong.len())));
        }
        Ok((prepared, prelude))
    }

    /// Runs a statement that reads in a transaction of its own, outside of any other, and has the server make its rows in
    /// portions: what is left unread isn't made, and where this is dropped, an end of the transaction is all that it takes.
    async fn run_in_portions<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: &[Datum<'_>],
        row: &mut impl TakeRow<E>,
    ) -> Result<u64, Failure<E>> {
        let (prepared, prelude) = self.prepare(statement, &[params]).await?;
        // It says who works, so it has to be well before anything is done.
        self.send(&prelude).await.map_err(|error| self.failed(&error).other())?;
        let client = &mut self.client;
        let result = async {
            let transaction = client.build_transaction().read_only(true).start().await?;
            let portal = transaction.bind_raw(&prepared, params.iter().map(|value| Param(*value))).await?;
            let mut portion = FIRST_PORTION;
            loop {
                let stream = transaction.query_portal_raw(&portal, portion).await?;
                futures::pin_mut!(stream);
                let mut came = 0;
                while let Some(next) = stream.try_next().await? {
                    came += 1;
                    let pause = row(&Cells(Row::Postgres(&next))).map_err(Ended::Row)?;
                    if let Some(pause) = pause {
                        pause.await;
                    }
                }
                if came < portion {
                    break;
                }
                portion = (portion * 2).min(LARGEST_PORTION);
            }
            transaction.commit().await?;
            Ok(())
        }
        .await;
        let failure = match result {
            Ok(()) => return Ok(0),
            Err(Ended::Row(error)) => Failure::Row(error),
            Err(Ended::Server(error)) => self.failed(&error).other(),
        };
        if let Failure::Stale = &failure {
            self.prepared.forget(statement.id());
        }
        Err(failure)
    }

    async fn query(
        &self,
        prepared: &tokio_postgres::Statement,
        params: &[Datum<'_>],
    ) -> Result<RowStream, tokio_postgres::Error> {
        self.client.query_raw(prepared, params.iter().map(|value| Param(*value))).await
    }

    /// The names of a statement's columns, where it is prepared.
    fn columns(&mut self, statement: &Statement) -> Vec<String> {
        let prepared = self.prepared.get(statement.id());
        prepared.into_iter().flat_map(|it| it.columns()).map(|column| column.name().to_owned()).collect()
    }

    /// As it was when it was opened, but for what is prepared.
    async fn reset(&mut self) -> bool {
        const FORGET: &str =
            "CLOSE ALL; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";
        self.send(&[FORGET.into(), SESSION.into()]).await.is_ok()
    }

    /// Waits until nothing that was sent is still on its way back.
    async fn drain(&mut self) -> bool {
        self.client.check_connection().await.is_ok()
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Failure {
        match meaning(error) {
            Meaning::Said(said) if !self.client.is_closed() => Failure::Store(said),
            Meaning::Said(said) => Failure::Lost { why: said.to_string(), sent: true },
            Meaning::Lost(why) => Failure::Lost { why, sent: true },
            Meaning::Stale => Failure::Stale,
        }
    }
}

/// Why rows came to an end before the last one.
enum Ended<E> {
    Server(tokio_postgres::Error),
    Row(E),
}

impl<E> From<tokio_postgres::Error> for Ended<E> {
    fn from(error: tokio_postgres::Error) -> Self {
        Ended::Server(error)
    }
}

/// Begins all of them in order, so that they are sent together; what comes of each is waited for one by one.
async fn all_in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<impl Future<Output = F::Output>> {
    let mut begun = Vec::new();
    for future in futures {
        let mut future = Box::pin(futures::future::maybe_done(future));
        let _ = futures::poll!(&mut future);
        begun.push(async move {
            future.as_mut().await;
            match future.as_mut().take_output() {
                Some(output) => output,
                // It was polled to its end in the line above.
                None => futures::future::pending().await,
            }
        });
    }
    begun
}

/// Why a connection can't be opened.
fn refusal(error: &tokio_postgres::Error) -> Refusal {
    let why = said(error);
    match error.as_db_error().map(|said| said.code().code()) {
        // It starts, stops, or recovers from a crash.
        None | Some("57P01" | "57P02" | "57P03") => Refusal::Away(why),
        Some("53300" | "53400") => Refusal::Full(why),
        Some(code) if code.starts_with("08") => Refusal::Away(why),
        Some(_) => Refusal::Denied(why),
    }
}

/// An error with its cause, for the operator.
pub(crate) fn said(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
