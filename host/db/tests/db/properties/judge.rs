//! What a query should find, worked out row by row as `docs/reference/query-shape.md` says it, and no other way.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use host_db::Value;

use super::query::{Aggregate, Ask, Condition, Operand, Query};
use super::world::{Kind, Leads, Path, Rows, leads};

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

/// The order of values of one kind; `None` where either is NULL.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let mixed = |whole: i64, float: f64| {
        // Exactly: a float of this size is whole, and whole numbers can be compared.
        if float >= 9_223_372_036_854_775_808.0 {
            Ordering::Less
        } else if float < -9_223_372_036_854_775_808.0 {
            Ordering::Greater
        } else {
            let down = float.floor();
            whole.cmp(&(down as i64)).then(if float > down { Ordering::Less } else { Ordering::Equal })
        }
    };
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Integer(a), Value::Float(b)) => Some(mixed(*a, *b)),
        (Value::Float(a), Value::Integer(b)) => Some(mixed(*b, *a).reverse()),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The order of a result: NULL first where it ascends.
pub fn sorted(left: &Value, right: &Value) -> Ordering {
    compare(left, right).unwrap_or_else(|| (*left != Value::Null).cmp(&(*right != Value::Null)))
}

/// A text with its case taken away.
fn folded(text: &str) -> String {
    text.to_ascii_lowercase()
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
        let value = |key: i64, path: &Path| self.value(query.from, key, &path.steps, &Chosen::new());
        match &query.ask {
            Ask::Keys { order, limit, offset } => {
                keys.sort_by(|a, b| {
                    let by = order.iter().map(|(path, descends)| {
                        let order = sorted(&value(*a, path), &value(*b, path));
                        if *descends { order.reverse() } else { order }
                    });
                    by.fold(Ordering::Equal, Ordering::then).then(a.cmp(b))
                });
                let skipped = keys.into_iter().skip(usize::try_from(offset.unwrap_or(0)).expect("not negative"));
                let taken =
                    skipped.take(limit.map_or(usize::MAX, |limit| usize::try_from(limit).expect("not negative")));
                Verdict::Ordered(taken.map(|key| vec![Expected::Exactly(Value::Integer(key))]).collect())
            }
            Ask::Distinct(fields) => {
                let mut rows: Vec<Vec<Value>> =
                    keys.iter().map(|key| fields.iter().map(|path| value(*key, path)).collect()).collect();
                rows.sort_by(|a, b| rows_sorted(a, b));
                rows.dedup_by(|a, b| rows_sorted(a, b).is_eq());
                Verdict::Unordered(
                    rows.into_iter().map(|row| row.into_iter().map(Expected::Exactly).collect()).collect(),
                )
            }
            Ask::Aggregates(aggregates) => match self.aggregates(query.from, &keys, aggregates) {
                Some(cells) => Verdict::Ordered(vec![cells]),
                None => Verdict::Overflow,
            },
            Ask::Groups { by, aggregates, having } => {
                let mut groups: Vec<(Vec<Value>, Vec<i64>)> = Vec::new();
                for key in keys {
                    let cells: Vec<Value> = by.iter().map(|path| value(key, path)).collect();
                    match groups.iter_mut().find(|(group, _)| rows_sorted(group, &cells).is_eq()) {
                        Some((_, members)) => members.push(key),
                        None => groups.push((cells, vec![key])),
                    }
                }
                let mut rows = Vec::new();
                for (group, members) in groups {
                    // A group that HAVING drops may have been added up before.
                    let Some(mut cells) = self.aggregates(query.from, &members, aggregates) else {
                        return Verdict::Overflow;
                    };
                    let size = i64::try_from(members.len()).expect("few rows");
                    if having.is_some_and(|more_than| size <= more_than) {
                        continue;
                    }
                    let mut row: Vec<Expected> = group.into_iter().map(Expected::Exactly).collect();
                    row.append(&mut cells);
                    row.extend(having.map(|_| Expected::Exactly(Value::Integer(size))));
                    rows.push(row);
                }
                Verdict::Unordered(rows)
            }
            Ask::Related(aggregates) => {
                let mut rows = Vec::new();
                for key in keys {
                    let mut row = vec![Expected::Exactly(Value::Integer(key))];
                    for aggregate in aggregates {
                        let path = aggregate.of.as_ref().expect("a relation");
                        let Some(cell) = self.related(query.from, key, aggregate, path) else {
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
        let Leads::Rows(child, field) = leads(model, name) else { panic!("{name} of {model} leads to many") };
        let rows = self.0[child].iter().filter(|(_, row)| row[field] == Value::Integer(key));
        rows.map(|(key, _)| *key).collect()
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
                Leads::Row(target) => match self.0[model][&key][name] {
                    Value::Integer(next) => (model, key) = (target, next),
                    _ => return None,
                },
                Leads::Rows(child, _) => (model, key) = (child, chosen[&path[..=at]]?),
                Leads::Value(_) => panic!("{name} of {model} is a relation"),
            }
        }
        Some((model, key))
    }

    fn value(&self, model: &'static str, key: i64, path: &[&'static str], chosen: &Chosen) -> Value {
        let (last, before) = path.split_last().expect("a step");
        let Some((end, row)) = self.follow(model, key, before, chosen) else { return Value::Null };
        match leads(end, last) {
            Leads::Rows(..) => chosen[path].map_or(Value::Null, Value::Integer),
            _ if matches!(*last, "id" | "pk") => Value::Integer(row),
            _ => self.0[end][&row][last].clone(),
        }
    }

    /// `of_one` where the related rows are chosen already, so that `not` speaks of them too.
    fn is_true(&self, model: &'static str, key: i64, condition: &Condition, chosen: &Chosen, of_one: bool) -> bool {
        let is_true = |part: &Condition| self.is_true(model, key, part, chosen, of_one);
        match condition {
            Condition::And(parts) => parts.iter().all(is_true),
            Condition::Or(parts) => parts.iter().any(is_true),
            Condition::Not(part) if of_one => !is_true(part),
            Condition::Not(part) => !self.entry(model, key, part),
            Condition::Lookup(lookup, path, operand) => {
                let left = self.value(model, key, &path.steps, chosen);
                let right = |operand: &Operand| match operand {
                    Operand::Literal(value) | Operand::Hole(value) => value.clone(),
                    Operand::Field(path) => self.value(model, key, &path.steps, &Chosen::new()),
                    other => panic!("{other:?} is one value"),
                };
                holds(lookup, &left, operand, right)
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
                None => Value::Integer(*key),
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

fn rows_sorted(a: &[Value], b: &[Value]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| sorted(a, b)).fold(Ordering::Equal, Ordering::then)
}

/// The aggregate of some values; `None` where it is larger than a number can be.
fn reckon(aggregate: &Aggregate, mut values: Vec<Value>) -> Option<Expected> {
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
    let least = |values: Vec<Value>| values.into_iter().min_by(sorted).expect("not empty");
    let most = |values: Vec<Value>| values.into_iter().max_by(sorted).expect("not empty");
    Some(match aggregate.function {
        "min" => Expected::Exactly(least(values)),
        "max" => Expected::Exactly(most(values)),
        function => {
            let kind = aggregate.of.as_ref().map_or(Kind::Key, |path| path.kind);
            if kind == Kind::Float || function == "avg" {
                #[allow(clippy::cast_precision_loss)]
                let floats = values.iter().map(|value| match value {
                    Value::Integer(number) => *number as f64,
                    Value::Float(number) => *number,
                    other => panic!("{other:?} is a number"),
                });
                let (sum, size) = floats.fold((0.0, 0.0), |(sum, size), float| (sum + float, size + f64::abs(float)));
                #[allow(clippy::cast_precision_loss)]
                let by = if function == "avg" { count as f64 } else { 1.0 };
                Expected::About(sum / by, size / by * 1e-12)
            } else {
                let whole = values.iter().map(|value| match value {
                    Value::Integer(number) => i128::from(*number),
                    other => panic!("{other:?} is whole"),
                });
                let (sum, size) = whole.fold((0, 0), |(sum, size), number| (sum + number, size + number.abs()));
                let sum = i64::try_from(sum).ok()?;
                if i64::try_from(size).is_ok() {
                    Expected::Exactly(Value::Integer(sum))
                } else {
                    Expected::Perhaps(sum)
                }
            }
        }
    })
}

fn holds(lookup: &str, left: &Value, operand: &Operand, one: impl Fn(&Operand) -> Value) -> bool {
    let against = |right: &Value, right_order: fn(Ordering) -> bool| compare(left, right).is_some_and(right_order);
    match (lookup, operand) {
        ("isnull", operand) => Value::Boolean(*left == Value::Null) == one(operand),
        ("in", Operand::List(values)) => values.iter().any(|value| against(value, Ordering::is_eq)),
        ("range", Operand::Range(low, high)) => {
            against(&one(low), Ordering::is_ge) && against(&one(high), Ordering::is_le)
        }
        ("exact", Operand::Literal(Value::Null) | Operand::Hole(Value::Null)) => *left == Value::Null,
        ("exact", operand) => against(&one(operand), Ordering::is_eq),
        ("gt", operand) => against(&one(operand), Ordering::is_gt),
        ("gte", operand) => against(&one(operand), Ordering::is_ge),
        ("lt", operand) => against(&one(operand), Ordering::is_lt),
        ("lte", operand) => against(&one(operand), Ordering::is_le),
        (lookup, operand) => {
            let (Value::Text(left), Value::Text(right)) = (left, one(operand)) else { return false };
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

/// The many-valued steps that an entry speaks of outside of any `not`.
fn many_steps(model: &'static str, condition: &Condition, steps: &mut Vec<Vec<&'static str>>) {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| many_steps(model, part, steps)),
        Condition::Not(_) => {}
        Condition::Lookup(_, path, _) => {
            let mut model = model;
            for (at, name) in path.steps.iter().enumerate() {
                match leads(model, name) {
                    Leads::Row(target) => model = target,
                    Leads::Rows(child, _) => {
                        steps.push(path.steps[..=at].to_vec());
                        model = child;
                    }
                    Leads::Value(_) => {}
                }
            }
        }
    }
}
