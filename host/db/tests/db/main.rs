//! `bandstand:db` without wasm: what an app would notice, through the API that the engine calls.
//!
//! Each test stands in its file once and runs on every database: `sqlite::writes::…`, `postgres::writes::…`,
//! `mariadb::writes::…`. Servers are started when the first test asks for one.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]
// Each file of tests is a module for each database.
#![allow(clippy::duplicate_mod)]

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
    Mariadb,
}

macro_rules! on {
    ($name:ident, $backend:expr) => {
        #[path = "."]
        mod $name {
            /// What `Site` opens.
            pub const BACKEND: crate::Backend = $backend;

            #[path = "aggregates.rs"]
            mod aggregates;
            #[path = "attacks.rs"]
            mod attacks;
            #[path = "budget.rs"]
            mod budget;
            #[path = "chinook.rs"]
            mod chinook;
            #[path = "combined.rs"]
            mod combined;
            #[path = "conflicts.rs"]
            mod conflicts;
            #[path = "constraints.rs"]
            mod constraints;
            #[path = "cursors.rs"]
            mod cursors;
            #[path = "deferred.rs"]
            mod deferred;
            #[path = "delete.rs"]
            mod delete;
            #[path = "edges.rs"]
            mod edges;
            #[path = "elsewhere.rs"]
            mod elsewhere;
            #[path = "expressions.rs"]
            mod expressions;
            #[path = "fields.rs"]
            mod fields;
            #[path = "filters.rs"]
            mod filters;
            #[path = "functions.rs"]
            mod functions;
            #[path = "grants.rs"]
            pub mod grants;
            #[path = "held.rs"]
            mod held;
            #[path = "hostile.rs"]
            mod hostile;
            #[path = "keys.rs"]
            mod keys;
            #[path = "properties/mod.rs"]
            mod properties;
            #[path = "quotas.rs"]
            mod quotas;
            #[path = "raw.rs"]
            mod raw;
            #[path = "related.rs"]
            mod related;
            #[path = "relations.rs"]
            mod relations;
            #[path = "rules.rs"]
            mod rules;
            #[path = "schema.rs"]
            mod schema;
            #[path = "shares.rs"]
            mod shares;
            #[path = "shop.rs"]
            pub mod shop;
            #[path = "site.rs"]
            pub mod site;
            #[path = "subqueries.rs"]
            mod subqueries;
            #[path = "transactions.rs"]
            mod transactions;
            #[path = "windows.rs"]
            mod windows;
            #[path = "writes.rs"]
            mod writes;
        }
    };
}

on!(sqlite, crate::Backend::Sqlite);
on!(postgres, crate::Backend::Postgres);
on!(mariadb, crate::Backend::Mariadb);

mod flights;

/// What is about SQLite's file alone.
#[path = "."]
mod file {
    #[path = "bench.rs"]
    mod bench;
    #[path = "crash.rs"]
    mod crash;
    #[path = "restart.rs"]
    mod restart;
    pub use crate::sqlite::site;
}
