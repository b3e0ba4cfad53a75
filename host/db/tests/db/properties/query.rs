//! Queries as data: made at random, written as shapes, and judged.

use host_db::{Param, Value};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

use super::world::{self, Kind, Path};

/// A condition.
#[derive(Debug, Clone)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Xor(Vec<Condition>),
    Not(Box<Condition>),
    Lookup(&'static str, Path, Operand),
}

/// What a path is compared with.
#[derive(Debug, Clone)]
pub enum Operand {
    Literal(Value),
    Hole(Value),
    /// A field reached over foreign keys alone.
    Field(Path),
    /// The values of an `in`.
    List(Vec<Value>),
    Range(Box<Operand>, Box<Operand>),
}

/// An aggregate.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub function: &'static str,
    /// `None` counts rows.
    pub of: Option<Path>,
    pub distinct: bool,
    pub filter: Option<Condition>,
}

/// One question.
#[derive(Clone)]
pub struct Query {
    pub from: &'static str,
    pub filter: Vec<Condition>,
    pub ask: Ask,
}

#[derive(Debug, Clone)]
pub enum Ask {
    /// The keys of the rows, in an order that ends with the key.
    Keys { order: Vec<(Path, bool)>, limit: Option<i64>, offset: Option<i64> },
    /// The distinct values of some fields.
    Distinct(Vec<Path>),
    /// Aggregates of all rows.
    Aggregates(Vec<Aggregate>),
    /// Aggregates of groups; of these only such that count more than so many rows.
    Groups { by: Vec<Path>, aggregates: Vec<Aggregate>, having: Option<i64> },
    /// The keys, each with aggregates of related rows.
    Related(Vec<Aggregate>),
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shape, params) = self.shape();
        write!(f, "{shape} with {params:?}")
    }
}

fn is_text(kind: Kind) -> bool {
    kind == Kind::Text
}

fn is_ordered(kind: Kind) -> bool {
    !matches!(kind, Kind::Boolean | Kind::Uuid)
}

/// Kinds that `sum` and `avg` take.
fn is_summed(kind: Kind) -> bool {
    matches!(kind, Kind::Small | Kind::Integer | Kind::Big | Kind::Float | Kind::Decimal | Kind::Duration)
}

fn json_of(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => json!(truth),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(_) => return None,
    })
}

fn hole(params: &mut Vec<Param>, param: Param) -> Json {
    params.push(param);
    json!({"$": params.len() - 1})
}

impl Operand {
    fn json(&self, params: &mut Vec<Param>) -> Json {
        match self {
            Operand::Literal(value) => json_of(value).unwrap_or_else(|| hole(params, Param::One(value.clone()))),
            Operand::Hole(value) => hole(params, Param::One(value.clone())),
            Operand::Field(path) => json!({"f": path.json()}),
            Operand::List(values) => hole(params, Param::Many(values.clone())),
            Operand::Range(low, high) => json!([low.json(params), high.json(params)]),
        }
    }
}

impl Condition {
    pub fn json(&self, params: &mut Vec<Param>) -> Json {
        let mut all = |word: &str, parts: &[Condition]| {
            let parts = parts.iter().map(|part| part.json(params));
            Json::Array([json!(word)].into_iter().chain(parts).collect())
        };
        match self {
            Condition::And(parts) => all("and", parts),
            Condition::Or(parts) => all("or", parts),
            Condition::Xor(parts) => all("xor", parts),
            Condition::Not(part) => json!(["not", part.json(params)]),
            Condition::Lookup(lookup, path, operand) => json!([lookup, path.json(), operand.json(params)]),
        }
    }
}

impl Aggregate {
    fn json(&self, params: &mut Vec<Param>) -> Json {
        let mut parts = vec![json!(self.function)];
        let mut options = serde_json::Map::new();
        if self.distinct {
            options.insert("distinct".into(), json!(true));
        }
        if let Some(filter) = &self.filter {
            options.insert("filter".into(), json!([filter.json(params)]));
        }
        if let Some(path) = &self.of {
            parts.push(json!({"f": path.json()}));
        }
        if !options.is_empty() {
            if self.of.is_none() {
                parts.push(json!({"f": "pk"}));
            }
            parts.push(Json::Object(options));
        }
        Json::Array(parts)
    }
}

fn named(aggregates: &[Aggregate], params: &mut Vec<Param>) -> Json {
    let named = aggregates.iter().enumerate().map(|(at, aggregate)| json!([format!("x{at}"), aggregate.json(params)]));
    Json::Array(named.collect())
}

impl Query {
    /// The shape and what fills its holes.
    pub fn shape(&self) -> (Json, Vec<Param>) {
        let mut params = Vec::new();
        let mut filter: Vec<Json> = self.filter.iter().map(|entry| entry.json(&mut params)).collect();
        let mut shape = json!({"v": 1, "from": self.from});
        match &self.ask {
            Ask::Keys { order, limit, offset } => {
                let order = order
                    .iter()
                    .map(|(path, descends)| format!("{}{}", if *descends { "-" } else { "" }, path.dotted()));
                shape["fields"] = json!(["pk"]);
                shape["order"] = order.chain(["pk".to_owned()]).collect();
                if let Some(limit) = limit {
                    shape["limit"] = hole(&mut params, Param::One(Value::Integer(*limit)));
                }
                if let Some(offset) = offset {
                    shape["offset"] = json!(offset);
                }
            }
            Ask::Distinct(fields) => {
                shape["fields"] = fields.iter().map(Path::json).collect();
                shape["distinct"] = json!(true);
            }
            Ask::Aggregates(aggregates) => {
                shape["op"] = json!("aggregate");
                shape["annotate"] = named(aggregates, &mut params);
            }
            Ask::Groups { by, aggregates, having } => {
                shape["group"] = by.iter().map(Path::json).collect();
                shape["annotate"] = named(aggregates, &mut params);
                if let Some(most) = having {
                    shape["annotate"].as_array_mut().expect("a list").push(json!(["size", ["count"]]));
                    filter.push(json!(["gt", "size", most]));
                }
            }
            Ask::Related(aggregates) => {
                shape["fields"] =
                    ["pk".to_owned()].into_iter().chain((0..aggregates.len()).map(|at| format!("x{at}"))).collect();
                shape["annotate"] = named(aggregates, &mut params);
                shape["order"] = json!(["pk"]);
            }
        }
        shape["filter"] = Json::Array(filter);
        (shape, params)
    }
}

fn operand(kind: Kind) -> BoxedStrategy<Operand> {
    let value = select(world::compared(kind));
    prop_oneof![
        4 => value.clone().prop_map(Operand::Hole),
        2 => value.prop_map(Operand::Literal),
        1 => Just(Operand::Hole(Value::Null)),
    ]
    .boxed()
}

/// A comparison of one path.
fn lookup(path: Path, same_row: Vec<Path>) -> BoxedStrategy<Condition> {
    let kind = path.kind;
    let plain = move |lookups: &'static [&'static str], path: Path, operand: BoxedStrategy<Operand>| {
        (select(lookups), operand)
            .prop_map(move |(lookup, operand)| Condition::Lookup(lookup, path.clone(), operand))
            .boxed()
    };
    let exact = plain(&["exact"], path.clone(), operand(kind));
    let list = proptest::collection::vec(prop_oneof![8 => select(world::compared(kind)), 1 => Just(Value::Null)], 0..4)
        .prop_map(Operand::List)
        .boxed();
    let listed = plain(&["in"], path.clone(), list);
    let null = {
        let path = path.clone();
        (any::<bool>(), any::<bool>())
            .prop_map(move |(null, in_hole)| {
                let operand = if in_hole { Operand::Hole } else { Operand::Literal };
                Condition::Lookup("isnull", path.clone(), operand(Value::Boolean(null)))
            })
            .boxed()
    };
    let mut choices = vec![(3, exact), (1, listed), (1, null)];
    if is_ordered(kind) {
        choices.push((4, plain(&["gt", "gte", "lt", "lte"], path.clone(), operand(kind))));
        let bounds = (operand(kind), operand(kind)).prop_map(|(low, high)| Operand::Range(low.into(), high.into()));
        choices.push((1, plain(&["range"], path.clone(), bounds.boxed())));
    }
    if is_text(kind) {
        let lookups: &[_] = &["iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"];
        choices.push((8, plain(lookups, path.clone(), operand(kind))));
    }
    let alike: Vec<Path> = same_row.into_iter().filter(|other| alike(other.kind, kind)).collect();
    if !alike.is_empty() {
        let lookups: &[_] = if is_ordered(kind) { &["exact", "gt", "lte"] } else { &["exact"] };
        choices.push((2, plain(lookups, path, select(alike).prop_map(Operand::Field).boxed())));
    }
    proptest::strategy::Union::new_weighted(choices).boxed()
}

/// Whether fields of the two kinds can be compared.
fn alike(one: Kind, other: Kind) -> bool {
    let class = |kind| match kind {
        Kind::Auto | Kind::Small | Kind::Integer | Kind::Big | Kind::Float | Kind::Decimal => Kind::Integer,
        other => other,
    };
    // A float and a decimal are near to one another rather than equal.
    let both = [one, other];
    class(one) == class(other) && !(both.contains(&Kind::Float) && both.contains(&Kind::Decimal))
}

/// A condition over `paths`, whose operands may name the fields `same_row`.
fn condition(paths: Vec<Path>, same_row: Vec<Path>) -> BoxedStrategy<Condition> {
    let leaf = select(paths).prop_flat_map(move |path| lookup(path, same_row.clone()));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 1..=3);
        prop_oneof![
            parts.clone().prop_map(Condition::And),
            parts.clone().prop_map(Condition::Or),
            parts.prop_map(Condition::Xor),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
    .boxed()
}

fn one_row(from: &'static str) -> Vec<Path> {
    world::paths(from, 2).into_iter().filter(|path| !path.many).collect()
}

fn aggregate(paths: Vec<Path>, filter: BoxedStrategy<Condition>) -> BoxedStrategy<Aggregate> {
    let function = |path: Path, filter: BoxedStrategy<Condition>| {
        let mut functions = vec!["count"];
        if is_ordered(path.kind) && path.kind != Kind::Auto {
            functions.extend(["min", "max"]);
        }
        if is_summed(path.kind) {
            functions.push("sum");
            if path.kind != Kind::Duration {
                functions.push("avg");
            }
        }
        let filter = proptest::option::weighted(0.3, filter);
        (select(functions), any::<bool>(), filter).prop_map(move |(function, distinct, filter)| Aggregate {
            function,
            of: Some(path.clone()),
            distinct,
            filter,
        })
    };
    select(paths).prop_flat_map(move |path| function(path, filter.clone())).boxed()
}

/// Any question.
pub fn query() -> BoxedStrategy<Query> {
    select(vec!["place", "place", "item", "item", "item", "mark", "tag", "badge", "item_tags"])
        .prop_flat_map(of_model)
        .boxed()
}

fn of_model(from: &'static str) -> BoxedStrategy<Query> {
    let own = one_row(from);
    let ordered: Vec<Path> = own.iter().filter(|path| is_ordered(path.kind)).cloned().collect();
    let grouped: Vec<Path> = own
        .iter()
        .filter(|path| path.steps != [world::model(from).key.name] && path.steps != ["pk"])
        .cloned()
        .collect();
    let order = proptest::collection::vec((select(ordered), any::<bool>()), 0..3);
    let keys = (order, proptest::option::of(0_i64..6), proptest::option::of(0_i64..4))
        .prop_map(|(order, limit, offset)| Ask::Keys { order, limit, offset });
    let of_own = aggregate(own.clone(), condition(own.clone(), own.clone()));
    let all = proptest::collection::vec(of_own.clone(), 1..4).prop_map(Ask::Aggregates);
    let by = proptest::sample::subsequence(grouped.clone(), 1..=2);
    let groups = (by.clone(), proptest::collection::vec(of_own, 0..3), proptest::option::of(0_i64..3))
        .prop_map(|(by, aggregates, having)| Ask::Groups { by, aggregates, having });
    let distinct = by.prop_map(Ask::Distinct);
    let mut asks = vec![(6, keys.boxed()), (1, distinct.boxed()), (2, all.boxed()), (2, groups.boxed())];
    let to_many = world::model(from).reverse.iter().map(|(name, ..)| *name).filter(|name| *name != "badge");
    let relations: Vec<&str> = to_many.chain(world::model(from).many.iter().map(|(name, ..)| *name)).collect();
    if !relations.is_empty() {
        let related = select(relations).prop_flat_map(move |name| {
            let to = world::leads(from, name).to().expect("a relation");
            let mut paths = vec![Path { steps: vec![name], kind: world::model(to).key.kind, many: true }];
            paths.extend(one_row(to).into_iter().map(|path| Path {
                steps: [vec![name], path.steps].concat(),
                kind: path.kind,
                many: true,
            }));
            proptest::collection::vec(aggregate(paths.clone(), condition(paths, Vec::new())), 1..3)
        });
        asks.push((3, related.prop_map(Ask::Related).boxed()));
    }
    let filter = proptest::collection::vec(condition(world::paths(from, 3), own), 0..3);
    (filter, proptest::strategy::Union::new_weighted(asks))
        .prop_map(move |(filter, ask)| Query { from, filter, ask })
        .boxed()
}
