//! Models: what the derive implements, and the manifest's view of them.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kinds::FieldKind;
use super::query::QuerySet;
use super::rows::Reader;
use super::{Value, query};
use crate::error::Result;

/// A model: one table of the app's own. Derive it; see [`derive@crate::Model`].
#[diagnostic::on_unimplemented(message = "`{Self}` is not a model", note = "add `#[derive(Model)]` to it")]
pub trait Model: Sized + 'static {
    /// Its fields as they are reached from the model `R` over a relation.
    #[doc(hidden)]
    type Fields<R>: Copy;
    /// Its name in the manifest and in shapes.
    #[doc(hidden)]
    const NAME: &'static str;
    /// What the manifest says of it.
    #[doc(hidden)]
    const META: &'static ModelMeta;

    /// Reads one row.
    #[doc(hidden)]
    fn read(row: &mut Reader<'_>) -> Result<Self>;
    /// All fields but the key, for `save`.
    #[doc(hidden)]
    fn columns(&self) -> Vec<(&'static str, Value)>;
    /// The row's primary key.
    fn id(&self) -> Id<Self>;

    /// All rows, to be narrowed down.
    fn objects() -> QuerySet<Self> {
        QuerySet::new()
    }

    /// Writes all fields of this row. Errors: `is_not_found` where the row is gone, and those of an update.
    fn save(&self) -> impl Future<Output = Result<()>> {
        query::save(self)
    }

    /// Deletes this row, and what `on_delete` says goes with it. Returns how many rows went.
    fn delete(self) -> impl Future<Output = Result<u64>> {
        query::delete(self)
    }
}

/// A new row of `M`: what the generated `New…` struct is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a new `{M}`",
    note = "write `New{M} {{ … }}` with all fields that have no default"
)]
pub trait New<M> {
    /// The columns that it sets, in the order of the fields.
    #[doc(hidden)]
    fn columns(self) -> Vec<(&'static str, Value)>;
}

/// The key of a row of `M`. A key of one model isn't taken for another's.
pub struct Id<M> {
    id: i64,
    marker: PhantomData<fn() -> M>,
}

impl<M> Id<M> {
    /// The key with this number. Whether there is such a row is another question.
    pub const fn new(id: i64) -> Self {
        Self { id, marker: PhantomData }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.id
    }
}

impl<M> Clone for Id<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Id<M> {}

impl<M> PartialEq for Id<M> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<M> Eq for Id<M> {}

impl<M> PartialOrd for Id<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for Id<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl<M> Hash for Id<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<M> fmt::Debug for Id<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<M> fmt::Display for Id<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<M> From<i64> for Id<M> {
    fn from(id: i64) -> Self {
        Self::new(id)
    }
}

impl<M: Model> From<&M> for Id<M> {
    fn from(row: &M) -> Self {
        row.id()
    }
}

impl<M> FromStr for Id<M> {
    type Err = core::num::ParseIntError;

    fn from_str(text: &str) -> core::result::Result<Self, Self::Err> {
        text.parse().map(Self::new)
    }
}

impl<M> Serialize for Id<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.id)
    }
}

impl<'de, M> Deserialize<'de> for Id<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self::new)
    }
}

/// A model in the manifest.
#[derive(Debug)]
#[doc(hidden)]
pub struct ModelMeta {
    pub name: &'static str,
    pub label: &'static str,
    pub label_plural: &'static str,
    pub fields: &'static [FieldMeta],
    pub ordering: &'static [&'static str],
    pub unique_together: &'static [&'static [&'static str]],
    pub indexes: &'static [&'static [&'static str]],
}

/// A field in the manifest.
#[derive(Debug)]
#[doc(hidden)]
pub struct FieldMeta {
    pub name: &'static str,
    pub kind: FieldKind,
    pub null: bool,
    pub blank: bool,
    pub unique: bool,
    pub index: bool,
    pub default: Option<Literal>,
    pub choices: &'static [(Literal, &'static str)],
    pub label: &'static str,
    pub help_text: &'static str,
    pub on_delete: &'static str,
    pub related_name: &'static str,
}

/// A value that stands in the manifest.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    /// As it is written in the source: a number's text is its own, so no float is formatted in the app.
    Float(&'static str),
    Text(&'static str),
}

/// Whether each foreign key points to a model of the list.
#[doc(hidden)]
pub const fn relations_stay_inside(models: &[&ModelMeta]) -> bool {
    let mut model = 0;
    while model < models.len() {
        let fields = models[model].fields;
        let mut field = 0;
        while field < fields.len() {
            if let FieldKind::ForeignKey { to } = fields[field].kind
                && !is_among(models, to)
            {
                return false;
            }
            field += 1;
        }
        model += 1;
    }
    true
}

const fn is_among(models: &[&ModelMeta], name: &str) -> bool {
    let mut at = 0;
    while at < models.len() {
        if crate::view::same(models[at].name, name) {
            return true;
        }
        at += 1;
    }
    false
}
