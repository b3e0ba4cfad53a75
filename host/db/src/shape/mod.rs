//! A query as the app sent it: read and checked as a document, before any model is looked at.

mod json;
mod parse;

pub(crate) use parse::{parse, parse_condition, parse_expression, shown};

/// The largest shape in bytes: the largest that a generated form needs is 5 KiB.
pub(crate) const MAX_BYTES: usize = 64 << 10;
/// Holes of one shape: a form with a thousand fields is a mistake.
pub(crate) const MAX_HOLES: usize = 1_000;
/// Conditions of one shape: SQLite's expression depth is 1,000.
pub(crate) const MAX_CONDITIONS: usize = 500;
/// How deep conditions and expressions nest.
pub(crate) const MAX_NESTING: usize = 32;
/// Steps of a path.
pub(crate) const MAX_STEPS: usize = 6;
/// Paths in `fields`, `order` and `returning`: a model has at most 300 fields.
pub(crate) const MAX_PATHS: usize = 500;
/// Annotations of one shape: each may be a query of its own.
pub(crate) const MAX_ANNOTATIONS: usize = 32;

/// A whole shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) from: From,
    pub(crate) op: Op,
    /// One more than the highest hole.
    pub(crate) holes: usize,
}

/// Which model it is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    Own(String),
    Foreign { app: String, model: String },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    Select(Select),
    Count(Reading),
    Exists(Reading),
    /// One row: what `annotate` makes of all rows together.
    Aggregate(Reading),
    Insert(Insert),
    Update {
        set: Vec<(String, Expr)>,
        filter: Vec<Condition>,
    },
    Delete {
        filter: Vec<Condition>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) fields: Option<Vec<Path>>,
    pub(crate) order: Option<Vec<Order>>,
    pub(crate) distinct: bool,
    pub(crate) reading: Reading,
}

/// What `select`, `count`, `exists` and `aggregate` share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// Expressions by name, in order.
    pub(crate) annotate: Vec<(String, Expr)>,
    /// What rows are put together by; `annotate` is then of each group.
    pub(crate) group: Option<Vec<Path>>,
    pub(crate) filter: Vec<Condition>,
    pub(crate) limit: Option<Bound>,
    pub(crate) offset: Option<Bound>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) set: Vec<(String, Expr)>,
    pub(crate) returning: Vec<String>,
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    Hole(usize),
    Number(i64),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) path: Path,
    pub(crate) descending: bool,
}

/// Names from the model on: relations, then a field.
pub(crate) type Path = Vec<String>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Lookup { lookup: Lookup, path: Path, operands: Vec<Operand> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    Exact,
    In,
    IsNull,
    Range,
    Compare(Comparison),
    Text(TextLookup),
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

impl Lookup {
    const ALL: [(&'static str, Lookup); 15] = [
        ("exact", Lookup::Exact),
        ("in", Lookup::In),
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
    ];

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, lookup)| *lookup == self).map_or("lookup", |(word, _)| word)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Hole(usize),
    Field(Path),
    Literal(Literal),
    /// Field of the first row that an earlier statement of the batch returned.
    Ref(usize, String),
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
    /// The first that isn't NULL.
    Coalesce(Vec<Expr>),
    Aggregate(Box<Aggregate>),
}

/// One value of many rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) function: Function,
    /// None counts rows.
    pub(crate) of: Option<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

impl Function {
    pub(crate) const ALL: [(&'static str, Function); 5] = [
        ("count", Function::Count),
        ("sum", Function::Sum),
        ("avg", Function::Avg),
        ("min", Function::Min),
        ("max", Function::Max),
    ];

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, function)| *function == self).map_or("aggregate", |(word, _)| word)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../../../wit/db/query-shape.schema.json")).expect("JSON")
    }

    #[test]
    fn the_published_schema_names_every_lookup() {
        let schema = schema();
        let condition = schema["$defs"]["condition"]["oneOf"].as_array().expect("conditions");
        let special = condition.iter().filter_map(|form| form["prefixItems"][0]["const"].as_str());
        let comparing = schema["$defs"]["comparing"]["enum"].as_array().expect("lookups");
        let published: BTreeSet<&str> =
            comparing.iter().filter_map(Value::as_str).chain(special).filter(|word| *word != "not").collect();
        assert_eq!(published, Lookup::ALL.iter().map(|(word, _)| *word).collect());
    }

    #[test]
    fn the_published_schema_names_every_member() {
        // Each member of each operation is known to the reader: with a value of the wrong kind, the error is about it.
        let schema = schema();
        for op in ["select", "count", "exists", "aggregate", "insert", "update", "delete"] {
            let members = schema["$defs"][op]["properties"].as_object().expect("members");
            for member in members.keys().filter(|member| !["v", "op", "from"].contains(&member.as_str())) {
                let mut shape = serde_json::json!({"v": 1, "op": op, "from": "x"});
                if ["insert", "update"].contains(&op) {
                    shape["set"] = serde_json::json!({"a": 1});
                }
                if op == "aggregate" {
                    shape["annotate"] = serde_json::json!([["n", ["count"]]]);
                }
                shape[member] = serde_json::json!("wrong");
                let error = parse(shape.to_string().as_bytes()).expect_err(member);
                assert!(!error.message.contains("no such member"), "{op} {member}: {error}");
            }
            let nonsense =
                serde_json::json!({"v": 1, "op": op, "from": "x", "set": {"a": 1}, "nonsense": 1}).to_string();
            assert!(parse(nonsense.as_bytes()).is_err());
        }
    }
}
