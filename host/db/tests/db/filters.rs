//! Conditions, against a naive evaluation in Rust as the judge.

use std::collections::BTreeMap;

use host_db::{Param, RequestDb, Value};
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, int, ints, null, text};

/// The judge's data: model, then key, then field; a foreign key holds a key.
#[derive(Default)]
struct World(BTreeMap<&'static str, BTreeMap<i64, BTreeMap<&'static str, Value>>>);

/// Where a name on a model leads: a field, a row, or rows that point here.
enum Leads {
    Field,
    Row(&'static str),
    Rows(&'static str, &'static str),
}

fn leads(model: &str, name: &str) -> Leads {
    match (model, name) {
        ("question", "author") => Leads::Row("author"),
        ("choice" | "comment", "question") => Leads::Row("question"),
        ("author", "questions") => Leads::Rows("question", "author"),
        ("question", "choices") => Leads::Rows("choice", "question"),
        ("question", "comment_set") => Leads::Rows("comment", "question"),
        _ => Leads::Field,
    }
}

/// A chosen row for each many-valued step of an entry, by the path up to it; `None` where there is none to choose.
type Chosen = BTreeMap<Vec<String>, Option<i64>>;

impl World {
    async fn fill(db: &RequestDb) -> Self {
        let mut world = World::default();
        for model in ["author", "question", "choice", "comment"] {
            world.0.insert(model, BTreeMap::new());
        }
        for name in ["ann", "Bob", "cy"] {
            world.add(db, "author", &[("name", json!(name))]).await;
        }
        // Questions with and without author, choices and comments, in all combinations that matter.
        for (at, author) in [Some(1), Some(1), Some(2), None, None, Some(2)].into_iter().enumerate() {
            let text = ["Alpha", "beta", "ALPHA%", "a_b", "gamma", "alp"][at];
            world
                .add(db, "question", &[("text", json!(text)), ("pub_date", json!(at)), ("author", json!(author))])
                .await;
        }
        let choices = [
            (1, "x", 0, None),
            (1, "y", 5, Some(1)),
            (2, "x", 5, None),
            (3, "z", 2, Some(5)),
            (4, "y", 9, Some(9)),
            (4, "w", 0, None),
        ];
        for (question, text, votes, rank) in choices {
            let set =
                [("question", json!(question)), ("text", json!(text)), ("votes", json!(votes)), ("rank", json!(rank))];
            world.add(db, "choice", &set).await;
        }
        for (question, body) in [(1, "x"), (1, "first"), (3, "Second"), (5, "x")] {
            world.add(db, "comment", &[("question", json!(question)), ("body", json!(body))]).await;
        }
        world
    }

    async fn add(&mut self, db: &RequestDb, model: &'static str, set: &[(&'static str, Json)]) {
        let object: serde_json::Map<String, Json> =
            set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let key = db.add(model, Json::Object(object)).await;
        let row =
            set.iter().map(|(name, value)| (*name, to_value(value))).chain([("id", Value::Integer(key))]).collect();
        self.0.get_mut(model).unwrap().insert(key, row);
    }

    /// The keys of the rows for which every entry is true.
    fn select(&self, model: &'static str, filter: &[Json]) -> Vec<i64> {
        let all = self.0[model].keys().copied();
        all.filter(|key| filter.iter().all(|entry| self.entry(model, *key, entry))).collect()
    }

    /// An entry is true if some choice of related rows makes it true.
    fn entry(&self, model: &'static str, key: i64, entry: &Json) -> bool {
        let mut steps = Vec::new();
        many_steps(model, entry, &mut steps);
        steps.sort();
        steps.dedup();
        self.any(model, key, entry, &steps, &mut Chosen::new())
    }

    fn any(&self, model: &'static str, key: i64, entry: &Json, steps: &[Vec<String>], chosen: &mut Chosen) -> bool {
        let Some((step, rest)) = steps.split_first() else { return self.is_true(model, key, entry, chosen) };
        let parent = self.follow(model, key, &step[..step.len() - 1], chosen);
        let rows: Vec<Option<i64>> = match parent {
            Some((parent_model, parent)) => match leads(parent_model, step.last().unwrap()) {
                Leads::Rows(child, field) => self.0[child]
                    .iter()
                    .filter(|(_, row)| row[field] == Value::Integer(parent))
                    .map(|(key, _)| Some(*key))
                    .collect(),
                _ => unreachable!("a many-valued step"),
            },
            None => Vec::new(),
        };
        let rows = if rows.is_empty() { vec![None] } else { rows };
        rows.into_iter().any(|row| {
            chosen.insert(step.clone(), row);
            self.any(model, key, entry, rest, chosen)
        })
    }

    /// The row at the end of a path of relations.
    fn follow(&self, model: &'static str, key: i64, path: &[String], chosen: &Chosen) -> Option<(&'static str, i64)> {
        let (mut model, mut key) = (model, key);
        for (at, name) in path.iter().enumerate() {
            match leads(model, name) {
                Leads::Row(target) => match self.0[model][&key][name.as_str()] {
                    Value::Integer(next) => (model, key) = (target, next),
                    _ => return None,
                },
                Leads::Rows(child, _) => (model, key) = (child, chosen[&path[..=at]]?),
                Leads::Field => unreachable!("a relation"),
            }
        }
        Some((model, key))
    }

    fn value(&self, model: &'static str, key: i64, path: &[String], chosen: &Chosen) -> Value {
        let (last, before) = path.split_last().unwrap();
        let Some((end, row)) = self.follow(model, key, before, chosen) else { return Value::Null };
        match leads(end, last) {
            Leads::Rows(..) => chosen[path].map_or(Value::Null, Value::Integer),
            _ => self.0[end][&row][if last == "pk" { "id" } else { last.as_str() }].clone(),
        }
    }

    fn is_true(&self, model: &'static str, key: i64, condition: &Json, chosen: &Chosen) -> bool {
        let parts = condition.as_array().unwrap();
        match parts[0].as_str().unwrap() {
            "and" => parts[1..].iter().all(|part| self.is_true(model, key, part, chosen)),
            "or" => parts[1..].iter().any(|part| self.is_true(model, key, part, chosen)),
            "not" => !self.entry(model, key, &parts[1]),
            lookup => {
                let left = self.value(model, key, &path(&parts[1]), chosen);
                let operand = |json: &Json| match json.get("f") {
                    Some(field) => self.value(model, key, &path(field), chosen),
                    None => to_value(json),
                };
                holds(lookup, &left, &parts[2], operand)
            }
        }
    }
}

fn holds(lookup: &str, left: &Value, right: &Json, operand: impl Fn(&Json) -> Value) -> bool {
    let order = |right: &Value| match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    };
    if lookup == "isnull" {
        return (*left == Value::Null) == right.as_bool().unwrap();
    }
    if lookup == "range" {
        let low = order(&operand(&right[0]));
        let high = order(&operand(&right[1]));
        return low.is_some_and(|o| o.is_ge()) && high.is_some_and(|o| o.is_le());
    }
    let right_value = operand(right);
    if lookup == "exact" && right.is_null() {
        return *left == Value::Null;
    }
    match lookup {
        "exact" => order(&right_value).is_some_and(|o| o.is_eq()),
        "gt" => order(&right_value).is_some_and(|o| o.is_gt()),
        "gte" => order(&right_value).is_some_and(|o| o.is_ge()),
        "lt" => order(&right_value).is_some_and(|o| o.is_lt()),
        "lte" => order(&right_value).is_some_and(|o| o.is_le()),
        text => {
            let (Value::Text(left), Value::Text(right)) = (left, right_value) else { return false };
            let (folded, sought) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
            match text {
                "iexact" => folded == sought,
                "contains" => left.contains(&right),
                "icontains" => folded.contains(&sought),
                "startswith" => left.starts_with(&right),
                "istartswith" => folded.starts_with(&sought),
                "endswith" => left.ends_with(&right),
                "iendswith" => folded.ends_with(&sought),
                other => unreachable!("{other}"),
            }
        }
    }
}

/// The many-valued steps that an entry speaks of outside of any `not`.
fn many_steps(model: &'static str, condition: &Json, steps: &mut Vec<Vec<String>>) {
    let parts = condition.as_array().unwrap();
    match parts[0].as_str().unwrap() {
        "and" | "or" => parts[1..].iter().for_each(|part| many_steps(model, part, steps)),
        "not" => {}
        _ => {
            let (path, mut model) = (path(&parts[1]), model);
            for (at, name) in path.iter().enumerate() {
                match leads(model, name) {
                    Leads::Row(target) => model = target,
                    Leads::Rows(child, _) => {
                        steps.push(path[..=at].to_vec());
                        model = child;
                    }
                    Leads::Field => {}
                }
            }
        }
    }
}

fn path(json: &Json) -> Vec<String> {
    match json {
        Json::String(name) => vec![name.clone()],
        list => list.as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned()).collect(),
    }
}

fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Number(number) => Value::Integer(number.as_i64().unwrap()),
        Json::String(text) => Value::Text(text.clone()),
        other => panic!("{other}"),
    }
}

/// Conditions at random, always the same ones.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn condition(&mut self, model: &str, depth: usize) -> Json {
        if depth > 0 && self.roll(3) > 0 {
            let inner: Vec<Json> = (0..=self.roll(3)).map(|_| self.condition(model, depth - 1)).collect();
            return match self.roll(3) {
                0 => json!(["not", inner[0]]),
                at => Json::Array([json!(["and", "or"][at - 1])].into_iter().chain(inner).collect()),
            };
        }
        let (numbers, texts): (Vec<Json>, Vec<Json>) = match model {
            "author" => (
                vec![
                    json!("id"),
                    json!(["questions", "pub_date"]),
                    json!(["questions", "choices", "votes"]),
                    json!("questions"),
                ],
                vec![json!("name"), json!(["questions", "text"]), json!(["questions", "comment_set", "body"])],
            ),
            "question" => (
                vec![
                    json!("pk"),
                    json!("pub_date"),
                    json!("author"),
                    json!(["author", "id"]),
                    json!(["choices", "votes"]),
                    json!(["choices", "rank"]),
                    json!("choices"),
                    json!(["author", "questions", "pub_date"]),
                ],
                vec![
                    json!("text"),
                    json!(["author", "name"]),
                    json!(["choices", "text"]),
                    json!(["comment_set", "body"]),
                ],
            ),
            _ => (
                vec![
                    json!("votes"),
                    json!("rank"),
                    json!(["question", "pub_date"]),
                    json!(["question", "author"]),
                    json!(["question", "choices", "votes"]),
                ],
                vec![
                    json!("text"),
                    json!(["question", "text"]),
                    json!(["question", "author", "name"]),
                    json!(["question", "comment_set", "body"]),
                ],
            ),
        };
        let own: &[Json] = match model {
            "author" => &[json!("id")],
            "question" => &[json!("pub_date"), json!(["author", "id"])],
            _ => &[json!("rank"), json!(["question", "pub_date"])],
        };
        if self.roll(2) == 0 {
            let path = self.pick(&numbers);
            match self.roll(8) {
                0 => json!(["isnull", path, self.roll(2) == 0]),
                1 => json!(["range", path, [self.roll(4), self.roll(8)]]),
                2 => json!([self.pick(&["exact", "gt", "lte"]), path, {"f": self.pick(own)}]),
                3 => json!(["exact", path, null]),
                _ => json!([self.pick(&["exact", "gt", "gte", "lt", "lte"]), path, self.roll(7)]),
            }
        } else {
            let lookups = [
                "exact",
                "iexact",
                "contains",
                "icontains",
                "startswith",
                "istartswith",
                "endswith",
                "iendswith",
                "gt",
            ];
            let path = self.pick(&texts);
            match self.roll(8) {
                0 => json!(["isnull", path, self.roll(2) == 0]),
                _ => json!([
                    self.pick(&lookups),
                    path,
                    self.pick(&["x", "a", "alpha", "%", "_", "", "A", "second", "ann"])
                ]),
            }
        }
    }
}

#[tokio::test]
async fn random_filters_find_what_a_naive_evaluation_finds() {
    let site = Site::polls();
    let world = World::fill(&site.request()).await;
    let mut dice = Dice(7);
    let (mut found, mut missed) = (0, 0);
    for round in 0..1_500 {
        let db = site.request();
        let model = dice.pick(&["author", "question", "choice"]);
        let filter: Vec<Json> = (0..1 + dice.roll(2)).map(|_| dice.condition(model, 3)).collect();
        let expected = world.select(model, &filter);
        let shape = json!({"v":1,"from":model,"fields":["id"],"filter":filter,"order":["id"]});
        let ids = match db.get(shape.clone(), vec![]).await {
            Ok(rows) => rows.cells.iter().map(super::site::integer).collect::<Vec<_>>(),
            // The dice know neither the limit of joins nor which kinds can be compared.
            Err(error) if error.detail("limit") == Some("16") || error.message.contains("can't be compared") => {
                continue;
            }
            Err(error) => panic!("round {round}: {shape}: {error}"),
        };
        assert_eq!(ids, expected, "round {round}: {shape}");
        let count = json!({"v":1,"op":"count","from":model,"filter":filter});
        assert_eq!(db.one(count, vec![]).await, Value::Integer(i64::try_from(ids.len()).unwrap()));
        let exists = json!({"v":1,"op":"exists","from":model,"filter":filter});
        assert_eq!(db.one(exists, vec![]).await, Value::Boolean(!ids.is_empty()));
        found += ids.len();
        missed += world.0[model].len() - ids.len();
    }
    // The dice must not have made only tautologies.
    assert!(found > 1_000 && missed > 1_000, "{found} found, {missed} missed");
}

#[tokio::test]
async fn one_entry_speaks_of_one_related_row_and_two_entries_of_two() {
    let site = Site::polls();
    let db = site.request();
    World::fill(&db).await;
    let votes = json!(["exact", ["choices", "votes"], 5]);
    let x = json!(["exact", ["choices", "text"], "x"]);
    let ids = |filter: Json| json!({"v":1,"from":"question","fields":["id"],"filter":filter,"order":["id"]});
    // Question 1 has (x, 0) and (y, 5); question 2 has (x, 5).
    assert_eq!(db.ids(ids(json!([["and", votes, x]])), vec![]).await, [2]);
    assert_eq!(db.ids(ids(json!([votes, x])), vec![]).await, [1, 2]);
    assert_eq!(db.ids(ids(json!([["not", x]])), vec![]).await, [3, 4, 5, 6]);
    assert_eq!(db.ids(ids(json!([["isnull", "choices", true]])), vec![]).await, [5, 6]);
}

#[tokio::test]
async fn null_in_a_hole_means_isnull() {
    let site = Site::polls();
    let db = site.request();
    World::fill(&db).await;
    let count = |path: Json| json!({"v":1,"op":"count","from":"question","filter":[["exact",path,{"$":0}]]});
    assert_eq!(db.one(count(json!("author")), vec![null()]).await, Value::Integer(2));
    assert_eq!(db.one(count(json!("author")), vec![int(1)]).await, Value::Integer(2));
    assert_eq!(db.one(count(json!(["author", "name"])), vec![null()]).await, Value::Integer(2));
    assert_eq!(db.one(count(json!("choices")), vec![null()]).await, Value::Integer(2));
    assert_eq!(db.one(count(json!("text")), vec![null()]).await, Value::Integer(0));
    let isnull = json!({"v":1,"op":"count","from":"question","filter":[["isnull","author",{"$":0}]]});
    assert_eq!(db.one(isnull, vec![Param::One(Value::Boolean(false))]).await, Value::Integer(4));
}

#[tokio::test]
async fn lists_of_any_length_are_one_plan() {
    let site = Site::polls();
    let db = site.request();
    for at in 0..20 {
        db.add("question", json!({"text": format!("q{at}")})).await;
    }
    let shape = json!({"v":1,"from":"question","fields":["id"],"filter":[["in","id",{"$":0}]],"order":["id"]});
    for wanted in [0, 1, 2, 3, 7, 8, 9, 19] {
        let ids = db.ids(shape.clone(), vec![ints(1..=wanted)]).await;
        assert_eq!(ids, (1..=wanted).collect::<Vec<_>>());
    }
    assert_eq!(db.ids(shape.clone(), vec![ints((0..1_000).map(|n| n * 1_000 + 3))]).await, [3]);
    assert_eq!(code(db.get(shape.clone(), vec![ints(0..1_001)]).await), "invalid-value");
    assert_eq!(code(db.get(shape.clone(), vec![int(1)]).await), "invalid-value");
    let with_null = Param::Many(vec![Value::Null, Value::Integer(2)]);
    assert_eq!(db.ids(shape, vec![with_null]).await, [2]);
    let texts = json!({"v":1,"op":"count","from":"question","filter":[["not",["in","text",{"$":0}]]]});
    let two = Param::Many(vec![Value::Text("q1".into()), Value::Text("q2".into())]);
    assert_eq!(db.one(texts.clone(), vec![two]).await, Value::Integer(18));
    assert_eq!(db.one(texts, vec![Param::Many(vec![])]).await, Value::Integer(20));
}

#[tokio::test]
async fn order_limits_and_related_fields() {
    let site = Site::polls();
    let db = site.request();
    World::fill(&db).await;
    let all = json!({"v":1,"from":"question","fields":["id"]});
    assert_eq!(db.ids(all, vec![]).await, [6, 5, 4, 3, 2, 1], "the model's own ordering");
    let page =
        json!({"v":1,"from":"question","fields":["id"],"order":["author.name","-id"],"limit":{"$":0},"offset":{"$":1}});
    assert_eq!(db.ids(page.clone(), vec![int(3), int(1)]).await, [4, 6, 3]);
    assert_eq!(code(db.get(page.clone(), vec![int(-1), int(0)]).await), "invalid-value");
    assert_eq!(code(db.get(page, vec![text("1"), int(0)]).await), "invalid-value");
    let skip = json!({"v":1,"from":"question","fields":["id"],"order":["id"],"offset":4});
    assert_eq!(db.ids(skip, vec![]).await, [5, 6]);
    let related = json!({"v":1,"from":"choice","fields":["text",["question","text"],["question","author","name"],["question","author"]],"filter":[["exact","id",5]]});
    let row = db.get(related, vec![]).await.unwrap().cells;
    assert_eq!(row, [Value::Text("y".into()), Value::Text("a_b".into()), Value::Null, Value::Null]);
    let distinct = json!({"v":1,"from":"choice","fields":["question"],"distinct":true,"order":["question"]});
    assert_eq!(db.ids(distinct, vec![]).await, [1, 2, 3, 4]);
    let distinct =
        json!({"v":1,"from":"question","fields":["author"],"distinct":true,"filter":[["isnull","author",false]]});
    assert_eq!(db.ids(distinct, vec![]).await.len(), 2, "the model's ordering isn't shown and gives way");
    let wrong = json!({"v":1,"from":"question","fields":["author"],"distinct":true,"order":["text"]});
    assert_eq!(code(db.get(wrong, vec![]).await), "invalid-shape");
    let counted = json!({"v":1,"op":"count","from":"question","limit":2,"offset":5});
    assert_eq!(db.one(counted, vec![]).await, Value::Integer(1));
    let none = json!({"v":1,"op":"exists","from":"question","offset":6});
    assert_eq!(db.one(none, vec![]).await, Value::Boolean(false));
}
