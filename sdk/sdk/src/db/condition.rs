//! Conditions.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{BitAnd, BitOr, BitXor, Not};

use super::model::Model;
use super::node::{Lookup, Node, Tree};
use super::query::QuerySet;

/// A condition on rows of the model `R`. Combine with `&`, `|`, `^` and `!`.
#[must_use = "a condition does nothing until it is given to `filter` or `exclude`"]
pub struct Q<R> {
    pub(crate) tree: Tree,
    marker: PhantomData<fn() -> R>,
}

impl<R> Clone for Q<R> {
    fn clone(&self) -> Self {
        Self::of(self.tree.clone())
    }
}

impl<R> Q<R> {
    pub(crate) fn test(lookup: Lookup, target: Node) -> Self {
        Self::of(Tree::Test(lookup, target))
    }

    pub(crate) fn of(tree: Tree) -> Self {
        Self { tree, marker: PhantomData }
    }

    /// All of these; true for none.
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Tree::And(conditions.into_iter().map(|q| q.tree).collect()))
    }

    /// One of these at least; false for none.
    pub fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Tree::Or(conditions.into_iter().map(|q| q.tree).collect()))
    }
}

macro_rules! combined {
    ($($trait:ident $method:ident $variant:ident),+) => {
        $(impl<R> $trait for Q<R> {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                Self::of(match self.tree {
                    Tree::$variant(mut parts) => {
                        parts.push(other.tree);
                        Tree::$variant(parts)
                    }
                    tree => Tree::$variant(vec![tree, other.tree]),
                })
            }
        })+
    };
}

combined!(BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor);

impl<R> Not for Q<R> {
    type Output = Self;

    fn not(self) -> Self {
        Self::of(match self.tree {
            Tree::Not(inner) => *inner,
            tree => Tree::Not(Box::new(tree)),
        })
    }
}

impl<R> fmt::Debug for Q<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

/// The query finds a row: `exists(Choice::objects().filter(Choice::QUESTION.eq(outer(Question::ID))))`, in a filter of questions.
pub fn exists<R, M: Model>(set: QuerySet<M>) -> Q<R> {
    Q::of(Tree::Exists(Box::new(set.sub(Vec::new()))))
}
