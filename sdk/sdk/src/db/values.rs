//! What rows hold where they aren't whole rows of a model: fields, expressions and aggregates, read as tuples.

use core::fmt;

use super::aggregate::Aggregate;
use super::condition::Q;
use super::expression::{Expr, Single};
use super::field::{Field, Order, Path, Related, values_in};
use super::kinds::{Kind, Nullness};
use super::model::Model;
use super::node::{Lookup, Node, Sub};
use super::per_row::PerRow;
use super::query::QuerySet;
use super::reading::number;
use super::rows::Reader;
use super::shape::{ANNOTATIONS, Shape};
use super::term::{Truncated, Unit};
use super::{Statement, transaction};
use crate::error::{Error, Result};
use crate::time::{Date, DateTime};

/// A field, a relation's key, an expression or an aggregate of `R`; or a tuple of up to eight of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be read from rows of `{R}`",
    note = "write `{R}::FIELD`, `{R}::RELATION.field()`, an expression, an aggregate, or a tuple of up to eight"
)]
pub trait Columns<R> {
    /// What comes back of each row: one value, or a tuple.
    type Output;
    /// The same as expressions, for conditions and orders by what was annotated.
    #[doc(hidden)]
    type Named;
    #[doc(hidden)]
    const WIDTH: usize;
    #[doc(hidden)]
    fn nodes(self, to: &mut Vec<Node>);
    /// The columns from the place `at` on, by what the shape calls them.
    #[doc(hidden)]
    fn named(nodes: &[Node], at: usize) -> Self::Named;
    #[doc(hidden)]
    fn read(reader: &mut Reader<'_>) -> Result<Self::Output>;
}

/// Aggregates alone: one, or a tuple of up to eight.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate of `{R}`",
    note = "write `count()`, `{R}::FIELD.sum()`, `.avg()`, `.min()`, `.max()` or `.count()`, or a tuple of them"
)]
pub trait Aggregates<R>: Columns<R> {}

/// What groups are made by: fields, relations' keys and expressions; one, or a tuple of up to eight.
#[diagnostic::on_unimplemented(
    message = "rows of `{R}` can't be grouped by `{Self}`",
    note = "write `{R}::FIELD`, `{R}::RELATION.field()`, an expression, or a tuple of them"
)]
pub trait Keys<R>: Columns<R> {}

/// What an error calls a cell.
const CELL: &str = "a value";

/// What the shape calls a column: a field by its path, all others by their place.
fn name(nodes: &[Node], at: usize) -> Node {
    match nodes.get(at) {
        Some(Node::Field(path)) => Node::Field(*path),
        _ => Node::Field(Path::field(ANNOTATIONS.get(at).copied().unwrap_or(""))),
    }
}

macro_rules! one {
    ($type:ident, $this:ident => $node:expr; $marker:ident) => {
        impl<R, T: Kind> Columns<R> for $type<R, T> {
            type Output = T;
            type Named = Expr<R, T>;
            const WIDTH: usize = 1;

            fn nodes(self, to: &mut Vec<Node>) {
                let $this = self;
                to.push($node);
            }

            fn named(nodes: &[Node], at: usize) -> Self::Named {
                Expr::of(name(nodes, at))
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self::Output> {
                reader.field(CELL)
            }
        }

        impl<R, T: Kind> $marker<R> for $type<R, T> {}
    };
}

one!(Field, field => field.into_node(); Keys);
one!(Expr, expression => expression.into_node(); Keys);
one!(Aggregate, aggregate => aggregate.into_node(); Aggregates);

impl<R, M: Model, W: Nullness> Columns<R> for Related<R, M, W>
where
    W::Of<M::Key>: Kind,
{
    type Output = W::Of<M::Key>;
    type Named = Expr<R, W::Of<M::Key>>;
    const WIDTH: usize = 1;

    fn nodes(self, to: &mut Vec<Node>) {
        to.push(Node::Field(self.path()));
    }

    fn named(nodes: &[Node], at: usize) -> Self::Named {
        Expr::of(name(nodes, at))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self::Output> {
        reader.field(CELL)
    }
}

impl<R, M: Model, W: Nullness> Keys<R> for Related<R, M, W> where W::Of<M::Key>: Kind {}

macro_rules! tuples {
    ($(($($type:ident $at:tt $name:ident),+)),+ $(,)?) => {
        $(impl<R, $($type: Columns<R>),+> Columns<R> for ($($type,)+) {
            type Output = ($($type::Output,)+);
            type Named = ($($type::Named,)+);
            const WIDTH: usize = 0 $(+ $type::WIDTH)+;

            fn nodes(self, to: &mut Vec<Node>) {
                $(self.$at.nodes(to);)+
            }

            fn named(nodes: &[Node], mut at: usize) -> Self::Named {
                $(let $name = $type::named(nodes, at);
                at += $type::WIDTH;)+
                let _ = at;
                ($($name,)+)
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self::Output> {
                $(let $name = $type::read(reader)?;)+
                Ok(($($name,)+))
            }
        }

        impl<R, $($type: Aggregates<R>),+> Aggregates<R> for ($($type,)+) {}
        impl<R, $($type: Keys<R>),+> Keys<R> for ($($type,)+) {})+
    };
}

tuples! {
    (A 0 a, B 1 b), (A 0 a, B 1 b, C 2 c), (A 0 a, B 1 b, C 2 c, D 3 d), (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e),
    (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e, F 5 f), (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e, F 5 f, G 6 g),
    (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e, F 5 f, G 6 g, H 7 h),
}

pub(crate) fn nodes<R, C: Columns<R>>(columns: C) -> Vec<Node> {
    let mut nodes = Vec::with_capacity(C::WIDTH);
    columns.nodes(&mut nodes);
    nodes
}

/// What `is_in` takes: values, or a query of one value for each row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't made of values for a `{T}` field",
    note = "give an array or a vector of values, or `Other::objects().values(Other::FIELD)`"
)]
pub trait Members<R, T> {
    #[doc(hidden)]
    fn lookup(self) -> Lookup;
}

impl<R, T, I> Members<R, T> for I
where
    I: IntoIterator,
    I::Item: Single<T>,
{
    fn lookup(self) -> Lookup {
        values_in(self)
    }
}

impl<R, T, M: Model, O: Kind<Base = T>, N> Members<R, T> for Values<M, O, N> {
    fn lookup(self) -> Lookup {
        Lookup::Query(Box::new(self.into_sub()))
    }
}

/// The rows of `M`, each read as the values of some columns instead of a whole row.
#[must_use = "nothing is asked until `all` is awaited"]
pub struct Values<M, O, N> {
    pub(crate) set: QuerySet<M>,
    pub(crate) fields: Vec<Node>,
    pub(crate) columns: Read<O, N>,
}

/// How columns are read and called. Their own type would stand in the types of all sets, and with it each mistake in it.
pub(crate) struct Read<O, N> {
    pub(crate) width: usize,
    pub(crate) read: fn(&mut Reader<'_>) -> Result<O>,
    pub(crate) named: fn(&[Node], usize) -> N,
}

impl<O, N> Clone for Read<O, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O, N> Copy for Read<O, N> {}

impl<O, N> Read<O, N> {
    pub(crate) fn of<R, C: Columns<R, Output = O, Named = N>>() -> Self {
        Self { width: C::WIDTH, read: C::read, named: C::named }
    }
}

impl<M, O, N> Clone for Values<M, O, N> {
    fn clone(&self) -> Self {
        Self { set: self.set.clone(), fields: self.fields.clone(), columns: self.columns }
    }
}

impl<M, O, N> fmt::Debug for Values<M, O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("set", &self.set).field("fields", &self.fields).finish()
    }
}

impl<M: Model> QuerySet<M> {
    /// Only these columns of each row, as a value or a tuple: `values((Question::ID, Question::QUESTION_TEXT))`.
    pub fn values<C: Columns<M>>(self, columns: C) -> Values<M, C::Output, C::Named> {
        Values { set: self, fields: nodes(columns), columns: Read::of::<M, C>() }
    }

    /// The days, months or years that occur in a field, each once, the first first: `dates(Question::PUB_DATE.date(), Unit::Month)`.
    pub fn dates<T>(self, of: T, unit: Unit) -> Values<M, Date, Expr<M, Date>>
    where
        T: PerRow<Root = M, Kind: Kind<Base = Date>>,
    {
        self.moments(of, unit)
    }

    /// The hours, days, months … that occur in a field, each once, the first first: `datetimes(Question::PUB_DATE, Unit::Hour)`.
    pub fn datetimes<T>(self, of: T, unit: Unit) -> Values<M, DateTime, Expr<M, DateTime>>
    where
        T: PerRow<Root = M, Kind: Kind<Base = DateTime>>,
    {
        self.moments(of, unit)
    }

    fn moments<T, B>(self, of: T, unit: Unit) -> Values<M, B, Expr<M, B>>
    where
        T: PerRow<Root = M, Kind: Kind<Base = B>>,
        B: Kind + Truncated,
    {
        let of = of.into_term();
        let set = self.filter(Q::test(Lookup::IsNull(false), of.clone()));
        let cut = Node::Part("trunc", unit.word(), Box::new(of));
        let mut set = set.distinct();
        set.query.order = Some(vec![super::node::Sorted { node: name(&[], 0), descending: false, nulls: None }]);
        Values { set, fields: vec![cut], columns: Read::of::<M, Expr<M, B>>() }
    }
}

impl<M: Model, O, N> Values<M, O, N> {
    /// All rows. Errors: those of [`QuerySet::all`].
    pub async fn all(self) -> Result<Vec<O>> {
        let columns = self.columns;
        let bytes = transaction::fetch_packed(self.statement()?).await?;
        let mut reader = Reader::packed(M::NAME, columns.width, &bytes)?;
        let mut rows = Vec::with_capacity(reader.capacity());
        while reader.begin_row() {
            rows.push((columns.read)(&mut reader)?);
        }
        Ok(rows)
    }

    /// The first row, by the order or, without one, by key.
    pub async fn first(mut self) -> Result<Option<O>> {
        self.set.query.order = Some(self.set.query.ordered(M::META));
        self.set.query.at_most(1);
        Ok(self.all().await?.pop())
    }

    /// The only row. Errors: `is_not_found` for none, a 500 for several.
    pub async fn one(mut self) -> Result<O> {
        self.set.query.at_most(2);
        let mut rows = self.all().await?;
        match (rows.pop(), rows.pop()) {
            (Some(row), None) => Ok(row),
            (None, _) => Err(Error::not_found().context(M::NAME)),
            (Some(_), Some(_)) => Err(Error::internal(format!("`one` found several rows of {}", M::NAME))),
        }
    }

    /// How many rows there are; after [`distinct`](Self::distinct) how many different ones.
    pub async fn count(self) -> Result<u64> {
        number::<M>("count", self.set.query, self.fields).await
    }

    /// Whether there is a row.
    pub async fn exists(self) -> Result<bool> {
        Ok(number::<M>("exists", self.set.query, self.fields).await? != 0)
    }

    /// No row twice.
    pub fn distinct(mut self) -> Self {
        self.set = self.set.distinct();
        self
    }

    /// In the order of the columns themselves or of other fields, as that of [`QuerySet::order_by`].
    pub fn order_by(mut self, order: impl super::field::IntoOrder<M>) -> Self {
        self.set = self.set.order_by(order);
        self
    }

    /// In an order by the columns themselves, expressions too: `order_with(|(_, year)| year.desc())`.
    pub fn order_with(mut self, order: impl FnOnce(N) -> Order<M>) -> Self {
        self.set.query.order = Some(vec![order((self.columns.named)(&self.fields, 0)).sorted()]);
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.set = self.set.limit(rows);
        self
    }

    /// Without the first rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.set = self.set.offset(rows);
        self
    }

    /// The rows of both, each once. The other may be of another model, with columns of the same types.
    pub fn union<M2: Model, N2>(self, other: Values<M2, O, N2>) -> Self {
        self.combined("union", other)
    }

    /// The rows of both; a row of both comes twice.
    pub fn union_all<M2: Model, N2>(self, other: Values<M2, O, N2>) -> Self {
        self.combined("union_all", other)
    }

    /// The rows that are in both.
    pub fn intersection<M2: Model, N2>(self, other: Values<M2, O, N2>) -> Self {
        self.combined("intersect", other)
    }

    /// The rows that aren't in the other.
    pub fn difference<M2: Model, N2>(self, other: Values<M2, O, N2>) -> Self {
        self.combined("except", other)
    }

    fn combined<M2: Model, N2>(mut self, word: &'static str, other: Values<M2, O, N2>) -> Self {
        let other = other.into_sub();
        self.set.query.combine(M::META, &self.fields, word, other);
        self
    }

    pub(crate) fn statement(self) -> Result<Statement> {
        if self.fields.iter().any(Node::is_own_aggregate) {
            return Err(Error::internal(format!(
                "values of {}: what is made of all its rows is asked with `aggregate(…)`, or of groups with `group_by(…).annotate(…)`",
                M::NAME
            )));
        }
        let mut shape = Shape::new("select", M::NAME);
        shape.select(self.set.query, self.fields);
        shape.finish()
    }

    pub(crate) fn into_sub(self) -> Sub {
        self.set.sub(self.fields)
    }
}
