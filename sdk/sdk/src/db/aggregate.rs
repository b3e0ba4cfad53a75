//! Values that are made of many rows: of a whole set, of each row's related rows, or of groups.

use core::fmt;
use core::marker::PhantomData;

use super::condition::Q;
use super::expression::Expr;
use super::field::IntoOrder;
use super::kinds::Kind;
use super::model::Model;
use super::node::{Aggregated, Node};
use super::window::{IntoWindow, WindowFunction};
use crate::time::Duration;

/// One value of type `T`, made of rows that are reached from the model `R`.
///
/// A field of `R` itself is aggregated over a set ([`QuerySet::aggregate`](super::QuerySet::aggregate)) or a group
/// ([`QuerySet::group_by`](super::QuerySet::group_by)); a field over a reverse relation over the related rows of each row
/// ([`QuerySet::annotate`](super::QuerySet::annotate)). With [`over`](Self::over) it is over the rows around each row. The functions of
/// [`Term`](super::Term) and arithmetic take it: `Choice::VOTES.sum().coalesce(0)`.
#[must_use = "an aggregate asks nothing until it is given to `aggregate` or `annotate`"]
pub struct Aggregate<R, T> {
    node: Node,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Clone for Aggregate<R, T> {
    fn clone(&self) -> Self {
        Self::of(self.node.clone())
    }
}

impl<R, T> fmt::Debug for Aggregate<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

/// How many rows there are, in a set or a group.
pub fn count<R: Model>() -> Aggregate<R, u64> {
    Aggregate::new("count", None)
}

impl<R, T> Aggregate<R, T> {
    pub(crate) fn new(word: &'static str, of: Option<Node>) -> Self {
        Self::of(Node::Aggregate(Box::new(Aggregated {
            word,
            of,
            with: None,
            distinct: false,
            sample: false,
            filters: Vec::new(),
            order: Vec::new(),
        })))
    }

    pub(crate) const fn of(node: Node) -> Self {
        Self { node, marker: PhantomData }
    }

    pub(crate) fn into_node(self) -> Node {
        self.node
    }

    pub(crate) fn with(self, with: Node) -> Self {
        self.changed(|aggregate| aggregate.with = Some(with))
    }

    /// Changes the aggregate itself, also where a function was made of it.
    fn changed(mut self, change: impl FnOnce(&mut Aggregated)) -> Self {
        fn find(node: &mut Node) -> Option<&mut Aggregated> {
            match node {
                Node::Aggregate(aggregate) => Some(aggregate),
                Node::Call(_, of) => of.iter_mut().find_map(find),
                Node::Cast(of, _) | Node::Part(_, _, of) | Node::Year(_, of) | Node::Zoned(of, _) => find(of),
                _ => None,
            }
        }
        if let Some(aggregate) = find(&mut self.node) {
            change(aggregate);
        }
        self
    }

    /// Only of rows that fulfil the condition. Over a reverse relation it is about each related row, also below a `!`.
    pub fn filter(self, condition: Q<R>) -> Self {
        self.changed(|aggregate| aggregate.filters.push(condition.tree))
    }

    /// Each value once.
    pub fn distinct(self) -> Self {
        self.changed(|aggregate| aggregate.distinct = true)
    }

    /// The values in this order, for `string_agg`.
    pub fn order_by(self, order: impl IntoOrder<R>) -> Self {
        let order = order.into_order().into_iter().map(super::Order::sorted).collect();
        self.changed(|aggregate| aggregate.order = order)
    }

    /// Of `stddev` and `variance`: that of a sample of all values, which is divided by one less.
    pub fn of_sample(self) -> Self {
        self.changed(|aggregate| aggregate.sample = true)
    }

    /// Over the rows around each row instead of a whole set: `Choice::VOTES.sum().over(partition_by(Choice::QUESTION))`.
    pub fn over(self, window: impl IntoWindow<R>) -> Expr<R, T>
    where
        T: Kind,
    {
        WindowFunction::of(self.node).over(window)
    }
}

/// Kinds whose values can be added up: whole numbers, `f64`, `Decimal` and `Duration`.
#[diagnostic::on_unimplemented(
    message = "fields of `{Self}` can't be added up",
    note = "whole numbers, f64, Decimal and Duration can"
)]
pub trait Summed {
    /// What the sum is.
    type Sum: Kind;
}

/// Kinds that have a mean: whole numbers, `f64` and `Decimal`.
#[diagnostic::on_unimplemented(
    message = "fields of `{Self}` have no mean",
    note = "whole numbers, f64 and Decimal have one"
)]
pub trait Averaged {}

macro_rules! numbers {
    ($($type:ty => $sum:ty),+ $(,)?) => {
        $(impl Summed for $type {
            type Sum = $sum;
        }

        impl Averaged for $type {})+
    };
}

numbers!(
    i16 => i64, i32 => i64, i64 => i64, u16 => i64, u32 => i64, u64 => i64, f64 => f64,
    rust_decimal::Decimal => rust_decimal::Decimal,
);
impl Summed for Duration {
    type Sum = Duration;
}
