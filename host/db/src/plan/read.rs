//! `select`, `count`, `exists`.

use std::sync::atomic::AtomicU32;

use super::filter::Query as Building;
use super::sql::{Bind, Sql};
use super::{Cell, Planner, ReadPlan, invalid};
use crate::error::DbError;
use crate::shape::{Bound, Condition, Reading, Select};

impl Planner<'_> {
    pub(super) fn select(&self, select: &Select) -> Result<ReadPlan, DbError> {
        let mut building = Building::new(self.catalog, self.table);
        let (columns, cells) = self.columns(&mut building, select)?;
        let condition = building.filter(&select.reading.filter)?;
        let order = self.order(&mut building, select, &columns)?;
        let mut sql = Sql::text("SELECT ");
        if select.distinct {
            sql.push("DISTINCT ");
        }
        sql.list(columns);
        from_where(&mut sql, &building, condition);
        if !order.is_empty() {
            sql.push(" ORDER BY ").list(order);
        }
        bounds(&mut sql, &select.reading);
        Ok(self.read(sql, cells, !building.reads_text))
    }

    fn columns(&self, building: &mut Building<'_>, select: &Select) -> Result<(Vec<Sql>, Vec<Cell>), DbError> {
        let Some(paths) = &select.fields else {
            let table = &self.catalog.tables[self.table];
            let columns = table.columns.iter().map(|column| Sql::text(format!("t0.{}", column.quoted()))).collect();
            return Ok((columns, table.columns.iter().map(|column| Cell::of(column.kind)).collect()));
        };
        let mut columns = Vec::with_capacity(paths.len());
        let mut cells = Vec::with_capacity(paths.len());
        for path in paths {
            let found = building.find(path)?;
            cells.push(Cell::of(found.kind));
            columns.push(found.sql);
        }
        Ok((columns, cells))
    }

    fn order(&self, building: &mut Building<'_>, select: &Select, columns: &[Sql]) -> Result<Vec<Sql>, DbError> {
        let directed = |mut sql: Sql, descending: bool| {
            sql.push(if descending { " DESC" } else { "" });
            sql
        };
        let mut order = Vec::new();
        let Some(wanted) = &select.order else {
            let table = &self.catalog.tables[self.table];
            for (column, descending) in &table.ordering {
                let column = Sql::text(format!("t0.{}", table.columns[*column].quoted()));
                // Rows that aren't there twice have no place by a field that they don't show.
                if select.distinct && !columns.contains(&column) {
                    return Ok(Vec::new());
                }
                order.push(directed(column, *descending));
            }
            return Ok(order);
        };
        for entry in wanted {
            let found = building.find(&entry.path)?;
            if select.distinct && !columns.contains(&found.sql) {
                return Err(invalid(format!(
                    "with `distinct`, order by what `fields` lists; `{}` isn't there",
                    entry.path.join(".")
                )));
            }
            order.push(directed(found.sql, entry.descending));
        }
        Ok(order)
    }

    pub(super) fn count(&self, reading: &Reading) -> Result<ReadPlan, DbError> {
        let mut building = Building::new(self.catalog, self.table);
        let condition = building.filter(&reading.filter)?;
        let mut sql;
        if reading.limit.is_none() && reading.offset.is_none() {
            sql = Sql::text("SELECT count(*)");
            from_where(&mut sql, &building, condition);
        } else {
            sql = Sql::text("SELECT count(*) FROM (SELECT 1");
            from_where(&mut sql, &building, condition);
            bounds(&mut sql, reading);
            sql.push(")");
        }
        Ok(self.read(sql, vec![Cell::Plain], !building.reads_text))
    }

    pub(super) fn exists(&self, reading: &Reading) -> Result<ReadPlan, DbError> {
        let mut building = Building::new(self.catalog, self.table);
        let condition = building.filter(&reading.filter)?;
        let mut sql = Sql::text("SELECT EXISTS (SELECT 1");
        from_where(&mut sql, &building, condition);
        bounds(&mut sql, reading);
        sql.push(")");
        Ok(self.read(sql, vec![Cell::Boolean], !building.reads_text))
    }

    fn read(&self, sql: Sql, cells: Vec<Cell>, may_be_short: bool) -> ReadPlan {
        ReadPlan { query: self.query(sql), cells: cells.into(), may_be_short, penalty: AtomicU32::new(0) }
    }

    /// The keys of the rows that `filter` means, as a condition of a statement over table `t0`.
    pub(super) fn rows_where(&self, filter: &[Condition]) -> Result<Sql, DbError> {
        let mut building = Building::new(self.catalog, self.table);
        let Some(condition) = building.filter(filter)? else { return Ok(Sql::default()) };
        let mut sql = Sql::text(" WHERE ");
        if building.has_joins() {
            // UPDATE and DELETE take no joins, so the rows are named by their keys.
            let key = self.catalog.tables[self.table].columns[0].quoted();
            sql.push(&format!("{key} IN (SELECT t0.{key}"));
            from_where(&mut sql, &building, Some(condition));
            sql.push(")");
        } else {
            sql.append(condition);
        }
        Ok(sql)
    }
}

fn from_where(sql: &mut Sql, building: &Building<'_>, condition: Option<Sql>) {
    sql.push(" FROM ").push(&building.tables());
    if let Some(condition) = condition {
        sql.push(" WHERE ").append(condition);
    }
}

fn bounds(sql: &mut Sql, reading: &Reading) {
    let mut bound = |word: &str, bound: &Bound| {
        sql.push(word);
        match bound {
            Bound::Number(number) => sql.push(&number.to_string()),
            Bound::Hole(hole) => sql.append(Sql::bind(Bind::Rows { hole: *hole })),
        };
    };
    match (&reading.limit, &reading.offset) {
        (None, None) => {}
        (Some(limit), None) => bound(" LIMIT ", limit),
        (limit, Some(offset)) => {
            match limit {
                Some(limit) => bound(" LIMIT ", limit),
                // OFFSET stands after LIMIT alone; -1 is no limit.
                None => bound(" LIMIT ", &Bound::Number(-1)),
            }
            bound(" OFFSET ", offset);
        }
    }
}
