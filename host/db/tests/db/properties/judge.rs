//! What a query should find, worked out row by row as `docs/reference/query-shape.md` says it, and no other way.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use host_db::Value;

use super::super::BACKEND;
use super::query::{Aggregate, Ask, Condition, Operand, Query};
use super::world::{Kind, Leads, Path, Rows, leads, model};
use crate::Backend;

/// What is right.
#[derive(Debug)]
pub enum Verdict {
    /// These rows in this order.
    Ordered(Vec<Vec<Expected>>),
    /// These rows in any order.
    Unordered(Vec<Vec<Expected>>),
    /// The statement fails: a sum is too large.
    Overflow,
}

/// What a cell of a result should be.
#[derive(Debug, Clone)]
pub enum Expected {
    Exactly(Value),
    /// A float, and how far from it a database may land that adds in another order.
    About(f64, f64),
    /// A sum of whole numbers that is right, but whose parts may pass the end of 64 bits on the way. A database may refuse it.
    Perhaps(i64),
}

impl Expected {
    /// Whether `value` is what it should be.
    pub fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Expected::Exactly(Value::Float(expected)), Value::Float(value)) => expected == value,
            (Expected::Exactly(expected), value) => expected == value,
            (Expected::About(expected, within), Value::Float(value)) => (expected - value).abs() <= *within,
            (Expected::Perhaps(expected), Value::Integer(value)) => expected == value,
            _ => false,
        }
    }
}

/// A chosen row for each many-valued step of an entry, by the path up to it; `None` where there is none to choose.
type Chosen = BTreeMap<Vec<&'static str>, Option<i64>>;

/// A value with its meaning.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    Null,
    Boolean(bool),
    Whole(i64),
    Float(f64),
    /// In hundredths.
    Decimal(i128),
    Text(String),
    Bytes(Vec<u8>),
}

impl Known {
    fn of(kind: Kind, value: &Value) -> Self {
        match value {
            Value::Null => Known::Null,
            Value::Boolean(truth) => Known::Boolean(*truth),
            Value::Integer(number) => Known::Whole(*number),
            Value::Float(number) => Known::Float(*number),
            Value::Text(text) if kind == Kind::Decimal => {
                Known::Decimal(text.replace('.', "").parse().expect("digits"))
            }
            Value::Text(text) => Known::Text(text.clone()),
            Value::Bytes(bytes) => Known::Bytes(bytes.clone()),
        }
    }

    /// The order of two values; `None` where either is NULL.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Known::Whole(a), Known::Whole(b)) => Some(a.cmp(b)),
            (Known::Float(a), Known::Float(b)) => a.partial_cmp(b),
            (Known::Whole(a), Known::Float(b)) => Some(mixed(*a, *b)),
            (Known::Float(a), Known::Whole(b)) => Some(mixed(*b, *a).reverse()),
            (Known::Decimal(a), Known::Decimal(b)) => Some(a.cmp(b)),
            (Known::Decimal(a), Known::Whole(b)) => Some(a.cmp(&(i128::from(*b) * 100))),
            (Known::Whole(a), Known::Decimal(b)) => Some((i128::from(*a) * 100).cmp(b)),
            (Known::Boolean(a), Known::Boolean(b)) => Some(a.cmp(b)),
            (Known::Text(a), Known::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Known::Bytes(a), Known::Bytes(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// The order of a result: NULL first where it ascends.
    fn sorted(&self, other: &Self) -> Ordering {
        self.compare(other).unwrap_or_else(|| (*self != Known::Null).cmp(&(*other != Known::Null)))
    }
}

/// A whole number and a float. SQLite compares them exactly: a float of that size is whole, and whole numbers can be
/// compared. Servers make a float of the whole number.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn mixed(whole: i64, float: f64) -> Ordering {
    if BACKEND != Backend::Sqlite {
        return (whole as f64).total_cmp(&float);
    }
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float >= END {
        Ordering::Less
    } else if float < -END {
        Ordering::Greater
    } else {
        let down = float.floor();
        whole.cmp(&(down as i64)).then(if float > down { Ordering::Less } else { Ordering::Equal })
    }
}

/// A text in lower case, as Unicode has it; MariaDB knows letters one by one, and those of Unicode's first versions.
fn folded(text: &str) -> String {
    if BACKEND != Backend::Mariadb {
        return text.to_lowercase();
    }
    text.chars().map(|c| if c == 'ẞ' { c } else { c.to_lowercase().next().unwrap_or(c) }).collect()
}

/// The judge, with the rows of the world.
pub struct Judge<'w>(pub &'w Rows);

impl Judge<'_> {
    pub fn judge(&self, query: &Query) -> Verdict {
        let mut keys: Vec<i64> = self.0[query.from]
            .keys()
            .copied()
            .filter(|key| query.filter.iter().all(|entry| self.entry(query.from, *key, entry)))
            .collect();
        let cell = |row: i64, path: &Path| self.value(query.from, row, &path.steps, &Chosen::new());
        let value = |row: i64, path: &Path| Known::of(path.kind, &cell(row, path));
        let key = |row: i64| Expected::Exactly(self.key(query.from, row));
        let rows_sorted = |a: i64, b: i64, by: &[Path]| {
            by.iter().map(|path| value(a, path).sorted(&value(b, path))).fold(Ordering::Equal, Ordering::then)
        };
        match &query.ask {
            Ask::Keys { order, limit, offset } => {
                keys.sort_by(|a, b| {
                    let by = order.iter().map(|(path, descends)| {
                        let order = value(*a, path).sorted(&value(*b, path));
                        if *descends { order.reverse() } else { order }
                    });
                    let key = |row: i64| Known::of(model(query.from).key.kind, &self.key(query.from, row));
                    by.fold(Ordering::Equal, Ordering::then).then_with(|| key(*a).sorted(&key(*b)))
                });
                let skipped = keys.into_iter().skip(usize::try_from(offset.unwrap_or(0)).expect("not negative"));
                let taken =
                    skipped.take(limit.map_or(usize::MAX, |limit| usize::try_from(limit).expect("not negative")));
                Verdict::Ordered(taken.map(|row| vec![key(row)]).collect())
            }
            Ask::Distinct(fields) => {
                keys.sort_by(|a, b| rows_sorted(*a, *b, fields));
                keys.dedup_by(|a, b| rows_sorted(*a, *b, fields).is_eq());
                let cells = |row: i64| fields.iter().map(|path| Expected::Exactly(cell(row, path))).collect();
                Verdict::Unordered(keys.into_iter().map(cells).collect())
            }
            Ask::Aggregates(aggregates) => match self.aggregates(query.from, &keys, aggregates) {
                Some(cells) => Verdict::Ordered(vec![cells]),
                None => Verdict::Overflow,
            },
            Ask::Groups { by, aggregates, having } => {
                let mut groups: Vec<Vec<i64>> = Vec::new();
                for key in keys {
                    match groups.iter_mut().find(|members| rows_sorted(members[0], key, by).is_eq()) {
                        Some(members) => members.push(key),
                        None => groups.push(vec![key]),
                    }
                }
                let mut rows = Vec::new();
                for members in groups {
                    // A group that HAVING drops may have been added up before.
                    let Some(mut cells) = self.aggregates(query.from, &members, aggregates) else {
                        return Verdict::Overflow;
                    };
                    let size = i64::try_from(members.len()).expect("few rows");
                    if having.is_some_and(|more_than| size <= more_than) {
                        continue;
                    }
                    let mut row: Vec<Expected> =
                        by.iter().map(|path| Expected::Exactly(cell(members[0], path))).collect();
                    row.append(&mut cells);
                    row.extend(having.map(|_| Expected::Exactly(Value::Integer(size))));
                    rows.push(row);
                }
                Verdict::Unordered(rows)
            }
            Ask::Related(aggregates) => {
                let mut rows = Vec::new();
                keys.sort_by(|a, b| {
                    let key = |row: i64| Known::of(model(query.from).key.kind, &self.key(query.from, row));
                    key(*a).sorted(&key(*b))
                });
                for at in keys {
                    let mut row = vec![key(at)];
                    for aggregate in aggregates {
                        let path = aggregate.of.as_ref().expect("a relation");
                        let Some(cell) = self.related(query.from, at, aggregate, path) else {
                            return Verdict::Overflow;
                        };
                        row.push(cell);
                    }
                    rows.push(row);
                }
                Verdict::Ordered(rows)
            }
        }
    }

    /// An entry is true if some choice of related rows makes it true.
    fn entry(&self, model: &'static str, key: i64, entry: &Condition) -> bool {
        let mut steps = Vec::new();
        many_steps(model, entry, &mut steps);
        steps.sort();
        steps.dedup();
        self.any(model, key, entry, &steps, &mut Chosen::new())
    }

    fn any(
        &self,
        model: &'static str,
        key: i64,
        entry: &Condition,
        steps: &[Vec<&'static str>],
        chosen: &mut Chosen,
    ) -> bool {
        let Some((step, rest)) = steps.split_first() else { return self.is_true(model, key, entry, chosen, false) };
        let (last, before) = step.split_last().expect("a step");
        let parent = self.follow(model, key, before, chosen);
        let rows: Vec<Option<i64>> = match parent {
            Some((parent_model, parent)) => self.rows_at(parent_model, parent, last).into_iter().map(Some).collect(),
            None => Vec::new(),
        };
        let rows = if rows.is_empty() { vec![None] } else { rows };
        rows.into_iter().any(|row| {
            chosen.insert(step.clone(), row);
            self.any(model, key, entry, rest, chosen)
        })
    }

    /// The rows that a many-valued name leads to.
    fn rows_at(&self, model: &str, key: i64, name: &str) -> Vec<i64> {
        let own = self.key(model, key);
        match leads(model, name) {
            Leads::Rows(child, field) => {
                self.0[child].iter().filter(|(_, row)| row[field] == own).map(|(key, _)| *key).collect()
            }
            Leads::Many(to, between, near, far) => {
                let pairs = self.0[between].values().filter(|pair| pair[near] == own);
                pairs.filter_map(|pair| self.find(to, &pair[far])).collect()
            }
            other => panic!("{name} of {model} leads to many, not {other:?}"),
        }
    }

    /// The key of a row.
    fn key(&self, of: &str, row: i64) -> Value {
        self.0[of][&row][model(of).key.name].clone()
    }

    /// The row with a key.
    fn find(&self, of: &str, key: &Value) -> Option<i64> {
        let name = model(of).key.name;
        self.0[of].iter().find(|(_, row)| row[name] == *key).map(|(row, _)| *row)
    }

    /// The row at the end of a path of relations.
    fn follow(
        &self,
        model: &'static str,
        key: i64,
        path: &[&'static str],
        chosen: &Chosen,
    ) -> Option<(&'static str, i64)> {
        let (mut model, mut key) = (model, key);
        for (at, name) in path.iter().enumerate() {
            match leads(model, name) {
                Leads::Row(target) => (model, key) = (target, self.find(target, &self.0[model][&key][name])?),
                Leads::Rows(to, _) | Leads::Many(to, ..) => (model, key) = (to, chosen[&path[..=at]]?),
                Leads::Value => panic!("{name} of {model} is a relation"),
            }
        }
        Some((model, key))
    }

    fn value(&self, model: &'static str, key: i64, path: &[&'static str], chosen: &Chosen) -> Value {
        let (last, before) = path.split_last().expect("a step");
        let Some((end, row)) = self.follow(model, key, before, chosen) else { return Value::Null };
        match leads(end, last) {
            Leads::Rows(to, _) | Leads::Many(to, ..) => chosen[path].map_or(Value::Null, |row| self.key(to, row)),
            _ if *last == "pk" => self.key(end, row),
            _ => self.0[end][&row][last].clone(),
        }
    }

    /// `of_one` where the related rows are chosen already, so that `not` speaks of them too.
    fn is_true(&self, model: &'static str, key: i64, condition: &Condition, chosen: &Chosen, of_one: bool) -> bool {
        let is_true = |part: &Condition| self.is_true(model, key, part, chosen, of_one);
        match condition {
            Condition::And(parts) => parts.iter().all(is_true),
            Condition::Or(parts) => parts.iter().any(is_true),
            Condition::Xor(parts) => {
                let each = |part: &&Condition| if of_one { is_true(part) } else { self.entry(model, key, part) };
                parts.iter().filter(each).count() % 2 == 1
            }
            Condition::Not(part) if of_one => !is_true(part),
            Condition::Not(part) => !self.entry(model, key, part),
            Condition::Lookup(lookup, path, operand) => {
                let left = Known::of(path.kind, &self.value(model, key, &path.steps, chosen));
                let right = |operand: &Operand| match operand {
                    Operand::Literal(value) | Operand::Hole(value) => Known::of(path.kind, value),
                    Operand::Field(path) => Known::of(path.kind, &self.value(model, key, &path.steps, &Chosen::new())),
                    other => panic!("{other:?} is one value"),
                };
                holds(lookup, path.kind, &left, operand, right)
            }
        }
    }

    fn aggregates(&self, from: &'static str, keys: &[i64], aggregates: &[Aggregate]) -> Option<Vec<Expected>> {
        let cell = |aggregate: &Aggregate| {
            let counted = keys.iter().filter(|key| {
                let none = Chosen::new();
                aggregate.filter.as_ref().is_none_or(|filter| self.is_true(from, **key, filter, &none, true))
            });
            let values = counted.map(|key| match &aggregate.of {
                Some(path) => self.value(from, *key, &path.steps, &Chosen::new()),
                None => self.key(from, *key),
            });
            reckon(aggregate, values.collect())
        };
        aggregates.iter().map(cell).collect()
    }

    fn related(&self, from: &'static str, key: i64, aggregate: &Aggregate, path: &Path) -> Option<Expected> {
        let step = vec![path.steps[0]];
        let mut values = Vec::new();
        for row in self.rows_at(from, key, path.steps[0]) {
            let chosen = Chosen::from([(step.clone(), Some(row))]);
            if aggregate.filter.as_ref().is_none_or(|filter| self.is_true(from, key, filter, &chosen, true)) {
                values.push(self.value(from, key, &path.steps, &chosen));
            }
        }
        reckon(aggregate, values)
    }
}

/// The aggregate of some values; `None` where it is larger than a number can be.
fn reckon(aggregate: &Aggregate, mut values: Vec<Value>) -> Option<Expected> {
    let kind = aggregate.of.as_ref().map_or(Kind::Auto, |path| path.kind);
    let sorted = |a: &Value, b: &Value| Known::of(kind, a).sorted(&Known::of(kind, b));
    values.retain(|value| *value != Value::Null);
    if aggregate.distinct {
        values.sort_by(sorted);
        values.dedup_by(|a, b| sorted(a, b).is_eq());
    }
    let count = i64::try_from(values.len()).expect("few rows");
    if aggregate.function == "count" {
        return Some(Expected::Exactly(Value::Integer(count)));
    }
    if values.is_empty() {
        return Some(Expected::Exactly(Value::Null));
    }
    match aggregate.function {
        "min" => return values.into_iter().min_by(sorted).map(Expected::Exactly),
        "max" => return values.into_iter().max_by(sorted).map(Expected::Exactly),
        _ => {}
    }
    let known: Vec<Known> = values.iter().map(|value| Known::of(kind, value)).collect();
    if kind == Kind::Float || aggregate.function == "avg" {
        #[allow(clippy::cast_precision_loss)]
        let floats = known.iter().map(|value| match value {
            Known::Whole(number) => *number as f64,
            Known::Float(number) => *number,
            Known::Decimal(hundredths) => *hundredths as f64 / 100.0,
            other => panic!("{other:?} is a number"),
        });
        let (sum, size) = floats.fold((0.0, 0.0), |(sum, size), float| (sum + float, size + f64::abs(float)));
        #[allow(clippy::cast_precision_loss)]
        let by = if aggregate.function == "avg" { count as f64 } else { 1.0 };
        return Some(Expected::About(sum / by, size / by * 1e-12));
    }
    let whole = known.iter().map(|value| match value {
        Known::Whole(number) => i128::from(*number),
        Known::Decimal(hundredths) => *hundredths,
        other => panic!("{other:?} is whole"),
    });
    let (sum, size) = whole.fold((0, 0), |(sum, size), number| (sum + number, size + number.abs()));
    if kind == Kind::Decimal {
        let sign = if sum < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:02}", sum.abs() / 100, sum.abs() % 100);
        return Some(Expected::Exactly(Value::Text(text)));
    }
    let sum = i64::try_from(sum).ok()?;
    Some(if i64::try_from(size).is_ok() { Expected::Exactly(Value::Integer(sum)) } else { Expected::Perhaps(sum) })
}

fn holds(lookup: &str, kind: Kind, left: &Known, operand: &Operand, one: impl Fn(&Operand) -> Known) -> bool {
    let against = |right: &Known, order: fn(Ordering) -> bool| left.compare(right).is_some_and(order);
    match (lookup, operand) {
        ("isnull", operand) => Known::Boolean(*left == Known::Null) == one(operand),
        ("in", Operand::List(values)) => values.iter().any(|value| against(&Known::of(kind, value), Ordering::is_eq)),
        ("range", Operand::Range(low, high)) => {
            against(&one(low), Ordering::is_ge) && against(&one(high), Ordering::is_le)
        }
        ("exact", Operand::Literal(Value::Null) | Operand::Hole(Value::Null)) => *left == Known::Null,
        ("exact", operand) => against(&one(operand), Ordering::is_eq),
        ("gt", operand) => against(&one(operand), Ordering::is_gt),
        ("gte", operand) => against(&one(operand), Ordering::is_ge),
        ("lt", operand) => against(&one(operand), Ordering::is_lt),
        ("lte", operand) => against(&one(operand), Ordering::is_le),
        (lookup, operand) => {
            let (Known::Text(left), Known::Text(right)) = (left, one(operand)) else { return false };
            match lookup {
                "contains" => left.contains(&right),
                "startswith" => left.starts_with(&right),
                "endswith" => left.ends_with(&right),
                "iexact" => folded(left) == folded(&right),
                "icontains" => folded(left).contains(&folded(&right)),
                "istartswith" => folded(left).starts_with(&folded(&right)),
                "iendswith" => folded(left).ends_with(&folded(&right)),
                other => panic!("{other} is a lookup"),
            }
        }
    }
}

/// The many-valued steps that an entry speaks of outside of any `not` and `xor`, whose parts are entries of their own.
fn many_steps(from: &'static str, condition: &Condition, steps: &mut Vec<Vec<&'static str>>) {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| many_steps(from, part, steps)),
        Condition::Not(_) | Condition::Xor(_) => {}
        Condition::Lookup(_, path, _) => {
            let mut model = from;
            for (at, name) in path.steps.iter().enumerate() {
                match leads(model, name) {
                    Leads::Row(target) => model = target,
                    Leads::Rows(to, _) | Leads::Many(to, ..) => {
                        steps.push(path.steps[..=at].to_vec());
                        model = to;
                    }
                    Leads::Value => {}
                }
            }
        }
    }
}
