//! Expressions and conditions as the app sent them.

use super::words::{AggregateFunction, Arithmetic, Choice, DatePart, JsonResult, Nulls, Part, Ranked, Unit};
use super::{Nested, Path};
use crate::dialect::functions::Function;
use crate::kind::Kind;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    /// An odd number of them is true.
    Xor(Vec<Condition>),
    Not(Box<Condition>),
    Lookup {
        lookup: Lookup,
        target: Expr,
        operands: Vec<Expr>,
    },
    In {
        target: Expr,
        list: List,
    },
    /// Whether a shape has rows.
    Exists(Box<Nested>),
    /// A truth value.
    True(Expr),
}

/// What `in` looks through.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum List {
    /// The values of a `many` hole.
    Hole(usize),
    /// The only cells of a shape's rows.
    Select(Box<Nested>),
    /// The keys that `with` gives a name.
    With(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    Exact,
    IsNull,
    Range,
    Compare(Comparison),
    Text(TextLookup),
    Regex { ignore_case: bool },
    Json(JsonLookup),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextLookup {
    Iexact,
    Contains,
    Icontains,
    Startswith,
    Istartswith,
    Endswith,
    Iendswith,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonLookup {
    Contains,
    HasKey,
    HasKeys,
    HasAnyKeys,
}

impl Lookup {
    pub(crate) const ALL: [(&'static str, Lookup); 20] = [
        ("exact", Lookup::Exact),
        ("isnull", Lookup::IsNull),
        ("range", Lookup::Range),
        ("gt", Lookup::Compare(Comparison::Gt)),
        ("gte", Lookup::Compare(Comparison::Gte)),
        ("lt", Lookup::Compare(Comparison::Lt)),
        ("lte", Lookup::Compare(Comparison::Lte)),
        ("iexact", Lookup::Text(TextLookup::Iexact)),
        ("contains", Lookup::Text(TextLookup::Contains)),
        ("icontains", Lookup::Text(TextLookup::Icontains)),
        ("startswith", Lookup::Text(TextLookup::Startswith)),
        ("istartswith", Lookup::Text(TextLookup::Istartswith)),
        ("endswith", Lookup::Text(TextLookup::Endswith)),
        ("iendswith", Lookup::Text(TextLookup::Iendswith)),
        ("regex", Lookup::Regex { ignore_case: false }),
        ("iregex", Lookup::Regex { ignore_case: true }),
        ("json_contains", Lookup::Json(JsonLookup::Contains)),
        ("has_key", Lookup::Json(JsonLookup::HasKey)),
        ("has_keys", Lookup::Json(JsonLookup::HasKeys)),
        ("has_any_keys", Lookup::Json(JsonLookup::HasAnyKeys)),
    ];

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, lookup)| *lookup == self).map_or("lookup", |(word, _)| word)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// A parameter, and of what kind it is where the shape says so.
    Hole(usize, Option<Kind>),
    Field(Path),
    /// A field of the row outside of a nested shape, so many levels up.
    Outer(usize, Path),
    Literal(Literal),
    /// Field of the first row that an earlier statement of the batch returned.
    Ref(usize, String),
    /// In `on_conflict`: the value that the insert brought for the field.
    New(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Operand(Operand),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// One value of several that are of one kind.
    Choice(Choice, Vec<Expr>),
    /// The first whose condition is true, else the last.
    Case(Vec<(Condition, Expr)>, Option<Box<Expr>>),
    Cast(Box<Expr>, Kind),
    /// A function of the table.
    Call(&'static Function, Vec<Expr>),
    /// Texts one after the other; NULL is empty.
    Concat(Vec<Expr>),
    /// A number to so many places.
    Round(Box<Expr>, i32),
    Extract(Part, Box<Expr>, Option<Zone>),
    Trunc(Unit, Box<Expr>, Option<Zone>),
    /// The date or the time of a datetime.
    DatePart(DatePart, Box<Expr>, Option<Zone>),
    Json(JsonResult, Box<Expr>, Vec<JsonStep>),
    Exists(Box<Nested>),
    Subquery(Box<Nested>),
    Aggregate(Box<Aggregate>),
    Window(Box<Window>),
}

impl Expr {
    pub(crate) fn field(path: Path) -> Self {
        Expr::Operand(Operand::Field(path))
    }

    /// The path that it is, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Expr::Operand(Operand::Field(path)) => Some(path),
            _ => None,
        }
    }

    /// What it is made of, one level down. Nested shapes speak for themselves, and an aggregate's inside is about its
    /// own rows.
    pub(crate) fn inner(&self) -> Vec<&Expr> {
        match self {
            Expr::Operand(_) | Expr::Exists(_) | Expr::Subquery(_) | Expr::Aggregate(_) => Vec::new(),
            Expr::Arithmetic(_, left, right) => vec![left, right],
            Expr::Choice(_, several) | Expr::Call(_, several) | Expr::Concat(several) => several.iter().collect(),
            Expr::Case(whens, otherwise) => {
                let conditions = whens.iter().flat_map(|(condition, _)| condition.expressions());
                let values = whens.iter().map(|(_, value)| value);
                conditions.chain(values).chain(otherwise.as_deref()).collect()
            }
            Expr::Cast(of, _)
            | Expr::Round(of, _)
            | Expr::Extract(_, of, _)
            | Expr::Trunc(_, of, _)
            | Expr::DatePart(_, of, _)
            | Expr::Json(_, of, _) => vec![of],
            Expr::Window(window) => {
                let order = window.order.iter().map(|order| &order.of);
                window.function.inner().into_iter().chain(&window.partition).chain(order).collect()
            }
        }
    }

    /// Whether `test` is true of it or of anything inside.
    pub(crate) fn any(&self, test: &dyn Fn(&Expr) -> bool) -> bool {
        test(self) || self.inner().into_iter().any(|inner| inner.any(test))
    }

    /// All fields of the row that it reads.
    pub(crate) fn fields<'p>(&'p self, paths: &mut Vec<&'p Path>) {
        paths.extend(self.path());
        for inner in self.inner() {
            inner.fields(paths);
        }
    }
}

impl Condition {
    /// All expressions that it speaks of, those of inner conditions among them.
    pub(crate) fn expressions(&self) -> Vec<&Expr> {
        match self {
            Condition::And(all) | Condition::Or(all) | Condition::Xor(all) => {
                all.iter().flat_map(Condition::expressions).collect()
            }
            Condition::Not(inner) => inner.expressions(),
            Condition::Lookup { target, operands, .. } => std::iter::once(target).chain(operands).collect(),
            Condition::In { target, .. } | Condition::True(target) => vec![target],
            Condition::Exists(_) => Vec::new(),
        }
    }

    /// All fields of the row that it reads.
    pub(crate) fn fields(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        for expr in self.expressions() {
            expr.fields(&mut paths);
        }
        paths
    }
}

/// A time zone of the IANA database, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone(pub(crate) String);

impl Zone {
    /// UTC needs no conversion.
    pub(crate) fn is_utc(&self) -> bool {
        self.0.eq_ignore_ascii_case("UTC")
    }
}

/// One step into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonStep {
    /// A member of an object.
    Key(String),
    /// An element of an array; negative ones count from the end.
    Index(i64),
}

/// One value of many rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) function: AggregateFunction,
    /// None counts rows.
    pub(crate) of: Option<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Vec<Condition>,
    /// What stands between the texts of a `string_agg`.
    pub(crate) separator: Option<Expr>,
    /// The order of the texts of a `string_agg`.
    pub(crate) order: Vec<Order>,
    /// Of a sample instead of all there is, for `stddev` and `variance`.
    pub(crate) sample: bool,
}

/// A function over the rows around each row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) function: WindowFunction,
    pub(crate) partition: Vec<Expr>,
    pub(crate) order: Vec<Order>,
    pub(crate) frame: Option<Frame>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WindowFunction {
    Aggregate(Box<Aggregate>),
    Ranked(Ranked),
    /// So many groups of nearly one size.
    Ntile(i64),
    Beside {
        lag: bool,
        of: Box<Expr>,
        by: i64,
        default: Option<Box<Expr>>,
    },
    First(Box<Expr>),
    Last(Box<Expr>),
    Nth(Box<Expr>, i64),
}

impl WindowFunction {
    fn inner(&self) -> Vec<&Expr> {
        match self {
            WindowFunction::Aggregate(aggregate) => aggregate.of.iter().collect(),
            WindowFunction::Ranked(_) | WindowFunction::Ntile(_) => Vec::new(),
            WindowFunction::Beside { of, default, .. } => std::iter::once(&**of).chain(default.as_deref()).collect(),
            WindowFunction::First(of) | WindowFunction::Last(of) | WindowFunction::Nth(of, _) => vec![of],
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            WindowFunction::Aggregate(aggregate) => aggregate.function.word(),
            WindowFunction::Ranked(ranked) => ranked.word(),
            WindowFunction::Ntile(_) => "ntile",
            WindowFunction::Beside { lag: true, .. } => "lag",
            WindowFunction::Beside { lag: false, .. } => "lead",
            WindowFunction::First(_) => "first_value",
            WindowFunction::Last(_) => "last_value",
            WindowFunction::Nth(..) => "nth_value",
        }
    }
}

/// Which rows of the partition a function sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// By the values of the order instead of by counting rows.
    pub(crate) range: bool,
    pub(crate) start: Edge,
    pub(crate) end: Edge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Unbounded,
    /// 0 is the row itself, what is less comes before it.
    Offset(i64),
}

/// What rows are ordered by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) of: Expr,
    pub(crate) descending: bool,
    /// Where NULLs go other than first ascending and last descending.
    pub(crate) nulls: Option<Nulls>,
}
