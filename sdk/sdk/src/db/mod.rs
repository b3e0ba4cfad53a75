//! Models and queries, on `bandstand:db/queries`.
//!
//! A query is written with the model's own constants, so a misspelt field or a value of the wrong type doesn't compile:
//!
//! ```ignore
//! let latest = Question::objects()
//!     .filter(Question::PUB_DATE.le(now()) & !Question::QUESTION_TEXT.icontains("spam"))
//!     .order_by(Question::PUB_DATE.desc())
//!     .limit(5)
//!     .all()
//!     .await?;
//! ```
//!
//! What crosses to the host is what was asked, never SQL; the host plans the joins and checks the grants. `docs/how-to/query.md` shows all of
//! it.

mod aggregate;
mod annotate;
mod choices;
mod condition;
mod current;
mod deferred;
mod expression;
mod field;
mod files;
pub mod functions;
mod iterator;
mod join;
mod key;
mod kinds;
mod many;
mod meta;
mod model;
mod node;
mod once;
mod pending;
mod per_row;
mod query;
pub mod raw;
mod reading;
mod related;
mod relation;
mod rows;
mod schema;
pub(crate) mod scope;
mod shape;
mod term;
#[cfg(test)]
mod tests;
mod transaction;
mod values;
mod window;
mod writing;

pub use aggregate::{Aggregate, Averaged, Summed, count};
pub use annotate::{Annotated, Grouped, Groups, Total};
pub use choices::Choices;
pub use condition::{Q, exists};
pub use deferred::Deferred;
#[doc(hidden)]
pub use expression::key_value;
pub use expression::{
    Assignment, Expr, Expression, Given, IntoAssignments, Natural, Number, Operand, Outer, Single, Step, Summand,
    outer, value,
};
#[doc(hidden)]
pub use field::Way;
pub use field::{Field, IntoOrder, IntoPaths, Order, Ordered, Path, Related, Reverse};
pub use files::{FilePath, ImagePath};
pub use functions::{Case, Cases, OneValue, case, subquery};
pub use iterator::{Iter, ValuesIter};
pub use join::IntoJoins;
pub use key::{Id, Key, KeyOf};
pub use kinds::{Kind, Like, May, Must, Nullness, Store};
pub use many::{Many, ManyToMany};
pub use meta::FieldKind;
#[doc(hidden)]
pub use meta::{FieldMeta, Literal, ModelMeta, Write, has_field, joined, pointing_to, relations_stay_inside};
#[doc(hidden)]
pub use model::NewFields;
pub use model::{FieldSet, Model, New};
pub use node::Edge;
#[doc(hidden)]
pub use node::Node;
pub use once::{NewOnce, Once, OnceFields, once, once_key};
pub use pending::Pending;
pub use per_row::{EachRow, PerRow};
pub use query::{Lock, QuerySet};
#[doc(hidden)]
pub use related::{By, Pointing};
pub use relation::{ForeignKey, OneToOne, Row};
#[doc(hidden)]
pub use rows::{Cell, Column, Misfit, Reader};
#[doc(hidden)]
pub use schema::write_expression;
pub use schema::{Constraint, Index};
pub use term::{Base, Makes, MayMake, Term, Unit};
pub use transaction::{durable_transaction, on_commit, transaction};
pub use values::{Aggregates, Columns, Keys, Members, Values};
pub use window::{
    IntoPartition, IntoWindow, Window, WindowFunction, cume_dist, dense_rank, ntile, partition_by, percent_rank, rank,
    row_number, window,
};
pub use writing::OnConflict;

#[doc(hidden)]
pub use crate::bindings::bandstand::db::types::Value;
pub(crate) use crate::bindings::bandstand::db::types::{Outcome, Param, Rows, Statement};
