//! What an app is told when a statement isn't carried out.

use std::fmt;

use host_core::budget::{Exhausted, Resource};
use host_core::context::RequestContext;
use host_core::grants::Capability;
use host_core::quota::UsedUp;
use wasmtime::component::{ComponentType, Lower};

/// The stable words of [`DbError::code`].
pub mod code {
    /// A capability that wasn't granted, another app's table, another request's transaction.
    pub const ACCESS_DENIED: &str = "access-denied";
    /// The shape can't be read or makes no sense for the models.
    pub const INVALID_SHAPE: &str = "invalid-shape";
    /// A parameter doesn't fit.
    pub const INVALID_VALUE: &str = "invalid-value";
    /// The shape is right but not possible here.
    pub const UNSUPPORTED: &str = "unsupported";
    /// No model of that name.
    pub const UNKNOWN_MODEL: &str = "unknown-model";
    /// No field of that name.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// Another row has the same value.
    pub const UNIQUE: &str = "unique";
    /// It would point to a row that doesn't exist, or is pointed to.
    pub const FOREIGN_KEY: &str = "foreign-key";
    /// A field that must have a value.
    pub const NOT_NULL: &str = "not-null";
    /// A value outside of its field's range.
    pub const CHECK: &str = "check";
    /// Rows that protect what would be deleted.
    pub const PROTECTED: &str = "protected";
    /// No connection was free in time, or the disk is full: nothing was done.
    pub const BUSY: &str = "busy";
    /// The data changed under a transaction: begin it again.
    pub const CONFLICT_RETRY: &str = "conflict-retry";
    /// The request would wait for itself.
    pub const WOULD_DEADLOCK: &str = "would-deadlock";
    /// A deadline passed.
    pub const TIMEOUT: &str = "timeout";
    /// A part of the request's budget ran out.
    pub const BUDGET: &str = "budget";
    /// What all requests of the app together may take is used up.
    pub const QUOTA: &str = "quota";
    /// The transaction or the request is over.
    pub const CLOSED: &str = "closed";
    /// The connection broke while committing.
    pub const UNKNOWN_OUTCOME: &str = "unknown-outcome";
    /// What the database says about SQL that the app wrote.
    pub const INVALID_SQL: &str = "invalid-sql";
    /// A mistake of the host's.
    pub const INTERNAL: &str = "internal";
}

/// Why a statement was not carried out. Never the database's own text, which could tell of others' rows; but for what it says about
/// SQL that the app wrote, which ran with the app's rights alone.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct DbError {
    /// One of [`code`]'s words.
    #[component(name = "code")]
    pub code: &'static str,
    /// For the developer.
    #[component(name = "message")]
    pub message: String,
    /// Named facts, such as `model`, `field` or `limit`.
    #[component(name = "details")]
    pub details: Vec<(&'static str, String)>,
}

/// Writes out what would end a line or do something to a terminal.
fn one_line(text: String) -> String {
    if !text.chars().any(char::is_control) {
        return text;
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

impl DbError {
    /// An error without details. Its message is one line, whatever names of the app's it repeats.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: one_line(message.into()), details: Vec::new() }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, fact: impl fmt::Display) -> Self {
        self.details.push((name, one_line(fact.to_string())));
        self
    }

    /// The fact called `name`.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(known, _)| *known == name).map(|(_, fact)| fact.as_str())
    }

    /// Roughly what it takes to carry it, in bytes.
    pub fn weight(&self) -> usize {
        self.message.len() + self.details.iter().map(|(name, fact)| name.len() + fact.len()).sum::<usize>()
    }

    /// The answer of an interface that wasn't granted.
    pub fn denied(capability: Capability) -> Self {
        let problem = format!(
            "the capability `{capability}` isn't granted; ask for it in the manifest and let the operator grant it"
        );
        Self::new(code::ACCESS_DENIED, problem).with("capability", capability)
    }

    pub(crate) fn time_is_up(context: &RequestContext) -> Self {
        Self::new(code::TIMEOUT, "the request's time is up").with("limit", context.budget.limits().wall_ms)
    }

    pub(crate) fn database_time_is_up(context: &RequestContext) -> Self {
        Exhausted { resource: Resource::DbTime, limit: context.budget.limits().db_ms }.into()
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        self.details.iter().try_for_each(|(name, fact)| write!(f, " [{name}: {fact}]"))
    }
}

impl std::error::Error for DbError {}

impl From<UsedUp> for DbError {
    fn from(used_up: UsedUp) -> Self {
        let UsedUp { key, limit, after } = used_up;
        let remedy = match after {
            Some(after) => format!("try again in {} ms", after.as_millis()),
            None => "delete rows".into(),
        };
        let problem = format!(
            "the app's quota is used up: {key} = {limit}; {remedy}, or let the operator raise `{key}` in the app's quota"
        );
        let error = Self::new(code::QUOTA, problem).with("resource", key).with("limit", limit);
        match after {
            Some(after) => error.with("retry_ms", after.as_millis()),
            None => error,
        }
    }
}

impl From<UsedUp> for Fault {
    fn from(used_up: UsedUp) -> Self {
        Self::Db(used_up.into())
    }
}

impl From<Exhausted> for DbError {
    fn from(exhausted: Exhausted) -> Self {
        Self::new(code::BUDGET, exhausted.to_string())
            .with("resource", exhausted.resource.as_str())
            .with("limit", exhausted.limit)
    }
}

/// Why an app's tables can't be made or used: for the operator, so it names everything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("database of app `{app}`: {problem}")]
pub struct SchemaError {
    pub(crate) app: String,
    pub(crate) problem: String,
}

impl SchemaError {
    /// The same without the app's name.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

/// What a unit of work ends with, before the database's part is put into words that an app may see.
#[derive(Debug)]
pub(crate) enum Fault {
    Db(DbError),
    Store(host_store::StoreError),
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<host_store::StoreError> for Fault {
    fn from(error: host_store::StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Exhausted> for Fault {
    fn from(error: Exhausted) -> Self {
        Self::Db(error.into())
    }
}
