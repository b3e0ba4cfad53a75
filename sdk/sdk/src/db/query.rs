//! Query sets: what is asked of a model's rows.

use core::fmt;
use core::marker::PhantomData;

use super::condition::{Lookup, Q, Tree};
use super::expression::{IntoAssignments, Node};
use super::field::{IntoOrder, Order, Path};
use super::model::{Id, Model, New};
use super::rows::{Reader, packed_number};
use super::shape::Shape;
use super::transaction;
use super::{Outcome, Statement, Value};
use crate::error::{Error, Result};

/// Every model's key, whatever it is called.
const KEY: Path = Path::field("pk");

/// Rows that one insert takes: the contract's limit.
const ROWS_AT_ONCE: usize = 1_000;

/// Rows of `M` that fulfil some conditions, in some order. Nothing is asked of the database before an `async` method.
#[must_use = "a query set asks nothing until one of its async methods is awaited"]
pub struct QuerySet<M> {
    pub(super) filters: Vec<Tree>,
    order: Option<Vec<Order<M>>>,
    distinct: bool,
    limit: Option<u64>,
    offset: Option<u64>,
    marker: PhantomData<fn() -> M>,
}

impl<M> Clone for QuerySet<M> {
    fn clone(&self) -> Self {
        Self {
            filters: self.filters.clone(),
            order: self.order.clone(),
            distinct: self.distinct,
            limit: self.limit,
            offset: self.offset,
            marker: PhantomData,
        }
    }
}

impl<M> fmt::Debug for QuerySet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuerySet")
            .field("filters", &self.filters.len())
            .field("order", &self.order)
            .field("distinct", &self.distinct)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl<M: Model> QuerySet<M> {
    pub(crate) fn new() -> Self {
        Self { filters: Vec::new(), order: None, distinct: false, limit: None, offset: None, marker: PhantomData }
    }

    /// The rows with these keys, in any order; at most 1,000 keys.
    pub(crate) fn with_keys(keys: &[i64]) -> Self {
        let values = keys.iter().map(|key| Value::Integer(*key)).collect();
        let mut set = Self::new();
        set.filters.push(Tree::Test(Lookup::In(values), KEY));
        set.order = Some(Vec::new());
        set
    }

    /// The rows among these that point to the row `key` by their field `field`: what `question.choices()` is.
    #[doc(hidden)]
    pub fn pointing(field: &'static str, key: i64) -> Self {
        let mut set = Self::new();
        set.filters.push(Tree::Test(Lookup::One("exact", Node::Value(Value::Integer(key))), Path::field(field)));
        set
    }

    /// Only rows that fulfil the condition.
    ///
    /// Over a many-valued (reverse) relation, all conditions of one call speak of the same related row; in two calls each may be about
    /// another one.
    pub fn filter(mut self, condition: Q<M>) -> Self {
        self.filters.push(condition.tree);
        self
    }

    /// Only rows that don't fulfil it. Over a many-valued relation: rows of which no related row does.
    pub fn exclude(self, condition: Q<M>) -> Self {
        self.filter(!condition)
    }

    /// Rows in this order, instead of the model's `ordering`. `[]` for none.
    pub fn order_by(mut self, order: impl IntoOrder<M>) -> Self {
        self.order = Some(order.into_order());
        self
    }

    /// Rows in the opposite order.
    pub fn reverse(mut self) -> Self {
        self.order = Some(self.ordered().into_iter().map(Order::reversed).collect());
        self
    }

    /// No row twice, where a condition over a many-valued relation would bring it several times.
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Without the first rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.offset = Some(rows);
        self
    }

    /// All rows.
    ///
    /// Errors: `is_unavailable` where the database is busy; `budget` past the request's rows (10,000 by default): use [`limit`](Self::limit).
    pub async fn all(self) -> Result<Vec<M>> {
        let bytes = transaction::fetch_packed(self.select(None)).await?;
        Reader::packed(M::NAME, M::META.fields.len(), &bytes)?.all()
    }

    /// The first row, by the order or, without one, by key.
    pub async fn first(mut self) -> Result<Option<M>> {
        self.order = Some(self.ordered());
        self.take(1).await.map(|mut rows| rows.pop())
    }

    /// The last row.
    pub async fn last(self) -> Result<Option<M>> {
        self.reverse().first().await
    }

    /// The first row, or a 404.
    pub async fn first_or_404(self) -> Result<M> {
        self.first().await?.ok_or_else(Error::not_found)
    }

    /// The row with this key. Errors: `is_not_found`.
    pub async fn get(mut self, key: impl Into<Id<M>>) -> Result<M> {
        let key = key.into();
        self.filters.push(Tree::Test(Lookup::One("exact", Node::Value(Value::Integer(key.get()))), KEY));
        self.order = Some(Vec::new());
        self.take(1).await?.pop().ok_or_else(|| Error::not_found().context(format!("{} {key}", M::NAME)))
    }

    /// The row with this key, or a 404: the same as [`get`](Self::get), under the name that says it.
    pub async fn get_or_404(self, key: impl Into<Id<M>>) -> Result<M> {
        self.get(key).await
    }

    /// The only row. Errors: `is_not_found` for none, a 500 for several.
    pub async fn one(self) -> Result<M> {
        let mut rows = self.take(2).await?;
        match (rows.pop(), rows.pop()) {
            (Some(row), None) => Ok(row),
            (None, _) => Err(Error::not_found().context(M::NAME)),
            (Some(_), Some(_)) => Err(Error::internal(format!("`one` found several rows of {}", M::NAME))),
        }
    }

    /// How many rows there are.
    pub async fn count(self) -> Result<u64> {
        let number = self.number("count").await?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// Whether there is a row.
    pub async fn exists(self) -> Result<bool> {
        Ok(self.number("exists").await? != 0)
    }

    /// Inserts a row and returns it with its key and defaults.
    ///
    /// Errors: `is_conflict` for a value that must be unique; 422 for one that doesn't fit.
    pub async fn create(self, new: impl New<M>) -> Result<M> {
        let mut shape = Shape::new("insert", M::NAME);
        shape.assignments(new.columns().into_iter().map(|(field, value)| (field, Node::Value(value))));
        shape.returning(M::META.fields.iter().map(|field| field.name));
        let outcome = transaction::execute(shape.finish()).await?;
        Reader::typed(M::NAME, M::META.fields.len(), &outcome.returned)?
            .next_row()?
            .ok_or_else(|| Error::internal(format!("the insert into {} returned no row", M::NAME)))
    }

    /// Inserts many rows, all or none, and returns how many. One statement for every 1,000 rows that set the same fields.
    ///
    /// Errors: those of [`create`](Self::create); past 100 statements `invalid-shape`.
    pub async fn bulk_create<N: New<M>>(self, rows: impl IntoIterator<Item = N>) -> Result<u64> {
        let statements = bulk_inserts::<M>(rows.into_iter().map(New::columns));
        match statements.len() {
            0 => Ok(0),
            1 => {
                let mut created = 0;
                for statement in statements {
                    created += transaction::execute(statement).await?.affected;
                }
                Ok(created)
            }
            _ => Ok(transaction::batch(statements).await?.iter().map(|outcome| outcome.affected).sum()),
        }
    }

    /// Changes all these rows at once and returns how many. An expression sees each row as it was:
    /// `update(Choice::VOTES.set(Choice::VOTES + 1))` loses no vote, however many come at the same time.
    ///
    /// Errors: an error for a set with a limit, and for a field of another model.
    pub async fn update(self, assignments: impl IntoAssignments<M>) -> Result<u64> {
        self.unlimited("update")?;
        let mut columns = Vec::new();
        for assignment in assignments.into_assignments() {
            let [field] = *assignment.path.steps() else {
                return Err(Error::internal(format!(
                    "update of {}: {:?} is a field of another model",
                    M::NAME,
                    assignment.path
                )));
            };
            columns.push((field, assignment.node));
        }
        if columns.is_empty() {
            return Ok(0);
        }
        let mut shape = Shape::new("update", M::NAME);
        shape.filters(self.filters);
        shape.assignments(columns);
        affected(transaction::execute(shape.finish()).await)
    }

    /// Deletes all these rows, and what `on_delete` says goes with them, as one unit. Returns how many went in all.
    ///
    /// Errors: `is_conflict` where a row is protected; an error for a set with a limit.
    pub async fn delete(self) -> Result<u64> {
        self.unlimited("delete")?;
        let mut shape = Shape::new("delete", M::NAME);
        shape.filters(self.filters);
        affected(transaction::execute(shape.finish()).await)
    }

    /// The order that counts: the one asked for, the model's, or by key.
    fn ordered(&self) -> Vec<Order<M>> {
        match &self.order {
            Some(order) if !order.is_empty() => order.clone(),
            _ if !M::META.ordering.is_empty() => M::META.ordering.iter().map(|word| Order::from_word(word)).collect(),
            _ => vec![Order::from_word("pk")],
        }
    }

    pub(super) fn unlimited(&self, what: &str) -> Result<()> {
        if self.limit.is_some() || self.offset.is_some() || self.distinct {
            return Err(Error::internal(format!(
                "{what} of {}: not of a set with limit, offset or distinct; filter by key",
                M::NAME
            )));
        }
        Ok(())
    }

    async fn take(self, most: usize) -> Result<Vec<M>> {
        let bytes = transaction::fetch_packed(self.select(Some(most))).await?;
        Reader::packed(M::NAME, M::META.fields.len(), &bytes)?.all()
    }

    async fn number(self, op: &'static str) -> Result<i64> {
        let mut shape = Shape::new(op, M::NAME);
        shape.filters(self.filters);
        Self::finish(&mut shape, self.distinct && op == "count", self.limit, self.offset);
        let bytes = transaction::fetch_packed(shape.finish()).await?;
        packed_number(&bytes).ok_or_else(|| Error::internal(format!("{op} of {} answered no number", M::NAME)))
    }

    /// The reading shape. `most` is a limit of the method itself, narrower than or equal to the set's.
    pub(super) fn select(self, most: Option<usize>) -> Statement {
        let mut shape = Shape::new("select", M::NAME);
        shape.filters(self.filters);
        if let Some(order) = &self.order {
            shape.order(order);
        }
        let limit = match most {
            Some(most) if self.limit.is_none_or(|limit| limit >= most as u64) => {
                shape.constant("limit", most);
                None
            }
            _ => self.limit,
        };
        Self::finish(&mut shape, self.distinct, limit, self.offset);
        shape.finish()
    }

    /// Filters, order and limits.
    pub(super) fn conditions(self, shape: &mut Shape) {
        shape.filters(self.filters);
        if let Some(order) = &self.order {
            shape.order(order);
        }
        Self::finish(shape, self.distinct, self.limit, self.offset);
    }

    fn finish(shape: &mut Shape, distinct: bool, limit: Option<u64>, offset: Option<u64>) {
        if distinct {
            shape.flag("distinct");
        }
        if let Some(limit) = limit {
            shape.count("limit", limit);
        }
        if let Some(offset) = offset {
            shape.count("offset", offset);
        }
    }
}

fn affected(outcome: Result<Outcome>) -> Result<u64> {
    outcome.map(|outcome| outcome.affected)
}

/// One statement for each run of rows that set the same fields.
pub(super) fn bulk_inserts<M: Model>(rows: impl Iterator<Item = Vec<(&'static str, Value)>>) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut columns: Vec<(&'static str, Vec<Value>)> = Vec::new();
    let mut count = 0;
    let mut flush = |columns: &mut Vec<(&'static str, Vec<Value>)>| {
        if !columns.is_empty() {
            let mut shape = Shape::new("insert", M::NAME);
            shape.columns(columns.drain(..));
            statements.push(shape.finish());
        }
    };
    for row in rows {
        let same = columns.len() == row.len() && columns.iter().zip(&row).all(|((name, _), (other, _))| name == other);
        if !same || count == ROWS_AT_ONCE {
            flush(&mut columns);
            columns = row.iter().map(|(name, _)| (*name, Vec::new())).collect();
            count = 0;
        }
        for ((_, values), (_, value)) in columns.iter_mut().zip(row) {
            values.push(value);
        }
        count += 1;
    }
    flush(&mut columns);
    statements
}

fn key_is<M: Model>(row: &M) -> Tree {
    Tree::Test(Lookup::One("exact", Node::Value(Value::Integer(row.id().get()))), KEY)
}

pub(crate) async fn save<M: Model>(row: &M) -> Result<()> {
    let mut shape = Shape::new("update", M::NAME);
    shape.filters(vec![key_is(row)]);
    shape.assignments(row.columns().into_iter().map(|(field, value)| (field, Node::Value(value))));
    match transaction::execute(shape.finish()).await?.affected {
        0 => Err(Error::not_found().context(format!("{} {} is gone", M::NAME, row.id()))),
        _ => Ok(()),
    }
}

pub(crate) async fn delete<M: Model>(row: M) -> Result<u64> {
    let mut shape = Shape::new("delete", M::NAME);
    shape.filters(vec![key_is(&row)]);
    affected(transaction::execute(shape.finish()).await)
}
