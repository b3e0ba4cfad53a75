//! From JSON to a [`Shape`]. Every error names its place in the document.

use std::fmt;

use host_core::name::nearest;

use super::json::{self, Node};
use super::{
    Arithmetic, Bound, Condition, Expr, From, Insert, Literal, Lookup, MAX_BYTES, MAX_CONDITIONS, MAX_HOLES,
    MAX_NESTING, MAX_PATHS, MAX_STEPS, Op, Operand, Order, Path, Reading, Select, Shape,
};
use crate::error::{DbError, code};

/// Where in the document: a list that grows on the stack and is written out for an error only.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Entry(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => Ok(()),
            Place::Member(Place::Root, name) => write!(f, "{}", shown(name)),
            Place::Member(parent, name) => write!(f, "{parent}.{}", shown(name)),
            Place::Entry(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

/// A name as it may stand in a message: short and without control characters.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_default).collect()
}

impl Place<'_> {
    fn error(&self, problem: impl fmt::Display) -> DbError {
        let place = match self {
            Place::Root => "document".to_owned(),
            place => place.to_string(),
        };
        DbError::new(code::INVALID_SHAPE, format!("{place}: {problem}")).with("place", place)
    }
}

/// Reads a shape.
pub(crate) fn parse(bytes: &[u8]) -> Result<Shape, DbError> {
    if bytes.len() > MAX_BYTES {
        let problem = format!("{} bytes; the most is {MAX_BYTES}: values belong into parameters", bytes.len());
        return Err(Place::Root.error(problem).with("limit", MAX_BYTES));
    }
    let node = json::read(bytes).map_err(|error| Place::Root.error(error))?;
    Reader::default().shape(node)
}

#[derive(Default)]
struct Reader {
    holes: usize,
    conditions: usize,
}

/// The members of the document, taken out one after the other; what is left at the end is unknown.
struct Members(Vec<(String, Node)>);

impl Members {
    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn end(self, op: &str, known: &[&str]) -> Result<(), DbError> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        let hint =
            nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let problem = format!("`{op}` has no such member{hint} (it has {})", known.join(", "));
        Err(Place::Member(&Place::Root, name).error(problem))
    }
}

const READ: [&str; 5] = ["v", "op", "from", "filter", "limit"];

impl Reader {
    fn shape(mut self, node: Node) -> Result<Shape, DbError> {
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
        let from = self.from(members.take("from"))?;
        let op = match members.take("op") {
            None => "select".to_owned(),
            Some(Node::Text(op)) => op,
            Some(other) => {
                return Err(Place::Member(&root, "op").error(format_args!("is {}, not a string", other.name())));
            }
        };
        let op = match op.as_str() {
            "select" => {
                let fields = self.fields(members.take("fields"))?;
                let order = self.order(members.take("order"))?;
                let distinct = match members.take("distinct") {
                    None => false,
                    Some(Node::Bool(distinct)) => distinct,
                    Some(_) => return Err(Place::Member(&root, "distinct").error("must be true or false")),
                };
                let reading = self.reading(&mut members)?;
                members.end("select", &[&READ[..], &["offset", "fields", "order", "distinct"]].concat())?;
                Op::Select(Select { fields, order, distinct, reading })
            }
            "count" => {
                // Each row is there once, so counting distinct rows is counting rows; the order changes nothing.
                match members.take("distinct") {
                    None | Some(Node::Bool(_)) => {}
                    Some(_) => return Err(Place::Member(&root, "distinct").error("must be true or false")),
                }
                let reading = self.reading(&mut members)?;
                members.end("count", &[&READ[..], &["offset", "distinct"]].concat())?;
                Op::Count(reading)
            }
            "exists" => {
                let reading = self.reading(&mut members)?;
                members.end("exists", &[&READ[..], &["offset"]].concat())?;
                Op::Exists(reading)
            }
            "insert" => {
                let set = self.set(members.take("set"), true)?;
                let returning = self.returning(members.take("returning"))?;
                members.end("insert", &["v", "op", "from", "set", "returning"])?;
                Op::Insert(Insert { set, returning })
            }
            "update" => {
                let set = self.set(members.take("set"), false)?;
                let filter = self.filter(members.take("filter"))?;
                members.end("update", &["v", "op", "from", "set", "filter"])?;
                Op::Update { set, filter }
            }
            "delete" => {
                let filter = self.filter(members.take("filter"))?;
                members.end("delete", &["v", "op", "from", "filter"])?;
                Op::Delete { filter }
            }
            other => {
                let known = ["select", "count", "exists", "insert", "update", "delete"];
                let hint = nearest(other, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let problem = format!("`{}` is none of {}{hint}", shown(other), known.join(", "));
                return Err(Place::Member(&root, "op").error(problem));
            }
        };
        Ok(Shape { from, op, holes: self.holes })
    }

    fn from(&self, node: Option<Node>) -> Result<From, DbError> {
        let place = Place::Member(&Place::Root, "from");
        let Some(node) = node else { return Err(place.error("is missing; name a model")) };
        let Node::Text(name) = node else {
            return Err(place.error(format_args!("is {}, not a model's name", node.name())));
        };
        match name.split_once('.') {
            None => Ok(From::Own(name)),
            Some((app, model)) => Ok(From::Foreign { app: app.to_owned(), model: model.to_owned() }),
        }
    }

    fn reading(&mut self, members: &mut Members) -> Result<Reading, DbError> {
        Ok(Reading {
            filter: self.filter(members.take("filter"))?,
            limit: self.bound(members.take("limit"), "limit")?,
            offset: self.bound(members.take("offset"), "offset")?,
        })
    }

    fn bound(&mut self, node: Option<Node>, name: &str) -> Result<Option<Bound>, DbError> {
        let place = Place::Member(&Place::Root, name);
        match node {
            None => Ok(None),
            Some(Node::Integer(number)) if number >= 0 => Ok(Some(Bound::Number(number))),
            Some(node @ Node::Object(_)) => match self.operand(node, &place)? {
                Operand::Hole(hole) => Ok(Some(Bound::Hole(hole))),
                _ => Err(place.error("must be a whole number of at least 0, or a hole")),
            },
            Some(_) => Err(place.error("must be a whole number of at least 0, or a hole")),
        }
    }

    fn fields(&mut self, node: Option<Node>) -> Result<Option<Vec<Path>>, DbError> {
        let Some(node) = node else { return Ok(None) };
        let place = Place::Member(&Place::Root, "fields");
        let paths = list(node, &place)?;
        if paths.is_empty() {
            return Err(place.error("is empty; leave it out for all fields"));
        }
        paths
            .into_iter()
            .enumerate()
            .map(|(at, node)| path(node, &Place::Entry(&place, at)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn order(&mut self, node: Option<Node>) -> Result<Option<Vec<Order>>, DbError> {
        let Some(node) = node else { return Ok(None) };
        let place = Place::Member(&Place::Root, "order");
        let entry = |(at, node): (usize, Node)| {
            let place = Place::Entry(&place, at);
            let Node::Text(text) = node else {
                return Err(place.error(format_args!("is {}, not a string such as \"-votes\"", node.name())));
            };
            let (descending, dotted) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
            let path: Path = dotted.split('.').map(str::to_owned).collect();
            check_steps(&path, &place)?;
            Ok(Order { path, descending })
        };
        list(node, &place)?.into_iter().enumerate().map(entry).collect::<Result<_, _>>().map(Some)
    }

    fn returning(&mut self, node: Option<Node>) -> Result<Vec<String>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let place = Place::Member(&Place::Root, "returning");
        let name = |(at, node)| match node {
            Node::Text(name) => Ok(name),
            other => Err(Place::Entry(&place, at).error(format_args!("is {}, not a field's name", other.name()))),
        };
        list(node, &place)?.into_iter().enumerate().map(name).collect()
    }

    fn set(&mut self, node: Option<Node>, may_be_empty: bool) -> Result<Vec<(String, Expr)>, DbError> {
        let place = Place::Member(&Place::Root, "set");
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
            let expr = self.expr(node, &Place::Member(&place, &name), 1)?;
            set.push((name, expr));
        }
        Ok(set)
    }

    fn filter(&mut self, node: Option<Node>) -> Result<Vec<Condition>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let place = Place::Member(&Place::Root, "filter");
        let mut filter = Vec::new();
        for (at, node) in list(node, &place)?.into_iter().enumerate() {
            filter.push(self.condition(node, &Place::Entry(&place, at), 1)?);
        }
        Ok(filter)
    }

    fn condition(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Condition, DbError> {
        if depth > MAX_NESTING {
            return Err(place.error(format_args!("nested deeper than {MAX_NESTING}")).with("limit", MAX_NESTING));
        }
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            let problem = format!("more than {MAX_CONDITIONS} conditions; `in` takes a list of values");
            return Err(place.error(problem).with("limit", MAX_CONDITIONS));
        }
        let Node::List(parts) = node else {
            return Err(place.error(format_args!(
                "is {}; a condition is a list such as [\"exact\", \"id\", {{\"$\":0}}]",
                node.name()
            )));
        };
        let mut parts = parts.into_iter();
        let word = match parts.next() {
            Some(Node::Text(word)) => word,
            Some(other) => {
                return Err(Place::Entry(place, 0).error(format_args!("is {}, not a lookup's name", other.name())));
            }
            None => return Err(place.error("is empty; begin with a lookup, or with and, or, not")),
        };
        match word.as_str() {
            "and" | "or" => {
                let mut inner = Vec::new();
                for (at, node) in parts.enumerate() {
                    inner.push(self.condition(node, &Place::Entry(place, at + 1), depth + 1)?);
                }
                if inner.is_empty() {
                    return Err(place.error(format_args!("`{word}` joins at least one condition")));
                }
                Ok(if word == "and" { Condition::And(inner) } else { Condition::Or(inner) })
            }
            "not" => match (parts.next(), parts.next()) {
                (Some(node), None) => {
                    let inner = self.condition(node, &Place::Entry(place, 1), depth + 1)?;
                    Ok(Condition::Not(Box::new(inner)))
                }
                _ => Err(place.error("`not` takes one condition; join several with `and` or `or`")),
            },
            word => {
                let Some((_, lookup)) = Lookup::ALL.iter().find(|(known, _)| *known == word) else {
                    let known = Lookup::ALL.map(|(known, _)| known);
                    let hint = nearest(word, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    let problem =
                        format!("`{}` is no lookup{hint} (they are and, or, not, {})", shown(word), known.join(", "));
                    return Err(Place::Entry(place, 0).error(problem));
                };
                let (Some(field), Some(operand), None) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(
                        place.error(format_args!("`{word}` takes a path and an operand: [\"{word}\", path, operand]"))
                    );
                };
                let path = path(field, &Place::Entry(place, 1))?;
                let operands = self.operands(*lookup, operand, &Place::Entry(place, 2))?;
                Ok(Condition::Lookup { lookup: *lookup, path, operands })
            }
        }
    }

    fn operands(&mut self, lookup: Lookup, node: Node, place: &Place<'_>) -> Result<Vec<Operand>, DbError> {
        match lookup {
            Lookup::Range => {
                let Node::List(pair) = node else {
                    return Err(place.error(format_args!("is {}; `range` takes a list of two operands", node.name())));
                };
                if pair.len() != 2 {
                    return Err(place.error("`range` takes two operands, the lowest and the highest"));
                }
                pair.into_iter().enumerate().map(|(at, node)| self.operand(node, &Place::Entry(place, at))).collect()
            }
            Lookup::In => match self.operand(node, place)? {
                hole @ Operand::Hole(_) => Ok(vec![hole]),
                _ => Err(place.error("`in` takes a hole that is filled with `many` values")),
            },
            Lookup::IsNull => match self.operand(node, place)? {
                operand @ (Operand::Hole(_) | Operand::Literal(Literal::Bool(_))) => Ok(vec![operand]),
                _ => Err(place.error("`isnull` takes true or false")),
            },
            _ => Ok(vec![self.operand(node, place)?]),
        }
    }

    fn expr(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Expr, DbError> {
        if depth > MAX_NESTING {
            return Err(place.error(format_args!("nested deeper than {MAX_NESTING}")).with("limit", MAX_NESTING));
        }
        let parts = match node {
            Node::List(parts) => parts,
            other => return self.operand(other, place).map(Expr::Operand),
        };
        let count = parts.len();
        let mut parts = parts.into_iter();
        let (Some(Node::Text(word)), Some(left), Some(right), 3) = (parts.next(), parts.next(), parts.next(), count)
        else {
            return Err(
                place.error("an expression is an operand or [\"add\"|\"sub\"|\"mul\"|\"div\"|\"mod\", left, right]")
            );
        };
        let arithmetic = match word.as_str() {
            "add" => Arithmetic::Add,
            "sub" => Arithmetic::Sub,
            "mul" => Arithmetic::Mul,
            "div" => Arithmetic::Div,
            "mod" => Arithmetic::Mod,
            other => {
                return Err(
                    Place::Entry(place, 0).error(format_args!("`{}` is none of add, sub, mul, div, mod", shown(other)))
                );
            }
        };
        let left = self.expr(left, &Place::Entry(place, 1), depth + 1)?;
        let right = self.expr(right, &Place::Entry(place, 2), depth + 1)?;
        Ok(Expr::Arithmetic(arithmetic, Box::new(left), Box::new(right)))
    }

    fn operand(&mut self, node: Node, place: &Place<'_>) -> Result<Operand, DbError> {
        let literal = match node {
            Node::Null => Literal::Null,
            Node::Bool(value) => Literal::Bool(value),
            Node::Integer(value) => Literal::Integer(value),
            Node::Float(value) => Literal::Float(value),
            Node::Text(value) => {
                if value.contains('\0') {
                    return Err(place.error("text with U+0000, which databases disagree about"));
                }
                Literal::Text(value)
            }
            Node::List(_) => return Err(place.error("is a list, where an operand stands")),
            Node::Object(members) => return self.object(members, place),
        };
        Ok(Operand::Literal(literal))
    }

    fn object(&mut self, members: Vec<(String, Node)>, place: &Place<'_>) -> Result<Operand, DbError> {
        let wrong =
            || place.error("an operand is a literal, a hole {\"$\":n}, a field {\"f\":path} or {\"ref\":[n, field]}");
        let mut members = members.into_iter();
        let (Some((name, node)), None) = (members.next(), members.next()) else { return Err(wrong()) };
        match (name.as_str(), node) {
            ("$", Node::Integer(hole)) => match usize::try_from(hole) {
                Ok(hole) if hole < MAX_HOLES => {
                    self.holes = self.holes.max(hole + 1);
                    Ok(Operand::Hole(hole))
                }
                _ => {
                    Err(place.error(format_args!("holes are numbered 0 to {}", MAX_HOLES - 1)).with("limit", MAX_HOLES))
                }
            },
            ("f", node) => path(node, &Place::Member(place, "f")).map(Operand::Field),
            ("ref", Node::List(parts)) => match <[Node; 2]>::try_from(parts) {
                Ok([Node::Integer(statement), Node::Text(field)]) => {
                    let statement = usize::try_from(statement).map_err(|_| wrong())?;
                    Ok(Operand::Ref(statement, field))
                }
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

fn list(node: Node, place: &Place<'_>) -> Result<Vec<Node>, DbError> {
    match node {
        Node::List(nodes) if nodes.len() <= MAX_PATHS => Ok(nodes),
        Node::List(nodes) => {
            Err(place.error(format_args!("{} entries; the most is {MAX_PATHS}", nodes.len())).with("limit", MAX_PATHS))
        }
        other => Err(place.error(format_args!("is {}, not a list", other.name()))),
    }
}

fn path(node: Node, place: &Place<'_>) -> Result<Path, DbError> {
    let steps = match node {
        Node::Text(name) => vec![name],
        Node::List(steps) => {
            let step = |(at, node)| match node {
                Node::Text(name) => Ok(name),
                other => Err(Place::Entry(place, at).error(format_args!("is {}, not a name", Node::name(&other)))),
            };
            if steps.len() > MAX_STEPS {
                return Err(too_long(place));
            }
            steps.into_iter().enumerate().map(step).collect::<Result<_, _>>()?
        }
        other => {
            return Err(place.error(format_args!("is {}; a path is a field's name or a list of names", other.name())));
        }
    };
    check_steps(&steps, place)?;
    Ok(steps)
}

fn check_steps(steps: &Path, place: &Place<'_>) -> Result<(), DbError> {
    if steps.len() > MAX_STEPS {
        return Err(too_long(place));
    }
    if steps.is_empty() || steps.iter().any(String::is_empty) {
        return Err(place.error("is an empty path; name a field"));
    }
    Ok(())
}

fn too_long(place: &Place<'_>) -> DbError {
    place.error(format_args!("a path has at most {MAX_STEPS} steps")).with("limit", MAX_STEPS)
}
