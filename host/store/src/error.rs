//! What can go wrong between the host and its database.

use rusqlite::ffi;

/// Why a statement or a commit failed.
///
/// The texts are for the operator and the log; what an app may see is decided where its statements are built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A constraint of the table.
    #[error("constraint failed: {subject}")]
    Constraint {
        /// Which kind of constraint.
        kind: Constraint,
        /// What the database names: `table.column, table.column`, or the constraint's name; empty for foreign keys.
        subject: String,
    },
    /// Nothing was done, because no connection was free in time or another program holds the file's lock.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// The statement ran past its deadline and was stopped; nothing of it remains.
    #[error("the statement ran past its deadline")]
    Timeout,
    /// A short read turned out not to be one. Only inline reads end so; the caller repeats it on a reader thread.
    #[error("more work than a short read may do")]
    NotShort,
    /// The request that wanted the result is gone.
    #[error("cancelled")]
    Cancelled,
    /// The transaction is over: committed, rolled back, or taken away when its time was up.
    #[error("the transaction is over")]
    Closed,
    /// Another write changed the app's data between this transaction's first read and its first write.
    #[error("the app's data changed since the transaction read it")]
    Conflict,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The database file or its directory can't be written.
    #[error("the database can't be written: {0}")]
    ReadOnly(String),
    /// The statement would touch what its app doesn't own.
    #[error("not allowed: {0}")]
    Denied(String),
    /// A value or a row is larger than the store allows.
    #[error("a value or a row is larger than {0} bytes")]
    TooBig(u32),
    /// A number is larger than its kind can be, or is none.
    #[error("a number is beyond what its kind holds: 64 bits of a whole number, 28 digits of a decimal")]
    Overflow,
    /// A value that this database can't take, for the reason given.
    #[error("{0}")]
    Unfit(&'static str),
    /// The connection broke while committing: nobody knows whether the write is on disk.
    #[error("the outcome of the commit is unknown: {0}")]
    UnknownOutcome(String),
    /// The settings make no sense.
    #[error("{0}")]
    Config(String),
    /// Anything else, in the database's words.
    #[error("database: {0}")]
    Internal(String),
}

/// A kind of constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// A unique column or set of columns, the primary key among them.
    Unique,
    /// A reference to a row that doesn't exist, or from one that still does.
    ForeignKey,
    /// A column that must have a value.
    NotNull,
    /// A check on a column.
    Check,
    /// A value of the wrong type for its column.
    Type,
}

impl StoreError {
    /// A statement with so many places for values was given another number of them.
    pub(crate) fn places(count: usize, given: usize) -> Self {
        Self::Internal(format!("it has {count} places for values, and {given} were given"))
    }

    pub(crate) fn from_sqlite(error: rusqlite::Error, max_value_bytes: u32) -> Self {
        let rusqlite::Error::SqliteFailure(failure, text) = &error else {
            return Self::Internal(error.to_string());
        };
        let text = text.clone().unwrap_or_else(|| failure.to_string());
        let subject = || text.split_once(": ").map(|(_, subject)| subject.to_owned()).unwrap_or_default();
        let constraint = |kind| Self::Constraint { kind, subject: subject() };
        match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                constraint(Constraint::Unique)
            }
            ffi::SQLITE_CONSTRAINT_NOTNULL => constraint(Constraint::NotNull),
            // Without more to it where rows that are there don't fulfil a check which is added.
            ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT => constraint(Constraint::Check),
            ffi::SQLITE_CONSTRAINT_DATATYPE => {
                // "cannot store REAL value in INTEGER column polls__choice.votes"
                let subject = text.rsplit(' ').next().unwrap_or_default().to_owned();
                Self::Constraint { kind: Constraint::Type, subject }
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
                Self::Constraint { kind: Constraint::ForeignKey, subject: String::new() }
            }
            _ => match failure.extended_code & 0xff {
                ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Self::Busy("another program holds the database's lock"),
                ffi::SQLITE_FULL => Self::Full,
                ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM => Self::ReadOnly(text),
                ffi::SQLITE_AUTH => Self::Denied(text),
                ffi::SQLITE_TOOBIG => Self::TooBig(max_value_bytes),
                // The session knows better why it was stopped and replaces this.
                ffi::SQLITE_INTERRUPT => Self::Timeout,
                // It has no code of its own.
                _ if text == "integer overflow" => Self::Overflow,
                _ if text == crate::functions::TOO_LONG => {
                    Self::Constraint { kind: Constraint::Check, subject: String::new() }
                }
                _ => Self::Internal(format!("{text} (code {})", failure.extended_code)),
            },
        }
    }
}
