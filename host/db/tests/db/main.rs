//! `bandstand:db` without wasm: what an app would notice, through the API that the engine calls.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod aggregates;
mod bench;
mod budget;
mod chinook;
mod crash;
mod deferred;
mod delete;
mod filters;
mod hostile;
mod properties;
mod schema;
mod site;
mod transactions;
mod writes;
