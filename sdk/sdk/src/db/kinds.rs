//! What a field can hold, and how each kind crosses to the host.

use core::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Value;
use super::model::{Id, Model};
use super::rows::{Cell, Column, Misfit};
use crate::extract::Json;
use crate::time::{Date, DateTime, Duration, Time};

/// The kinds of the manifest (`docs/reference/manifest.md`), with what the type alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the manifest's")]
pub enum FieldKind {
    Auto,
    Integer,
    BigInteger,
    Float,
    Boolean,
    Char { max_length: u32 },
    Text,
    Binary,
    Date,
    Time,
    DateTime,
    Duration,
    Uuid,
    Json,
    ForeignKey { to: &'static str },
}

/// A type that a model's field can have.
///
/// | type | kind |
/// |---|---|
/// | [`Id<Self>`](Id) | the automatic primary key |
/// | `i32`, `i64`, `f64`, `bool` | integer, big integer, float, boolean |
/// | `String` | text, or char with `#[field(max_length = …)]` |
/// | `Vec<u8>` | binary |
/// | [`Date`], [`Time`], [`DateTime`], [`Duration`] | the same, to the microsecond |
/// | [`Uuid`](uuid::Uuid) | UUID |
/// | [`Json<T>`] | a JSON document |
/// | [`ForeignKey<M>`](super::ForeignKey) | a row of the model `M` |
/// | `Option<T>` | any of these, or NULL |
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the type of a model's field",
    note = "use Id<Self>, i32, i64, f64, bool, String, Vec<u8>, Date, Time, DateTime, Duration, Uuid, Json<T>, ForeignKey<M>, or an Option of one"
)]
pub trait Kind: Sized {
    /// What conditions and assignments take: the type itself, without `Option`; an [`Id`] for a foreign key.
    type Base: Store;
    /// What may stand after `default =`.
    type Literal;
    /// The kind.
    const KIND: FieldKind;
    /// Whether NULL fits.
    const NULL: bool = false;

    /// The value as it crosses.
    fn to_value(&self) -> Value;
    /// The value of a cell. `column` is shared by all rows of one result.
    fn from_cell(cell: Cell<'_>, column: &mut Column) -> Result<Self, Misfit>;
}

/// A value that is sent: the side of [`Kind`] that conditions need.
pub trait Store {
    /// The value as it crosses.
    fn into_value(self) -> Value;
}

/// The literal of kinds that have no literals, so that `default = …` on them doesn't compile.
#[derive(Debug)]
pub struct NoLiteral(PhantomData<()>);

macro_rules! kind {
    ($type:ty, $kind:ident, $literal:ty, $this:ident => $to:expr, $($pattern:pat $(if $guard:expr)? => $from:expr),+) => {
        impl Store for $type {
            fn into_value(self) -> Value {
                let $this = self;
                $to
            }
        }

        impl Kind for $type {
            type Base = Self;
            type Literal = $literal;
            const KIND: FieldKind = FieldKind::$kind;

            fn to_value(&self) -> Value {
                self.clone().into_value()
            }

            fn from_cell(cell: Cell<'_>, _: &mut Column) -> Result<Self, Misfit> {
                match cell {
                    $($pattern $(if $guard)? => $from,)+
                    _ => Err(Misfit),
                }
            }
        }
    };
}

const MICROS_A_DAY: i64 = 86_400_000_000;

kind!(i32, Integer, i32, v => Value::Integer(v.into()), Cell::Integer(v) => v.try_into().map_err(|_| Misfit));
kind!(i64, BigInteger, i64, v => Value::Integer(v), Cell::Integer(v) => Ok(v));
#[allow(clippy::cast_precision_loss, reason = "a whole number in a float column is what the database made of a float")]
mod float {
    use super::{Cell, Column, FieldKind, Kind, Misfit, Store, Value};
    kind!(f64, Float, f64, v => Value::Float(v), Cell::Float(v) => Ok(v), Cell::Integer(v) => Ok(v as f64));
}
kind!(bool, Boolean, bool, v => Value::Boolean(v), Cell::Boolean(v) => Ok(v), Cell::Integer(v) => Ok(v != 0));
kind!(String, Text, &'static str, v => Value::Text(v), Cell::Text(v) => Ok(v.to_owned()));
kind!(Vec<u8>, Binary, NoLiteral, v => Value::Bytes(v), Cell::Bytes(v) => Ok(v.to_vec()));
kind!(uuid::Uuid, Uuid, NoLiteral, v => Value::Bytes(v.as_bytes().to_vec()), Cell::Bytes(v) => Self::from_slice(v).map_err(|_| Misfit));
kind!(DateTime, DateTime, NoLiteral, v => Value::Integer(v.as_microsecond()),
    Cell::Integer(v) => Self::from_microsecond(v).map_err(|_| Misfit));
kind!(Duration, Duration, NoLiteral, v => Value::Integer(v.as_micros().try_into().unwrap_or(if v.is_negative() { i64::MIN } else { i64::MAX })),
    Cell::Integer(v) => Ok(Self::from_micros(v)));
kind!(Date, Date, NoLiteral, v => Value::Integer(crate::time::days(v)), Cell::Integer(v) => crate::time::from_days(v).ok_or(Misfit));
kind!(Time, Time, NoLiteral, v => Value::Integer(crate::time::micros_of_day(v)),
    Cell::Integer(v) if (0..MICROS_A_DAY).contains(&v) => crate::time::from_micros_of_day(v).ok_or(Misfit));

impl<T: Serialize> Store for Json<T> {
    fn into_value(self) -> Value {
        // A value that can't be JSON (a map with keys that aren't text) becomes a text that the host refuses, with the reason.
        Value::Text(serde_json::to_string(&self.0).unwrap_or_else(|error| format!("not JSON: {error}")))
    }
}

impl<T: Serialize + DeserializeOwned> Kind for Json<T> {
    type Base = Self;
    type Literal = NoLiteral;
    const KIND: FieldKind = FieldKind::Json;

    fn to_value(&self) -> Value {
        Json(&self.0).into_value()
    }

    fn from_cell(cell: Cell<'_>, _: &mut Column) -> Result<Self, Misfit> {
        match cell {
            Cell::Text(text) => serde_json::from_str(text).map(Json).map_err(|_| Misfit),
            _ => Err(Misfit),
        }
    }
}

impl<M: Model> Store for Id<M> {
    fn into_value(self) -> Value {
        Value::Integer(self.get())
    }
}

impl<M: Model> Kind for Id<M> {
    type Base = Self;
    type Literal = NoLiteral;
    const KIND: FieldKind = FieldKind::Auto;

    fn to_value(&self) -> Value {
        Value::Integer(self.get())
    }

    fn from_cell(cell: Cell<'_>, _: &mut Column) -> Result<Self, Misfit> {
        match cell {
            Cell::Integer(id) => Ok(Id::new(id)),
            _ => Err(Misfit),
        }
    }
}

impl<T: Kind> Kind for Option<T> {
    type Base = T::Base;
    type Literal = T::Literal;
    const KIND: FieldKind = T::KIND;
    const NULL: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Kind::to_value)
    }

    fn from_cell(cell: Cell<'_>, column: &mut Column) -> Result<Self, Misfit> {
        match cell {
            Cell::Null => Ok(None),
            cell => T::from_cell(cell, column).map(Some),
        }
    }
}
