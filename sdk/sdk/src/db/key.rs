//! Primary keys: those that are counted up, UUIDs, and a model's own.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Value;
use super::field::Path;
use super::kinds::{Kind, Must, NoLiteral, Store};
use super::meta::FieldKind;
use super::model::Model;
use super::node::{Lookup, Node, Tree};
use super::relation::{ForeignKey, Row};
use super::rows::{Cell, Column, Misfit};
use crate::extract;
use crate::time::{Date, DateTime, Duration, Time};

/// Every model's key, whatever it is called.
pub(crate) const KEY: Path = Path::field("pk");

/// The key of a row of `M`: a number that the database counts up, or with `Id<M, Uuid>` a UUID v7 that the host makes. A key of one model
/// isn't taken for another's.
pub struct Id<M, K = i64> {
    id: K,
    /// Which result the row came with, for loading what belongs to all its rows; 0 for none. No part of the key.
    set: u32,
    marker: PhantomData<fn() -> M>,
}

impl<M, K: Copy> Id<M, K> {
    /// The key with this number or UUID. Whether there is such a row is another question.
    pub const fn new(id: K) -> Self {
        Self { id, set: 0, marker: PhantomData }
    }

    /// The number or UUID.
    pub const fn get(self) -> K {
        self.id
    }
}

impl<M, K: Copy> Clone for Id<M, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, K: Copy> Copy for Id<M, K> {}

impl<M, K: PartialEq> PartialEq for Id<M, K> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<M, K: Eq> Eq for Id<M, K> {}

impl<M, K: PartialOrd> PartialOrd for Id<M, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.id.partial_cmp(&other.id)
    }
}

impl<M, K: Ord> Ord for Id<M, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl<M, K: Hash> Hash for Id<M, K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<M, K: fmt::Debug> fmt::Debug for Id<M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<M, K: fmt::Display> fmt::Display for Id<M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<M> From<i64> for Id<M> {
    fn from(id: i64) -> Self {
        Self::new(id)
    }
}

impl<M> From<Uuid> for Id<M, Uuid> {
    fn from(id: Uuid) -> Self {
        Self::new(id)
    }
}

impl<M: Model<Key = Self>, K> From<&M> for Id<M, K> {
    fn from(row: &M) -> Self {
        row.pk()
    }
}

impl<M, K: FromStr + Copy> FromStr for Id<M, K> {
    type Err = K::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::new)
    }
}

impl<M, K: Serialize> Serialize for Id<M, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<'de, M, K: Deserialize<'de> + Copy> Deserialize<'de> for Id<M, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::deserialize(deserializer).map(Self::new)
    }
}

macro_rules! ids {
    ($($key:ty: $kind:ident);+ $(;)?) => {
        $(impl<M: Model> Store for Id<M, $key> {
            fn into_value(self) -> Value {
                self.id.into_value()
            }
        }

        impl<M: Model> Kind for Id<M, $key> {
            type Base = Self;
            type Nullness = Must;
            type Literal = NoLiteral;
            const KIND: FieldKind = FieldKind::$kind;

            fn to_value(&self) -> Value {
                self.id.into_value()
            }

            fn from_cell(cell: Cell<'_>, column: &mut Column) -> Result<Self, Misfit> {
                let id = <$key as Kind>::from_cell(cell, column)?;
                Ok(Self { id, set: column.set, marker: PhantomData })
            }
        }

        impl<M: Model> Key for Id<M, $key> {
            fn raw(&self) -> RawKey {
                self.id.raw()
            }

            fn from_raw(raw: &RawKey) -> Option<Self> {
                <$key as Key>::from_raw(raw).map(Self::new)
            }

            fn set(&self) -> u32 {
                self.set
            }
        })+
    };
}

ids!(i64: Auto; Uuid: AutoUuid);

/// What can be a model's primary key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a primary key",
    note = "use Id<Self>, Id<Self, Uuid>, String, Uuid, a whole number, a ForeignKey or a OneToOne; for several fields together write `#[model(primary_key = [\"a\", \"b\"])]`"
)]
pub trait Key: Clone + Ord + fmt::Debug + 'static {
    /// The key without its type.
    #[doc(hidden)]
    fn raw(&self) -> RawKey;
    /// The other way, where it is one of this type.
    #[doc(hidden)]
    fn from_raw(raw: &RawKey) -> Option<Self>;
    /// Which result the row came with; 0 where the key doesn't tell.
    #[doc(hidden)]
    fn set(&self) -> u32 {
        0
    }
}

/// A key without its type: as it crosses, and as rows are found by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[doc(hidden)]
pub enum RawKey {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Several(Vec<RawKey>),
}

impl RawKey {
    /// The value as it crosses. A key of several fields has none: its fields are asked one by one.
    pub(crate) fn value(&self) -> Value {
        match self {
            RawKey::Integer(number) => Value::Integer(*number),
            RawKey::Text(text) => Value::Text(text.clone()),
            RawKey::Bytes(bytes) => Value::Bytes(bytes.clone()),
            RawKey::Several(_) => Value::Null,
        }
    }

    pub(crate) fn of_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Integer(number) => Some(RawKey::Integer(number)),
            Cell::Text(text) => Some(RawKey::Text(text.to_owned())),
            Cell::Bytes(bytes) => Some(RawKey::Bytes(bytes.to_vec())),
            _ => None,
        }
    }

    /// The conditions that only the row with this key fulfils; `fields` are the key's, where it has several.
    pub(crate) fn conditions(&self, fields: &'static [&'static str], to: &mut Vec<Tree>) {
        let is = |value: Value, path: Path| Tree::test(Lookup::One("exact", Node::value(value)), path);
        match self {
            RawKey::Several(parts) => {
                to.extend(parts.iter().zip(fields).map(|(part, field)| is(part.value(), Path::field(field))));
            }
            one => to.push(is(one.value(), KEY)),
        }
    }
}

impl fmt::Display for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawKey::Integer(number) => number.fmt(f),
            RawKey::Text(text) => f.write_str(text),
            RawKey::Bytes(bytes) => match Uuid::from_slice(bytes) {
                Ok(uuid) => uuid.fmt(f),
                Err(_) => f.write_str("(bytes)"),
            },
            RawKey::Several(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    part.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

/// Where keys are in a list beside it. One map for all of them: each further one would be code of its own.
#[derive(Debug, Default)]
pub(crate) struct KeyMap(BTreeMap<RawKey, usize>);

impl KeyMap {
    pub(crate) fn place(&self, key: &RawKey) -> Option<usize> {
        self.0.get(key).copied()
    }

    /// The key's place; a new one's is `next`.
    pub(crate) fn place_or(&mut self, key: RawKey, next: usize) -> usize {
        *self.0.entry(key).or_insert(next)
    }
}

macro_rules! whole_keys {
    ($($type:ty),+) => {
        $(impl Key for $type {
            fn raw(&self) -> RawKey {
                RawKey::Integer((*self).into())
            }

            fn from_raw(raw: &RawKey) -> Option<Self> {
                match raw {
                    RawKey::Integer(number) => (*number).try_into().ok(),
                    _ => None,
                }
            }
        })+
    };
}

whole_keys!(i16, i32, i64, u16, u32);

/// Kinds that are whole numbers where they are stored, for keys of several fields.
macro_rules! stored_keys {
    ($($type:ty),+) => {
        $(impl Key for $type {
            fn raw(&self) -> RawKey {
                match self.to_value() {
                    Value::Integer(number) => RawKey::Integer(number),
                    _ => RawKey::Integer(0),
                }
            }

            fn from_raw(raw: &RawKey) -> Option<Self> {
                match raw {
                    RawKey::Integer(number) => Self::from_cell(Cell::Integer(*number), &mut Column::default()).ok(),
                    _ => None,
                }
            }
        })+
    };
}

stored_keys!(Date, DateTime, Time, Duration);

impl Key for String {
    fn raw(&self) -> RawKey {
        RawKey::Text(self.clone())
    }

    fn from_raw(raw: &RawKey) -> Option<Self> {
        match raw {
            RawKey::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Key for Uuid {
    fn raw(&self) -> RawKey {
        RawKey::Bytes(self.as_bytes().to_vec())
    }

    fn from_raw(raw: &RawKey) -> Option<Self> {
        match raw {
            RawKey::Bytes(bytes) => Self::from_slice(bytes).ok(),
            _ => None,
        }
    }
}

macro_rules! several_keys {
    ($(($($type:ident $at:tt),+)),+ $(,)?) => {
        $(impl<$($type: Key),+> Key for ($($type,)+) {
            fn raw(&self) -> RawKey {
                RawKey::Several(vec![$(self.$at.raw()),+])
            }

            fn from_raw(raw: &RawKey) -> Option<Self> {
                match raw {
                    RawKey::Several(parts) => Some(($($type::from_raw(parts.get($at)?)?,)+)),
                    _ => None,
                }
            }
        }

        impl<$($type: Key),+> KeyOf<($($type,)+)> for ($($type,)+) {
            fn key(self) -> Self {
                self
            }
        })+
    };
}

several_keys! {
    (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3), (A 0, B 1, C 2, D 3, E 4), (A 0, B 1, C 2, D 3, E 4, F 5),
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6), (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7),
}

/// What says which row is meant: its key, the row, or a relation to it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't the key that is wanted here, a `{K}`",
    label = "not a `{K}`",
    note = "give the row's key, a reference to the row, or what the path captured"
)]
pub trait KeyOf<K> {
    /// The key.
    #[doc(hidden)]
    fn key(self) -> K;
}

macro_rules! same_keys {
    ($($type:ty as $key:ty),+ $(,)?) => {
        $(impl KeyOf<$key> for $type {
            fn key(self) -> $key {
                self.into()
            }
        })+
    };
}

same_keys! {
    i16 as i16, i32 as i32, i64 as i64, u16 as u16, u32 as u32, i32 as i64,
    String as String, &str as String, &String as String, extract::Slug as String, Uuid as Uuid,
}

impl<M, K: Copy> KeyOf<Self> for Id<M, K> {
    fn key(self) -> Self {
        self
    }
}

macro_rules! id_keys {
    ($($type:ty as $key:ty),+ $(,)?) => {
        $(impl<M> KeyOf<Id<M, $key>> for $type {
            fn key(self) -> Id<M, $key> {
                Id::new(self.into())
            }
        })+
    };
}

id_keys!(i64 as i64, i32 as i64, Uuid as Uuid);

impl<M: Model> KeyOf<M::Key> for &M {
    fn key(self) -> M::Key {
        self.pk()
    }
}

impl<M: Model> KeyOf<M::Key> for &Row<M> {
    fn key(self) -> M::Key {
        self.pk()
    }
}

impl<M: Model> KeyOf<M::Key> for &ForeignKey<M> {
    fn key(self) -> M::Key {
        self.id()
    }
}

impl<K, V: KeyOf<K>> KeyOf<K> for extract::Path<V> {
    fn key(self) -> K {
        self.0.key()
    }
}
