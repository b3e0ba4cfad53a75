//! The sandbox: wasmtime, its limits, the loaded apps, and the way of a request through one of them.
//!
//! A [`Site`] holds the apps. [`Site::load`] takes a component's bytes through every check and swaps it in while
//! requests run; [`Site`] answers requests as [`host_core::http::Site`]. What a guest may do, for how long and with how much
//! memory is decided here and nowhere else; [`linker`] is the only list of interfaces.
//!
//! A request's work is one future that owns its store. The `driver` polls it from outside the sandbox's event loop,
//! measures its processor time, ends it at its deadline and moves it to idle-priority threads when it has used up its
//! slice, so that a spinning guest doesn't slow its neighbours down.

mod assets;
mod bindings;
mod body;
mod breaker;
mod compile;
mod config;
mod core;
mod data;
mod describe;
mod driver;
mod failure;
mod guest_log;
mod host;
mod inspect;
mod lanes;
mod limiter;
mod linker;
mod load;
mod meter;
mod page;
mod respond;
mod response;
mod reuse;
mod rooms;
mod run;
mod shared;
mod site;
mod slots;
mod standard;
mod tasks;
mod version;
mod wasi;
mod wasm;

pub use compile::compile_worker;
pub use config::{AppConfig, CompileConfig, EngineConfig, Reuse};
pub use core::EngineError;
pub use inspect::MAX_FILE;
pub use load::{LoadError, Loaded, Report, Source, Step};
pub use site::{AppInfo, Parts, RouteInfo, Site};
pub use version::Kind;
