//! Indexes and constraints that are made of expressions, written into the manifest.

use core::fmt;
use core::marker::PhantomData;

use super::condition::Q;
use super::expression::Expression;
use super::field::{IntoPaths, Order};
use super::kinds::Kind;
use super::node::{Node, Sorted, Tree};
use super::shape::Shape;
use crate::json;

/// An index of the model `M`, where its fields alone don't say it:
/// `indexes = [Index::on([Self::SLUG.lower().asc()]).named("page_slug").filter(Self::PUBLIC.eq(true))]`.
#[must_use = "an index is one in `#[model(indexes = […])]`"]
pub struct Index<M> {
    name: &'static str,
    parts: Vec<Sorted>,
    condition: Option<Tree>,
    include: Vec<&'static str>,
    marker: PhantomData<fn() -> M>,
}

impl<M> fmt::Debug for Index<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({:?})", self.parts)
    }
}

fn names<M>(paths: impl IntoPaths<M>) -> Vec<&'static str> {
    paths.into_paths().iter().filter_map(|path| path.steps().first().copied()).collect()
}

impl<M> Index<M> {
    /// Of fields and expressions, in this order.
    pub fn on(parts: impl super::IntoOrder<M>) -> Self {
        let parts = parts.into_order().into_iter().map(Order::sorted).collect();
        Self { name: "", parts, condition: None, include: Vec::new(), marker: PhantomData }
    }

    /// With this name, at most 30 characters; without it the host makes one.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Only of rows that fulfil the condition.
    pub fn filter(mut self, condition: Q<M>) -> Self {
        self.condition = Some(condition.tree);
        self
    }

    /// With these fields besides, so that a query finds them in the index.
    pub fn include(mut self, fields: impl IntoPaths<M>) -> Self {
        self.include = names(fields);
        self
    }

    #[doc(hidden)]
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(b'{');
        if !self.name.is_empty() {
            json::member(out, "name");
            json::text(out, self.name);
        }
        parts(out, "fields", self.parts);
        condition(out, self.condition);
        list(out, "include", &self.include);
        out.push(b'}');
    }
}

/// A rule for the rows of the model `M` that the database holds:
/// `constraints = [Constraint::check("price_positive", Self::PRICE.gt(0)), Constraint::unique("one_draft", Self::AUTHOR).filter(Self::DRAFT.eq(true))]`.
#[must_use = "a constraint is one in `#[model(constraints = […])]`"]
pub struct Constraint<M> {
    name: &'static str,
    check: Option<Tree>,
    unique: Vec<Sorted>,
    condition: Option<Tree>,
    nulls_distinct: bool,
    include: Vec<&'static str>,
    deferrable: bool,
    message: &'static str,
    marker: PhantomData<fn() -> M>,
}

impl<M> fmt::Debug for Constraint<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constraint({})", self.name)
    }
}

/// What a unique constraint is of: fields and expressions; one, or a tuple of up to eight.
#[diagnostic::on_unimplemented(message = "`{Self}` isn't made of fields or expressions of `{R}`")]
pub trait IntoParts<R> {
    #[doc(hidden)]
    fn into_parts(self) -> Vec<Sorted>;
}

impl<R, C: super::Columns<R>> IntoParts<R> for C {
    fn into_parts(self) -> Vec<Sorted> {
        let sorted = |node| Sorted { node, descending: false, nulls: None };
        super::values::nodes(self).into_iter().map(sorted).collect()
    }
}

impl<M> Constraint<M> {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            check: None,
            unique: Vec::new(),
            condition: None,
            nulls_distinct: true,
            include: Vec::new(),
            deferrable: false,
            message: "",
            marker: PhantomData,
        }
    }

    /// All rows fulfil the condition.
    pub fn check(name: &'static str, condition: Q<M>) -> Self {
        Self { check: Some(condition.tree), ..Self::new(name) }
    }

    /// No two rows have the same values in these fields and expressions, a tuple of up to eight.
    pub fn unique(name: &'static str, of: impl IntoParts<M>) -> Self {
        Self { unique: of.into_parts(), ..Self::new(name) }
    }

    /// Only among rows that fulfil the condition.
    pub fn filter(mut self, condition: Q<M>) -> Self {
        self.condition = Some(condition.tree);
        self
    }

    /// NULL counts as a value, so that there is one at most.
    pub const fn nulls_not_distinct(mut self) -> Self {
        self.nulls_distinct = false;
        self
    }

    /// With these fields in the index besides.
    pub fn include(mut self, fields: impl IntoPaths<M>) -> Self {
        self.include = names(fields);
        self
    }

    /// Looked at when a transaction is committed, not after each statement.
    pub const fn deferrable(mut self) -> Self {
        self.deferrable = true;
        self
    }

    /// What people read where it is broken.
    pub const fn message(mut self, message: &'static str) -> Self {
        self.message = message;
        self
    }

    #[doc(hidden)]
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(b'{');
        json::member(out, "name");
        json::text(out, self.name);
        if let Some(check) = self.check {
            json::member(out, "check");
            condition_itself(out, check);
        }
        parts(out, "unique", self.unique);
        condition(out, self.condition);
        if !self.nulls_distinct {
            json::member(out, "nulls_distinct");
            out.extend_from_slice(b"false");
        }
        list(out, "include", &self.include);
        if self.deferrable {
            json::member(out, "deferrable");
            out.extend_from_slice(b"true");
        }
        if !self.message.is_empty() {
            json::member(out, "message");
            json::text(out, self.message);
        }
        out.push(b'}');
    }
}

/// Fields as a list of names, `-` before a descending one; what isn't a field in a list of expressions.
fn parts(out: &mut Vec<u8>, of_fields: &str, parts: Vec<Sorted>) {
    let (fields, expressions): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|sorted| matches!(sorted.node, Node::Field(_)));
    if !fields.is_empty() {
        json::member(out, of_fields);
        json::list(out, fields, |out, Sorted { node, descending, .. }| {
            let name = match &node {
                Node::Field(path) => path.steps().join("."),
                _ => String::new(),
            };
            json::text(out, &if descending { format!("-{name}") } else { name });
        });
    }
    if !expressions.is_empty() {
        json::member(out, "expressions");
        json::list(out, expressions, |out, sorted| expression_itself(out, sorted.node));
    }
}

fn condition(out: &mut Vec<u8>, tree: Option<Tree>) {
    if let Some(tree) = tree {
        json::member(out, "condition");
        condition_itself(out, tree);
    }
}

fn list(out: &mut Vec<u8>, name: &str, values: &[&str]) {
    if !values.is_empty() {
        json::member(out, name);
        json::list(out, values, |out, value| json::text(out, value));
    }
}

fn condition_itself(out: &mut Vec<u8>, tree: Tree) {
    let mut shape = Shape::for_manifest(core::mem::take(out));
    shape.condition(tree);
    *out = shape.into_json();
}

fn expression_itself(out: &mut Vec<u8>, node: Node) {
    let mut shape = Shape::for_manifest(core::mem::take(out));
    shape.node(node);
    *out = shape.into_json();
}

/// Writes what `db_default` and `generated` are, for a field of type `T` of the model `M`. The derive calls it.
#[doc(hidden)]
pub fn write_expression<M, T: Kind>(expression: impl Expression<M, T::Base>, out: &mut Vec<u8>) {
    expression_itself(out, expression.node());
}
