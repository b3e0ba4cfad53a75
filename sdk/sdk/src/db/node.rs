//! Expressions and conditions without their types: what the typed ones become before they are written into a shape.

use super::Value;
use super::field::Path;
use super::query::Query;
use super::term::Years;

/// An expression.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub enum Node {
    /// A value that changes from call to call: a hole. The word says its kind, for where nothing beside it does.
    Value(Value, &'static str),
    /// A number that stands in the shape.
    Number(i64),
    /// A text that stands in the shape.
    Text(&'static str),
    /// A boolean that stands in the shape.
    Boolean(bool),
    Field(Path),
    /// A field of the row outside of a subquery, with its model's name.
    Outer(Path, &'static str),
    /// What an insert brought, where it met a row that was there.
    New(Path),
    /// A function or an operator with its arguments.
    Call(&'static str, Vec<Node>),
    /// A part of a date or time (`extract`) or its beginning (`trunc`).
    Part(&'static str, &'static str, Box<Node>),
    /// The year of a date or a moment, which a comparison makes a range of.
    Year(Years, Box<Node>),
    /// A moment, looked at in a time zone.
    Zoned(Box<Node>, &'static str),
    Case(Vec<(Tree, Node)>, Option<Box<Node>>),
    Cast(Box<Node>, Cast),
    Aggregate(Box<Aggregated>),
    Window(Box<Over>),
    Exists(Box<Sub>),
    Subquery(Box<Sub>),
}

impl Node {
    /// Whether it is made of all rows of the model itself, not of rows that each is related to.
    pub(crate) fn is_own_aggregate(&self) -> bool {
        match self {
            Node::Aggregate(aggregate) => !aggregate.of.as_ref().is_some_and(Node::goes_over_many),
            Node::Call(_, of) => of.iter().any(Node::is_own_aggregate),
            Node::Cast(of, _) | Node::Part(_, _, of) | Node::Year(_, of) | Node::Zoned(of, _) => of.is_own_aggregate(),
            _ => false,
        }
    }

    /// Whether a field in it is reached over a relation that leads to many rows.
    fn goes_over_many(&self) -> bool {
        match self {
            Node::Field(path) => path.is_many(),
            Node::Call(_, of) => of.iter().any(Node::goes_over_many),
            Node::Cast(of, _) | Node::Part(_, _, of) | Node::Year(_, of) | Node::Zoned(of, _) => of.goes_over_many(),
            Node::Case(branches, otherwise) => {
                branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()).any(Node::goes_over_many)
            }
            _ => false,
        }
    }

    /// A value beside something that tells its kind.
    pub(crate) fn value(value: Value) -> Self {
        Node::Value(value, "")
    }

    pub(crate) fn call(word: &'static str, of: impl Into<Vec<Node>>) -> Self {
        Node::Call(word, of.into())
    }

    /// One more argument; into the same call where this is one of the same word, since `(a, b), c` is `a, b, c`.
    pub(crate) fn append(self, word: &'static str, more: Node) -> Self {
        match self {
            Node::Call(known, mut of) if known == word => {
                of.push(more);
                Node::Call(word, of)
            }
            one => Node::call(word, [one, more]),
        }
    }
}

/// What a value is made into.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub enum Cast {
    Word(&'static str),
    Decimal(u32, u32),
    Char(u32),
}

/// One value of many rows.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Aggregated {
    pub(crate) word: &'static str,
    pub(crate) of: Option<Node>,
    /// The separator of `string_agg`.
    pub(crate) with: Option<Node>,
    pub(crate) distinct: bool,
    /// Of `stddev` and `variance`: of a sample, not of all.
    pub(crate) sample: bool,
    pub(crate) filters: Vec<Tree>,
    pub(crate) order: Vec<Sorted>,
}

/// A function over rows around the row.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Over {
    pub(crate) function: Node,
    pub(crate) partition: Vec<Node>,
    pub(crate) order: Vec<Sorted>,
    pub(crate) frame: Option<(&'static str, Edge, Edge)>,
}

/// Where a window's frame begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// With the partition's first or last row.
    Unbounded,
    /// With the row itself.
    Current,
    /// So many rows (or so much, for `range`) before it.
    Preceding(u32),
    /// So many rows after it.
    Following(u32),
}

/// One entry of an order.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Sorted {
    pub(crate) node: Node,
    pub(crate) descending: bool,
    pub(crate) nulls: Option<&'static str>,
}

/// A query inside of another one.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Sub {
    pub(crate) model: &'static str,
    pub(crate) query: Query,
    /// What its rows hold; none for all of the model's columns.
    pub(crate) fields: Vec<Node>,
}

/// A condition.
#[derive(Debug, Clone)]
#[doc(hidden)]
#[allow(clippy::large_enum_variant, reason = "most conditions are tests")]
pub enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Xor(Vec<Tree>),
    Not(Box<Tree>),
    Test(Lookup, Node),
    Exists(Box<Sub>),
    True(Node),
}

impl Tree {
    pub(crate) fn test(lookup: Lookup, path: Path) -> Self {
        Tree::Test(lookup, Node::Field(path))
    }
}

/// What is asked of the left side of a condition.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub enum Lookup {
    One(&'static str, Node),
    /// Several values in one hole.
    Many(&'static str, Vec<Value>),
    Query(Box<Sub>),
    /// The keys that a part of `with` found.
    With(&'static str),
    Range(Node, Node),
    IsNull(bool),
}

impl Lookup {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Lookup::One(word, _) | Lookup::Many(word, _) => word,
            Lookup::Query(_) | Lookup::With(_) => "in",
            Lookup::Range(..) => "range",
            Lookup::IsNull(_) => "isnull",
        }
    }
}
