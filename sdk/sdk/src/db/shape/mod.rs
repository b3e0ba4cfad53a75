//! Writing query shapes (`docs/reference/query-shape.md`).
//!
//! The bytes are written in one pass, always in the same order, with a hole for every value, so that one place in an app
//! sends one shape. Names come from the derives, which let only `[a-z0-9_]` through, so they need no escaping; texts do.

mod write;

use super::field::Path;
use super::key::KEY;
use super::node::{Aggregated, Cast, Edge, Lookup, Node, Over, Sorted, Sub, Tree};
use super::query::{Distinct, Lock, Query, Reach, Tail};
use super::{Param, Statement, Value};
use crate::error::{Error, Result};

#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "it is written and sent, never looked at")]
pub(crate) struct Shape {
    json: Vec<u8>,
    params: Vec<Param>,
    /// The models whose rows the current place is about, the innermost last.
    models: Vec<&'static str>,
    /// A relation before all paths: for conditions on a model that is reached over another one.
    prefix: Option<&'static str>,
    /// In the manifest values stand where they belong. Only who writes one brings the code for it.
    literal: Option<fn(&mut Vec<u8>, Value)>,
    /// What can't be asked.
    wrong: Option<String>,
}

/// What the keys of a group are called that aren't fields: by their places.
pub(crate) const GROUPS: [&str; 8] =
    ["group_0", "group_1", "group_2", "group_3", "group_4", "group_5", "group_6", "group_7"];

/// Whether two expressions say the same. A field is the same by itself.
pub(crate) fn same(left: &Node, right: &Node) -> bool {
    if matches!(left, Node::Field(_)) || matches!(right, Node::Field(_)) {
        return false;
    }
    let written = |node: &Node| {
        let mut shape = Shape::new("select", "");
        shape.expression(node.clone(), false);
        (shape.json, shape.params)
    };
    let (left, right) = (written(left), written(right));
    left.0 == right.0 && super::scope::same(&left.1, &right.1)
}

/// What an annotation is called: by its place.
pub(crate) const ANNOTATIONS: [&str; 16] = [
    "annotation_0",
    "annotation_1",
    "annotation_2",
    "annotation_3",
    "annotation_4",
    "annotation_5",
    "annotation_6",
    "annotation_7",
    "annotation_8",
    "annotation_9",
    "annotation_10",
    "annotation_11",
    "annotation_12",
    "annotation_13",
    "annotation_14",
    "annotation_15",
];

/// A value as it stands in the manifest.
fn literal(out: &mut Vec<u8>, value: Value) {
    let text = match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(value) => return crate::json::text(out, &value),
        // What the manifest has no words for; the host says so at the place.
        Value::Bytes(_) => "{\"bytes\":\"can't stand in a manifest\"}".to_owned(),
    };
    out.extend_from_slice(text.as_bytes());
}

impl Shape {
    /// Begins a document for the operation `op` on `model`.
    pub(crate) fn new(op: &str, model: &'static str) -> Self {
        // Most shapes fit, so that the buffer isn't copied as it grows.
        let mut shape = Self {
            json: Vec::with_capacity(240),
            params: Vec::new(),
            models: vec![model],
            prefix: None,
            literal: None,
            wrong: None,
        };
        shape.begin(op, model);
        shape
    }

    /// For one expression or condition in the manifest of the model.
    pub(crate) fn for_manifest(json: Vec<u8>) -> Self {
        Self { json, params: Vec::new(), models: Vec::new(), prefix: None, literal: Some(literal), wrong: None }
    }

    /// What was written for the manifest.
    pub(crate) fn into_json(self) -> Vec<u8> {
        self.json
    }

    fn begin(&mut self, op: &str, model: &str) {
        self.text("{\"v\":1,");
        if op != "select" {
            self.text("\"op\":\"");
            self.text(op);
            self.text("\",");
        }
        self.text("\"from\":\"");
        self.text(model);
        self.text("\"");
    }

    /// Ends the document. Errors: where the query can't be asked.
    pub(crate) fn finish(mut self) -> Result<Statement> {
        self.text("}");
        match self.wrong {
            Some(problem) => Err(Error::internal(problem)),
            None => Ok(Statement { shape: self.json, params: self.params }),
        }
    }

    /// Notes what can't be asked; the first is told.
    fn refuse(&mut self, problem: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some(problem());
        }
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

    fn integer(&mut self, number: i64) {
        match usize::try_from(number) {
            Ok(number) => self.number(number),
            // Rare enough for the general way.
            Err(_) => self.text(&number.to_string()),
        }
    }

    /// A hole with what fills it.
    pub(crate) fn hole(&mut self, param: Param) {
        self.text("{\"$\":");
        self.number(self.params.len());
        self.text("}");
        self.params.push(param);
    }

    fn one(&mut self, value: Value, word: &str) {
        if let Some(literal) = self.literal {
            return literal(&mut self.json, value);
        }
        if word.is_empty() {
            return self.hole(Param::One(value));
        }
        self.text("{\"$\":");
        self.number(self.params.len());
        self.text(",\"as\":");
        self.name(word);
        self.text("}");
        self.params.push(Param::One(value));
    }

    /// Items in brackets, with commas between them.
    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.text("[");
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.text(",");
            }
            each(self, item);
        }
        self.text("]");
    }

    /// One more member of the document: its name, before its value.
    fn member(&mut self, name: &str) {
        self.text(",\"");
        self.text(name);
        self.text("\":");
    }

    fn steps(&mut self, path: &Path, prefix: Option<&'static str>) {
        match (path.steps(), prefix) {
            ([field], None) => self.name(field),
            (steps, prefix) => self.list(prefix.iter().chain(steps), |shape, step| shape.name(step)),
        }
    }

    fn path(&mut self, path: &Path) {
        self.steps(path, self.prefix);
    }

    /// A list of nodes after the word of a call. `told` is whether something tells the kind of a value among them.
    fn call(&mut self, word: &str, of: Vec<Node>, told: bool) {
        self.text("[");
        self.name(word);
        for node in of {
            self.text(",");
            // Beside a day a number of days is what a bare hole is, not another day.
            let is_moment = word == "sub" && matches!(node, Node::Value(_, "date" | "datetime"));
            self.expression(node, told && !is_moment);
        }
        self.text("]");
    }

    /// An expression beside something that tells its kind.
    pub(crate) fn node(&mut self, node: Node) {
        self.expression(node, true);
    }

    /// An expression. Where nothing tells the kind of a value, its own word does.
    fn expression(&mut self, node: Node, told: bool) {
        match node {
            Node::Value(value, word) => self.one(value, if told { "" } else { word }),
            Node::Number(number) => self.integer(number),
            Node::Text(text) => crate::json::text(&mut self.json, text),
            Node::Boolean(value) => self.text(if value { "true" } else { "false" }),
            Node::Field(path) => {
                self.text("{\"f\":");
                self.path(&path);
                self.text("}");
            }
            Node::Outer(path, model) => {
                // The nearest query outside that is of this model.
                let outside = self.models.split_last().map_or(&[][..], |(_, outside)| outside);
                let levels = outside.iter().rev().position(|other| *other == model);
                if levels.is_none() {
                    let here = self.models.last().copied().unwrap_or_default();
                    let outside = outside.last().copied();
                    self.refuse(|| {
                        format!(
                            "outer({path:?}): a field of {model}, but the query outside of that of {here} is of {}",
                            outside.unwrap_or("nothing")
                        )
                    });
                }
                let levels = levels.unwrap_or_default() + 1;
                for _ in 0..levels {
                    self.text("{\"outer\":");
                }
                self.steps(&path, None);
                for _ in 0..levels {
                    self.text("}");
                }
            }
            Node::New(path) => {
                self.text("{\"new\":");
                self.path(&path);
                self.text("}");
            }
            Node::Call(word, of) => {
                let told = !matches!(word, "coalesce" | "nullif" | "greatest" | "least");
                self.call(word, of, told);
            }
            Node::Part(word, unit, of) => {
                self.text("[");
                self.name(word);
                self.text(",");
                // `date` and `time` say by themselves what they take.
                if !unit.is_empty() {
                    self.name(unit);
                    self.text(",");
                }
                match *of {
                    Node::Zoned(of, zone) => {
                        self.expression(*of, false);
                        self.text(",{\"tz\":");
                        crate::json::text(&mut self.json, zone);
                        self.text("}");
                    }
                    of => self.expression(of, false),
                }
                self.text("]");
            }
            Node::Year(_, of) => self.expression(Node::Part("extract", "year", of), told),
            Node::Zoned(of, _) => self.expression(*of, told),
            Node::Case(branches, otherwise) => {
                self.text("[\"case\",[");
                for (at, (condition, then)) in branches.into_iter().enumerate() {
                    self.text(if at == 0 { "[" } else { ",[" });
                    self.condition(condition);
                    self.text(",");
                    self.expression(then, false);
                    self.text("]");
                }
                self.text("]");
                if let Some(otherwise) = otherwise {
                    self.text(",");
                    self.expression(*otherwise, false);
                }
                self.text("]");
            }
            Node::Cast(of, to) => {
                self.text("[\"cast\",");
                self.expression(*of, false);
                self.text(",");
                match to {
                    Cast::Word(word) => self.name(word),
                    Cast::Decimal(digits, places) => {
                        self.text("{\"kind\":\"decimal\",\"max_digits\":");
                        self.number(digits as usize);
                        self.text(",\"decimal_places\":");
                        self.number(places as usize);
                        self.text("}");
                    }
                    Cast::Char(length) => {
                        self.text("{\"kind\":\"char\",\"max_length\":");
                        self.number(length as usize);
                        self.text("}");
                    }
                }
                self.text("]");
            }
            Node::Aggregate(aggregate) => self.aggregate(*aggregate),
            Node::Window(over) => self.window(*over),
            Node::Exists(sub) => self.subquery("exists", *sub),
            Node::Subquery(sub) => self.subquery("subquery", *sub),
        }
    }

    fn aggregate(&mut self, aggregate: Aggregated) {
        let Aggregated { word, of, with, distinct, sample, filters, order } = aggregate;
        self.text("[");
        self.name(word);
        let options = distinct || sample || !filters.is_empty() || !order.is_empty();
        match of {
            Some(of) => {
                self.text(",");
                self.expression(of, false);
            }
            None if options => self.text(",null"),
            None => {}
        }
        if let Some(with) = with {
            self.text(",");
            self.node(with);
        }
        if options {
            self.text(if distinct { ",{\"distinct\":true" } else { ",{\"distinct\":false" });
            if sample {
                self.text(",\"sample\":true");
            }
            self.filters(filters);
            if !order.is_empty() {
                self.order(order);
            }
            self.text("}");
        }
        self.text("]");
    }

    fn window(&mut self, over: Over) {
        let Over { function, partition, order, frame } = over;
        self.text("[\"window\",");
        self.node(function);
        self.text(",{");
        let mut more = false;
        let mut member = |shape: &mut Self, name: &str| {
            if core::mem::replace(&mut more, true) {
                shape.text(",");
            }
            shape.name(name);
            shape.text(":");
        };
        if !partition.is_empty() {
            member(self, "partition");
            self.list(partition, |shape, node| shape.expression(node, false));
        }
        if !order.is_empty() {
            member(self, "order");
            self.list(order, Self::sorted);
        }
        if let Some((unit, start, end)) = frame {
            member(self, "frame");
            self.text("[");
            self.name(unit);
            for edge in [start, end] {
                self.text(",");
                match edge {
                    Edge::Unbounded => self.text("\"unbounded\""),
                    Edge::Current => self.text("0"),
                    Edge::Preceding(rows) => self.integer(-i64::from(rows)),
                    Edge::Following(rows) => self.integer(rows.into()),
                }
            }
            self.text("]");
        }
        self.text("}]");
    }

    fn subquery(&mut self, word: &str, sub: Sub) {
        self.text("[");
        self.name(word);
        self.text(",");
        self.sub(sub);
        self.text("]");
    }

    /// A whole document inside of this one.
    pub(crate) fn sub(&mut self, sub: Sub) {
        let Sub { model, mut query, fields } = sub;
        if !query.with.is_empty() {
            self.refuse(|| format!("ancestors_of and descendants_of of {model}: not in a query inside of another one"));
        }
        // What only the outermost has: nobody reads related rows of this one, or locks its rows.
        query.related.clear();
        if let Some(tail) = &mut query.tail {
            (tail.lock, tail.explain) = (None, false);
        }
        let prefix = self.prefix.take();
        self.models.push(model);
        self.begin("select", model);
        self.select(query, fields);
        self.text("}");
        self.models.pop();
        self.prefix = prefix;
    }

    /// All members of a reading document after `from`. `fields` are what the rows hold; none for all of the model's columns.
    pub(crate) fn select(&mut self, mut query: Query, fields: Vec<Node>) {
        if !query.related.is_empty() {
            self.related(&query);
        }
        if query.whole {
            if let Err(error) = query.unlimited("aggregate", self.models.last().copied().unwrap_or_default()) {
                self.refuse(|| error.to_string());
            }
            (query.order, query.tail) = (None, None);
            query.annotations = fields.into_iter().enumerate().collect();
        } else if !fields.is_empty() {
            let mut annotated = Vec::new();
            self.member("fields");
            self.list(fields.into_iter().enumerate(), |shape, (at, node)| match node {
                Node::Field(path) => shape.path(&path),
                node => {
                    let name = shape.annotation_name(at);
                    shape.name(name);
                    annotated.push((at, node));
                }
            });
            query.annotations = annotated;
        }
        self.rest(query);
    }

    /// The members that all reading documents share, from the annotations on.
    pub(crate) fn rest(&mut self, mut query: Query) {
        query.settle();
        let Query { filters, order, distinct, limit, offset, annotations, groups, whole, with, tail, .. } = query;
        self.with(with);
        if !groups.is_empty() || whole {
            self.member("group");
            self.list(groups.iter().enumerate(), |shape, (at, node)| match node {
                Node::Field(path) => shape.path(path),
                // An expression is grouped by under a name, which the annotations below give it.
                _ => shape.group_name(at),
            });
        }
        let groups = groups.into_iter().enumerate().filter(|(_, node)| !matches!(node, Node::Field(_)));
        let groups = groups.map(|(at, node)| (true, at, node));
        let mut named = groups.chain(annotations.into_iter().map(|(at, node)| (false, at, node))).peekable();
        if named.peek().is_some() {
            self.member("annotate");
            self.list(named, |shape, (is_group, at, node)| {
                shape.text("[");
                if is_group {
                    shape.group_name(at);
                } else {
                    let name = shape.annotation_name(at);
                    shape.name(name);
                }
                shape.text(",");
                shape.expression(node, false);
                shape.text("]");
            });
        }
        self.filters(filters);
        if let Some(order) = order {
            self.order(order);
        }
        match distinct {
            Distinct::No => {}
            Distinct::Rows => self.text(",\"distinct\":true"),
            Distinct::On(paths) => {
                self.member("distinct");
                self.list(&paths, |shape, path| shape.path(path));
            }
        }
        let Tail { combine, lock, explain } = tail.map(|tail| *tail).unwrap_or_default();
        if !combine.is_empty() {
            self.member("combine");
            self.list(combine, |shape, (word, sub)| shape.subquery(word, sub));
        }
        match limit {
            Some(super::query::Rows::Hole(rows)) => self.count("limit", rows),
            Some(super::query::Rows::Constant(rows)) => {
                self.member("limit");
                self.number(rows);
            }
            None => {}
        }
        if let Some(offset) = offset {
            self.count("offset", offset);
        }
        if let Some(lock) = lock {
            self.lock(&lock);
        }
        if explain {
            self.text(",\"explain\":true");
        }
    }

    fn group_name(&mut self, at: usize) {
        self.name(GROUPS.get(at).copied().unwrap_or_default());
    }

    fn annotation_name(&mut self, at: usize) -> &'static str {
        ANNOTATIONS.get(at).copied().unwrap_or_else(|| {
            self.refuse(|| format!("{at} annotations; the most is {}", ANNOTATIONS.len()));
            ""
        })
    }

    fn with(&mut self, with: Vec<Reach>) {
        if with.is_empty() {
            return;
        }
        self.member("with");
        self.list(with, |shape, Reach { name, start, follow, max_depth }| {
            shape.text("[");
            shape.name(name);
            shape.text(",{\"recursive\":{\"start\":");
            shape.list(start, Self::condition);
            shape.member("follow");
            shape.steps(&follow, None);
            shape.member("max_depth");
            shape.number(max_depth as usize);
            shape.text("}}]");
        });
    }

    fn related(&mut self, query: &Query) {
        self.member("related");
        self.list(query.related.iter().enumerate(), |shape, (at, join)| {
            if let [before @ .., _] = join.path.steps()
                && !before.is_empty()
                && !query.related[..at].iter().any(|other| other.path.steps() == before)
            {
                shape.refuse(|| {
                    format!(
                        "select_related: before {:?} comes the relation that it goes over, {}",
                        join.path,
                        before.join(".")
                    )
                });
            }
            shape.path(&join.path);
        });
    }

    fn lock(&mut self, lock: &Lock) {
        self.text(",\"lock\":{\"wait\":");
        self.name(lock.wait);
        if !lock.of.is_empty() {
            self.member("of");
            self.list(&lock.of, |shape, path| match path {
                Some(path) => shape.path(path),
                None => shape.name("self"),
            });
        }
        if lock.no_key {
            self.text(",\"no_key\":true");
        }
        self.text("}");
    }

    /// `"filter"`, one entry for each call of `.filter()`.
    pub(crate) fn filters(&mut self, filters: Vec<Tree>) {
        if !filters.is_empty() {
            self.member("filter");
            self.list(filters, Self::condition);
        }
    }

    pub(crate) fn condition(&mut self, tree: Tree) {
        match tree {
            // All of none are fulfilled, one of none isn't: every row has a key.
            Tree::And(parts) if parts.is_empty() => self.condition(Tree::test(Lookup::IsNull(false), KEY)),
            Tree::Or(parts) | Tree::Xor(parts) if parts.is_empty() => {
                self.condition(Tree::test(Lookup::IsNull(true), KEY))
            }
            Tree::And(parts) => self.group("and", parts),
            Tree::Or(parts) => self.group("or", parts),
            Tree::Xor(parts) => self.group("xor", parts),
            Tree::Not(inner) => {
                self.text("[\"not\",");
                self.condition(*inner);
                self.text("]");
            }
            Tree::Exists(sub) => self.subquery("exists", *sub),
            Tree::True(node) => {
                self.text("[\"true\",");
                self.expression(node, false);
                self.text("]");
            }
            // A manifest has no holes, so no lists of values either.
            Tree::Test(Lookup::Many("in", values), Node::Field(path)) if self.literal.is_some() => {
                let one = |value| Tree::test(Lookup::One("exact", Node::value(value)), path);
                self.condition(Tree::Or(values.into_iter().map(one).collect()));
            }
            Tree::Test(lookup, target) => {
                self.text("[");
                self.name(lookup.word());
                self.text(",");
                match target {
                    Node::Field(path) => self.path(&path),
                    node => {
                        self.text("{\"e\":");
                        self.expression(node, false);
                        self.text("}");
                    }
                }
                self.text(",");
                match lookup {
                    Lookup::One(_, node) => self.node(node),
                    Lookup::Many(_, values) => self.hole(Param::Many(values)),
                    Lookup::Query(sub) => self.sub(*sub),
                    Lookup::With(name) => {
                        self.text("{\"with\":");
                        self.name(name);
                        self.text("}");
                    }
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

    fn dotted(&mut self, path: &Path, descending: bool) {
        self.text(if descending { "\"-" } else { "\"" });
        for (at, step) in self.prefix.iter().chain(path.steps()).enumerate() {
            if at > 0 {
                self.json.push(b'.');
            }
            self.json.extend_from_slice(step.as_bytes());
        }
        self.text("\"");
    }

    /// `"order"`.
    pub(crate) fn order(&mut self, orders: Vec<Sorted>) {
        self.member("order");
        self.list(orders, Self::sorted);
    }

    /// One entry of an order.
    fn sorted(&mut self, Sorted { node, descending, nulls }: Sorted) {
        match node {
            Node::Field(path) if nulls.is_none() => self.dotted(&path, descending),
            node => {
                self.text("{\"e\":");
                self.expression(node, false);
                if descending {
                    self.text(",\"desc\":true");
                }
                if let Some(nulls) = nulls {
                    self.member("nulls");
                    self.name(nulls);
                }
                self.text("}");
            }
        }
    }

    /// A member that is a number which changes from call to call: a hole.
    fn count(&mut self, name: &str, count: u64) {
        self.member(name);
        self.hole(Param::One(Value::Integer(count.try_into().unwrap_or(i64::MAX))));
    }

    fn names(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.list(names, Self::name);
    }

    /// `"fields"` with these paths, before those of the rest begin with a relation.
    pub(crate) fn fields(&mut self, paths: impl IntoIterator<Item = Path>) {
        self.member("fields");
        self.list(paths, |shape, path| shape.path(&path));
    }

    /// `"filter"` with a condition on the model itself and others on the model behind a relation. All paths from here on begin with it.
    pub(crate) fn filters_of_both(&mut self, own: Tree, relation: &'static str, others: Vec<Tree>) {
        self.text(",\"filter\":[");
        self.condition(own);
        self.prefix = Some(relation);
        for tree in others {
            self.text(",");
            self.condition(tree);
        }
        self.text("]");
    }
}
