//! Values, fields and arithmetic on the right-hand side of conditions and assignments.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Add, Div, Mul, Rem, Sub};

use serde::Serialize;

use super::Value;
use super::field::{Field, Number, Path};
use super::kinds::{Kind, Store};
use super::model::{Id, Model};
use super::relation::{ForeignKey, Row};
use crate::extract::Json;
use crate::time::{Date, DateTime, Duration, Time};

/// An expression without its types.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub enum Node {
    Value(Value),
    Field(Path),
    Math(&'static str, Box<Node>, Box<Node>),
}

/// Something of kind `T` that an update of `R` can write: a value, a field of the same row, or arithmetic over them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't fit a `{T}` field of `{R}`",
    label = "not a `{T}`, a field of that type, or an expression",
    note = "text takes &str or String; a relation takes an id or a reference to the row"
)]
pub trait Expression<R, T> {
    /// The expression without its types.
    #[doc(hidden)]
    fn node(self) -> Node;
}

/// Something of kind `T` that a condition on `R` can compare with: a value, or a field of the same row.
#[diagnostic::on_unimplemented(
    message = "a `{T}` field of `{R}` can't be compared with `{Self}`",
    label = "not a `{T}` or a field of that type",
    note = "text takes &str or String; a relation takes an id or a reference to the row"
)]
pub trait Operand<R, T>: Expression<R, T> {}

/// A single value of kind `T`, for lists.
#[diagnostic::on_unimplemented(message = "`{Self}` is no value for a `{T}` field", label = "not a `{T}`")]
pub trait Single<T> {
    /// The value as it crosses.
    fn value(self) -> Value;
}

macro_rules! values {
    ($($type:ty as $kind:ty),+ $(,)?) => {
        $(impl Single<$kind> for $type {
            fn value(self) -> Value {
                let value: $kind = self.into();
                value.into_value()
            }
        }

        impl<R> Expression<R, $kind> for $type {
            fn node(self) -> Node {
                Node::Value(Single::<$kind>::value(self))
            }
        }

        impl<R> Operand<R, $kind> for $type {})+
    };
}

values! {
    i32 as i32, i64 as i64, i32 as i64, f64 as f64, i32 as f64, bool as bool,
    String as String, &str as String, &String as String, Vec<u8> as Vec<u8>, &[u8] as Vec<u8>,
    uuid::Uuid as uuid::Uuid, Date as Date, Time as Time, DateTime as DateTime, Duration as Duration,
}

impl<R, T: Serialize> Expression<R, Json<T>> for Json<T> {
    fn node(self) -> Node {
        Node::Value(self.into_value())
    }
}

impl<R, T: Serialize> Operand<R, Json<T>> for Json<T> {}

macro_rules! keys {
    ($($type:ty, $this:ident => $id:expr);+ $(;)?) => {
        $(impl<M: Model> Single<Id<M>> for $type {
            fn value(self) -> Value {
                let $this = self;
                Value::Integer($id)
            }
        }

        impl<R, M: Model> Expression<R, Id<M>> for $type {
            fn node(self) -> Node {
                Node::Value(Single::<Id<M>>::value(self))
            }
        }

        impl<R, M: Model> Operand<R, Id<M>> for $type {})+
    };
}

keys! {
    Id<M>, id => id.get();
    i64, id => id;
    i32, id => id.into();
    &M, row => row.id().get();
    &Row<M>, row => row.id().get();
    &ForeignKey<M>, key => key.id().get();
}

impl<R, T, V: Expression<R, T>> Expression<R, T> for crate::extract::Path<V> {
    fn node(self) -> Node {
        self.0.node()
    }
}

impl<R, T, V: Operand<R, T>> Operand<R, T> for crate::extract::Path<V> {}

impl<R, T: Kind> Expression<R, T::Base> for Field<R, T> {
    fn node(self) -> Node {
        Node::Field(self.path())
    }
}

impl<R, T: Kind> Operand<R, T::Base> for Field<R, T> {}

/// Arithmetic over fields of a row, for `set`.
#[derive(Debug)]
pub struct Expr<R, T> {
    node: Node,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Expression<R, T> for Expr<R, T> {
    fn node(self) -> Node {
        self.node
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $word:literal),+) => {
        $(impl<R, T, V> $trait<V> for Field<R, T>
        where
            T: Kind,
            T::Base: Number,
            V: Expression<R, T::Base>,
        {
            type Output = Expr<R, T::Base>;

            fn $method(self, other: V) -> Self::Output {
                math($word, Node::Field(self.path()), other.node())
            }
        }

        impl<R, T: Number, V: Expression<R, T>> $trait<V> for Expr<R, T> {
            type Output = Self;

            fn $method(self, other: V) -> Self {
                math($word, self.node, other.node())
            }
        })+
    };
}

arithmetic!(Add add "add", Sub sub "sub", Mul mul "mul", Div div "div", Rem rem "mod");

fn math<R, T>(word: &'static str, left: Node, right: Node) -> Expr<R, T> {
    Expr { node: Node::Math(word, Box::new(left), Box::new(right)), marker: PhantomData }
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
