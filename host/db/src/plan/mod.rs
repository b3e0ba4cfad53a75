//! From a shape and the app's models to statements that are ready to run.

pub(crate) mod access;
mod aggregate;
mod building;
mod combine;
pub(crate) mod delete;
mod expression;
mod filter;
mod function;
pub(crate) mod key;
mod lookup;
mod path;
mod pattern;
pub(crate) mod query;
mod read;
pub(crate) mod schema;
pub(crate) mod sql;
mod subquery;
mod window;
mod with;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use host_store::{Effort, Owner};

use crate::catalog::{Catalog, Fill};
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::{Kind, MAX_DIGITS, SQLITE_DIGITS, bytes_of_digits};
use crate::shape::{Literal, Op, Shape};
use crate::types::{Param, Value};
pub(crate) use building::Found;
pub(crate) use query::Query;
use query::Searches;
use sql::{Bind, Purpose, Slot, Sql};

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

/// Rows from which on a write isn't quick, whatever it does with each.
const MANY_ROWS: usize = 100;

/// An `insert`, `update` or `delete`.
#[derive(Debug)]
pub(crate) struct WritePlan {
    /// The model's table.
    pub(crate) table: usize,
    /// The columns of it that get a value.
    pub(crate) columns: Box<[usize]>,
    /// What has to be there for the app so that its keys may point to it.
    pub(crate) parents: Box<[access::Parent]>,
    pub(crate) action: Action,
}

impl WritePlan {
    /// Whether it is one statement for the database, too.
    pub(crate) fn is_single(&self, params: &[Param]) -> bool {
        match &self.action {
            Action::Insert { .. } | Action::UpdateMany(_) => {
                !params.iter().any(|param| matches!(param, Param::Many(_)))
            }
            Action::Update { .. } | Action::DeleteDirectly(_) => true,
            Action::Delete(_) => false,
        }
    }

    /// What it is expected to be like for a server.
    pub(crate) fn effort(&self, params: &[Param]) -> Effort {
        if params.iter().any(|param| matches!(param, Param::Many(values) if values.len() > MANY_ROWS)) {
            return Effort::Slow;
        }
        let (Action::Insert { query, .. }
        | Action::Update { query, .. }
        | Action::UpdateMany(query)
        | Action::DeleteDirectly(query)
        | Action::Delete(query)) = &self.action;
        query.effort()
    }
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

/// Plans a shape.
pub(crate) fn plan(catalog: &Catalog, owner: &Arc<Owner>, shape: &Shape) -> Result<Plan, DbError> {
    let table = catalog.find(&shape.from)?;
    let fenced = shape.reckons;
    let planner = Planner { catalog, owner, table, holes: shape.holes, explain: shape.explain, fenced };
    let with = &shape.with;
    match &shape.op {
        Op::Select(select) => planner.select(select, with).map(Plan::Read),
        Op::Count(select) => planner.count(select, with).map(Plan::Read),
        Op::Exists(select) => planner.exists(select, with).map(Plan::Read),
        Op::Aggregate(reading) => planner.aggregate(reading, with).map(Plan::Read),
        Op::Insert(insert) => planner.insert(insert).map(Plan::Write),
        Op::Update { set, filter, returning } => planner.update(set, filter, returning).map(Plan::Write),
        Op::UpdateMany { key, set } => planner.update_many(key, set).map(Plan::Write),
        Op::Delete { filter } => planner.delete(filter).map(Plan::Write),
    }
}

struct Planner<'c> {
    catalog: &'c Catalog,
    owner: &'c Arc<Owner>,
    table: usize,
    holes: usize,
    explain: bool,
    /// Whether rows are kept apart by a rule before anything else is asked of them.
    fenced: bool,
}

impl Planner<'_> {
    fn query(&self, sql: Sql, searches: Searches) -> Query {
        self.query_of(sql, self.holes, searches)
    }

    fn query_of(&self, sql: Sql, holes: usize, searches: Searches) -> Query {
        Query::new(self.catalog.dialect, self.owner, sql, holes, self.access().is_some(), searches)
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
        Literal::Text(text) if matches!(slot.kind, Kind::Uuid | Kind::Binary) => {
            Value::Bytes(bytes_of_digits(text).map_err(|problem| misfit(catalog, slot, &problem))?)
        }
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
        return checked.map_err(|problem| misfit(catalog, slot, &problem));
    };
    let table = &catalog.tables[table];
    let column = &table.columns[column];
    if *value == Value::Null && slot.purpose == Purpose::Store && !column.null && !column.fills_itself() {
        return Err(DbError::new(code::NOT_NULL, format!("`{}` of `{}` must have a value", column.field, table.model))
            .with("model", &table.model)
            .with("field", &column.field));
    }
    let checked = match slot.purpose {
        Purpose::Store => column.kind.check_stored(value),
        Purpose::Compare | Purpose::Pattern | Purpose::Key => column.kind.check_compared(value),
    };
    checked.map_err(|problem| misfit(catalog, slot, &problem))?;
    if slot.purpose == Purpose::Store {
        for validator in &column.validators {
            let broken = |problem: String| misfit(catalog, slot, &problem).with("validator", validator.word);
            validator.check(value).map_err(broken)?;
        }
    }
    Ok(())
}

/// A value doesn't fit its place; `problem` goes on from what the place is called.
fn misfit(catalog: &Catalog, slot: Slot, problem: &str) -> DbError {
    let Some((table, column)) = slot.column else {
        let word = slot.kind.word();
        return DbError::new(code::INVALID_VALUE, format!("an expression of kind {word} {problem}")).with("kind", word);
    };
    let table = &catalog.tables[table];
    let column = &table.columns[column];
    DbError::new(code::INVALID_VALUE, format!("`{}` of `{}` {problem}", column.field, table.model))
        .with("model", &table.model)
        .with("field", &column.field)
        .with("kind", column.word)
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
