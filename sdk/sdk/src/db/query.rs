//! Query sets: what is asked of a model's rows.

use core::fmt;
use core::marker::PhantomData;

use super::condition::Q;
use super::field::{Field, IntoOrder, IntoPaths, Order, Path, Related, Reverse};
use super::join::{IntoJoins, Join};
use super::key::{KEY, KeyOf, RawKey};
use super::kinds::Nullness;
use super::meta::ModelMeta;
use super::model::Model;
use super::node::{Lookup, Node, Sorted, Sub, Tree};
use super::reading::one_of;
use super::related::Pointing;
use crate::error::{Error, Result};

/// What is asked, without its types: what all query sets have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) filters: Vec<Tree>,
    pub(crate) order: Option<Vec<Sorted>>,
    pub(crate) distinct: Distinct,
    pub(crate) limit: Option<Rows>,
    pub(crate) offset: Option<u64>,
    pub(crate) groups: Vec<Node>,
    /// All rows together are one group.
    pub(crate) whole: bool,
    /// With the places that they are called by.
    pub(crate) annotations: Vec<(usize, Node)>,
    /// Only rows that belong to this one.
    pub(crate) pointing: Option<Box<Pointing>>,
    pub(crate) related: Vec<Join>,
    pub(crate) with: Vec<Reach>,
    pub(crate) tail: Option<Box<Tail>>,
}

/// What few query sets have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    pub(crate) combine: Vec<(&'static str, Sub)>,
    pub(crate) lock: Option<Lock>,
    pub(crate) explain: bool,
}

/// Which rows are left out because they are there already.
#[derive(Debug, Clone, Default)]
pub(crate) enum Distinct {
    #[default]
    No,
    Rows,
    /// Rows with the same values in these fields.
    On(Vec<Path>),
}

/// A number of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows {
    Hole(u64),
    /// A number that belongs to the method and never changes.
    Constant(usize),
}

/// The keys of rows that are reached by following a relation of the model to itself.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) name: &'static str,
    pub(crate) start: Vec<Tree>,
    pub(crate) follow: Path,
    pub(crate) max_depth: u32,
}

/// How rows are locked by [`QuerySet::select_for_update`]: until the transaction ends nobody else changes them.
///
/// SQLite has one lock for the whole database, which this takes; the rest means nothing there.
#[derive(Debug, Clone)]
#[must_use = "a lock does nothing until it is given to `select_for_update`"]
pub struct Lock {
    pub(crate) wait: &'static str,
    /// Relations whose rows are locked; none for the row itself.
    pub(crate) of: Vec<Option<Path>>,
    pub(crate) no_key: bool,
}

impl Lock {
    /// Waits for rows that somebody else has locked.
    pub const fn wait() -> Self {
        Self { wait: "block", of: Vec::new(), no_key: false }
    }

    /// The query fails with 503 where a row is locked.
    pub const fn nowait() -> Self {
        Self { wait: "nowait", of: Vec::new(), no_key: false }
    }

    /// Rows that somebody else has locked are left out: how several workers share a queue.
    pub const fn skip_locked() -> Self {
        Self { wait: "skip_locked", of: Vec::new(), no_key: false }
    }

    /// Only these relations' rows (of `select_related`), not the row itself; with [`of_self`](Self::of_self) that too.
    pub fn of<R, M: Model, W: Nullness>(mut self, relation: Related<R, M, W>) -> Self {
        self.of.push(Some(relation.path()));
        self
    }

    /// The row itself, besides those of [`of`](Self::of).
    pub fn of_self(mut self) -> Self {
        self.of.push(None);
        self
    }

    /// Others may still insert rows that point to the locked ones.
    pub fn no_key(mut self) -> Self {
        self.no_key = true;
        self
    }
}

/// How deep a tree is followed.
const MAX_DEPTH: u32 = 100;

/// No row fulfils it.
fn no_rows() -> Tree {
    Tree::test(Lookup::Many("in", Vec::new()), KEY)
}

impl Query {
    /// Makes what rows belong to a condition, before all others, for documents that don't load for all peers.
    pub(crate) fn settle(&mut self) {
        if let Some(pointing) = self.pointing.take() {
            self.filters.insert(0, pointing.condition());
        }
    }

    pub(crate) fn tail(&mut self) -> &mut Tail {
        self.tail.get_or_insert_default()
    }

    /// Adds the rows of another query, or takes them away. `fields` are what each row holds; none for all of the model's columns.
    pub(crate) fn combine(&mut self, meta: &ModelMeta, fields: &[Node], word: &'static str, other: Sub) {
        // A limit would be about the rows of all together. So what has one becomes a member, beside no rows at all.
        if self.limit.is_some() || self.offset.is_some() {
            let query = core::mem::take(self);
            self.filters.push(no_rows());
            self.tail().combine.push(("union_all", Sub { model: meta.name, query, fields: fields.to_vec() }));
        }
        self.tail().combine.push((word, other));
    }

    /// The order that counts: the one asked for, the model's, or by key.
    pub(crate) fn ordered(&mut self, meta: &ModelMeta) -> Vec<Sorted> {
        match self.order.take() {
            Some(order) if !order.is_empty() => order,
            _ if !meta.ordering.is_empty() => meta.ordering.iter().map(|word| Sorted::from_word(word)).collect(),
            _ if meta.primary_key.len() > 1 => meta.primary_key.iter().map(|word| Sorted::from_word(word)).collect(),
            _ => vec![Sorted::from_word("pk")],
        }
    }

    /// Errors: where a statement about all rows of the set would be about others than the set's.
    pub(crate) fn unlimited(&self, what: &str, model: &str) -> Result<()> {
        if self.limit.is_some()
            || self.offset.is_some()
            || !matches!(self.distinct, Distinct::No)
            || self.tail.as_ref().is_some_and(|tail| !tail.combine.is_empty())
        {
            return Err(Error::internal(format!(
                "{what} of {model}: not of a set with limit, offset, distinct or a union; filter by key"
            )));
        }
        Ok(())
    }

    /// At most so many rows, besides the set's own limit.
    pub(crate) fn at_most(&mut self, most: usize) {
        match self.limit {
            Some(Rows::Hole(limit)) if limit < most as u64 => {}
            Some(Rows::Constant(limit)) if limit < most => {}
            _ => self.limit = Some(Rows::Constant(most)),
        }
    }
}

impl Sorted {
    /// From the words of `ordering`, such as `-pub_date`.
    pub(crate) fn from_word(word: &'static str) -> Self {
        let (name, descending) = word.strip_prefix('-').map_or((word, false), |name| (name, true));
        Self { node: Node::Field(Path::field(name)), descending, nulls: None }
    }

    fn reversed(mut self) -> Self {
        self.descending = !self.descending;
        self.nulls = self.nulls.map(|nulls| if nulls == "first" { "last" } else { "first" });
        self
    }
}

/// Rows of `M` that fulfil some conditions, in some order. Nothing is asked of the database before an `async` method.
#[must_use = "a query set asks nothing until one of its async methods is awaited"]
pub struct QuerySet<M> {
    pub(crate) query: Query,
    marker: PhantomData<fn() -> M>,
}

impl<M> Clone for QuerySet<M> {
    fn clone(&self) -> Self {
        Self::of(self.query.clone())
    }
}

impl<M> fmt::Debug for QuerySet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuerySet").field(&self.query).finish()
    }
}

impl<M> QuerySet<M> {
    pub(crate) const fn of(query: Query) -> Self {
        Self { query, marker: PhantomData }
    }
}

impl<M: Model> QuerySet<M> {
    pub(crate) fn new() -> Self {
        Self::of(Query::default())
    }

    /// The rows with these keys, in any order; at most 1,000 keys.
    pub(crate) fn with_keys(keys: &[RawKey]) -> Self {
        let mut set = Self::new();
        set.query.filters.push(one_of::<M>(keys));
        set.query.order = Some(Vec::new());
        set
    }

    /// The rows among these that belong to a row: what `question.choices()` is.
    #[doc(hidden)]
    pub fn pointing(pointing: Pointing) -> Self {
        let mut set = Self::new();
        set.query.pointing = Some(Box::new(pointing));
        set
    }

    /// Only rows that fulfil the condition.
    ///
    /// Over a many-valued (reverse) relation, all conditions of one call speak of the same related row; in two calls each may be about
    /// another one.
    pub fn filter(mut self, condition: Q<M>) -> Self {
        self.query.filters.push(condition.tree);
        self
    }

    /// Only rows that don't fulfil it. Over a many-valued relation: rows of which no related row does.
    pub fn exclude(self, condition: Q<M>) -> Self {
        self.filter(!condition)
    }

    /// No rows: what is made of it asks for nothing that is there.
    pub fn none(mut self) -> Self {
        self.query.filters.push(no_rows());
        self
    }

    /// Rows in this order, instead of the model's `ordering`. `[]` for none.
    pub fn order_by(mut self, order: impl IntoOrder<M>) -> Self {
        self.query.order = Some(order.into_order().into_iter().map(Order::sorted).collect());
        self
    }

    /// Rows in the opposite order.
    pub fn reverse(mut self) -> Self {
        self.query.order = Some(self.query.ordered(M::META).into_iter().map(Sorted::reversed).collect());
        self
    }

    /// No row twice. Rows of a model differ by their keys, so it matters to [`values`](Self::values) alone.
    pub fn distinct(mut self) -> Self {
        self.query.distinct = Distinct::Rows;
        self
    }

    /// Of rows with the same values in these fields only the first, by the set's order: `distinct_on(Choice::QUESTION)`.
    pub fn distinct_on(mut self, fields: impl IntoPaths<M>) -> Self {
        self.query.distinct = Distinct::On(fields.into_paths());
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.query.limit = Some(Rows::Hole(rows));
        self
    }

    /// Without the first rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.query.offset = Some(rows);
        self
    }

    /// Rows come with those that their relations lead to, in the same query: `select_related(Choice::QUESTION)`, or
    /// `select_related((Choice::QUESTION, Choice::QUESTION.author()))`. Without it, the first call of `choice.question()` loads those of all
    /// rows in a second query.
    pub fn select_related(mut self, relations: impl IntoJoins<M>) -> Self {
        relations.into_joins(&mut self.query.related);
        self
    }

    /// Locks the rows until the transaction ends. Errors: a 500 outside of a [`transaction`](super::transaction).
    pub fn select_for_update(mut self, lock: Lock) -> Self {
        self.query.tail().lock = Some(lock);
        self
    }

    /// The rows of this set and of the other, each once. Order, limit and offset of what comes out are those that are said after it; each of the two
    /// keeps its own.
    pub fn union(self, other: Self) -> Self {
        self.combined("union", other)
    }

    /// The rows of this set and of the other; a row of both comes twice.
    pub fn union_all(self, other: Self) -> Self {
        self.combined("union_all", other)
    }

    /// The rows that are in both sets.
    pub fn intersection(self, other: Self) -> Self {
        self.combined("intersect", other)
    }

    /// The rows of this set that aren't in the other.
    pub fn difference(self, other: Self) -> Self {
        self.combined("except", other)
    }

    fn combined(mut self, word: &'static str, other: Self) -> Self {
        let sub = Sub { model: M::NAME, query: other.query, fields: Vec::new() };
        self.query.combine(M::META, &[], word, sub);
        self
    }

    /// The row and all rows below it in a tree: those that it reaches by the reverse of a foreign key to the model itself, at most 100 levels.
    /// `Category::objects().descendants_of(&category, Category::CHILDREN)`
    pub fn descendants_of(self, row: impl KeyOf<M::Key>, children: Reverse<M, M>) -> Self {
        self.reached("descendants", row.key(), children.path())
    }

    /// The row and all rows above it in a tree: `Category::objects().ancestors_of(&category, Category::PARENT)`.
    pub fn ancestors_of<W: Nullness>(self, row: impl KeyOf<M::Key>, parent: Related<M, M, W>) -> Self {
        self.reached("ancestors", row.key(), parent.path())
    }

    fn reached(mut self, name: &'static str, key: M::Key, follow: Path) -> Self {
        use super::key::Key;
        let mut start = Vec::new();
        key.raw().conditions(M::META.primary_key, &mut start);
        self.query.with.push(Reach { name, start, follow, max_depth: MAX_DEPTH });
        self.query.filters.push(Tree::test(Lookup::With(name), KEY));
        self
    }

    /// The set as a part of another query.
    pub(crate) fn sub(self, fields: Vec<Node>) -> Sub {
        Sub { model: M::NAME, query: self.query, fields }
    }
}

impl<R, T> IntoPaths<R> for Field<R, T> {
    fn into_paths(self) -> Vec<Path> {
        vec![self.path()]
    }
}

impl<R, M: Model, W: Nullness> IntoPaths<R> for Related<R, M, W> {
    fn into_paths(self) -> Vec<Path> {
        vec![self.path()]
    }
}

macro_rules! paths_of_tuples {
    ($(($($type:ident $at:tt),+)),+) => {
        $(impl<R, $($type: IntoPaths<R>),+> IntoPaths<R> for ($($type,)+) {
            fn into_paths(self) -> Vec<Path> {
                let mut paths = Vec::new();
                $(paths.append(&mut self.$at.into_paths());)+
                paths
            }
        })+
    };
}

paths_of_tuples!((A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));
