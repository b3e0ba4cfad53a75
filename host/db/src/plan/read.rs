//! `select`, `count`, `exists`.

use std::sync::atomic::AtomicU32;

use super::filter::{Found, Query as Building};
use super::sql::{Bind, Sql};
use super::{Cell, Name, Planner, ReadPlan, invalid};
use crate::error::DbError;
use crate::shape::{Bound, Condition, Reading, Select};

/// A statement's conditions and groups, put together.
struct Parts {
    condition: Option<Sql>,
    groups: Vec<Found>,
    having: Option<Sql>,
}

impl Planner<'_> {
    pub(super) fn select(&self, select: &Select) -> Result<ReadPlan, DbError> {
        let reading = &select.reading;
        let (mut building, parts) = self.parts(reading)?;
        let columns = self.columns(&mut building, select, &parts.groups)?;
        let order = self.order(&mut building, select, &columns)?;
        let cells = columns.iter().map(|column| Cell::of(column.kind)).collect();
        let names = names(select, &columns);
        let mut sql = Sql::text("SELECT ");
        if select.distinct {
            sql.push("DISTINCT ");
        }
        sql.list(columns.into_iter().map(|column| column.sql).collect());
        tail(&mut sql, &building, parts);
        if !order.is_empty() {
            sql.push(" ORDER BY ").list(order);
        }
        bounds(&mut sql, reading);
        let of = (!building.grouped).then_some(self.table);
        Ok(ReadPlan { names, of, ..self.read(sql, cells, short(&building, reading)) })
    }

    /// Reads what all reading operations share. Annotations come first: the rest may name them.
    fn parts(&self, reading: &Reading) -> Result<(Building<'_>, Parts), DbError> {
        let mut building = Building::new(self.catalog, self.table);
        building.grouped = reading.group.is_some();
        for (name, expr) in &reading.annotate {
            building.annotate(name, expr)?;
        }
        let mut groups = Vec::new();
        for path in reading.group.iter().flatten() {
            if building.is_aggregate(path) {
                return Err(invalid(format!(
                    "`{}` is made of the group's rows, so it can't make the group",
                    path.join(".")
                )));
            }
            groups.push(building.find(path)?);
        }
        let (mut of_rows, mut of_groups) = (Vec::new(), Vec::new());
        for entry in &reading.filter {
            let group = building.grouped && building.names_aggregate(entry);
            if group {
                building.check_having(entry, reading.group.as_deref().unwrap_or_default())?;
            }
            let condition = building.condition(entry, None)?;
            if group { of_groups.push(condition) } else { of_rows.push(condition) }
        }
        if building.grouped {
            let known = |found: &Found| groups.iter().any(|group| group.sql == found.sql);
            let alone = building.annotations.iter().find(|other| !other.aggregate && !known(&other.found));
            if let Some(alone) = alone {
                let problem = format!("`{}` differs from row to row of a group; add it to `group`", alone.name);
                return Err(invalid(problem).with("field", &alone.name));
            }
        }
        let all = |parts: Vec<Sql>| if parts.is_empty() { None } else { Some(Sql::join(parts, " AND ")) };
        Ok((building, Parts { condition: all(of_rows), groups, having: all(of_groups) }))
    }

    fn columns(&self, building: &mut Building<'_>, select: &Select, groups: &[Found]) -> Result<Vec<Found>, DbError> {
        if let Some(paths) = &select.fields {
            if building.grouped {
                return Err(invalid("a group has no `fields` but what it is grouped by and what is annotated"));
            }
            return paths.iter().map(|path| building.find(path)).collect();
        }
        let mut columns: Vec<Found> = match building.grouped {
            true => groups.to_vec(),
            false => (0..self.catalog.tables[self.table].columns.len()).map(|column| building.own(column)).collect(),
        };
        let named =
            building.annotations.iter().filter(|other| !groups.iter().any(|group| group.sql == other.found.sql));
        columns.extend(named.map(|annotation| annotation.found.clone()));
        Ok(columns)
    }

    fn order(&self, building: &mut Building<'_>, select: &Select, columns: &[Found]) -> Result<Vec<Sql>, DbError> {
        let directed = |mut sql: Sql, descending: bool| {
            sql.push(if descending { " DESC" } else { "" });
            sql
        };
        let shows = |sql: &Sql| columns.iter().any(|column| column.sql == *sql);
        let mut order = Vec::new();
        let Some(wanted) = &select.order else {
            // Groups have no order of their own.
            for (column, descending) in &self.catalog.tables[self.table].ordering {
                let column = building.own(*column).sql;
                // Rows that aren't there twice have no place by a field that they don't show.
                if building.grouped || (select.distinct && !shows(&column)) {
                    return Ok(Vec::new());
                }
                order.push(directed(column, *descending));
            }
            return Ok(order);
        };
        for entry in wanted {
            let found = building.find(&entry.path)?;
            if (select.distinct || building.grouped) && !shows(&found.sql) {
                let (what, where_) = match building.grouped {
                    true => ("groups", "`group` and `annotate`"),
                    false => ("with `distinct`", "`fields`"),
                };
                let path = entry.path.join(".");
                return Err(invalid(format!("{what}: order by what {where_} lists; `{path}` isn't there")));
            }
            order.push(directed(found.sql, entry.descending));
        }
        Ok(order)
    }

    pub(super) fn count(&self, reading: &Reading) -> Result<ReadPlan, DbError> {
        let (building, parts) = self.parts(reading)?;
        let mut sql;
        if reading.limit.is_none() && reading.offset.is_none() && !building.grouped {
            sql = Sql::text("SELECT count(*)");
            tail(&mut sql, &building, parts);
        } else {
            sql = Sql::text("SELECT count(*) FROM (SELECT 1");
            tail(&mut sql, &building, parts);
            bounds(&mut sql, reading);
            sql.push(")");
        }
        Ok(self.read(sql, vec![Cell::Integer], short(&building, reading)))
    }

    pub(super) fn exists(&self, reading: &Reading) -> Result<ReadPlan, DbError> {
        let (building, parts) = self.parts(reading)?;
        let mut sql = Sql::text("SELECT EXISTS (SELECT 1");
        tail(&mut sql, &building, parts);
        bounds(&mut sql, reading);
        sql.push(")");
        Ok(self.read(sql, vec![Cell::Boolean], short(&building, reading)))
    }

    /// One row of all rows.
    pub(super) fn aggregate(&self, reading: &Reading) -> Result<ReadPlan, DbError> {
        let mut building = Building::new(self.catalog, self.table);
        building.grouped = true;
        for (name, expr) in &reading.annotate {
            building.annotate(name, expr)?;
        }
        if let Some(alone) = building.annotations.iter().find(|annotation| !annotation.aggregate) {
            let problem = format!("`{}` differs from row to row; an aggregate makes one value of all rows", alone.name);
            return Err(invalid(problem).with("field", &alone.name));
        }
        if reading.filter.iter().any(|entry| building.names_aggregate(entry)) {
            return Err(invalid("a filter says which rows are aggregated, so it can't ask for the result"));
        }
        let condition = building.filter(&reading.filter)?;
        let mut sql = Sql::text("SELECT ");
        let columns: Vec<Found> = building.annotations.iter().map(|annotation| annotation.found.clone()).collect();
        let cells = columns.iter().map(|column| Cell::of(column.kind)).collect();
        sql.list(columns.into_iter().map(|column| column.sql).collect());
        tail(&mut sql, &building, Parts { condition, groups: Vec::new(), having: None });
        Ok(self.read(sql, cells, false))
    }

    fn read(&self, sql: Sql, cells: Vec<Cell>, may_be_short: bool) -> ReadPlan {
        ReadPlan {
            query: self.query(sql),
            cells: cells.into(),
            names: Box::default(),
            of: None,
            may_be_short,
            penalty: AtomicU32::new(0),
        }
    }

    /// The keys of the rows that `filter` means, as a condition of a statement over table `t0`.
    pub(super) fn rows_where(&self, filter: &[Condition]) -> Result<Sql, DbError> {
        let mut building = Building::new(self.catalog, self.table);
        let Some(condition) = building.filter(filter)? else { return Ok(Sql::default()) };
        let mut sql = Sql::text(" WHERE ");
        if building.has_joins() {
            // UPDATE and DELETE take no joins, so the rows are named by their keys.
            let table = &self.catalog.tables[self.table];
            let key = table.key_list("");
            let key = if table.single_key().is_some() { key } else { format!("({key})") };
            sql.push(&format!("{key} IN (SELECT {}", table.key_list("t0.")));
            tail(&mut sql, &building, Parts { condition: Some(condition), groups: Vec::new(), having: None });
            sql.push(")");
        } else {
            sql.append(condition);
        }
        Ok(sql)
    }
}

/// What a row's cells are called: by their paths where the shape lists some, else by their own names.
fn names(select: &Select, columns: &[Found]) -> Box<[Name]> {
    let own = |column: &Found| vec![column.name.clone()];
    let paths = select.fields.iter().flatten().cloned().map(Some).chain(std::iter::repeat(None));
    let name =
        |(column, path): (&Found, Option<_>)| Name { path: path.unwrap_or_else(|| own(column)), kind: column.kind };
    columns.iter().zip(paths).map(name).collect()
}

/// Whether each step is short, so that counting steps bounds the time.
fn short(building: &Building<'_>, reading: &Reading) -> bool {
    !building.reads_text && reading.group.is_none()
}

/// From FROM to HAVING.
fn tail(sql: &mut Sql, building: &Building<'_>, parts: Parts) {
    sql.push(" FROM ").push(&building.tables());
    if let Some(condition) = parts.condition {
        sql.push(" WHERE ").append(condition);
    }
    if !parts.groups.is_empty() {
        sql.push(" GROUP BY ").list(parts.groups.into_iter().map(|group| group.sql).collect());
    }
    if let Some(having) = parts.having {
        sql.push(" HAVING ").append(having);
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
