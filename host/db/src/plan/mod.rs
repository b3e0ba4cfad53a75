//! From a shape and the app's models to statements that are ready to run.

mod aggregate;
mod combine;
pub(crate) mod delete;
mod expression;
mod filter;
mod function;
pub(crate) mod key;
mod lookup;
mod path;
mod pattern;
mod read;
pub(crate) mod schema;
pub(crate) mod sql;
mod subquery;
mod window;
mod with;
mod write;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use host_store::{KEEP_SQL, Owner, Statement};
use parking_lot::Mutex;

use crate::bind;
use crate::catalog::{Catalog, Column, Fill};
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Literal, Op, Shape};
use crate::types::Value;
pub(crate) use filter::Found;
use sql::{Bind, MANY, Purpose, Slot, Sql};

/// What a shape became.
#[derive(Debug)]
pub(crate) enum Plan {
    Read(ReadPlan),
    Write(WritePlan),
}

/// A `select`, `count` or `exists`.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    pub(crate) query: Query,
    /// What each cell of a row is.
    pub(crate) cells: Box<[Cell]>,
    /// What each cell of a row is called, in a `select`: its field, or the way to it.
    pub(crate) names: Box<[Name]>,
    /// Whose rows they are, where each is one of a model's.
    pub(crate) of: Option<usize>,
    /// Whether each step of it is short, so that counting steps bounds its time.
    pub(crate) may_be_short: bool,
    /// Whether it keeps others from its rows until the transaction ends.
    pub(crate) locks: bool,
    /// Whether it tells the database's plan instead of rows, and in which column.
    pub(crate) explains: Option<usize>,
    /// How many runs to skip before it is tried as a short read again.
    penalty: AtomicU32,
}

impl ReadPlan {
    /// Whether to try it as a short read now.
    pub(crate) fn is_short(&self) -> bool {
        if !self.may_be_short {
            return false;
        }
        let left = self.penalty.load(Ordering::Relaxed);
        if left == 0 {
            return true;
        }
        self.penalty.store(left - 1, Ordering::Relaxed);
        false
    }

    /// What the cell at `at` is called: its field, or the way to it.
    pub(crate) fn name(&self, at: usize) -> Option<String> {
        self.names.get(at).map(|name| name.path.join("."))
    }

    /// It took longer than a short read may. The data changes slowly, so the next runs aren't tried.
    pub(crate) fn was_long(&self) {
        self.penalty.store(100, Ordering::Relaxed);
    }
}

/// A cell's place in a row that is read by names.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    /// Relations, then a field or an annotation.
    pub(crate) path: Vec<String>,
    pub(crate) kind: Kind,
}

/// How a cell is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// As the database says.
    Plain,
    /// A number that stands for a truth value.
    Boolean,
    /// A whole number, which some databases give as a decimal (the sum of many, say).
    Integer,
    /// A floating-point number, the same.
    Float,
    /// A decimal with so many places; SQLite gives it as a whole number, without the point.
    Decimal(u32),
}

impl Cell {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Boolean => Cell::Boolean,
            Kind::Float => Cell::Float,
            Kind::Decimal { places, .. } => Cell::Decimal(places.into()),
            Kind::Binary | Kind::Uuid | Kind::Json => Cell::Plain,
            kind if kind.is_text() => Cell::Plain,
            _ => Cell::Integer,
        }
    }
}

/// An `insert`, `update` or `delete`.
#[derive(Debug)]
pub(crate) struct WritePlan {
    /// The model's table.
    pub(crate) table: usize,
    /// The columns of it that get a value.
    pub(crate) columns: Box<[usize]>,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    Insert {
        query: Query,
        /// Whether each row is written, be it as one that is there: the databases count those differently.
        upserts: bool,
        /// What the host makes for the query's last holes, for each row anew.
        fills: Box<[Fill]>,
        cells: Box<[Cell]>,
        /// The fields that it returns, by name.
        returning: Box<[String]>,
    },
    Update {
        query: Query,
        cells: Box<[Cell]>,
        /// The fields that it returns, by name.
        returning: Box<[String]>,
    },
    /// Once for each position of the lists that fill its holes.
    UpdateMany(Query),
    /// Nothing points to the model, so its rows go by themselves.
    DeleteDirectly(Query),
    /// The keys of what goes; the rest is collected.
    Delete(Query),
}

/// SQL with its values, and the statements that it became.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) binds: Box<[Bind]>,
    pub(crate) holes: usize,
    sql: Sql,
    /// Where values are numbered: for each, the first that is the same.
    same: Option<Vec<usize>>,
    owner: Arc<Owner>,
    fixed: Option<Arc<Statement>>,
    /// A statement for each combination of list sizes, rounded up.
    sized: Mutex<Vec<ForSizes>>,
    /// Where in the text the values of a row stand that may be repeated for more rows.
    row: Option<Range<usize>>,
}

type ForSizes = (Box<[usize]>, Arc<Statement>);

/// Statements that one query keeps for different list sizes: one list has eleven.
const MAX_SIZED: usize = 16;

impl Query {
    fn new(dialect: Dialect, owner: &Arc<Owner>, sql: Sql, holes: usize) -> Self {
        let same = (dialect == Dialect::Postgres).then(|| sql.same());
        let binds: Box<[Bind]> = match &same {
            None => sql.binds.clone().into(),
            Some(same) => {
                let first = |(at, bind): (usize, &Bind)| (same[at] == at).then(|| bind.clone());
                sql.binds.iter().enumerate().filter_map(first).collect()
            }
        };
        let has_many = binds.iter().any(|bind| matches!(bind, Bind::Many { .. }));
        let mut query =
            Self { binds, holes, sql, same, owner: owner.clone(), fixed: None, sized: Mutex::default(), row: None };
        if !has_many {
            query.fixed = Some(Arc::new(query.made(&[])));
        }
        query
    }

    /// Says where the values of a row stand, for a database that writes many rows sooner in one statement than in many.
    /// PostgreSQL gets its statements without waiting for one before the next, and SQLite is not far away.
    fn write_rows_at(&mut self, dialect: Dialect, row: Range<usize>) {
        let elsewhere = |text: &str| text.contains(['?', MANY]);
        let (before, after) = (&self.sql.text[..row.start], &self.sql.text[row.end..]);
        let alone = !elsewhere(before) && !elsewhere(after) && !self.sql.text.contains(MANY);
        if dialect == Dialect::Mariadb && alone {
            self.row = Some(row);
        }
    }

    /// Whether [`Query::for_rows`] has statements for more than one row.
    pub(crate) fn takes_rows(&self) -> bool {
        self.row.is_some()
    }

    /// The statement that writes so many rows at once.
    pub(crate) fn for_rows(&self, rows: usize) -> Arc<Statement> {
        let (Some(row), true) = (&self.row, rows > 1) else { return self.statement(std::iter::empty()) };
        let mut sized = self.sized.lock();
        if let Some((_, statement)) = sized.iter().find(|(known, _)| **known == [rows]) {
            return statement.clone();
        }
        let text = &self.sql.text;
        let values = vec![&text[row.clone()]; rows].join(",");
        let statement =
            Arc::new(Statement::of_app(&self.owner, format!("{}{values}{}", &text[..row.start], &text[row.end..])));
        sized.push(([rows].into(), statement.clone()));
        statement
    }

    /// The statement for lists of these sizes.
    fn made(&self, sizes: &[usize]) -> Statement {
        let text = match &self.same {
            None => self.sql.render(sizes),
            Some(same) => self.sql.render_numbered(same, sizes),
        };
        Statement::of_app(&self.owner, text).taking(bind::types(&self.binds, sizes))
    }

    /// The statement for lists of these lengths, one for each `in`; see [`rounded`].
    pub(crate) fn statement(&self, lengths: impl Iterator<Item = usize>) -> Arc<Statement> {
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let sizes: Box<[usize]> = lengths.map(rounded).collect();
        let mut sized = self.sized.lock();
        if let Some((_, statement)) = sized.iter().find(|(known, _)| *known == sizes) {
            return statement.clone();
        }
        let statement = Arc::new(self.made(&sizes));
        // One that connections don't keep prepared isn't worth keeping here either.
        if statement.sql().len() <= KEEP_SQL {
            if sized.len() >= MAX_SIZED {
                sized.clear();
            }
            sized.push((sizes, statement.clone()));
        }
        statement
    }
}

/// The length that a list of `length` values is filled up to by repeating its last value, which changes nothing for `IN`:
/// so a dozen statements serve every length.
pub(crate) fn rounded(length: usize) -> usize {
    if length == 0 { 0 } else { length.next_power_of_two() }
}

/// Plans a shape. `refs` says whether it may refer to earlier statements of a batch.
pub(crate) fn plan(catalog: &Catalog, owner: &Arc<Owner>, shape: &Shape) -> Result<Plan, DbError> {
    let table = catalog.find(&shape.from)?;
    let planner = Planner { catalog, owner, table, holes: shape.holes, explain: shape.explain };
    let with = &shape.with;
    match &shape.op {
        Op::Select(select) => planner.select(select, with).map(Plan::Read),
        Op::Count(select) => planner.count(select, with).map(Plan::Read),
        Op::Exists(select) => planner.exists(select, with).map(Plan::Read),
        Op::Aggregate(reading) => planner.aggregate(reading, with).map(Plan::Read),
        Op::Insert(insert) => planner.insert(insert).map(Plan::Write),
        Op::Update { set, filter, returning } => planner.update(set, filter, returning).map(Plan::Write),
        Op::UpdateMany { key, key_values, set } => planner.update_many(key, key_values, set).map(Plan::Write),
        Op::Delete { filter } => planner.delete(filter).map(Plan::Write),
    }
}

struct Planner<'c> {
    catalog: &'c Catalog,
    owner: &'c Arc<Owner>,
    table: usize,
    holes: usize,
    explain: bool,
}

impl Planner<'_> {
    fn query(&self, sql: Sql) -> Query {
        Query::new(self.catalog.dialect, self.owner, sql, self.holes)
    }
}

fn invalid(problem: impl Into<String>) -> DbError {
    DbError::new(code::INVALID_SHAPE, problem)
}

/// A literal as a bound value, checked against the column that it is for.
fn value_of(catalog: &Catalog, slot: Slot, literal: &Literal) -> Result<Bind, DbError> {
    let value = match literal {
        Literal::Null => Value::Null,
        Literal::Bool(truth) => Value::Boolean(*truth),
        Literal::Integer(number) => Value::Integer(*number),
        Literal::Float(number) => Value::Float(*number),
        Literal::Text(text) => Value::Text(text.clone()),
    };
    check(catalog, slot, &value)?;
    Ok(Bind::Const { value: slot.kind.canonical(&value).unwrap_or(value), slot })
}

/// Checks a value for its place.
pub(crate) fn check(catalog: &Catalog, slot: Slot, value: &Value) -> Result<(), DbError> {
    if let (Purpose::Pattern, Value::Text(pattern)) = (slot.purpose, value) {
        pattern::check(pattern)?;
    }
    let Some((table, column)) = slot.column else {
        let checked = slot.kind.check_compared(value).and_then(|()| reckonable(catalog, slot.kind, value));
        return checked.map_err(|problem| {
            let problem = format!("an expression of kind {} {problem}", slot.kind.word());
            DbError::new(code::INVALID_VALUE, problem).with("kind", slot.kind.word())
        });
    };
    let table = &catalog.tables[table];
    let column = &table.columns[column];
    if *value == Value::Null && slot.purpose == Purpose::Store && !column.null && !fills_itself(column) {
        return Err(DbError::new(code::NOT_NULL, format!("`{}` of `{}` must have a value", column.field, table.model))
            .with("model", &table.model)
            .with("field", &column.field));
    }
    let checked = match slot.purpose {
        Purpose::Store => column.kind.check_stored(value),
        Purpose::Compare | Purpose::Pattern | Purpose::Key => column.kind.check_compared(value),
    };
    let wrong = |problem: String| {
        DbError::new(code::INVALID_VALUE, format!("`{}` of `{}` {problem}", column.field, table.model))
            .with("model", &table.model)
            .with("field", &column.field)
            .with("kind", column.word)
    };
    checked.map_err(wrong)?;
    if slot.purpose == Purpose::Store {
        for validator in &column.validators {
            validator.check(value).map_err(|problem| wrong(problem).with("validator", validator.word))?;
        }
    }
    Ok(())
}

/// Whether NULL is what leaves the field to itself.
fn fills_itself(column: &Column) -> bool {
    column.kind == Kind::Auto || column.fill == Some(Fill::Uuid7)
}

/// What is compared may be larger than any row's; what is reckoned with must be what it says.
fn reckonable(catalog: &Catalog, kind: Kind, value: &Value) -> Result<(), String> {
    match kind {
        Kind::Decimal { places, .. } => {
            let digits = if catalog.dialect == Dialect::Sqlite { SQLITE_DIGITS } else { MAX_DIGITS };
            Kind::Decimal { digits, places: places.min(digits) }.check_stored(value)
        }
        kind => kind.check_calendar(value),
    }
}

/// Most digits of a decimal on SQLite, which keeps it as a whole number of 64 bits.
pub(crate) const SQLITE_DIGITS: u8 = 18;

/// Most digits of a decimal: what 96 bits hold.
const MAX_DIGITS: u8 = 28;
