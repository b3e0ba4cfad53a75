//! The SDK for Bandstand apps: what an app's author imports.
//!
//! An app is one WebAssembly component that a Bandstand site loads, sandboxes and mounts. It is written with models, views
//! and templates, and says of itself what it needs:
//!
//! ```ignore
//! use bandstand::prelude::*;
//!
//! #[derive(Model)]
//! #[model(ordering = "-pub_date")]
//! pub struct Question {
//!     pub id: Id<Self>,
//!     #[field(max_length = 200)]
//!     pub question_text: String,
//!     pub pub_date: DateTime,
//! }
//!
//! #[get("/", name = "index")]
//! async fn index(req: &Request) -> Result<Response> {
//!     let latest = Question::objects().filter(Question::PUB_DATE.le(now())).limit(5).all().await?;
//!     render(req, "polls/index.html", context! { latest })
//! }
//!
//! app! {
//!     name: "polls",
//!     models: [Question],
//!     routes: [index],
//! }
//! ```
//!
//! `docs/tutorial` builds this app step by step; `docs/reference/sdk.md` lists everything.

extern crate self as bandstand;

pub mod app;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod bindings;
pub mod db;
pub mod environment;
pub mod error;
pub mod extract;
mod form;
mod json;
#[doc(hidden)]
pub mod known;
pub mod log;
#[cfg(target_os = "wasi")]
mod platform;
pub mod request;
pub mod response;
pub mod templates;
pub mod time;
pub mod urls;
pub mod view;

pub use bandstand_macros::{Choices, Fields, Model, app, delete, get, patch, post, put, route};
pub use error::{Context, Error, Result};
pub use jiff;
pub use rust_decimal;
pub use serde_json;

#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use wit_bindgen;

// The SDK has a model of its own, for `db::once`.
__root!();

/// All that an app usually needs.
pub mod prelude {
    pub use crate::db::{
        Choices, Edge, FilePath, ForeignKey, Id, ImagePath, Lock, Many, ManyToMany, Model, OnConflict, Once, OneToOne,
        PerRow, Q, QuerySet, Row, Term, Unit, case, count, dense_rank, durable_transaction, exists, functions,
        on_commit, once, once_key, outer, partition_by, rank, row_number, subquery, transaction, value, window,
    };
    pub use crate::environment::random_bytes;
    pub use crate::error::{Context as _, Error, Result};
    pub use crate::extract::{Form, FromRequest, Json, Path, PathTail, Query, Slug};
    pub use crate::request::Request;
    pub use crate::response::{IntoResponse, Response, redirect};
    pub use crate::templates::{render, render_to_string};
    pub use crate::time::{Date, DateTime, Duration, Time, now, today};
    pub use crate::{app, context, debug, delete, error, get, info, patch, post, put, route, trace, url, warn};
    pub use bandstand_macros::{Choices, Fields, Model};
    pub use core::net::IpAddr;
    pub use rust_decimal::Decimal;
    pub use uuid::Uuid;
}
