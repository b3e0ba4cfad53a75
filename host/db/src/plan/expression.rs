//! Expressions that are read: annotations and aggregates.
//!
//! Each has a kind, so that what is compared with it, and how its cells are read, is known when the query is planned.
//!
//! An aggregate over a many-valued relation is a query of its own for each row (`(SELECT count(*) FROM …)`). Django joins
//! instead, and two of them over different relations multiply each other's rows; here each is right by itself.

use super::filter::{Annotation, Found, Query, Sub};
use super::sql::{Bind, Purpose, Slot, Sql};
use super::{invalid, value_of};
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Aggregate, Arithmetic, Condition, Expr, Function, Literal, Operand, Path};

impl Query<'_> {
    /// Names an expression.
    pub(super) fn annotate(&mut self, name: &str, expr: &Expr) -> Result<(), DbError> {
        let table = &self.catalog.tables[self.table];
        if table.step(name).is_ok() || self.annotations.iter().any(|known| known.name == name) {
            return Err(
                invalid(format!("`{name}` means something else on `{}` already", table.model)).with("field", name)
            );
        }
        let found = self.expression(expr, None, None)?;
        let annotation = Annotation {
            name: name.to_owned(),
            found: Found { name: name.to_owned(), ..found },
            aggregate: is_of_rows(expr),
        };
        self.annotations.push(annotation);
        Ok(())
    }

    /// `want` is the kind that the surroundings expect, where the expression doesn't tell its own; `sub` the related rows
    /// that it is about.
    pub(super) fn expression<'p>(
        &mut self,
        expr: &'p Expr,
        want: Option<Kind>,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        match expr {
            Expr::Operand(operand) => self.value(operand, want, sub),
            Expr::Arithmetic(arithmetic, left, right) => {
                let (left, right) = self.pair(*arithmetic, left, right, want, sub)?;
                reckon(*arithmetic, left, right)
            }
            Expr::Coalesce(several) => self.coalesce(several, want, sub),
            Expr::Aggregate(_) if self.aggregating => Err(invalid("an aggregate inside of another one")),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
        }
    }

    /// Both sides, each helping the other to its kind.
    fn pair<'p>(
        &mut self,
        arithmetic: Arithmetic,
        left: &'p Expr,
        right: &'p Expr,
        want: Option<Kind>,
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<(Found, Found), DbError> {
        if is_open(left) && !is_open(right) {
            let right = self.expression(right, want, sub.as_deref_mut())?;
            let left = self.expression(left, Some(right.kind), sub)?;
            return Ok((left, right));
        }
        let left = self.expression(left, want, sub.as_deref_mut())?;
        let right = self.expression(right, Some(beside(arithmetic, left.kind)), sub)?;
        Ok((left, right))
    }

    fn coalesce<'p>(
        &mut self,
        several: &'p [Expr],
        want: Option<Kind>,
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let mut found: Vec<Option<Found>> = vec![None; several.len()];
        let mut kind = want;
        // Those that tell their kind first: the others take it from them.
        for open in [false, true] {
            for (expr, found) in several.iter().zip(&mut found).filter(|(expr, _)| is_open(expr) == open) {
                let one = self.expression(expr, kind, sub.as_deref_mut())?;
                if kind.is_some_and(|kind| !kind.compares_with(one.kind)) {
                    return Err(differ("coalesce", kind.unwrap_or(one.kind), one.kind));
                }
                kind = kind.filter(|_| open).or(Some(one.kind));
                *found = Some(one);
            }
        }
        let kind = kind.ok_or_else(untold)?;
        let found: Vec<Found> = found.into_iter().flatten().collect();
        let null = found.iter().all(|found| found.null);
        let mut parts: Vec<Sql> = found.into_iter().map(|found| found.sql).collect();
        // With one alone there is nothing to choose, and databases want two.
        if parts.len() == 1 {
            parts.push(Sql::text("NULL"));
        }
        let mut sql = Sql::text("coalesce(");
        sql.list(parts).push(")");
        Ok(made("coalesce", sql, kind, null))
    }

    fn value(&mut self, operand: &Operand, want: Option<Kind>, sub: Option<&mut Sub<'_>>) -> Result<Found, DbError> {
        let slot = |kind| Slot { kind, column: None, purpose: Purpose::Compare };
        match operand {
            Operand::Field(path) => match sub {
                Some(sub) if self.many_step(path)?.is_some() => self.find_in(sub, path),
                _ => self.find(path),
            },
            Operand::Hole(hole) => {
                let kind = want.ok_or_else(untold)?;
                Ok(made("a value", Sql::bind(Bind::Hole { hole: *hole, slot: slot(kind) }), kind, true))
            }
            Operand::Literal(literal) => {
                let kind = match (literal, want) {
                    (Literal::Null, Some(kind)) => kind,
                    (Literal::Null, None) => return Err(untold()),
                    (Literal::Bool(_), _) => Kind::Boolean,
                    (Literal::Integer(_), Some(Kind::Float)) | (Literal::Float(_), _) => Kind::Float,
                    (Literal::Integer(_), Some(kind)) if kind.is_number() => kind,
                    (Literal::Integer(_), _) => Kind::BigInteger,
                    (Literal::Text(_), _) => Kind::Text,
                };
                let bind = value_of(self.catalog, slot(kind), literal)?;
                Ok(made("a value", Sql::bind(bind), kind, *literal == Literal::Null))
            }
            Operand::Ref(..) => Err(invalid("a `ref` stands in a batch, where something is written")),
        }
    }

    fn aggregate<'p>(&mut self, aggregate: &'p Aggregate) -> Result<Found, DbError> {
        let mut root: Option<&'p [String]> = None;
        let mut paths = Vec::new();
        if let Some(of) = &aggregate.of {
            fields(of, &mut paths);
        }
        for path in paths {
            let Some(at) = self.many_step(path)? else { continue };
            let steps = &path[..=at];
            if root.is_some_and(|root| root != steps) {
                return Err(invalid("an aggregate is over one many-valued relation; make two of it"));
            }
            root = Some(steps);
        }
        let Some(root) = root else {
            if !self.grouped {
                let problem = format!(
                    "`{}` of the row's own fields makes one row of several: use the op `aggregate`, or `group`",
                    aggregate.function.word()
                );
                return Err(invalid(problem));
            }
            return self.over(aggregate, None);
        };
        if self.grouped {
            let name = root.last().map(String::as_str).unwrap_or_default();
            let problem =
                format!("an aggregate over `{name}` for a whole group; ask the model behind `{name}` instead");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("field", name));
        }
        self.of_related(root, |query, sub| query.over(aggregate, Some(sub)))
    }

    /// `sum("votes")`, over the statement's own rows or over `sub`'s.
    fn over<'p>(&mut self, aggregate: &'p Aggregate, mut sub: Option<&mut Sub<'p>>) -> Result<Found, DbError> {
        self.aggregating = true;
        let of = aggregate.of.as_ref().map(|of| self.expression(of, None, sub.as_deref_mut()));
        self.aggregating = false;
        let of = of.transpose()?;
        let word = aggregate.function.word();
        let kind = result_kind(aggregate.function, of.as_ref())?;
        let mut conditions = Vec::with_capacity(aggregate.filter.len());
        for condition in &aggregate.filter {
            self.only_of(condition, sub.as_deref())?;
            conditions.push(self.condition(condition, sub.as_deref_mut())?);
        }
        let mut sql = Sql::text(format!("{word}("));
        if aggregate.distinct {
            sql.push("DISTINCT ");
        }
        match (of, conditions.is_empty()) {
            (None, true) => {
                sql.push("*");
            }
            (of, true) => {
                sql.append(of.map_or_else(Sql::default, |of| of.sql));
            }
            // Not every database has FILTER, and NULL is what aggregates pass over.
            (of, false) => {
                sql.push("CASE WHEN ").append(Sql::join(conditions, " AND ")).push(" THEN ");
                sql.append(of.map_or_else(|| Sql::text("1"), |of| of.sql)).push(" END");
            }
        }
        sql.push(")");
        Ok(made(word, sql, kind, aggregate.function != Function::Count))
    }

    /// A filter inside of an aggregate is about what is aggregated.
    fn only_of(&self, condition: &Condition, sub: Option<&Sub<'_>>) -> Result<(), DbError> {
        match condition {
            Condition::And(all) | Condition::Or(all) => all.iter().try_for_each(|inner| self.only_of(inner, sub)),
            Condition::Not(inner) => self.only_of(inner, sub),
            Condition::Lookup { path, .. } => match (self.many_step(path)?, sub) {
                (Some(at), Some(sub)) if !sub.has(&path[..=at]) => {
                    Err(invalid("the filter of an aggregate is about the relation that is aggregated"))
                }
                _ => Ok(()),
            },
        }
    }
}

/// Whether the expression itself doesn't tell its kind.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Operand(Operand::Hole(_) | Operand::Literal(Literal::Null) | Operand::Ref(..)) => true,
        // A whole number may stand for a date's days or a float.
        Expr::Operand(Operand::Literal(Literal::Integer(_))) => true,
        Expr::Arithmetic(_, left, right) => is_open(left) && is_open(right),
        Expr::Coalesce(several) => several.iter().all(is_open),
        Expr::Operand(_) | Expr::Aggregate(_) => false,
    }
}

/// What a value of unknown kind is, on the right of one of kind `left`.
fn beside(arithmetic: Arithmetic, left: Kind) -> Kind {
    match (arithmetic, left) {
        (Arithmetic::Add | Arithmetic::Sub, Kind::DateTime) => Kind::Duration,
        (Arithmetic::Add | Arithmetic::Sub, Kind::Date) => Kind::BigInteger,
        (Arithmetic::Mul | Arithmetic::Div, Kind::Duration) => Kind::BigInteger,
        (_, kind) => kind,
    }
}

/// Whether it makes one value of several rows; whether of the statement's own, the statement says.
fn is_of_rows(expr: &Expr) -> bool {
    match expr {
        Expr::Operand(_) => false,
        Expr::Arithmetic(_, left, right) => is_of_rows(left) || is_of_rows(right),
        Expr::Coalesce(several) => several.iter().any(is_of_rows),
        Expr::Aggregate(_) => true,
    }
}

/// All fields that it reads.
fn fields<'p>(expr: &'p Expr, paths: &mut Vec<&'p Path>) {
    match expr {
        Expr::Operand(Operand::Field(path)) => paths.push(path),
        Expr::Operand(_) | Expr::Aggregate(_) => {}
        Expr::Arithmetic(_, left, right) => {
            fields(left, paths);
            fields(right, paths);
        }
        Expr::Coalesce(several) => several.iter().for_each(|expr| fields(expr, paths)),
    }
}

fn made(name: &str, sql: Sql, kind: Kind, null: bool) -> Found {
    Found { sql, kind, column: None, name: name.to_owned(), null }
}

fn untold() -> DbError {
    invalid("nothing tells what kind of value this is; put it beside a field")
}

fn differ(word: &str, left: Kind, right: Kind) -> DbError {
    invalid(format!("`{word}` of kind {} and of kind {}: they don't fit together", left.word(), right.word()))
}

fn result_kind(function: Function, of: Option<&Found>) -> Result<Kind, DbError> {
    let Some(of) = of else { return Ok(Kind::BigInteger) };
    let refuse = |what: &str| {
        let problem = format!("`{}` takes {what}; `{}` is of kind {}", function.word(), of.name, of.kind.word());
        Err(invalid(problem).with("field", &of.name).with("kind", of.kind.word()))
    };
    match (function, of.kind) {
        (Function::Count, _) => Ok(Kind::BigInteger),
        (Function::Sum, Kind::Integer | Kind::BigInteger) => Ok(Kind::BigInteger),
        (Function::Sum, kind @ (Kind::Float | Kind::Duration)) => Ok(kind),
        (Function::Avg, Kind::Integer | Kind::BigInteger | Kind::Float) => Ok(Kind::Float),
        (Function::Sum | Function::Avg, _) => refuse("numbers"),
        (Function::Min | Function::Max, kind) if kind.is_ordered() => Ok(kind),
        (Function::Min | Function::Max, _) => refuse("what has an order"),
    }
}

fn reckon(arithmetic: Arithmetic, left: Found, right: Found) -> Result<Found, DbError> {
    let number = |kind: Kind| kind.is_number() || kind == Kind::Key || kind == Kind::Auto;
    let (word, sign) = match arithmetic {
        Arithmetic::Add => ("add", " + "),
        Arithmetic::Sub => ("sub", " - "),
        Arithmetic::Mul => ("mul", " * "),
        Arithmetic::Div => ("div", " / "),
        Arithmetic::Mod => ("mod", " % "),
    };
    let whole = |kind: Kind| matches!(kind, Kind::Integer | Kind::BigInteger | Kind::Key | Kind::Auto);
    let kind = match (left.kind, right.kind) {
        (left, right) if !number(left) || !number(right) => return Err(differ(word, left, right)),
        (Kind::Float, _) | (_, Kind::Float) if arithmetic == Arithmetic::Mod => {
            return Err(invalid("`mod` takes whole numbers"));
        }
        (Kind::Float, right) if right == Kind::Float || whole(right) => Kind::Float,
        (left, Kind::Float) if whole(left) => Kind::Float,
        (left, right) if whole(left) && whole(right) => Kind::BigInteger,
        (Kind::DateTime, Kind::DateTime) if arithmetic == Arithmetic::Sub => Kind::Duration,
        (Kind::DateTime, Kind::Duration) if matches!(arithmetic, Arithmetic::Add | Arithmetic::Sub) => Kind::DateTime,
        (Kind::Duration, Kind::Duration) if matches!(arithmetic, Arithmetic::Add | Arithmetic::Sub) => Kind::Duration,
        (Kind::Date, Kind::Date) if arithmetic == Arithmetic::Sub => Kind::BigInteger,
        (Kind::Date, right) if whole(right) && matches!(arithmetic, Arithmetic::Add | Arithmetic::Sub) => Kind::Date,
        (Kind::Duration, right) if whole(right) && matches!(arithmetic, Arithmetic::Mul | Arithmetic::Div) => {
            Kind::Duration
        }
        (left, right) => return Err(differ(word, left, right)),
    };
    // Dividing by zero is NULL.
    let null = left.null || right.null || matches!(arithmetic, Arithmetic::Div | Arithmetic::Mod);
    let mut sql = Sql::text("(");
    sql.append(left.sql).push(sign).append(right.sql).push(")");
    Ok(made(word, sql, kind, null))
}
