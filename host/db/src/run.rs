//! Plans with their values, against the database.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use host_core::budget::{Budget, Exhausted, Resource};
use host_core::context::RequestContext;
use host_core::manifest::OnDelete;
use host_store::{Row, Session, Statement, Until, ValueRef, Work};

use crate::bind::{self, Bulk, Earlier};
use crate::catalog::Catalog;
use crate::error::{DbError, Fault, code};
use crate::plan::delete::{CHUNK, Collect, fill};
use crate::plan::sql::{Bind, Purpose};
use crate::plan::{Action, Cell, Query, ReadPlan, WritePlan};
use crate::result::{Sink, to_value};
use crate::types::{Outcome, Param, Rows, Value};

/// A connection that can run statements.
pub(crate) trait Run {
    fn run<'p>(
        &mut self,
        statement: &Statement,
        params: impl IntoIterator<Item = ValueRef<'p>>,
        row: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<u64, Fault>;
}

impl Run for Work<'_> {
    fn run<'p>(
        &mut self,
        statement: &Statement,
        params: impl IntoIterator<Item = ValueRef<'p>>,
        row: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        Work::run(self, statement, params, row)
    }
}

/// A reading connection and how far it may go.
pub(crate) struct Reading<'s> {
    pub(crate) session: &'s mut Session,
    pub(crate) until: Until,
}

impl Run for Reading<'_> {
    fn run<'p>(
        &mut self,
        statement: &Statement,
        params: impl IntoIterator<Item = ValueRef<'p>>,
        row: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        self.session.run(statement, self.until, params, row)
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
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.budget.charge_db(self.since.elapsed());
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

    /// Puts a row into the sink, unless it is one too many.
    fn take(&mut self, row: &Row<'_>, cells: &[Cell], sink: &mut impl Sink) -> Result<(), Fault> {
        if self.rows == 0 {
            return Err(Exhausted { resource: Resource::DbRows, limit: self.row_limit }.into());
        }
        self.rows -= 1;
        for (at, cell) in cells.iter().enumerate() {
            let value = row.get_ref(at).map_err(|e| host_store::StoreError::Internal(e.to_string()))?;
            // Looked at before it is copied: a result that is too large never is.
            let length = match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
                _ => 0,
            };
            if length > self.bytes {
                return Err(self.too_large());
            }
            let weight = sink.cell(value, *cell) as u64;
            self.bytes = self.bytes.checked_sub(weight).ok_or_else(|| self.too_large())?;
        }
        self.taken += 1;
        Ok(())
    }

    /// Puts each line of a text of the database's own into the sink.
    fn take_lines(&mut self, row: &Row<'_>, column: usize, sink: &mut impl Sink) -> Result<(), Fault> {
        let value = row.get_ref(column).map_err(|e| host_store::StoreError::Internal(e.to_string()))?;
        let ValueRef::Text(text) = value else { return Ok(()) };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if self.rows == 0 {
                return Err(Exhausted { resource: Resource::DbRows, limit: self.row_limit }.into());
            }
            self.rows -= 1;
            let weight = sink.cell(ValueRef::Text(line), Cell::Plain) as u64;
            self.bytes = self.bytes.checked_sub(weight).ok_or_else(|| self.too_large())?;
            self.taken += 1;
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

/// Runs a reading plan. The parameters were checked.
pub(crate) fn read<S: Sink>(
    on: &mut impl Run,
    plan: &ReadPlan,
    params: &[Param],
    mut allowance: Allowance,
    budget: &Budget,
) -> Result<S, Fault> {
    let _time = Stopwatch::start(budget);
    let statement = plan.query.statement(bind::list_lengths(&plan.query.binds, params));
    let values = bind::values(&plan.query.binds, params, 0, &[]);
    let mut sink = S::start(plan.cells.len());
    match plan.explains {
        None => on.run(&statement, values, |row| allowance.take(row, &plan.cells, &mut sink))?,
        Some(column) => on.run(&statement, values, |row| allowance.take_lines(row, column, &mut sink))?,
    };
    budget.charge_rows(allowance.taken.into())?;
    sink.end(allowance.taken);
    Ok(sink)
}

/// What a write needs besides its plan.
pub(crate) struct Writing<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) collectors: &'a [Collect],
    pub(crate) context: &'a RequestContext,
    pub(crate) max_result_bytes: u64,
    pub(crate) max_delete_rows: usize,
}

impl Writing<'_> {
    /// Runs a writing plan. Whether foreign keys dangle afterwards is the caller's to ask, at the end of the unit.
    pub(crate) fn write(
        &self,
        work: &mut Work<'_>,
        plan: &WritePlan,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<Outcome, Fault> {
        let budget = &self.context.budget;
        let _time = Stopwatch::start(budget);
        match &plan.action {
            Action::Insert { query, cells, .. } => self.insert(work, query, cells, params, earlier),
            Action::Update { query, cells, .. } => {
                let mut returned = Rows::start(cells.len());
                let mut allowance = Allowance::of(self.context, self.max_result_bytes);
                let row = |row: &Row<'_>| allowance.take(row, cells, &mut returned);
                let affected = self.run(work, query, params, earlier, row)?;
                self.context.budget.charge_rows(allowance.taken.into())?;
                Ok(Outcome { affected, returned })
            }
            Action::UpdateMany(query) => self.update_many(work, query, params, earlier),
            Action::DeleteDirectly(query) => {
                let affected = self.run(work, query, params, earlier, |_| Ok(()))?;
                Ok(Outcome { affected, returned: Rows::default() })
            }
            Action::Delete(query) => {
                let mut keys = BTreeSet::new();
                self.run(work, query, params, earlier, |row| self.collect_key(row, &mut keys))?;
                let affected = self.delete(work, plan.table, keys)?;
                Ok(Outcome { affected, returned: Rows::default() })
            }
        }
    }

    fn run(
        &self,
        work: &mut Work<'_>,
        query: &Query,
        params: &[Param],
        earlier: Earlier<'_>,
        row: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        bind::check_params(self.catalog, &query.binds, query.holes, params, Bulk::No)?;
        bind::check_refs(self.catalog, &query.binds, earlier)?;
        let statement = query.statement(bind::list_lengths(&query.binds, params));
        Run::run(work, &statement, bind::values(&query.binds, params, 0, earlier), row)
    }

    fn insert(
        &self,
        work: &mut Work<'_>,
        query: &Query,
        cells: &[Cell],
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<Outcome, Fault> {
        let rows = bind::check_params(self.catalog, &query.binds, query.holes, params, Bulk::Yes)?.unwrap_or(1);
        bind::check_refs(self.catalog, &query.binds, earlier)?;
        let statement = query.statement(bind::list_lengths(&query.binds, params));
        let mut returned = Rows::start(cells.len());
        let mut allowance = Allowance::of(self.context, self.max_result_bytes);
        let mut affected = 0;
        for row in 0..rows {
            let values = bind::values(&query.binds, params, row, earlier);
            affected += Run::run(work, &statement, values, |row| allowance.take(row, cells, &mut returned))?;
        }
        self.context.budget.charge_rows(allowance.taken.into())?;
        Ok(Outcome { affected, returned })
    }

    /// An update for each position of the lists.
    fn update_many(
        &self,
        work: &mut Work<'_>,
        query: &Query,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<Outcome, Fault> {
        let rows = bind::check_params(self.catalog, &query.binds, query.holes, params, Bulk::Yes)?.unwrap_or(1);
        bind::check_refs(self.catalog, &query.binds, earlier)?;
        let statement = query.statement(bind::list_lengths(&query.binds, params));
        let mut affected = 0;
        for row in 0..rows {
            affected += Run::run(work, &statement, bind::values(&query.binds, params, row, earlier), |_| Ok(()))?;
        }
        Ok(Outcome { affected, returned: Rows::default() })
    }

    fn collect_key(&self, row: &Row<'_>, keys: &mut BTreeSet<i64>) -> Result<(), Fault> {
        if let ValueRef::Integer(key) = row.get_ref(0).map_err(|e| host_store::StoreError::Internal(e.to_string()))? {
            keys.insert(key);
        }
        if keys.len() > self.max_delete_rows {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn too_many(&self) -> Fault {
        let limit = self.max_delete_rows;
        DbError::new(code::BUDGET, format!("the delete would take more than {limit} rows with it; delete in parts"))
            .with("limit", limit)
            .into()
    }

    /// Deletes rows and what hangs on them, as `on_delete` says.
    fn delete(&self, work: &mut Work<'_>, table: usize, keys: BTreeSet<i64>) -> Result<u64, Fault> {
        let mut doomed: BTreeMap<usize, BTreeSet<i64>> = BTreeMap::new();
        let mut restricted: Vec<(usize, usize, BTreeSet<i64>)> = Vec::new();
        let mut replaced: Vec<(usize, usize, BTreeSet<i64>)> = Vec::new();
        let mut total = keys.len();
        let mut open = vec![(table, keys.clone())];
        doomed.insert(table, keys);
        while let Some((table, keys)) = open.pop() {
            for (at, incoming) in self.collectors[table].incoming.iter().enumerate() {
                if incoming.reference.on_delete == OnDelete::DoNothing {
                    continue;
                }
                let mut children = BTreeSet::new();
                for chunk in keys.iter().copied().collect::<Vec<_>>().chunks(CHUNK) {
                    let (statement, keys) = fill(&incoming.find, chunk);
                    Run::run(work, statement, keys, |row| self.collect_key(row, &mut children))?;
                }
                if children.is_empty() {
                    continue;
                }
                let child = incoming.reference.table;
                match incoming.reference.on_delete {
                    OnDelete::Cascade => {
                        let known = doomed.entry(child).or_default();
                        let fresh: BTreeSet<i64> = children.difference(known).copied().collect();
                        known.extend(&fresh);
                        total += fresh.len();
                        if total > self.max_delete_rows {
                            return Err(self.too_many());
                        }
                        if !fresh.is_empty() {
                            open.push((child, fresh));
                        }
                    }
                    OnDelete::Protect => return Err(self.protected(table, at, children.len())),
                    OnDelete::Restrict => restricted.push((table, at, children)),
                    OnDelete::SetNull | OnDelete::SetDefault => replaced.push((table, at, children)),
                    OnDelete::DoNothing => {}
                }
            }
        }
        for (table, at, children) in restricted {
            let child = self.collectors[table].incoming[at].reference.table;
            let left = children.iter().filter(|key| !doomed.get(&child).is_some_and(|gone| gone.contains(key))).count();
            if left > 0 {
                return Err(self.protected(table, at, left));
            }
        }
        for (table, at, children) in replaced {
            let incoming = &self.collectors[table].incoming[at];
            let Some(statements) = &incoming.replace else { continue };
            let gone = doomed.get(&incoming.reference.table);
            let stay: Vec<i64> =
                children.into_iter().filter(|key| !gone.is_some_and(|gone| gone.contains(key))).collect();
            for chunk in stay.chunks(CHUNK) {
                let (statement, keys) = fill(statements, chunk);
                Run::run(work, statement, std::iter::once(incoming.replacement()).chain(keys), |_| Ok(()))?;
            }
        }
        let mut affected = 0;
        for (table, keys) in doomed {
            for chunk in keys.into_iter().collect::<Vec<_>>().chunks(CHUNK) {
                let (statement, keys) = fill(&self.collectors[table].delete, chunk);
                affected += Run::run(work, statement, keys, |_| Ok(()))?;
            }
        }
        Ok(affected)
    }

    fn protected(&self, table: usize, incoming: usize, rows: usize) -> Fault {
        let reference = self.collectors[table].incoming[incoming].reference;
        let child = &self.catalog.tables[reference.table];
        let field = &child.columns[reference.column].field;
        let problem = format!("{rows} of `{}` point to it by `{field}`, which protects it", child.model);
        DbError::new(code::PROTECTED, problem)
            .with("model", &child.model)
            .with("field", field)
            .with("rows", rows)
            .into()
    }

    /// The error for foreign keys that dangle after `plan`: it looks which of the written values points nowhere.
    pub(crate) fn dangling(
        &self,
        work: &mut Work<'_>,
        plan: &WritePlan,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Fault {
        let table = &self.catalog.tables[plan.table];
        let error =
            DbError::new(code::FOREIGN_KEY, "a row would point to one that doesn't exist").with("model", &table.model);
        let (Action::Insert { query, .. } | Action::Update { query, .. } | Action::UpdateMany(query)) = &plan.action
        else {
            let problem = "rows still point to what would be deleted";
            return DbError::new(code::FOREIGN_KEY, problem).with("model", &table.model).into();
        };
        for bind in &query.binds {
            let (Bind::Hole { slot, .. } | Bind::Const { slot, .. } | Bind::Ref { slot, .. }) = bind else { continue };
            let Some((table, column)) = slot.column else { continue };
            let column = &self.catalog.tables[table].columns[column];
            let (Purpose::Store, Some(target)) = (slot.purpose, column.target) else { continue };
            let rows = match bind {
                Bind::Hole { hole, .. } => match &params[*hole] {
                    Param::Many(values) => values.len(),
                    Param::One(_) => 1,
                },
                _ => 1,
            };
            let keys: BTreeSet<i64> = (0..rows)
                .flat_map(|row| bind::values(std::slice::from_ref(bind), params, row, earlier))
                .filter_map(|value| if let ValueRef::Integer(key) = value { Some(key) } else { None })
                .collect();
            let keys: Vec<i64> = keys.into_iter().collect();
            for chunk in keys.chunks(CHUNK) {
                let (statement, values) = fill(&self.collectors[target].exist, chunk);
                let mut found = BTreeSet::new();
                let looked = Run::run(work, statement, values, |row| self.collect_key(row, &mut found));
                if looked.is_ok() && found.len() < chunk.len() {
                    let target = &self.catalog.tables[target].model;
                    return error.with("field", &column.field).with("target", target).into();
                }
            }
        }
        error.into()
    }
}

/// The value of a single-cell row, for questions of the host's own.
pub(crate) fn first_cell(
    on: &mut impl Run,
    statement: &Statement,
    params: &[ValueRef<'_>],
) -> Result<Option<Value>, Fault> {
    let mut value = None;
    on.run(statement, params.iter().copied(), |row| {
        let cell = row.get_ref(0).map_err(|e| host_store::StoreError::Internal(e.to_string()))?;
        value.get_or_insert(to_value(cell, Cell::Plain));
        Ok(())
    })?;
    Ok(value)
}
