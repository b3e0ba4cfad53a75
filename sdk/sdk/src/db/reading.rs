//! Query sets, asked.

use std::collections::BTreeMap;

use super::field::IntoOrder;
use super::join;
use super::key::{KEY, Key, KeyOf, RawKey};
use super::model::Model;
use super::node::{Lookup, Node, Tree};
use super::query::{Query, QuerySet};
use super::rows::{Reader, packed_number, packed_texts};
use super::shape::Shape;
use super::{Pending, Statement, related, transaction};
use crate::error::{Error, Result};

impl<M: Model> QuerySet<M> {
    /// All rows.
    ///
    /// Of rows that belong to a row, as `question.choices()`, the first call loads those of all questions that were fetched together.
    ///
    /// Errors: `is_unavailable` where the database is busy; `budget` past the request's rows (10,000 by default): use [`limit`](Self::limit).
    pub async fn all(self) -> Result<Vec<M>> {
        let query = if self.query.pointing.is_some() {
            match related::shared(self.query, M::META) {
                Ok(shared) => return shared?.all().await,
                Err(query) => *query,
            }
        } else {
            self.query
        };
        Self::of(query).fetch().await
    }

    async fn fetch(self) -> Result<Vec<M>> {
        let joins = self.query.related.clone();
        let bytes = transaction::fetch_packed(self.select()?).await?;
        join::all(&joins, Reader::packed(M::NAME, M::META.width() + join::width(&joins), &bytes)?)
    }

    /// The first row, by the order or, without one, by key.
    pub async fn first(mut self) -> Result<Option<M>> {
        self.query.order = Some(self.query.ordered(M::META));
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

    /// The row with the largest value: `latest(Question::PUB_DATE)`.
    pub async fn latest(self, by: impl IntoOrder<M>) -> Result<Option<M>> {
        self.order_by(by).last().await
    }

    /// The row with the smallest value: `earliest(Question::PUB_DATE)`.
    pub async fn earliest(self, by: impl IntoOrder<M>) -> Result<Option<M>> {
        self.order_by(by).first().await
    }

    /// The row with this key. Errors: `is_not_found`.
    pub fn get(self, key: impl KeyOf<M::Key>) -> Pending<M> {
        let key = key.key().raw();
        Pending::new(self.by_key(key))
    }

    /// The row with this key, or a 404: the same as [`get`](Self::get), under the name that says it.
    pub fn get_or_404(self, key: impl KeyOf<M::Key>) -> Pending<M> {
        self.get(key)
    }

    pub(crate) async fn by_key(mut self, key: RawKey) -> Result<M> {
        key.conditions(M::META.primary_key, &mut self.query.filters);
        self.query.order = Some(Vec::new());
        self.take(1).await?.pop().ok_or_else(|| Error::not_found().context(format!("{} {key}", M::NAME)))
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

    /// The rows with these keys, by key; those that aren't there are left out.
    pub fn in_bulk<K: KeyOf<M::Key>>(self, keys: impl IntoIterator<Item = K>) -> Pending<BTreeMap<M::Key, M>> {
        let keys: Vec<RawKey> = keys.into_iter().map(|key| key.key().raw()).collect();
        Pending::new(async move {
            let mut found = BTreeMap::new();
            for keys in keys.chunks(super::writing::ROWS_AT_ONCE) {
                let mut set = self.clone();
                set.query.filters.push(one_of::<M>(keys));
                set.query.order = Some(Vec::new());
                found.extend(set.all().await?.into_iter().map(|row| (row.pk(), row)));
            }
            Ok(found)
        })
    }

    /// Whether the row is in the set.
    pub async fn contains(mut self, row: &M) -> Result<bool> {
        row.pk().raw().conditions(M::META.primary_key, &mut self.query.filters);
        self.exists().await
    }

    /// How many rows there are.
    pub async fn count(self) -> Result<u64> {
        number::<M>("count", self.query, Vec::new()).await
    }

    /// Whether there is a row.
    pub async fn exists(self) -> Result<bool> {
        Ok(number::<M>("exists", self.query, Vec::new()).await? != 0)
    }

    /// All rows, each with what belongs to it: `Question::objects().prefetch_related(|question| question.choices().order_by(Choice::VOTES.desc()))`.
    /// One query for the rows and one for what belongs to them.
    pub async fn prefetch_related<N: Model, S: Into<QuerySet<N>>>(
        self,
        related: impl Fn(&M) -> S,
    ) -> Result<Vec<(M, Vec<N>)>> {
        let mut all = Vec::new();
        for row in self.all().await? {
            let belonging = related(&row).into().all().await?;
            all.push((row, belonging));
        }
        Ok(all)
    }

    /// How the database would find the rows, in its own words: one line for each step. For people; databases differ.
    pub async fn explain(mut self) -> Result<String> {
        self.query.tail().explain = true;
        let bytes = transaction::fetch_packed(self.select()?).await?;
        packed_texts(M::NAME, &bytes)
    }

    async fn take(mut self, most: usize) -> Result<Vec<M>> {
        self.query.at_most(most);
        self.fetch().await
    }

    /// The reading shape.
    pub(crate) fn select(self) -> Result<Statement> {
        let mut shape = Shape::new("select", M::NAME);
        shape.select(self.query, Vec::new());
        shape.finish()
    }
}

/// How many rows there are, or 1 where there are some. `fields` are what they hold; none for all of the model's columns.
pub(crate) async fn number<M: Model>(op: &'static str, mut query: Query, fields: Vec<Node>) -> Result<u64> {
    // An order changes nothing, and neither document has one; nor related rows.
    query.order = None;
    query.related.clear();
    if let Some(tail) = &mut query.tail {
        tail.lock = None;
    }
    if op == "exists" {
        query.distinct = super::query::Distinct::No;
    }
    let mut shape = Shape::new(op, M::NAME);
    shape.select(query, fields);
    let bytes = transaction::fetch_packed(shape.finish()?).await?;
    let number = packed_number(&bytes).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| Error::internal(format!("{op} of {} answered no number", M::NAME)))
}

/// The row has one of these keys.
pub(super) fn one_of<M: Model>(keys: &[RawKey]) -> Tree {
    if M::META.primary_key.len() < 2 {
        return Tree::test(Lookup::Many("in", keys.iter().map(RawKey::value).collect()), KEY);
    }
    let each = keys.iter().map(|key| {
        let mut parts = Vec::new();
        key.conditions(M::META.primary_key, &mut parts);
        Tree::And(parts)
    });
    Tree::Or(each.collect())
}
