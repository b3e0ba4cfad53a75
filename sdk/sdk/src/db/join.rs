//! `select_related`: rows that come with those that their relations lead to.

use core::fmt;

use super::field::{Path, Related};
use super::kinds::Nullness;
use super::meta::ModelMeta;
use super::model::Model;
use super::relation::deliver;
use super::rows::Reader;
use crate::error::Result;

/// A relation whose rows come along.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Join {
    pub(crate) path: Path,
    meta: &'static ModelMeta,
    /// Reads a row and hands it to the relations of the column.
    read: fn(&mut Reader<'_>, usize) -> Result<()>,
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// A relation, or a tuple of up to six, each after those that it goes over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no relation of `{R}`",
    note = "write `{R}::RELATION`, `{R}::RELATION.further()`, or a tuple of them"
)]
pub trait IntoJoins<R> {
    #[doc(hidden)]
    fn into_joins(self, to: &mut Vec<Join>);
}

impl<R, M: Model, W: Nullness> IntoJoins<R> for Related<R, M, W> {
    fn into_joins(self, to: &mut Vec<Join>) {
        to.push(Join { path: self.path(), meta: M::META, read: deliver::<M> });
    }
}

macro_rules! tuples {
    ($(($($type:ident $at:tt),+)),+) => {
        $(impl<R, $($type: IntoJoins<R>),+> IntoJoins<R> for ($($type,)+) {
            fn into_joins(self, to: &mut Vec<Join>) {
                $(self.$at.into_joins(to);)+
            }
        })+
    };
}

tuples!((A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3), (A 0, B 1, C 2, D 3, E 4), (A 0, B 1, C 2, D 3, E 4, F 5));

/// How many cells the related rows have together.
pub(crate) fn width(joins: &[Join]) -> usize {
    joins.iter().map(|join| join.meta.width()).sum()
}

/// All rows of a result, each with its related ones.
pub(crate) fn all<M: Model>(joins: &[Join], mut reader: Reader<'_>) -> Result<Vec<M>> {
    reader.is_a_set::<M>();
    let mut rows = Vec::with_capacity(reader.capacity());
    while let Some(row) = reader.next_row::<M>()? {
        read(joins, M::META, &mut reader)?;
        rows.push(row);
    }
    reader.keep_keys(rows.iter());
    Ok(rows)
}

/// Reads the related rows of one row and hands each to the relation that leads to it.
pub(crate) fn read(joins: &[Join], root: &'static ModelMeta, reader: &mut Reader<'_>) -> Result<()> {
    for (at, join) in joins.iter().enumerate() {
        let [before @ .., field] = join.path.steps() else { continue };
        // Where the cells of the row begin that the relation is of.
        let (mut begin, mut meta) = (0, root);
        if !before.is_empty() {
            begin = root.width();
            for other in &joins[..at] {
                if other.path.steps() == before {
                    meta = other.meta;
                    break;
                }
                begin += other.meta.width();
            }
        }
        let column = meta.column(field).unwrap_or_default();
        (join.read)(reader, begin + column)?;
    }
    Ok(())
}
