//! Expressions: values, calculations and choices.
//!
//! Each has a kind, and it is known whether it can be NULL, so that what is compared with it, and how its cells are read,
//! is settled when the query is planned. A value that doesn't tell its kind (a hole) takes it from what stands beside it.

use super::building::{Annotation, Building, Found, Sub};
use super::sql::{Bind, Purpose, Slot, Sql};
use super::{invalid, value_of};
use crate::error::{DbError, code};
use crate::kind::{Kind, MAX_DIGITS};
use crate::shape::{Arithmetic, Choice, Condition, Expr, Literal, Operand};

/// The longest text of one expression in bytes: SQL repeats what a function's guard looks at, so nesting multiplies it.
const MAX_SQL: usize = 256 << 10;

impl Building<'_> {
    /// Names an expression.
    pub(super) fn annotate(&mut self, name: &str, expr: &Expr) -> Result<(), DbError> {
        let table = &self.catalog.tables[self.table];
        if table.step(name).is_ok() || self.annotations.iter().any(|known| known.name == name) {
            return Err(
                invalid(format!("`{name}` means something else on `{}` already", table.model)).with("field", name)
            );
        }
        let (aggregate, window) = (self.is_of_rows(expr), self.is_window(expr));
        if self.grouped && window {
            let problem = format!("`{name}` is about the rows around, and a group's rows aren't there any more");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("field", name));
        }
        let found = self.expression(expr, None, None)?;
        if found.kind == Kind::Row {
            let problem = format!("`{}` has a key of several fields; name those fields", found.name);
            return Err(invalid(problem).with("field", &found.name));
        }
        let found = Found { name: name.to_owned(), ..found };
        self.annotations.push(Annotation { name: name.to_owned(), found, aggregate, window });
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
        let found = match expr {
            Expr::Operand(operand) => return self.value(operand, want, sub),
            Expr::Arithmetic(arithmetic, left, right) => {
                let (left, right) = self.pair(*arithmetic, left, right, want, sub)?;
                self.reckon(*arithmetic, left, right)
            }
            Expr::Choice(choice, several) => self.choice(*choice, several, want, sub),
            Expr::Case(whens, otherwise) => self.case(whens, otherwise.as_deref(), want, sub),
            Expr::Cast(of, to) => self.cast(of, *to, sub),
            Expr::Call(function, arguments) => self.call(function, arguments, sub),
            Expr::Concat(several) => self.concat(several, sub),
            Expr::Round(of, places) => self.round(of, *places, sub),
            Expr::Extract(part, of, zone) => self.extract(*part, of, zone.as_ref(), sub),
            Expr::Trunc(unit, of, zone) => self.trunc(*unit, of, zone.as_ref(), sub),
            Expr::DatePart(part, of, zone) => self.date_part(*part, of, zone.as_ref(), sub),
            Expr::Json(result, of, steps) => self.json(*result, of, steps, sub),
            Expr::Exists(nested) => self.whole_stage(|query| query.exists_nested(nested)),
            Expr::Subquery(nested) => self.whole_stage(|query| query.scalar(nested)),
            Expr::Aggregate(_) if self.aggregating => Err(invalid("an aggregate inside of another one")),
            Expr::Aggregate(aggregate) => self.whole_stage(|query| query.aggregate(aggregate)),
            Expr::Window(window) => {
                if sub.is_some() || self.aggregating || !self.windowed {
                    return Err(invalid(
                        "a window is about the query's own rows, so it stands by itself in `annotate`",
                    ));
                }
                self.whole_stage(|query| query.window(window))
            }
        }?;
        if found.sql.text.len() > MAX_SQL {
            let problem = format!("an expression whose SQL is longer than {MAX_SQL} bytes; nest less, or ask in parts");
            return Err(invalid(problem).with("limit", MAX_SQL));
        }
        Ok(found)
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
        let null = |expr: &Expr| matches!(expr, Expr::Operand(Operand::Literal(Literal::Null)));
        if null(left) || null(right) {
            return Err(invalid("arithmetic with null, which is always null; leave it out"));
        }
        if is_open(left) && !is_open(right) {
            let right = self.expression(right, want, sub.as_deref_mut())?;
            let left = self.expression(left, Some(right.kind), sub)?;
            return Ok((left, right));
        }
        let left = self.expression(left, want, sub.as_deref_mut())?;
        let right = self.expression(right, Some(beside(arithmetic, left.kind)), sub)?;
        Ok((left, right))
    }

    /// All of one kind: those that tell theirs first, the others take it from them.
    pub(super) fn alike<'p>(
        &mut self,
        word: &str,
        several: &[&'p Expr],
        want: Option<Kind>,
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<(Vec<Found>, Kind), DbError> {
        let mut found: Vec<Option<Found>> = vec![None; several.len()];
        let mut kind: Option<Kind> = None;
        for open in [false, true] {
            for (expr, found) in several.iter().zip(&mut found).filter(|(expr, _)| is_open(expr) == open) {
                let one = self.expression(expr, kind.or(want), sub.as_deref_mut())?;
                kind = Some(match kind {
                    None => one.kind.common(one.kind).ok_or_else(|| differ(word, one.kind, one.kind))?,
                    Some(kind) => kind.common(one.kind).ok_or_else(|| differ(word, kind, one.kind))?,
                });
                *found = Some(one);
            }
        }
        let kind = kind.ok_or_else(untold)?;
        Ok((found.into_iter().flatten().collect(), kind))
    }

    fn choice<'p>(
        &mut self,
        choice: Choice,
        several: &'p [Expr],
        want: Option<Kind>,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let word = choice.word();
        let all: Vec<&Expr> = several.iter().collect();
        let (found, kind) = self.alike(word, &all, want, sub)?;
        if matches!(choice, Choice::Greatest | Choice::Least) && !kind.is_ordered() {
            let problem = format!("`{word}` takes what has an order, not what is of kind {}", kind.word());
            return Err(invalid(problem).with("kind", kind.word()));
        }
        let null = choice == Choice::Nullif || found.iter().all(|found| found.null);
        let dialect = self.dialect();
        let parts = found.iter().map(|found| dialect.widen(found, kind)).collect();
        Ok(Found::made(word, dialect.choose(choice, parts), kind, null))
    }

    fn case<'p>(
        &mut self,
        whens: &'p [(Condition, Expr)],
        otherwise: Option<&'p Expr>,
        want: Option<Kind>,
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let values: Vec<&Expr> = whens.iter().map(|(_, value)| value).chain(otherwise).collect();
        let (found, kind) = self.alike("case", &values, want, sub.as_deref_mut())?;
        let null = otherwise.is_none() || found.iter().any(|found| found.null);
        let dialect = self.dialect();
        let mut values = found.iter().map(|found| dialect.widen(found, kind));
        let mut sql = Sql::text("(CASE");
        for (condition, _) in whens {
            sql.push(" WHEN ").append(self.condition(condition, sub.as_deref_mut())?);
            sql.push(" THEN ").append(values.next().unwrap_or_default());
        }
        if let Some(otherwise) = values.next() {
            sql.push(" ELSE ").append(otherwise);
        }
        sql.push(" END)");
        Ok(Found::made("case", sql, kind, null))
    }

    fn value(&mut self, operand: &Operand, want: Option<Kind>, sub: Option<&mut Sub<'_>>) -> Result<Found, DbError> {
        let dialect = self.dialect();
        let slot = |kind| Slot { kind, column: None, purpose: Purpose::Compare };
        match operand {
            Operand::Field(_) if !self.has_row => Err(invalid("an insert has no row yet whose fields it could read")),
            Operand::Field(path) => match sub {
                Some(sub) if self.many_step(path)?.is_some() => self.find_in(sub, path),
                _ => self.find(path),
            },
            Operand::Outer(level, path) => self.outer_field(*level, path),
            Operand::Hole(hole, kind) => {
                let kind = kind.or(want).ok_or_else(untold)?;
                Ok(Found::made(
                    "a value",
                    dialect.bound(kind, Bind::Hole { hole: *hole, slot: slot(kind) }),
                    kind,
                    true,
                ))
            }
            Operand::Ref(statement, field) => {
                let kind = want.ok_or_else(untold)?;
                let bind = Bind::Ref { statement: *statement, field: field.clone(), slot: slot(kind) };
                Ok(Found::made("a value", dialect.bound(kind, bind), kind, true))
            }
            Operand::New(field) => self.new_value(field),
            Operand::Literal(literal) => {
                let kind = match (literal, want) {
                    (Literal::Null, Some(kind)) => {
                        return Ok(Found::made("null", Sql::text(dialect.null(kind)), kind, true));
                    }
                    (Literal::Null, None) => return Err(untold()),
                    (Literal::Bool(truth), _) => {
                        let sql = Sql::text(if *truth { "TRUE" } else { "FALSE" });
                        return Ok(Found::made("a value", sql, Kind::Boolean, false));
                    }
                    (Literal::Integer(_), Some(Kind::Float)) | (Literal::Float(_), _) => Kind::Float,
                    (Literal::Integer(_), Some(kind)) if kind.is_time() => kind,
                    (Literal::Integer(number), _) => {
                        let sql = Sql::text(dialect.integer(*number));
                        return Ok(Found::made("a value", sql, Kind::BigInteger, false));
                    }
                    (Literal::Text(_), Some(kind)) if kind.places().is_some() => kind,
                    (Literal::Text(_), Some(kind @ (Kind::Json | Kind::Uuid | Kind::Binary))) => kind,
                    (Literal::Text(_), _) => Kind::Text,
                };
                let bind = value_of(self.catalog, slot(kind), literal)?;
                Ok(Found::made("a value", dialect.bound(kind, bind), kind, false))
            }
        }
    }

    fn reckon(&self, arithmetic: Arithmetic, left: Found, right: Found) -> Result<Found, DbError> {
        let word = arithmetic.word();
        let refuse = || differ(word, left.kind, right.kind);
        let sums = matches!(arithmetic, Arithmetic::Add | Arithmetic::Sub);
        let dialect = self.dialect();
        // Dividing by zero is NULL.
        let null = left.null || right.null || matches!(arithmetic, Arithmetic::Div | Arithmetic::Mod);
        let kind = match (left.kind, right.kind) {
            (a, b) if a.is_number() && b.is_number() => match (arithmetic, a.places(), b.places()) {
                (Arithmetic::Mod, ..) if a == Kind::Float || b == Kind::Float => {
                    return Err(invalid("`mod` takes whole numbers and decimals"));
                }
                _ if a == Kind::Float || b == Kind::Float => Kind::Float,
                (_, None, None) => Kind::BigInteger,
                (Arithmetic::Div, ..) => Kind::Float,
                (Arithmetic::Mul, a, b) => {
                    let places = a.unwrap_or(0) + b.unwrap_or(0);
                    if places > MAX_DIGITS {
                        let problem = format!(
                            "a product with {places} places after the point; the most is {MAX_DIGITS}: cast first"
                        );
                        return Err(invalid(problem).with("limit", MAX_DIGITS));
                    }
                    Kind::Decimal { digits: MAX_DIGITS, places }
                }
                (_, a, b) => Kind::Decimal { digits: MAX_DIGITS, places: a.max(b).unwrap_or(0) },
            },
            (Kind::Duration, Kind::Duration) if sums => Kind::Duration,
            (Kind::Duration, right) if right.is_whole() && matches!(arithmetic, Arithmetic::Mul | Arithmetic::Div) => {
                Kind::Duration
            }
            (Kind::DateTime, Kind::DateTime) if arithmetic == Arithmetic::Sub => {
                let sql = dialect.reckon_time(arithmetic, &left, &right);
                return Ok(Found::made(word, sql, Kind::Duration, null));
            }
            (Kind::Date, Kind::Date) if arithmetic == Arithmetic::Sub => {
                let sql = dialect.reckon_time(arithmetic, &left, &right);
                return Ok(Found::made(word, sql, Kind::BigInteger, null));
            }
            (Kind::DateTime, Kind::Duration) if sums => {
                return Ok(Found::made(word, dialect.reckon_time(arithmetic, &left, &right), Kind::DateTime, null));
            }
            (Kind::Date, right_kind) if right_kind.is_whole() && sums => {
                return Ok(Found::made(word, dialect.reckon_time(arithmetic, &left, &right), Kind::Date, null));
            }
            _ => return Err(refuse()),
        };
        let (sql, bare) = dialect.reckon(arithmetic, &left, &right, kind);
        Ok(Found { bare, ..Found::made(word, sql, kind, null) })
    }
}

/// Whether the expression itself doesn't tell its kind.
pub(super) fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Operand(Operand::Hole(_, None) | Operand::Literal(Literal::Null) | Operand::Ref(..)) => true,
        // A whole number may stand for a date's days or a float.
        Expr::Operand(Operand::Literal(Literal::Integer(_))) => true,
        // A text may be a decimal, a UUID or a document.
        Expr::Operand(Operand::Literal(Literal::Text(_))) => true,
        Expr::Arithmetic(_, left, right) => is_open(left) && is_open(right),
        Expr::Choice(_, several) => several.iter().all(is_open),
        Expr::Case(whens, otherwise) => {
            whens.iter().all(|(_, value)| is_open(value)) && otherwise.as_deref().is_none_or(is_open)
        }
        _ => false,
    }
}

/// What a value of unknown kind is, on the right of one of kind `left`.
fn beside(arithmetic: Arithmetic, left: Kind) -> Kind {
    match (arithmetic, left) {
        (Arithmetic::Add | Arithmetic::Sub, Kind::DateTime) => Kind::Duration,
        (Arithmetic::Add | Arithmetic::Sub, Kind::Date) => Kind::BigInteger,
        (Arithmetic::Mul | Arithmetic::Div, Kind::Duration) => Kind::BigInteger,
        (_, kind) if kind.is_whole() => Kind::BigInteger,
        (_, kind) => kind,
    }
}

pub(super) fn untold() -> DbError {
    invalid("nothing tells what kind of value this is; put it beside a field, or say so: {\"$\":0,\"as\":\"integer\"}")
}

pub(super) fn differ(word: &str, left: Kind, right: Kind) -> DbError {
    invalid(format!("`{word}` of kind {} and of kind {}: they don't fit together", left.word(), right.word()))
}
