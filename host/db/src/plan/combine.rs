//! `combine`: the rows of several shapes together.
//!
//! Each is applied to what came of those before it, whatever a database thinks binds stronger; so from the second on, what
//! came before is a table of its own.

use super::building::{Building, Found};
use super::invalid;
use super::read::{Selected, bounds, not_outside};
use super::sql::Sql;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::kind::Kind;
use crate::shape::{Combination, Distinct, Nested, Reading, Select};

impl Building<'_> {
    pub(super) fn combined(&mut self, select: &Select) -> Result<Selected, DbError> {
        if !select.related.is_empty() || matches!(select.distinct, Distinct::On(_)) {
            return Err(invalid("what is combined has no `related` rows and no `distinct` on fields"));
        }
        let base = Select {
            order: Some(Vec::new()),
            reading: Reading { combine: Vec::new(), limit: None, offset: None, ..select.reading.clone() },
            ..select.clone()
        };
        let first = self.labelled(&base)?;
        let mut members = Vec::with_capacity(select.reading.combine.len());
        for (combination, nested) in &select.reading.combine {
            members.push((*combination, self.member(nested)?));
        }
        let kinds = common(&first, &members)?;
        let mut sql = self.as_kinds(Selected { names: Vec::new(), ..first.clone() }, &kinds, false);
        for (at, (combination, (member, wrapped))) in members.into_iter().enumerate() {
            let member = self.as_kinds(member, &kinds, wrapped);
            if at > 0 {
                sql = sql.into_table(self.next_alias(), kinds.len());
            }
            let word = match combination {
                Combination::Union => " UNION ",
                Combination::UnionAll => " UNION ALL ",
                Combination::Intersect => " INTERSECT ",
                Combination::Except => " EXCEPT ",
            };
            sql.push(word).append(member);
        }
        if self.correlated && self.dialect() == Dialect::Mariadb {
            return Err(not_outside("`combine`"));
        }
        let columns: Vec<Found> = first
            .columns
            .iter()
            .zip(&kinds)
            .map(|(column, kind)| Found { kind: *kind, null: true, bare: None, column: None, ..column.clone() })
            .collect();
        let alias = self.next_alias();
        let mut whole = sql.into_table(alias, columns.len());
        let mut order = Vec::new();
        for entry in select.order.iter().flatten() {
            let found = self.expression(&entry.of, None, None)?;
            let Some(at) = first.columns.iter().position(|column| column.sql == found.sql) else {
                let path = entry.of.path().map_or_else(|| "an expression".into(), |path| path.join("."));
                return Err(invalid(format!(
                    "combined rows are ordered by their own cells; `{path}` isn't one of them"
                )));
            };
            let found = Found { sql: Sql::text(format!("q{alias}.c{at}")), null: true, ..found };
            order.push(self.entry(found, entry)?);
        }
        if !order.is_empty() {
            whole.push(" ORDER BY ").list(order);
        }
        bounds(self.dialect(), &mut whole, &select.reading);
        Ok(Selected { sql: whole, columns, names: first.names })
    }

    /// One of the other shapes, and whether it is a table of its own because it has bounds.
    fn member(&mut self, nested: &Nested) -> Result<(Selected, bool), DbError> {
        let bounded = nested.select.reading.limit.is_some() || nested.select.reading.offset.is_some();
        let mut select = nested.select.clone();
        if !bounded && select.distinct == Distinct::No {
            select.order = Some(Vec::new());
        }
        let table = self.catalog.find(&nested.from)?;
        // It stands beside this one, so the row outside is the same.
        let mut beside = self.another(table);
        beside.aliases = self.aliases + 1;
        beside.root = beside.aliases;
        beside.outer = self.outer.take();
        beside.with.clone_from(&self.with);
        let selected = beside.labelled(&select);
        self.outer = beside.outer.take();
        self.aliases = beside.aliases;
        self.correlated |= beside.correlated;
        self.reads_text |= beside.reads_text;
        Ok((selected?, bounded))
    }

    /// The same rows with cells of these kinds; a table of its own where that is needed.
    fn as_kinds(&mut self, selected: Selected, kinds: &[Kind], wrap: bool) -> Sql {
        let same = |(column, kind): (&Found, &Kind)| column.kind == *kind || *kind == plain(column.kind);
        if !wrap && selected.columns.iter().zip(kinds).all(same) {
            return selected.sql;
        }
        let alias = self.next_alias();
        let dialect = self.dialect();
        let cells = selected.columns.iter().zip(kinds).enumerate().map(|(at, (column, kind))| {
            let found = Found { sql: Sql::text(format!("q{alias}.c{at}")), column: None, bare: None, ..column.clone() };
            Sql::fill(&format!("{{0}} AS c{at}"), &[dialect.widen(&found, *kind)])
        });
        let mut sql = Sql::text("SELECT ");
        sql.list(cells.collect()).push(" FROM (").append(selected.sql).push(&format!(") AS q{alias}"));
        sql
    }
}

fn plain(kind: Kind) -> Kind {
    kind.common(kind).unwrap_or(kind)
}

/// The kinds that hold the cells of all of them.
fn common(first: &Selected, members: &[(Combination, (Selected, bool))]) -> Result<Vec<Kind>, DbError> {
    let mut common: Vec<Kind> = first.columns.iter().map(|column| plain(column.kind)).collect();
    for (_, (member, _)) in members {
        if member.columns.len() != common.len() {
            let problem =
                format!("rows of {} cells can't be combined with rows of {}", common.len(), member.columns.len());
            return Err(invalid(problem));
        }
        for (at, (kind, column)) in common.iter_mut().zip(&member.columns).enumerate() {
            *kind = kind.common(column.kind).ok_or_else(|| {
                let (here, there) = (kind.word(), column.kind.word());
                invalid(format!("cell {at} is of kind {here} in one shape and of kind {there} in another"))
            })?;
        }
    }
    Ok(common)
}
