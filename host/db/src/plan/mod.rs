//! From a shape and the app's models to statements that are ready to run.

pub(crate) mod delete;
mod expression;
mod filter;
mod path;
mod read;
pub(crate) mod sql;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use host_store::{KEEP_SQL, Owner, Statement};
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Literal, Op, Shape};
use crate::types::Value;
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
    /// Whether each step of it is short, so that counting steps bounds its time.
    pub(crate) may_be_short: bool,
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
}

impl Cell {
    fn of(kind: Kind) -> Self {
        if kind == Kind::Boolean { Cell::Boolean } else { Cell::Plain }
    }
}

/// An `insert`, `update` or `delete`.
#[derive(Debug)]
pub(crate) struct WritePlan {
    /// The model's table.
    pub(crate) table: usize,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    Insert {
        query: Query,
        /// Holes that may be filled with a value for each of many rows.
        cells: Box<[Cell]>,
        /// The fields that it returns, by name.
        returning: Box<[String]>,
    },
    Update(Query),
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
    dialect: Dialect,
    owner: Arc<Owner>,
    fixed: Option<Arc<Statement>>,
    /// A statement for each combination of list sizes, rounded up.
    sized: Mutex<Vec<ForSizes>>,
}

type ForSizes = (Box<[usize]>, Arc<Statement>);

/// Statements that one query keeps for different list sizes: one list has eleven.
const MAX_SIZED: usize = 16;

impl Query {
    fn new(dialect: Dialect, owner: &Arc<Owner>, sql: Sql, holes: usize) -> Self {
        let has_many = sql.binds.iter().any(|bind| matches!(bind, Bind::Many { .. }));
        let fixed = (!has_many).then(|| Arc::new(Statement::of_app(owner, dialect.number(sql.text.clone()))));
        Self {
            binds: sql.binds.clone().into(),
            holes,
            sql,
            dialect,
            owner: owner.clone(),
            fixed,
            sized: Mutex::default(),
        }
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
        let statement = Arc::new(Statement::of_app(&self.owner, self.dialect.number(self.sql.render(&sizes))));
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
    let planner = Planner { catalog, owner, table, holes: shape.holes };
    match &shape.op {
        Op::Select(select) => planner.select(select).map(Plan::Read),
        Op::Count(reading) => planner.count(reading).map(Plan::Read),
        Op::Exists(reading) => planner.exists(reading).map(Plan::Read),
        Op::Aggregate(reading) => planner.aggregate(reading).map(Plan::Read),
        Op::Insert(insert) => planner.insert(insert).map(Plan::Write),
        Op::Update { set, filter } => planner.update(set, filter).map(Plan::Write),
        Op::Delete { filter } => planner.delete(filter).map(Plan::Write),
    }
}

struct Planner<'c> {
    catalog: &'c Catalog,
    owner: &'c Arc<Owner>,
    table: usize,
    holes: usize,
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
    Ok(Bind::Const { value, slot })
}

/// Checks a value for its place.
pub(crate) fn check(catalog: &Catalog, slot: Slot, value: &Value) -> Result<(), DbError> {
    let Some((table, column)) = slot.column else {
        return slot.kind.check_compared(value).map_err(|problem| {
            let problem = format!("an expression of kind {} {problem}", slot.kind.word());
            DbError::new(code::INVALID_VALUE, problem).with("kind", slot.kind.word())
        });
    };
    let table = &catalog.tables[table];
    let column = &table.columns[column];
    if *value == Value::Null && slot.purpose == Purpose::Store && !column.null && column.kind != Kind::Auto {
        return Err(DbError::new(code::NOT_NULL, format!("`{}` of `{}` must have a value", column.field, table.model))
            .with("model", &table.model)
            .with("field", &column.field));
    }
    let checked = match slot.purpose {
        Purpose::Store => column.kind.check_stored(value),
        Purpose::Compare | Purpose::Reckon => column.kind.check_compared(value),
    };
    checked.map_err(|problem| {
        DbError::new(code::INVALID_VALUE, format!("`{}` of `{}` {problem}", column.field, table.model))
            .with("model", &table.model)
            .with("field", &column.field)
            .with("kind", column.word)
    })
}
