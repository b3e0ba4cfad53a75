//! What one request can try on another in the same instance, where the operator lets several share one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use glue::db::{Param, Statement, Value};
use glue::{Response, queries, request, text};

thread_local! {
    static KEPT: RefCell<Option<Rc<queries::Transaction>>> = const { RefCell::new(None) };
    static NOW: Cell<u32> = const { Cell::new(0) };
    static MOST: Cell<u32> = const { Cell::new(0) };
}

/// Reads that `hold` makes, one after the other.
const READS: usize = 20;

const SEARCH: &[u8] = br#"{"v":1,"op":"count","from":"row","filter":[["contains","message",{"$":0}]]}"#;
const ADD: &[u8] = br#"{"v":1,"op":"insert","from":"row","set":{"message":{"$":0}}}"#;

fn with(shape: &[u8], word: &str) -> Statement {
    Statement { shape: shape.to_vec(), params: vec![Param::One(Value::Text(word.into()))] }
}

/// Counts a request for as long as it lives.
struct Here;

impl Here {
    fn enter() -> Self {
        NOW.set(NOW.get() + 1);
        MOST.set(MOST.get().max(NOW.get()));
        Self
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        NOW.set(NOW.get() - 1);
    }
}

/// Asks who the visitor is, waits for the body, and asks again.
pub async fn who() -> Response {
    let _here = Here::enter();
    let who = || request::header("x-user").unwrap_or_default();
    let before = who();
    let body = request::body(1 << 20).await.unwrap_or_default();
    text(200, format!("{before} {} {}", who(), String::from_utf8_lossy(&body)))
}

/// Opens a transaction, leaves it where others find it, and waits for the body.
pub async fn keep() -> Response {
    match queries::Transaction::begin().await {
        Ok(transaction) => KEPT.set(Some(Rc::new(transaction))),
        Err(error) => return text(500, error.code),
    }
    let _ = request::body(1 << 20).await;
    let Some(transaction) = KEPT.take() else { return text(500, "it is gone") };
    match transaction.rollback().await {
        Ok(()) => text(200, "kept"),
        Err(error) => text(500, error.code),
    }
}

/// Writes through the transaction of another request.
pub async fn steal() -> Response {
    let Some(transaction) = KEPT.with_borrow(Clone::clone) else { return text(404, "nothing to steal") };
    let mut answers = Vec::new();
    for outcome in [
        transaction.execute(with(ADD, "stolen")).await.map(|_| ()),
        transaction.fetch(with(SEARCH, "stolen")).await.map(|_| ()),
        transaction.commit().await,
    ] {
        answers.push(outcome.map_or_else(|error| error.code, |()| "done".into()));
    }
    text(200, answers.join(" "))
}

/// Reads again and again, and waits for each, so that others have their turn.
pub async fn hold() -> Response {
    let _here = Here::enter();
    for _ in 0..READS {
        if let Err(error) = queries::fetch(with(SEARCH, "nowhere")).await {
            return text(500, error.code);
        }
    }
    text(200, "held")
}

/// Writes a word, then holds.
pub async fn write_and_hold(word: &str) -> Response {
    if let Err(error) = queries::execute(with(ADD, word)).await {
        return text(500, error.code);
    }
    hold().await
}

/// How many rows have that word.
pub async fn found(word: &str) -> Response {
    match queries::fetch(with(SEARCH, word)).await.map(|rows| rows.cells) {
        Ok(cells) => text(
            200,
            match cells.first() {
                Some(Value::Integer(count)) => count.to_string(),
                _ => String::new(),
            },
        ),
        Err(error) => text(500, error.code),
    }
}

/// How many requests this instance had at the same time at most.
pub fn most() -> Response {
    text(200, MOST.get().to_string())
}
