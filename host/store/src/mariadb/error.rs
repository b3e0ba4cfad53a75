//! What MariaDB says, in the store's words.

use std::io::ErrorKind;

use mysql_async::{DriverError, Error, IoError, ServerError};

use crate::error::{Constraint, StoreError};
use crate::server::outage::Refusal;
use crate::server::wire::Failure;

pub(super) fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(said) => of_server(said),
        other => Failure::Lost { why: other.to_string(), sent: !never_left(other) },
    }
}

/// Whether the driver failed before the server can have had all of what it was to send.
fn never_left(error: &Error) -> bool {
    match error {
        Error::Driver(DriverError::ConnectionClosed) => true,
        // Only writing gives this, and a command is done once its last byte has come.
        Error::Io(IoError::Io(error)) => error.kind() == ErrorKind::BrokenPipe,
        _ => false,
    }
}

/// Why a connection can't be opened.
pub(super) fn refusal(error: &Error) -> Refusal {
    let why = error.to_string();
    match error {
        Error::Server(said) => match said.code {
            1040 | 1041 | 1203 | 1226 => Refusal::Full(why),
            1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 => Refusal::Away(why),
            _ => Refusal::Denied(why),
        },
        Error::Io(_) | Error::Driver(DriverError::ConnectionClosed) => Refusal::Away(why),
        _ => Refusal::Denied(why),
    }
}

/// Numbers are those of "MariaDB Error Code Reference".
fn of_server(said: &ServerError) -> Failure {
    let text = || format!("{} (error {})", said.message, said.code);
    let constraint = |kind, subject: &str| StoreError::Constraint { kind, subject: subject.to_owned() };
    Failure::Store(match said.code {
        // "Duplicate entry 'x' for key 'polls__author__unique__name'"
        1062 | 1586 => constraint(Constraint::Unique, last_quoted(&said.message, '\'').unwrap_or_default()),
        // "Column 'name' cannot be null", "Field 'name' doesn't have a default value"
        1048 | 1364 => constraint(Constraint::NotNull, first_quoted(&said.message, '\'').unwrap_or_default()),
        // "… CONSTRAINT `polls__choice__question_id__key` FOREIGN KEY …"
        1216 | 1217 | 1451 | 1452 => {
            constraint(Constraint::ForeignKey, after(&said.message, "CONSTRAINT `").unwrap_or_default())
        }
        // "CONSTRAINT `polls__sample__at__range` failed for `site`.`polls__sample`"
        4025 => constraint(Constraint::Check, after(&said.message, "CONSTRAINT `").unwrap_or_default()),
        // "Datetime function: datetime field overflow"
        1441 => constraint(Constraint::Check, ""),
        4035..=4039 => StoreError::Unfit("a document has what MariaDB can't read, such as half of a surrogate pair"),
        4040 => StoreError::Unfit("a document is nested more than 32 deep, which MariaDB can't read"),
        // "Out of range value for column 'votes' at row 1"
        1264 | 1265 | 1292 | 1366 | 1406 => {
            constraint(Constraint::Check, last_quoted(&said.message, '\'').unwrap_or_default())
        }
        1690 => StoreError::Overflow,
        1020 | 1205 | 1213 => StoreError::Conflict,
        1317 | 1969 | 3024 => StoreError::Timeout,
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1396 | 1410 => StoreError::Denied(text()),
        1021 | 1114 => StoreError::Full,
        1040 | 1041 | 1203 | 1226 => StoreError::Busy("the database server has no room for now"),
        1290 | 1792 | 1836 => StoreError::ReadOnly(text()),
        1118 | 1153 | 1301 => StoreError::TooBig(65_535),
        1053 | 1077 | 1079 | 1080 | 1152 | 1158 | 1159 | 1160 | 1161 | 1184 | 1927 => {
            return Failure::Lost { why: text(), sent: true };
        }
        1243 | 1615 => return Failure::Stale,
        _ => StoreError::Internal(text()),
    })
}

fn first_quoted(text: &str, quote: char) -> Option<&str> {
    text.split(quote).nth(1)
}

fn last_quoted(text: &str, quote: char) -> Option<&str> {
    text.rsplit(quote).nth(1)
}

fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let rest = &text[text.find(mark)? + mark.len()..];
    rest.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_lead_to_what_they_are_about() {
        for (code, message, kind, subject) in [
            (1062, "Duplicate entry 'it''s' for key 'a__t__unique__n'", Constraint::Unique, "a__t__unique__n"),
            (1048, "Column 'n' cannot be null", Constraint::NotNull, "n"),
            (
                1452,
                "Cannot add or update a child row: a foreign key constraint fails (`s`.`a__c`, CONSTRAINT `a__c__t_id__key` FOREIGN KEY (`t_id`) REFERENCES `a__t` (`id`))",
                Constraint::ForeignKey,
                "a__c__t_id__key",
            ),
            (4025, "CONSTRAINT `a__t__n__range` failed for `s`.`a__t`", Constraint::Check, "a__t__n__range"),
            (1264, "Out of range value for column 'votes' at row 1", Constraint::Check, "votes"),
        ] {
            let said = ServerError { code, message: message.into(), state: String::new() };
            let Failure::Store(error) = failure(&Error::Server(said)) else { panic!("{message}") };
            assert_eq!(error, StoreError::Constraint { kind, subject: subject.into() });
        }
    }
}
