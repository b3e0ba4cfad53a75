//! The members of a shape, and shapes inside of it.

use host_core::name::check_name;

use super::super::json::Node;
use super::super::{
    Bound, Combination, Condition, Conflict, Distinct, Expr, From, Insert, Lock, MAX_ANNOTATIONS, MAX_COMBINED,
    MAX_DEPTH, MAX_RELATED, MAX_WITH, Nested, Op, Operand, Path, Reading, Select, Shape, Wait, With,
};
use super::{Members, Place, Reader, list, name, object, path, truth};
use crate::error::DbError;

const OPS: [&str; 8] = ["select", "count", "exists", "aggregate", "insert", "update", "update_many", "delete"];

/// What each operation has; the published schema says the same.
const READ: [&str; 10] = ["v", "op", "from", "filter", "limit", "offset", "annotate", "with", "explain", "group"];
const SELECT: [&str; 6] = ["fields", "related", "order", "distinct", "combine", "lock"];
const NESTED: [&str; 12] =
    ["v", "op", "from", "filter", "limit", "offset", "annotate", "group", "fields", "order", "distinct", "combine"];

impl Reader {
    pub(super) fn shape(mut self, node: Node) -> Result<Shape, DbError> {
        let root = Place::Root;
        let Node::Object(members) = node else {
            return Err(root.error(format_args!("is {}; a shape is an object", node.name())));
        };
        let mut members = Members(members);
        match members.take("v") {
            Some(Node::Integer(1)) => {}
            Some(_) => return Err(Place::Member(&root, "v").error("must be 1, the version that this host reads")),
            None => return Err(Place::Member(&root, "v").error("is missing; write `\"v\":1`")),
        }
        let from = self.from(members.take("from"), &root)?;
        let op = match members.take("op") {
            None => "select".to_owned(),
            Some(Node::Text(op)) => op,
            Some(other) => {
                return Err(Place::Member(&root, "op").error(format_args!("is {}, not a string", other.name())));
            }
        };
        let (mut with, mut explain) = (Vec::new(), false);
        if ["select", "count", "exists", "aggregate"].contains(&op.as_str()) {
            with = self.with(members.take("with"))?;
            explain = truth(members.take("explain"), &Place::Member(&root, "explain"))?;
        }
        let op = self.op(&op, members)?;
        Ok(Shape { from, op, with, explain, holes: self.holes, reckons: self.calls > 0 })
    }

    fn op(&mut self, op: &str, mut members: Members) -> Result<Op, DbError> {
        let root = Place::Root;
        Ok(match op {
            "select" => {
                let select = self.select(&mut members, &root)?;
                members.end(op, &[&READ[..], &SELECT].concat(), &root)?;
                Op::Select(select)
            }
            "count" => {
                let select = self.counted(&mut members, &root)?;
                members.end(op, &[&READ[..], &["fields", "distinct", "combine"]].concat(), &root)?;
                Op::Count(select)
            }
            "exists" => {
                let select = self.counted(&mut members, &root)?;
                members.end(op, &[&READ[..], &["fields", "distinct", "combine"]].concat(), &root)?;
                Op::Exists(select)
            }
            "aggregate" => {
                let reading = self.reading(&mut members, &root)?;
                members.end(op, &["v", "op", "from", "filter", "annotate", "with", "explain"], &root)?;
                if reading.group.is_some() {
                    return Err(Place::Member(&root, "group").error("stands in `select`; `aggregate` takes all rows"));
                }
                if !reading.combine.is_empty() {
                    return Err(Place::Member(&root, "combine").error("stands in `select`, `count` and `exists`"));
                }
                if reading.limit.is_some() || reading.offset.is_some() {
                    return Err(Place::Member(&root, "limit").error("`aggregate` takes all rows; filter by their keys"));
                }
                if reading.annotate.is_empty() {
                    return Err(Place::Member(&root, "annotate").error("is missing; say what to make of the rows"));
                }
                Op::Aggregate(reading)
            }
            "insert" => {
                let set = self.set(members.take("set"), true, &Place::Member(&root, "set"))?;
                let conflict = self.conflict(members.take("on_conflict"))?;
                let returning = self.names(members.take("returning"), "returning")?;
                members.end(op, &["v", "op", "from", "set", "on_conflict", "returning"], &root)?;
                Op::Insert(Insert { set, conflict, returning })
            }
            "update" => {
                let set = self.set(members.take("set"), false, &Place::Member(&root, "set"))?;
                let filter = self.filter(members.take("filter"), &root)?;
                let returning = self.names(members.take("returning"), "returning")?;
                members.end(op, &["v", "op", "from", "set", "filter", "returning"], &root)?;
                Op::Update { set, filter, returning }
            }
            "update_many" => self.update_many(members)?,
            "delete" => {
                let filter = self.filter(members.take("filter"), &root)?;
                members.end(op, &["v", "op", "from", "filter"], &root)?;
                Op::Delete { filter }
            }
            other => return Err(Place::Member(&root, "op").unknown(other, OPS.into_iter())),
        })
    }

    fn update_many(&mut self, mut members: Members) -> Result<Op, DbError> {
        let root = Place::Root;
        let set = self.set(members.take("set"), false, &Place::Member(&root, "set"))?;
        let key = self.names(members.take("key"), "key")?;
        let place = Place::Member(&root, "key_values");
        let values = members.take("key_values").map(|node| list(node, &place)).transpose()?.unwrap_or_default();
        let hole = |(at, node)| match self.operand(node, &Place::Entry(&place, at))? {
            Operand::Hole(hole, None) => Ok(hole),
            _ => Err(place.error("has holes alone, which are filled with `many` values")),
        };
        let holes: Vec<usize> = values.into_iter().enumerate().map(hole).collect::<Result<_, _>>()?;
        members.end("update_many", &["v", "op", "from", "key", "key_values", "set"], &root)?;
        if key.is_empty() || key.len() != holes.len() {
            return Err(place.error("`key` names the fields that find a row, `key_values` has a hole for each"));
        }
        Ok(Op::UpdateMany { key: key.into_iter().zip(holes).collect(), set })
    }

    /// The rows of a `count` or an `exists`: their cells matter where they are taken once or combined.
    fn counted(&mut self, members: &mut Members, place: &Place<'_>) -> Result<Select, DbError> {
        let fields = self.paths(members.take("fields"), &Place::Member(place, "fields"))?;
        let distinct = match self.distinct(members.take("distinct"), &Place::Member(place, "distinct"))? {
            // Each row is there once, so counting distinct rows is counting rows.
            Distinct::Rows if fields.is_none() => Distinct::No,
            distinct => distinct,
        };
        let reading = self.reading(members, place)?;
        Ok(Select { fields, related: Vec::new(), order: Some(Vec::new()), distinct, lock: None, reading })
    }

    fn distinct(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Distinct, DbError> {
        Ok(match node {
            None | Some(Node::Bool(false)) => Distinct::No,
            Some(Node::Bool(true)) => Distinct::Rows,
            Some(node @ Node::List(_)) => Distinct::On(self.paths(Some(node), place)?.unwrap_or_default()),
            Some(_) => return Err(place.error("must be true or false, or a list of paths")),
        })
    }

    fn select(&mut self, members: &mut Members, place: &Place<'_>) -> Result<Select, DbError> {
        let fields = self.paths(members.take("fields"), &Place::Member(place, "fields"))?;
        let related = self.related(members.take("related"), &Place::Member(place, "related"))?;
        let order = match members.take("order") {
            None => None,
            Some(node) => Some(self.order(node, &Place::Member(place, "order"), 1)?),
        };
        let distinct = self.distinct(members.take("distinct"), &Place::Member(place, "distinct"))?;
        let lock = self.lock(members.take("lock"), &Place::Member(place, "lock"))?;
        let reading = self.reading(members, place)?;
        Ok(Select { fields, related, order, distinct, lock, reading })
    }

    /// A `select` inside of another shape.
    pub(super) fn nested(&mut self, node: Node, place: &Place<'_>) -> Result<Nested, DbError> {
        self.enter(place)?;
        let mut members = object(node, place)?;
        match members.take("v") {
            None | Some(Node::Integer(1)) => {}
            Some(_) => return Err(Place::Member(place, "v").error("must be 1, the version that this host reads")),
        }
        match members.take("op") {
            None => {}
            Some(Node::Text(op)) if op == "select" => {}
            Some(_) => return Err(Place::Member(place, "op").error("a shape inside of a shape is a `select`")),
        }
        let from = self.from(members.take("from"), place)?;
        for name in ["related", "lock", "with", "explain"] {
            if members.0.iter().any(|(known, _)| known == name) {
                return Err(Place::Member(place, name).error("stands in the outermost shape alone"));
            }
        }
        let select = self.select(&mut members, place)?;
        members.end("select", &NESTED, place)?;
        self.level -= 1;
        Ok(Nested { from, select })
    }

    fn from(&self, node: Option<Node>, place: &Place<'_>) -> Result<From, DbError> {
        let place = Place::Member(place, "from");
        let Some(node) = node else { return Err(place.error("is missing; name a model")) };
        let Node::Text(name) = node else {
            return Err(place.error(format_args!("is {}, not a model's name", node.name())));
        };
        match name.split_once('.') {
            None => Ok(From::Own(name)),
            Some((app, model)) => Ok(From::Foreign { app: app.to_owned(), model: model.to_owned() }),
        }
    }

    fn reading(&mut self, members: &mut Members, place: &Place<'_>) -> Result<Reading, DbError> {
        Ok(Reading {
            annotate: self.annotate(members.take("annotate"), &Place::Member(place, "annotate"))?,
            group: match members.take("group") {
                // All rows are one group.
                Some(Node::List(none)) if none.is_empty() => Some(Vec::new()),
                node => self.paths(node, &Place::Member(place, "group"))?,
            },
            filter: self.filter(members.take("filter"), place)?,
            combine: self.combine(members.take("combine"), &Place::Member(place, "combine"))?,
            limit: self.bound(members.take("limit"), &Place::Member(place, "limit"))?,
            offset: self.bound(members.take("offset"), &Place::Member(place, "offset"))?,
        })
    }

    fn bound(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Option<Bound>, DbError> {
        match node {
            None => Ok(None),
            Some(Node::Integer(number)) if number >= 0 => Ok(Some(Bound::Number(number))),
            Some(node @ Node::Object(_)) => match self.operand(node, place)? {
                Operand::Hole(hole, None) => Ok(Some(Bound::Hole(hole))),
                _ => Err(place.error("must be a whole number of at least 0, or a hole")),
            },
            Some(_) => Err(place.error("must be a whole number of at least 0, or a hole")),
        }
    }

    fn annotate(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Vec<(String, Expr)>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let entries = list(node, place)?;
        if entries.len() > MAX_ANNOTATIONS {
            return Err(place.error(format_args!("more than {MAX_ANNOTATIONS}")).with("limit", MAX_ANNOTATIONS));
        }
        let entry = |(at, node)| {
            let place = Place::Entry(place, at);
            let (name, node) = named(node, &place, "is a name and an expression: [\"n\", [\"count\"]]")?;
            Ok((name, self.expr(node, &Place::Entry(&place, 1), 1)?))
        };
        entries.into_iter().enumerate().map(entry).collect()
    }

    fn combine(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Vec<(Combination, Nested)>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let entries = list(node, place)?;
        if entries.len() > MAX_COMBINED {
            let problem = format!("more than {MAX_COMBINED} shapes to combine with");
            return Err(place.error(problem).with("limit", MAX_COMBINED));
        }
        let entry = |(at, node)| {
            let place = Place::Entry(place, at);
            let pair = match node {
                Node::List(pair) => <[Node; 2]>::try_from(pair).ok(),
                _ => None,
            };
            let Some([word @ Node::Text(_), node]) = pair else {
                return Err(place.error("is a word and a shape: [\"union\", {\"from\": …}]"));
            };
            let combination = self.word(Some(word), Combination::ALL, &Place::Entry(&place, 0))?;
            Ok((combination, self.nested(node, &Place::Entry(&place, 1))?))
        };
        entries.into_iter().enumerate().map(entry).collect()
    }

    fn with(&mut self, node: Option<Node>) -> Result<Vec<(String, With)>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let place = Place::Member(&Place::Root, "with");
        let entries = list(node, &place)?;
        if entries.len() > MAX_WITH {
            return Err(place.error(format_args!("more than {MAX_WITH} entries")).with("limit", MAX_WITH));
        }
        let entry = |(at, node)| {
            let place = Place::Entry(&place, at);
            let (name, node) = named(node, &place, "is a name and a shape: [\"best\", {\"from\": …}]")?;
            let place = Place::Entry(&place, 1);
            let mut members = object(node, &place)?;
            let Some(tree) = members.take("recursive") else {
                return Ok((name, With::Select(Box::new(self.nested(Node::Object(members.0), &place)?))));
            };
            members.end("with", &["recursive"], &place)?;
            Ok((name, self.tree(tree, &Place::Member(&place, "recursive"))?))
        };
        entries.into_iter().enumerate().map(entry).collect()
    }

    fn tree(&mut self, node: Node, place: &Place<'_>) -> Result<With, DbError> {
        let mut members = object(node, place)?;
        let start = match members.take("start") {
            None => Vec::new(),
            Some(node) => self.conditions(node, &Place::Member(place, "start"), 1)?,
        };
        let here = Place::Member(place, "follow");
        let follow = match members.take("follow") {
            Some(Node::List(steps)) if steps.len() == 1 => {
                steps.into_iter().next().map(|step| name(step, &here)).transpose()?.unwrap_or_default()
            }
            Some(Node::List(_)) => return Err(here.error("is one relation of the model to itself")),
            Some(node) => name(node, &here)?,
            None => return Err(here.error("is missing; name a relation of the model to itself")),
        };
        let here = Place::Member(place, "max_depth");
        let max_depth = match members.take("max_depth") {
            None | Some(Node::Null) => None,
            Some(Node::Integer(depth)) => match u32::try_from(depth) {
                Ok(depth) if depth <= MAX_DEPTH => Some(depth),
                _ => return Err(here.error(format_args!("is from 0 to {MAX_DEPTH}")).with("limit", MAX_DEPTH)),
            },
            Some(other) => return Err(here.error(format_args!("is {}, not a number", other.name()))),
        };
        members.end("recursive", &["start", "follow", "max_depth"], place)?;
        Ok(With::Tree { start, follow, max_depth })
    }

    fn paths(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Option<Vec<Path>>, DbError> {
        let Some(node) = node else { return Ok(None) };
        let paths = list(node, place)?;
        if paths.is_empty() {
            return Err(place.error("is empty; leave it out"));
        }
        let one = |(at, node)| path(node, &Place::Entry(place, at));
        paths.into_iter().enumerate().map(one).collect::<Result<_, _>>().map(Some)
    }

    fn related(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Vec<Path>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let related = list(node, place)?;
        if related.len() > MAX_RELATED {
            return Err(place.error(format_args!("more than {MAX_RELATED} relations")).with("limit", MAX_RELATED));
        }
        let mut paths: Vec<Path> = Vec::with_capacity(related.len());
        for (at, node) in related.into_iter().enumerate() {
            let place = Place::Entry(place, at);
            let path = path(node, &place)?;
            if paths.contains(&path) {
                return Err(place.error("stands there twice"));
            }
            let before = &path[..path.len() - 1];
            if !before.is_empty() && !paths.iter().any(|known| known == before) {
                let before = super::shown(&before.join("."));
                return Err(place.error(format_args!("`{before}` must be listed before what is beyond it")));
            }
            paths.push(path);
        }
        Ok(paths)
    }

    fn lock(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Option<Lock>, DbError> {
        let Some(node) = node else { return Ok(None) };
        let mut members = object(node, place)?;
        let wait = match members.take("wait") {
            None => Wait::Block,
            word => self.word(word, Wait::ALL, &Place::Member(place, "wait"))?,
        };
        let here = Place::Member(place, "of");
        let of = match members.take("of") {
            None => vec![Path::new()],
            Some(node) => {
                let one = |(at, node)| {
                    let path = path(node, &Place::Entry(&here, at))?;
                    Ok::<_, DbError>(if path == ["self"] { Path::new() } else { path })
                };
                let of: Vec<Path> = list(node, &here)?.into_iter().enumerate().map(one).collect::<Result<_, _>>()?;
                if of.is_empty() {
                    return Err(here.error("is empty; leave it out for the model's own rows"));
                }
                of
            }
        };
        let no_key = truth(members.take("no_key"), &Place::Member(place, "no_key"))?;
        members.end("lock", &["wait", "of", "no_key"], place)?;
        Ok(Some(Lock { wait, of, no_key }))
    }

    fn names(&mut self, node: Option<Node>, member: &str) -> Result<Vec<String>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let place = Place::Member(&Place::Root, member);
        let one = |(at, node)| name(node, &Place::Entry(&place, at));
        list(node, &place)?.into_iter().enumerate().map(one).collect()
    }

    fn conflict(&mut self, node: Option<Node>) -> Result<Option<Conflict>, DbError> {
        let Some(node) = node else { return Ok(None) };
        let place = Place::Member(&Place::Root, "on_conflict");
        let mut members = object(node, &place)?;
        let here = Place::Member(&place, "do");
        let conflict = match members.take("do") {
            Some(Node::Text(word)) if word == "ignore" => Conflict::Ignore,
            Some(Node::Text(word)) if word == "update" => {
                let here = Place::Member(&place, "target");
                let target = match members.take("target") {
                    Some(node) => {
                        let one = |(at, node)| name(node, &Place::Entry(&here, at));
                        list(node, &here)?.into_iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?
                    }
                    None => return Err(here.error("is missing; name the unique fields that both rows share")),
                };
                self.inserting = true;
                let set = self.set(members.take("set"), false, &Place::Member(&place, "set"))?;
                self.inserting = false;
                Conflict::Update { target, set }
            }
            Some(Node::Text(word)) => return Err(here.unknown(&word, ["ignore", "update"].into_iter())),
            _ => return Err(here.error("is \"ignore\" or \"update\"")),
        };
        members.end("on_conflict", &["do", "target", "set"], &place)?;
        Ok(Some(conflict))
    }

    fn set(
        &mut self,
        node: Option<Node>,
        may_be_empty: bool,
        place: &Place<'_>,
    ) -> Result<Vec<(String, Expr)>, DbError> {
        let members = match node {
            Some(Node::Object(members)) => members,
            Some(other) => return Err(place.error(format_args!("is {}, not an object", other.name()))),
            None => return Err(place.error("is missing; name the fields to write and their values")),
        };
        if members.is_empty() && !may_be_empty {
            return Err(place.error("is empty; name at least one field"));
        }
        let mut set = Vec::with_capacity(members.len());
        for (name, node) in members {
            let expr = self.expr(node, &Place::Member(place, &name), 1)?;
            set.push((name, expr));
        }
        Ok(set)
    }

    fn filter(&mut self, node: Option<Node>, place: &Place<'_>) -> Result<Vec<Condition>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        self.conditions(node, &Place::Member(place, "filter"), 1)
    }
}

/// A list of a name and what it stands for.
fn named(node: Node, place: &Place<'_>, wrong: &str) -> Result<(String, Node), DbError> {
    let pair = match node {
        Node::List(pair) => <[Node; 2]>::try_from(pair).ok(),
        _ => None,
    };
    let Some([Node::Text(name), node]) = pair else { return Err(place.error(wrong)) };
    if check_name(&name).is_err() {
        return Err(place.error("the name has other than a-z, 0-9 and single underscores, or more than 30 of them"));
    }
    Ok((name, node))
}
