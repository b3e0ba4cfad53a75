//! The database for one request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use host_core::context::RequestContext;
use host_core::grants::Capability;
use host_store::{Backend, Connection, Effort, Keeper, Server, Sqlite, StoreError, Turn, Turns, Until};
use parking_lot::Mutex;

use crate::app::AppDb;
use crate::attempt::{Repeatable, until};
use crate::bind::{self, Bulk};
use crate::cursor::Cursor;
use crate::deferred::Deferred;
use crate::error::{DbError, Fault, code};
use crate::plan::{Action, Plan, ReadPlan, WritePlan};
use crate::result::{Packed, Sink};
use crate::run::{self, Allowance, Reading, Unit};
use crate::serve::{self, Serving};
use crate::transaction::{Shared, Transaction};
use crate::types::{Outcome, Param, Rows, Statement};

/// Statements of one batch.
pub(crate) const MAX_BATCH: usize = 100;

/// An app's database as one request sees it. Dropped, it rolls back a transaction that is open.
#[derive(Debug)]
pub struct RequestDb {
    pub(crate) scope: Scope,
}

/// What every call of a request works with; its transaction has it as well, without keeping the request open.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) app: Arc<AppDb>,
    pub(crate) context: Arc<RequestContext>,
    pub(crate) state: Arc<RequestState>,
}

/// What a request's transaction and its other calls have to know of one another.
#[derive(Debug, Default)]
pub(crate) struct RequestState {
    closed: AtomicBool,
    /// Whether it ever began to write.
    wrote: AtomicBool,
    /// Whether its transaction has the write lease, or waits for it.
    pub(crate) writes: AtomicBool,
    pub(crate) open: Mutex<Option<Arc<Shared>>>,
    /// The turns beside the one that it has.
    pub(crate) beside: Mutex<Weak<Turns>>,
    /// What runs when the page is made.
    pub(crate) deferred: Mutex<Vec<Deferred>>,
}

impl RequestState {
    /// Whether it ever began to write.
    pub(crate) fn has_written(&self) -> bool {
        self.wrote.load(Ordering::SeqCst)
    }
}

impl Drop for RequestDb {
    fn drop(&mut self) {
        self.close();
    }
}

impl RequestDb {
    pub(crate) fn new(app: Arc<AppDb>, context: Arc<RequestContext>) -> Self {
        Self { scope: Scope { app, context, state: Arc::default() } }
    }

    /// Whose request it is.
    pub fn context(&self) -> &Arc<RequestContext> {
        &self.scope.context
    }

    /// Ends it and returns whether it can't have had an effect, so that the request may be tried again elsewhere.
    pub fn abandon(&self) -> bool {
        self.close();
        !self.scope.state.has_written()
    }

    /// Ends it: an open transaction is rolled back, and further calls answer `closed`. Returns whether one was open, which
    /// is a mistake of the app's.
    pub fn close(&self) -> bool {
        self.scope.state.closed.store(true, Ordering::SeqCst);
        let open = self.scope.state.open.lock().take();
        let was_open = open.is_some();
        if let Some(open) = open {
            open.abandon();
        }
        was_open
    }

    /// Runs a reading shape and returns its rows.
    pub async fn fetch(&self, shape: &[u8], params: Vec<Param>) -> Result<Rows, DbError> {
        self.scope.fetch_into::<Rows>(shape, params).await
    }

    /// The same, packed as `fetch-packed` of the contract says.
    pub async fn fetch_packed(&self, shape: &[u8], params: Vec<Param>) -> Result<Vec<u8>, DbError> {
        self.scope.fetch_into::<Packed>(shape, params).await.map(|packed| packed.0)
    }

    /// Opens a reading shape whose rows are fetched piece by piece.
    pub fn open(&self, shape: &[u8], params: Vec<Param>) -> Result<Cursor, DbError> {
        self.scope.admit()?;
        Cursor::open(&self.scope, shape, params)
    }

    /// Runs a writing shape on its own.
    pub async fn execute(&self, shape: &[u8], params: Vec<Param>) -> Result<Outcome, DbError> {
        self.scope.admit()?;
        let plan = self.scope.app.plan(shape)?;
        let write = writing(&plan)?;
        check_batch_refs(&[write])?;
        let outcomes = self.scope.write(vec![(plan, params)]).await?;
        Ok(outcomes.into_iter().next().unwrap_or_default())
    }

    /// Runs several writing shapes as one unit.
    pub async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DbError> {
        self.scope.admit()?;
        if statements.is_empty() || statements.len() > MAX_BATCH {
            let problem = format!("a batch has 1 to {MAX_BATCH} statements, not {}", statements.len());
            return Err(DbError::new(code::INVALID_VALUE, problem).with("limit", MAX_BATCH));
        }
        let mut units = Vec::with_capacity(statements.len());
        for (at, statement) in statements.into_iter().enumerate() {
            let plan = self.scope.app.plan(&statement.shape).and_then(|plan| writing(&plan).map(|_| plan.clone()));
            units.push((plan.map_err(|error| error.with("statement", at))?, statement.params));
        }
        let plans: Vec<&WritePlan> = units.iter().map(|(plan, _)| writing(plan)).collect::<Result<_, _>>()?;
        check_batch_refs(&plans)?;
        self.scope.write(units).await
    }

    /// Opens a transaction.
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        self.scope.admit()?;
        self.scope.deadline()?;
        let mut open = self.scope.state.open.lock();
        if open.is_some() {
            return Err(DbError::new(
                code::WOULD_DEADLOCK,
                "the request has a transaction open already; use its savepoints",
            ));
        }
        let shared = Arc::new(Shared::new());
        *open = Some(shared.clone());
        Ok(Transaction::new(self.scope.clone(), shared))
    }
}

impl Scope {
    /// Whether the request may call at all: its grant, its life, its budget, in this order.
    pub(crate) fn admit(&self) -> Result<(), DbError> {
        if !self.context.may(Capability::Db) {
            return Err(DbError::denied(Capability::Db));
        }
        self.still_open()
    }

    pub(crate) fn still_open(&self) -> Result<(), DbError> {
        if self.state.closed.load(Ordering::SeqCst) {
            return Err(DbError::new(code::CLOSED, "the request is over"));
        }
        Ok(())
    }

    /// Counts statements that are about to run.
    pub(crate) fn begin_statements(&self, statements: u64) -> Result<(), DbError> {
        self.within_quota()?;
        Ok(self.context.budget.charge_statements(statements)?)
    }

    /// Whether the app has something left of what it may take in a minute.
    pub(crate) fn within_quota(&self) -> Result<(), DbError> {
        match self.context.budget.account() {
            Some(account) => Ok(account.admit()?),
            None => Ok(()),
        }
    }

    /// Leaves a mark before the first write. With [`RequestDb::abandon`] on another thread, at least one of the two sees
    /// the other's mark: what was abandoned as without effect stays so.
    pub(crate) fn begin_writing(&self) -> Result<(), DbError> {
        self.state.wrote.store(true, Ordering::SeqCst);
        self.still_open()
    }

    /// When a statement that begins now must have ended.
    pub(crate) fn deadline(&self) -> Result<Instant, DbError> {
        let left = self.context.budget.db_left()?;
        // Too little to begin anything with.
        if left < Duration::from_millis(1) {
            return Err(DbError::database_time_is_up(&self.context));
        }
        let now = Instant::now();
        if self.context.deadline <= now {
            return Err(DbError::time_is_up(&self.context));
        }
        Ok(self.context.deadline.min(now + left))
    }

    pub(crate) async fn fetch_into<S: Sink>(&self, shape: &[u8], params: Vec<Param>) -> Result<S, DbError> {
        let plan = self.planned(shape, &params)?;
        self.fetch_planned(plan, params).await
    }

    /// The plan of a reading shape that the request may run with these values.
    pub(crate) fn planned(&self, shape: &[u8], params: &[Param]) -> Result<Arc<Plan>, DbError> {
        self.admit()?;
        let plan = self.app.plan(shape)?;
        let read = reading(&plan)?;
        if read.locks {
            let problem = "a lock lasts as long as its transaction: read with `lock` inside of one";
            return Err(DbError::new(code::INVALID_SHAPE, problem));
        }
        bind::check_params(&self.app.catalog, &read.query.binds, read.query.holes, params, Bulk::No)?;
        Ok(plan)
    }

    /// Runs what was planned.
    pub(crate) async fn fetch_planned<S: Sink>(&self, plan: Arc<Plan>, params: Vec<Param>) -> Result<S, DbError> {
        let read = reading(&plan)?;
        self.begin_statements(1)?;
        let deadline = self.deadline()?;
        let sqlite = match self.app.store.backend() {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Server(server) => return self.read_on_server(server, read, &params).await,
        };
        if let Some(result) = self.read_inline(sqlite, read, &params, deadline) {
            return result;
        }
        let (app, context) = (self.app.clone(), self.context.clone());
        let explain = |fault| self.app.explain(fault, &self.context, Instant::now());
        let _turn =
            self.turn_by(read.query.effort(), None, deadline).await.map_err(|error| explain(Fault::Store(error)))?;
        let result = sqlite.read(&self.app.owner, deadline, move |session| -> Result<S, Fault> {
            let (read, began) = (reading(&plan)?, Instant::now());
            let allowance = Allowance::of(&context, app.config.max_result_bytes);
            let until = Until::deadline(until(&context)?);
            let mut on = Reading { session, until };
            let rows = run::now(run::read(&mut on, read, &params, allowance, &context));
            read.query.took(began.elapsed());
            rows
        });
        // A read has no other limits than its request's.
        result.await.map_err(explain)
    }

    /// A read that is short runs here and now. `None` where it isn't, or no connection is free.
    fn read_inline<S: Sink>(
        &self,
        sqlite: &Sqlite,
        read: &ReadPlan,
        params: &[Param],
        deadline: Instant,
    ) -> Option<Result<S, DbError>> {
        let kilosteps = self.app.config.inline_kilosteps;
        if kilosteps == 0 || !read.is_short() {
            return None;
        }
        let allowance = Allowance::of(&self.context, self.app.config.max_result_bytes);
        let result = sqlite.read_inline(|session| {
            let mut on = Reading { session, until: Until::short(deadline, kilosteps) };
            run::now(run::read::<S>(&mut on, read, params, allowance, &self.context))
        })?;
        match result.map_err(Fault::Store).and_then(|result| result) {
            Err(Fault::Store(StoreError::NotShort)) => {
                read.was_long();
                None
            }
            result => Some(result.map_err(|fault| self.app.explain(fault, &self.context, deadline))),
        }
    }

    async fn read_on_server<S: Sink>(&self, server: &Server, read: &ReadPlan, params: &[Param]) -> Result<S, DbError> {
        let (app, context) = (&self.app, &self.context);
        let result = async {
            let turn = self.turn(read.query.effort(), None).await?;
            let mut connection = self.reader(server).await?;
            connection.takes(turn);
            connection.until(until(context)?);
            let allowance = Allowance::of(context, app.config.max_result_bytes);
            let mut on = Serving::new(&mut connection, app.dangling());
            run::read(&mut on, read, params, allowance, context).await
        };
        result.await.map_err(|fault| app.explain(fault, context, Instant::now()))
    }

    /// A turn for what is slow. What a request does besides something that has one, as its cursor or its transaction, doesn't wait
    /// for that.
    pub(crate) async fn turn(&self, effort: Effort, keeper: Option<Weak<dyn Keeper>>) -> Result<Turn, StoreError> {
        self.turn_by(effort, keeper, self.context.deadline).await
    }

    /// The same, where it comes by `deadline`.
    pub(crate) async fn turn_by(
        &self,
        effort: Effort,
        keeper: Option<Weak<dyn Keeper>>,
        deadline: Instant,
    ) -> Result<Turn, StoreError> {
        // Others may wait for the end of its transaction, so it waits for none of theirs.
        if self.state.writes.load(Ordering::Acquire) {
            return Ok(Turn::default());
        }
        let effort = self.app.owner.effort(effort);
        let beside = self.state.beside.lock().upgrade();
        if let Some(turns) = beside {
            return turns.take(effort, keeper, deadline).await;
        }
        let turn = self.app.owner.turns().take(effort, keeper, deadline).await?;
        if effort == Effort::Slow {
            *self.state.beside.lock() = turn.beside();
        }
        Ok(turn)
    }

    /// A connection to read on. Who has written wants to see it, and a replica follows some time later.
    pub(crate) async fn reader(&self, server: &Server) -> Result<Connection, StoreError> {
        match self.state.has_written() {
            true => server.connection(&self.app.owner, self.context.deadline).await,
            false => server.reader(&self.app.owner, self.context.deadline).await,
        }
    }

    /// Refuses a write that would wait for the end of its own request's transaction.
    pub(crate) fn check_no_writing_transaction(&self) -> Result<(), DbError> {
        if self.state.writes.load(Ordering::Acquire) {
            return Err(DbError::new(
                code::WOULD_DEADLOCK,
                "the request's own transaction writes, and a write outside of it would wait for its end; write inside it",
            ));
        }
        Ok(())
    }

    async fn write(&self, units: Vec<(Arc<Plan>, Vec<Param>)>) -> Result<Vec<Outcome>, DbError> {
        self.check_no_writing_transaction()?;
        self.begin_statements(units.len() as u64)?;
        // Whether there is time to begin with. Waiting takes wall time alone.
        self.deadline()?;
        self.begin_writing()?;
        let (app, context, wall) = (self.app.clone(), self.context.clone(), self.context.deadline);
        let sqlite = match self.app.store.backend() {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Server(server) => {
                let result = serve::write(server, self, &units).await;
                return result.map_err(|fault| self.app.explain(fault, &self.context, wall));
            }
        };
        let mut time_left = Repeatable::default();
        let result = sqlite.write(&self.app.owner, wall, move |work| -> Result<Vec<Outcome>, Fault> {
            let deadline = time_left.until(&context)?;
            work.no_later_than(deadline);
            run::now(unit(work, &app, &context, &units, deadline))
        });
        result.await.map_err(|fault| self.app.explain(fault, &self.context, wall))
    }
}

/// Runs the statements of a batch, or the only one, inside a unit of work that the caller ends.
pub(crate) async fn unit(
    on: &mut impl Unit,
    app: &AppDb,
    context: &RequestContext,
    statements: &[(Arc<Plan>, Vec<Param>)],
    deadline: Instant,
) -> Result<Vec<Outcome>, Fault> {
    let alone = statements.len() == 1;
    let write = app.writing(context);
    let mut done: Vec<(&WritePlan, Outcome)> = Vec::with_capacity(statements.len());
    for (at, (plan, params)) in statements.iter().enumerate() {
        let plan = writing(plan)?;
        let result = write.write(on, plan, params, &done).await;
        if let Err(Fault::Store(StoreError::Conflict)) = &result {
            // The caller may begin again.
            return Err(StoreError::Conflict.into());
        }
        let outcome = result.map_err(|fault| {
            let error = app.explain(fault, context, deadline);
            if alone { error } else { error.with("statement", at) }
        })?;
        done.push((plan, outcome));
    }
    if on.has_dangling_keys().await? {
        // The first statement whose values explain it, else the last one.
        for (at, (plan, params)) in statements.iter().enumerate() {
            let fault = write.dangling(on, writing(plan)?, params, &done).await;
            match fault {
                Fault::Db(error) if alone => return Err(error.into()),
                Fault::Db(error) if error.detail("field").is_some() || at + 1 == statements.len() => {
                    return Err(error.with("statement", at).into());
                }
                _ => {}
            }
        }
    }
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

pub(crate) fn reading(plan: &Plan) -> Result<&ReadPlan, DbError> {
    match plan {
        Plan::Read(read) => Ok(read),
        Plan::Write(_) => Err(DbError::new(code::INVALID_SHAPE, "this shape writes; use `execute`")),
    }
}

pub(crate) fn writing(plan: &Plan) -> Result<&WritePlan, DbError> {
    match plan {
        Plan::Write(write) => Ok(write),
        Plan::Read(_) => Err(DbError::new(code::INVALID_SHAPE, "this shape reads; use `fetch`")),
    }
}

/// Checks that each `ref` names an earlier statement that returns the field.
pub(crate) fn check_batch_refs(plans: &[&WritePlan]) -> Result<(), DbError> {
    for (at, plan) in plans.iter().enumerate() {
        for (statement, field) in bind::refs(plan) {
            let found = plans.get(statement).filter(|_| statement < at);
            let returns = found.is_some_and(|plan| match &plan.action {
                Action::Insert { returning, .. } | Action::Update { returning, .. } => {
                    returning.iter().any(|name| name == field)
                }
                _ => false,
            });
            if !returns {
                let problem = format!(
                    "{{\"ref\":[{statement},\"{}\"]}} must name an earlier insert or update of the same batch that has the field in `returning`",
                    crate::shape::shown(field)
                );
                return Err(DbError::new(code::INVALID_SHAPE, problem).with("statement", at));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use host_core::budget::Limits;
    use host_core::context::RequestId;
    use host_core::grants::Grants;
    use host_core::manifest::Manifest;
    use host_store::{Store, StoreConfig};

    use super::*;
    use crate::{Db, DbConfig};

    const INSERT: &[u8] = br#"{"v":1,"op":"insert","from":"page","set":{"n":1}}"#;

    /// A request with these limits beside another one, whose transaction has the write lease.
    async fn beside_a_transaction(limits: Limits) -> (RequestDb, RequestDb, Transaction) {
        let store =
            StoreConfig { transaction_idle_ms: 60_000, transaction_total_ms: 60_000, ..StoreConfig::temporary() };
        let db = Db::open(Store::open(store).expect("a store"), DbConfig::default()).expect("a database");
        let manifest = r#"{"v":1,"name":"site","models":[{"name":"page","fields":[
            {"name":"id","kind":"auto"},{"name":"n","kind":"integer"}]}]}"#;
        let app = db.for_app(&Manifest::parse(manifest).expect("a manifest")).expect("tables");
        let request = |limits| {
            let grants = Arc::new(Grants::from_iter([Capability::Db]));
            let name = host_core::name::AppId::new("site").expect("a name");
            app.for_request(Arc::new(RequestContext::new(RequestId(1), name, grants, limits)))
        };
        let other = request(Limits { wall_ms: 60_000, ..Limits::default() });
        let transaction = other.begin().await.expect("its first one");
        transaction.execute(INSERT, vec![]).await.expect("the lease");
        (request(limits), other, transaction)
    }

    #[tokio::test]
    async fn waiting_for_ones_turn_to_write_takes_no_database_time() {
        let limits = Limits { db_ms: 100, wall_ms: 60_000, ..Limits::default() };
        let (db, _other, transaction) = beside_a_transaction(limits).await;
        let end = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            transaction.commit().await
        };
        let (written, ended) = tokio::join!(db.execute(INSERT, vec![]), end);
        ended.expect("the other one's own time is long");
        assert_eq!(written.map(|outcome| outcome.affected), Ok(1));
    }

    #[tokio::test]
    async fn waiting_for_ones_turn_to_write_ends_with_the_request() {
        let (db, _other, transaction) = beside_a_transaction(Limits { wall_ms: 50, ..Limits::default() }).await;
        let error = db.execute(INSERT, vec![]).await.expect_err("nobody ends the transaction");
        assert_eq!(error.code, code::TIMEOUT);
        transaction.rollback().await.expect("it still is");
    }
}
