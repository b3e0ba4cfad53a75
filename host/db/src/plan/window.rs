//! Windows: values made of the rows around each row; and statements around a statement.
//!
//! SQL has no condition on a window's value: it is there only when all rows are. So a query that asks for one becomes a
//! table in a query around it ([`Stage`]), to which it hands what the condition and the order need.

use super::building::{Building, Found};
use super::invalid;
use super::sql::Sql;
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{AggregateFunction, Edge, Expr, Frame, Order, Ranked, Window, WindowFunction};

/// What a statement hands on to the one around it, besides its rows.
#[derive(Debug)]
pub(super) struct Stage {
    /// The number of the table that the statement becomes: `q3`.
    pub(super) alias: usize,
    /// What is called `h0`, `h1`, … there.
    pub(super) hidden: Vec<Sql>,
}

impl Building<'_> {
    /// What was found, as it is called in the statement around this one, where there is one.
    pub(super) fn hoisted(&mut self, found: Found) -> Found {
        let Some(stage) = &mut self.stage else { return found };
        let at = stage.hidden.iter().position(|known| *known == found.sql).unwrap_or_else(|| {
            stage.hidden.push(found.sql.clone());
            stage.hidden.len() - 1
        });
        Found { sql: Sql::text(format!("q{}.h{at}", stage.alias)), bare: None, ..found }
    }

    /// Plans something that stands in this statement as a whole, and is handed on from there.
    pub(super) fn whole_stage(
        &mut self,
        plan: impl FnOnce(&mut Self) -> Result<Found, DbError>,
    ) -> Result<Found, DbError> {
        let stage = self.stage.take();
        let found = plan(self)?;
        self.stage = stage;
        Ok(self.hoisted(found))
    }

    pub(super) fn window(&mut self, window: &Window) -> Result<Found, DbError> {
        let function = &window.function;
        let word = function.word();
        if window.order.is_empty() && needs_order(function) {
            return Err(invalid(format!("`{word}` is about an order: give the window one")));
        }
        let framed = matches!(
            function,
            WindowFunction::Aggregate(_) | WindowFunction::First(_) | WindowFunction::Last(_) | WindowFunction::Nth(..)
        );
        if window.frame.is_some() && !framed {
            return Err(invalid(format!("`{word}` is about the whole partition and has no `frame`")));
        }
        let over = self.over_clause(window, true)?;
        let kind = match function {
            WindowFunction::Ranked(Ranked::PercentRank | Ranked::CumeDist) => Kind::Float,
            _ => Kind::BigInteger,
        };
        let postgres = self.dialect() == Dialect::Postgres;
        match function {
            WindowFunction::Aggregate(aggregate) => {
                if aggregate.distinct {
                    let problem = "no database takes `distinct` in a window; group, or count in a `subquery`";
                    return Err(DbError::new(code::UNSUPPORTED, problem));
                }
                if aggregate.function == AggregateFunction::StringAgg {
                    let problem = "`string_agg` isn't there for windows; use it in a group or in a `subquery`";
                    return Err(DbError::new(code::UNSUPPORTED, problem));
                }
                self.over(aggregate, None, over)
            }
            WindowFunction::Ranked(ranked) => {
                let sql = Sql::fill(&format!("{}(){{0}}", ranked.word()), &[over]);
                Ok(Found::made(word, sql, kind, false))
            }
            WindowFunction::Ntile(groups) => {
                let cast = if postgres { "::bigint" } else { "" };
                Ok(Found::made(word, Sql::fill(&format!("(ntile({groups}){{0}}){cast}"), &[over]), kind, false))
            }
            WindowFunction::Beside { lag, of, by, default } => {
                self.beside(window, over, of, default.as_deref(), *lag, *by)
            }
            WindowFunction::First(of) | WindowFunction::Last(of) | WindowFunction::Nth(of, _) => {
                let found = self.expression(of, None, None)?;
                let template = match function {
                    WindowFunction::Nth(_, at) => format!("nth_value({{0}}, {at}){{1}}"),
                    _ => format!("{word}({{0}}){{1}}"),
                };
                Ok(Found::made(word, Sql::fill(&template, &[found.sql, over]), found.kind, true))
            }
        }
    }

    /// `lag` and `lead`: a value of the row so many places away, or what stands for it where there is none.
    fn beside(
        &mut self,
        window: &Window,
        over: Sql,
        of: &Expr,
        default: Option<&Expr>,
        lag: bool,
        by: i64,
    ) -> Result<Found, DbError> {
        let word = window.function.word();
        let whole = self.over_clause(&Window { order: Vec::new(), ..window.clone() }, false)?;
        let (found, default) = match default {
            None => (self.expression(of, None, None)?, None),
            Some(default) => {
                let (both, kind) = self.alike(word, &[of, default], None, None)?;
                let dialect = self.dialect();
                let mut both =
                    both.into_iter().map(|found| Found { sql: dialect.widen(&found, kind), kind, bare: None, ..found });
                match (both.next(), both.next()) {
                    (Some(of), default) => (of, default),
                    _ => return Err(DbError::new(code::INTERNAL, "a window over nothing")),
                }
            }
        };
        let null = default.as_ref().is_none_or(|default| default.null) || found.null;
        let arguments = [found.sql, over, default.clone().map_or_else(Sql::default, |found| found.sql), whole];
        let template = match (default, self.dialect(), lag) {
            (None, _, _) => format!("{word}({{0}}, {by}){{1}}"),
            (Some(_), Dialect::Mariadb, true) => {
                format!("(CASE WHEN row_number(){{1}} <= {by} THEN {{2}} ELSE {word}({{0}}, {by}){{1}} END)")
            }
            (Some(_), Dialect::Mariadb, false) => format!(
                "(CASE WHEN count(*){{3}} - row_number(){{1}} < {by} THEN {{2}} ELSE {word}({{0}}, {by}){{1}} END)"
            ),
            (Some(_), _, _) => format!("{word}({{0}}, {by}, {{2}}){{1}}"),
        };
        Ok(Found::made(word, Sql::fill(&template, &arguments), found.kind, null))
    }

    /// ` OVER (PARTITION BY … ORDER BY … ROWS …)`
    fn over_clause(&mut self, window: &Window, framed: bool) -> Result<Sql, DbError> {
        let mut parts: Vec<Sql> = Vec::new();
        if !window.partition.is_empty() {
            let mut by = Vec::with_capacity(window.partition.len());
            for expr in &window.partition {
                by.push(self.expression(expr, None, None)?.sql);
            }
            let mut sql = Sql::text("PARTITION BY ");
            sql.list(by);
            parts.push(sql);
        }
        if !window.order.is_empty() {
            let mut sql = Sql::text("ORDER BY ");
            sql.list(self.ordering(&window.order, None)?);
            parts.push(sql);
        }
        if let Some(frame) = window.frame.filter(|_| framed) {
            self.check_frame(frame, &window.order)?;
            parts.push(Sql::text(written(frame)));
        }
        let mut sql = Sql::text(" OVER (");
        for (at, part) in parts.into_iter().enumerate() {
            sql.push(if at > 0 { " " } else { "" }).append(part);
        }
        sql.push(")");
        Ok(sql)
    }

    /// A frame by values reckons with the one value that rows are ordered by.
    fn check_frame(&mut self, frame: Frame, order: &[Order]) -> Result<(), DbError> {
        let reckons = |edge| matches!(edge, Edge::Offset(by) if by != 0);
        if !frame.range || !(reckons(frame.start) || reckons(frame.end)) {
            return Ok(());
        }
        let [entry] = order else {
            return Err(invalid("a `range` frame with numbers has one entry in `order`"));
        };
        let kind = self.expression(&entry.of, None, None)?.kind;
        if entry.nulls.is_some() || !(kind.is_whole() || kind == Kind::Float) {
            let problem =
                "a `range` frame with numbers is ordered by a whole number or a float, NULLs in their usual place";
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        Ok(())
    }
}

fn needs_order(function: &WindowFunction) -> bool {
    match function {
        WindowFunction::Aggregate(_) | WindowFunction::Ranked(Ranked::RowNumber) => false,
        WindowFunction::Ranked(_) | WindowFunction::Ntile(_) | WindowFunction::Beside { .. } => true,
        WindowFunction::First(_) | WindowFunction::Last(_) | WindowFunction::Nth(..) => true,
    }
}

fn written(frame: Frame) -> String {
    let edge = |edge, is_start| match (edge, is_start) {
        (Edge::Unbounded, true) => "UNBOUNDED PRECEDING".to_owned(),
        (Edge::Unbounded, false) => "UNBOUNDED FOLLOWING".to_owned(),
        (Edge::Offset(0), _) => "CURRENT ROW".to_owned(),
        (Edge::Offset(by), _) if by < 0 => format!("{} PRECEDING", by.unsigned_abs()),
        (Edge::Offset(by), _) => format!("{by} FOLLOWING"),
    };
    let mode = if frame.range { "RANGE" } else { "ROWS" };
    format!("{mode} BETWEEN {} AND {}", edge(frame.start, true), edge(frame.end, false))
}
