//! From JSON to a [`Shape`]. Every error names its place in the document.

mod condition;
mod expression;
mod members;

use std::fmt;

use host_core::name::nearest;

use super::json::{self, Node};
use super::{
    Condition, Expr, Literal, MAX_BYTES, MAX_CALLS, MAX_CONDITIONS, MAX_HOLES, MAX_LEVELS, MAX_NESTING, MAX_PATHS,
    MAX_STEPS, MAX_SUBQUERIES, Operand, Path, Shape,
};
use crate::error::{DbError, code};
use crate::kind::{Kind, has_zero, words};

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

    /// `word` is none of those that can stand here.
    fn unknown<'k>(&self, word: &str, known: impl Iterator<Item = &'k str> + Clone) -> DbError {
        let hint = nearest(word, known.clone()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let known: Vec<&str> = known.collect();
        self.error(format_args!("`{}` is none of {}{hint}", shown(word), known.join(", ")))
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

/// Reads an expression of a manifest: of the row's own fields, without holes.
pub(crate) fn parse_expression(json: &serde_json::Value) -> Result<Expr, DbError> {
    let node = json::read(json.to_string().as_bytes()).map_err(|error| Place::Root.error(error))?;
    Reader { own_fields: true, ..Reader::default() }.expr(node, &Place::Root, 1)
}

/// Reads a condition of a manifest, as [`parse_expression`] does.
pub(crate) fn parse_condition(json: &serde_json::Value) -> Result<Condition, DbError> {
    let node = json::read(json.to_string().as_bytes()).map_err(|error| Place::Root.error(error))?;
    Reader { own_fields: true, ..Reader::default() }.condition(node, &Place::Root, 1)
}

#[derive(Default)]
struct Reader {
    holes: usize,
    /// Conditions so far.
    conditions: usize,
    /// Functions and the like so far.
    calls: usize,
    windows: usize,
    /// Shapes inside of the shape so far, and how deep this place is in them.
    subqueries: usize,
    level: usize,
    /// Whether nothing may be named but the row's own fields, as in a manifest.
    own_fields: bool,
    /// Whether `{"new": field}` has a meaning here.
    inserting: bool,
}

/// The members of an object, taken out one after the other; what is left at the end is unknown.
struct Members(Vec<(String, Node)>);

impl Members {
    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn end(self, what: &str, known: &[&str], place: &Place<'_>) -> Result<(), DbError> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        let hint =
            nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let problem = format!("`{what}` has no such member{hint} (it has {})", known.join(", "));
        Err(Place::Member(place, name).error(problem))
    }
}

impl Reader {
    /// One step deeper into conditions and expressions.
    fn deeper(&self, depth: usize, place: &Place<'_>) -> Result<usize, DbError> {
        if depth > MAX_NESTING {
            return Err(place.error(format_args!("nested deeper than {MAX_NESTING}")).with("limit", MAX_NESTING));
        }
        Ok(depth + 1)
    }

    fn count_condition(&mut self, place: &Place<'_>) -> Result<(), DbError> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            let problem = format!("more than {MAX_CONDITIONS} conditions; `in` takes a list of values");
            return Err(place.error(problem).with("limit", MAX_CONDITIONS));
        }
        Ok(())
    }

    fn count_call(&mut self, place: &Place<'_>) -> Result<(), DbError> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            let problem = format!("more than {MAX_CALLS} functions in a shape; ask in several");
            return Err(place.error(problem).with("limit", MAX_CALLS));
        }
        Ok(())
    }

    /// Enters a shape inside of the shape; the caller leaves it by taking one from `level`.
    fn enter(&mut self, place: &Place<'_>) -> Result<(), DbError> {
        if self.own_fields {
            return Err(place.error("a manifest's expressions are about the row alone"));
        }
        self.subqueries += 1;
        if self.subqueries > MAX_SUBQUERIES {
            let problem = format!("more than {MAX_SUBQUERIES} shapes in a shape; ask in several");
            return Err(place.error(problem).with("limit", MAX_SUBQUERIES));
        }
        self.level += 1;
        if self.level > MAX_LEVELS {
            let problem = format!("shapes stand in one another deeper than {MAX_LEVELS}");
            return Err(place.error(problem).with("limit", MAX_LEVELS));
        }
        Ok(())
    }

    fn operand(&mut self, node: Node, place: &Place<'_>) -> Result<Operand, DbError> {
        let literal = match node {
            Node::Null => Literal::Null,
            Node::Bool(value) => Literal::Bool(value),
            Node::Integer(value) => Literal::Integer(value),
            Node::Float(value) => Literal::Float(value),
            Node::Text(value) => Literal::Text(sound(value, place)?),
            Node::List(_) => return Err(place.error("is a list, where an operand stands")),
            Node::Object(members) => return self.object(members, place),
        };
        Ok(Operand::Literal(literal))
    }

    fn object(&mut self, members: Vec<(String, Node)>, place: &Place<'_>) -> Result<Operand, DbError> {
        let wrong = || {
            place.error(
                "an operand is a literal, a hole {\"$\":n}, a field {\"f\":path}, {\"outer\":path} or {\"ref\":[n, field]}",
            )
        };
        let mut members = Members(members);
        if let Some(node) = members.take("$") {
            let kind = members.take("as").map(|node| kind(node, &Place::Member(place, "as"))).transpose()?;
            let Node::Integer(hole) = node else { return Err(wrong()) };
            if !members.0.is_empty() {
                return Err(wrong());
            }
            return Ok(Operand::Hole(self.hole(hole, place)?, kind));
        }
        let mut members = members.0.into_iter();
        let (Some((name, node)), None) = (members.next(), members.next()) else { return Err(wrong()) };
        match (name.as_str(), node) {
            ("f", node) => path(node, &Place::Member(place, "f")).map(Operand::Field),
            ("outer", node) => self.outer(node, &Place::Member(place, "outer"), 1),
            ("new", Node::Text(field)) if self.inserting => Ok(Operand::New(field)),
            ("new", _) if !self.inserting => {
                Err(place.error("`new` is the value that an insert brought: it stands in `on_conflict`"))
            }
            ("ref", Node::List(parts)) if !self.own_fields => match <[Node; 2]>::try_from(parts) {
                Ok([Node::Integer(statement), Node::Text(field)]) => {
                    let statement = usize::try_from(statement).map_err(|_| wrong())?;
                    Ok(Operand::Ref(statement, field))
                }
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    fn hole(&mut self, hole: i64, place: &Place<'_>) -> Result<usize, DbError> {
        if self.own_fields {
            return Err(place.error("a manifest has no holes; write the value itself"));
        }
        match usize::try_from(hole) {
            Ok(hole) if hole < MAX_HOLES => {
                self.holes = self.holes.max(hole + 1);
                Ok(hole)
            }
            _ => Err(place.error(format_args!("holes are numbered 0 to {}", MAX_HOLES - 1)).with("limit", MAX_HOLES)),
        }
    }

    /// A field of the row outside; `{"outer": {"outer": path}}` is one more level out.
    fn outer(&mut self, node: Node, place: &Place<'_>, level: usize) -> Result<Operand, DbError> {
        if level > self.level {
            return Err(place.error("there is no row outside of here: `outer` stands in a shape inside of another one"));
        }
        match node {
            Node::Object(members) => match <[_; 1]>::try_from(members) {
                Ok([(name, node)]) if name == "outer" => self.outer(node, &Place::Member(place, "outer"), level + 1),
                _ => Err(place.error("is a path, or {\"outer\": path} for the row one level further out")),
            },
            node => Ok(Operand::Outer(level, path(node, place)?)),
        }
    }
}

/// A text that every database takes.
fn sound(value: String, place: &Place<'_>) -> Result<String, DbError> {
    if has_zero(&value) {
        return Err(place.error("text with U+0000, which databases disagree about"));
    }
    Ok(value)
}

/// What a `cast` or an `as` names: a kind's word, or an object with what it takes besides.
fn kind(node: Node, place: &Place<'_>) -> Result<Kind, DbError> {
    let mut options = Members(Vec::new());
    let word = match node {
        Node::Text(word) => word,
        Node::Object(members) => {
            options = Members(members);
            match options.take("kind") {
                Some(Node::Text(word)) => word,
                _ => return Err(place.error("`kind` is missing: {\"kind\":\"decimal\", …}")),
            }
        }
        other => return Err(place.error(format_args!("is {}, not a kind's name", other.name()))),
    };
    let mut number = |name: &str| match options.take(name) {
        None => Ok(None),
        Some(Node::Integer(number)) => u32::try_from(number)
            .map(Some)
            .map_err(|_| Place::Member(place, name).error("is no number of characters or digits")),
        Some(other) => Err(Place::Member(place, name).error(format_args!("is {}, not a number", other.name()))),
    };
    let (length, digits, places) = (number("max_length")?, number("max_digits")?, number("decimal_places")?);
    options.end("cast", &["kind", "max_length", "max_digits", "decimal_places"], place)?;
    words::of_word(&word, length, digits, places).map_err(|problem| match problem {
        None => place.unknown(&word, words::WORDS.iter().copied()),
        Some(problem) => place.error(problem),
    })
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

/// The object that stands here.
fn object(node: Node, place: &Place<'_>) -> Result<Members, DbError> {
    match node {
        Node::Object(members) => Ok(Members(members)),
        other => Err(place.error(format_args!("is {}, not an object", other.name()))),
    }
}

fn name(node: Node, place: &Place<'_>) -> Result<String, DbError> {
    match node {
        Node::Text(name) => Ok(name),
        other => Err(place.error(format_args!("is {}, not a field's name", other.name()))),
    }
}

fn truth(node: Option<Node>, place: &Place<'_>) -> Result<bool, DbError> {
    match node {
        None => Ok(false),
        Some(Node::Bool(truth)) => Ok(truth),
        Some(_) => Err(place.error("must be true or false")),
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
