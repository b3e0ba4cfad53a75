//! Which app and route a path means, and which path a route has.
//!
//! A [`Table`] is built from the mounts of all loaded apps whenever one comes, goes or changes, and never changes
//! itself: the engine swaps tables. It guarantees:
//!
//! - the longest mount prefix wins, whole segments only: `/polls/` has `/polls/x` and not `/pollsters`;
//! - in an app, a literal segment goes before a capture in the same place, and between captures the route that was
//!   declared first wins; a route that doesn't answer the method isn't considered;
//! - a match visits each node of an app's tree at most once, whatever the path, so no path is expensive;
//! - what a converter took is checked and decoded, and [`host_core::reverse::Reverse::reverse`] makes only paths that
//!   resolve to the same route with the same arguments, or an error.
//!
//! ```
//! use host_core::{manifest::{Method, Pattern, Route}, name::AppId, reverse::Reverse};
//! use host_routing::{Kind, Match, Mount, Table};
//!
//! let polls = AppId::new("polls")?;
//! let detail = Route {
//!     path: Pattern::parse("/{question:int}/")?,
//!     methods: vec![Method::Get],
//!     name: Some("detail".into()),
//! };
//! let table = Table::build(vec![Mount { app: polls.clone(), prefix: "/polls/".into(), kind: Kind::Routes(vec![detail]) }])?;
//! match table.resolve(&http::Method::GET, "/polls/5/") {
//!     Match::Route(hit) => assert_eq!(hit.params, ["5"]),
//!     other => panic!("{other:?}"),
//! }
//! assert_eq!(table.reverse(&polls, "detail", &["5".into()])?, "/polls/5/");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bindings;
mod error;
mod host;
mod mount;
mod path;
mod resolve;
mod reverse;
mod table;
#[cfg(test)]
mod tests;
mod tree;

pub use error::TableError;
pub use host::{View, add_to_linker};
pub use mount::{Kind, Mount};
pub use resolve::{Match, RouteMatch, WholeMatch};
pub use table::Table;
