//! From JSON to a [`Shape`]. Every error names its place in the document.

use std::fmt;

use host_core::name::{check_name, nearest};

use super::json::{self, Node};
use super::{
    Aggregate, Arithmetic, Bound, Condition, Expr, From, Function, Insert, Literal, Lookup, MAX_ANNOTATIONS, MAX_BYTES,
    MAX_CONDITIONS, MAX_HOLES, MAX_NESTING, MAX_PATHS, MAX_STEPS, Op, Operand, Order, Path, Reading, Select, Shape,
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

/// What an expression can begin with.
const EXPRESSIONS: [&str; 11] = ["add", "sub", "mul", "div", "mod", "coalesce", "count", "sum", "avg", "min", "max"];

/// Reads a shape.
pub(crate) fn parse(bytes: &[u8]) -> Result<Shape, DbError> {
    if bytes.len() > MAX_BYTES {
        let problem = format!("{} bytes; the most is {MAX_BYTES}: values belong into parameters", bytes.len());
        return Err(Place::Root.error(problem).with("limit", MAX_BYTES));
    }
    let node = json::read(bytes).map_err(|error| Place::Root.error(error))?;
    Reader::default().shape(node)
}

/// Reads an expression of a manifest: it has no values that come with it.
pub(crate) fn parse_expression(json: &serde_json::Value) -> Result<Expr, DbError> {
    of_manifest(json, |reader, node| reader.expr(node, &Place::Root, 1))
}

/// Reads a condition of a manifest.
pub(crate) fn parse_condition(json: &serde_json::Value) -> Result<Condition, DbError> {
    of_manifest(json, |reader, node| reader.condition(node, &Place::Root, 1))
}

fn of_manifest<T>(
    json: &serde_json::Value,
    read: impl FnOnce(&mut Reader, Node) -> Result<T, DbError>,
) -> Result<T, DbError> {
    let node = json::read(json.to_string().as_bytes()).map_err(|error| Place::Root.error(error))?;
    let mut reader = Reader::default();
    let read = read(&mut reader, node)?;
    if reader.holes > 0 {
        return Err(Place::Root.error("has a hole, and no values come with a manifest; write the value itself"));
    }
    Ok(read)
}

#[derive(Default)]
struct Reader {
    holes: usize,
    /// Conditions so far.
    count: usize,
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

const READ: [&str; 7] = ["v", "op", "from", "filter", "limit", "offset", "annotate"];
const OPS: [&str; 7] = ["select", "count", "exists", "aggregate", "insert", "update", "delete"];

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
                let fields = self.paths(members.take("fields"), "fields")?;
                let order = self.order(members.take("order"))?;
                let distinct = match members.take("distinct") {
                    None => false,
                    Some(Node::Bool(distinct)) => distinct,
                    Some(_) => return Err(Place::Member(&root, "distinct").error("must be true or false")),
                };
                let reading = self.reading(&mut members)?;
                members.end("select", &[&READ[..], &["group", "fields", "order", "distinct"]].concat())?;
                Op::Select(Select { fields, order, distinct, reading })
            }
            "count" => {
                // Each row is there once, so counting distinct rows is counting rows; the order changes nothing.
                match members.take("distinct") {
                    None | Some(Node::Bool(_)) => {}
                    Some(_) => return Err(Place::Member(&root, "distinct").error("must be true or false")),
                }
                let reading = self.reading(&mut members)?;
                members.end("count", &[&READ[..], &["group", "distinct"]].concat())?;
                Op::Count(reading)
            }
            "exists" => {
                let reading = self.reading(&mut members)?;
                members.end("exists", &[&READ[..], &["group"]].concat())?;
                Op::Exists(reading)
            }
            "aggregate" => {
                let reading = self.reading(&mut members)?;
                members.end("aggregate", &["v", "op", "from", "filter", "annotate"])?;
                if reading.group.is_some() {
                    return Err(Place::Member(&root, "group").error("stands in `select`; `aggregate` takes all rows"));
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
                let hint = nearest(other, OPS).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let problem = format!("`{}` is none of {}{hint}", shown(other), OPS.join(", "));
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
            annotate: self.annotate(members.take("annotate"))?,
            group: self.paths(members.take("group"), "group")?,
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

    fn annotate(&mut self, node: Option<Node>) -> Result<Vec<(String, Expr)>, DbError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let place = Place::Member(&Place::Root, "annotate");
        let entries = list(node, &place)?;
        if entries.len() > MAX_ANNOTATIONS {
            return Err(place.error(format_args!("more than {MAX_ANNOTATIONS}")).with("limit", MAX_ANNOTATIONS));
        }
        let entry = |(at, node)| {
            let place = Place::Entry(&place, at);
            let pair = match node {
                Node::List(pair) => <[Node; 2]>::try_from(pair).ok(),
                _ => None,
            };
            let Some([Node::Text(name), node]) = pair else {
                return Err(place.error("is a name and an expression: [\"n\", [\"count\"]]"));
            };
            if check_name(&name).is_err() {
                return Err(
                    place.error("the name has other than a-z, 0-9 and single underscores, or more than 30 of them")
                );
            }
            Ok((name, self.expr(node, &Place::Entry(&place, 1), 1)?))
        };
        entries.into_iter().enumerate().map(entry).collect()
    }

    fn paths(&mut self, node: Option<Node>, name: &str) -> Result<Option<Vec<Path>>, DbError> {
        let Some(node) = node else { return Ok(None) };
        let place = Place::Member(&Place::Root, name);
        let paths = list(node, &place)?;
        if paths.is_empty() {
            return Err(place.error("is empty; leave it out"));
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
        self.conditions(node, &Place::Member(&Place::Root, "filter"), 1)
    }

    fn conditions(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Vec<Condition>, DbError> {
        let condition = |(at, node)| self.condition(node, &Place::Entry(place, at), depth);
        list(node, place)?.into_iter().enumerate().map(condition).collect()
    }

    fn condition(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Condition, DbError> {
        if depth > MAX_NESTING {
            return Err(place.error(format_args!("nested deeper than {MAX_NESTING}")).with("limit", MAX_NESTING));
        }
        self.count += 1;
        if self.count > MAX_CONDITIONS {
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
        let mut parts = parts.into_iter();
        let word = match parts.next() {
            Some(Node::Text(word)) => word,
            _ => return Err(place.error("an expression is an operand, or a list that begins with a function's name")),
        };
        if word == "coalesce" {
            let several = parts.enumerate().map(|(at, node)| self.expr(node, &Place::Entry(place, at + 1), depth + 1));
            let several: Vec<Expr> = several.collect::<Result<_, _>>()?;
            if several.is_empty() || several.len() > MAX_NESTING {
                return Err(place.error(format_args!("`coalesce` takes 1 to {MAX_NESTING} expressions")));
            }
            return Ok(Expr::Coalesce(several));
        }
        if let Some((_, function)) = Function::ALL.iter().find(|(known, _)| *known == word) {
            return self.aggregate(*function, parts, place, depth);
        }
        let arithmetic = match word.as_str() {
            "add" => Arithmetic::Add,
            "sub" => Arithmetic::Sub,
            "mul" => Arithmetic::Mul,
            "div" => Arithmetic::Div,
            "mod" => Arithmetic::Mod,
            other => {
                let known = EXPRESSIONS;
                let hint = nearest(other, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let problem = format!("`{}` is none of {}{hint}", shown(other), known.join(", "));
                return Err(Place::Entry(place, 0).error(problem));
            }
        };
        let (Some(left), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(place.error(format_args!("`{word}` takes two expressions: [\"{word}\", left, right]")));
        };
        let left = self.expr(left, &Place::Entry(place, 1), depth + 1)?;
        let right = self.expr(right, &Place::Entry(place, 2), depth + 1)?;
        Ok(Expr::Arithmetic(arithmetic, Box::new(left), Box::new(right)))
    }

    fn aggregate(
        &mut self,
        function: Function,
        mut parts: impl Iterator<Item = Node>,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<Expr, DbError> {
        let of = match parts.next() {
            None | Some(Node::Null) if function == Function::Count => None,
            None | Some(Node::Null) => {
                let word = function.word();
                return Err(place.error(format_args!("`{word}` takes an expression: [\"{word}\", expression]")));
            }
            Some(node) => Some(self.expr(node, &Place::Entry(place, 1), depth + 1)?),
        };
        let mut aggregate = Aggregate { function, of, distinct: false, filter: Vec::new() };
        match (parts.next(), parts.next()) {
            (None, _) => {}
            (Some(Node::Object(options)), None) => {
                let place = Place::Entry(place, 2);
                for (name, node) in options {
                    match (name.as_str(), node) {
                        ("distinct", Node::Bool(distinct)) => aggregate.distinct = distinct,
                        ("filter", node) => {
                            aggregate.filter = self.conditions(node, &Place::Member(&place, "filter"), depth + 1)?;
                        }
                        _ => {
                            return Err(place.error("the options are `distinct` (true or false) and `filter` (a list)"));
                        }
                    }
                }
            }
            _ => return Err(place.error("an aggregate takes an expression and an object of options")),
        }
        if aggregate.distinct && aggregate.of.is_none() {
            return Err(place.error("`distinct` needs an expression whose values are counted once"));
        }
        Ok(Expr::Aggregate(Box::new(aggregate)))
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
