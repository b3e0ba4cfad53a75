//! Values that are made of many rows: of a whole set, of each row's related rows, or of groups.

use core::fmt;
use core::marker::PhantomData;

use super::condition::{Q, Tree};
use super::expression::Node;
use super::field::{Field, Ordered};
use super::kinds::Kind;
use super::model::Model;
use super::query::QuerySet;
use super::rows::Reader;
use super::shape::Shape;
use super::transaction;
use crate::error::{Error, Result};
use crate::time::Duration;

/// One value of type `T`, made of rows that are reached from the model `R`.
///
/// A field of `R` itself is aggregated over a set ([`QuerySet::aggregate`]) or a group ([`QuerySet::group_by`]); a field over a reverse
/// relation over the related rows of each row ([`QuerySet::annotate`]).
#[must_use = "an aggregate asks nothing until it is given to `aggregate` or `annotate`"]
pub struct Aggregate<R, T> {
    word: &'static str,
    of: Option<Node>,
    distinct: bool,
    filters: Vec<Tree>,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> fmt::Debug for Aggregate<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.word, self.of)
    }
}

/// How many rows there are, in a set or a group.
pub fn count<R: Model>() -> Aggregate<R, u64> {
    Aggregate::new("count", None)
}

impl<R, T> Aggregate<R, T> {
    fn new(word: &'static str, of: Option<Node>) -> Self {
        Self { word, of, distinct: false, filters: Vec::new(), marker: PhantomData }
    }

    /// Only of rows that fulfil the condition. Over a reverse relation it is about each related row, also below a `!`.
    pub fn filter(mut self, condition: Q<R>) -> Self {
        self.filters.push(condition.tree);
        self
    }

    /// Each value once.
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    fn write(self, shape: &mut Shape, at: usize) {
        shape.annotation(at, self.word, self.of, self.distinct, self.filters);
    }
}

impl<R, T: Kind> Field<R, T> {
    /// How many values there are that aren't NULL.
    pub fn count(self) -> Aggregate<R, u64> {
        Aggregate::new("count", Some(Node::Field(self.path())))
    }
}

impl<R, T: Kind> Field<R, T>
where
    T::Base: Ordered + Kind,
{
    /// The smallest value; none of no rows.
    pub fn min(self) -> Aggregate<R, Option<T::Base>> {
        Aggregate::new("min", Some(Node::Field(self.path())))
    }

    /// The largest value; none of no rows.
    pub fn max(self) -> Aggregate<R, Option<T::Base>> {
        Aggregate::new("max", Some(Node::Field(self.path())))
    }
}

impl<R, T: Kind> Field<R, T>
where
    T::Base: Summed,
{
    /// All values together; none of no rows. Errors of the query: past 64 bits 422.
    pub fn sum(self) -> Aggregate<R, Option<<T::Base as Summed>::Sum>> {
        Aggregate::new("sum", Some(Node::Field(self.path())))
    }
}

impl<R, T: Kind> Field<R, T>
where
    T::Base: Averaged,
{
    /// The mean; none of no rows.
    pub fn avg(self) -> Aggregate<R, Option<f64>> {
        Aggregate::new("avg", Some(Node::Field(self.path())))
    }
}

/// Kinds whose values can be added up.
#[diagnostic::on_unimplemented(
    message = "fields of `{Self}` can't be added up",
    note = "i32, i64, f64 and Duration can"
)]
pub trait Summed {
    /// What the sum is.
    type Sum: Kind;
}

/// Kinds that have a mean.
#[diagnostic::on_unimplemented(message = "fields of `{Self}` have no mean", note = "i32, i64 and f64 have one")]
pub trait Averaged {}

macro_rules! numbers {
    ($($type:ty => $sum:ty),+) => {
        $(impl Summed for $type {
            type Sum = $sum;
        })+
    };
}

numbers!(i32 => i64, i64 => i64, f64 => f64, Duration => Duration);
impl Averaged for i32 {}
impl Averaged for i64 {}
impl Averaged for f64 {}

/// What an aggregate's cell is read as.
pub trait Answer: Sized {
    #[doc(hidden)]
    fn read(reader: &mut Reader<'_>) -> Result<Self>;
}

/// What an error calls the cell.
const CELL: &str = "an aggregate";

impl Answer for u64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let number: i64 = reader.field(CELL)?;
        Self::try_from(number).map_err(|_| Error::internal("a count below zero"))
    }
}

impl<T: Kind> Answer for Option<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.field(CELL)
    }
}

/// One aggregate, or a tuple of up to six.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate of `{R}`",
    note = "write `count()`, `{R}::FIELD.sum()`, `.avg()`, `.min()`, `.max()` or `.count()`, or a tuple of them"
)]
pub trait Aggregates<R> {
    /// What comes back: one value, or a tuple.
    type Output;
    #[doc(hidden)]
    const WIDTH: usize;
    #[doc(hidden)]
    fn write(self, shape: &mut Shape);
    #[doc(hidden)]
    fn read(reader: &mut Reader<'_>) -> Result<Self::Output>;
}

impl<R, T: Answer> Aggregates<R> for Aggregate<R, T> {
    type Output = T;
    const WIDTH: usize = 1;

    fn write(self, shape: &mut Shape) {
        Aggregate::write(self, shape, 0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<T> {
        T::read(reader)
    }
}

/// One field, or a tuple of up to three, that groups are made by.
#[diagnostic::on_unimplemented(
    message = "rows of `{R}` can't be grouped by `{Self}`",
    note = "write `{R}::FIELD`, `{R}::RELATION.field()`, or a tuple of them"
)]
pub trait Keys<R> {
    /// What comes back of each group: one value, or a tuple.
    type Output;
    #[doc(hidden)]
    const WIDTH: usize;
    #[doc(hidden)]
    fn write(self, shape: &mut Shape);
    #[doc(hidden)]
    fn read(reader: &mut Reader<'_>) -> Result<Self::Output>;
}

impl<R, T: Kind> Keys<R> for Field<R, T> {
    type Output = T;
    const WIDTH: usize = 1;

    fn write(self, shape: &mut Shape) {
        shape.group_path(0, &self.path());
    }

    fn read(reader: &mut Reader<'_>) -> Result<T> {
        reader.field("a group's key")
    }
}

macro_rules! tuples {
    ($($trait:ident: $(($($type:ident $at:tt $name:ident),+)),+;)+) => {
        $($(tuples!(@ $trait $($type $at $name),+);)+)+
    };
    (@ Aggregates $($type:ident $at:tt $name:ident),+) => {
        impl<R, $($type: Answer),+> Aggregates<R> for ($(Aggregate<R, $type>,)+) {
            type Output = ($($type,)+);
            const WIDTH: usize = [$($at),+].len();

            fn write(self, shape: &mut Shape) {
                $(Aggregate::write(self.$at, shape, $at);)+
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self::Output> {
                $(let $name = $type::read(reader)?;)+
                Ok(($($name,)+))
            }
        }
    };
    (@ Keys $($type:ident $at:tt $name:ident),+) => {
        impl<R, $($type: Kind),+> Keys<R> for ($(Field<R, $type>,)+) {
            type Output = ($($type,)+);
            const WIDTH: usize = [$($at),+].len();

            fn write(self, shape: &mut Shape) {
                $(shape.group_path($at, &self.$at.path());)+
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self::Output> {
                $(let $name = reader.field("a group's key")?;)+
                Ok(($($name,)+))
            }
        }
    };
}

tuples! {
    Aggregates: (A 0 a, B 1 b), (A 0 a, B 1 b, C 2 c), (A 0 a, B 1 b, C 2 c, D 3 d),
        (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e), (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e, F 5 f);
    Keys: (A 0 a, B 1 b), (A 0 a, B 1 b, C 2 c);
}

impl<M: Model> QuerySet<M> {
    /// One value, or a tuple of them, of all these rows together:
    /// `let (n, votes) = Choice::objects().aggregate((count(), Choice::VOTES.sum())).await?;`
    ///
    /// Errors: an error for a set with limit, offset or distinct.
    pub async fn aggregate<A: Aggregates<M>>(self, aggregates: A) -> Result<A::Output> {
        self.unlimited("aggregate")?;
        let mut shape = Shape::new("aggregate", M::NAME);
        aggregates.write(&mut shape);
        shape.end_list();
        shape.filters(self.filters);
        let bytes = transaction::fetch_packed(shape.finish()).await?;
        let mut reader = Reader::packed(M::NAME, A::WIDTH, &bytes)?;
        if !reader.begin_row() {
            return Err(Error::internal(format!("the aggregate of {} answered no row", M::NAME)));
        }
        A::read(&mut reader)
    }

    /// Each row with a value, or a tuple of them, made of its related rows:
    /// `Question::objects().annotate(Question::CHOICES.votes().sum()).all()`.
    pub fn annotate<A: Aggregates<M>>(self, aggregates: A) -> Annotated<M, A> {
        Annotated { set: self, aggregates }
    }

    /// Rows that share the values of these fields are put together:
    /// `Choice::objects().group_by(Choice::QUESTION.id()).annotate(count()).all()`.
    ///
    /// An order names what is grouped by; without one the groups come in any order.
    pub fn group_by<K: Keys<M>>(self, keys: K) -> Grouped<M, K> {
        Grouped { set: self, keys }
    }
}

/// Rows with what is made of their related rows.
#[must_use = "nothing is asked until `all` is awaited"]
pub struct Annotated<M, A> {
    set: QuerySet<M>,
    aggregates: A,
}

impl<M: fmt::Debug, A: fmt::Debug> fmt::Debug for Annotated<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotated").field("set", &self.set).field("aggregates", &self.aggregates).finish()
    }
}

impl<M: Model, A: Aggregates<M>> Annotated<M, A> {
    /// All rows, each with its values. Errors: those of [`QuerySet::all`].
    pub async fn all(self) -> Result<Vec<(M, A::Output)>> {
        let mut shape = Shape::new("select", M::NAME);
        self.aggregates.write(&mut shape);
        shape.end_list();
        self.set.conditions(&mut shape);
        let bytes = transaction::fetch_packed(shape.finish()).await?;
        let mut reader = Reader::packed(M::NAME, M::META.fields.len() + A::WIDTH, &bytes)?;
        let mut rows = Vec::new();
        while reader.begin_row() {
            rows.push((M::read(&mut reader)?, A::read(&mut reader)?));
        }
        Ok(rows)
    }
}

/// Rows put together by what they share.
#[must_use = "nothing is asked until `annotate` says what to make of the groups"]
pub struct Grouped<M, K> {
    set: QuerySet<M>,
    keys: K,
}

impl<M: fmt::Debug, K: fmt::Debug> fmt::Debug for Grouped<M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("set", &self.set).field("keys", &self.keys).finish()
    }
}

impl<M: Model, K: Keys<M>> Grouped<M, K> {
    /// What to make of each group.
    pub fn annotate<A: Aggregates<M>>(self, aggregates: A) -> Groups<M, K, A> {
        Groups { grouped: self, aggregates }
    }
}

/// Groups with what is made of their rows.
#[must_use = "nothing is asked until `all` is awaited"]
pub struct Groups<M, K, A> {
    grouped: Grouped<M, K>,
    aggregates: A,
}

impl<M: fmt::Debug, K: fmt::Debug, A: fmt::Debug> fmt::Debug for Groups<M, K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("grouped", &self.grouped).field("aggregates", &self.aggregates).finish()
    }
}

impl<M: Model, K: Keys<M>, A: Aggregates<M>> Groups<M, K, A> {
    /// All groups: what they share, and what is made of them. Errors: those of [`QuerySet::all`].
    pub async fn all(self) -> Result<Vec<(K::Output, A::Output)>> {
        let mut shape = Shape::new("select", M::NAME);
        self.grouped.keys.write(&mut shape);
        shape.end_list();
        self.aggregates.write(&mut shape);
        shape.end_list();
        self.grouped.set.conditions(&mut shape);
        let bytes = transaction::fetch_packed(shape.finish()).await?;
        let mut reader = Reader::packed(M::NAME, K::WIDTH + A::WIDTH, &bytes)?;
        let mut groups = Vec::new();
        while reader.begin_row() {
            groups.push((K::read(&mut reader)?, A::read(&mut reader)?));
        }
        Ok(groups)
    }
}
