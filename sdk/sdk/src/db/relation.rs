//! Foreign keys and one-to-one fields, and the rows they lead to.
//!
//! All rows of one result share what their foreign keys load: the first `choice.question().await?` fetches the questions of
//! all choices that were fetched with it, in one query, so a loop over rows doesn't become a query for each.

use core::any::Any;
use core::cell::RefCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::Value;
use super::key::{Id, Key, KeyMap, KeyOf, RawKey};
use super::kinds::{Kind, Must, NoLiteral, Store};
use super::meta::FieldKind;
use super::model::Model;
use super::query::QuerySet;
use super::rows::{Cell, Column, Misfit, Reader};
use super::scope;
use crate::error::{Error, Result};

/// A relation to one row of `M`: its key, and the row when it is asked for.
pub struct ForeignKey<M> {
    key: RawKey,
    peers: Rc<Peers>,
    // A function, so that the compiler needn't follow foreign keys from model to model to know how one is dropped.
    marker: PhantomData<fn() -> M>,
}

/// What the foreign keys of one column of one result have in common.
#[derive(Default)]
struct Peers {
    /// Keys whose rows may be asked for, each once.
    wanted: RefCell<Vec<RawKey>>,
    known: RefCell<KeyMap>,
    /// Where rows are that came.
    places: RefCell<KeyMap>,
    /// Each an `M`.
    rows: RefCell<Vec<Rc<dyn Any>>>,
}

impl Peers {
    fn want(&self, key: &RawKey) {
        // Rows of one parent come together, so the last key is the likeliest.
        let mut wanted = self.wanted.borrow_mut();
        if wanted.last() != Some(key) {
            let next = wanted.len();
            let mut known = self.known.borrow_mut();
            if known.place_or(key.clone(), next) == next {
                wanted.push(key.clone());
            }
        }
    }

    fn found<M: Model>(&self, key: &RawKey) -> Option<Row<M>> {
        let place = self.places.borrow().place(key)?;
        let row = Rc::clone(self.rows.borrow().get(place)?);
        row.downcast::<M>().ok().map(Row)
    }

    fn keep<M: Model>(&self, key: RawKey, row: M) {
        let mut rows = self.rows.borrow_mut();
        let next = rows.len();
        if self.places.borrow_mut().place_or(key, next) == next {
            rows.push(Rc::new(row));
        }
    }
}

/// Keys that one query asks for: what the contract lets into one list.
const AT_ONCE: usize = 1_000;

impl<M> ForeignKey<M> {
    pub(crate) fn raw(&self) -> &RawKey {
        &self.key
    }

    #[cfg(test)]
    pub(super) fn same_peers(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.peers, &other.peers)
    }
}

impl<M: Model> ForeignKey<M> {
    /// The key, without a query.
    pub fn id(&self) -> M::Key {
        match M::Key::from_raw(&self.key) {
            Some(key) => key,
            // Keys are made of one of this type, or were read as one.
            None => unreachable!("the key of a {} is of another type", M::NAME),
        }
    }

    /// The row. Loads it together with those of all rows of the same result, once.
    ///
    /// Errors: `is_not_found` where the row is gone, and those of a query.
    pub async fn get(&self) -> Result<Row<M>> {
        if let Some(row) = self.peers.found(&self.key) {
            return Ok(row);
        }
        self.peers.want(&self.key);
        // Taken out, not borrowed: another task may want to load while this one waits.
        let wanted = self.peers.wanted.take();
        self.peers.known.take();
        for keys in wanted.chunks(AT_ONCE) {
            for row in QuerySet::<M>::with_keys(keys).all().await? {
                self.peers.keep(row.pk().raw(), row);
            }
        }
        self.peers
            .found(&self.key)
            .ok_or_else(|| Error::not_found().context(format!("{} {} is gone", M::NAME, self.key)))
    }
}

/// Reads a row that came with those whose relation at the column leads to it, and hands it to them.
pub(crate) fn deliver<M: Model>(reader: &mut Reader<'_>, column: usize) -> Result<()> {
    if matches!(reader.peek(), Some(Cell::Null) | None) {
        // The relation leads nowhere.
        reader.skip(M::META.width());
        return Ok(());
    }
    let set = reader.next_set::<M>();
    let row = M::read(reader)?;
    let key = row.pk().raw();
    scope::keep_keys(set, [key.clone()]);
    if let Some(peers) = peers_of(reader.column(column)) {
        peers.keep(key, row);
    }
    Ok(())
}

/// What the relations in a column share.
fn peers_of(column: &mut Column) -> Option<Rc<Peers>> {
    let shared = column.shared.get_or_insert_with(|| Rc::new(Peers::default()) as Rc<dyn Any>);
    Rc::clone(shared).downcast::<Peers>().ok()
}

impl<M> Clone for ForeignKey<M> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), peers: Rc::clone(&self.peers), marker: PhantomData }
    }
}

impl<M> fmt::Debug for ForeignKey<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignKey({})", self.key)
    }
}

impl<M> PartialEq for ForeignKey<M> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<M> Eq for ForeignKey<M> {}

impl<M: Model> ForeignKey<M> {
    /// The relation to a row: its key, or a reference to it.
    pub fn to(row: impl KeyOf<M::Key>) -> Self {
        Self { key: row.key().raw(), peers: Rc::default(), marker: PhantomData }
    }
}

impl<M: Model<Key = Id<M, K>>, K: Copy> From<Id<M, K>> for ForeignKey<M> {
    fn from(id: Id<M, K>) -> Self {
        Self::to(id)
    }
}

impl<M: Model> From<&M> for ForeignKey<M> {
    fn from(row: &M) -> Self {
        Self::to(row)
    }
}

fn serialize_key<S: Serializer>(key: &RawKey, serializer: S) -> core::result::Result<S::Ok, S::Error> {
    match key {
        RawKey::Integer(number) => serializer.serialize_i64(*number),
        other => serializer.collect_str(other),
    }
}

impl<M> Serialize for ForeignKey<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        serialize_key(&self.key, serializer)
    }
}

impl<M: Model<Key: Kind + Store>> Kind for ForeignKey<M> {
    type Base = M::Key;
    type Nullness = Must;
    type Literal = NoLiteral;
    const KIND: FieldKind = FieldKind::ForeignKey { to: M::NAME };

    fn to_value(&self) -> Value {
        self.key.value()
    }

    fn from_cell(cell: Cell<'_>, column: &mut Column) -> core::result::Result<Self, Misfit> {
        let key = RawKey::of_cell(cell).filter(|key| M::Key::from_raw(key).is_some()).ok_or(Misfit)?;
        let peers = peers_of(column).ok_or(Misfit)?;
        peers.want(&key);
        Ok(Self { key, peers, marker: PhantomData })
    }
}

/// A relation to one row of `M` that no two rows share: a foreign key that is unique. It can be asked all that a [`ForeignKey`] can.
pub struct OneToOne<M>(ForeignKey<M>);

impl<M> Deref for OneToOne<M> {
    type Target = ForeignKey<M>;

    fn deref(&self) -> &ForeignKey<M> {
        &self.0
    }
}

impl<M> Clone for OneToOne<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> fmt::Debug for OneToOne<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneToOne({})", self.0.key)
    }
}

impl<M> PartialEq for OneToOne<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M> Eq for OneToOne<M> {}

impl<M: Model> OneToOne<M> {
    /// The relation to a row: its key, or a reference to it.
    pub fn to(row: impl KeyOf<M::Key>) -> Self {
        Self(ForeignKey::to(row))
    }
}

impl<M: Model<Key = Id<M, K>>, K: Copy> From<Id<M, K>> for OneToOne<M> {
    fn from(id: Id<M, K>) -> Self {
        Self(id.into())
    }
}

impl<M: Model> From<&M> for OneToOne<M> {
    fn from(row: &M) -> Self {
        Self::to(row)
    }
}

impl<M> Serialize for OneToOne<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<M: Model<Key: Kind + Store>> Kind for OneToOne<M> {
    type Base = M::Key;
    type Nullness = Must;
    type Literal = NoLiteral;
    const KIND: FieldKind = FieldKind::OneToOne { to: M::NAME };

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn from_cell(cell: Cell<'_>, column: &mut Column) -> core::result::Result<Self, Misfit> {
        ForeignKey::from_cell(cell, column).map(Self)
    }
}

/// A row that several foreign keys lead to. Use it like a `&M`.
pub struct Row<M>(Rc<M>);

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
