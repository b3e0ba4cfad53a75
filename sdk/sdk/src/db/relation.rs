//! Foreign keys, and the rows they lead to.
//!
//! All rows of one result share what their foreign keys load: the first `choice.question().await?` fetches the questions of
//! all choices that were fetched with it, in one query, so a loop over rows doesn't become a query for each.

use core::any::Any;
use core::cell::RefCell;
use core::fmt;
use core::ops::Deref;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::Value;
use super::kinds::{FieldKind, Kind, NoLiteral};
use super::model::{Id, Model};
use super::query::QuerySet;
use super::rows::{Cell, Column, Misfit};
use crate::error::{Error, Result};

/// A relation to one row of `M`: its key, and the row when it is asked for.
pub struct ForeignKey<M> {
    id: Id<M>,
    peers: Rc<Peers<M>>,
}

/// What the foreign keys of one column of one result have in common.
struct Peers<M> {
    wanted: RefCell<Vec<i64>>,
    loaded: RefCell<BTreeMap<i64, Row<M>>>,
}

impl<M> Default for Peers<M> {
    fn default() -> Self {
        Self { wanted: RefCell::default(), loaded: RefCell::default() }
    }
}

/// Keys that one query asks for: what the contract lets into one list.
const AT_ONCE: usize = 1_000;

impl<M> ForeignKey<M> {
    /// The key, without a query.
    pub fn id(&self) -> Id<M> {
        self.id
    }

    #[cfg(test)]
    pub(super) fn same_peers(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.peers, &other.peers)
    }
}

impl<M: Model> ForeignKey<M> {
    /// The row. Loads it together with those of all rows of the same result, once.
    ///
    /// Errors: `is_not_found` where the row is gone, and those of a query.
    pub async fn get(&self) -> Result<Row<M>> {
        if let Some(row) = self.peers.loaded.borrow().get(&self.id.get()) {
            return Ok(row.clone());
        }
        // Taken out, not borrowed: another task may want to load while this one waits.
        let mut wanted = self.peers.wanted.take();
        wanted.push(self.id.get());
        wanted.sort_unstable();
        wanted.dedup();
        for keys in wanted.chunks(AT_ONCE) {
            let rows = QuerySet::<M>::with_keys(keys).all().await?;
            self.peers.loaded.borrow_mut().extend(rows.into_iter().map(|row| (row.id().get(), Row::new(row))));
        }
        self.peers
            .loaded
            .borrow()
            .get(&self.id.get())
            .cloned()
            .ok_or_else(|| Error::not_found().context(format!("{} {} is gone", M::NAME, self.id)))
    }
}

impl<M> Clone for ForeignKey<M> {
    fn clone(&self) -> Self {
        Self { id: self.id, peers: Rc::clone(&self.peers) }
    }
}

impl<M: Model> fmt::Debug for ForeignKey<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", M::NAME, self.id)
    }
}

impl<M> PartialEq for ForeignKey<M> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<M> Eq for ForeignKey<M> {}

impl<M> From<Id<M>> for ForeignKey<M> {
    fn from(id: Id<M>) -> Self {
        Self { id, peers: Rc::default() }
    }
}

impl<M: Model> From<&M> for ForeignKey<M> {
    fn from(row: &M) -> Self {
        row.id().into()
    }
}

impl<M> Serialize for ForeignKey<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<M: Model> Kind for ForeignKey<M> {
    type Base = Id<M>;
    type Literal = NoLiteral;
    const KIND: FieldKind = FieldKind::ForeignKey { to: M::NAME };

    fn to_value(&self) -> Value {
        Value::Integer(self.id.get())
    }

    fn from_cell(cell: Cell<'_>, column: &mut Column) -> core::result::Result<Self, Misfit> {
        let Cell::Integer(id) = cell else {
            return Err(Misfit);
        };
        let shared = column.0.get_or_insert_with(|| Rc::new(Peers::<M>::default()) as Rc<dyn Any>);
        // A column has one kind, so what is there is always this model's.
        let peers = Rc::clone(shared).downcast::<Peers<M>>().map_err(|_| Misfit)?;
        peers.wanted.borrow_mut().push(id);
        Ok(Self { id: Id::new(id), peers })
    }
}

/// A row that several foreign keys lead to. Use it like a `&M`.
pub struct Row<M>(Rc<M>);

impl<M> Row<M> {
    pub(crate) fn new(row: M) -> Self {
        Self(Rc::new(row))
    }
}

impl<M> Clone for Row<M> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<M> Deref for Row<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M: fmt::Debug> fmt::Debug for Row<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: Serialize> Serialize for Row<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
