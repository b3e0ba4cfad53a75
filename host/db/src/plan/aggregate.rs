//! Aggregates: one value of many rows.
//!
//! An aggregate over a many-valued relation is a query of its own for each row (`(SELECT count(*) FROM …)`). Django joins
//! instead, and two of them over different relations multiply each other's rows; here each is right by itself.

use super::building::{Building, Found, Sub};
use super::invalid;
use super::sql::Sql;
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::{Kind, MAX_DIGITS};
use crate::shape::{Aggregate, AggregateFunction, Condition, Order, Path};

impl Building<'_> {
    pub(super) fn aggregate<'p>(&mut self, aggregate: &'p Aggregate) -> Result<Found, DbError> {
        let mut root: Option<&'p [String]> = None;
        let mut paths: Vec<&Path> = Vec::new();
        if let Some(of) = &aggregate.of {
            of.fields(&mut paths);
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
            return self.over(aggregate, None, Sql::default());
        };
        if self.grouped {
            let name = root.last().map(String::as_str).unwrap_or_default();
            let problem =
                format!("an aggregate over `{name}` for a whole group; ask the model behind `{name}` instead");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("field", name));
        }
        self.of_related(root, |query, sub| query.over(aggregate, Some(sub), Sql::default()))
    }

    /// `sum("votes")`, over the statement's own rows or over `sub`'s; `window` is what makes it one of the rows around.
    pub(super) fn over<'p>(
        &mut self,
        aggregate: &'p Aggregate,
        sub: Option<&mut Sub<'p>>,
        window: Sql,
    ) -> Result<Found, DbError> {
        let around = std::mem::replace(&mut self.aggregating, true);
        let made = self.made_of(aggregate, sub, window);
        self.aggregating = around;
        made
    }

    fn made_of<'p>(
        &mut self,
        aggregate: &'p Aggregate,
        mut sub: Option<&mut Sub<'p>>,
        window: Sql,
    ) -> Result<Found, DbError> {
        let function = aggregate.function;
        let want = match function {
            AggregateFunction::BoolAnd | AggregateFunction::BoolOr => Some(Kind::Boolean),
            AggregateFunction::StringAgg => Some(Kind::Text),
            _ => None,
        };
        let of = aggregate.of.as_ref().map(|of| self.expression(of, want, sub.as_deref_mut())).transpose()?;
        let kind = result_kind(function, of.as_ref())?;
        let mut conditions = Vec::with_capacity(aggregate.filter.len());
        for condition in &aggregate.filter {
            self.only_of(condition, sub.as_deref())?;
            conditions.push(self.condition(condition, sub.as_deref_mut())?);
        }
        let dialect = self.dialect();
        let value = of.as_ref().map(|of| dialect.aggregated(function, of));
        let value = match (value, conditions.is_empty()) {
            (None, true) => Sql::text("*"),
            (Some(value), true) => value,
            // Not every database has FILTER, and NULL is what aggregates pass over.
            (value, false) => {
                let value = value.unwrap_or_else(|| Sql::text("1"));
                Sql::fill("CASE WHEN {0} THEN {1} END", &[Sql::join(conditions, " AND "), value])
            }
        };
        let spread = matches!(function, AggregateFunction::Stddev | AggregateFunction::Variance);
        if aggregate.distinct && spread && dialect == Dialect::Mariadb {
            let problem =
                format!("MariaDB has no `{}` of distinct values; make a group of each value first", function.word());
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        let null = function != AggregateFunction::Count;
        if function == AggregateFunction::StringAgg {
            return self.string_agg(aggregate, value, sub);
        }
        let value = if aggregate.distinct { Sql::fill("DISTINCT {0}", &[value]) } else { value };
        let sql = dialect.aggregate(function, value, kind, aggregate.sample, window);
        Ok(Found::made(function.word(), sql, kind, null))
    }

    fn string_agg<'p>(
        &mut self,
        aggregate: &'p Aggregate,
        value: Sql,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let separator = match &aggregate.separator {
            Some(separator) => self.expression(separator, Some(Kind::Text), None)?.sql,
            None => return Err(DbError::new(code::INTERNAL, "texts with nothing between them")),
        };
        let order = match aggregate.distinct {
            // One value may stand in many rows, which have no order among them but its own.
            true => match aggregate.order.as_slice() {
                [] => Vec::new(),
                [order] if Some(&order.of) == aggregate.of.as_ref() => {
                    vec![self.dialect().ordered(value.clone(), true, order.descending, order.nulls)]
                }
                _ => return Err(invalid("with `distinct` the texts are ordered by themselves alone")),
            },
            false => self.ordering(&aggregate.order, sub)?,
        };
        self.reads_text = true;
        let sql = self.dialect().string_agg(value, aggregate.distinct, separator, order);
        Ok(Found::made(aggregate.function.word(), sql, Kind::Text, true))
    }

    /// Entries of ORDER BY.
    pub(super) fn ordering<'p>(
        &mut self,
        order: &'p [Order],
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Vec<Sql>, DbError> {
        let mut entries = Vec::with_capacity(order.len());
        for entry in order {
            let found = self.expression(&entry.of, None, sub.as_deref_mut())?;
            entries.push(self.entry(Found { sql: found.sql.into_key(), ..found }, entry)?);
        }
        Ok(entries)
    }

    /// One entry of ORDER BY.
    pub(super) fn entry(&self, found: Found, order: &Order) -> Result<Sql, DbError> {
        if found.kind == Kind::Row {
            let problem = format!("`{}` has a key of several fields; order by those", found.name);
            return Err(invalid(problem).with("field", &found.name));
        }
        if found.kind == Kind::Json {
            let problem = format!("`{}` is of kind json, which has no order; order by a value in it", found.name);
            return Err(invalid(problem).with("field", &found.name).with("kind", "json"));
        }
        Ok(self.dialect().ordered(found.sql, found.null, order.descending, order.nulls))
    }

    /// A filter inside of an aggregate is about what is aggregated.
    fn only_of(&self, condition: &Condition, sub: Option<&Sub<'_>>) -> Result<(), DbError> {
        for path in condition.fields() {
            if let (Some(at), Some(sub)) = (self.many_step(path)?, sub)
                && !sub.has(&path[..=at])
            {
                return Err(invalid("the filter of an aggregate is about the relation that is aggregated"));
            }
        }
        Ok(())
    }
}

pub(super) fn result_kind(function: AggregateFunction, of: Option<&Found>) -> Result<Kind, DbError> {
    let Some(of) = of else { return Ok(Kind::BigInteger) };
    let refuse = |what: &str| {
        let problem = format!("`{}` takes {what}; `{}` is of kind {}", function.word(), of.name, of.kind.word());
        Err(invalid(problem).with("field", &of.name).with("kind", of.kind.word()))
    };
    let counts = !matches!(of.kind, Kind::Auto | Kind::Key);
    match (function, of.kind) {
        (AggregateFunction::Count, _) => Ok(Kind::BigInteger),
        (AggregateFunction::Sum, kind) if kind.is_whole() && counts => Ok(Kind::BigInteger),
        (AggregateFunction::Sum, kind @ (Kind::Float | Kind::Duration)) => Ok(kind),
        (AggregateFunction::Sum, Kind::Decimal { places, .. }) => Ok(Kind::Decimal { digits: MAX_DIGITS, places }),
        (AggregateFunction::Avg | AggregateFunction::Stddev | AggregateFunction::Variance, kind)
            if kind.is_number() && counts =>
        {
            Ok(Kind::Float)
        }
        (
            AggregateFunction::Sum | AggregateFunction::Avg | AggregateFunction::Stddev | AggregateFunction::Variance,
            _,
        ) => refuse("numbers"),
        (AggregateFunction::Min | AggregateFunction::Max, kind) if kind.is_ordered() => Ok(kind),
        (AggregateFunction::Min | AggregateFunction::Max, _) => refuse("what has an order"),
        (AggregateFunction::BoolAnd | AggregateFunction::BoolOr, Kind::Boolean) => Ok(Kind::Boolean),
        (AggregateFunction::BoolAnd | AggregateFunction::BoolOr, _) => refuse("booleans"),
        (AggregateFunction::StringAgg, kind) if kind.is_text() => Ok(Kind::Text),
        (AggregateFunction::StringAgg, _) => refuse("texts (cast others)"),
    }
}
