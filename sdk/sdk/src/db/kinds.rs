//! What a field can hold, and how each kind crosses to the host.

use core::marker::PhantomData;
use core::net::IpAddr;

use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Value;
use super::meta::{FieldKind, Literal};
use super::rows::{Cell, Column, Misfit};
use crate::extract::Json;
use crate::time::{Date, DateTime, Duration, Time};

/// A type that a model's field can have.
///
/// | type | kind |
/// |---|---|
/// | [`Id<Self>`](super::Id), `Id<Self, Uuid>` | the automatic primary key: a number counted up, or a UUID v7 |
/// | `i16`, `i32`, `i64` | small, normal and big integer |
/// | `u16`, `u32` | the same that can't be negative; of `u32` the lower half |
/// | `f64`, [`Decimal`] with `#[field(max_digits = …, decimal_places = …)]` | float, decimal |
/// | `bool` | boolean |
/// | `String` | text; char with `#[field(max_length = …)]`; `#[field(slug)]`, `#[field(email)]`, `#[field(url)]` |
/// | an enum with `#[derive(Choices)]` | one of its values: text or a whole number |
/// | `Vec<u8>` | binary |
/// | [`Date`], [`Time`], [`DateTime`], [`Duration`] | the same, to the microsecond |
/// | [`Uuid`](uuid::Uuid), [`IpAddr`] | UUID, an IP address |
/// | [`FilePath`](super::FilePath), [`ImagePath`](super::ImagePath) | a stored file, by its relative path |
/// | [`Json<T>`] | a JSON document |
/// | [`ForeignKey<M>`](super::ForeignKey), [`OneToOne<M>`](super::OneToOne) | a row of the model `M` |
/// | `Option<T>` | any of these, or NULL |
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the type of a model's field",
    note = "use Id<Self>, i16, i32, i64, u16, u32, f64, Decimal, bool, String, Vec<u8>, Date, Time, DateTime, Duration, Uuid, IpAddr, FilePath, ImagePath, Json<T>, ForeignKey<M>, OneToOne<M>, an enum with `#[derive(Choices)]`, or an Option of one"
)]
pub trait Kind: Sized {
    /// What conditions and assignments take: the type itself, without `Option`; the other row's key for a relation.
    type Base: Store;
    /// [`May`] for an `Option`, [`Must`] for all others.
    type Nullness: Nullness;
    /// What may stand after `default =`.
    type Literal;
    /// The kind.
    const KIND: FieldKind;
    /// Whether NULL fits.
    const NULL: bool = false;
    /// The only values that it has, with their labels; empty for no such rule.
    const CHOICES: &'static [(Literal, &'static str)] = &[];

    /// The value as it crosses.
    fn to_value(&self) -> Value;
    /// The value of a cell. `column` is shared by all rows of one result.
    fn from_cell(cell: Cell<'_>, column: &mut Column) -> Result<Self, Misfit>;
}

/// A value that is sent: the side of [`Kind`] that conditions need.
pub trait Store {
    /// The manifest's word for the kind, for a value that nothing beside it tells the kind of; empty where only a field can tell.
    const WORD: &'static str = "";

    /// The value as it crosses.
    fn into_value(self) -> Value;
}

/// Whether something may be NULL, known where it is compiled: what is read back is then `T` or `Option<T>`.
pub trait Nullness: Copy + 'static {
    /// `T`, or `Option<T>`.
    type Of<T>;
    /// What is made of this and something else: it may be NULL if one of them may.
    type Or<N: Nullness>: Nullness;
}

/// The nullness of what is never NULL.
#[derive(Debug, Clone, Copy)]
pub enum Must {}

/// The nullness of what may be NULL: it is read as an `Option`.
#[derive(Debug, Clone, Copy)]
pub enum May {}

impl Nullness for Must {
    type Of<T> = T;
    type Or<N: Nullness> = N;
}

impl Nullness for May {
    type Of<T> = Option<T>;
    type Or<N: Nullness> = Self;
}

/// `U`, or an `Option` of it where a `T` is an `Option`: what a function makes of a `T`.
pub type Like<T, U> = <<T as Kind>::Nullness as Nullness>::Of<U>;

/// The literal of kinds that have no literals, so that `default = …` on them doesn't compile.
#[derive(Debug)]
pub struct NoLiteral(PhantomData<()>);

macro_rules! kind {
    ($type:ty, $kind:expr, $word:literal, $literal:ty, $this:ident => $to:expr, $($pattern:pat $(if $guard:expr)? => $from:expr),+) => {
        impl Store for $type {
            const WORD: &'static str = $word;

            fn into_value(self) -> Value {
                let $this = self;
                $to
            }
        }

        impl Kind for $type {
            type Base = Self;
            type Nullness = Must;
            type Literal = $literal;
            const KIND: FieldKind = $kind;

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

macro_rules! whole_numbers {
    ($($type:ty, $kind:ident, $word:literal, $literal:ty;)+) => {
        $(kind!($type, FieldKind::$kind, $word, $literal, v => Value::Integer(v.into()), Cell::Integer(v) => v.try_into().map_err(|_| Misfit));)+
    };
}

whole_numbers! {
    i16, SmallInteger, "small_integer", i16;
    i32, Integer, "integer", i32;
    i64, BigInteger, "big_integer", i64;
    u16, PositiveSmallInteger, "positive_small_integer", u16;
    u32, PositiveInteger, "positive_integer", u32;
}
// Counts are read as it. As a field's type the derive refuses it: no database has a column for its upper half.
kind!(u64, FieldKind::BigInteger, "big_integer", NoLiteral, v => Value::Integer(v.try_into().unwrap_or(i64::MAX)),
    Cell::Integer(v) => v.try_into().map_err(|_| Misfit));
#[allow(clippy::cast_precision_loss, reason = "a whole number in a float column is what the database made of a float")]
mod float {
    use super::{Cell, Column, FieldKind, Kind, Misfit, Must, Store, Value};
    kind!(f64, FieldKind::Float, "float", f64, v => Value::Float(v), Cell::Float(v) => Ok(v), Cell::Integer(v) => Ok(v as f64));
}
kind!(bool, FieldKind::Boolean, "boolean", bool, v => Value::Boolean(v), Cell::Boolean(v) => Ok(v), Cell::Integer(v) => Ok(v != 0));
kind!(String, FieldKind::Text, "text", &'static str, v => Value::Text(v), Cell::Text(v) => Ok(v.to_owned()));
kind!(Vec<u8>, FieldKind::Binary, "binary", NoLiteral, v => Value::Bytes(v), Cell::Bytes(v) => Ok(v.to_vec()));
kind!(uuid::Uuid, FieldKind::Uuid, "uuid", NoLiteral, v => Value::Bytes(v.as_bytes().to_vec()), Cell::Bytes(v) => Self::from_slice(v).map_err(|_| Misfit));
kind!(DateTime, FieldKind::DateTime, "datetime", NoLiteral, v => Value::Integer(v.as_microsecond()),
    Cell::Integer(v) => Self::from_microsecond(v).map_err(|_| Misfit));
kind!(Duration, FieldKind::Duration, "duration", NoLiteral, v => Value::Integer(v.as_micros().try_into().unwrap_or(if v.is_negative() { i64::MIN } else { i64::MAX })),
    Cell::Integer(v) => Ok(Self::from_micros(v)));
kind!(Date, FieldKind::Date, "date", NoLiteral, v => Value::Integer(crate::time::days(v)), Cell::Integer(v) => crate::time::from_days(v).ok_or(Misfit));
kind!(Time, FieldKind::Time, "time", NoLiteral, v => Value::Integer(crate::time::micros_of_day(v)),
    Cell::Integer(v) if (0..MICROS_A_DAY).contains(&v) => crate::time::from_micros_of_day(v).ok_or(Misfit));
// The size stands in the attributes: the derive makes the kind, since the type can't tell it. How many places a value has is the host's to
// settle, so it is sent as it is written.
kind!(Decimal, FieldKind::Decimal { max_digits: 0, decimal_places: 0 }, "", &'static str, v => Value::Text(v.to_string()),
    Cell::Text(v) => v.parse().map_err(|_| Misfit), Cell::Integer(v) => Ok(v.into()));
kind!(IpAddr, FieldKind::Ip { protocol: "both" }, "ip", &'static str, v => Value::Text(v.to_string()), Cell::Text(v) => v.parse().map_err(|_| Misfit));

impl<T: Serialize> Store for Json<T> {
    const WORD: &'static str = "json";

    fn into_value(self) -> Value {
        // A value that can't be JSON (a map with keys that aren't text) becomes a text that the host refuses, with the reason.
        Value::Text(serde_json::to_string(&self.0).unwrap_or_else(|error| format!("not JSON: {error}")))
    }
}

impl<T: Serialize + DeserializeOwned> Kind for Json<T> {
    type Base = Self;
    type Nullness = Must;
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

impl<T: Kind> Kind for Option<T> {
    type Base = T::Base;
    type Nullness = May;
    type Literal = T::Literal;
    const KIND: FieldKind = T::KIND;
    const NULL: bool = true;
    const CHOICES: &'static [(Literal, &'static str)] = T::CHOICES;

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
