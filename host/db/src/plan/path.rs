//! Paths: from the statement's own row over relations to a field.
//!
//! Where each step leads to one row at most (foreign keys, one-to-one relations from either side), the tables are joined to
//! the statement's own. What is many-valued (foreign keys from their other side, many-to-many relations) begins a subquery,
//! a [`Sub`]; from there on each step joins inside of it.

use super::building::{Building, Found, Sub};
use super::invalid;
use super::sql::Sql;
use crate::catalog::{Reference, Step};
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::Path;

/// Joins of one statement: SQLite's limit is 64 tables.
pub(crate) const MAX_JOINS: usize = 16;

/// A table that is joined: to the statement's own by a relation that leads to one row at most, so that no row is there
/// twice, or inside of a subquery by any.
pub(super) struct Join {
    from: usize,
    by: By,
    alias: usize,
    sql: Sql,
    pub(super) left: bool,
}

/// ` LEFT JOIN … JOIN …`
pub(super) fn joined(joins: &[Join]) -> Sql {
    let mut sql = Sql::default();
    for join in joins {
        sql.push(if join.left { " LEFT JOIN " } else { " JOIN " }).append(join.sql.clone());
    }
    sql
}

/// Which relation leads from one table to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// This column of the table that one comes from, which holds the next one's key.
    Key(usize),
    /// This table and its column, which points to where one comes from.
    Reference(usize, usize),
}

/// The first table of a subquery.
pub(super) struct Root<'p> {
    /// The path up to and including the many-valued step.
    pub(super) steps: &'p [String],
    pub(super) alias: usize,
    pub(super) table: usize,
    /// `u1."question_id" = t0."id"`
    pub(super) on: String,
    /// Where `table` holds pairs: its column with the key of the related row.
    far: Option<usize>,
}

/// A table of the statement that a path has come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined {
    /// The number of its name: `t2`.
    pub(crate) alias: usize,
    pub(crate) table: usize,
    /// Whether there may be no row.
    pub(crate) left: bool,
}

impl Building<'_> {
    /// A column of the statement's own rows.
    pub(super) fn own(&self, column: usize) -> Found {
        self.column_of(self.here(), column)
    }

    /// The statement's own table.
    fn here(&self) -> Joined {
        Joined { alias: self.root, table: self.table, left: false }
    }

    /// A column of a table that a path has come to.
    pub(super) fn column_of(&self, joined: Joined, column: usize) -> Found {
        self.column("t", joined.alias, joined.table, column, joined.left)
    }

    /// Where in the path the first many-valued relation stands.
    pub(super) fn many_step(&self, path: &Path) -> Result<Option<usize>, DbError> {
        if self.annotation(path).is_some() {
            return Ok(None);
        }
        let mut table = self.table;
        for (at, name) in path.iter().enumerate() {
            match self.catalog.tables[table].step(name)? {
                Step::Many(_) | Step::Reverse(Reference { single: false, .. }) => return Ok(Some(at)),
                Step::Reverse(reference) => table = reference.table,
                Step::Column(column) => match self.catalog.tables[table].columns[column].target {
                    Some(target) => table = target,
                    None if at + 1 == path.len() => return Ok(None),
                    None => return Err(self.no_relation(table, name)),
                },
            }
        }
        Ok(None)
    }

    fn no_relation(&self, table: usize, name: &str) -> DbError {
        let model = &self.catalog.tables[table].model;
        invalid(format!("`{name}` of `{model}` is no relation, so a path can't go on from it"))
            .with("model", model)
            .with("field", name)
    }

    fn many_valued(&self, table: usize, name: &str) -> DbError {
        let model = &self.catalog.tables[table].model;
        invalid(format!("`{name}` leads to many rows of `{model}`; it may stand in a filter's path alone"))
            .with("field", name)
    }

    /// Follows a path from the statement's own row; each step leads to one row at most.
    pub(crate) fn find(&mut self, path: &[String]) -> Result<Found, DbError> {
        let found = self.find_here(path)?;
        Ok(self.hoisted(found))
    }

    fn find_here(&mut self, path: &[String]) -> Result<Found, DbError> {
        if let Some(annotation) = self.annotation(path) {
            if self.aggregating && (annotation.aggregate || annotation.window) {
                let problem =
                    format!("`{}` is made of several rows already; an aggregate is of single ones", annotation.name);
                return Err(invalid(problem).with("field", &annotation.name));
            }
            return Ok(annotation.found.clone());
        }
        let mut at = self.here();
        for (place, name) in path.iter().enumerate() {
            let rest = &path[place + 1..];
            match self.catalog.tables[at.table].step(name)? {
                Step::Column(column) => {
                    match self.catalog.tables[at.table].columns[column].target {
                        None if rest.is_empty() => return Ok(self.column_of(at, column)),
                        None => return Err(self.no_relation(at.table, name)),
                        // The key stands in this row already.
                        Some(target) if self.is_key(target, rest) => return Ok(self.column_of(at, column)),
                        Some(_) => {}
                    }
                }
                Step::Reverse(Reference { single: true, .. }) if rest.is_empty() => {
                    let joined = self.follow(at, name)?;
                    return Ok(self.key_of("t", joined.alias, joined.table, true));
                }
                _ => {}
            }
            at = self.follow(at, name)?;
        }
        Err(invalid("an empty path"))
    }

    /// Follows a path of relations and joins the table at its end.
    pub(crate) fn relation(&mut self, path: &[String]) -> Result<Joined, DbError> {
        let mut at = self.here();
        for name in path {
            at = self.follow(at, name)?;
        }
        Ok(at)
    }

    /// One step over a relation that leads to one row at most.
    fn follow(&mut self, from: Joined, name: &str) -> Result<Joined, DbError> {
        let (by, table, left) = match self.catalog.tables[from.table].step(name)? {
            Step::Column(column) => {
                let field = &self.catalog.tables[from.table].columns[column];
                let Some(target) = field.target else { return Err(self.no_relation(from.table, name)) };
                // A key that the database doesn't look after may lead nowhere, and one that it does to a row that isn't there
                // for the app.
                let may_lead_nowhere = field.null || !field.constrained || self.catalog.is_ruled(target);
                (By::Key(column), target, from.left || may_lead_nowhere)
            }
            Step::Reverse(reference) if reference.single => {
                (By::Reference(reference.table, reference.column), reference.table, true)
            }
            Step::Reverse(_) | Step::Many(_) => return Err(self.many_valued(from.table, name)),
        };
        if let Some(join) = self.joins.iter().find(|join| join.from == from.alias && join.by == by) {
            return Ok(Joined { alias: join.alias, table, left });
        }
        let alias = self.alias()?;
        let sql = self.on("t", alias, from.alias, from.table, by, table)?;
        self.joins.push(Join { from: from.alias, by, alias, sql, left });
        Ok(Joined { alias, table, left })
    }

    /// `"polls__question" AS t2 ON t2."id" = t1."question_id"`
    fn on(
        &self,
        letter: &str,
        alias: usize,
        from: usize,
        from_table: usize,
        by: By,
        table: usize,
    ) -> Result<Sql, DbError> {
        let tables = &self.catalog.tables;
        let key = |table: usize| {
            let column = tables[table].single_key().map(|at| tables[table].columns[at].quoted());
            column.ok_or_else(|| DbError::new(code::INTERNAL, "a relation to a key of several fields"))
        };
        let (here, there) = match by {
            By::Key(column) => (key(table)?, tables[from_table].columns[column].quoted()),
            By::Reference(table, column) => (tables[table].columns[column].quoted(), key(from_table)?),
        };
        let mut sql = self.source(table, &format!("{letter}{alias}"))?;
        sql.push(&format!(" ON {letter}{alias}.{here} = {letter}{from}.{there}"));
        Ok(sql)
    }

    /// A column of a table that is in the statement. `left` says whether the row may be missing.
    fn column(&self, letter: &str, alias: usize, table: usize, column: usize, left: bool) -> Found {
        let field = &self.catalog.tables[table].columns[column];
        if letter == "t" && alias == self.root {
            self.used.borrow_mut().insert(column);
        }
        let sql = match &self.prefix {
            Some(prefix) if letter == "t" && alias == self.root => format!("{prefix}{}", field.quoted()),
            _ => format!("{letter}{alias}.{}", field.quoted()),
        };
        Found {
            sql: Sql::text(sql),
            kind: field.kind,
            column: Some((table, column)),
            name: field.field.clone(),
            null: left || field.null,
            bare: None,
        }
    }

    /// What a relation by itself stands for: the key of the row that it leads to.
    fn key_of(&self, letter: &str, alias: usize, table: usize, left: bool) -> Found {
        let model = &self.catalog.tables[table];
        let found = self.column(letter, alias, table, model.first_key(), left);
        match model.single_key() {
            Some(_) => found,
            None => Found { kind: Kind::Row, column: None, name: model.model.clone(), ..found },
        }
    }

    /// Whether the rest of a path, after a foreign key to `table`, means the key that stands in the foreign key already.
    fn is_key(&self, table: usize, rest: &[String]) -> bool {
        let table = &self.catalog.tables[table];
        match rest {
            [] => true,
            [name] => matches!(table.step(name), Ok(Step::Column(column)) if table.single_key() == Some(column)),
            _ => false,
        }
    }

    pub(super) fn alias(&mut self) -> Result<usize, DbError> {
        self.aliases += 1;
        self.joined += 1;
        if self.joined > MAX_JOINS {
            return Err(
                invalid(format!("more than {MAX_JOINS} joins; ask in several queries")).with("limit", MAX_JOINS)
            );
        }
        Ok(self.aliases)
    }

    /// Takes the related rows at the end of `steps`, a many-valued step, into `sub`.
    pub(super) fn enter<'p>(&mut self, sub: &mut Sub<'p>, steps: &'p [String]) -> Result<(), DbError> {
        let (key, table) = self.key_before(steps)?;
        let Some(name) = steps.last() else { return Ok(()) };
        let (child, column, far) = match self.catalog.tables[table].step(name)? {
            Step::Reverse(reference) => (reference.table, reference.column, None),
            Step::Many(link) => (link.through, link.near, Some(link.far)),
            Step::Column(_) => return Err(self.no_relation(table, name)),
        };
        let alias = self.alias()?;
        let on = format!("u{alias}.{} = {key}", self.catalog.tables[child].columns[column].quoted());
        sub.roots.push(Root { steps, alias, table: child, on, far });
        Ok(())
    }

    /// The SQL of the row's key that the last, many-valued step of `steps` points to, and that row's model.
    fn key_before(&mut self, steps: &[String]) -> Result<(String, usize), DbError> {
        let mut table = self.table;
        let Some((_, before)) = steps.split_last().filter(|(_, before)| !before.is_empty()) else {
            return Ok((self.key_of("t", self.root, table, false).sql.text, table));
        };
        for name in before {
            table = match self.catalog.tables[table].step(name)? {
                Step::Column(column) => {
                    let target = self.catalog.tables[table].columns[column].target;
                    target.ok_or_else(|| self.no_relation(table, name))?
                }
                Step::Reverse(reference) => reference.table,
                Step::Many(_) => return Err(self.many_valued(table, name)),
            };
        }
        // The key is what a foreign key before it holds, so the table between needs no join.
        Ok((self.find(before)?.sql.text, table))
    }

    /// Follows the rest of a path whose many-valued relation is one of `sub`'s.
    pub(super) fn find_in(&mut self, sub: &mut Sub<'_>, path: &Path) -> Result<Found, DbError> {
        let root = sub.roots.iter().find(|root| path.starts_with(root.steps));
        let Some(root) = root else {
            return Err(DbError::new(code::INTERNAL, "a relation went missing while planning"));
        };
        let (mut alias, mut table, mut far) = (root.alias, root.table, root.far);
        let mut steps = path[root.steps.len()..].iter();
        loop {
            let step = if let Some(column) = far.take() {
                // From a table of pairs it goes on to the other side, whatever the path says.
                Step::Column(column)
            } else if let Some(name) = steps.next() {
                let step = self.catalog.tables[table].step(name)?;
                if let Step::Column(column) = step
                    && self.catalog.tables[table].columns[column].target.is_none()
                    && !steps.as_slice().is_empty()
                {
                    return Err(self.no_relation(table, name));
                }
                step
            } else {
                // A relation alone stands for its row's key.
                return Ok(self.key_of("u", alias, table, true));
            };
            let (by, next) = match step {
                Step::Column(column) => match self.catalog.tables[table].columns[column].target {
                    Some(target) if !self.is_key(target, steps.as_slice()) => (By::Key(column), target),
                    _ => return Ok(self.column("u", alias, table, column, true)),
                },
                Step::Reverse(reference) => (By::Reference(reference.table, reference.column), reference.table),
                Step::Many(link) => {
                    far = Some(link.far);
                    (By::Reference(link.through, link.near), link.through)
                }
            };
            let known = sub.joins.iter().find(|join| join.from == alias && join.by == by).map(|join| join.alias);
            let joined = match known {
                Some(known) => known,
                None => {
                    let new = self.alias()?;
                    let sql = self.on("u", new, alias, table, by, next)?;
                    sub.joins.push(Join { from: alias, by, alias: new, sql, left: true });
                    new
                }
            };
            (alias, table) = (joined, next);
        }
    }
}
