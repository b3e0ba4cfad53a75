//! Whose request a room is serving.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::access::Facts;
use crate::budget::{Budget, Limits};
use crate::grants::{Capability, Grants};
use crate::name::AppId;
use crate::queries::QueryLog;

/// A request's name in the log, in error pages and in the `x-request-id` header: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What every room needs to know of the request that it serves. Shared by `Arc` for the request's life.
#[derive(Debug)]
pub struct RequestContext {
    /// The request's id.
    pub id: RequestId,
    /// The app that serves it.
    pub app: AppId,
    /// What that app may do.
    pub grants: Arc<Grants>,
    /// What rules about rows may ask of it.
    pub facts: Facts,
    /// What it has used up.
    pub budget: Budget,
    /// When it must have ended.
    pub deadline: Instant,
    /// What it asks of the database, where somebody wants to see it.
    pub queries: Option<QueryLog>,
    /// Whether the app waits for the request's body.
    awaits_body: AtomicBool,
    /// Whether the app gave up on its response.
    broken_off: AtomicBool,
    /// What the app complained of in the log, for its author's error page.
    complaint: OnceLock<String>,
}

impl RequestContext {
    /// A context whose time begins now.
    pub fn new(id: RequestId, app: AppId, grants: Arc<Grants>, limits: Limits) -> Self {
        let deadline = Instant::now() + Duration::from_millis(limits.wall_ms);
        Self {
            id,
            app,
            grants,
            facts: Facts::default(),
            budget: Budget::new(limits),
            deadline,
            queries: None,
            awaits_body: AtomicBool::new(false),
            broken_off: AtomicBool::new(false),
            complaint: OnceLock::new(),
        }
    }

    /// The same, with what the host knows of the request.
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// The same, keeping what is asked of the database.
    pub fn with_query_log(mut self) -> Self {
        self.queries = Some(QueryLog::new(self.id, self.app.clone()));
        self
    }

    /// Whether the app may use `capability`.
    pub fn may(&self, capability: Capability) -> bool {
        self.grants.has(capability)
    }

    /// Notes whether the app waits for more of the request's body.
    pub fn set_awaits_body(&self, awaits: bool) {
        self.awaits_body.store(awaits, Relaxed);
    }

    /// Whether the app waits for more of the request's body: then it is the client who takes the time.
    pub fn awaits_body(&self) -> bool {
        self.awaits_body.load(Relaxed)
    }

    /// Notes that the app can't finish its response.
    pub fn break_off(&self) {
        self.broken_off.store(true, Relaxed);
    }

    /// Whether the app can't finish its response.
    pub fn is_broken_off(&self) -> bool {
        self.broken_off.load(Relaxed)
    }

    /// Keeps the first error that the app writes to the log: what follows is mostly its consequence.
    pub fn complain(&self, text: &str) {
        self.complaint.get_or_init(|| text.to_owned());
    }

    /// The first error that the app wrote to the log.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.get().map(String::as_str)
    }

    /// Time until the deadline, zero past it.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
