//! A borrowed connection: statements under a deadline, transactions, and what becomes of it when its borrower is done or gone.
//!
//! A connection that was dead when it was lent is replaced by a new one, once, as far as the server can't have done what it
//! was told: nothing is done twice.
//!
//! A connection goes back to the pool only where nothing runs on it and no transaction is open. One that was stopped, by a
//! deadline or because nobody waits any more, is stopped at the server and closed, unless it is known that the stop is over: one
//! that comes late must not hit the next borrower's statement.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::datum::{Cells, Datum};
use crate::error::StoreError;
use crate::owner::{Owner, Statement};
use crate::pace::{Run, Turn};
use crate::server::Endpoint;
use crate::server::pool::Place;
use crate::server::target::ServerKind;
use crate::server::wire::{Failure, Pause, Stopper, TakeRow, Wire};
use crate::share::HOST_LANE;

/// How long a statement that was stopped may take to say so.
const STOP_TIME: Duration = Duration::from_secs(2);

/// How long a server may be deaf before its connection is given up.
const DEAF_TIME: Duration = Duration::from_secs(3_600);

/// How often it is asked meanwhile whether it is.
const LOOK: Duration = Duration::from_secs(3);

/// How long the rest of a result that nobody wants may take to arrive before its connection is closed.
const DRAIN_TIME: Duration = Duration::from_millis(250);

/// What is said where a connection broke before anything could have come of what was under way.
const LOST: StoreError = StoreError::Busy("the connection to the database was lost");

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Each statement is a transaction of its own.
    Free,
    /// A transaction is open.
    Open,
    /// What ran was stopped, and nothing else will be. A transaction may be open that the server has given up.
    Stopped,
    /// Something runs, or ran and was left: nobody knows what the server does.
    Busy,
    /// The connection is of no use any more.
    Broken,
}

/// How far a transaction is kept apart from what others commit while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed when it began.
    Statement,
    /// All statements see what was committed when the first one began; what others changed since is a conflict.
    Transaction,
}

/// A connection to a server, until it is dropped.
pub struct Connection {
    // In this order: the connection goes back before its place does.
    wire: Option<Wire>,
    place: Option<Place<Wire>>,
    endpoint: Arc<Endpoint>,
    owner: Option<Arc<Owner>>,
    phase: Phase,
    deadline: Instant,
    wrote: bool,
    /// Whether the app writes the statements.
    raw: bool,
    /// Whether the server has answered nothing yet since the connection was borrowed.
    fresh: bool,
    /// Whether something that ran on it was told to stop, and the next one may hear of it.
    stopped: bool,
    /// Whether what runs is about to end by itself.
    ending: bool,
    /// What the server works on, or did until its future was dropped.
    runs: Option<Arc<Run>>,
    /// How long it has worked for this borrower.
    worked: Duration,
    /// Whether its borrower takes time between the statements of a transaction.
    interactive: bool,
    // Last: it is free when the server is through.
    turn: Option<Turn>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Connection {
    /// Gives the connection back, or closes it, as soon as the server is through with it. Nobody waits for that.
    fn let_go(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        self.ran();
        if let (true, Some(owner)) = (self.interactive, &self.owner) {
            owner.transactions().took(self.worked);
        }
        // What was told to stop may hear of it when somebody else has it.
        let phase = match self.phase {
            Phase::Free | Phase::Open | Phase::Stopped if self.stopped || wire.is_closed() => Phase::Broken,
            phase => phase,
        };
        // Free when the server is through with what it was told.
        let place = (self.place.take(), self.turn.take());
        let (endpoint, lane, raw, owner) = (self.endpoint.clone(), self.lane(), self.raw, self.owner.take());
        let ending = self.ending && !self.stopped;
        if phase == Phase::Free && !raw {
            return endpoint.places.give_back(lane, wire);
        }
        let runtime = endpoint.runtime.clone();
        runtime.spawn(async move {
            let clean = match phase {
                Phase::Free => true,
                Phase::Open | Phase::Stopped => {
                    matches!(tokio::time::timeout(STOP_TIME, wire.flush(Some("ROLLBACK"))).await, Ok(Ok(())))
                }
                Phase::Busy if ending && matches!(tokio::time::timeout(DRAIN_TIME, wire.drain()).await, Ok(true)) => {
                    true
                }
                Phase::Busy => {
                    let _ = tokio::time::timeout(STOP_TIME, wire.stopper(false).stop()).await;
                    endpoint.until_heard(&mut wire, owner.as_ref()).await;
                    false
                }
                Phase::Broken => false,
            };
            match (clean, raw) {
                (true, true) => give_back_clean(wire, &endpoint, lane).await,
                (true, false) => endpoint.places.give_back(lane, wire),
                (false, _) => close(wire).await,
            }
            drop((place, endpoint));
        });
    }
}

impl Endpoint {
    /// Waits until the server has heard that it is to stop. It may be deaf while it works on one value; until then the place stays
    /// taken, so that an app's share bounds what it makes the server do. Where the server says that it works no more, or can't be
    /// asked, the way to it is broken, and nothing will be heard.
    async fn until_heard(&self, wire: &mut Wire, owner: Option<&Arc<Owner>>) {
        let end = Instant::now() + DEAF_TIME;
        while tokio::time::timeout(LOOK, wire.drain()).await.is_err() && Instant::now() < end {
            let Ok(mut other) = self.connect(owner).await else { return };
            let works = tokio::time::timeout(STOP_TIME, other.sees_working(wire.process())).await;
            close(other).await;
            if works != Ok(true) {
                return;
            }
        }
    }
}

async fn give_back_clean(mut wire: Wire, endpoint: &Endpoint, lane: u64) {
    match tokio::time::timeout(STOP_TIME, wire.reset()).await {
        Ok(true) => endpoint.places.give_back(lane, wire),
        _ => close(wire).await,
    }
}

async fn close(wire: Wire) {
    wire.close(STOP_TIME).await;
}

impl Connection {
    pub(crate) fn new(
        wire: Wire,
        place: Place<Wire>,
        endpoint: Arc<Endpoint>,
        owner: Option<Arc<Owner>>,
        deadline: Instant,
    ) -> Self {
        let (wire, place) = (Some(wire), Some(place));
        let mut new = Self {
            wire,
            place,
            endpoint,
            owner,
            phase: Phase::Free,
            deadline,
            wrote: false,
            raw: false,
            fresh: true,
            stopped: false,
            ending: false,
            runs: None,
            worked: Duration::ZERO,
            interactive: false,
            turn: None,
        };
        new.act_for_owner();
        new
    }

    /// Puts a new connection in the place of one that was dead when it was lent.
    async fn replace(&mut self, waiting: Vec<Cow<'static, str>>) -> Result<(), StoreError> {
        let Some(dead) = self.wire.take() else { return Err(StoreError::Closed) };
        let deferring = dead.defers_keys();
        self.endpoint.runtime.spawn(close(dead));
        let mut wire = self.endpoint.open_new(self.owner.as_ref(), self.deadline).await?;
        if deferring {
            wire.defer_keys();
        }
        self.wire = Some(wire);
        self.act_for_owner();
        if let Some(wire) = &mut self.wire {
            waiting.into_iter().for_each(|command| wire.first(command));
        }
        Ok(())
    }

    fn lane(&self) -> u64 {
        self.owner.as_ref().map_or(HOST_LANE, |owner| owner.lane())
    }

    fn act_for_owner(&mut self) {
        let role = self.owner.as_ref().filter(|_| !self.endpoint.own_logins).and_then(|owner| owner.role());
        if let Some(wire) = &mut self.wire {
            wire.act_as(role);
        }
    }

    /// Keeps its borrower's turn until the server is through with all that it is told.
    pub fn takes(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    /// The server is through with a statement, or nobody waits for it any more.
    fn ran(&mut self) {
        if let Some(run) = self.runs.take() {
            self.worked += run.end(&self.endpoint.floor);
        }
    }

    /// Lets nothing run past `deadline` from now on, instead of the deadline that it was asked for with.
    pub fn until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// When what runs is stopped.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it is of no use any more: what it was used for is over.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Stopped | Phase::Broken | Phase::Busy) || self.wire.is_none()
    }

    /// Begins a transaction with the next statement.
    pub fn begin(&mut self, isolation: Isolation) {
        if let (Phase::Free, Some(wire)) = (self.phase, &mut self.wire) {
            let command = match (self.endpoint.target.kind, isolation) {
                (ServerKind::Postgres, Isolation::Statement) => "BEGIN ISOLATION LEVEL READ COMMITTED",
                (ServerKind::Postgres, Isolation::Transaction) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
                (ServerKind::Mariadb, Isolation::Statement) => "START TRANSACTION",
                (ServerKind::Mariadb, Isolation::Transaction) => {
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION"
                }
            };
            wire.first(command.into());
            wire.defer_keys();
            self.phase = Phase::Open;
            self.wrote = false;
            self.interactive = isolation == Isolation::Transaction;
        }
    }

    /// Begins a transaction for a statement that the app wrote.
    pub(crate) fn begin_raw(&mut self, reads: bool) {
        if let (Phase::Free, Some(wire)) = (self.phase, &mut self.wire) {
            // Both servers know these words.
            wire.first(if reads { "START TRANSACTION READ ONLY" } else { "START TRANSACTION READ WRITE" }.into());
            self.phase = Phase::Open;
        }
        self.check_keys_at_once();
        (self.raw, self.wrote) = (true, !reads);
    }

    /// The names of a statement's columns, once it was run.
    pub fn columns(&mut self, statement: &Statement) -> Vec<String> {
        self.wire.as_mut().map(|wire| wire.columns(statement)).unwrap_or_default()
    }

    /// Sends one of the host's own commands in front of the next statement.
    pub fn first(&mut self, command: impl Into<Cow<'static, str>>) {
        if let Some(wire) = &mut self.wire {
            wire.first(command.into());
        }
    }

    /// Sends one of the host's own commands now.
    pub async fn control(&mut self, command: Option<&'static str>) -> Result<(), StoreError> {
        let before = self.phase;
        self.phase = Phase::Busy;
        let Some(wire) = &mut self.wire else { return Err(StoreError::Closed) };
        let result =
            timed(&self.endpoint, &mut self.stopped, self.deadline, wire.stopper(false), wire.flush(command)).await;
        self.fresh = false;
        self.settle(before, result.map_err(Timed::other), true)
    }

    /// Runs `statement` with `params` in order and hands each of its rows to `row`. Returns the number of rows that it
    /// inserted, matched for a change, or deleted; that of a reading statement means nothing.
    ///
    /// A statement that runs past the deadline ends the transaction that it is part of.
    pub async fn run<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: &[Datum<'_>],
        row: impl FnMut(&Cells<'_>) -> Result<(), E> + Send,
    ) -> Result<u64, E> {
        self.run_all(statement, &[params], row).await
    }

    /// Runs a statement once for each of `several`, without waiting for one before sending the next where the server lets us.
    pub async fn run_all<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
        mut row: impl FnMut(&Cells<'_>) -> Result<(), E> + Send,
    ) -> Result<u64, E> {
        self.runs = Some(Run::begin(statement.pace(), self.owner.as_deref()));
        let row = |cells: &Cells<'_>| row(cells).map(|()| None);
        let result = self.run_each(statement, several, false, row).await;
        self.ran();
        result
    }

    /// Runs a statement whose rows are taken as slowly as whoever takes them wants. The server waits meanwhile.
    pub async fn run_pausing<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: &[Datum<'_>],
        mut row: impl FnMut(&Cells<'_>) -> Result<Option<Pause>, E> + Send,
    ) -> Result<u64, E> {
        let (run, endpoint) = (Run::begin(statement.pace(), self.owner.as_deref()), self.endpoint.clone());
        self.runs = Some(run.clone());
        let result = self
            .run_each(statement, &[params], true, |cells: &Cells<'_>| {
                // From here on it takes what its reader takes.
                run.end(&endpoint.floor);
                row(cells)
            })
            .await;
        self.ran();
        result
    }

    async fn run_each<E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        several: &[&[Datum<'_>]],
        pausing: bool,
        mut row: impl TakeRow<E>,
    ) -> Result<u64, E> {
        let most = self.endpoint.max_value_bytes;
        if several.iter().flat_map(|params| params.iter()).any(|value| value.content() > most as usize) {
            return Err(StoreError::TooBig(most).into());
        }
        let reads = if self.raw { !self.wrote } else { reads(statement.sql()) };
        self.wrote |= !reads;
        let before = self.phase;
        let mut again = before == Phase::Free;
        if before == Phase::Free {
            self.check_keys_at_once();
        }
        let mut waiting = self.wire.as_ref().filter(|_| self.fresh).map(Wire::waiting);
        loop {
            self.phase = Phase::Busy;
            let Some(wire) = &mut self.wire else { return Err(StoreError::Closed.into()) };
            // What is undone by the loss of its connection needn't say so.
            let stopper = wire.stopper(before == Phase::Free && !reads);
            let portions = pausing && before == Phase::Free && wire.has_portions();
            let (mut taken, ending) = (false, &mut self.ending);
            let mut take = |cells: &Cells<'_>| {
                (taken, *ending) = (true, portions);
                row(cells)
            };
            let work = async {
                match several {
                    [params] if portions => wire.run_in_portions(statement, params, &mut take).await,
                    several => wire.run_all(statement, several, &mut take).await,
                }
            };
            let result = timed(&self.endpoint, &mut self.stopped, self.deadline, stopper, work).await;
            if let Err(Timed::Failed(Failure::Lost { why, sent })) = &result
                // What a transaction does isn't done before its commit.
                && (reads || !sent || before == Phase::Open)
                && !taken
                && let Some(waiting) = waiting.take()
            {
                self.endpoint.lost(why);
                self.phase = Phase::Broken;
                self.replace(waiting).await?;
                self.phase = before;
                continue;
            }
            (self.fresh, self.ending) = (false, false);
            if let Err(Timed::Failed(Failure::Stale)) = &result
                && std::mem::take(&mut again)
            {
                self.phase = before;
                continue;
            }
            let error = match result {
                Err(Timed::Failed(Failure::Row(error))) => error,
                // The transaction of its own is to be over before anybody else has the connection.
                Err(Timed::Failed(Failure::Store(error))) if portions => error.into(),
                result => return self.settle(before, result, reads),
            };
            let drained = match &mut self.wire {
                Some(wire) => tokio::time::timeout(DRAIN_TIME, wire.drain()).await == Ok(true),
                None => false,
            };
            self.phase = if drained { before } else { Phase::Busy };
            return Err(error);
        }
    }

    /// Where the connection stands after a statement, and what its failure means.
    fn settle<T, E: From<StoreError>>(
        &mut self,
        before: Phase,
        result: Result<T, Timed<E>>,
        harmless: bool,
    ) -> Result<T, E> {
        let unheard = || match (before, harmless) {
            (Phase::Free, false) => StoreError::UnknownOutcome("the server didn't say whether it was stopped".into()),
            _ => StoreError::Timeout,
        };
        let failure = match result {
            Ok(done) => {
                self.heard();
                self.phase = before;
                return Ok(done);
            }
            Err(Timed::Stopped) => {
                self.phase = if self.stopped { Phase::Broken } else { Phase::Stopped };
                return Err(StoreError::Timeout.into());
            }
            Err(Timed::Cut) => {
                self.phase = Phase::Broken;
                return Err(unheard().into());
            }
            // It was told to stop and never answered.
            Err(Timed::Silent) => {
                self.phase = Phase::Busy;
                return Err(unheard().into());
            }
            Err(Timed::Failed(failure)) => failure,
        };
        Err(match failure {
            Failure::Row(error) => error,
            Failure::Store(error) => {
                self.heard();
                // A conflict has rolled back all of it; what else failed, its own statement.
                self.phase = before;
                error.into()
            }
            Failure::Stale => {
                self.phase = before;
                StoreError::Conflict.into()
            }
            Failure::Lost { why, sent } => {
                self.phase = Phase::Broken;
                self.endpoint.lost(&why);
                match (before, harmless || !sent) {
                    (Phase::Free, false) => StoreError::UnknownOutcome(why).into(),
                    _ => LOST.into(),
                }
            }
        })
    }

    fn heard(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.answered = Instant::now();
        }
    }

    /// Makes the transaction final: on the server's disk when this returns `Ok`. Where it has written nothing there is nothing to
    /// wait for, and the connection is given back at once.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        if self.phase == Phase::Open && !self.wrote {
            self.let_go();
            return Ok(());
        }
        self.phase = Phase::Busy;
        let Some(wire) = &mut self.wire else { return Err(StoreError::Closed) };
        // A commit has no deadline of the request's: it is short, and stopping it halfway would leave its outcome unknown.
        let until = Instant::now() + Duration::from_secs(30);
        let result =
            timed(&self.endpoint, &mut self.stopped, until, wire.stopper(false), wire.flush(Some("COMMIT"))).await;
        match result {
            Ok(()) => {
                self.heard();
                self.phase = Phase::Free;
                if let (true, Some(owner)) = (self.wrote, &self.owner) {
                    owner.committed();
                }
                Ok(())
            }
            // The server said no, which also undid it.
            Err(Timed::Failed(Failure::Store(error))) => {
                self.phase = Phase::Open;
                Err(error)
            }
            Err(Timed::Failed(Failure::Lost { why, .. })) => {
                self.phase = Phase::Broken;
                self.endpoint.lost(&why);
                if self.wrote { Err(StoreError::UnknownOutcome(why)) } else { Err(LOST) }
            }
            Err(_) if self.wrote => Err(StoreError::UnknownOutcome("the server didn't answer the commit".into())),
            Err(_) => Err(StoreError::Timeout),
        }
    }

    /// Undoes the open transaction. Where the server doesn't answer, the connection is closed, which undoes it as well.
    pub async fn rollback(&mut self) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Busy;
        let Some(wire) = &mut self.wire else { return };
        let done = tokio::time::timeout(STOP_TIME, wire.flush(Some("ROLLBACK"))).await;
        self.phase = if matches!(done, Ok(Ok(()))) { Phase::Free } else { Phase::Broken };
    }

    /// Whether keys of the open transaction may point nowhere without the server's knowing. Then the host has to look before
    /// it commits.
    pub fn is_unchecked(&self) -> bool {
        self.wire.as_ref().is_some_and(Wire::is_unchecked)
    }

    /// Lets the server look at each key at once, although a transaction is open.
    pub fn check_keys_at_once(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.check_keys();
        }
    }

    /// Which server it is.
    pub fn kind(&self) -> ServerKind {
        self.endpoint.target.kind
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }
}

/// What became of something that had a deadline.
enum Timed<E> {
    Failed(Failure<E>),
    /// It was stopped, and the server says so.
    Stopped,
    /// It was to be stopped, and the connection broke without a word.
    Cut,
    /// It was to be stopped, and nothing came.
    Silent,
}

impl Timed<Infallible> {
    fn other<E>(self) -> Timed<E> {
        match self {
            Timed::Failed(failure) => Timed::Failed(failure.other()),
            Timed::Stopped => Timed::Stopped,
            Timed::Cut => Timed::Cut,
            Timed::Silent => Timed::Silent,
        }
    }
}

async fn timed<T, E>(
    endpoint: &Endpoint,
    told: &mut bool,
    deadline: Instant,
    stopper: Stopper,
    work: impl Future<Output = Result<T, Failure<E>>>,
) -> Result<T, Timed<E>> {
    tokio::pin!(work);
    if let Ok(result) = tokio::time::timeout_at(deadline.into(), &mut work).await {
        return result.map_err(Timed::Failed);
    }
    let before = std::mem::replace(told, true);
    // Whoever asks may run where nothing can be sent, so the store's own threads do it.
    let stopping = endpoint.runtime.spawn(stopper.stop());
    let stopped = async {
        let over = stopping.await.unwrap_or(false);
        (work.await, over)
    };
    match tokio::time::timeout(STOP_TIME, stopped).await {
        Ok((Err(Failure::Lost { .. }), _)) => Err(Timed::Cut),
        // It may have been done before the stop came.
        Ok((result, over)) => {
            *told = before || !over;
            result.map_err(|_| Timed::Stopped)
        }
        Err(_) => Err(Timed::Silent),
    }
}

/// Whether a statement only reads. The planner writes them, so their first word tells.
fn reads(sql: &str) -> bool {
    ["SELECT", "WITH", "EXPLAIN", "("].iter().any(|word| sql.starts_with(word))
}
