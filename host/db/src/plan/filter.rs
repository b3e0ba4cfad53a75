//! Conditions to SQL.
//!
//! A row counts once, however many related rows match: conditions over a many-valued relation become `EXISTS`. What
//! speaks of the same related row (the conditions of one entry of `filter`) shares one `EXISTS`; `or` and entries apart
//! have one each, which is the same by logic (∃ distributes over ∨); `not` and `xor` begin anew, so that `not` means "no
//! related row".

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::invalid;
use super::path::{Join, Root, SubJoin};
use super::sql::{Purpose, Slot, Sql};
use super::window::Stage;
use super::with::Named;
use crate::catalog::Catalog;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::kind::Kind;
use crate::shape::{Condition, Expr, Literal, Lookup, Operand, Path};

/// A statement's tables and conditions while they are put together.
pub(crate) struct Query<'c> {
    pub(crate) catalog: &'c Catalog,
    pub(crate) table: usize,
    /// The number of the own table's name: `t0`.
    pub(super) root: usize,
    /// What stands before the own row's columns, where it isn't its table's name in the statement.
    pub(super) prefix: Option<String>,
    /// The columns of the statement's own rows that were asked for.
    pub(super) used: RefCell<BTreeSet<usize>>,
    pub(super) joins: Vec<Join>,
    /// The highest number of a table's name so far, those of shapes inside and outside among them.
    pub(super) aliases: usize,
    /// How many tables this shape itself has joined.
    pub(super) joined: usize,
    /// What `annotate` has named so far.
    pub(super) annotations: Vec<Annotation>,
    /// What `with` has named.
    pub(super) with: Vec<Named>,
    /// The statement that this one stands in.
    pub(super) outer: Option<Box<Query<'c>>>,
    /// Whether it reads a row outside.
    pub(super) correlated: bool,
    /// Whether the statement makes one row of several, so that aggregates are about its own rows.
    pub(super) grouped: bool,
    /// Whether the rows around each row can be asked for: in a query that shows rows.
    pub(super) windowed: bool,
    /// Whether an aggregate is being planned: there is none inside of one.
    pub(super) aggregating: bool,
    /// Whether fields of the row can be read: an insert has none yet.
    pub(super) has_row: bool,
    /// The model whose unwritten row `{"new": …}` reads, in `on_conflict`.
    pub(super) inserted: bool,
    /// Whether a condition calls a text function, whose time grows with the texts.
    pub(crate) reads_text: bool,
    /// Where what is found is handed on to a statement around this one.
    pub(super) stage: Option<Stage>,
}

/// Where a path ended, or what an expression is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// `t0."votes"`
    pub(crate) sql: Sql,
    pub(crate) kind: Kind,
    /// The column that it is, if it is one.
    pub(crate) column: Option<(usize, usize)>,
    /// What an error calls it.
    pub(crate) name: String,
    /// Whether it can be NULL, by the field or by a join.
    pub(crate) null: bool,
    /// The same without a look at its size, for a calculation that goes on.
    pub(crate) bare: Option<Sql>,
}

impl Found {
    /// What an expression made.
    pub(super) fn made(name: &str, sql: Sql, kind: Kind, null: bool) -> Self {
        Found { sql, kind, column: None, name: name.to_owned(), null, bare: None }
    }

    /// What fits in a comparison with it.
    pub(super) fn slot(&self) -> Slot {
        Slot { kind: self.kind, column: self.column, purpose: Purpose::Compare }
    }
}

/// A named expression.
pub(super) struct Annotation {
    pub(super) name: String,
    pub(super) found: Found,
    /// Whether it is made of several of the statement's own rows.
    pub(super) aggregate: bool,
    /// Whether it is made of the rows around each row.
    pub(super) window: bool,
}

impl Sub<'_> {
    /// Whether it is about the related rows at the end of `steps`.
    pub(super) fn has(&self, steps: &[String]) -> bool {
        self.roots.iter().any(|root| root.steps == steps)
    }
}

/// The tables of one `EXISTS`, or of one aggregate over related rows.
#[derive(Default)]
pub(super) struct Sub<'p> {
    pub(super) roots: Vec<Root<'p>>,
    pub(super) joins: Vec<SubJoin>,
    /// Whether conditions are about each related row, as in an aggregate's filter: a `not` too.
    pub(super) each: bool,
}

impl<'c> Query<'c> {
    pub(crate) fn new(catalog: &'c Catalog, table: usize) -> Self {
        Self {
            catalog,
            table,
            root: 0,
            prefix: None,
            used: RefCell::default(),
            joins: Vec::new(),
            aliases: 0,
            joined: 0,
            annotations: Vec::new(),
            with: Vec::new(),
            outer: None,
            correlated: false,
            grouped: false,
            windowed: false,
            aggregating: false,
            has_row: true,
            inserted: false,
            reads_text: false,
            stage: None,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.catalog.dialect
    }

    pub(crate) fn has_joins(&self) -> bool {
        !self.joins.is_empty()
    }

    /// `"polls__choice" AS t0 LEFT JOIN …`
    pub(crate) fn tables(&self) -> String {
        let mut sql = format!("{} AS t{}", self.catalog.tables[self.table].quoted(), self.root);
        for join in &self.joins {
            sql.push_str(if join.left { " LEFT JOIN " } else { " JOIN " });
            sql.push_str(&join.sql);
        }
        sql
    }

    /// All entries of `filter`, joined by AND; `None` where there are none.
    pub(crate) fn filter(&mut self, filter: &[Condition]) -> Result<Option<Sql>, DbError> {
        let mut parts = Vec::with_capacity(filter.len());
        for entry in filter {
            parts.push(self.condition(entry, None)?);
        }
        Ok(if parts.is_empty() { None } else { Some(Sql::join(parts, " AND ")) })
    }

    pub(super) fn condition<'p>(
        &mut self,
        condition: &'p Condition,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Sql, DbError> {
        match (condition, sub) {
            (Condition::Not(inner), sub) => {
                // "Isn't true" instead of NOT: what compares with NULL is as untrue as what differs.
                let mut sql = Sql::text("((");
                sql.append(self.condition(inner, sub.filter(|sub| sub.each))?).push(") IS NOT TRUE)");
                Ok(sql)
            }
            (Condition::Xor(all), sub) => {
                let mut sub = sub.filter(|sub| sub.each);
                let mut odd: Option<Sql> = None;
                for inner in all {
                    let inner = Sql::fill("(({0}) IS TRUE)", &[self.condition(inner, sub.as_deref_mut())?]);
                    odd = Some(match odd {
                        None => inner,
                        Some(odd) => Sql::fill("({0} <> {1})", &[odd, inner]),
                    });
                }
                odd.ok_or_else(|| invalid("`xor` of nothing"))
            }
            (Condition::Or(all), mut sub) => {
                let mut parts = Vec::new();
                for inner in all {
                    parts.push(self.condition(inner, sub.as_deref_mut())?);
                }
                Ok(Sql::join(parts, " OR "))
            }
            (Condition::And(all), Some(sub)) => {
                let mut parts = Vec::new();
                for inner in all {
                    parts.push(self.condition(inner, Some(sub))?);
                }
                Ok(Sql::join(parts, " AND "))
            }
            (Condition::And(all), None) => {
                let mut parts = Vec::new();
                for group in self.groups(all)? {
                    match group.as_slice() {
                        [one] => parts.push(self.condition(one, None)?),
                        several => parts.push(self.exists(several)?),
                    }
                }
                Ok(Sql::join(parts, " AND "))
            }
            (Condition::Exists(nested), _) => self.exists_nested(nested).map(|found| found.sql),
            (Condition::Lookup { .. } | Condition::In { .. } | Condition::True(_), sub) => {
                let mut roots = Vec::new();
                self.roots(condition, &mut roots)?;
                match sub {
                    // The relation is the surroundings' own; without one the row is the statement's.
                    Some(sub) if !roots.is_empty() => self.comparison(condition, Some(sub)),
                    None if !roots.is_empty() => self.exists(&[condition]),
                    _ => self.comparison(condition, None),
                }
            }
        }
    }

    /// Parts of an AND that have to be about the same related row stand together.
    fn groups<'p>(&self, all: &'p [Condition]) -> Result<Vec<Vec<&'p Condition>>, DbError> {
        let mut groups: Vec<(Vec<&'p [String]>, Vec<&'p Condition>)> = Vec::new();
        for condition in all {
            let mut roots = Vec::new();
            self.roots(condition, &mut roots)?;
            let mut group = (roots, vec![condition]);
            let mut apart = Vec::new();
            for known in groups {
                if known.0.iter().any(|root| group.0.contains(root)) {
                    group.0.extend(known.0);
                    group.1.splice(0..0, known.1);
                } else {
                    apart.push(known);
                }
            }
            apart.push(group);
            groups = apart;
        }
        Ok(groups.into_iter().map(|(_, conditions)| conditions).collect())
    }

    /// The many-valued relations that `condition` speaks of, those below a `not` excepted.
    fn roots<'p>(&self, condition: &'p Condition, roots: &mut Vec<&'p [String]>) -> Result<(), DbError> {
        match condition {
            Condition::And(all) | Condition::Or(all) => all.iter().try_for_each(|inner| self.roots(inner, roots)),
            Condition::Not(_) | Condition::Xor(_) | Condition::Exists(_) => Ok(()),
            Condition::Lookup { .. } | Condition::In { .. } | Condition::True(_) => {
                for path in condition.fields() {
                    if let Some(at) = self.many_step(path)? {
                        let root = &path[..=at];
                        if !roots.contains(&root) {
                            roots.push(root);
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Whether `path` names an annotation that is made of several of the statement's own rows.
    pub(super) fn is_aggregate(&self, path: &[String]) -> bool {
        self.grouped && self.annotation(path).is_some_and(|annotation| annotation.aggregate)
    }

    /// Whether `expr` is made of several of the statement's own rows.
    pub(super) fn is_of_rows(&self, expr: &Expr) -> bool {
        expr.any(&|expr| match expr {
            Expr::Aggregate(_) => true,
            expr => expr.path().is_some_and(|path| self.is_aggregate(path)),
        })
    }

    /// Whether `expr` is made of the rows around each row.
    pub(super) fn is_window(&self, expr: &Expr) -> bool {
        expr.any(&|expr| match expr {
            Expr::Window(_) => true,
            expr => expr.path().and_then(|path| self.annotation(path)).is_some_and(|known| known.window),
        })
    }

    /// Whether `condition` asks for what is made of several rows of a group.
    pub(super) fn names_aggregate(&self, condition: &Condition) -> bool {
        self.grouped && condition.expressions().into_iter().any(|expr| self.is_of_rows(expr))
    }

    /// Whether `condition` asks for what is made of the rows around.
    pub(super) fn names_window(&self, condition: &Condition) -> bool {
        condition.expressions().into_iter().any(|expr| self.is_window(expr))
    }

    /// Refuses a condition about groups that asks for what differs within one.
    pub(super) fn check_having(&self, condition: &Condition, group: &[Path]) -> Result<(), DbError> {
        match condition.fields().into_iter().find(|path| !group.contains(path) && !self.is_aggregate(path)) {
            None => Ok(()),
            Some(path) => Err(invalid(format!(
                "a condition on groups and on rows at once; `{}` belongs into a filter of its own",
                path.join(".")
            ))),
        }
    }

    /// The annotation that `path` names.
    pub(super) fn annotation(&self, path: &[String]) -> Option<&Annotation> {
        let [name] = path else { return None };
        self.annotations.iter().find(|annotation| annotation.name == *name)
    }

    fn exists(&mut self, conditions: &[&Condition]) -> Result<Sql, DbError> {
        if self.stage.is_some() {
            return Err(invalid("a condition on a window's value and on related rows at once; make two of it"));
        }
        let mut paths = Vec::new();
        for condition in conditions {
            self.roots(condition, &mut paths)?;
        }
        let mut sub = Sub::default();
        for steps in paths {
            self.enter(&mut sub, steps)?;
        }
        // Where a condition can be true of a row without related rows (`isnull`), that row has to be there to be asked.
        let strict =
            sub.roots.iter().all(|root| conditions.iter().any(|condition| is_false_without(condition, root.steps)));
        let mut parts = Vec::new();
        for condition in conditions {
            parts.push(self.condition(condition, Some(&mut sub))?);
        }
        let condition = Sql::join(parts, " AND ");
        let mut sql = Sql::text("EXISTS (SELECT 1 FROM ");
        let table = |root: &Root<'_>| format!("{} AS u{}", self.catalog.tables[root.table].quoted(), root.alias);
        let ons: Vec<&str> = sub.roots.iter().map(|root| root.on.as_str()).collect();
        if strict {
            // CROSS JOIN keeps the order, and lets the joins below refer to what stands before.
            sql.push(&sub.roots.iter().map(table).collect::<Vec<_>>().join(" CROSS JOIN "));
        } else {
            sql.push("(SELECT 1 AS one) AS one");
            for root in &sub.roots {
                sql.push(&format!(" LEFT JOIN {} ON {}", table(root), root.on));
            }
        }
        for join in &sub.joins {
            sql.push(" LEFT JOIN ").push(&join.sql);
        }
        sql.push(" WHERE ");
        if strict {
            sql.push(&ons.join(" AND ")).push(" AND ");
        }
        sql.append(condition).push(")");
        Ok(sql)
    }

    /// `(SELECT value FROM …)` over the related rows at the end of `steps`; `value` makes one value of them.
    pub(super) fn of_related<'p>(
        &mut self,
        steps: &'p [String],
        value: impl FnOnce(&mut Self, &mut Sub<'p>) -> Result<Found, DbError>,
    ) -> Result<Found, DbError> {
        let mut sub = Sub { each: true, ..Sub::default() };
        self.enter(&mut sub, steps)?;
        let found = value(self, &mut sub)?;
        let [root] = sub.roots.as_slice() else { return Err(invalid("an aggregate over several relations")) };
        let mut sql = Sql::text("(SELECT ");
        sql.append(found.sql);
        sql.push(&format!(" FROM {} AS u{}", self.catalog.tables[root.table].quoted(), root.alias));
        for join in &sub.joins {
            sql.push(" LEFT JOIN ").push(&join.sql);
        }
        sql.push(" WHERE ").push(&root.on).push(")");
        Ok(Found { sql, bare: None, ..found })
    }
}

/// Whether `condition` can't be true of a row for which the relation `root` leads nowhere.
fn is_false_without(condition: &Condition, root: &[String]) -> bool {
    let is_of_root = |target: &Expr| target.path().is_some_and(|path| path.starts_with(root));
    match condition {
        Condition::And(all) => all.iter().any(|inner| is_false_without(inner, root)),
        Condition::Or(all) => all.iter().all(|inner| is_false_without(inner, root)),
        Condition::Not(_) | Condition::Xor(_) | Condition::Exists(_) | Condition::True(_) => false,
        Condition::In { target, .. } => is_of_root(target),
        Condition::Lookup { lookup, target, operands } => {
            is_of_root(target)
                && match lookup {
                    Lookup::IsNull => {
                        matches!(operands.as_slice(), [Expr::Operand(Operand::Literal(Literal::Bool(false)))])
                    }
                    // A hole can turn out to be NULL, which means `isnull`.
                    Lookup::Exact => match operands.as_slice() {
                        [Expr::Operand(Operand::Literal(literal))] => *literal != Literal::Null,
                        [Expr::Operand(Operand::Field(_))] => true,
                        _ => false,
                    },
                    _ => true,
                }
        }
    }
}
