//! Rows with values that are computed for them, and rows put together by what they share.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::condition::Q;
use super::field::Path;
use super::field::{IntoOrder, Order};
use super::model::Model;
use super::node::{Node, Sub};
use super::query::{QuerySet, Rows};
use super::rows::Reader;
use super::shape::{self, GROUPS, Shape};
use super::values::{Aggregates, Columns, Keys, Read, nodes};
use super::{Statement, transaction};
use crate::error::{Error, Result};

impl<M: Model> QuerySet<M> {
    /// One value, or a tuple of them, of all these rows together:
    /// `let (n, votes) = Choice::objects().aggregate((count(), Choice::VOTES.sum())).await?;` Given to [`subquery`](super::subquery) it is a
    /// value of each row outside.
    ///
    /// Errors: a 500 for a set with limit, offset, distinct or a union.
    pub fn aggregate<A: Aggregates<M>>(self, aggregates: A) -> Total<M, A::Output> {
        Total { state: Asked::Not(Box::new(self), nodes(aggregates)), width: A::WIDTH, read: A::read }
    }

    /// Each row with a value, or a tuple of them: an expression over the row, or an aggregate of its related rows:
    /// `Question::objects().annotate(Question::CHOICES.votes().sum()).all()`.
    pub fn annotate<A: Columns<M>>(self, columns: A) -> Annotated<M, A::Output, A::Named> {
        Annotated { set: self, nodes: nodes(columns), columns: Read::of::<M, A>() }
    }

    /// Rows that share these values are put together:
    /// `Choice::objects().group_by(Choice::QUESTION).annotate(count()).all()`.
    ///
    /// An order names what is grouped by; without one the groups come in any order.
    pub fn group_by<K: Keys<M>>(self, keys: K) -> Grouped<M, K::Output> {
        Grouped { set: self, keys: nodes(keys), width: K::WIDTH, read: K::read }
    }
}

/// What is made of all rows of a set together: await it, or give it to [`subquery`](super::subquery).
#[must_use = "an aggregate asks nothing until it is awaited, or given to `subquery`"]
pub struct Total<M, O> {
    state: Asked<M, O>,
    width: usize,
    read: fn(&mut Reader<'_>) -> Result<O>,
}

#[allow(clippy::large_enum_variant, reason = "it is asked at once or given away")]
enum Asked<M, O> {
    Not(Box<QuerySet<M>>, Vec<Node>),
    Under(super::Pending<O>),
    /// It was polled again after its answer.
    Over,
}

impl<M, O> fmt::Debug for Total<M, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Asked::Not(set, nodes) => f.debug_struct("Total").field("set", set).field("of", nodes).finish(),
            _ => f.write_str("Total"),
        }
    }
}

impl<M: Model, O: 'static> Future for Total<M, O> {
    type Output = Result<O>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<O>> {
        let (width, read) = (self.width, self.read);
        let mut pending = match core::mem::replace(&mut self.state, Asked::Over) {
            Asked::Not(set, nodes) => super::Pending::new(async move {
                let bytes = transaction::fetch_packed(aggregated(*set, nodes)?).await?;
                let mut reader = Reader::packed(M::NAME, width, &bytes)?;
                if !reader.begin_row() {
                    return Err(Error::internal(format!("the aggregate of {} answered no row", M::NAME)));
                }
                read(&mut reader)
            }),
            Asked::Under(pending) => pending,
            Asked::Over => return Poll::Pending,
        };
        let answer = Pin::new(&mut pending).poll(context);
        if answer.is_pending() {
            self.state = Asked::Under(pending);
        }
        answer
    }
}

impl<M: Model, O> Total<M, O> {
    /// As a part of another query.
    pub(crate) fn into_sub(self) -> Sub {
        match self.state {
            Asked::Not(mut set, nodes) => {
                set.query.whole = true;
                set.sub(nodes)
            }
            // It was asked already. A set without columns is what the host refuses.
            _ => QuerySet::<M>::new().sub(Vec::new()),
        }
    }
}

pub(crate) fn aggregated<M: Model>(set: QuerySet<M>, nodes: Vec<Node>) -> Result<Statement> {
    let mut query = set.query;
    query.unlimited("aggregate", M::NAME)?;
    let mut shape = Shape::new("aggregate", M::NAME);
    query.annotations = nodes.into_iter().enumerate().collect();
    query.order = None;
    query.tail = None;
    shape.rest(query);
    shape.finish()
}

/// Rows with what was computed for them.
#[must_use = "nothing is asked until `all` is awaited"]
pub struct Annotated<M, O, N> {
    set: QuerySet<M>,
    nodes: Vec<Node>,
    columns: Read<O, N>,
}

impl<M, O, N> Clone for Annotated<M, O, N> {
    fn clone(&self) -> Self {
        Self { set: self.set.clone(), nodes: self.nodes.clone(), columns: self.columns }
    }
}

impl<M, O, N> fmt::Debug for Annotated<M, O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotated").field("set", &self.set).field("with", &self.nodes).finish()
    }
}

/// What the sets of this room share: conditions, orders and limits of the rows and of what was made of them.
macro_rules! narrowed {
    () => {
        /// Only rows that fulfil the condition, as [`QuerySet::filter`].
        pub fn filter(mut self, condition: Q<M>) -> Self {
            self.set = self.set.filter(condition);
            self
        }

        /// Only those of which what was computed fulfils the condition: `having(|votes| votes.gt(10))`.
        pub fn having(mut self, condition: impl FnOnce(N) -> Q<M>) -> Self {
            self.set = self.set.filter(condition((self.columns.named)(&[], 0)));
            self
        }

        /// In this order, as [`QuerySet::order_by`].
        pub fn order_by(mut self, order: impl IntoOrder<M>) -> Self {
            self.set = self.set.order_by(order);
            self
        }

        /// In an order by what was computed: `order_with(|votes| votes.desc())`. Several: each call adds one behind those before.
        pub fn order_with(mut self, order: impl FnOnce(N) -> Order<M>) -> Self {
            self.set.query.order.get_or_insert_default().push(order((self.columns.named)(&[], 0)).sorted());
            self
        }

        /// At most so many.
        pub fn limit(mut self, rows: u64) -> Self {
            self.set.query.limit = Some(Rows::Hole(rows));
            self
        }

        /// Without the first.
        pub fn offset(mut self, rows: u64) -> Self {
            self.set.query.offset = Some(rows);
            self
        }
    };
}

impl<M: Model, O, N> Annotated<M, O, N> {
    narrowed!();

    /// All rows, each with its values. Errors: those of [`QuerySet::all`].
    pub async fn all(self) -> Result<Vec<(M, O)>> {
        let (joins, columns) = (self.set.query.related.clone(), self.columns);
        let bytes = transaction::fetch_packed(self.statement()?).await?;
        let width = M::META.width() + super::join::width(&joins) + columns.width;
        let mut reader = Reader::packed(M::NAME, width, &bytes)?;
        reader.is_a_set::<M>();
        let mut rows = Vec::with_capacity(reader.capacity());
        while reader.begin_row() {
            let row = M::read(&mut reader)?;
            super::join::read(&joins, M::META, &mut reader)?;
            rows.push((row, (columns.read)(&mut reader)?));
        }
        reader.keep_keys(rows.iter().map(|(row, _)| row));
        Ok(rows)
    }

    pub(crate) fn statement(self) -> Result<Statement> {
        let mut query = self.set.query;
        query.annotations = self.nodes.into_iter().enumerate().collect();
        let mut shape = Shape::new("select", M::NAME);
        shape.select(query, Vec::new());
        shape.finish()
    }

    /// The first row with its values, by the order or, without one, by key.
    pub async fn first(mut self) -> Result<Option<(M, O)>> {
        self.set.query.order = Some(self.set.query.ordered(M::META));
        self.set.query.at_most(1);
        Ok(self.all().await?.pop())
    }

    /// How many rows there are.
    pub async fn count(self) -> Result<u64> {
        let mut set = self.set;
        set.query.annotations = self.nodes.into_iter().enumerate().collect();
        set.count().await
    }

    /// Whether there is a row.
    pub async fn exists(self) -> Result<bool> {
        let mut set = self.set;
        set.query.annotations = self.nodes.into_iter().enumerate().collect();
        set.exists().await
    }
}

/// Rows put together by what they share.
#[must_use = "nothing is asked until `annotate` says what to make of the groups"]
pub struct Grouped<M, K> {
    set: QuerySet<M>,
    keys: Vec<Node>,
    width: usize,
    read: fn(&mut Reader<'_>) -> Result<K>,
}

impl<M, K> fmt::Debug for Grouped<M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("set", &self.set).field("keys", &self.keys).finish()
    }
}

impl<M: Model, K> Grouped<M, K> {
    /// What to make of each group.
    pub fn annotate<A: Aggregates<M>>(self, aggregates: A) -> Groups<M, K, A::Output, A::Named> {
        let Self { set, keys, width, read } = self;
        Groups { set, keys, width, read, nodes: nodes(aggregates), columns: Read::of::<M, A>() }
    }
}

/// Groups with what is made of their rows.
#[must_use = "nothing is asked until `all` is awaited"]
pub struct Groups<M, K, O, N> {
    set: QuerySet<M>,
    keys: Vec<Node>,
    width: usize,
    read: fn(&mut Reader<'_>) -> Result<K>,
    nodes: Vec<Node>,
    columns: Read<O, N>,
}

impl<M, K, O, N> fmt::Debug for Groups<M, K, O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("set", &self.set).field("keys", &self.keys).field("of", &self.nodes).finish()
    }
}

impl<M: Model, K, O, N> Groups<M, K, O, N> {
    narrowed!();

    /// All groups: what they share, and what is made of them. Errors: those of [`QuerySet::all`].
    pub async fn all(self) -> Result<Vec<(K, O)>> {
        let (width, read, columns) = (self.width, self.read, self.columns);
        let bytes = transaction::fetch_packed(self.statement()?).await?;
        let mut reader = Reader::packed(M::NAME, width + columns.width, &bytes)?;
        let mut groups = Vec::with_capacity(reader.capacity());
        while reader.begin_row() {
            groups.push((read(&mut reader)?, (columns.read)(&mut reader)?));
        }
        Ok(groups)
    }

    /// The first group, by the order; without one any.
    pub async fn first(mut self) -> Result<Option<(K, O)>> {
        self.set.query.at_most(1);
        Ok(self.all().await?.pop())
    }

    /// How many groups there are.
    pub async fn count(self) -> Result<u64> {
        self.grouped().count().await
    }

    /// Whether there is a group.
    pub async fn exists(self) -> Result<bool> {
        self.grouped().exists().await
    }

    fn grouped(self) -> QuerySet<M> {
        let mut set = self.set;
        set.query.groups = self.keys;
        set.query.annotations = self.nodes.into_iter().enumerate().collect();
        set
    }

    pub(crate) fn statement(self) -> Result<Statement> {
        let mut query = self.set.query;
        // A key with a value in it is known by its name: written again, its value would be another one to the host.
        for sorted in query.order.iter_mut().flatten() {
            if let Some(at) = self.keys.iter().position(|key| shape::same(key, &sorted.node)) {
                sorted.node = Node::Field(Path::field(GROUPS[at]));
            }
        }
        query.groups = self.keys;
        query.annotations = self.nodes.into_iter().enumerate().collect();
        let mut shape = Shape::new("select", M::NAME);
        shape.rest(query);
        shape.finish()
    }
}
