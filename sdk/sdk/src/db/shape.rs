//! Writing query shapes (`docs/reference/query-shape.md`).
//!
//! The bytes are written in one pass, always in the same order, with a hole for every value, so that one place in an app
//! sends one shape. Names come from the derives, which let only `[a-z0-9_]` through, so nothing needs escaping.

use super::condition::{Lookup, Tree};
use super::expression::Node;
use super::field::{Order, Path};
use super::{Param, Statement, Value};

#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "it is written and sent, never looked at")]
pub struct Shape {
    json: Vec<u8>,
    params: Vec<Param>,
}

impl Shape {
    /// Begins a document for the operation `op` on `model`.
    pub(crate) fn new(op: &str, model: &str) -> Self {
        // Most shapes fit, so that the buffer isn't copied as it grows.
        let mut shape = Self { json: Vec::with_capacity(240), params: Vec::new() };
        shape.text("{\"v\":1,");
        if op != "select" {
            shape.text("\"op\":\"");
            shape.text(op);
            shape.text("\",");
        }
        shape.text("\"from\":\"");
        shape.text(model);
        shape.text("\"");
        shape
    }

    /// Ends the document.
    pub(crate) fn finish(mut self) -> Statement {
        self.text("}");
        Statement { shape: self.json, params: self.params }
    }

    fn text(&mut self, text: &str) {
        self.json.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: &str) {
        self.text("\"");
        self.text(name);
        self.text("\"");
    }

    fn number(&mut self, number: usize) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            // One decimal digit fits a byte.
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.json.extend_from_slice(&digits[at..]);
    }

    /// A hole with what fills it.
    pub(crate) fn hole(&mut self, param: Param) {
        self.text("{\"$\":");
        self.number(self.params.len());
        self.text("}");
        self.params.push(param);
    }

    fn path(&mut self, path: &Path) {
        match path.steps() {
            [field] => self.name(field),
            steps => {
                for (at, step) in steps.iter().enumerate() {
                    self.text(if at == 0 { "[" } else { "," });
                    self.name(step);
                }
                self.text("]");
            }
        }
    }

    fn node(&mut self, node: Node) {
        match node {
            Node::Value(value) => self.hole(Param::One(value)),
            Node::Field(path) => {
                self.text("{\"f\":");
                self.path(&path);
                self.text("}");
            }
            Node::Math(word, left, right) => {
                self.text("[");
                self.name(word);
                self.text(",");
                self.node(*left);
                self.text(",");
                self.node(*right);
                self.text("]");
            }
        }
    }

    /// One entry of `"annotate"`: an aggregate.
    pub(crate) fn annotation(&mut self, at: usize, word: &str, of: Option<Node>, distinct: bool, filters: Vec<Tree>) {
        self.text(if at == 0 { ",\"annotate\":[[\"annotation_" } else { ",[\"annotation_" });
        self.number(at);
        self.text("\",[");
        self.name(word);
        let options = distinct || !filters.is_empty();
        match of {
            Some(of) => {
                self.text(",");
                self.node(of);
            }
            None if options => self.text(",null"),
            None => {}
        }
        if options {
            self.text(if distinct { ",{\"distinct\":true" } else { ",{\"distinct\":false" });
            self.filters(filters);
            self.text("}");
        }
        self.text("]]");
    }

    /// One entry of `"group"`.
    pub(crate) fn group_path(&mut self, at: usize, path: &Path) {
        self.text(if at == 0 { ",\"group\":[" } else { "," });
        self.path(path);
    }

    /// Ends `"annotate"` or `"group"`.
    pub(crate) fn end_list(&mut self) {
        self.text("]");
    }

    /// `"filter"`, one entry for each call of `.filter()`.
    pub(crate) fn filters(&mut self, filters: Vec<Tree>) {
        if filters.is_empty() {
            return;
        }
        for (at, tree) in filters.into_iter().enumerate() {
            self.text(if at == 0 { ",\"filter\":[" } else { "," });
            self.condition(tree);
        }
        self.text("]");
    }

    fn condition(&mut self, tree: Tree) {
        match tree {
            Tree::And(parts) => self.group("and", parts),
            Tree::Or(parts) => self.group("or", parts),
            Tree::Not(inner) => {
                self.text("[\"not\",");
                self.condition(*inner);
                self.text("]");
            }
            Tree::Test(lookup, path) => {
                let word = match &lookup {
                    Lookup::One(word, _) => word,
                    Lookup::In(_) => "in",
                    Lookup::Range(..) => "range",
                    Lookup::IsNull(_) => "isnull",
                };
                self.text("[");
                self.name(word);
                self.text(",");
                self.path(&path);
                self.text(",");
                match lookup {
                    Lookup::One(_, node) => self.node(node),
                    Lookup::In(values) => self.hole(Param::Many(values)),
                    Lookup::Range(from, to) => {
                        self.text("[");
                        self.node(from);
                        self.text(",");
                        self.node(to);
                        self.text("]");
                    }
                    Lookup::IsNull(yes) => self.text(if yes { "true" } else { "false" }),
                }
                self.text("]");
            }
        }
    }

    fn group(&mut self, word: &str, parts: Vec<Tree>) {
        self.text("[");
        self.name(word);
        for part in parts {
            self.text(",");
            self.condition(part);
        }
        self.text("]");
    }

    /// `"order"`.
    pub(crate) fn order<R>(&mut self, orders: &[Order<R>]) {
        self.text(",\"order\":[");
        for (at, order) in orders.iter().enumerate() {
            self.text(if at == 0 { "\"" } else { ",\"" });
            if order.descending {
                self.text("-");
            }
            for (at, step) in order.path.steps().iter().enumerate() {
                if at > 0 {
                    self.text(".");
                }
                self.text(step);
            }
            self.text("\"");
        }
        self.text("]");
    }

    /// A member that is true.
    pub(crate) fn flag(&mut self, name: &str) {
        self.text(",");
        self.name(name);
        self.text(":true");
    }

    /// A member that is a number which changes from call to call: a hole.
    pub(crate) fn count(&mut self, name: &str, count: u64) {
        self.text(",");
        self.name(name);
        self.text(":");
        self.hole(Param::One(Value::Integer(count.try_into().unwrap_or(i64::MAX))));
    }

    /// A member that is always the same number.
    pub(crate) fn constant(&mut self, name: &str, number: usize) {
        self.text(",");
        self.name(name);
        self.text(":");
        self.number(number);
    }

    /// `"set"` with expressions.
    pub(crate) fn assignments(&mut self, assignments: impl IntoIterator<Item = (&'static str, Node)>) {
        self.text(",\"set\":{");
        for (at, (field, node)) in assignments.into_iter().enumerate() {
            if at > 0 {
                self.text(",");
            }
            self.name(field);
            self.text(":");
            self.node(node);
        }
        self.text("}");
    }

    /// `"set"` with columns of values, one for each new row.
    pub(crate) fn columns(&mut self, columns: impl IntoIterator<Item = (&'static str, Vec<Value>)>) {
        self.text(",\"set\":{");
        for (at, (field, values)) in columns.into_iter().enumerate() {
            if at > 0 {
                self.text(",");
            }
            self.name(field);
            self.text(":");
            self.hole(Param::Many(values));
        }
        self.text("}");
    }

    /// `"returning"`.
    pub(crate) fn returning(&mut self, fields: impl IntoIterator<Item = &'static str>) {
        self.text(",\"returning\":[");
        for (at, field) in fields.into_iter().enumerate() {
            if at > 0 {
                self.text(",");
            }
            self.name(field);
        }
        self.text("]");
    }
}
