//! The whole host with real components: good, broken and hostile ones.
//!
//! `cargo xtask guests` builds the components that these tests load. Cases are data where they can be: see
//! `tests/cases`, and `tests/guests/README.md` for what each guest does.

// Tests read their cases, start the compiler's process and talk to their own server.
#![allow(clippy::disallowed_methods)]
// In a test, a broken invariant is a failed test; clippy's own exception knows only functions marked `#[test]`.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod abi;
mod apps;
mod backup;
mod bombs;
mod branch;
mod chinook;
mod client;
mod command;
mod exchanges;
mod forge;
mod hostile;
mod lanes;
mod loading;
mod memory;
mod neighbours;
mod once;
mod queries;
mod requests;
mod shared;
mod site;
mod standard;
