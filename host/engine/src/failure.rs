//! Why a request has no answer of its app, and what the client is told.

use std::fmt;

use host_core::budget::{Exhausted, Resource};
use host_db::{DbError, code};
use http::StatusCode;

use crate::guest_log;

/// What went wrong with one request.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A part of its budget ran out.
    Budget(Exhausted),
    /// The guest trapped; the text has the trap and the backtrace.
    Trap(String),
    /// The instance could not be made.
    Instantiate(String),
    /// It answered something that isn't a response.
    BadResponse(String),
    /// Its page could not be rendered.
    Render {
        /// For the log.
        short: String,
        /// For the app's author, in development.
        dev_page: Option<String>,
        /// Whether it cost more than it may.
        budget: bool,
    },
    /// A query of its page failed.
    Query(DbError),
    /// Another request in the same instance broke it.
    Company,
    /// The client sent its body so slowly that the request's time was up.
    SlowClient,
    /// No instance was free in time.
    Busy,
    /// A fault of the host's own.
    Host(String),
}

impl Failure {
    /// Sorts what wasmtime returned: our own verdicts travel inside its errors.
    pub(crate) fn from_wasm(error: wasmtime::Error) -> Self {
        if let Some(exhausted) = error.downcast_ref::<Exhausted>() {
            return Self::Budget(*exhausted);
        }
        // The queue is there so that this never happens; if it does, it isn't the app's fault.
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::Busy;
        }
        Self::Trap(on_one_line(&format!("{error:?}")))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Failure::Budget(Exhausted { resource: Resource::Wall, .. }) => StatusCode::GATEWAY_TIMEOUT,
            Failure::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Failure::Query(error) if error.code == code::TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
            Failure::Query(error) if matches!(error.code, code::BUDGET | code::BUSY) => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Budget(_) | Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Trap(_)
            | Failure::Instantiate(_)
            | Failure::BadResponse(_)
            | Failure::Render { .. }
            | Failure::Query(_)
            | Failure::Company
            | Failure::Host(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What a visitor may know.
    pub(crate) fn public(&self) -> &'static str {
        match self {
            Failure::Budget(Exhausted { resource: Resource::Wall, .. }) => {
                "This page took too long, so it was stopped. The rest of the site isn't affected."
            }
            Failure::Budget(_) => {
                "This page needed more than it may use, so it was stopped. The rest of the site isn't affected."
            }
            Failure::SlowClient => "Your request took too long to arrive.",
            Failure::Busy => "Too many people want this page at the moment. Try again in a few seconds.",
            _ => "This page failed. It's not your fault, and the rest of the site isn't affected.",
        }
    }

    /// Whether it counts for the app's circuit breaker.
    pub(crate) fn opens_breaker(&self) -> bool {
        match self {
            Failure::Budget(_) | Failure::Instantiate(_) | Failure::Render { budget: true, .. } => true,
            Failure::Query(error) => matches!(error.code, code::BUDGET | code::TIMEOUT),
            _ => false,
        }
    }
}

/// A trap's story: its backtrace has the guest's own names for its functions in it, and those may hold anything, such as
/// what would look like another line of the log.
fn on_one_line(story: &str) -> String {
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    guest_log::clean(&lines.join(" | "))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Budget(exhausted) => exhausted.fmt(f),
            Failure::Trap(text) => write!(f, "trap: {text}"),
            Failure::Instantiate(text) => write!(f, "could not be instantiated: {text}"),
            Failure::BadResponse(text) => write!(f, "answered something that isn't a response: {text}"),
            Failure::Render { short, .. } => f.write_str(short),
            Failure::Query(error) => write!(f, "a query of its page failed: {error}"),
            Failure::Company => {
                f.write_str("another request in the same instance broke it, and this one can't be tried again")
            }
            Failure::SlowClient => f.write_str("the client was too slow in sending the request's body"),
            Failure::Busy => f.write_str("no instance was free in time"),
            Failure::Host(text) => write!(f, "a fault of the host: {text}"),
        }
    }
}
