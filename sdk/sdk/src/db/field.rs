//! Fields as they stand in queries: `Question::PUB_DATE`, and across relations `Choice::QUESTION.pub_date()`.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use super::condition::{Lookup, Q};
use super::expression::{Assignment, Expression, Node, Operand, Single};
use super::kinds::Kind;
use super::model::{Id, Model};

/// Most steps of a path, the field included: the contract's limit.
pub(crate) const MAX_STEPS: usize = 6;

/// The way from a model to a field, over its relations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    steps: [&'static str; MAX_STEPS],
    len: usize,
}

impl Path {
    /// A field of the model itself.
    pub const fn field(name: &'static str) -> Self {
        let mut steps = [""; MAX_STEPS];
        steps[0] = name;
        Self { steps, len: 1 }
    }

    /// One step further. Past six steps the host refuses a path, so what is cut off here is refused there.
    pub const fn then(self, name: &'static str) -> Self {
        let mut steps = self.steps;
        // A seventh step makes the path one that no model has, which the host names in its error.
        steps[if self.len < MAX_STEPS { self.len } else { MAX_STEPS - 1 }] =
            if self.len < MAX_STEPS { name } else { "too_many_steps" };
        Self { steps, len: if self.len < MAX_STEPS { self.len + 1 } else { MAX_STEPS } }
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

/// A field of type `T`, reached from the model `R`.
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

    /// Smallest first.
    pub fn asc(self) -> Order<R> {
        Order { path: self.path, descending: false, marker: PhantomData }
    }

    /// Largest first.
    pub fn desc(self) -> Order<R> {
        Order { path: self.path, descending: true, marker: PhantomData }
    }

    /// NULL. What is reached over a relation is NULL too where the relation leads nowhere.
    pub fn is_null(self) -> Q<R> {
        Q::test(Lookup::IsNull(true), self.path)
    }

    /// Not NULL.
    pub fn is_not_null(self) -> Q<R> {
        Q::test(Lookup::IsNull(false), self.path)
    }
}

impl<R, T: Kind> Field<R, T> {
    /// Equal. Takes a value or another field.
    pub fn eq(self, value: impl Operand<R, T::Base>) -> Q<R> {
        Q::test(Lookup::One("exact", value.node()), self.path)
    }

    /// Not equal, or NULL.
    pub fn ne(self, value: impl Operand<R, T::Base>) -> Q<R> {
        !self.eq(value)
    }

    /// One of these. At most 1,000; none of none.
    pub fn is_in<V: Single<T::Base>>(self, values: impl IntoIterator<Item = V>) -> Q<R> {
        Q::test(Lookup::In(values.into_iter().map(Single::value).collect()), self.path)
    }

    /// What an update writes: a value, or an expression over the row as it was.
    pub fn set(self, value: impl Expression<R, T::Base>) -> Assignment<R> {
        Assignment::new(self.path, value.node())
    }
}

impl<R, T: Kind> Field<R, Option<T>> {
    /// What an update writes: NULL.
    pub fn set_null(self) -> Assignment<R> {
        Assignment::new(self.path, Node::Value(super::Value::Null))
    }
}

impl<R, T: Kind> Field<R, T>
where
    T::Base: Ordered,
{
    /// Greater.
    pub fn gt(self, value: impl Operand<R, T::Base>) -> Q<R> {
        Q::test(Lookup::One("gt", value.node()), self.path)
    }

    /// Greater or equal.
    pub fn ge(self, value: impl Operand<R, T::Base>) -> Q<R> {
        Q::test(Lookup::One("gte", value.node()), self.path)
    }

    /// Less.
    pub fn lt(self, value: impl Operand<R, T::Base>) -> Q<R> {
        Q::test(Lookup::One("lt", value.node()), self.path)
    }

    /// Less or equal.
    pub fn le(self, value: impl Operand<R, T::Base>) -> Q<R> {
        Q::test(Lookup::One("lte", value.node()), self.path)
    }

    /// Between two, both included.
    pub fn range(self, from: impl Operand<R, T::Base>, to: impl Operand<R, T::Base>) -> Q<R> {
        Q::test(Lookup::Range(from.node(), to.node()), self.path)
    }
}

macro_rules! text_lookups {
    ($($(#[$doc:meta])* $name:ident $word:literal),+ $(,)?) => {
        impl<R, T: Kind<Base = String>> Field<R, T> {
            $($(#[$doc])*
            pub fn $name(self, text: impl Operand<R, String>) -> Q<R> {
                Q::test(Lookup::One($word, text.node()), self.path)
            })+
        }
    };
}

text_lookups! {
    /// Equal, ignoring case.
    iexact "iexact",
    /// The text occurs in it; case matters. `%` and `_` are ordinary characters, here and in the others.
    contains "contains",
    /// The text occurs in it, ignoring case.
    icontains "icontains",
    /// It begins with the text; case matters.
    startswith "startswith",
    /// It begins with the text, ignoring case.
    istartswith "istartswith",
    /// It ends with the text; case matters.
    endswith "endswith",
    /// It ends with the text, ignoring case.
    iendswith "iendswith",
}

/// Kinds that have an order.
#[diagnostic::on_unimplemented(
    message = "a field of `{Self}` has no order: it can be compared with `eq` and `ne` alone"
)]
pub trait Ordered {}

/// Kinds that can be calculated with.
#[diagnostic::on_unimplemented(
    message = "a field of `{Self}` can't be calculated with",
    note = "numbers can: i32, i64, f64"
)]
pub trait Number {}

macro_rules! mark {
    ($trait:ident: $($type:ty),+) => {
        $(impl $trait for $type {})+
    };
}

mark!(Ordered: i32, i64, f64, String, crate::time::Date, crate::time::Time, crate::time::DateTime, crate::time::Duration);
mark!(Number: i32, i64, f64);
impl<M> Ordered for Id<M> {}

/// A foreign key in a query: its key, and by dereferencing all fields of the model that it points to.
pub struct Related<R, M: Model> {
    key: Field<R, Id<M>>,
    to: M::Fields<R>,
}

impl<R, M: Model> Clone for Related<R, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, M: Model> Copy for Related<R, M> {}

impl<R, M: Model> fmt::Debug for Related<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl<R, M: Model> Deref for Related<R, M> {
    type Target = M::Fields<R>;

    fn deref(&self) -> &M::Fields<R> {
        &self.to
    }
}

impl<R, M: Model> Related<R, M> {
    /// The relation at `path`, with the other model's fields reached by it. The derive calls it.
    #[doc(hidden)]
    pub const fn at(path: Path, to: M::Fields<R>) -> Self {
        Self { key: Field::at(path), to }
    }

    /// Points to this row: an id, or a reference to the row.
    pub fn eq(self, row: impl Operand<R, Id<M>>) -> Q<R> {
        self.key.eq(row)
    }

    /// Points to another row, or to none.
    pub fn ne(self, row: impl Operand<R, Id<M>>) -> Q<R> {
        self.key.ne(row)
    }

    /// Points to one of these rows, at most 1,000.
    pub fn is_in<V: Single<Id<M>>>(self, rows: impl IntoIterator<Item = V>) -> Q<R> {
        self.key.is_in(rows)
    }

    /// Points to none.
    pub fn is_null(self) -> Q<R> {
        self.key.is_null()
    }

    /// Points to one.
    pub fn is_not_null(self) -> Q<R> {
        self.key.is_not_null()
    }

    /// What an update writes: this row.
    pub fn set(self, row: impl Expression<R, Id<M>>) -> Assignment<R> {
        self.key.set(row)
    }

    /// What an update writes: no row. A field that doesn't allow NULL refuses it with `not-null`.
    pub fn set_null(self) -> Assignment<R> {
        Assignment::new(self.key.path, Node::Value(super::Value::Null))
    }

    /// By key, smallest first.
    pub fn asc(self) -> Order<R> {
        self.key.asc()
    }

    /// By key, largest first.
    pub fn desc(self) -> Order<R> {
        self.key.desc()
    }
}

/// The rows that point here, in a query: by dereferencing all fields of their model.
///
/// In one call of `filter` all conditions speak of the same related row; in two calls each may be about another one.
pub struct Reverse<R, M: Model> {
    to: M::Fields<R>,
}

impl<R, M: Model> Clone for Reverse<R, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, M: Model> Copy for Reverse<R, M> {}

impl<R, M: Model> fmt::Debug for Reverse<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reverse({})", M::META.name)
    }
}

impl<R, M: Model> Deref for Reverse<R, M> {
    type Target = M::Fields<R>;

    fn deref(&self) -> &M::Fields<R> {
        &self.to
    }
}

impl<R, M: Model> Reverse<R, M> {
    /// The other model's fields, reached from here. The derive calls it.
    #[doc(hidden)]
    pub const fn at(to: M::Fields<R>) -> Self {
        Self { to }
    }
}

/// An order of rows.
pub struct Order<R> {
    pub(crate) path: Path,
    pub(crate) descending: bool,
    marker: PhantomData<fn() -> R>,
}

impl<R> Order<R> {
    pub(crate) fn reversed(self) -> Self {
        Self { descending: !self.descending, ..self }
    }

    /// From the words of `ordering`, such as `-pub_date`.
    pub(crate) fn from_word(word: &'static str) -> Self {
        let (name, descending) = word.strip_prefix('-').map_or((word, false), |name| (name, true));
        Self { path: Path::field(name), descending, marker: PhantomData }
    }
}

impl<R> Clone for Order<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Order<R> {}

impl<R> fmt::Debug for Order<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", if self.descending { "-" } else { "" }, self.path)
    }
}

/// What `order_by` takes: an order or a field, or an array or vector of orders.
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

impl<R, T> IntoOrder<R> for Field<R, T> {
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
