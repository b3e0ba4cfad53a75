//! `insert`, `update`, `update_many`, `delete`.

use host_core::access::Action as Doing;

use super::building::{Building, Found};
use super::query::reads;
use super::sql::{Bind, Purpose, Slot, Sql};
use super::{Action, Cell, Planner, WritePlan, invalid, value_of};
use crate::catalog::{Column, Fill, Table};
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Condition, Conflict, Expr, Insert, Operand};
use crate::types::Value;

impl Planner<'_> {
    fn write(&self, columns: Vec<usize>, action: Action) -> Result<WritePlan, DbError> {
        let parents = self.parents(&columns)?.into();
        Ok(WritePlan { table: self.table, columns: columns.into(), parents, action })
    }

    pub(super) fn insert(&self, insert: &Insert) -> Result<WritePlan, DbError> {
        self.catalog.allow(self.table, Doing::Add)?;
        let (table, dialect) = (&self.catalog.tables[self.table], self.catalog.dialect);
        let mut given: Vec<Option<&Expr>> = vec![None; table.columns.len()];
        for (name, expr) in &insert.set {
            let column = table.column(name)?;
            self.may_set(column)?;
            if given[column].replace(expr).is_some() {
                return Err(invalid(format!("`set` gives `{}` two values", table.columns[column].field)));
            }
        }
        let mut building = self.building();
        building.has_row = false;
        let (mut names, mut values, mut fills, mut written) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, column) in table.columns.iter().enumerate() {
            let slot = Slot::of(self.catalog, self.table, at, Purpose::Store);
            let constant = |value: Value| dialect.bound(column.kind, Bind::Const { value, slot });
            // What the host makes stands in holes after the shape's own.
            let mut fill = |fill| {
                fills.push(fill);
                dialect.bound(column.kind, Bind::Hole { hole: self.holes + fills.len() - 1, slot })
            };
            if let Some(value) = self.ruled_value(at) {
                names.push(column.quoted());
                values.push(value);
                written.push(at);
                continue;
            }
            let value = match given[at] {
                Some(_) if column.generated.is_some() => return Err(generated(table, column)),
                Some(expr) => match (building.stored(expr, at)?, column.fill) {
                    // A key that is left out or null is the next one.
                    (value, Some(Fill::Uuid7)) => Sql::fill("coalesce({0}, {1})", &[value, fill(Fill::Uuid7)]),
                    (value, _) if column.kind == Kind::Auto => dialect.given_key(table.quoted(), &column.name, value),
                    (value, _) => value,
                },
                None if column.generated.is_some() || column.kind == Kind::Auto => continue,
                None => match (&column.default, column.fill, &column.db_default) {
                    (Some(default), _, _) => constant(default.clone()),
                    (None, Some(made), _) => fill(made),
                    (None, None, Some(default)) => default.sql.clone(),
                    // Written out, so that a default which the table has from an older version doesn't fill it.
                    (None, None, None) if column.null => constant(Value::Null),
                    (None, None, None) => {
                        let problem = format!(
                            "`{}` of `{}` has no default and must have a value; give it one in `set`",
                            column.field, table.model
                        );
                        return Err(DbError::new(code::NOT_NULL, problem)
                            .with("model", &table.model)
                            .with("field", &column.field));
                    }
                },
            };
            names.push(column.quoted());
            values.push(value);
            written.push(at);
        }
        // MariaDB names no table anew here.
        let alias = if dialect == Dialect::Mariadb { "" } else { " AS t0" };
        let mut sql = Sql::text(format!("INSERT INTO {}{alias}", table.quoted()));
        let mut row = None;
        if names.is_empty() {
            sql.push(dialect.no_values());
        } else {
            sql.push(&format!(" ({}) VALUES ", names.join(", ")));
            let start = sql.text.len();
            sql.push("(").list(values).push(")");
            row = Some(start..sql.text.len());
        }
        if let Some(conflict) = &insert.conflict {
            sql.append(self.conflict(conflict, &given, !insert.returning.is_empty())?);
        }
        let cells = self.returned(&insert.returning, &mut sql)?;
        let searches = reads(&sql);
        let mut query = self.query_of(sql, self.holes + fills.len(), searches);
        if insert.conflict.is_none()
            && let Some(row) = row
        {
            query.write_rows_at(dialect, row);
        }
        let returning = insert.returning.clone().into();
        let upserts = matches!(insert.conflict, Some(Conflict::Update { .. }));
        self.write(written, Action::Insert { query, upserts, fills: fills.into(), cells, returning })
    }

    fn returned(&self, returning: &[String], sql: &mut Sql) -> Result<Box<[Cell]>, DbError> {
        if !returning.is_empty() {
            self.catalog.allow(self.table, Doing::View)?;
        }
        let table = &self.catalog.tables[self.table];
        let mut cells = Vec::with_capacity(returning.len());
        for (at, name) in returning.iter().enumerate() {
            let column = &table.columns[table.column(name)?];
            sql.push(if at == 0 { " RETURNING " } else { ", " }).push(column.quoted());
            cells.push(Cell::of(column.kind));
        }
        Ok(cells.into())
    }

    /// What stands behind an insert for rows that are there already.
    fn conflict(&self, conflict: &Conflict, given: &[Option<&Expr>], returns: bool) -> Result<Sql, DbError> {
        let table = &self.catalog.tables[self.table];
        let dialect = self.catalog.dialect;
        if dialect == Dialect::Mariadb && table.access.is_some() {
            // It wants the right to set all columns that a new row gets.
            let problem = "MariaDB takes no `on_conflict` for another app's model; read first, then insert or update";
            return Err(DbError::new(code::UNSUPPORTED, problem).with("model", &table.model));
        }
        let (target, set) = match (conflict, dialect) {
            (Conflict::Ignore, Dialect::Sqlite | Dialect::Postgres) => return Ok(Sql::text(" ON CONFLICT DO NOTHING")),
            // Its own way to ignore them ignores values that don't fit as well.
            (Conflict::Ignore, Dialect::Mariadb) if !returns => {
                let key = table.columns[table.first_key()].quoted();
                return Ok(Sql::text(format!(" ON DUPLICATE KEY UPDATE {key} = {key}")));
            }
            (_, Dialect::Mariadb) if returns => {
                let problem = "MariaDB returns rows of an insert that was none as well; leave `returning` out and read afterwards";
                return Err(DbError::new(code::UNSUPPORTED, problem));
            }
            (Conflict::Ignore, _) => return Err(DbError::new(code::INTERNAL, "a conflict that nobody handles")),
            (Conflict::Update { target, set }, _) => (target, set),
        };
        let mut columns = Vec::with_capacity(target.len());
        for name in target {
            columns.push(table.column(name)?);
        }
        columns.sort_unstable();
        self.catalog.allow(self.table, Doing::Change)?;
        self.may_upsert(&columns)?;
        let sets = unique_sets(table);
        if !sets.contains(&columns) {
            let named: Vec<String> = sets.iter().map(|set| field_names(table, set)).collect();
            let problem = format!(
                "`{}` aren't unique together in `{}`; a target is one of {}",
                target.iter().map(|name| crate::shape::shown(name)).collect::<Vec<_>>().join("`, `"),
                table.model,
                named.join(", ")
            );
            return Err(invalid(problem).with("model", &table.model));
        }
        if dialect == Dialect::Mariadb
            && let Some(other) = sets.iter().find(|set| **set != columns && !is_counted(table, set, given))
        {
            let problem = format!(
                "MariaDB takes whatever unique fields are alike, and `{}` has others than the target: {}; read first, then insert or update",
                table.model,
                field_names(table, other)
            );
            return Err(DbError::new(code::UNSUPPORTED, problem).with("model", &table.model));
        }
        let mut building = self.building();
        building.inserted = true;
        let mut sql = if dialect == Dialect::Mariadb {
            building.prefix = Some(format!("{}.", table.quoted()));
            Sql::text(" ON DUPLICATE KEY UPDATE ")
        } else {
            let columns: Vec<&str> = columns.iter().map(|at| table.columns[*at].quoted()).collect();
            Sql::text(format!(" ON CONFLICT ({}) DO UPDATE SET ", columns.join(", ")))
        };
        sql.append(self.assignments(&mut building, set)?.0);
        Ok(sql)
    }

    /// `a = 1, b = b + 1`
    fn assignments(&self, building: &mut Building<'_>, set: &[(String, Expr)]) -> Result<(Sql, Vec<usize>), DbError> {
        let table = &self.catalog.tables[self.table];
        let mut seen = Vec::new();
        let mut sql = Sql::default();
        for (name, expr) in set {
            let column = table.column(name)?;
            self.may_set(column)?;
            if seen.contains(&column) {
                return Err(invalid(format!("`set` gives `{}` two values", table.columns[column].field)));
            }
            if table.single_key() == Some(column) {
                return Err(invalid(format!("`{name}` is the primary key of `{}` and never changes", table.model))
                    .with("field", name));
            }
            if table.columns[column].generated.is_some() {
                return Err(generated(table, &table.columns[column]));
            }
            sql.push(if seen.is_empty() { "" } else { ", " });
            sql.push(table.columns[column].quoted()).push(" = ").append(building.stored(expr, column)?);
            seen.push(column);
        }
        if building.has_joins() {
            let problem = "an update reads the fields of its own row alone; take those of related rows by a `subquery`";
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        Ok((sql, seen))
    }

    pub(super) fn update(
        &self,
        set: &[(String, Expr)],
        filter: &[Condition],
        returning: &[String],
    ) -> Result<WritePlan, DbError> {
        self.catalog.allow(self.table, Doing::Change)?;
        let table = &self.catalog.tables[self.table];
        let mut sql = Sql::text(format!("UPDATE {} AS t0 SET ", table.quoted()));
        let (assignments, columns) = self.assignments(&mut self.building(), set)?;
        sql.append(assignments);
        sql.append(self.rows_where(filter)?);
        let cells = self.returned(returning, &mut sql)?;
        if !returning.is_empty() && self.catalog.dialect == Dialect::Mariadb {
            let problem = "MariaDB returns nothing from an update; read the rows in the same transaction";
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        let searches = self.searches(filter, &sql, 0);
        self.write(columns, Action::Update { query: self.query(sql, searches), cells, returning: returning.into() })
    }

    pub(super) fn update_many(&self, key: &[(String, usize)], set: &[(String, Expr)]) -> Result<WritePlan, DbError> {
        self.catalog.allow(self.table, Doing::Change)?;
        let table = &self.catalog.tables[self.table];
        let mut sql = Sql::text(format!("UPDATE {} AS t0 SET ", table.quoted()));
        let (assignments, columns) = self.assignments(&mut self.building(), set)?;
        sql.append(assignments);
        for (at, (name, hole)) in key.iter().enumerate() {
            let column = table.column(name)?;
            let slot = Slot::of(self.catalog, self.table, column, Purpose::Compare);
            sql.push(if at == 0 { " WHERE " } else { " AND " });
            sql.push(&format!("t0.{} = ", table.columns[column].quoted()));
            sql.append(self.catalog.dialect.bound(slot.kind, Bind::Hole { hole: *hole, slot }));
        }
        if let Some(rule) = self.catalog.rule(self.table, "t0.") {
            sql.push(" AND ").append(rule);
        }
        let searches = reads(&sql);
        self.write(columns, Action::UpdateMany(self.query(sql, searches)))
    }

    pub(super) fn delete(&self, filter: &[Condition]) -> Result<WritePlan, DbError> {
        self.catalog.allow(self.table, Doing::Delete)?;
        let table = &self.catalog.tables[self.table];
        let rows = self.rows_where(filter)?;
        // MariaDB deletes from no table that the condition reads, so there the keys are read first.
        let apart = self.catalog.dialect == Dialect::Mariadb && rows.text.contains("SELECT ");
        let action = if table.incoming.is_empty() && !apart {
            let which = if self.catalog.dialect == Dialect::Mariadb { " t0" } else { "" };
            let mut sql = Sql::text(format!("DELETE{which} FROM {} AS t0", table.quoted()));
            sql.append(rows);
            let searches = self.searches(filter, &sql, 0);
            Action::DeleteDirectly(self.query(sql, searches))
        } else {
            let mut sql = Sql::text(format!("SELECT {} FROM {} AS t0", table.key_list("t0."), table.quoted()));
            sql.append(rows);
            let searches = self.searches(filter, &sql, 1);
            Action::Delete(self.query(sql, searches))
        };
        self.write(Vec::new(), action)
    }
}

impl Building<'_> {
    /// What `column` of the statement's own model gets.
    fn stored(&mut self, expr: &Expr, column: usize) -> Result<Sql, DbError> {
        let catalog = self.catalog;
        let target = &catalog.tables[self.table].columns[column];
        let slot = Slot::of(catalog, self.table, column, Purpose::Store);
        let place = |bind| catalog.dialect.bound(target.kind, bind);
        self.check_parent(
            column,
            matches!(expr, Expr::Operand(Operand::Hole(_, None) | Operand::Ref(..) | Operand::Literal(_))),
        )?;
        match expr {
            Expr::Operand(Operand::Hole(hole, None)) => Ok(place(Bind::Hole { hole: *hole, slot })),
            Expr::Operand(Operand::Ref(statement, field)) => {
                Ok(place(Bind::Ref { statement: *statement, field: field.clone(), slot }))
            }
            Expr::Operand(Operand::Literal(literal)) => value_of(catalog, slot, literal).map(place),
            expr => {
                let found = self.expression(expr, Some(target.kind), None)?;
                self.assigned(target, found)
            }
        }
    }

    /// A value that an expression made, for a column.
    fn assigned(&self, target: &Column, found: Found) -> Result<Sql, DbError> {
        let dialect = self.dialect();
        let refuse = || {
            let problem = format!(
                "`{}` of kind {} can't take the value of `{}` of kind {}",
                target.field,
                target.word,
                found.name,
                found.kind.word()
            );
            Err(invalid(problem).with("field", &target.field).with("kind", target.word))
        };
        let source = found.column.map(|(table, column)| &self.catalog.tables[table].columns[column]);
        match (target.kind, found.kind) {
            // The database looks whether there is such a row, but not whether it is of the right model.
            _ if target.target.is_some() && source.is_some_and(|source| source.target != target.target) => {
                let is_key = found.column.is_some_and(|(table, column)| {
                    Some(table) == target.target && self.catalog.tables[table].single_key() == Some(column)
                });
                if is_key { Ok(found.sql) } else { refuse() }
            }
            (Kind::Key, Kind::Key | Kind::Auto) => Ok(found.sql),
            (Kind::Key, _) => refuse(),
            (Kind::Text, kind) if kind.is_text() => Ok(found.sql),
            (Kind::Char(most), kind) if kind.is_text() => match kind.max_length() {
                Some(length) if length <= most => Ok(found.sql),
                _ => Ok(dialect.fitting(found.sql, most)),
            },
            (Kind::Float, kind) if kind.is_number() => Ok(dialect.float(&found)),
            (Kind::Decimal { places, .. }, Kind::Decimal { places: more, .. }) if more > places => {
                Ok(dialect.round(&found, places.into()))
            }
            (to @ Kind::Decimal { .. }, kind) if kind.is_whole() || kind.places().is_some() => {
                Ok(dialect.widen(&found, to))
            }
            (to, from) if to.is_whole() && from.is_whole() => Ok(found.sql),
            // What has a form of its own was looked at on its way in.
            (to, from) if std::mem::discriminant(&to) == std::mem::discriminant(&from) => {
                match (to.max_length(), from.max_length()) {
                    (Some(most), Some(length)) if length > most => Ok(dialect.fitting(found.sql, most)),
                    _ => Ok(found.sql),
                }
            }
            _ => refuse(),
        }
    }

    /// In `on_conflict`: the value that the insert brought.
    pub(super) fn new_value(&self, field: &str) -> Result<Found, DbError> {
        if !self.inserted {
            return Err(invalid("`new` is the value that an insert brought: it stands in `on_conflict`"));
        }
        let table = &self.catalog.tables[self.table];
        let at = table.column(field)?;
        let column = &table.columns[at];
        let sql = match self.dialect() {
            Dialect::Sqlite | Dialect::Postgres => format!("excluded.{}", column.quoted()),
            Dialect::Mariadb => format!("values({})", column.quoted()),
        };
        Ok(Found { column: Some((self.table, at)), ..Found::made(field, Sql::text(sql), column.kind, column.null) })
    }
}

fn generated(table: &Table, column: &Column) -> DbError {
    let problem = format!("`{}` of `{}` is computed from other fields; leave it out", column.field, table.model);
    invalid(problem).with("model", &table.model).with("field", &column.field)
}

/// The sets of columns that tell rows apart, each in the order of the columns.
fn unique_sets(table: &Table) -> Vec<Vec<usize>> {
    let single = (0..table.columns.len()).filter(|at| table.columns[*at].unique).map(|at| vec![at]);
    let mut sets: Vec<Vec<usize>> = std::iter::once(table.key.clone()).chain(single).collect();
    sets.extend(table.unique_together.iter().cloned());
    for set in &mut sets {
        set.sort_unstable();
    }
    sets.dedup();
    sets
}

/// Whether the database counts the values of the set itself, so that no row has them yet.
fn is_counted(table: &Table, set: &[usize], given: &[Option<&Expr>]) -> bool {
    matches!(set, [at] if table.columns[*at].kind == Kind::Auto && given[*at].is_none())
}

fn field_names(table: &Table, set: &[usize]) -> String {
    let names: Vec<String> = set.iter().map(|at| format!("`{}`", table.columns[*at].field)).collect();
    names.join(" with ")
}
