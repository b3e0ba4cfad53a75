//! `bandstand:db`: an app's queries over its own models.
//!
//! What this crate guarantees:
//!
//! - An app says *what* it wants, as a shape (`docs/reference/query-shape.md`); names come from its manifest alone, values
//!   are always bound. What isn't in the manifest can't be named, and below this the store's wall refuses every table
//!   that isn't the app's.
//! - A write is atomic and on disk when it is acknowledged. A value that doesn't fit its field never reaches the table.
//! - Everything counts against the request's budget, and everything ends by its deadline.
//! - Errors carry a stable code and never the database's text.
//!
//! A request's way: [`Db::open`] once, [`Db::for_app`] when an app is loaded, [`AppDb::for_request`] for each request. The
//! component's calls come in through [`add_to_linker`].
//!
//! ```
//! # use std::sync::Arc;
//! # use host_core::{budget::Limits, context::*, grants::*, manifest::Manifest};
//! # use host_db::{Db, DbConfig, Param, Value};
//! # use host_store::{Store, StoreConfig};
//! let manifest = Manifest::parse(r#"{"v":1,"name":"polls","models":[
//!     {"name":"question","fields":[{"name":"id","kind":"auto"},{"name":"text","kind":"char","max_length":200}]}]}"#)?;
//! let db = Db::open(Store::open(StoreConfig::temporary())?, DbConfig::default())?;
//! let app = db.for_app(&manifest)?;
//! let grants = Arc::new(Grants::from_iter([Capability::Db]));
//! let context = RequestContext::new(RequestId(1), manifest.name.clone(), grants, Limits::default());
//! let request = app.for_request(Arc::new(context));
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let text = Param::One(Value::Text("What's new?".into()));
//! request.execute(br#"{"v":1,"op":"insert","from":"question","set":{"text":{"$":0}}}"#, vec![text]).await?;
//! let rows = request.fetch(br#"{"v":1,"from":"question"}"#, vec![]).await?;
//! assert_eq!(rows.cells, [Value::Integer(1), Value::Text("What's new?".into())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod app;
mod attempt;
mod bind;
// The generated code re-exports what it is given, so that has to be public within a private module.
#[allow(unreachable_pub)]
mod bindings;
mod catalog;
mod config;
mod cursor;
mod deferred;
mod dialect;
mod dry;
mod error;
mod expand;
mod hold;
mod host;
pub mod inspect;
mod json;
mod keys;
mod kind;
mod packed;
mod page;
mod plan;
pub mod raw;
mod request;
mod result;
mod run;
mod serve;
mod shape;
mod tables;
mod transaction;
#[allow(unreachable_pub)]
mod types;

pub use app::{AppDb, Db, SchemaPlan};
pub use config::DbConfig;
pub use cursor::Cursor;
pub use dry::DryRun;
pub use error::{DbError, SchemaError, code};
pub use host::{CursorHandle, DbView, TransactionHandle, add_to_linker};
pub use page::{PageRows, Way};
pub use request::RequestDb;
pub use transaction::Transaction;
pub use types::{Outcome, Param, Rows, Statement, Value};
