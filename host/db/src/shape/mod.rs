//! A query as the app sent it: read and checked as a document, before any model is looked at.

mod expression;
mod json;
mod parse;
mod words;

pub(crate) use expression::{
    Aggregate, Comparison, Condition, Edge, Expr, Frame, JsonLookup, JsonStep, List, Literal, Lookup, Operand, Order,
    TextLookup, Window, WindowFunction, Zone,
};
pub(crate) use parse::{parse, parse_condition, parse_expression, shown};
pub(crate) use words::{
    AggregateFunction, Arithmetic, Choice, Combination, DatePart, JsonResult, Nulls, Part, Ranked, Unit, Wait,
};

/// The largest shape in bytes: the largest that a generated form needs is 5 KiB.
pub(crate) const MAX_BYTES: usize = 64 << 10;
/// Holes of one shape: a form with a thousand fields is a mistake.
pub(crate) const MAX_HOLES: usize = 1_000;
/// Conditions of one shape: SQLite's expression depth is 1,000.
pub(crate) const MAX_CONDITIONS: usize = 500;
/// Functions, arithmetic and choices of one shape: each is a call for every row.
pub(crate) const MAX_CALLS: usize = 500;
/// How deep conditions and expressions nest.
pub(crate) const MAX_NESTING: usize = 32;
/// Expressions that one function takes.
pub(crate) const MAX_ARGUMENTS: usize = 32;
/// Steps of a path.
pub(crate) const MAX_STEPS: usize = 6;
/// Steps into a JSON document.
pub(crate) const MAX_JSON_STEPS: usize = 16;
/// Paths in `fields`, `order` and `returning`: a model has at most 300 fields.
pub(crate) const MAX_PATHS: usize = 500;
/// Annotations of one shape: each may be a query of its own.
pub(crate) const MAX_ANNOTATIONS: usize = 32;
/// Shapes inside of a shape, all levels together: each may run once for every row.
pub(crate) const MAX_SUBQUERIES: usize = 16;
/// How deep shapes stand in one another.
pub(crate) const MAX_LEVELS: usize = 4;
/// Windows of one shape: each sorts all rows.
pub(crate) const MAX_WINDOWS: usize = 16;
/// Shapes that one is combined with.
pub(crate) const MAX_COMBINED: usize = 8;
/// Entries of `with`.
pub(crate) const MAX_WITH: usize = 8;
/// Relations whose rows come along.
pub(crate) const MAX_RELATED: usize = 16;
/// The deepest tree that is followed with a depth to count; without one it ends where no new row is found.
pub(crate) const MAX_DEPTH: u32 = 1_000;

/// A whole shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) from: From,
    pub(crate) op: Op,
    /// Sets of keys by name, for conditions.
    pub(crate) with: Vec<(String, With)>,
    /// Whether the database's plan is asked for instead of the rows.
    pub(crate) explain: bool,
    /// One more than the highest hole.
    pub(crate) holes: usize,
    /// Whether it does more with values than compare them, so that some might make it fail.
    pub(crate) reckons: bool,
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
    Count(Select),
    Exists(Select),
    /// One row: what `annotate` makes of all rows together.
    Aggregate(Reading),
    Insert(Insert),
    Update {
        set: Vec<(String, Expr)>,
        filter: Vec<Condition>,
        returning: Vec<String>,
    },
    /// One update for each position of the holes' lists.
    UpdateMany {
        /// The fields that find a row, each with the hole of its values.
        key: Vec<(String, usize)>,
        set: Vec<(String, Expr)>,
    },
    Delete {
        filter: Vec<Condition>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) fields: Option<Vec<Path>>,
    /// Relations whose rows come along, whole.
    pub(crate) related: Vec<Path>,
    pub(crate) order: Option<Vec<Order>>,
    pub(crate) distinct: Distinct,
    pub(crate) lock: Option<Lock>,
    pub(crate) reading: Reading,
}

/// Which rows a `select` shows once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Distinct {
    No,
    /// Rows whose cells are all alike.
    Rows,
    /// Rows that are alike in these.
    On(Vec<Path>),
}

/// Rows that nobody else may change until the transaction ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lock {
    pub(crate) wait: Wait,
    /// Relations whose rows are locked; the empty path is the model itself.
    pub(crate) of: Vec<Path>,
    /// Others may still point to the rows.
    pub(crate) no_key: bool,
}

/// What `select`, `count`, `exists` and `aggregate` share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// Expressions by name, in order.
    pub(crate) annotate: Vec<(String, Expr)>,
    /// What rows are put together by; `annotate` is then of each group.
    pub(crate) group: Option<Vec<Path>>,
    pub(crate) filter: Vec<Condition>,
    /// Other shapes, whose rows are added or taken away, one after the other.
    pub(crate) combine: Vec<(Combination, Nested)>,
    pub(crate) limit: Option<Bound>,
    pub(crate) offset: Option<Bound>,
}

/// A `select` inside of another shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Nested {
    pub(crate) from: From,
    pub(crate) select: Select,
}

/// A set of keys with a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum With {
    /// The only cells of a shape's rows.
    Select(Box<Nested>),
    /// The rows of the shape's own model that are reached from some by a relation to itself, those included.
    Tree { start: Vec<Condition>, follow: String, max_depth: Option<u32> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) set: Vec<(String, Expr)>,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Vec<String>,
}

/// What becomes of a row whose unique values another one has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Conflict {
    Ignore,
    /// The other one is changed: the one that is alike in these fields.
    Update {
        target: Vec<String>,
        set: Vec<(String, Expr)>,
    },
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    Hole(usize),
    Number(i64),
}

/// Names from the model on: relations, then a field.
pub(crate) type Path = Vec<String>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../../../wit/db/query-shape.schema.json")).expect("JSON")
    }

    /// All words that stand at the beginning of one of the forms.
    fn words<'s>(schema: &'s Value, definition: &str) -> BTreeSet<&'s str> {
        let mut words = BTreeSet::new();
        for form in schema["$defs"][definition]["oneOf"].as_array().expect("forms") {
            let first = match form["$ref"].as_str().and_then(|place| place.strip_prefix("#/$defs/")) {
                Some("operand") => continue,
                Some(inner) => {
                    words.extend(self::words(schema, inner));
                    continue;
                }
                None => &form["prefixItems"][0],
            };
            let first = match first["$ref"].as_str().and_then(|place| place.strip_prefix("#/$defs/")) {
                Some(inner) => &schema["$defs"][inner],
                None => first,
            };
            words.extend(first["const"].as_str());
            words.extend(first["enum"].as_array().into_iter().flatten().filter_map(Value::as_str));
        }
        words
    }

    #[test]
    fn the_published_schema_names_every_lookup() {
        let schema = schema();
        let joining = ["and", "or", "xor", "not", "exists", "true", "in"];
        let known = Lookup::ALL.iter().map(|(word, _)| *word).chain(joining).collect();
        assert_eq!(words(&schema, "condition"), known);
    }

    #[test]
    fn the_published_schema_names_every_expression() {
        // Each word is known to the reader: whatever is wrong with it alone, it isn't the word.
        let schema = schema();
        let words = words(&schema, "expression");
        for word in &words {
            let shape = serde_json::json!({"v": 1, "from": "x", "annotate": [["n", [word]]]}).to_string();
            if let Err(error) = parse(shape.as_bytes()) {
                assert!(!error.message.contains("is none of"), "{word}: {error}");
            }
        }
        let nonsense = br#"{"v":1,"from":"x","annotate":[["n",["nonsense"]]]}"#;
        let error = parse(nonsense).expect_err("nonsense").message;
        let known = error.split_once("is none of ").expect("a list").1;
        for word in known.split(", ") {
            assert!(words.contains(word), "`{word}` isn't published");
        }
    }

    #[test]
    fn the_published_schema_names_every_member() {
        // Each member of each operation is known to the reader: with a value of the wrong kind, the error is about it.
        let schema = schema();
        for op in ["select", "count", "exists", "aggregate", "insert", "update", "update_many", "delete"] {
            let members = schema["$defs"][op]["properties"].as_object().expect("members");
            for member in members.keys().filter(|member| !["v", "op", "from"].contains(&member.as_str())) {
                let mut shape = serde_json::json!({"v": 1, "op": op, "from": "x"});
                if ["insert", "update", "update_many"].contains(&op) {
                    shape["set"] = serde_json::json!({"a": 1});
                }
                if op == "update_many" {
                    shape["key"] = serde_json::json!(["a"]);
                    shape["key_values"] = serde_json::json!([{"$": 0}]);
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
