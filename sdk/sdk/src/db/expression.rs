//! Values, fields and what is made of them: the right-hand side of conditions and assignments, and what `annotate` and `values` read.

use core::fmt;
use core::marker::PhantomData;
use core::net::IpAddr;
use core::ops::{Add, Div, Mul, Rem, Sub};

use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::Value;
use super::aggregate::Aggregate;
use super::field::{Field, Path, Related};
use super::key::Id;
use super::kinds::{Kind, May, Must, Nullness, Store};
use super::model::Model;
use super::node::Node;
use super::relation::{ForeignKey, OneToOne, Row};
use crate::extract::{self, Json};
use crate::time::{Date, DateTime, Duration, Time};

/// Something of kind `T` that an update of `R` can write: a value, a field of the same row, or what is made of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't fit a `{T}` field of `{R}`",
    label = "not a `{T}`, a field of that type, or an expression",
    note = "a text takes &str or String, a `Decimal` such as `Decimal::new(999, 2)` or a whole number, an enum its variants, a JSON document `Json(…)`, a relation a key or a reference to the row"
)]
pub trait Expression<R, T> {
    /// Whether it may be NULL.
    #[doc(hidden)]
    type Nullness: Nullness;
    /// The expression without its types.
    #[doc(hidden)]
    fn node(self) -> Node;
}

/// Something of kind `T` that a condition on `R` can compare with: a value, a field of the same row, or what is made of them.
#[diagnostic::on_unimplemented(
    message = "a `{T}` field of `{R}` can't be compared with `{Self}`",
    label = "not a `{T}`, a field of that type, or an expression",
    note = "a text takes &str or String, a `Decimal` such as `Decimal::new(999, 2)` or a whole number, an enum its variants, a JSON document `Json(…)`, a relation a key or a reference to the row"
)]
pub trait Operand<R, T>: Expression<R, T> {}

/// A single value of kind `T`, for lists and new rows.
#[diagnostic::on_unimplemented(message = "`{Self}` is no value for a `{T}` field", label = "not a `{T}`")]
pub trait Single<T> {
    /// The value as it crosses.
    #[doc(hidden)]
    fn single(self) -> Value;
}

/// What a new row takes for a field of kind `T` that may be NULL: a value, or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value for a `{T}` field that may be NULL",
    label = "not a `{T}` or an `Option` of one",
    note = "an `Option` is of the type itself: `.map(str::to_owned)` makes an `Option<String>` of an `Option<&str>`"
)]
pub trait Given<T> {
    /// The value as it crosses.
    #[doc(hidden)]
    fn given(self) -> Value;
}

/// A value, a field or an expression that says by itself what kind it is, for where no field says what is wanted: `value(1)`,
/// `case().when(q, "many")`.
#[diagnostic::on_unimplemented(message = "`{Self}` doesn't say what kind of value it is")]
pub trait Natural<R>: Expression<R, Self::Kind> {
    /// The kind.
    type Kind: Kind;
}

/// Behind all types that are sent as they are; the derives of the app's own kinds use it too.
#[doc(hidden)]
#[macro_export]
macro_rules! __values {
    ($($type:ty as $kind:ty),+ $(,)?) => {
        $(impl $crate::db::Single<$kind> for $type {
            fn single(self) -> $crate::db::Value {
                let value: $kind = self.into();
                $crate::db::Store::into_value(value)
            }
        }

        impl $crate::db::Given<$kind> for $type {
            fn given(self) -> $crate::db::Value {
                $crate::db::Single::<$kind>::single(self)
            }
        }

        impl<R> $crate::db::Expression<R, $kind> for $type {
            type Nullness = $crate::db::Must;

            fn node(self) -> $crate::db::Node {
                $crate::db::Node::Value($crate::db::Single::<$kind>::single(self), <$kind as $crate::db::Store>::WORD)
            }
        }

        impl<R> $crate::db::Operand<R, $kind> for $type {})+
    };
}

__values! {
    i16 as i16, i32 as i32, i64 as i64, u16 as u16, u32 as u32, u64 as u64, i32 as i64, u32 as i64,
    f64 as f64, i32 as f64, Decimal as Decimal, i32 as Decimal, i64 as Decimal, bool as bool,
    String as String, &str as String, &String as String, extract::Slug as String, Vec<u8> as Vec<u8>, &[u8] as Vec<u8>,
    Uuid as Uuid, Date as Date, Time as Time, DateTime as DateTime, Duration as Duration, IpAddr as IpAddr,
}

macro_rules! natural {
    ($($type:ty as $kind:ty),+ $(,)?) => {
        $(impl<R> Natural<R> for $type {
            type Kind = $kind;
        })+
    };
}

natural! {
    i16 as i16, i32 as i32, i64 as i64, u16 as u16, u32 as u32, f64 as f64, Decimal as Decimal, bool as bool,
    String as String, &str as String, &String as String, Vec<u8> as Vec<u8>, &[u8] as Vec<u8>,
    Uuid as Uuid, Date as Date, Time as Time, DateTime as DateTime, Duration as Duration, IpAddr as IpAddr,
}

impl<T: Serialize> Single<Json<T>> for Json<T> {
    fn single(self) -> Value {
        self.into_value()
    }
}

impl<T: Serialize> Given<Json<T>> for Json<T> {
    fn given(self) -> Value {
        self.into_value()
    }
}

// Of this type alone, so that `None` says what it is none of.
impl<T: Store> Given<T> for Option<T> {
    fn given(self) -> Value {
        self.map_or(Value::Null, Store::into_value)
    }
}

impl<R, T: Serialize> Expression<R, Json<T>> for Json<T> {
    type Nullness = Must;

    fn node(self) -> Node {
        Node::Value(self.into_value(), Self::WORD)
    }
}

impl<R, T: Serialize> Operand<R, Json<T>> for Json<T> {}

/// What says a row by its key.
macro_rules! keys {
    ($([$($generic:tt)*] $type:ty as $kind:ty, $this:ident => $value:expr);+ $(;)?) => {
        $(impl<$($generic)*> Single<$kind> for $type {
            fn single(self) -> Value {
                let $this = self;
                $value
            }
        }

        impl<$($generic)*> Given<$kind> for $type {
            fn given(self) -> Value {
                Single::<$kind>::single(self)
            }
        }

        impl<R, $($generic)*> Expression<R, $kind> for $type {
            type Nullness = Must;

            fn node(self) -> Node {
                Node::value(Single::<$kind>::single(self))
            }
        }

        impl<R, $($generic)*> Operand<R, $kind> for $type {})+
    };
}

keys! {
    [M: Model] Id<M> as Id<M>, id => Value::Integer(id.get());
    [M: Model] Id<M, Uuid> as Id<M, Uuid>, id => id.get().into_value();
    [M: Model] i64 as Id<M>, id => Value::Integer(id);
    [M: Model] i32 as Id<M>, id => Value::Integer(id.into());
    [M: Model] Uuid as Id<M, Uuid>, id => id.into_value();
    [M: Model] &Row<M> as M::Key, row => super::key::Key::raw(&row.pk()).value();
    [M: Model] &ForeignKey<M> as M::Key, key => key.raw().value();
    [M: Model] &OneToOne<M> as M::Key, key => key.raw().value();
}

/// A reference to a row, which says the row by its key. The derive of the model makes it, so that a text isn't taken for one by mistake.
#[doc(hidden)]
#[macro_export]
macro_rules! __row {
    ($model:ty as $key:ty) => {
        impl $crate::db::Single<$key> for &$model {
            fn single(self) -> $crate::db::Value {
                $crate::db::key_value(self)
            }
        }

        impl $crate::db::Given<$key> for &$model {
            fn given(self) -> $crate::db::Value {
                $crate::db::key_value(self)
            }
        }

        impl<R> $crate::db::Expression<R, $key> for &$model {
            type Nullness = $crate::db::Must;

            fn node(self) -> $crate::db::Node {
                $crate::db::Node::Value($crate::db::key_value(self), "")
            }
        }

        impl<R> $crate::db::Operand<R, $key> for &$model {}
    };
}

/// The key of a row as it crosses.
#[doc(hidden)]
pub fn key_value<M: Model>(row: &M) -> Value {
    super::key::Key::raw(&row.pk()).value()
}

impl<T, V: Single<T>> Single<T> for extract::Path<V> {
    fn single(self) -> Value {
        self.0.single()
    }
}

impl<R, T, V: Expression<R, T>> Expression<R, T> for extract::Path<V> {
    type Nullness = V::Nullness;

    fn node(self) -> Node {
        self.0.node()
    }
}

impl<R, T, V: Operand<R, T>> Operand<R, T> for extract::Path<V> {}

impl<R, T, V: Expression<R, T>> Expression<R, T> for Option<V> {
    type Nullness = May;

    fn node(self) -> Node {
        self.map_or_else(|| Node::value(Value::Null), Expression::node)
    }
}

impl<R, T, V: Operand<R, T>> Operand<R, T> for Option<V> {}

impl<R, T: Kind> Expression<R, T::Base> for Field<R, T> {
    type Nullness = T::Nullness;

    fn node(self) -> Node {
        Node::Field(self.path())
    }
}

impl<R, T: Kind> Operand<R, T::Base> for Field<R, T> {}

impl<R, T: Kind<Base: Kind>> Natural<R> for Field<R, T> {
    type Kind = T::Base;
}

impl<R, M: Model, W: Nullness> Expression<R, M::Key> for Related<R, M, W> {
    type Nullness = W;

    fn node(self) -> Node {
        Node::Field(self.path())
    }
}

impl<R, M: Model, W: Nullness> Operand<R, M::Key> for Related<R, M, W> {}

/// What is made of values, fields and other expressions, of type `T`, for rows of `R`.
#[derive(Debug)]
pub struct Expr<R, T> {
    node: Node,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Clone for Expr<R, T> {
    fn clone(&self) -> Self {
        Self::of(self.node.clone())
    }
}

impl<R, T> Expr<R, T> {
    pub(crate) const fn of(node: Node) -> Self {
        Self { node, marker: PhantomData }
    }

    pub(crate) fn into_node(self) -> Node {
        self.node
    }
}

impl<R, T: Kind> Expression<R, T::Base> for Expr<R, T> {
    type Nullness = T::Nullness;

    fn node(self) -> Node {
        self.node
    }
}

impl<R, T: Kind> Operand<R, T::Base> for Expr<R, T> {}

// No operand: a condition on an aggregate is one on an annotation.
impl<R, T: Kind> Expression<R, T::Base> for Aggregate<R, T> {
    type Nullness = T::Nullness;

    fn node(self) -> Node {
        self.into_node()
    }
}

impl<R, T: Kind<Base: Kind>> Natural<R> for Expr<R, T> {
    type Kind = T::Base;
}

/// A value where an expression is wanted: `value(1) - Book::COPIES`.
pub fn value<R, V: Natural<R>>(value: V) -> Expr<R, V::Kind> {
    Expr::of(value.node())
}

/// A field of the row outside of a subquery.
#[derive(Debug, Clone, Copy)]
pub struct Outer<O, T> {
    path: Path,
    marker: PhantomData<fn() -> (O, T)>,
}

/// A field of the row outside, in a query that stands in another one's condition:
/// `exists(Choice::objects().filter(Choice::QUESTION.eq(outer(Question::ID))))`.
///
/// Errors, when the query is asked: where the query outside is of another model.
pub fn outer<O: Model, T>(field: Field<O, T>) -> Outer<O, T> {
    Outer { path: field.path(), marker: PhantomData }
}

impl<R, O: Model, T: Kind> Expression<R, T::Base> for Outer<O, T> {
    type Nullness = T::Nullness;

    fn node(self) -> Node {
        Node::Outer(self.path, O::NAME)
    }
}

impl<R, O: Model, T: Kind> Operand<R, T::Base> for Outer<O, T> {}

/// Kinds that something can be added to and taken from: numbers, dates, times and durations.
#[diagnostic::on_unimplemented(
    message = "a field of `{Self}` can't be calculated with",
    note = "whole numbers, f64, Decimal, Date, DateTime and Duration can"
)]
pub trait Summand {}

/// What `+` and `-` take on their right side, beside a field of kind `B`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be added to a `{B}` field of `{R}`, nor taken from it",
    label = "not what is added to a `{B}`",
    note = "a date takes a number of days or, with `-`, another date; a moment a `Duration` or another moment; a number one of its kind, a `Decimal` such as `Decimal::new(999, 2)`"
)]
pub trait Step<R, B> {
    /// What `-` gives: of two dates days, of two moments a duration.
    type Less;
    #[doc(hidden)]
    type Nullness: Nullness;
    #[doc(hidden)]
    fn step(self) -> Node;
}

// Each type by itself: of a bound on `T::Base` the compiler would tell that types differ, not what to write.
macro_rules! steps {
    ($($base:ty, $step:ty => $less:ty: $($value:ty),+;)+) => {
        $($(steps!(@ $value, $step, $base => $less, Must);)+
        steps!(@of Field, $step, $base => $less);
        steps!(@of Expr, $step, $base => $less);
        steps!(@of Aggregate, $step, $base => $less);
        impl<R, O: Model> Step<R, $base> for Outer<O, $step> {
            steps!(@body $step => $less, Must);
        }
        impl<R, O: Model> Step<R, $base> for Outer<O, Option<$step>> {
            steps!(@body $step => $less, May);
        })+
    };
    (@of $of:ident, $step:ty, $base:ty => $less:ty) => {
        steps!(@ $of<R, $step>, $step, $base => $less, Must);
        steps!(@ $of<R, Option<$step>>, $step, $base => $less, May);
    };
    (@ $type:ty, $step:ty, $base:ty => $less:ty, $null:ident) => {
        impl<R> Step<R, $base> for $type {
            steps!(@body $step => $less, $null);
        }
    };
    (@body $step:ty => $less:ty, $null:ident) => {
        type Less = $less;
        type Nullness = $null;

        fn step(self) -> Node {
            Expression::<R, $step>::node(self)
        }
    };
}

steps! {
    i16, i16 => i16: i16;
    i32, i32 => i32: i32;
    i64, i64 => i64: i64, i32, u32;
    u16, u16 => u16: u16;
    u32, u32 => u32: u32;
    u64, u64 => u64: u64;
    f64, f64 => f64: f64, i32;
    Decimal, Decimal => Decimal: Decimal, i32, i64;
    Duration, Duration => Duration: Duration;
    Date, i64 => Date: i64, i32, u32;
    Date, Date => i64: Date;
    DateTime, Duration => DateTime: Duration;
    DateTime, DateTime => Duration: DateTime;
}

impl<R, B, V: Step<R, B>> Step<R, B> for Option<V> {
    type Less = V::Less;
    type Nullness = May;

    fn step(self) -> Node {
        self.map_or_else(|| Node::value(Value::Null), Step::step)
    }
}

impl<R, B, V: Step<R, B>> Step<R, B> for extract::Path<V> {
    type Less = V::Less;
    type Nullness = V::Nullness;

    fn step(self) -> Node {
        self.0.step()
    }
}

/// Kinds that can be multiplied and divided: whole numbers, `f64` and `Decimal`.
#[diagnostic::on_unimplemented(
    message = "a field of `{Self}` can't be multiplied or divided",
    note = "whole numbers, f64 and Decimal can"
)]
pub trait Number {
    /// What a division gives. Of whole numbers the remainder is dropped; of decimals it is a float.
    type Quotient;
}

macro_rules! numbers {
    ($($type:ty $(: $quotient:ty)?);+ $(;)?) => {
        $(impl Summand for $type {}

        $(impl Number for $type {
            type Quotient = $quotient;
        })?)+
    };
}

numbers! {
    i16: i16; i32: i32; i64: i64; u16: u16; u32: u32; u64: u64; f64: f64; Decimal: f64; Date; DateTime; Duration;
}

/// `T` or an `Option` of it, where a `K` or a `V` may be NULL.
type Either<R, K, V, Step, T> =
    <<<K as Kind>::Nullness as Nullness>::Or<<V as Expression<R, Step>>::Nullness> as Nullness>::Of<T>;

macro_rules! arithmetic {
    ($($of:ident: $($trait:ident $method:ident $word:literal),+;)+) => {
        $($(arithmetic!(@ $trait $of $method $word);)+)+
    };
    (@ Add $of:ident $method:ident $word:literal) => { arithmetic!(@step Add $of $method $word, T::Base, Less = T::Base); };
    (@ Sub $of:ident $method:ident $word:literal) => { arithmetic!(@step Sub $of $method $word, V::Less); };
    (@step $trait:ident $of:ident $method:ident $word:literal, $made:ty $(, $less:ident = $is:ty)?) => {
        impl<R, T, V> $trait<V> for $of<R, T>
        where
            T: Kind,
            T::Base: Summand,
            V: Step<R, T::Base $(, $less = $is)?>,
        {
            type Output = <Self as Made>::Made<<<T::Nullness as Nullness>::Or<V::Nullness> as Nullness>::Of<$made>>;

            fn $method(self, other: V) -> Self::Output {
                <Self as Made>::made(Node::call($word, [self.into_node(), other.step()]))
            }
        }
    };
    (@ Mul $of:ident $method:ident $word:literal) => {
        impl<R, T, V> Mul<V> for $of<R, T>
        where
            T: Kind,
            T::Base: Number,
            V: Expression<R, T::Base>,
        {
            type Output = <Self as Made>::Made<Either<R, T, V, T::Base, T::Base>>;

            fn mul(self, other: V) -> Self::Output {
                <Self as Made>::made(Node::call($word, [self.into_node(), other.node()]))
            }
        }
    };
    // Division by zero is NULL.
    (@ $trait:ident $of:ident $method:ident $word:literal) => {
        impl<R, T, V> $trait<V> for $of<R, T>
        where
            T: Kind,
            T::Base: Number,
            V: Expression<R, T::Base>,
        {
            type Output = <Self as Made>::Made<Option<<T::Base as Number>::Quotient>>;

            fn $method(self, other: V) -> Self::Output {
                <Self as Made>::made(Node::call($word, [self.into_node(), other.node()]))
            }
        }
    };
}

arithmetic! {
    Field: Add add "add", Sub sub "sub", Mul mul "mul", Div div "div", Rem rem "mod";
    Expr: Add add "add", Sub sub "sub", Mul mul "mul", Div div "div", Rem rem "mod";
    Aggregate: Add add "add", Sub sub "sub", Mul mul "mul", Div div "div", Rem rem "mod";
}

/// What operators and functions make of a field, an expression or an aggregate: of an aggregate it is one still.
#[doc(hidden)]
pub trait Made {
    type Made<U>;
    fn made<U>(node: Node) -> Self::Made<U>;
}

impl<R, T> Made for Field<R, T> {
    type Made<U> = Expr<R, U>;

    fn made<U>(node: Node) -> Expr<R, U> {
        Expr::of(node)
    }
}

impl<R, T> Made for Expr<R, T> {
    type Made<U> = Expr<R, U>;

    fn made<U>(node: Node) -> Expr<R, U> {
        Expr::of(node)
    }
}

impl<R, T> Made for Aggregate<R, T> {
    type Made<U> = Aggregate<R, U>;

    fn made<U>(node: Node) -> Aggregate<R, U> {
        Aggregate::of(node)
    }
}

impl<R, T> Field<R, T> {
    pub(crate) fn into_node(self) -> Node {
        Node::Field(self.path())
    }
}

/// A field and what an update writes into it.
#[must_use = "an assignment does nothing until it is given to `update`"]
pub struct Assignment<R> {
    pub(crate) path: Path,
    pub(crate) node: Node,
    marker: PhantomData<fn() -> R>,
}

impl<R> Assignment<R> {
    pub(crate) fn new(path: Path, node: Node) -> Self {
        Self { path, node, marker: PhantomData }
    }
}

impl<R> Clone for Assignment<R> {
    fn clone(&self) -> Self {
        Self::new(self.path, self.node.clone())
    }
}

impl<R> fmt::Debug for Assignment<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} = {:?}", self.path, self.node)
    }
}

/// What `update` takes: an assignment, or an array or vector of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` assigns nothing to a field of `{R}`",
    note = "write `{R}::FIELD.set(value)`, or several in an array"
)]
pub trait IntoAssignments<R> {
    /// The assignments.
    fn into_assignments(self) -> Vec<Assignment<R>>;
}

impl<R> IntoAssignments<R> for Assignment<R> {
    fn into_assignments(self) -> Vec<Assignment<R>> {
        vec![self]
    }
}

impl<R, const N: usize> IntoAssignments<R> for [Assignment<R>; N] {
    fn into_assignments(self) -> Vec<Assignment<R>> {
        self.into()
    }
}

impl<R> IntoAssignments<R> for Vec<Assignment<R>> {
    fn into_assignments(self) -> Vec<Assignment<R>> {
        self
    }
}
