//! Many-to-many fields: rows of two models that belong together by rows of a third.

use core::fmt;
use core::marker::PhantomData;

use super::annotate::{Annotated, Grouped, Total};
use super::condition::Q;
use super::field::{IntoOrder, Path};
use super::join::IntoJoins;
use super::key::{Key, KeyOf, RawKey};
use super::model::Model;
use super::node::{Lookup, Node, Tree};
use super::query::QuerySet;
use super::related::{By, Pointing};
use super::shape::Shape;
use super::values::{Aggregates, Columns, Keys, Values};
use super::{Value, transaction};
use crate::error::{Error, Result};

/// A field that leads to many rows of `M`, of which each leads to many of this model's. It holds nothing: the rows are those of the method
/// that is called like it, `article.tags()`.
pub struct ManyToMany<M>(PhantomData<fn() -> M>);

impl<M> ManyToMany<M> {
    /// The field, in a row that is made by hand.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M> Default for ManyToMany<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Clone for ManyToMany<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for ManyToMany<M> {}

impl<M> PartialEq for ManyToMany<M> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<M> Eq for ManyToMany<M> {}

impl<M> fmt::Debug for ManyToMany<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManyToMany")
    }
}

/// The rows of `M` that belong to a row by a many-to-many field: to be read as a [`QuerySet`], and to be changed.
///
/// As with `question.choices()`, the first `article.tags().all()` loads the tags of all articles that were fetched together.
#[must_use = "nothing is asked until one of its async methods is awaited"]
pub struct Many<M> {
    set: QuerySet<M>,
    link: Link,
}

#[derive(Clone)]
struct Link {
    key: RawKey,
    through: &'static str,
    source: &'static str,
    target: &'static str,
    /// The table's rows are the app's own model, with fields of their own.
    own: bool,
}

impl<M> Clone for Many<M> {
    fn clone(&self) -> Self {
        Self { set: self.set.clone(), link: self.link.clone() }
    }
}

impl<M> fmt::Debug for Many<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Many").field(&self.set).finish()
    }
}

impl<M> From<Many<M>> for QuerySet<M> {
    fn from(many: Many<M>) -> Self {
        many.set
    }
}

impl<M: Model> Many<M> {
    /// What belongs to `row`; the derive calls it. `own` is whether the rows between are the app's own model.
    #[doc(hidden)]
    pub fn of<R: Model>(row: &R, by: By, own: bool) -> Self {
        let (through, source, target) = match by {
            By::Through { through, source, target, .. } => (through, source, target),
            By::Field(field) => (M::NAME, field, "pk"),
        };
        let pointing = Pointing::to(row, by);
        let link = Link { key: pointing.key.clone(), through, source, target, own };
        Self { set: QuerySet::pointing(pointing), link }
    }

    /// The rows as a query set, for all that isn't here.
    pub fn query(self) -> QuerySet<M> {
        self.set
    }

    /// As [`QuerySet::filter`].
    pub fn filter(self, condition: Q<M>) -> QuerySet<M> {
        self.set.filter(condition)
    }

    /// As [`QuerySet::exclude`].
    pub fn exclude(self, condition: Q<M>) -> QuerySet<M> {
        self.set.exclude(condition)
    }

    /// As [`QuerySet::order_by`].
    pub fn order_by(self, order: impl IntoOrder<M>) -> QuerySet<M> {
        self.set.order_by(order)
    }

    /// As [`QuerySet::limit`].
    pub fn limit(self, rows: u64) -> QuerySet<M> {
        self.set.limit(rows)
    }

    /// As [`QuerySet::select_related`].
    pub fn select_related(self, relations: impl IntoJoins<M>) -> QuerySet<M> {
        self.set.select_related(relations)
    }

    /// As [`QuerySet::values`].
    pub fn values<C: Columns<M>>(self, columns: C) -> Values<M, C::Output, C::Named> {
        self.set.values(columns)
    }

    /// As [`QuerySet::annotate`].
    pub fn annotate<A: Columns<M>>(self, columns: A) -> Annotated<M, A::Output, A::Named> {
        self.set.annotate(columns)
    }

    /// As [`QuerySet::group_by`].
    pub fn group_by<K: Keys<M>>(self, keys: K) -> Grouped<M, K::Output> {
        self.set.group_by(keys)
    }

    /// As [`QuerySet::aggregate`].
    pub fn aggregate<A: Aggregates<M>>(self, aggregates: A) -> Total<M, A::Output> {
        self.set.aggregate(aggregates)
    }

    /// All rows, as [`QuerySet::all`].
    pub async fn all(self) -> Result<Vec<M>> {
        self.set.all().await
    }

    /// The first row, as [`QuerySet::first`].
    pub async fn first(self) -> Result<Option<M>> {
        self.set.first().await
    }

    /// How many rows there are.
    pub async fn count(self) -> Result<u64> {
        self.set.count().await
    }

    /// Whether there is a row.
    pub async fn exists(self) -> Result<bool> {
        self.set.exists().await
    }

    /// Whether the row is among them.
    pub async fn contains(self, row: &M) -> Result<bool> {
        self.set.contains(row).await
    }

    /// Adds rows; those that belong already stay. Returns how many were added.
    ///
    /// Errors: a 500 for a field with a model of the app's own between (`through`): create its rows instead, they have fields of their own.
    pub async fn add<K: KeyOf<M::Key>>(self, rows: impl IntoIterator<Item = K>) -> Result<u64> {
        let keys = rows.into_iter().map(|row| row.key().raw()).collect();
        self.link.add(keys).await
    }

    /// Takes rows out; the rows themselves stay. Returns how many were taken out.
    pub async fn remove<K: KeyOf<M::Key>>(self, rows: impl IntoIterator<Item = K>) -> Result<u64> {
        let keys = rows.into_iter().map(|row| row.key().raw().value()).collect();
        self.link.delete(Some(Lookup::Many("in", keys))).await
    }

    /// Takes all rows out; the rows themselves stay. Returns how many were taken out.
    pub async fn clear(self) -> Result<u64> {
        self.link.delete(None).await
    }

    /// These rows and no others, as one unit.
    ///
    /// Errors: as [`add`](Self::add).
    pub async fn set<K: KeyOf<M::Key>>(self, rows: impl IntoIterator<Item = K>) -> Result<()> {
        let keys: Vec<RawKey> = rows.into_iter().map(|row| row.key().raw()).collect();
        let link = self.link;
        transaction::transaction(async || {
            let kept = keys.iter().map(RawKey::value).collect();
            link.delete_others(kept).await?;
            link.add(keys.clone()).await?;
            Ok(())
        })
        .await
    }
}

impl Link {
    async fn add(&self, keys: Vec<RawKey>) -> Result<u64> {
        if self.own {
            return Err(Error::internal(format!("create rows of {} instead: it has fields of its own", self.through)));
        }
        if keys.is_empty() {
            return Ok(0);
        }
        let mut added = 0;
        for keys in keys.chunks(super::writing::ROWS_AT_ONCE) {
            let mut shape = Shape::new("insert", self.through);
            let sources = vec![self.key.value(); keys.len()];
            let targets = keys.iter().map(RawKey::value).collect();
            shape.columns([(self.source, sources), (self.target, targets)]);
            shape.on_conflict(&[], Vec::new());
            added += transaction::execute(shape.finish()?, Some(self.through)).await?.affected;
        }
        Ok(added)
    }

    fn source_is_this(&self) -> Tree {
        Tree::test(Lookup::One("exact", Node::value(self.key.value())), Path::field(self.source))
    }

    async fn delete(&self, targets: Option<Lookup>) -> Result<u64> {
        let mut filters = vec![self.source_is_this()];
        filters.extend(targets.map(|targets| Tree::test(targets, Path::field(self.target))));
        self.delete_where(filters).await
    }

    async fn delete_others(&self, kept: Vec<Value>) -> Result<u64> {
        let is_kept = Tree::test(Lookup::Many("in", kept), Path::field(self.target));
        self.delete_where(vec![self.source_is_this(), Tree::Not(Box::new(is_kept))]).await
    }

    async fn delete_where(&self, filters: Vec<Tree>) -> Result<u64> {
        let mut shape = Shape::new("delete", self.through);
        shape.filters(filters);
        // Other rows may point to those of an own model between.
        let written = if self.own { None } else { Some(self.through) };
        Ok(transaction::execute(shape.finish()?, written).await?.affected)
    }
}
