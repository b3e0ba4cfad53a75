//! Queries at random over rows at random: what the host finds is compared with what `docs/reference/query-shape.md` says it
//! should.
//!
//! The cases are the same in every run. More of them, and others, come with `BANDSTAND_PROPERTY_CASES=1000` (worlds, each with
//! some queries) and `BANDSTAND_PROPERTY_SEED=7`. What fails is made as small as possible before it is shown.

mod hidden;
mod judge;
mod query;
mod world;

use std::cell::Cell;
use std::collections::BTreeMap;

use host_core::budget::Limits;
use host_db::{DbConfig, Param, RequestDb, Value};
use host_store::StoreConfig;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::json;

use self::judge::{Expected, Judge, Verdict};
use self::query::{Query, query};
use self::world::{Field, Kind, MODELS, Model, Rows, Table};
use super::site::{Ask, Site};

/// Worlds and queries for each of them, where nobody asks for more.
const CASES: u32 = 800;
const QUERIES: usize = 25;

/// The most rows of a model in one world.
const ROWS: usize = 8;

/// What a test may ask of its surroundings.
#[allow(clippy::disallowed_methods)]
fn wish(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases: wish("BANDSTAND_PROPERTY_CASES").unwrap_or(cases),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&wish("BANDSTAND_PROPERTY_SEED").unwrap_or_default().to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn cell(field: &'static Field) -> BoxedStrategy<Value> {
    // What a relation holds becomes the key of a row that is there.
    let kind = if field.to.is_some() { Kind::Auto } else { field.kind };
    let value = select(world::values(kind));
    if field.null { prop_oneof![3 => value, 1 => Just(Value::Null)].boxed() } else { value.boxed() }
}

fn rows(model: &'static Model) -> BoxedStrategy<Vec<Vec<Value>>> {
    let row: Vec<BoxedStrategy<Value>> = [&model.key].into_iter().chain(model.fields).map(cell).collect();
    proptest::collection::vec(row, 0..=ROWS).boxed()
}

/// The rows of a world. Relations point to rows that are there, or to nothing. A row that must point and can't is left out,
/// and so is one that repeats what must be unique.
fn world() -> BoxedStrategy<Rows> {
    let all: Vec<BoxedStrategy<Vec<Vec<Value>>>> = MODELS.iter().map(rows).collect();
    all.prop_map(|all| {
        let mut world = Rows::default();
        for (model, rows) in MODELS.iter().zip(all) {
            let made = made(model, rows, &world);
            world.0.insert(model.name, made);
        }
        world
    })
    .boxed()
}

fn made(model: &Model, rows: Vec<Vec<Value>>, world: &Rows) -> Table {
    let mut keys: Vec<Value> = Vec::new();
    let mut kept: Vec<Vec<Value>> = Vec::new();
    for (row, number) in rows.into_iter().zip(1..) {
        let key = if model.key.kind == Kind::Auto { Value::Integer(number) } else { row[0].clone() };
        if !keys.contains(&key) {
            keys.push(key);
            kept.push(row);
        }
    }
    let mut made = Table::new();
    for ((row, key), number) in kept.into_iter().zip(&keys).zip(1..) {
        let mut cells = BTreeMap::from([(model.key.name, key.clone())]);
        for (field, value) in model.fields.iter().zip(row.into_iter().skip(1)) {
            let value = match (field.to, value) {
                (Some(to), Value::Integer(wish)) => {
                    let there: Vec<&Value> = match world.0.get(to) {
                        Some(rows) => rows.values().map(|row| &row[world::model(to).key.name]).collect(),
                        None => keys.iter().collect(),
                    };
                    let at = usize::try_from(wish).expect("not negative") % there.len().max(1);
                    there.get(at).map_or(Value::Null, |key| (*key).clone())
                }
                (_, value) => value,
            };
            cells.insert(field.name, value);
        }
        let repeats = |field: &Field| made.values().any(|row| row[field.name] == cells[field.name]);
        let unique = model.fields.iter().filter(|field| field.unique);
        let pair_is_there = model.is_between
            && made.values().any(|row| model.fields.iter().all(|field| row[field.name] == cells[field.name]));
        let lacks = model.fields.iter().any(|field| !field.null && cells[field.name] == Value::Null);
        if !lacks && !pair_is_there && !unique.clone().any(repeats) {
            made.insert(number, cells);
        }
    }
    made
}

/// Puts the world's rows into the database, in place of what was there.
async fn fill(db: &RequestDb, world: &Rows) {
    for model in MODELS.iter().rev() {
        db.run(json!({"v": 1, "op": "delete", "from": model.name}), vec![]).await.expect("an empty table");
    }
    for model in &MODELS {
        let rows = &world[model.name];
        if rows.is_empty() {
            continue;
        }
        let names: Vec<&str> =
            [model.key.name].into_iter().chain(model.fields.iter().map(|field| field.name)).collect();
        let set: serde_json::Map<String, serde_json::Value> =
            names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), json!({"$": at}))).collect();
        let columns = names.iter().map(|name| Param::Many(rows.values().map(|row| row[name].clone()).collect()));
        let shape = json!({"v": 1, "op": "insert", "from": model.name, "set": set});
        db.run(shape, columns.collect()).await.expect("rows that fit");
    }
}

/// What the questions were worth: random ones may all be refused, or all be about nothing.
#[derive(Debug, Default)]
struct Worth {
    refused: Cell<u32>,
    nothing: Cell<u32>,
    everything: Cell<u32>,
    something: Cell<u32>,
}

impl Worth {
    fn count(&self, world: &Rows, query: &Query, rows: usize) {
        let counter = match rows {
            0 => &self.nothing,
            all if all == world[query.from].len() => &self.everything,
            _ => &self.something,
        };
        counter.set(counter.get() + 1);
    }

    fn check(&self) {
        let [refused, nothing, everything, something] =
            [&self.refused, &self.nothing, &self.everything, &self.something].map(Cell::get);
        let all = refused + nothing + everything + something;
        assert!(refused * 20 < all && something * 6 > all && everything * 6 > all, "{self:?}");
    }
}

/// What is wrong with the host's answer, if anything is.
async fn difference(db: &RequestDb, world: &Rows, query: &Query, worth: &Worth) -> Option<String> {
    let (shape, params) = query.shape();
    let verdict = Judge(world).judge(query);
    let shown = |what: String| Some(format!("{what}\nshape: {shape}\nparams: {params:?}\nexpected: {verdict:?}"));
    let answer = match (db.get(shape.clone(), params.clone()).await, &verdict) {
        (Ok(answer), _) => answer,
        (Err(error), Verdict::Overflow) if error.code == "invalid-value" => return None,
        (Err(error), Verdict::Ordered(rows) | Verdict::Unordered(rows))
            if error.code == "invalid-value"
                && rows.iter().flatten().any(|cell| matches!(cell, Expected::Perhaps(_))) =>
        {
            return None;
        }
        // Some queries take more joins than a statement may have, and say so.
        (Err(error), _) if error.details.iter().any(|(name, _)| *name == "limit") => {
            worth.refused.set(worth.refused.get() + 1);
            return None;
        }
        (Err(error), _) => return shown(format!("failed: {error}")),
    };
    worth.count(world, query, answer.len());
    let mut found: Vec<Vec<Value>> = answer.iter().map(<[Value]>::to_vec).collect();
    let same = |row: &[Expected], found: &[Value]| {
        row.len() == found.len() && row.iter().zip(found).all(|(expected, value)| expected.is(value))
    };
    let right = match &verdict {
        Verdict::Overflow => false,
        Verdict::Ordered(rows) => {
            rows.len() == found.len() && rows.iter().zip(&found).all(|(row, found)| same(row, found))
        }
        Verdict::Unordered(rows) => {
            let all_found = rows.iter().all(|row| match found.iter().position(|found| same(row, found)) {
                Some(at) => {
                    found.swap_remove(at);
                    true
                }
                None => false,
            });
            all_found && found.is_empty()
        }
    };
    if right { None } else { shown(format!("found: {:?}", answer.iter().collect::<Vec<_>>())) }
}

/// Limits that a slow machine doesn't reach.
fn patient() -> Limits {
    Limits { wall_ms: 600_000, db_ms: 600_000, ..Limits::default() }
}

#[test]
fn the_host_finds_what_the_reference_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let site = Site::with(world::manifest(), StoreConfig::temporary(), DbConfig::default());
    let worth = Worth::default();
    let cases = (world(), proptest::collection::vec(query(), 1..=QUERIES));
    let done = runner(CASES).run(&cases, |(world, queries)| {
        runtime.block_on(async {
            fill(&site.request_with(patient()), &world).await;
            for query in &queries {
                if let Some(difference) = difference(&site.request_with(patient()), &world, query, &worth).await {
                    return Err(TestCaseError::fail(difference));
                }
            }
            Ok(())
        })
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    worth.check();
}
