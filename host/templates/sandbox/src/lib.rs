//! The template engine, as it runs inside the sandbox: templates and data in, text out.
//!
//! Templates come with apps that nobody trusts. minijinja counts fuel, but a few lines of a template can still make a
//! value that takes the age of the universe to print, or one nested so deeply that dropping it overflows the stack and
//! ends the process. So the host runs this crate as WebAssembly, where time, memory and stack have walls, and this crate
//! has no other door than [`Links`]. Compiled natively it is the same engine without the walls: for tests.
//!
//! Templates are Jinja with Django's names for filters; `docs/reference/templates.md` lists them.

mod abi;
mod check;
mod dates;
mod engine;
mod failure;
mod filters;
mod functions;
mod rows;
mod scope;
pub mod wire;

pub use engine::{Engine, Limits, Rendered, Source};
pub use failure::{Failure, Kind, Place};
pub use scope::{Facts, Links};
