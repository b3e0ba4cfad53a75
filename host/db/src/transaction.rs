//! Several statements that take effect together.
//!
//! On SQLite: until its first write a transaction holds nothing: each of its reads sees what was committed when it began. With its
//! first write (or its first savepoint) it takes the site's write lease and from then on sees a database that nobody
//! else changes. If the app's data changed between its first read and that moment, it gets `conflict-retry` instead, so
//! that what it read is still true when it writes.
//!
//! On a server it has a connection from its first statement on, with a snapshot: each of its reads sees what was committed
//! when that began. Who writes what another one changed since gets `conflict-retry`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use host_core::context::RequestContext;
use host_store::{Backend, StoreError};
use tokio::sync::{Mutex, MutexGuard};

use crate::bind::{self, Bulk};
use crate::cursor::Cursor;
use crate::error::{DbError, Fault, code};
use crate::hold::Hold;
use crate::request::{Scope, check_batch_refs, reading, writing};
use crate::result::{Packed, Sink};
use crate::types::{Outcome, Param, Rows};

/// Savepoints at a time: deeper nesting is a loop gone wrong.
const MAX_SAVEPOINTS: usize = 16;

/// The part of a transaction that its request reaches as well, to end it.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    abandoned: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// Nothing written; the count of commits before the first read.
    Reading { seen: Option<u64> },
    /// It has the lease, or a server's connection, and so many savepoints.
    Holding { hold: Hold, savepoints: usize },
    /// It is over, and what its calls answer from now on.
    Over { why: StoreError },
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::Reading { seen: None }), abandoned: AtomicBool::new(false) }
    }

    /// Ends it from outside. Where a call is under way, that call ends it.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        if let Ok(mut state) = self.state.try_lock() {
            *state = State::Over { why: StoreError::Closed };
        }
    }
}

/// An open transaction. Dropped, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    scope: Scope,
    shared: Arc<Shared>,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.shared.abandon();
        self.leave();
    }
}

struct Points {
    set: Arc<host_store::Statement>,
    back: Arc<host_store::Statement>,
    release: Arc<host_store::Statement>,
}

static POINTS: LazyLock<Vec<Points>> = LazyLock::new(|| {
    let statement = |word: &str, at: usize| Arc::new(host_store::Statement::of_host(format!("{word} point_{at}")));
    let points = |at| Points {
        set: statement("SAVEPOINT", at),
        back: statement("ROLLBACK TO SAVEPOINT", at),
        release: statement("RELEASE SAVEPOINT", at),
    };
    (0..MAX_SAVEPOINTS).map(points).collect()
});

impl Transaction {
    pub(crate) fn new(scope: Scope, shared: Arc<Shared>) -> Self {
        Self { scope, shared }
    }

    /// Whose request it belongs to.
    pub fn context(&self) -> &Arc<RequestContext> {
        &self.scope.context
    }

    /// Runs a reading shape inside it.
    pub async fn fetch(&self, shape: &[u8], params: Vec<Param>) -> Result<Rows, DbError> {
        self.fetch_into::<Rows>(shape, params).await
    }

    /// The same, packed.
    pub async fn fetch_packed(&self, shape: &[u8], params: Vec<Param>) -> Result<Vec<u8>, DbError> {
        self.fetch_into::<Packed>(shape, params).await.map(|packed| packed.0)
    }

    /// Opens a reading shape inside it. Its rows are read at once, since a transaction does one thing at a time.
    pub async fn open(&self, shape: &[u8], params: Vec<Param>) -> Result<Cursor, DbError> {
        let rows = self.fetch_into::<Rows>(shape, params).await?;
        Ok(Cursor::of(&self.scope, rows))
    }

    async fn fetch_into<S: Sink>(&self, shape: &[u8], params: Vec<Param>) -> Result<S, DbError> {
        let mut state = self.enter().await?;
        let plan = self.scope.app.plan(shape)?;
        if reading(&plan)?.locks {
            // What is read with a lock is read where it writes.
            self.hold_to_write(&mut state).await?;
        }
        if let State::Reading { seen } = &mut *state
            && self.scope.app.store.sqlite().is_some()
        {
            seen.get_or_insert(self.scope.app.owner.commits());
            let result = self.scope.fetch_into(shape, params).await;
            self.exit(state);
            return result;
        }
        let read = reading(&plan)?;
        bind::check_params(&self.scope.app.catalog, &read.query.binds, read.query.holes, &params, Bulk::No)?;
        self.scope.begin_statements(1)?;
        let hold = self.hold(&mut state).await?;
        let deadline = self.scope.deadline()?;
        let result = hold.read(&self.scope, plan, params, deadline).await;
        self.settle(state, result, deadline)
    }

    /// Runs a writing shape inside it. Where it fails, its own effect is undone and the transaction goes on.
    pub async fn execute(&self, shape: &[u8], params: Vec<Param>) -> Result<Outcome, DbError> {
        let mut state = self.enter().await?;
        let plan = self.scope.app.plan(shape)?;
        check_batch_refs(&[writing(&plan)?])?;
        self.scope.begin_statements(1)?;
        let hold = self.hold_to_write(&mut state).await?;
        // Only now: the time that it waited for the lease isn't database time.
        let deadline = self.scope.deadline()?;
        let result = hold.write(&self.scope, plan, params, deadline).await;
        self.settle(state, result, deadline)
    }

    /// Sets a mark to go back to and returns its number.
    pub async fn savepoint(&self) -> Result<u32, DbError> {
        let mut state = self.enter().await?;
        if let State::Holding { savepoints, .. } = &*state
            && *savepoints >= MAX_SAVEPOINTS
        {
            let problem = format!("more than {MAX_SAVEPOINTS} savepoints at a time");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("limit", MAX_SAVEPOINTS));
        }
        self.hold_to_write(&mut state).await?;
        let State::Holding { hold, savepoints } = &mut *state else { return Err(self.over(&StoreError::Closed)) };
        let at = *savepoints;
        let result = hold.control(POINTS[at].set.clone()).await;
        if result.is_ok() {
            *savepoints += 1;
        }
        self.settle(state, result.map_err(Fault::Store), self.scope.context.deadline)
            .map(|()| u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Undoes all since that mark, which stays.
    pub async fn rollback_to(&self, savepoint: u32) -> Result<(), DbError> {
        self.go_back(savepoint, true).await
    }

    /// Forgets that mark and those after it.
    pub async fn release(&self, savepoint: u32) -> Result<(), DbError> {
        self.go_back(savepoint, false).await
    }

    async fn go_back(&self, savepoint: u32, undo: bool) -> Result<(), DbError> {
        let mut state = self.enter().await?;
        let at = savepoint as usize;
        let (hold, savepoints) = match &mut *state {
            State::Holding { hold, savepoints } if at < *savepoints => (hold, savepoints),
            State::Over { why } => return Err(self.over(why)),
            _ => {
                let problem = format!("there is no savepoint {savepoint}, or it was released");
                return Err(DbError::new(code::INVALID_VALUE, problem).with("savepoint", savepoint));
            }
        };
        let points = &POINTS[at];
        let statement = if undo { &points.back } else { &points.release };
        let result = hold.control(statement.clone()).await;
        if result.is_ok() {
            *savepoints = if undo { at + 1 } else { at };
        }
        self.settle(state, result.map_err(Fault::Store), self.scope.context.deadline)
    }

    /// Makes it final: on disk when this returns `Ok`.
    pub async fn commit(&self) -> Result<(), DbError> {
        self.end(true).await
    }

    /// Undoes all of it.
    pub async fn rollback(&self) -> Result<(), DbError> {
        self.end(false).await
    }

    async fn end(&self, commit: bool) -> Result<(), DbError> {
        let mut state = self.enter().await?;
        let over = State::Over { why: StoreError::Closed };
        let result = match std::mem::replace(&mut *state, over) {
            State::Reading { .. } => Ok(()),
            State::Holding { hold, .. } if commit => hold.commit(&self.scope).await,
            State::Holding { hold, .. } => hold.rollback().await,
            State::Over { why } => {
                let error = self.over(&why);
                *state = State::Over { why };
                return Err(error);
            }
        };
        self.leave();
        result.map_err(|fault| self.scope.app.explain(fault, &self.scope.context, self.scope.context.deadline))
    }

    async fn enter(&self) -> Result<MutexGuard<'_, State>, DbError> {
        self.scope.admit()?;
        Ok(self.shared.state.lock().await)
    }

    /// What it holds, with the mark that it writes.
    async fn hold_to_write<'s>(&self, state: &'s mut State) -> Result<&'s Hold, DbError> {
        if let State::Over { why } = state {
            return Err(self.over(why));
        }
        let writes = &self.scope.state.writes;
        let already = writes.load(Ordering::Acquire);
        self.scope.begin_writing()?;
        // From here on a write of this request outside would wait for what we hold, or wait for.
        writes.store(true, Ordering::Release);
        let result = self.hold(state).await;
        if result.is_err() && !already {
            writes.store(false, Ordering::Release);
        }
        result
    }

    /// What it holds, taken now if this is its first write, or its first statement on a server.
    async fn hold<'s>(&self, state: &'s mut State) -> Result<&'s Hold, DbError> {
        if let State::Reading { seen } = state {
            // Nothing is begun without time left; the wait itself ends with the request.
            self.scope.deadline()?;
            let deadline = self.scope.context.deadline;
            let app = &self.scope.app;
            let held = match app.store.backend() {
                Backend::Sqlite(sqlite) => sqlite.lease(&app.owner, *seen, deadline).await.map(Hold::File),
                Backend::Server(server) => match self.scope.turn(app.owner.transactions().effort(), None).await {
                    Ok(turn) => server.transaction(&app.owner, turn, deadline).await.map(Hold::Server),
                    Err(error) => Err(error),
                },
            };
            match held {
                Ok(hold) => *state = State::Holding { hold, savepoints: 0 },
                Err(error) => {
                    if error == StoreError::Conflict {
                        *state = State::Over { why: StoreError::Conflict };
                        self.leave();
                    }
                    return Err(app.explain(error.into(), &self.scope.context, self.scope.context.deadline));
                }
            }
        }
        match state {
            State::Holding { hold, .. } => Ok(hold),
            State::Over { why } => Err(self.over(why)),
            State::Reading { .. } => Err(DbError::new(code::INTERNAL, "a transaction that holds nothing")),
        }
    }

    /// Ends a call: a lease that the other side took away is gone for good.
    fn settle<T>(
        &self,
        mut state: MutexGuard<'_, State>,
        result: Result<T, Fault>,
        deadline: Instant,
    ) -> Result<T, DbError> {
        if let (Err(Fault::Store(why)), State::Holding { hold, .. }) = (&result, &*state)
            && (hold.is_over() || *why == StoreError::Conflict)
        {
            let why = why.clone();
            let error = self.over(&why);
            *state = State::Over { why };
            self.leave();
            self.exit(state);
            return Err(error);
        }
        self.exit(state);
        result.map_err(|fault| self.scope.app.explain(fault, &self.scope.context, deadline))
    }

    /// A request that ended while a call was under way left the rest to that call.
    fn exit(&self, mut state: MutexGuard<'_, State>) {
        if self.shared.abandoned.load(Ordering::Acquire) {
            *state = State::Over { why: StoreError::Closed };
        }
    }

    /// Lets the request write outside and open another one.
    fn leave(&self) {
        let mut open = self.scope.state.open.lock();
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, &self.shared)) {
            *open = None;
            self.scope.state.writes.store(false, Ordering::Release);
        }
    }

    fn over(&self, why: &StoreError) -> DbError {
        match why {
            StoreError::Timeout => {
                let config = self.scope.app.store.config();
                let problem = format!(
                    "the transaction was rolled back: it may wait {} ms between two statements and last {} ms from its first write on{}",
                    config.transaction_idle_ms,
                    config.transaction_total_ms,
                    self.scope.app.when_others_wait()
                );
                DbError::new(code::TIMEOUT, problem).with("limit", config.transaction_total_ms)
            }
            why => self.scope.app.explain(why.clone().into(), &self.scope.context, self.scope.context.deadline),
        }
    }
}
