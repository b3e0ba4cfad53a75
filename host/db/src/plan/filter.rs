//! Conditions to SQL.
//!
//! A row counts once, however many related rows match: conditions over a many-valued relation become `EXISTS`. What
//! speaks of the same related row (the conditions of one entry of `filter`) shares one `EXISTS`; `or` and entries apart
//! have one each, which is the same by logic (∃ distributes over ∨); `not` and `xor` begin anew, so that `not` means "no
//! related row".

use super::building::{Annotation, Building, Found, Sub};
use super::invalid;
use super::path::{Root, joined};
use super::sql::Sql;
use crate::error::DbError;
use crate::shape::{Condition, Expr, Literal, Lookup, Operand, Path};

impl Building<'_> {
    /// All entries of `filter`, joined by AND; `None` where there are none.
    pub(crate) fn filter(&mut self, filter: &[Condition]) -> Result<Option<Sql>, DbError> {
        let parts = filter.iter().map(|entry| self.condition(entry, None)).collect::<Result<_, _>>()?;
        Ok(Sql::all(parts))
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
        let table = |root: &Root<'_>| self.source(root.table, &format!("u{}", root.alias));
        let ons: Vec<&str> = sub.roots.iter().map(|root| root.on.as_str()).collect();
        if strict {
            // CROSS JOIN keeps the order, and lets the joins below refer to what stands before.
            for (at, root) in sub.roots.iter().enumerate() {
                sql.push(if at > 0 { " CROSS JOIN " } else { "" }).append(table(root)?);
            }
        } else {
            sql.push("(SELECT 1 AS one) AS one");
            for root in &sub.roots {
                sql.push(" LEFT JOIN ").append(table(root)?).push(&format!(" ON {}", root.on));
            }
        }
        sql.append(joined(&sub.joins)).push(" WHERE ");
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
        sql.push(" FROM ").append(self.source(root.table, &format!("u{}", root.alias))?);
        sql.append(joined(&sub.joins));
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
