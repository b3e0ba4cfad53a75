//! Exchanges with the hostile guest as data: `tests/cases/replies` and `tests/cases/database`.
//!
//! A file says what it is `about` and lists `exchanges`: what is sent (`get` or `post` with `json` or `text`) and what a
//! visitor, or the operator in the log, must see.

use std::path::{Path, PathBuf};

use host_store::StoreConfig;
use serde::Deserialize;
use serde_json::Value;

use crate::forge::root;
use crate::site::{TestSite, logged, tight};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    get: Option<String>,
    post: Option<String>,
    json: Option<Value>,
    text: Option<String>,
    status: u16,
    /// Words in the body.
    contains: Option<String>,
    /// Words that must not be in the body.
    lacks: Option<String>,
    /// Bytes of the body.
    length: Option<usize>,
    /// Whether the connection is cut in the middle of the body.
    #[serde(default)]
    broken: bool,
    /// Words in a line of the log about this request.
    log: Option<String>,
    /// The answers of `/db/`, step by step: `{"ok": what it must contain}` or `{"error": "code|another code"}`.
    answers: Option<Vec<Value>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies() {
    run("replies").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database() {
    run("database").await;
}

async fn run(folder: &str) {
    let mut wrong = Vec::new();
    for path in files(folder) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let case: Case = match serde_json::from_slice(&std::fs::read(&path).expect("a case")) {
            Ok(case) => case,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        assert!(!case.about.is_empty() && !case.exchanges.is_empty(), "{name} says nothing");
        // A site of its own for each file: what one leaves in the database, or in the breaker, is not another's.
        // A transaction is left idle for longer than this machine may stop for.
        let store = StoreConfig { transaction_idle_ms: 120, transaction_total_ms: 5_000, ..StoreConfig::temporary() };
        let site = TestSite::with_store(store).await;
        site.load_guest("good", host_core::budget::Limits::default()).await;
        for (at, exchange) in case.exchanges.iter().enumerate() {
            if at % 10 == 0 {
                site.load_guest("hostile", tight()).await;
            }
            if let Err(complaint) = hold(&site, exchange).await {
                wrong.push(format!("{folder}/{name}, exchange {at}: {complaint}"));
            }
        }
        let neighbour = site.get("/good/").await;
        if neighbour.status != 200 {
            wrong.push(format!("{folder}/{name}: the good app answers {}", neighbour.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn files(folder: &str) -> Vec<PathBuf> {
    let list = std::fs::read_dir(root().join("tests/cases").join(folder)).expect("the cases' folder");
    let mut paths: Vec<PathBuf> = list.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {}", Path::new(folder).display());
    paths
}

/// Does one exchange and compares.
async fn hold(site: &TestSite, exchange: &Exchange) -> Result<(), String> {
    let answer = match (&exchange.get, &exchange.post, &exchange.json, &exchange.text) {
        (Some(path), None, None, None) => site.get(path).await,
        (None, Some(path), Some(json), None) => site.post(path, json.to_string()).await,
        (None, Some(path), None, text) => site.post(path, text.clone().unwrap_or_default()).await,
        _ => return Err("say either `get`, or `post` with `json` or `text`".into()),
    };
    let text = answer.text();
    let shown: String = text.chars().take(600).collect();
    let id = answer.id();
    let complain = |what: String| Err(format!("{what}\n{shown}\n{}", crate::site::lines(&id).join("\n")));
    // Where the body fails at once, the connection is cut before the head is sent.
    let cut_early = exchange.broken && answer.status.as_u16() == crate::client::NOTHING;
    if answer.status.as_u16() != exchange.status && !cut_early {
        return complain(format!("status {} instead of {}", answer.status, exchange.status));
    }
    if answer.broken != exchange.broken {
        return complain(format!("the body is {}cut", if answer.broken { "" } else { "not " }));
    }
    if let Some(words) = exchange.contains.as_ref().filter(|words| !text.contains(words.as_str())) {
        return complain(format!("the body doesn't contain `{words}`"));
    }
    if let Some(words) = exchange.lacks.as_ref().filter(|words| text.contains(words.as_str())) {
        return complain(format!("the body contains `{words}`"));
    }
    if let Some(length) = exchange.length.filter(|length| *length != answer.body.len()) {
        return complain(format!("{} bytes instead of {length}", answer.body.len()));
    }
    if let Some(words) = &exchange.log {
        logged(&id, words).await?;
    }
    if let Some(expected) = &exchange.answers {
        let Ok(Value::Array(got)) = serde_json::from_str(&text) else {
            return complain("the answer is no list".into());
        };
        for (step, (got, expected)) in got.iter().zip(expected).enumerate() {
            if !fits(got, expected) {
                return Err(format!("step {step} answers {got}, not {expected}"));
            }
        }
        if got.len() != expected.len() {
            return complain(format!("{} steps answered, {} expected", got.len(), expected.len()));
        }
    }
    Ok(())
}

/// Whether `got` has everything that `expected` has. An expected error is one of several codes, or `*` for any.
fn fits(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => expected.iter().all(|(key, expected)| match got.get(key) {
            Some(Value::String(code)) if key == "error" => {
                expected.as_str().is_some_and(|codes| codes == "*" || codes.split('|').any(|one| one == code))
            }
            Some(got) => fits(got, expected),
            None => false,
        }),
        _ => got == expected,
    }
}
