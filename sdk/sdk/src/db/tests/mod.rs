//! The derives and the shapes that their models send, as the host reads them.

mod expressions;
mod manifest;
mod models;
mod relations;
mod shapes;
mod writes;

use core::task::{Context, Poll, Waker};

use super::*;
use crate::prelude::*;

#[derive(Model, Debug)]
#[model(ordering = "-pub_date", unique_together = [["question_text", "pub_date"]])]
pub(super) struct Question {
    id: Id<Self>,
    #[field(max_length = 200, help_text = "Ends with a \"?\"")]
    question_text: String,
    #[field(label = "date published", index)]
    pub_date: DateTime,
}

#[derive(Model, Debug)]
pub(super) struct Choice {
    id: Id<Self>,
    #[field(on_delete = Cascade, related_name = "choices")]
    question: ForeignKey<Question>,
    choice_text: String,
    #[field(default = 0)]
    votes: i32,
    #[field(on_delete = SetNull)]
    replaces: Option<ForeignKey<Self>>,
    #[field(choices = [("s", "Small"), ("l", "Large")], default = "s")]
    size: String,
    weight: Option<f64>,
}

#[derive(Model, Debug, PartialEq)]
#[model(name = "everything")]
pub(super) struct All {
    key: Id<Self>,
    small: i32,
    big: i64,
    float: f64,
    yes: bool,
    text: String,
    bytes: Vec<u8>,
    day: Date,
    time: Time,
    moment: DateTime,
    span: Duration,
    uuid: Uuid,
    json: Json<Vec<i32>>,
    #[field(default = -1)]
    negative: i64,
    #[field(default = 1.5)]
    half: f64,
    #[field(default = true)]
    on: bool,
    #[field(auto_now_add)]
    created: DateTime,
}

fn document(statement: &Statement) -> serde_json::Value {
    serde_json::from_slice(&statement.shape).unwrap_or_else(|error| {
        panic!("a shape is JSON, not {}: {error}", String::from_utf8_lossy(&statement.shape));
    })
}

fn texts(params: &[Param]) -> Vec<String> {
    params.iter().map(|param| format!("{param:?}")).collect()
}

/// The document that the set sends.
fn asked<M: Model>(set: QuerySet<M>) -> serde_json::Value {
    document(&set.select().expect("a query"))
}

/// The document that the columns of a set send.
fn asked_values<M: Model, O, N>(values: Values<M, O, N>) -> serde_json::Value {
    document(&values.statement().expect("a query"))
}

/// Runs what never waits for long: the fake host answers at once.
fn run<T>(work: impl Future<Output = T>) -> T {
    let mut work = core::pin::pin!(scope::run(work));
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the fake host doesn't let anybody wait"),
    }
}
