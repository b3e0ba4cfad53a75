//! Plans with their values, against the database.

use std::collections::BTreeSet;
use std::future::ready;
use std::time::Instant;

use futures::FutureExt;
use host_core::budget::{Budget, Exhausted, Resource};
use host_core::context::RequestContext;
use host_core::quota::UsedUp;
use host_store::{Cells, Constraint, Datum, Owner, Session, Statement, StoreError, Until, Work};

use crate::bind::{self, Around, Bulk, Earlier};
use crate::catalog::Catalog;
use crate::error::{DbError, Fault, code};
use crate::kind::Kind;
use crate::plan::delete::Collect;
use crate::plan::{Action, Cell, Query, ReadPlan, WritePlan};
use crate::result::{Sink, to_value};
use crate::types::{Outcome, Param, Rows, Value};

/// The values of a statement, in order.
pub(crate) type Params<'i, 'p> = &'i mut (dyn Iterator<Item = Datum<'p>> + Send);

/// What takes the rows of a result.
pub(crate) type OnRow<'r> = &'r mut (dyn FnMut(&Cells<'_>) -> Result<(), Fault> + Send);

/// A connection that can run statements, whatever the database.
///
/// What is written against it is written once. SQLite's is done when it is asked: its futures are ready at once, and
/// [`now`] takes what came of them on the thread that the connection belongs to.
pub(crate) trait Run: Send {
    /// Runs `statement` with `params` in order and hands each of its rows to `row`. Returns the number of rows that it
    /// inserted, changed or deleted; that of a reading statement means nothing.
    fn run(
        &mut self,
        statement: &Statement,
        params: Params<'_, '_>,
        row: OnRow<'_>,
    ) -> impl Future<Output = Result<u64, Fault>> + Send;
}

/// Takes the rows of a statement that gives none.
pub(crate) fn no_rows(_: &Cells<'_>) -> Result<(), Fault> {
    Ok(())
}

/// A connection inside a unit of work.
pub(crate) trait Unit: Run {
    /// Runs `statement` once for each of `rows`, the values of one run each. A server needn't answer one before it gets the
    /// next.
    fn run_rows(
        &mut self,
        statement: &Statement,
        rows: &mut (dyn Iterator<Item = Vec<Datum<'_>>> + Send),
        row: OnRow<'_>,
    ) -> impl Future<Output = Result<u64, Fault>> + Send;

    /// Whether a foreign key points nowhere at this moment.
    fn has_dangling_keys(&mut self) -> impl Future<Output = Result<bool, Fault>> + Send;
}

/// What came of work on a connection that never waits.
pub(crate) fn now<T, E: From<StoreError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let never = || StoreError::Internal("work on SQLite's connection waited for something".into());
    work.now_or_never().unwrap_or_else(|| Err(never().into()))
}

impl Run for Work<'_> {
    fn run(
        &mut self,
        statement: &Statement,
        params: Params<'_, '_>,
        row: OnRow<'_>,
    ) -> impl Future<Output = Result<u64, Fault>> + Send {
        ready(Work::run(self, statement, params, row))
    }
}

impl Unit for Work<'_> {
    fn run_rows(
        &mut self,
        statement: &Statement,
        rows: &mut (dyn Iterator<Item = Vec<Datum<'_>>> + Send),
        row: OnRow<'_>,
    ) -> impl Future<Output = Result<u64, Fault>> + Send {
        ready(rows.map(|params| Work::run(self, statement, params, &mut *row)).sum())
    }

    fn has_dangling_keys(&mut self) -> impl Future<Output = Result<bool, Fault>> + Send {
        ready(Ok(Work::has_dangling_keys(self)))
    }
}

/// A reading connection and how far it may go.
pub(crate) struct Reading<'s> {
    pub(crate) session: &'s mut Session,
    pub(crate) until: Until,
}

impl Run for Reading<'_> {
    fn run(
        &mut self,
        statement: &Statement,
        params: Params<'_, '_>,
        row: OnRow<'_>,
    ) -> impl Future<Output = Result<u64, Fault>> + Send {
        ready(self.session.run(statement, self.until, params, row))
    }
}

/// Charges the time since it was made when it is dropped, whatever came of it.
pub(crate) struct Stopwatch<'b> {
    budget: &'b Budget,
    since: Instant,
}

impl<'b> Stopwatch<'b> {
    pub(crate) fn start(budget: &'b Budget) -> Self {
        Self { budget, since: Instant::now() }
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.budget.charge_db(self.since.elapsed());
    }
}

/// Tells the developer of a statement that ran since `began`.
pub(crate) fn note(context: &RequestContext, statement: &Statement, began: Instant, rows: u64) {
    if let Some(queries) = &context.queries {
        queries.add(statement.sql(), began.elapsed(), rows);
    }
}

/// How much a statement may return.
pub(crate) struct Allowance {
    rows: u64,
    bytes: u64,
    row_limit: u64,
    byte_limit: u64,
    taken: u32,
}

impl Allowance {
    pub(crate) fn of(context: &RequestContext, max_result_bytes: u64) -> Self {
        let limits = context.budget.limits();
        let bytes = max_result_bytes.min(limits.hostcall_bytes);
        Self { rows: context.budget.rows_left(), bytes, row_limit: limits.db_rows, byte_limit: bytes, taken: 0 }
    }

    /// For rows that are handed out piece by piece: what is held at a time is bounded by the pieces.
    pub(crate) fn of_cursor(context: &RequestContext) -> Self {
        Self { bytes: u64::MAX, byte_limit: u64::MAX, ..Self::of(context, u64::MAX) }
    }

    /// Puts a row into the sink, unless it is one too many. `name` tells whose field a cell is.
    pub(crate) fn take(
        &mut self,
        row: &Cells<'_>,
        cells: &[Cell],
        name: impl Fn(usize) -> Option<String>,
        sink: &mut impl Sink,
    ) -> Result<(), Fault> {
        self.one_row()?;
        for (at, cell) in cells.iter().enumerate() {
            let value = row.get(at).map_err(|error| unreadable(error, name(at)))?;
            // Looked at before it is copied: a result that is too large never is.
            if value.content() as u64 > self.bytes {
                return Err(self.too_large());
            }
            let weight = sink.cell(value, *cell).map_err(|error| unreadable(error, name(at)))?;
            self.room_for(weight)?;
        }
        Ok(())
    }

    /// Counts a row.
    pub(crate) fn one_row(&mut self) -> Result<(), Fault> {
        if self.rows == 0 {
            return Err(Exhausted { resource: Resource::DbRows, limit: self.row_limit }.into());
        }
        self.rows -= 1;
        self.taken += 1;
        Ok(())
    }

    /// Counts the bytes of a cell.
    pub(crate) fn room_for(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.checked_sub(bytes as u64).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    /// Rows so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.into()
    }

    /// Puts each line of a text of the database's own into the sink.
    fn take_lines(&mut self, row: &Cells<'_>, column: usize, sink: &mut impl Sink) -> Result<(), Fault> {
        let (Datum::Text(text) | Datum::Json(text)) = row.get(column)? else { return Ok(()) };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.one_row()?;
            let weight = sink.cell(Datum::Text(line), Cell::Plain)?;
            self.room_for(weight)?;
        }
        Ok(())
    }

    fn too_large(&self) -> Fault {
        let limit = self.byte_limit;
        DbError::new(code::BUDGET, format!("the result is larger than {limit} bytes; ask for fewer rows or fields"))
            .with("resource", Resource::HostcallBytes.as_str())
            .with("limit", limit)
            .into()
    }
}

/// What is wrong with a cell, with the field that it is in.
fn unreadable(error: StoreError, name: Option<String>) -> Fault {
    match (error, name) {
        (StoreError::Overflow, Some(name)) => {
            DbError::new(code::INVALID_VALUE, format!("`{name}`: {}", StoreError::Overflow)).with("field", name).into()
        }
        (error, _) => error.into(),
    }
}

/// Runs a reading plan. The parameters were checked.
pub(crate) async fn read<S: Sink>(
    on: &mut impl Run,
    plan: &ReadPlan,
    params: &[Param],
    mut allowance: Allowance,
    context: &RequestContext,
) -> Result<S, Fault> {
    let time = Stopwatch::start(&context.budget);
    let params = &bind::canonical(&plan.query.binds, params);
    let statement = plan.query.statement(params);
    let mut values = bind::values(&plan.query.binds, params, 0, Around::alone(context));
    let mut sink = S::start(plan.cells.len());
    match plan.explains {
        None => {
            on.run(&statement, &mut values, &mut |row| allowance.take(row, &plan.cells, |at| plan.name(at), &mut sink))
                .await?
        }
        Some(column) => {
            on.run(&statement, &mut values, &mut |row| allowance.take_lines(row, column, &mut sink)).await?
        }
    };
    note(context, &statement, time.since, allowance.taken.into());
    context.budget.charge_rows(allowance.taken.into())?;
    sink.end(allowance.taken);
    Ok(sink)
}

/// What a write needs besides its plan.
pub(crate) struct Writing<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) collectors: &'a [Collect],
    pub(crate) owner: &'a Owner,
    pub(crate) context: &'a RequestContext,
    pub(crate) max_result_bytes: u64,
    pub(crate) max_delete_rows: usize,
}

impl Writing<'_> {
    /// Runs a writing plan. Whether foreign keys dangle afterwards is the caller's to ask, at the end of the unit.
    pub(crate) async fn write(
        &self,
        work: &mut impl Unit,
        plan: &WritePlan,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<Outcome, Fault> {
        let each = self.charge_storage(plan, params)?;
        let result = self.carry_out(work, plan, params, earlier).await;
        if let (Ok(outcome), Action::Update { .. }, true) = (&result, &plan.action, each > 0) {
            // The same values in many rows.
            self.owner.grew(each.saturating_mul(outcome.affected.saturating_sub(1)));
        }
        result.map_err(|fault| self.located(plan, fault))
    }

    /// Counts what the statement adds to the app's tables, where their size is bounded, and returns how much that is.
    fn charge_storage(&self, plan: &WritePlan, params: &[Param]) -> Result<u64, UsedUp> {
        if !self.owner.has_bounded_storage() {
            return Ok(0);
        }
        let table = &self.catalog.tables[plan.table];
        let grows = match &plan.action {
            Action::Insert { .. } => true,
            // A number takes the place of another one; a text may be longer than the one before.
            Action::Update { .. } | Action::UpdateMany(_) => {
                plan.columns.iter().any(|at| !table.columns[*at].kind.is_of_one_size())
            }
            Action::Delete(_) | Action::DeleteDirectly(_) => false,
        };
        if !grows {
            self.owner.touch();
            return Ok(0);
        }
        let weight = params.iter().map(Param::weight).sum::<usize>() as u64;
        // Something, also where all values stand in the shape.
        self.owner.grow(weight.max(1)).map(|()| weight)
    }

    /// Adds the table where the database named a column alone, and the column where it named none and only one can be meant.
    fn located(&self, plan: &WritePlan, fault: Fault) -> Fault {
        let Fault::Store(StoreError::Constraint { kind, subject }) = fault else { return fault };
        let table = &self.catalog.tables[plan.table];
        let full = |column: &str| format!("{}.{column}", table.name);
        let named = match subject.as_str() {
            // MariaDB's name of every primary key.
            "PRIMARY" => {
                let columns: Vec<String> = table.key.iter().map(|at| full(&table.columns[*at].name)).collect();
                columns.join(", ")
            }
            "" if kind == Constraint::Check => {
                let written: BTreeSet<usize> = plan
                    .columns
                    .iter()
                    .copied()
                    .filter(|at| {
                        let kind = table.columns[*at].kind;
                        let is_key = matches!(kind, Kind::Auto | Kind::Key);
                        !is_key && (kind.is_number() || kind.is_time() || kind.is_text())
                    })
                    .collect();
                match written.into_iter().collect::<Vec<_>>().as_slice() {
                    [only] => full(&table.columns[*only].name),
                    _ => subject,
                }
            }
            name if table.columns.iter().any(|column| column.name == name) => full(name),
            _ => subject,
        };
        StoreError::Constraint { kind, subject: named }.into()
    }

    async fn carry_out(
        &self,
        work: &mut impl Unit,
        plan: &WritePlan,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<Outcome, Fault> {
        let budget = &self.context.budget;
        let _time = Stopwatch::start(budget);
        self.check_parents(work, plan, params, earlier).await?;
        match &plan.action {
            Action::Insert { query, cells, fills, upserts, .. } => {
                bind::check_count(query.holes - fills.len(), params)?;
                let params = bind::fill(&query.binds, bind::canonical(&query.binds, params), fills);
                let (rows, mut outcome) = self.for_each_row(work, query, cells, &params, earlier).await?;
                if *upserts {
                    // MariaDB counts a row that was changed twice.
                    outcome.affected = rows as u64;
                }
                Ok(outcome)
            }
            Action::Update { query, cells, returning } => {
                let mut returned = Rows::start(cells.len());
                let mut allowance = Allowance::of(self.context, self.max_result_bytes);
                let name = |at| returning.get(at).cloned();
                let mut row = |row: &Cells<'_>| allowance.take(row, cells, name, &mut returned);
                let affected = self.run(work, query, params, earlier, &mut row).await?;
                self.context.budget.charge_rows(allowance.taken.into())?;
                Ok(Outcome { affected, returned })
            }
            Action::UpdateMany(query) => {
                let params = bind::canonical(&query.binds, params);
                self.for_each_row(work, query, &[], &params, earlier).await.map(|(_, outcome)| outcome)
            }
            Action::DeleteDirectly(query) => {
                let affected = self.run(work, query, params, earlier, &mut no_rows).await?;
                Ok(Outcome { affected, returned: Rows::default() })
            }
            Action::Delete(query) => {
                let mut keys = BTreeSet::new();
                let width = self.collectors[plan.table].width;
                let mut collect = |row: &Cells<'_>| self.collect_key(row, width, &mut keys);
                self.run(work, query, params, earlier, &mut collect).await?;
                let affected = self.delete(work, plan.table, keys).await?;
                Ok(Outcome { affected, returned: Rows::default() })
            }
        }
    }

    /// What a query's values come from besides its parameters.
    fn around<'v>(&'v self, query: &Query, earlier: Earlier<'v>) -> Result<Around<'v>, DbError> {
        bind::check_facts(&query.binds, &self.context.facts)?;
        Ok(Around { earlier, facts: &self.context.facts })
    }

    async fn run(
        &self,
        work: &mut impl Unit,
        query: &Query,
        params: &[Param],
        earlier: Earlier<'_>,
        row: OnRow<'_>,
    ) -> Result<u64, Fault> {
        bind::check_params(self.catalog, &query.binds, query.holes, params, Bulk::No)?;
        bind::check_refs(self.catalog, &query.binds, earlier)?;
        let params = &bind::canonical(&query.binds, params);
        let around = self.around(query, earlier)?;
        let (began, statement) = (Instant::now(), query.statement(params));
        let affected = work.run(&statement, &mut bind::values(&query.binds, params, 0, around), row).await?;
        note(self.context, &statement, began, affected);
        Ok(affected)
    }

    /// Runs a statement for each row that the lists of its holes have, and tells how many those are.
    async fn for_each_row(
        &self,
        work: &mut impl Unit,
        query: &Query,
        cells: &[Cell],
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<(usize, Outcome), Fault> {
        let rows = bind::check_params(self.catalog, &query.binds, query.holes, params, Bulk::Yes)?.unwrap_or(1);
        bind::check_refs(self.catalog, &query.binds, earlier)?;
        let around = self.around(query, earlier)?;
        let (began, statement) = (Instant::now(), query.statement(params));
        let mut returned = Rows::start(cells.len());
        let mut allowance = Allowance::of(self.context, self.max_result_bytes);
        let mut take = |row: &Cells<'_>| allowance.take(row, cells, |_| None, &mut returned);
        let affected = match rows {
            1 => work.run(&statement, &mut bind::values(&query.binds, params, 0, around), &mut take).await?,
            rows if query.takes_rows() => {
                let mut affected = 0;
                for (from, several) in portions(rows, params) {
                    let statement = query.for_rows(several);
                    let mut values =
                        (from..from + several).flat_map(|row| bind::values(&query.binds, params, row, around));
                    affected += work.run(&statement, &mut values, &mut take).await?;
                }
                affected
            }
            rows => {
                let mut all = (0..rows).map(|row| bind::values(&query.binds, params, row, around).collect());
                work.run_rows(&statement, &mut all, &mut take).await?
            }
        };
        note(self.context, &statement, began, affected);
        self.context.budget.charge_rows(allowance.taken.into())?;
        Ok((rows, Outcome { affected, returned }))
    }
}

/// Rows that one statement writes: few sizes, so that few statements are kept, and not more bytes than servers take.
fn portions(rows: usize, params: &[Param]) -> Vec<(usize, usize)> {
    const SIZES: [usize; 3] = [64, 8, 1];
    const LARGE: usize = 64 << 10;
    let weight: usize = params.iter().map(Param::weight).sum();
    let mut portions = Vec::new();
    let mut from = 0;
    while from < rows {
        let fits = SIZES.into_iter().find(|size| from + size <= rows && (*size == 1 || weight / rows < LARGE));
        let several = fits.unwrap_or(1);
        portions.push((from, several));
        from += several;
    }
    portions
}

/// The first cell of the first row, for questions of the host's own.
pub(crate) async fn first_cell(
    on: &mut impl Run,
    statement: &Statement,
    params: &[Datum<'_>],
) -> Result<Option<Value>, Fault> {
    let mut value = None;
    let mut first = |row: &Cells<'_>| {
        if value.is_none() {
            value = Some(to_value(row.get(0)?, Cell::Plain)?);
        }
        Ok(())
    };
    on.run(statement, &mut params.iter().copied(), &mut first).await?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_cover_all_rows_once_and_large_rows_go_alone() {
        let small = [Param::Many(vec![Value::Integer(1); 147])];
        assert_eq!(portions(147, &small), [(0, 64), (64, 64), (128, 8), (136, 8), (144, 1), (145, 1), (146, 1)]);
        let large = [Param::Many(vec![Value::Text("x".repeat(70_000)); 9])];
        assert_eq!(portions(9, &large), (0..9).map(|row| (row, 1)).collect::<Vec<_>>());
    }
}
