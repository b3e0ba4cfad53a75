//! What PostgreSQL says, in the store's words.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::error::{Constraint, StoreError};

/// What the planner makes the server say of a search that couldn't be stopped.
const TOO_LONG: &str = "bytes are too long to search";

/// What a document may have, and PostgreSQL's texts have not.
const NO_TEXT: &str = "a document has \\u0000 or half of a surrogate pair, which PostgreSQL can't keep";

/// What a failure means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The statement failed; the connection is fine.
    Said(StoreError),
    /// The connection is gone.
    Lost(String),
    /// A prepared statement is no longer right for the tables, which have changed: prepare it again.
    Stale,
}

pub(super) fn meaning(error: &Error) -> Meaning {
    match error.as_db_error() {
        Some(said) => of_server(said),
        None if error.is_closed() => Meaning::Lost("the connection is closed".into()),
        None => {
            let source = std::error::Error::source(error);
            let text = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            // A parameter that can't be written never reaches the server; all else is about the connection.
            if source.is_some_and(|source| source.is::<std::num::TryFromIntError>()) {
                Meaning::Said(StoreError::Overflow)
            } else if source.is_some_and(|source| source.is::<std::io::Error>()) {
                Meaning::Lost(text)
            } else {
                Meaning::Said(StoreError::Internal(text))
            }
        }
    }
}

fn of_server(said: &DbError) -> Meaning {
    let text = || format!("{} (SQLSTATE {})", said.message(), said.code().code());
    let constraint = |kind, subject: &str| StoreError::Constraint { kind, subject: subject.to_owned() };
    let named = |kind| constraint(kind, said.constraint().unwrap_or_default());
    let code = said.code();
    Meaning::Said(match code.code() {
        "23505" => named(Constraint::Unique),
        "23503" => named(Constraint::ForeignKey),
        "23514" | "23P01" => named(Constraint::Check),
        "23502" => {
            let subject = match (said.table(), said.column()) {
                (Some(table), Some(column)) => format!("{table}.{column}"),
                _ => String::new(),
            };
            constraint(Constraint::NotNull, &subject)
        }
        "22P02" if said.message().contains(TOO_LONG) => StoreError::Unfit(
            "what is searched and what is sought are too long: their lengths, multiplied, are 4 GiB at most",
        ),
        // What a column is too narrow for, or what is beyond all numbers.
        "22003" if is_narrow(said.message()) => constraint(Constraint::Check, ""),
        "22003" => StoreError::Overflow,
        "22001" | "22008" => constraint(Constraint::Check, ""),
        "22P05" => StoreError::Unfit(NO_TEXT),
        "22P02" if said.detail().is_some_and(|detail| detail.contains("surrogate")) => StoreError::Unfit(NO_TEXT),
        "40001" | "40P01" => StoreError::Conflict,
        "55P03" => StoreError::Busy("another statement holds the row"),
        "57014" | "25P03" | "57P05" => StoreError::Timeout,
        "42501" => StoreError::Denied(text()),
        "53100" => StoreError::Full,
        "53200" | "53300" | "53400" | "57P03" => StoreError::Busy("the database server has no room for now"),
        "25006" => StoreError::ReadOnly(text()),
        // An index holds a third of a page, which is of 8 KiB.
        "54000" => StoreError::TooBig(2_704),
        "57P01" | "57P02" => return Meaning::Lost(text()),
        "26000" => return Meaning::Stale,
        "0A000" if *code == SqlState::FEATURE_NOT_SUPPORTED && said.message().contains("cached plan") => {
            return Meaning::Stale;
        }
        class if class.starts_with("08") => return Meaning::Lost(text()),
        _ => StoreError::Internal(text()),
    })
}

/// Whether it is a column's own range that was left. There is no code for it; the messages are those that the host's
/// connections ask for, in the server's own language where it has one, and then it is taken for the other case.
fn is_narrow(message: &str) -> bool {
    ["integer out of range", "smallint out of range", "numeric field overflow"].contains(&message)
}
