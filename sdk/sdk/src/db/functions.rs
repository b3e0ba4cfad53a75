//! Functions that take no field: the database's clock and generators, choices between expressions, values of other queries.
//!
//! Those of a field are methods on it: see [`Term`](super::Term).

use core::marker::PhantomData;

use uuid::Uuid;

use super::annotate::Total;
use super::condition::Q;
use super::expression::{Expr, Expression, Natural};
use super::kinds::{Kind, Nullness};
use super::model::Model;
use super::node::{Node, Sub, Tree};
use super::values::Values;
use crate::time::DateTime;

/// The moment of the statement, by the host's clock: for `db_default` and for expressions. A value that the app knows is
/// [`time::now`](crate::time::now).
pub fn now<R>() -> Expr<R, DateTime> {
    Expr::of(Node::call("now", []))
}

/// A random UUID (version 4), a new one for each row.
pub fn uuid4<R>() -> Expr<R, Uuid> {
    Expr::of(Node::call("uuid4", []))
}

/// A UUID of version 7, which sorts by time, a new one for each row.
pub fn uuid7<R>() -> Expr<R, Uuid> {
    Expr::of(Node::call("uuid7", []))
}

/// A number from 0 (included) to 1 (not included), a new one for each row.
pub fn random<R>() -> Expr<R, f64> {
    Expr::of(Node::call("random", []))
}

/// The number π.
pub fn pi<R>() -> Expr<R, f64> {
    Expr::of(Node::call("pi", []))
}

/// The value that another query finds, in its first row, or NULL where it finds none: `subquery(newest.limit(1).values(Book::TITLE))`. Of an
/// [`aggregate`](super::QuerySet::aggregate) what is made of all its rows:
/// `subquery(Book::objects().filter(Book::AUTHOR.eq(outer(Author::ID))).aggregate(count()))`.
///
/// Errors, when the query is asked: a 500 for an aggregate of a set with limit, offset, distinct or a union.
pub fn subquery<R, S: OneValue>(of: S) -> Expr<R, S::Kind> {
    Expr::of(Node::Subquery(Box::new(of.one_value())))
}

/// What [`subquery`] takes: a set of single values, or what is made of all rows of a set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't one value of another query",
    note = "write `subquery(set.limit(1).values(Other::FIELD))`, or `subquery(set.aggregate(count()))` for what is made of all its rows"
)]
pub trait OneValue {
    /// What it is read as.
    type Kind: Kind;
    #[doc(hidden)]
    fn one_value(self) -> Sub;
}

impl<M: Model, O: Kind<Base: Kind>, N> OneValue for Values<M, O, N> {
    type Kind = Option<O::Base>;

    fn one_value(mut self) -> Sub {
        if self.fields.iter().any(Node::is_own_aggregate) {
            // One value of all rows is what can be meant.
            self.set.query.whole = true;
        } else {
            // One value is one row, whatever limit the set has.
            self.set.query.at_most(1);
        }
        self.into_sub()
    }
}

impl<M: Model, O: Kind> OneValue for Total<M, O> {
    type Kind = O;

    fn one_value(self) -> Sub {
        self.into_sub()
    }
}

/// The first branch whose condition is fulfilled: `case().when(Choice::VOTES.gt(9), "many").when(Choice::VOTES.gt(0), "some").otherwise("none")`.
pub const fn case() -> Cases {
    Cases { _private: () }
}

/// A choice without branches.
#[derive(Debug, Clone, Copy)]
#[must_use = "a choice needs branches"]
pub struct Cases {
    _private: (),
}

impl Cases {
    /// Where the condition is fulfilled, this. The first branch says what kind all of them are.
    pub fn when<R, V: Natural<R>>(self, condition: Q<R>, then: V) -> Case<R, V::Kind, V::Nullness> {
        Case { branches: vec![(condition.tree, then.node())], marker: PhantomData }
    }
}

/// A choice's model, kind and nullness.
type Marks<R, T, N> = fn() -> (R, T, N);

/// A choice between expressions of kind `T`.
#[derive(Debug)]
#[must_use = "a choice ends with `otherwise` or `end`"]
pub struct Case<R, T, N> {
    branches: Vec<(Tree, Node)>,
    marker: PhantomData<Marks<R, T, N>>,
}

impl<R, T: Kind, N: Nullness> Case<R, T, N> {
    /// Where no branch before was taken and the condition is fulfilled, this.
    pub fn when<V: Expression<R, T>>(mut self, condition: Q<R>, then: V) -> Case<R, T, N::Or<V::Nullness>> {
        self.branches.push((condition.tree, then.node()));
        Case { branches: self.branches, marker: PhantomData }
    }

    /// Where no branch was taken, this.
    pub fn otherwise<V: Expression<R, T>>(self, otherwise: V) -> Expr<R, <N::Or<V::Nullness> as Nullness>::Of<T>> {
        Expr::of(Node::Case(self.branches, Some(Box::new(otherwise.node()))))
    }

    /// Where no branch was taken, NULL.
    pub fn end(self) -> Expr<R, Option<T>> {
        Expr::of(Node::Case(self.branches, None))
    }
}

impl<R> Q<R> {
    /// The condition as a value: true where it is fulfilled, false where it isn't.
    pub fn as_value(self) -> Expr<R, bool> {
        Expr::of(Node::Case(vec![(self.tree, Node::Boolean(true))], Some(Box::new(Node::Boolean(false)))))
    }
}
