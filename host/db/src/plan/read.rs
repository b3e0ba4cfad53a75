//! `select`, `count`, `exists`, `aggregate`.

use std::sync::atomic::AtomicU32;

use super::building::{Building, Found};
use super::query::Searches;
use super::sql::{Bind, Sql};
use super::window::Stage;
use super::{Cell, Name, Planner, ReadPlan, invalid};
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Bound, Condition, Distinct, Expr, Lock, Order, Path, Reading, Select, Wait, With};

/// A statement's conditions and groups, put together.
#[derive(Default)]
struct Parts<'r> {
    condition: Option<Sql>,
    groups: Vec<Found>,
    having: Option<Sql>,
    /// Conditions on windows, which are there only when all rows are.
    late: Vec<&'r Condition>,
}

/// A `select` as SQL.
#[derive(Clone)]
pub(super) struct Selected {
    pub(super) sql: Sql,
    /// What each cell is.
    pub(super) columns: Vec<Found>,
    pub(super) names: Vec<Path>,
}

/// A cell and the way to it.
type Column = (Path, Found);

impl Planner<'_> {
    pub(super) fn select(&self, select: &Select, with: &[(String, With)]) -> Result<ReadPlan, DbError> {
        let mut building = self.building();
        let mut sql = building.with(with)?;
        let selected = building.selected(select)?;
        sql.append(selected.sql);
        if let Some(lock) = &select.lock {
            building.lock(select, lock, &mut sql)?;
        }
        let cells = selected.columns.iter().map(|column| Cell::of(column.kind)).collect();
        let columns = selected.names.into_iter().zip(&selected.columns);
        let names = columns.map(|(path, column)| Name { path, kind: column.kind }).collect();
        let short = short(&building, &select.reading) && with.is_empty();
        let searches = self.searches(&select.reading.filter, &sql, 1);
        let of = (!building.grouped && select.reading.combine.is_empty()).then_some(self.table);
        Ok(ReadPlan { names, of, locks: select.lock.is_some(), ..self.read(sql, cells, short, searches)? })
    }

    pub(super) fn count(&self, select: &Select, with: &[(String, With)]) -> Result<ReadPlan, DbError> {
        let mut building = self.building();
        let mut sql = building.with(with)?;
        let reading = &select.reading;
        several_groups(reading)?;
        let by_cells = select.distinct != Distinct::No || !reading.combine.is_empty();
        if by_cells || building.asks_for_window(reading) {
            let selected = building.labelled(select)?;
            sql.append(Sql::fill("SELECT count(*) FROM ({0}) AS counted", &[selected.sql]));
        } else {
            let parts = building.parts(reading)?;
            if reading.limit.is_none() && reading.offset.is_none() && !building.grouped {
                sql.push("SELECT count(*)");
                tail(&mut sql, &building, parts)?;
            } else {
                sql.push("SELECT count(*) FROM (SELECT 1 AS one");
                tail(&mut sql, &building, parts)?;
                bounds(building.dialect(), &mut sql, reading);
                sql.push(") AS counted");
            }
        }
        let searches = self.searches(&reading.filter, &sql, 1);
        self.read(sql, vec![Cell::of(Kind::BigInteger)], short(&building, reading) && with.is_empty(), searches)
    }

    pub(super) fn exists(&self, select: &Select, with: &[(String, With)]) -> Result<ReadPlan, DbError> {
        let mut building = self.building();
        let mut sql = building.with(with)?;
        let rows = building.any_row(select)?;
        sql.append(Sql::fill("SELECT EXISTS ({0})", &[rows]));
        let searches = self.searches(&select.reading.filter, &sql, 2);
        self.read(sql, vec![Cell::Boolean], short(&building, &select.reading) && with.is_empty(), searches)
    }

    /// One row of all rows.
    pub(super) fn aggregate(&self, reading: &Reading, with: &[(String, With)]) -> Result<ReadPlan, DbError> {
        let mut building = self.building();
        let mut sql = building.with(with)?;
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
        sql.push("SELECT ");
        let columns: Vec<Found> = building.annotations.iter().map(|annotation| annotation.found.clone()).collect();
        let cells = columns.iter().map(|column| Cell::of(column.kind)).collect();
        sql.list(columns.into_iter().map(|column| column.sql).collect());
        tail(&mut sql, &building, Parts { condition, ..Parts::default() })?;
        self.read(sql, cells, false, Searches::Yes)
    }

    fn read(
        &self,
        mut sql: Sql,
        mut cells: Vec<Cell>,
        may_be_short: bool,
        searches: Searches,
    ) -> Result<ReadPlan, DbError> {
        let mut first = 0;
        if self.explain {
            self.catalog.may_explain(&sql)?;
            sql = Sql::fill(&format!("{}{{0}}", self.catalog.dialect.explain()), &[sql]);
            cells = vec![Cell::Plain];
            // SQLite tells the numbers of a step and of the one around it before the step itself.
            first = if self.catalog.dialect == Dialect::Sqlite { 3 } else { 0 };
        }
        Ok(ReadPlan {
            query: self.query(sql, searches),
            cells: cells.into(),
            names: Box::default(),
            of: None,
            may_be_short: may_be_short && !self.explain,
            locks: false,
            explains: self.explain.then_some(first),
            penalty: AtomicU32::new(0),
        })
    }

    /// The keys of the rows that `filter` means, as a condition of a statement over table `t0`.
    pub(super) fn rows_where(&self, filter: &[Condition]) -> Result<Sql, DbError> {
        let mut building = self.building();
        let rule = self.catalog.rule(self.table, "t0.");
        let condition = building.filter(filter)?;
        if condition.is_none() && rule.is_none() {
            return Ok(Sql::default());
        }
        let mut sql = Sql::text(" WHERE ");
        if building.has_joins() || (self.fenced && rule.is_some()) {
            // UPDATE and DELETE take no joins, so the rows are named by their keys.
            let table = &self.catalog.tables[self.table];
            let key = table.key_list("");
            let key = if table.single_key().is_some() { key } else { format!("({key})") };
            sql.push(&format!("{key} IN (SELECT {}", table.key_list("t0.")));
            let parts = Parts { condition, ..Parts::default() };
            tail(&mut sql, &building, parts)?;
            sql.push(")");
        } else if let Some(conditions) = Sql::all(rule.into_iter().chain(condition).collect()) {
            sql.append(conditions);
        }
        Ok(sql)
    }
}

impl Building<'_> {
    /// A whole `select`.
    pub(super) fn selected(&mut self, select: &Select) -> Result<Selected, DbError> {
        self.select_as(select, false)
    }

    /// The same with its cells called `c0`, `c1`, …
    pub(super) fn labelled(&mut self, select: &Select) -> Result<Selected, DbError> {
        self.select_as(select, true)
    }

    fn select_as(&mut self, select: &Select, labelled: bool) -> Result<Selected, DbError> {
        if !select.reading.combine.is_empty() {
            return self.combined(select);
        }
        let parts = self.parts(&select.reading)?;
        let columns = self.columns(select, &parts.groups)?;
        if let Some((path, column)) = columns.iter().find(|(_, column)| column.kind == Kind::Row) {
            let problem = format!("`{}` has a key of several fields; name those fields", path.join("."));
            return Err(invalid(problem).with("field", &column.name));
        }
        if !parts.late.is_empty() || matches!(select.distinct, Distinct::On(_)) {
            return self.staged(select, parts, columns);
        }
        let order = self.order(select, &columns)?;
        let mut sql = Sql::text(if select.distinct == Distinct::Rows { "SELECT DISTINCT " } else { "SELECT " });
        let (names, columns): (Vec<Path>, Vec<Found>) = columns.into_iter().unzip();
        let cells = columns.iter().map(|column| column.sql.clone());
        sql.list(if labelled { labels(cells, 'c') } else { cells.collect() });
        tail(&mut sql, self, parts)?;
        if !order.is_empty() {
            sql.push(" ORDER BY ").list(order);
        }
        bounds(self.dialect(), &mut sql, &select.reading);
        Ok(Selected { sql, columns, names })
    }

    /// Something to ask `EXISTS` about.
    pub(super) fn any_row(&mut self, select: &Select) -> Result<Sql, DbError> {
        several_groups(&select.reading)?;
        let select = Select { order: Some(Vec::new()), ..select.clone() };
        if !select.reading.combine.is_empty() || self.asks_for_window(&select.reading) {
            return self.selected(&select).map(|selected| selected.sql);
        }
        let parts = self.parts(&select.reading)?;
        let mut sql = Sql::text("SELECT 1");
        tail(&mut sql, self, parts)?;
        bounds(self.dialect(), &mut sql, &select.reading);
        Ok(sql)
    }

    /// Whether a filter asks for a window's value.
    fn asks_for_window(&self, reading: &Reading) -> bool {
        let windows: Vec<&String> =
            reading.annotate.iter().filter(|(_, expr)| self.is_window(expr)).map(|(name, _)| name).collect();
        reading.filter.iter().any(|entry| {
            self.names_window(entry)
                || entry.fields().iter().any(|path| matches!(path.as_slice(), [name] if windows.contains(&name)))
        })
    }

    /// Reads what all reading operations share. Annotations come first: the rest may name them.
    fn parts<'r>(&mut self, reading: &'r Reading) -> Result<Parts<'r>, DbError> {
        self.grouped = reading.group.is_some();
        self.windowed = !self.grouped;
        for (name, expr) in &reading.annotate {
            self.annotate(name, expr)?;
        }
        let mut groups = Vec::new();
        for path in reading.group.iter().flatten() {
            if self.is_aggregate(path) {
                return Err(invalid(format!(
                    "`{}` is made of the group's rows, so it can't make the group",
                    path.join(".")
                )));
            }
            groups.push(self.find(path)?);
        }
        let (mut of_rows, mut of_groups, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &reading.filter {
            if self.names_window(entry) {
                late.push(entry);
                continue;
            }
            let group = self.names_aggregate(entry);
            if group {
                self.check_having(entry, reading.group.as_deref().unwrap_or_default())?;
            }
            let condition = self.condition(entry, None)?;
            if group { of_groups.push(condition) } else { of_rows.push(condition) }
        }
        if self.grouped {
            if groups.is_empty() && self.annotations.is_empty() {
                return Err(invalid("a `group` of nothing makes one row of all rows; say in `annotate` what it holds"));
            }
            let known = |found: &Found| groups.iter().any(|group| group.sql == found.sql);
            let alone = self.annotations.iter().find(|other| !other.aggregate && !known(&other.found));
            if let Some(alone) = alone {
                let problem = format!("`{}` differs from row to row of a group; add it to `group`", alone.name);
                return Err(invalid(problem).with("field", &alone.name));
            }
        }
        Ok(Parts { condition: Sql::all(of_rows), groups, having: Sql::all(of_groups), late })
    }

    fn columns(&mut self, select: &Select, groups: &[Found]) -> Result<Vec<Column>, DbError> {
        let named = |found: &Found| (vec![found.name.clone()], found.clone());
        let mut columns: Vec<Column> = match &select.fields {
            Some(_) if self.grouped => {
                return Err(invalid("a group has no `fields` but what it is grouped by and what is annotated"));
            }
            Some(paths) => {
                paths.iter().map(|path| Ok((path.clone(), self.find(path)?))).collect::<Result<_, DbError>>()?
            }
            None if self.grouped => groups.iter().map(named).collect(),
            None => {
                let columns = 0..self.catalog.tables[self.table].shown;
                columns.map(|column| named(&self.own(column))).collect()
            }
        };
        if self.grouped && !select.related.is_empty() {
            return Err(invalid("a group has no `related` rows; group by their fields"));
        }
        for relation in &select.related {
            let joined = self.relation(relation)?;
            for column in 0..self.catalog.tables[joined.table].shown {
                let found = self.column_of(joined, column);
                let path = relation.iter().chain([&found.name]).cloned().collect();
                columns.push((path, found));
            }
        }
        if select.fields.is_none() {
            let others =
                self.annotations.iter().filter(|other| !groups.iter().any(|group| group.sql == other.found.sql));
            columns.extend(others.map(|annotation| named(&annotation.found)));
        }
        Ok(columns)
    }

    fn order(&mut self, select: &Select, columns: &[Column]) -> Result<Vec<Sql>, DbError> {
        let shows = |sql: &Sql| columns.iter().any(|(_, column)| column.sql == *sql);
        let once = select.distinct == Distinct::Rows;
        let mut order = Vec::new();
        let Some(wanted) = &select.order else {
            // Groups have no order of their own.
            let catalog = self.catalog;
            for (column, descending) in &catalog.tables[self.table].ordering {
                let column = self.own(*column);
                // Rows that aren't there twice have no place by a field that they don't show.
                if self.grouped || (once && !shows(&column.sql)) {
                    return Ok(Vec::new());
                }
                let column = self.hoisted(column);
                order.push(self.dialect().ordered(column.sql, column.null, *descending, None));
            }
            return Ok(order);
        };
        for entry in wanted {
            let found = self.expression(&entry.of, None, None)?;
            let shown =
                !(once || self.grouped) || shows(&found.sql) || (self.grouped && self.is_of_group(select, entry));
            if !shown {
                let (what, where_) = match self.grouped {
                    true => ("groups", "`group` and `annotate`"),
                    false => ("with `distinct`", "`fields`"),
                };
                let path = entry.of.path().map_or_else(|| "an expression".into(), |path| path.join("."));
                return Err(invalid(format!("{what}: order by what {where_} lists; `{path}` isn't there")));
            }
            let value = found.sql.is_value();
            let entry = self.entry(found, entry)?;
            // The same for all rows; and with `distinct` there is no other way to say it than as it stands in the cells.
            if !value {
                order.push(entry);
            }
        }
        Ok(order)
    }

    /// Whether an entry of `order` has one value for a whole group.
    fn is_of_group(&self, select: &Select, entry: &Order) -> bool {
        let group = select.reading.group.as_deref().unwrap_or_default();
        let mut paths = Vec::new();
        entry.of.fields(&mut paths);
        self.is_of_rows(&entry.of) && paths.into_iter().all(|path| group.contains(path) || self.is_aggregate(path))
    }

    /// A select in a select around it, which looks at windows or takes the first row of each kind.
    fn staged(&mut self, select: &Select, parts: Parts<'_>, columns: Vec<Column>) -> Result<Selected, DbError> {
        let firsts = match &select.distinct {
            Distinct::On(paths) if parts.late.is_empty() => Some(paths),
            Distinct::No => None,
            _ => {
                let problem = "`distinct` and a condition on a window in one shape; put one of them into an `in`";
                return Err(DbError::new(code::UNSUPPORTED, problem));
            }
        };
        if self.grouped {
            let problem = "groups are there once each; `distinct` on fields is for rows";
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        let number = firsts.map(|paths| self.number_of(select, paths, &columns)).transpose()?;
        let alias = self.next_alias();
        self.stage = Some(Stage { alias, hidden: Vec::new() });
        let mut conditions = Vec::with_capacity(parts.late.len() + 1);
        for entry in &parts.late {
            conditions.push(self.condition(entry, None)?);
        }
        let order = self.order(&Select { distinct: Distinct::No, ..select.clone() }, &columns)?;
        let hidden = self.stage.take().map(|stage| stage.hidden).unwrap_or_default();
        if self.correlated && self.dialect() == Dialect::Mariadb {
            return Err(not_outside("`distinct` on fields or a condition on a window"));
        }
        let (names, columns): (Vec<Path>, Vec<Found>) = columns.into_iter().unzip();
        let mut cells = labels(columns.iter().map(|column| column.sql.clone()), 'c');
        cells.extend(labels(hidden.into_iter(), 'h'));
        if let Some(number) = number {
            cells.push(Sql::fill("{0} AS n", &[number]));
            conditions.push(Sql::text(format!("q{alias}.n = 1")));
        }
        let mut inner = Sql::text("SELECT ");
        inner.list(cells);
        tail(&mut inner, self, Parts { late: Vec::new(), ..parts })?;
        let mut sql = inner.into_table(alias, columns.len());
        sql.push(" WHERE ").append(Sql::join(conditions, " AND "));
        if !order.is_empty() {
            sql.push(" ORDER BY ").list(order);
        }
        bounds(self.dialect(), &mut sql, &select.reading);
        Ok(Selected { sql, columns, names })
    }

    /// The place of a row among those that are alike in `paths`, by the order of the shape. Rows that the order leaves
    /// alike are told apart by their keys, so that it is the same one each time.
    fn number_of(&mut self, select: &Select, paths: &[Path], columns: &[Column]) -> Result<Sql, DbError> {
        let mut by = Vec::with_capacity(paths.len());
        for path in paths {
            by.push(self.find(path)?.sql);
        }
        let mut order = self.order(&Select { distinct: Distinct::No, ..select.clone() }, columns)?;
        for column in self.catalog.tables[self.table].key.clone() {
            order.push(self.own(column).sql);
        }
        let mut sql = Sql::text("row_number() OVER (PARTITION BY ");
        sql.list(by).push(" ORDER BY ").list(order).push(")");
        Ok(sql)
    }

    fn lock(&mut self, select: &Select, lock: &Lock, sql: &mut Sql) -> Result<(), DbError> {
        if self.grouped || select.distinct != Distinct::No || !select.reading.combine.is_empty() {
            return Err(invalid("rows are locked as they stand in their table: no `group`, `distinct` or `combine`"));
        }
        if self.annotations.iter().any(|annotation| annotation.window) {
            return Err(invalid("rows are locked as they stand in their table: no windows"));
        }
        let mut of = Vec::with_capacity(lock.of.len());
        for path in &lock.of {
            if !path.is_empty() && !select.related.contains(path) {
                let problem = format!("`{}` isn't in `related`, so its rows aren't there to lock", path.join("."));
                return Err(invalid(problem));
            }
            let joined = self.relation(path)?;
            if joined.left && self.dialect() == Dialect::Postgres {
                let problem =
                    format!("PostgreSQL locks no rows that may be missing; leave `{}` out of `of`", path.join("."));
                return Err(DbError::new(code::UNSUPPORTED, problem));
            }
            self.catalog.may_lock(joined.table)?;
            of.push(format!("t{}", joined.alias));
        }
        let wait = match lock.wait {
            Wait::Block => "",
            Wait::Nowait => " NOWAIT",
            Wait::SkipLocked => " SKIP LOCKED",
        };
        match self.dialect() {
            // The write lease is the lock.
            Dialect::Sqlite => {}
            Dialect::Postgres => {
                let strength = if lock.no_key { " FOR NO KEY UPDATE OF " } else { " FOR UPDATE OF " };
                sql.push(strength).push(&of.join(", ")).push(wait);
            }
            // It locks the rows of all tables of the statement, for everything.
            Dialect::Mariadb => {
                self.catalog.others_in(sql).try_for_each(|table| self.catalog.may_lock(table))?;
                sql.push(" FOR UPDATE").push(wait);
            }
        }
        Ok(())
    }
}

/// Errors: where all rows are one group, which is always there.
fn several_groups(reading: &Reading) -> Result<(), DbError> {
    match &reading.group {
        Some(group) if group.is_empty() => Err(invalid("a `group` of nothing is always one row; ask for it itself")),
        _ => Ok(()),
    }
}

/// What MariaDB can't do in a shape that reads the row outside.
pub(super) fn not_outside(what: &str) -> DbError {
    let problem =
        format!("MariaDB takes no {what} in a shape that reads the row outside (`outer`); ask in two queries");
    DbError::new(code::UNSUPPORTED, problem)
}

/// `sql AS c0`
pub(super) fn labels(cells: impl Iterator<Item = Sql>, letter: char) -> Vec<Sql> {
    cells.enumerate().map(|(at, sql)| Sql::fill(&format!("{{0}} AS {letter}{at}"), &[sql])).collect()
}

/// Whether each step is short, so that counting steps bounds the time.
fn short(building: &Building<'_>, reading: &Reading) -> bool {
    let windows = |expr: &Expr| expr.any(&|expr| matches!(expr, Expr::Window(_)));
    !building.reads_text
        && reading.group.is_none()
        && reading.combine.is_empty()
        && !reading.annotate.iter().any(|(_, expr)| windows(expr))
}

/// From FROM to HAVING.
fn tail(sql: &mut Sql, building: &Building<'_>, parts: Parts<'_>) -> Result<(), DbError> {
    sql.push(" FROM ").append(building.tables()?);
    if let Some(condition) = parts.condition {
        sql.push(" WHERE ").append(condition);
    }
    if !parts.groups.is_empty() {
        sql.push(" GROUP BY ").list(parts.groups.into_iter().map(|group| group.sql.into_key()).collect());
    }
    if let Some(having) = parts.having {
        sql.push(" HAVING ").append(having);
    }
    Ok(())
}

pub(super) fn bounds(dialect: Dialect, sql: &mut Sql, reading: &Reading) {
    let bound = |sql: &mut Sql, word: &str, bound: &Bound| {
        sql.push(word);
        match bound {
            Bound::Number(number) => sql.push(&number.to_string()),
            Bound::Hole(hole) => sql.append(Sql::bind(Bind::Rows { hole: *hole })),
        };
    };
    match (&reading.limit, &reading.offset) {
        (Some(limit), _) => bound(sql, " LIMIT ", limit),
        // OFFSET stands after LIMIT alone in most of them.
        (None, Some(_)) => {
            sql.push(dialect.no_limit());
        }
        (None, None) => {}
    }
    if let Some(offset) = &reading.offset {
        bound(sql, " OFFSET ", offset);
    }
}
