//! Conditions.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{BitAnd, BitOr, Not};

use super::Value;
use super::expression::Node;
use super::field::Path;

/// A condition on rows of the model `R`. Combine with `&`, `|` and `!`.
#[must_use = "a condition does nothing until it is given to `filter` or `exclude`"]
pub struct Q<R> {
    pub(crate) tree: Tree,
    marker: PhantomData<fn() -> R>,
}

#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly all are tests, and a tree lives as long as its query is written")]
pub(crate) enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
    Test(Lookup, Path),
}

#[derive(Clone)]
pub(crate) enum Lookup {
    One(&'static str, Node),
    In(Vec<Value>),
    Range(Node, Node),
    IsNull(bool),
}

impl<R> Q<R> {
    pub(crate) fn test(lookup: Lookup, path: Path) -> Self {
        Self::of(Tree::Test(lookup, path))
    }

    fn of(tree: Tree) -> Self {
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

impl<R> BitAnd for Q<R> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self::of(match self.tree {
            Tree::And(mut parts) => {
                parts.push(other.tree);
                Tree::And(parts)
            }
            tree => Tree::And(vec![tree, other.tree]),
        })
    }
}

impl<R> BitOr for Q<R> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self::of(match self.tree {
            Tree::Or(mut parts) => {
                parts.push(other.tree);
                Tree::Or(parts)
            }
            tree => Tree::Or(vec![tree, other.tree]),
        })
    }
}

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
        fn show(tree: &Tree, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match tree {
                Tree::And(parts) | Tree::Or(parts) => {
                    f.write_str(if matches!(tree, Tree::And(_)) { "and(" } else { "or(" })?;
                    for part in parts {
                        show(part, f)?;
                        f.write_str(" ")?;
                    }
                    f.write_str(")")
                }
                Tree::Not(inner) => {
                    f.write_str("not ")?;
                    show(inner, f)
                }
                Tree::Test(lookup, path) => {
                    let word = match lookup {
                        Lookup::One(word, _) => word,
                        Lookup::In(_) => "in",
                        Lookup::Range(..) => "range",
                        Lookup::IsNull(_) => "isnull",
                    };
                    write!(f, "{path:?} {word}")
                }
            }
        }
        show(&self.tree, f)
    }
}
