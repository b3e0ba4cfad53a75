//! Functions over the rows around each row: SQL's windows.

use core::fmt;
use core::marker::PhantomData;

use super::expression::Expr;
use super::field::{Field, IntoOrder, Order, Related};
use super::kinds::{Kind, Nullness};
use super::model::Model;
use super::node::{Edge, Node, Over, Sorted};

/// A function over a window that isn't said yet: `rank().over(…)`.
#[must_use = "a window function is one only with `over`"]
pub struct WindowFunction<R, T> {
    node: Node,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> fmt::Debug for WindowFunction<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl<R, T> WindowFunction<R, T> {
    pub(crate) const fn of(node: Node) -> Self {
        Self { node, marker: PhantomData }
    }

    /// Over these rows: `partition_by(…)`, an order, or both.
    pub fn over(self, window: impl IntoWindow<R>) -> Expr<R, T> {
        let Window { partition, order, frame, .. } = window.into_window();
        Expr::of(Node::Window(Box::new(Over { function: self.node, partition, order, frame })))
    }
}

/// The rows around each row that a function is over.
#[must_use = "a window does nothing until it is given to `over`"]
pub struct Window<R> {
    partition: Vec<Node>,
    order: Vec<Sorted>,
    frame: Option<(&'static str, Edge, Edge)>,
    marker: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Window<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("partition", &self.partition).field("order", &self.order).finish()
    }
}

impl<R> Window<R> {
    /// Rows that share these values are one partition; a row's window is within its own.
    pub fn partition_by(mut self, by: impl IntoPartition<R>) -> Self {
        by.into_partition(&mut self.partition);
        self
    }

    /// The order of the rows in the window. With it, an aggregate is over the rows up to the row itself, unless a frame says otherwise.
    pub fn order_by(mut self, order: impl IntoOrder<R>) -> Self {
        self.order = order.into_order().into_iter().map(Order::sorted).collect();
        self
    }

    /// Only rows from one to another, counted from the row.
    pub fn rows(mut self, from: Edge, to: Edge) -> Self {
        self.frame = Some(("rows", from, to));
        self
    }

    /// Only rows whose value in the order lies between, counted from the row's own.
    pub fn range(mut self, from: Edge, to: Edge) -> Self {
        self.frame = Some(("range", from, to));
        self
    }
}

/// A window of all rows, to be narrowed down.
pub fn window<R>() -> Window<R> {
    Window { partition: Vec::new(), order: Vec::new(), frame: None, marker: PhantomData }
}

/// A window of the rows that share these values with the row.
pub fn partition_by<R>(by: impl IntoPartition<R>) -> Window<R> {
    window().partition_by(by)
}

/// What `over` takes: a window, or an order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no window over rows of `{R}`",
    note = "write `partition_by({R}::FIELD)`, `window().order_by({R}::FIELD.desc())` or an order"
)]
pub trait IntoWindow<R> {
    #[doc(hidden)]
    fn into_window(self) -> Window<R>;
}

impl<R> IntoWindow<R> for Window<R> {
    fn into_window(self) -> Self {
        self
    }
}

impl<R> IntoWindow<R> for Order<R> {
    fn into_window(self) -> Window<R> {
        window().order_by(self)
    }
}

/// What rows are put together by: a field, a relation, an expression, or a tuple of up to three.
#[diagnostic::on_unimplemented(message = "rows of `{R}` can't be put together by `{Self}`")]
pub trait IntoPartition<R> {
    #[doc(hidden)]
    fn into_partition(self, to: &mut Vec<Node>);
}

impl<R, T> IntoPartition<R> for Field<R, T> {
    fn into_partition(self, to: &mut Vec<Node>) {
        to.push(self.into_node());
    }
}

impl<R, T> IntoPartition<R> for Expr<R, T> {
    fn into_partition(self, to: &mut Vec<Node>) {
        to.push(self.into_node());
    }
}

impl<R, M: Model, W: Nullness> IntoPartition<R> for Related<R, M, W> {
    fn into_partition(self, to: &mut Vec<Node>) {
        to.push(Node::Field(self.path()));
    }
}

macro_rules! tuples {
    ($(($($type:ident $at:tt),+)),+) => {
        $(impl<R, $($type: IntoPartition<R>),+> IntoPartition<R> for ($($type,)+) {
            fn into_partition(self, to: &mut Vec<Node>) {
                $(self.$at.into_partition(to);)+
            }
        })+
    };
}

tuples!((A 0, B 1), (A 0, B 1, C 2));

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $word:literal $type:ty;)+) => {
        $($(#[$doc])*
        pub fn $name<R>() -> WindowFunction<R, $type> {
            WindowFunction::of(Node::call($word, []))
        })+
    };
}

functions! {
    /// The row's place in its window, from 1, each once.
    row_number "row_number" i64;
    /// The row's place in its window, from 1; equals share one, and the next place is as far on as there are of them.
    rank "rank" i64;
    /// The same without gaps.
    dense_rank "dense_rank" i64;
    /// The rank as a share: 0 for the first, 1 for the last.
    percent_rank "percent_rank" f64;
    /// The share of rows up to the row, its equals included.
    cume_dist "cume_dist" f64;
}

/// Which of `parts` parts of about the same size the row is in, from 1.
pub fn ntile<R>(parts: u32) -> WindowFunction<R, i64> {
    WindowFunction::of(Node::call("ntile", [Node::Number(parts.into())]))
}

/// An expression with a window is one of each row.
impl<R, T: Kind> From<WindowFunction<R, T>> for Expr<R, T> {
    fn from(function: WindowFunction<R, T>) -> Self {
        function.over(window())
    }
}
