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
//! What crosses to the host is what was asked, never SQL; the host plans the joins and checks the grants.

mod aggregate;
mod condition;
mod deferred;
mod expression;
mod field;
mod kinds;
mod model;
mod query;
mod relation;
mod rows;
mod shape;
#[cfg(test)]
mod tests;
mod transaction;

pub use aggregate::{Aggregate, Aggregates, Annotated, Answer, Averaged, Grouped, Groups, Keys, Summed, count};
pub use condition::Q;
pub use deferred::Deferred;
pub use expression::{Assignment, Expr, Expression, IntoAssignments, Operand, Single};
pub use field::{Field, IntoOrder, Number, Order, Ordered, Path, Related, Reverse};
pub use kinds::{FieldKind, Kind, Store};
#[doc(hidden)]
pub use model::{FieldMeta, Literal, ModelMeta, relations_stay_inside};
pub use model::{Id, Model, New};
pub use query::QuerySet;
pub use relation::{ForeignKey, Row};
#[doc(hidden)]
pub use rows::{Cell, Column, Misfit, Reader};
pub use transaction::transaction;

#[doc(hidden)]
pub use crate::bindings::bandstand::db::types::Value;
pub(crate) use crate::bindings::bandstand::db::types::{Outcome, Param, Rows, Statement};
