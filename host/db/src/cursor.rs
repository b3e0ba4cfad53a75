//! Rows that are fetched piece by piece, for results that are larger than one wants to hold.
//!
//! Whoever reads runs ahead by a piece or two and then waits until somebody wants more: on SQLite a reading thread, on a
//! server a connection, whose server waits in turn. Dropped, the cursor stops it; and so does it where others wait for what
//! the cursor keeps while nobody asks it for rows.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use host_core::context::RequestContext;
use host_store::{Backend, Cells, Datum, Keeper, Pause, Statement, StoreError, Until};
use tokio::sync::{Mutex, mpsc};

use crate::bind::{self, Around, Bulk};
use crate::error::{DbError, Fault, code};
use crate::plan::Plan;
use crate::request::{Scope, reading};
use crate::result::Sink;
use crate::run::{Allowance, Stopwatch, note};
use crate::types::{Param, Rows, Value};

/// Rows and bytes after which a piece is sent on.
const PIECE: (usize, usize) = (64, 64 << 10);

/// Pieces that are read ahead.
const AHEAD: usize = 2;

type Reading = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>;

/// A result that is fetched piece by piece. It belongs to the request that opened it.
pub struct Cursor {
    scope: Scope,
    shared: Arc<Shared>,
}

/// The part of a cursor that others reach as well, to take its connection away.
struct Shared {
    state: Mutex<State>,
    /// When the latest call ended.
    idle: parking_lot::Mutex<Option<Instant>>,
    /// Whether it has a thread or a connection.
    holds: Arc<AtomicBool>,
    idle_ms: u64,
}

impl Keeper for Shared {
    fn idle_since(&self) -> Option<Instant> {
        let idle = *self.idle.lock();
        idle.filter(|_| self.holds.load(Ordering::Acquire))
    }

    fn give_back(&self) {
        // Where a call is under way, it isn't idle.
        let Ok(mut state) = self.state.try_lock() else { return };
        if self.idle_since().is_some() && state.over.is_none() {
            let problem = "the cursor was closed: others needed its connection while it waited for the app's next call; \
                           take more rows at a time, or read on from the last key with a new one";
            state.end(DbError::new(code::TIMEOUT, problem).with("limit", self.idle_ms));
        }
    }
}

/// Says that a thread or a connection is held, until it is dropped.
struct Holds(Arc<AtomicBool>);

impl Holds {
    fn begin(holds: &Arc<AtomicBool>) -> Self {
        holds.store(true, Ordering::Release);
        Self(holds.clone())
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

struct State {
    width: usize,
    /// Cells that came and weren't asked for yet.
    left: VecDeque<Value>,
    pieces: mpsc::Receiver<Rows>,
    reading: Option<Reading>,
    /// What every further call answers.
    over: Option<DbError>,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("app", &self.scope.app.catalog.app).finish_non_exhaustive()
    }
}

impl Cursor {
    /// Begins to read with the first call of [`Cursor::next`].
    pub(crate) fn open(scope: &Scope, shape: &[u8], params: Vec<Param>) -> Result<Self, DbError> {
        let plan = scope.app.plan(shape)?;
        let read = reading(&plan)?;
        if read.locks || read.explains.is_some() {
            let problem = "`lock` and `explain` aren't for a cursor; fetch them";
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        bind::check_params(&scope.app.catalog, &read.query.binds, read.query.holes, &params, Bulk::No)?;
        scope.begin_statements(1)?;
        scope.deadline()?;
        let width = read.cells.len();
        let (sender, pieces) = mpsc::channel(AHEAD);
        let shared = Arc::new_cyclic(|keeper: &Weak<Shared>| {
            let holds = Arc::default();
            let place = Keeping { keeper: keeper.clone(), holds: Arc::clone(&holds) };
            let reading = read_ahead(scope.clone(), plan, params, sender, place);
            let state = State { width, left: VecDeque::new(), pieces, reading: Some(reading), over: None };
            Shared::new(scope, state, holds)
        });
        Ok(Self { scope: scope.clone(), shared })
    }

    /// Over rows that were read already, as in a transaction, which reads one thing at a time.
    pub(crate) fn of(scope: &Scope, rows: Rows) -> Self {
        let (_, pieces) = mpsc::channel(1);
        let width = rows.width as usize;
        let state = State { width, left: rows.cells.into(), pieces, reading: None, over: None };
        Self { scope: scope.clone(), shared: Arc::new(Shared::new(scope, state, Arc::default())) }
    }

    /// Whose request it belongs to.
    pub fn context(&self) -> &Arc<RequestContext> {
        &self.scope.context
    }

    /// The next rows: at most `max_rows`, and no more after `max_bytes` are full; at least one where there is one. None is
    /// the end.
    ///
    /// Errors: those of `fetch`. After one, the cursor is over and says the same again.
    pub async fn next(&self, max_rows: u32, max_bytes: u32) -> Result<Rows, DbError> {
        self.scope.admit()?;
        if max_rows == 0 {
            return Err(DbError::new(code::INVALID_VALUE, "`max-rows` is at least 1"));
        }
        let mut state = self.shared.state.lock().await;
        *self.shared.idle.lock() = None;
        let result = self.take(&mut state, max_rows, max_bytes).await;
        *self.shared.idle.lock() = Some(Instant::now());
        result
    }

    async fn take(&self, state: &mut State, max_rows: u32, max_bytes: u32) -> Result<Rows, DbError> {
        if let Some(error) = &state.over {
            return Err(error.clone());
        }
        self.scope.within_quota()?;
        let deadline = self.scope.deadline()?;
        let most = self.scope.app.config.max_result_bytes.min(max_bytes.into());
        let filled = {
            let _time = Stopwatch::start(&self.scope.context.budget);
            tokio::time::timeout_at(deadline.into(), state.fill(max_rows as usize, most)).await
        };
        let result = match filled {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(fault)) => Err(self.scope.app.explain(fault, &self.scope.context, deadline)),
            Err(_) => Err(self.scope.app.explain(StoreError::Timeout.into(), &self.scope.context, deadline)),
        };
        let result = result.and_then(|rows| {
            self.scope.context.budget.charge_rows(rows.len() as u64)?;
            Ok(rows)
        });
        if let Err(error) = &result {
            state.end(error.clone());
        }
        result
    }
}

impl Shared {
    fn new(scope: &Scope, state: State, holds: Arc<AtomicBool>) -> Self {
        let idle_ms = scope.app.store.config().cursor_idle_ms;
        Self { state: Mutex::new(state), idle: parking_lot::Mutex::new(None), holds, idle_ms }
    }
}

impl State {
    /// Stops what is under way.
    fn end(&mut self, why: DbError) {
        self.pieces.close();
        self.left.clear();
        (self.reading, self.over) = (None, Some(why));
    }

    async fn fill(&mut self, max_rows: usize, max_bytes: u64) -> Result<Rows, Fault> {
        let mut rows = Rows::start(self.width);
        let (mut taken, mut weight) = (0, 0);
        loop {
            while taken < max_rows && (taken == 0 || weight < max_bytes) && self.left.len() >= self.width.max(1) {
                for value in self.left.drain(..self.width) {
                    weight += value.weight() as u64;
                    rows.cells.push(value);
                }
                taken += 1;
            }
            if taken == max_rows || weight >= max_bytes && taken > 0 {
                return Ok(rows);
            }
            match self.more().await {
                Ok(Some(piece)) => self.left.extend(piece.cells),
                Ok(None) => return Ok(rows),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// The next piece; `None` is the end.
    async fn more(&mut self) -> Result<Option<Rows>, Fault> {
        loop {
            let Some(reading) = &mut self.reading else { return Ok(self.pieces.recv().await) };
            tokio::select! {
                biased;
                piece = self.pieces.recv() => {
                    if piece.is_some() {
                        return Ok(piece);
                    }
                    // It has nothing more to send; whether all went well it says now.
                    let result = reading.await;
                    self.reading = None;
                    return result.map(|()| None);
                }
                result = reading.as_mut() => {
                    self.reading = None;
                    result?;
                }
            }
        }
    }
}

/// Puts rows together to pieces.
struct Pieces {
    plan: Arc<Plan>,
    allowance: Allowance,
    piece: Rows,
    weight: usize,
}

impl Pieces {
    /// Takes a row, and gives the piece that is full with it.
    fn take(&mut self, row: &Cells<'_>) -> Result<Option<Rows>, Fault> {
        let before = self.piece.cells.len();
        let read = reading(&self.plan)?;
        self.allowance.take(row, &read.cells, |at| read.name(at), &mut self.piece)?;
        self.weight += self.piece.cells[before..].iter().map(Value::weight).sum::<usize>();
        let rows = self.piece.cells.len() / read.cells.len().max(1);
        if rows < PIECE.0 && self.weight < PIECE.1 {
            return Ok(None);
        }
        self.weight = 0;
        Ok(Some(std::mem::replace(&mut self.piece, Rows::start(read.cells.len()))))
    }
}

/// Tells the developer of the statement when it ends, by itself or because nobody wants more of it.
struct Told<'a> {
    context: &'a RequestContext,
    statement: &'a Statement,
    began: Instant,
    rows: AtomicU64,
}

impl<'a> Told<'a> {
    fn of(context: &'a RequestContext, statement: &'a Statement) -> Self {
        Self { context, statement, began: Instant::now(), rows: AtomicU64::new(0) }
    }

    fn row(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        note(self.context, self.statement, self.began, self.rows.load(Ordering::Relaxed));
    }
}

/// Whose the place is that it reads on.
struct Keeping {
    keeper: Weak<Shared>,
    holds: Arc<AtomicBool>,
}

/// Reads and sends, as far as somebody takes it.
fn read_ahead(
    scope: Scope,
    plan: Arc<Plan>,
    params: Vec<Param>,
    sender: mpsc::Sender<Rows>,
    Keeping { keeper, holds }: Keeping,
) -> Reading {
    Box::pin(async move {
        let Scope { app, context, .. } = &scope;
        let read = reading(&plan)?;
        let pieces = Pieces {
            plan: plan.clone(),
            allowance: Allowance::of_cursor(context),
            piece: Rows::start(read.cells.len()),
            weight: 0,
        };
        match app.store.backend() {
            Backend::Sqlite(sqlite) => {
                let turn = scope.turn(read.query.effort(), Some(keeper.clone())).await?;
                let (plan, context, deadline) = (plan.clone(), context.clone(), context.deadline);
                let mut pieces = pieces;
                let job = move |session: &mut host_store::Session| -> Result<(), Fault> {
                    let _holds = Holds::begin(&holds);
                    let read = reading(&plan)?;
                    let params = bind::canonical(&read.query.binds, &params);
                    let statement = read.query.statement(&params);
                    let values = bind::values(&read.query.binds, &params, 0, Around::alone(&context));
                    let told = Told::of(&context, &statement);
                    let gone = |_| Fault::Store(StoreError::Cancelled);
                    // The thread waits where nobody wants more. It ends with the cursor, which ends with its request.
                    let (began, mut waited) = (Instant::now(), Duration::ZERO);
                    let take = |row: &Cells<'_>| {
                        told.row();
                        let Some(piece) = pieces.take(row)? else { return Ok(()) };
                        let full = Instant::now();
                        let sent = sender.blocking_send(piece).map_err(gone);
                        waited += full.elapsed();
                        sent
                    };
                    let ran = session.run(&statement, Until::deadline(deadline), values, take);
                    // What its reader takes isn't its own.
                    read.query.took(began.elapsed().saturating_sub(waited));
                    ran?;
                    sender.blocking_send(pieces.piece).map_err(gone)
                };
                let ended = sqlite.read_kept(&app.owner, keeper, deadline, job).await;
                drop(turn);
                ended
            }
            Backend::Server(server) => {
                let latest = scope.state.has_written();
                let turn = scope.turn(read.query.effort(), Some(keeper.clone())).await?;
                let mut connection = server.kept_reader(&app.owner, keeper, latest, context.deadline).await?;
                connection.takes(turn);
                let _holds = Holds::begin(&holds);
                let params = bind::canonical(&read.query.binds, &params);
                let statement = read.query.statement(&params);
                let values: Vec<Datum<'_>> =
                    bind::values(&read.query.binds, &params, 0, Around::alone(context)).collect();
                let mut pieces = pieces;
                let told = Told::of(context, &statement);
                let take = |row: &Cells<'_>| {
                    told.row();
                    let Some(piece) = pieces.take(row)? else { return Ok(None) };
                    let sender = sender.clone();
                    let sent: Pause = Box::pin(async move { drop(sender.send(piece).await) });
                    Ok(Some(sent))
                };
                connection.run_pausing::<Fault>(&statement, &values, take).await?;
                let _ = sender.send(pieces.piece).await;
                Ok(())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_already_is_handed_out_in_portions() {
        let cells: VecDeque<Value> = (0..10).map(Value::Integer).collect();
        let (_, pieces) = mpsc::channel(1);
        let mut state = State { width: 2, left: cells, pieces, reading: None, over: None };
        let counts = [(2, u64::MAX, 2), (9, 1, 1), (9, u64::MAX, 2), (9, u64::MAX, 0)];
        for (rows, bytes, expected) in counts {
            let rows = state.fill(rows, bytes).await;
            assert_eq!(rows.map(|rows| rows.len()).ok(), Some(expected));
        }
    }
}
