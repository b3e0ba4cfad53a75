//! Fields as they stand in queries: `Question::PUB_DATE`, and across relations `Choice::QUESTION.pub_date()`.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use super::aggregate::Aggregate;
use super::condition::Q;
use super::expression::{Assignment, Expr, Expression, Operand, Single};
use super::kinds::{Kind, May, Must, Nullness};
use super::model::Model;
use super::node::{Lookup, Node, Sorted};
use super::per_row::PerRow;
use super::values::Members;

/// Most steps of a path, the field included: the contract's limit.
pub(crate) const MAX_STEPS: usize = 6;

/// The way from a model to a field, over its relations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    steps: [&'static str; MAX_STEPS],
    len: usize,
    /// Whether a step leads to many rows.
    many: bool,
}

impl Path {
    /// A field of the model itself.
    pub const fn field(name: &'static str) -> Self {
        let mut steps = [""; MAX_STEPS];
        steps[0] = name;
        Self { steps, len: 1, many: false }
    }

    /// One step further. Past six steps the host refuses a path, so what is cut off here is refused there.
    pub const fn then(self, name: &'static str) -> Self {
        let mut steps = self.steps;
        // A seventh step makes the path one that no model has, which the host names in its error.
        steps[if self.len < MAX_STEPS { self.len } else { MAX_STEPS - 1 }] =
            if self.len < MAX_STEPS { name } else { "too_many_steps" };
        Self { steps, len: if self.len < MAX_STEPS { self.len + 1 } else { MAX_STEPS }, many: self.many }
    }

    /// A field reached by `way`, or the model's own.
    #[doc(hidden)]
    pub const fn reached(way: Option<Self>, name: &'static str) -> Self {
        match way {
            Some(way) => way.then(name),
            None => Self::field(name),
        }
    }

    /// The same, whose last step leads to many rows.
    #[doc(hidden)]
    pub const fn to_many(self) -> Self {
        Self { many: true, ..self }
    }

    pub(crate) fn is_many(&self) -> bool {
        self.many
    }

    /// The names along the way.
    pub fn steps(&self) -> &[&'static str] {
        &self.steps[..self.len]
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.steps().join("."))
    }
}

/// How the fields of a [`FieldSet`](super::FieldSet) are reached; that of a model is the type which [`__root`](crate::__root) makes.
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "the derive's own")]
pub struct Way<R, W> {
    pub path: Option<Path>,
    marker: PhantomData<fn() -> (R, W)>,
}

impl<R, W> Way<R, W> {
    pub const fn at(path: Option<Path>) -> Self {
        Self { path, marker: PhantomData }
    }
}

impl<R, W> Clone for Way<R, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, W> Copy for Way<R, W> {}

/// The type that reverse relations are methods of, as `Author::BOOKS.copies()`: one in each crate, since a model adds its own to that of
/// the models it points to, and methods can only be added to a type of the same crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __root {
    () => {
        #[doc(hidden)]
        #[allow(dead_code, missing_docs, missing_debug_implementations)]
        pub struct __AppInTheCrateRoot<R, M, W> {
            pub path: ::core::option::Option<$crate::db::Path>,
            marker: ::core::marker::PhantomData<fn() -> (R, M, W)>,
        }

        #[allow(dead_code, missing_docs)]
        impl<R, M, W> __AppInTheCrateRoot<R, M, W> {
            pub const fn at(path: ::core::option::Option<$crate::db::Path>) -> Self {
                Self { path, marker: ::core::marker::PhantomData }
            }
        }

        impl<R, M, W> ::core::clone::Clone for __AppInTheCrateRoot<R, M, W> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<R, M, W> ::core::marker::Copy for __AppInTheCrateRoot<R, M, W> {}
    };
}

/// A field of type `T`, reached from the model `R`.
///
/// What it can be asked and made into are the methods of [`PerRow`] and [`Term`](super::Term).
pub struct Field<R, T> {
    path: Path,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Clone for Field<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Field<R, T> {}

impl<R, T> fmt::Debug for Field<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl<R, T> Field<R, T> {
    /// The field at the end of `path`. The derive calls it.
    #[doc(hidden)]
    pub const fn at(path: Path) -> Self {
        Self { path, marker: PhantomData }
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }
}

impl<R, T: Kind> Field<R, T> {
    /// What an update writes: a value, or an expression over the row as it was.
    pub fn set(self, value: impl Expression<R, T::Base>) -> Assignment<R> {
        Assignment::new(self.path, value.node())
    }

    /// What an insert writes that meets a row which is there already: the value that it brought.
    pub fn set_new(self) -> Assignment<R> {
        Assignment::new(self.path, Node::New(self.path))
    }
}

impl<R, T: Kind> Field<R, Option<T>> {
    /// What an update writes: NULL.
    pub fn set_null(self) -> Assignment<R> {
        Assignment::new(self.path, Node::value(super::Value::Null))
    }
}

/// Kinds that have an order: numbers, texts, UUIDs, dates, times, datetimes, durations and keys.
#[diagnostic::on_unimplemented(
    message = "a field of `{Self}` has no order: it can be compared with `eq` and `ne` alone"
)]
pub trait Ordered {}

macro_rules! mark {
    ($trait:ident: $($type:ty),+ $(,)?) => {
        $(impl $trait for $type {})+
    };
}

mark!(
    Ordered: i16, i32, i64, u16, u32, u64, f64, rust_decimal::Decimal, String, uuid::Uuid, crate::time::Date, crate::time::Time,
    crate::time::DateTime, crate::time::Duration,
);
impl<M, K> Ordered for super::key::Id<M, K> {}

/// A foreign key in a query: its key, and by dereferencing all fields of the model that it points to.
pub struct Related<R, M: Model, W: Nullness = Must> {
    path: Path,
    to: M::Fields<R, W>,
    marker: PhantomData<fn() -> W>,
}

impl<R, M: Model, W: Nullness> Clone for Related<R, M, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, M: Model, W: Nullness> Copy for Related<R, M, W> {}

impl<R, M: Model, W: Nullness> fmt::Debug for Related<R, M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl<R, M: Model, W: Nullness> Deref for Related<R, M, W> {
    type Target = M::Fields<R, W>;

    fn deref(&self) -> &M::Fields<R, W> {
        &self.to
    }
}

impl<R, M: Model, W: Nullness> Related<R, M, W> {
    /// The relation at `path`, with the other model's fields reached by it. The derive calls it.
    #[doc(hidden)]
    pub const fn at(path: Path, to: M::Fields<R, W>) -> Self {
        Self { path, to, marker: PhantomData }
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// The key that it holds, as a field.
    pub const fn key(self) -> Field<R, W::Of<M::Key>> {
        Field::at(self.path)
    }

    /// Points to this row: its key, or a reference to the row.
    pub fn eq(self, row: impl Operand<R, M::Key>) -> Q<R> {
        Q::test(Lookup::One("exact", row.node()), Node::Field(self.path))
    }

    /// Points to another row, or to none.
    pub fn ne(self, row: impl Operand<R, M::Key>) -> Q<R> {
        !self.eq(row)
    }

    /// Points to one of these rows, at most 1,000, or to one that a query finds.
    pub fn is_in(self, rows: impl Members<R, M::Key>) -> Q<R> {
        Q::test(rows.lookup(), Node::Field(self.path))
    }

    /// Points to none.
    pub fn is_null(self) -> Q<R> {
        Q::test(Lookup::IsNull(true), Node::Field(self.path))
    }

    /// Points to one.
    pub fn is_not_null(self) -> Q<R> {
        Q::test(Lookup::IsNull(false), Node::Field(self.path))
    }

    /// How many rows point to one, for `aggregate` and groups; with `distinct` how many rows are pointed to.
    pub fn count(self) -> Aggregate<R, u64> {
        Aggregate::new("count", Some(Node::Field(self.path)))
    }

    /// What an update writes: this row.
    pub fn set(self, row: impl Expression<R, M::Key>) -> Assignment<R> {
        Assignment::new(self.path, row.node())
    }

    /// By key, smallest first.
    pub fn asc(self) -> Order<R> {
        Order::of(Node::Field(self.path), false)
    }

    /// By key, largest first.
    pub fn desc(self) -> Order<R> {
        Order::of(Node::Field(self.path), true)
    }
}

impl<R, M: Model> Related<R, M, May> {
    /// What an update writes: no row.
    pub fn set_null(self) -> Assignment<R> {
        Assignment::new(self.path, Node::value(super::Value::Null))
    }
}

/// The rows that point here, or that a many-to-many field leads to, in a query: by dereferencing all fields of their model.
///
/// In one call of `filter` all conditions speak of the same related row; in two calls each may be about another one.
pub struct Reverse<R, M: Model> {
    path: Path,
    to: M::Fields<R, May>,
}

impl<R, M: Model> Clone for Reverse<R, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, M: Model> Copy for Reverse<R, M> {}

impl<R, M: Model> fmt::Debug for Reverse<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl<R, M: Model> Deref for Reverse<R, M> {
    type Target = M::Fields<R, May>;

    fn deref(&self) -> &M::Fields<R, May> {
        &self.to
    }
}

impl<R, M: Model> Reverse<R, M> {
    /// The other model's fields, reached from here. The derive calls it.
    #[doc(hidden)]
    pub const fn at(path: Path, to: M::Fields<R, May>) -> Self {
        Self { path, to }
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// This row is among them.
    pub fn eq(self, row: impl Operand<R, M::Key>) -> Q<R> {
        Q::test(Lookup::One("exact", row.node()), Node::Field(self.path))
    }

    /// One of these rows is among them; at most 1,000, or those that a query finds.
    pub fn is_in(self, rows: impl Members<R, M::Key>) -> Q<R> {
        Q::test(rows.lookup(), Node::Field(self.path))
    }

    /// There are none.
    pub fn is_null(self) -> Q<R> {
        Q::test(Lookup::IsNull(true), Node::Field(self.path))
    }

    /// There is one at least.
    pub fn is_not_null(self) -> Q<R> {
        Q::test(Lookup::IsNull(false), Node::Field(self.path))
    }

    /// How many there are, for `annotate`.
    pub fn count(self) -> Aggregate<R, u64> {
        let key = match M::META.primary_key {
            [first, _, ..] => first,
            _ => "pk",
        };
        Aggregate::new("count", Some(Node::Field(self.path.then(key))))
    }
}

/// An order of rows by a field or an expression.
#[derive(Clone)]
pub struct Order<R> {
    sorted: Sorted,
    marker: PhantomData<fn() -> R>,
}

impl<R> Order<R> {
    pub(crate) fn of(node: Node, descending: bool) -> Self {
        Self { sorted: Sorted { node, descending, nulls: None }, marker: PhantomData }
    }

    pub(crate) fn sorted(self) -> Sorted {
        self.sorted
    }

    /// NULL before all values. Without it, NULL comes first ascending and last descending.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.sorted.nulls = Some("first");
        self
    }

    /// NULL after all values.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.sorted.nulls = Some("last");
        self
    }
}

impl<R> fmt::Debug for Order<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sorted.fmt(f)
    }
}

/// What `order_by` takes: an order, a field or an expression, or an array or vector of orders.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no order of `{R}`",
    note = "write `{R}::FIELD.asc()` or `.desc()`, or several in an array"
)]
pub trait IntoOrder<R> {
    /// The orders, the most important first.
    fn into_order(self) -> Vec<Order<R>>;
}

impl<R> IntoOrder<R> for Order<R> {
    fn into_order(self) -> Vec<Order<R>> {
        vec![self]
    }
}

impl<R, T: Kind> IntoOrder<R> for Field<R, T> {
    fn into_order(self) -> Vec<Order<R>> {
        vec![self.asc()]
    }
}

impl<R, T: Kind> IntoOrder<R> for Expr<R, T> {
    fn into_order(self) -> Vec<Order<R>> {
        vec![self.asc()]
    }
}

impl<R, M: Model, W: Nullness> IntoOrder<R> for Related<R, M, W> {
    fn into_order(self) -> Vec<Order<R>> {
        vec![self.asc()]
    }
}

impl<R, const N: usize> IntoOrder<R> for [Order<R>; N] {
    fn into_order(self) -> Vec<Order<R>> {
        self.into()
    }
}

impl<R> IntoOrder<R> for Vec<Order<R>> {
    fn into_order(self) -> Vec<Order<R>> {
        self
    }
}

/// One field of `R`, or a tuple of up to four.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't made of fields of `{R}`",
    note = "write `{R}::FIELD`, or a tuple of fields"
)]
pub trait IntoPaths<R> {
    #[doc(hidden)]
    fn into_paths(self) -> Vec<Path>;
}

/// `is_in` of values, at most 1,000; none of none.
pub(crate) fn values_in<T, V: Single<T>>(values: impl IntoIterator<Item = V>) -> Lookup {
    Lookup::Many("in", values.into_iter().map(Single::single).collect())
}
