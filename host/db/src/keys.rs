//! Foreign keys around a write: what a delete takes along, what points nowhere afterwards, what must be there for the app
//! before anything may point to it.

use std::collections::{BTreeMap, BTreeSet};

use host_core::manifest::OnDelete;
use host_store::Cells;

use crate::bind::{self, Around, Bulk, Earlier};
use crate::catalog::Column;
use crate::error::{DbError, Fault, code};
use crate::plan::delete::CHUNK;
use crate::plan::key::Key;
use crate::plan::sql::{Bind, Purpose};
use crate::plan::{Action, Query, WritePlan};
use crate::run::{Unit, Writing, no_rows};
use crate::types::{Param, Value};

impl Writing<'_> {
    pub(crate) fn collect_key(&self, row: &Cells<'_>, width: usize, keys: &mut BTreeSet<Key>) -> Result<(), Fault> {
        keys.extend(Key::read(row, width)?);
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
    pub(crate) async fn delete(&self, work: &mut impl Unit, table: usize, keys: BTreeSet<Key>) -> Result<u64, Fault> {
        let mut doomed: BTreeMap<usize, BTreeSet<Key>> = BTreeMap::new();
        let mut restricted: Vec<(usize, usize, BTreeSet<Key>)> = Vec::new();
        let mut replaced: Vec<(usize, usize, BTreeSet<Key>)> = Vec::new();
        let mut total = keys.len();
        let mut open: Vec<(usize, Vec<Key>)> = vec![(table, keys.iter().cloned().collect())];
        doomed.insert(table, keys);
        while let Some((table, keys)) = open.pop() {
            for (at, incoming) in self.collectors[table].incoming.iter().enumerate() {
                if incoming.reference.on_delete == OnDelete::DoNothing {
                    continue;
                }
                let mut children = BTreeSet::new();
                let width = self.collectors[incoming.reference.table].width;
                for chunk in keys.chunks(CHUNK) {
                    let (statement, keys) = incoming.find.fill(chunk);
                    let mut collect = |row: &Cells<'_>| self.collect_key(row, width, &mut children);
                    work.run(statement, &mut keys.into_iter(), &mut collect).await?;
                }
                if children.is_empty() {
                    continue;
                }
                let child = incoming.reference.table;
                match incoming.reference.on_delete {
                    OnDelete::Cascade => {
                        let known = doomed.entry(child).or_default();
                        let fresh: Vec<Key> = children.difference(known).cloned().collect();
                        known.extend(fresh.iter().cloned());
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
            let stay: Vec<Key> =
                children.into_iter().filter(|key| !gone.is_some_and(|gone| gone.contains(key))).collect();
            for chunk in stay.chunks(CHUNK) {
                let (statement, keys) = statements.fill(chunk);
                let mut values = std::iter::once(incoming.replacement()).chain(keys);
                work.run(statement, &mut values, &mut no_rows).await?;
            }
        }
        let mut affected = 0;
        for table in self.children_first(doomed.keys().copied().collect()) {
            let keys = doomed.remove(&table).unwrap_or_default();
            for chunk in keys.into_iter().collect::<Vec<_>>().chunks(CHUNK) {
                let (statement, keys) = self.collectors[table].delete.fill(chunk);
                affected += work.run(statement, &mut keys.into_iter(), &mut no_rows).await?;
            }
        }
        Ok(affected)
    }

    /// Tables in an order in which none goes before one that points to it, as far as there is such an order.
    fn children_first(&self, mut left: Vec<usize>) -> Vec<usize> {
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let is_pointed_to = |table: &usize| {
                let incoming = &self.collectors[*table].incoming;
                incoming.iter().any(|one| one.reference.table != *table && left.contains(&one.reference.table))
            };
            let next = left.iter().position(|table| !is_pointed_to(table)).unwrap_or(0);
            order.push(left.remove(next));
        }
        order
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

    /// Looks whether the rows that a write's foreign keys are to point to are there for the app, where a rule says which are.
    pub(crate) async fn check_parents(
        &self,
        work: &mut impl Unit,
        plan: &WritePlan,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Result<(), Fault> {
        let Some(query) = written(plan) else { return Ok(()) };
        let params = &bind::canonical(&query.binds, params);
        for parent in &plan.parents {
            let keys = self.keys(query, plan.table, parent.column, params, earlier);
            let values: Vec<Value> = keys.into_iter().map(Value::from).collect();
            for chunk in values.chunks(CHUNK) {
                let sought = [Param::Many(chunk.to_vec())];
                bind::check_params(self.catalog, &parent.exist.binds, 1, &sought, Bulk::No)?;
                let statement = parent.exist.statement(&sought);
                let mut values = bind::values(&parent.exist.binds, &sought, 0, Around::alone(self.context));
                let mut found = 0;
                let mut count = |_: &Cells<'_>| {
                    found += 1;
                    Ok(())
                };
                work.run(&statement, &mut values, &mut count).await?;
                if found < chunk.len() {
                    let column = &self.catalog.tables[plan.table].columns[parent.column];
                    return Err(self.nowhere(plan, Some((column, parent.target))).into());
                }
            }
        }
        Ok(())
    }

    /// The error for foreign keys that dangle after `plan`: it looks which of the written values points nowhere.
    pub(crate) async fn dangling(
        &self,
        work: &mut impl Unit,
        plan: &WritePlan,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> Fault {
        let table = &self.catalog.tables[plan.table];
        let Some(query) = written(plan) else {
            let problem = "rows still point to what would be deleted";
            return DbError::new(code::FOREIGN_KEY, problem).with("model", &table.model).into();
        };
        for at in &plan.columns {
            let column = &table.columns[*at];
            let Some(target) = column.target.filter(|_| column.constrained) else { continue };
            let keys: Vec<Key> = self.keys(query, plan.table, *at, params, earlier).into_iter().collect();
            for chunk in keys.chunks(CHUNK) {
                let (statement, values) = self.collectors[target].exist.fill(chunk);
                let mut found = BTreeSet::new();
                let mut collect = |row: &Cells<'_>| self.collect_key(row, 1, &mut found);
                let looked = work.run(statement, &mut values.into_iter(), &mut collect).await;
                if looked.is_ok() && found.len() < chunk.len() {
                    return self.nowhere(plan, Some((column, target))).into();
                }
            }
        }
        self.nowhere(plan, None).into()
    }

    fn nowhere(&self, plan: &WritePlan, field: Option<(&Column, usize)>) -> DbError {
        let table = &self.catalog.tables[plan.table];
        let error =
            DbError::new(code::FOREIGN_KEY, "a row would point to one that doesn't exist").with("model", &table.model);
        match field {
            Some((column, target)) => {
                error.with("field", &column.field).with("target", &self.catalog.tables[target].model)
            }
            None => error,
        }
    }

    /// What a write puts into a foreign key.
    fn keys(
        &self,
        query: &Query,
        table: usize,
        column: usize,
        params: &[Param],
        earlier: Earlier<'_>,
    ) -> BTreeSet<Key> {
        let around = Around { earlier, facts: &self.context.facts };
        let stored = |bind: &&Bind| {
            bind.slot().is_some_and(|slot| slot.column == Some((table, column)) && slot.purpose == Purpose::Store)
        };
        let mut keys = BTreeSet::new();
        for bind in query.binds.iter().filter(stored) {
            let rows = match bind {
                Bind::Hole { hole, .. } => match params.get(*hole) {
                    Some(Param::Many(values)) => values.len(),
                    Some(Param::One(_)) => 1,
                    // The host's own, which is no foreign key.
                    None => continue,
                },
                _ => 1,
            };
            let values = (0..rows).flat_map(|row| bind::values(std::slice::from_ref(bind), params, row, around));
            keys.extend(values.filter_map(|value| Key::of(value).ok().flatten()));
        }
        keys
    }
}

/// The statement of a write that puts values into columns.
fn written(plan: &WritePlan) -> Option<&Query> {
    match &plan.action {
        Action::Insert { query, .. } | Action::Update { query, .. } | Action::UpdateMany(query) => Some(query),
        Action::DeleteDirectly(_) | Action::Delete(_) => None,
    }
}
