//! The database, as the request's body says: a list of steps, each answered by its result or its error.

use glue::db::{Error, Outcome, Param, Rows, Statement, Value};
use glue::{Response, environment, queries, text};
use serde_json::json;

/// A step. Statements stand in it as they will be sent; those after `begin` go through the transaction where `tx` says so.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Step {
    Fetch(Call),
    Packed(Call),
    Execute(Call),
    Batch {
        statements: Vec<Call>,
    },
    Begin,
    Savepoint,
    RollbackTo {
        mark: u32,
    },
    Release {
        mark: u32,
    },
    Commit,
    Rollback,
    /// Lets go of the transaction without a word.
    Drop,
    /// Forgets the transaction without closing it.
    Leave,
    /// Keeps the processor busy for so long.
    Busy {
        ms: i64,
    },
    /// Keeps everything as it is and waits for ever.
    Wait,
    /// Ends by a trap.
    Trap,
}

#[derive(serde::Deserialize)]
struct Call {
    shape: Shape,
    #[serde(default)]
    params: Vec<Told>,
    /// Through the open transaction.
    #[serde(default)]
    tx: bool,
}

/// A shape as a text, as a document, or as the bytes that no text could be.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Shape {
    Text(String),
    Bytes(Vec<u8>),
    Document(serde_json::Map<String, serde_json::Value>),
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Told {
    Many {
        many: Vec<Plain>,
    },
    /// So many times the same value.
    Times {
        times: usize,
        value: Plain,
    },
    One(Plain),
}

#[derive(serde::Deserialize, Clone)]
#[serde(untagged)]
enum Plain {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// What JSON can't say: `{"special": "nan"}`, `infinity`, `megabyte`.
    Special {
        special: String,
    },
}

impl Plain {
    fn value(self) -> Value {
        match self {
            Plain::Null => Value::Null,
            Plain::Boolean(it) => Value::Boolean(it),
            Plain::Integer(it) => Value::Integer(it),
            Plain::Float(it) => Value::Float(it),
            Plain::Text(it) => Value::Text(it),
            Plain::Bytes(it) => Value::Bytes(it),
            Plain::Special { special } => match special.as_str() {
                "nan" => Value::Float(f64::NAN),
                "infinity" => Value::Float(f64::INFINITY),
                "megabyte" => Value::Text("x".repeat(1 << 20)),
                _ => Value::Null,
            },
        }
    }
}

impl Call {
    fn statement(self) -> Statement {
        Statement {
            shape: match self.shape {
                Shape::Text(text) => text.into_bytes(),
                Shape::Bytes(bytes) => bytes,
                Shape::Document(document) => serde_json::Value::Object(document).to_string().into_bytes(),
            },
            params: self
                .params
                .into_iter()
                .map(|told| match told {
                    Told::One(plain) => Param::One(plain.value()),
                    Told::Many { many } => Param::Many(many.into_iter().map(Plain::value).collect()),
                    Told::Times { times, value } => Param::Many(vec![value.value(); times]),
                })
                .collect(),
        }
    }
}

fn cell(value: Value) -> serde_json::Value {
    match value {
        Value::Null => json!(null),
        Value::Boolean(it) => json!(it),
        Value::Integer(it) => json!(it),
        Value::Float(it) => json!(it),
        Value::Text(it) => json!(it),
        Value::Bytes(it) => json!({ "bytes": it }),
    }
}

fn rows(rows: Rows) -> serde_json::Value {
    json!({ "width": rows.width, "cells": rows.cells.into_iter().map(cell).collect::<Vec<_>>() })
}

fn outcome(outcome: Outcome) -> serde_json::Value {
    json!({ "affected": outcome.affected, "returned": rows(outcome.returned) })
}

fn answer<T>(result: Result<T, Error>, show: impl FnOnce(T) -> serde_json::Value) -> serde_json::Value {
    match result {
        Ok(value) => json!({ "ok": show(value) }),
        Err(error) => {
            let details: serde_json::Map<_, _> =
                error.details.into_iter().map(|(name, value)| (name, value.into())).collect();
            json!({ "error": error.code, "message": error.message, "details": details })
        }
    }
}

/// Does the steps of `[{"do": "fetch", "shape": {…}, "params": […]}, …]` and answers a list of `{"ok": …}` and `{"error": …}`.
pub async fn as_told(told: &[u8]) -> Response {
    let steps: Vec<Step> = match serde_json::from_slice(told) {
        Ok(steps) => steps,
        Err(error) => return text(400, error.to_string()),
    };
    let mut transaction: Option<queries::Transaction> = None;
    let mut answers = Vec::new();
    for step in steps {
        let done = match (step, &transaction) {
            (Step::Fetch(call), Some(tx)) if call.tx => answer(tx.fetch(call.statement()).await, rows),
            (Step::Fetch(call), _) => answer(queries::fetch(call.statement()).await, rows),
            (Step::Packed(call), Some(tx)) if call.tx => {
                answer(tx.fetch_packed(call.statement()).await, |block| json!(block.len()))
            }
            (Step::Packed(call), _) => {
                answer(queries::fetch_packed(call.statement()).await, |block| json!(block.len()))
            }
            (Step::Execute(call), Some(tx)) if call.tx => answer(tx.execute(call.statement()).await, outcome),
            (Step::Execute(call), _) => answer(queries::execute(call.statement()).await, outcome),
            (Step::Batch { statements }, _) => {
                let statements = statements.into_iter().map(Call::statement).collect();
                answer(queries::batch(statements).await, |all| all.into_iter().map(outcome).collect())
            }
            (Step::Begin, _) => match queries::Transaction::begin().await {
                Ok(tx) => {
                    transaction = Some(tx);
                    json!({ "ok": null })
                }
                Err(error) => answer::<()>(Err(error), |()| json!(null)),
            },
            (Step::Busy { ms }, _) => {
                let until = environment::now() + ms * 1_000;
                while environment::now() < until {}
                json!({ "ok": null })
            }
            (Step::Wait, _) => {
                glue::wait_for_ever().await;
                json!({ "ok": null })
            }
            (Step::Trap, _) => {
                crate::processor::trap();
                json!({ "ok": null })
            }
            (_, None) => json!({ "error": "no transaction" }),
            (Step::Savepoint, Some(tx)) => answer(tx.savepoint().await, |mark| json!(mark)),
            (Step::RollbackTo { mark }, Some(tx)) => answer(tx.rollback_to(mark).await, |()| json!(null)),
            (Step::Release { mark }, Some(tx)) => answer(tx.release(mark).await, |()| json!(null)),
            (Step::Commit, Some(tx)) => answer(tx.commit().await, |()| json!(null)),
            (Step::Rollback, Some(tx)) => answer(tx.rollback().await, |()| json!(null)),
            (Step::Drop, Some(_)) => {
                transaction = None;
                json!({ "ok": null })
            }
            (Step::Leave, Some(_)) => {
                std::mem::forget(transaction.take());
                json!({ "ok": null })
            }
        };
        answers.push(done);
    }
    text(200, serde_json::Value::Array(answers).to_string())
}

/// Writes inside a transaction and answers with it still open.
pub async fn leave_open() -> Response {
    let told = br#"[
        {"do": "begin"},
        {"do": "execute", "tx": true, "shape": {"v":1,"op":"insert","from":"row","set":{"message":"never committed"}}},
        {"do": "leave"}
    ]"#;
    as_told(told).await
}
