//! The text of a statement that an app wrote: what it does by its first word, and where its values go.
//!
//! What a statement may touch is never decided here: that is the database's wall. This is for clear errors, and so that the same
//! place for a value is the same character on all databases.

use std::fmt::Write;

use crate::error::{DbError, code};
use crate::kind::has_zero;

/// The longest statement, in bytes: as long as the longest shape.
pub(super) const MAX_SQL: usize = 64 << 10;

/// What a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Reads,
    Writes,
}

const READING: [&str; 4] = ["SELECT", "WITH", "VALUES", "EXPLAIN"];
const WRITING: [&str; 6] = ["INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH"];

pub(super) fn wrong(problem: impl Into<String>) -> DbError {
    DbError::new(code::INVALID_SQL, problem)
}

/// Refuses what is too long, what isn't text for a database, and what begins with another word: transactions, settings and
/// tables are the host's.
pub(super) fn check(sql: &str, does: Does) -> Result<(), DbError> {
    if sql.len() > MAX_SQL {
        let problem = format!("a statement has {MAX_SQL} bytes at most, not {}", sql.len());
        return Err(wrong(problem).with("limit", MAX_SQL));
    }
    if has_zero(sql) {
        return Err(wrong("a statement can't hold U+0000"));
    }
    let begun = sql.trim_start();
    let word = begun.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let (own, other, call) = match does {
        Does::Reads => (&READING[..], &WRITING[..], "execute"),
        Does::Writes => (&WRITING[..], &READING[..], "fetch"),
    };
    let is = |known: &str| known.eq_ignore_ascii_case(word);
    if own.iter().any(|known| is(known)) {
        return Ok(());
    }
    let words = own.join(", ");
    Err(match word {
        word if other.iter().any(|known| known.eq_ignore_ascii_case(word)) => {
            wrong(format!("begins with {}; call `{call}`", word.to_ascii_uppercase()))
        }
        "" => wrong(format!("must begin with one of {words}, without a comment before it")),
        word => {
            let word: String = word.chars().take(30).collect();
            wrong(format!("begins with `{word}`, which isn't an app's to say; there are {words}"))
        }
    })
}

/// The same with PostgreSQL's places (`$1`) for `?`. `??` is the operator with one question mark.
pub(super) fn numbered(sql: &str) -> String {
    let mut made = String::with_capacity(sql.len() + 16);
    let (mut count, mut rest) = (0_usize, sql);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\'' => quoted(rest, '\'', is_marked_with_e(&made)),
            '"' => quoted(rest, '"', false),
            '$' if !ends_in_name(&made) => dollars(rest),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '?' => {
                let twice = rest.starts_with("??");
                if twice {
                    made.push('?');
                } else {
                    count += 1;
                    // Writing into a text can't fail.
                    let _ = write!(made, "${count}");
                }
                rest = &rest[1 + usize::from(twice)..];
                continue;
            }
            c => c.len_utf8(),
        };
        let (part, after) = rest.split_at(length);
        made.push_str(part);
        rest = after;
    }
    made
}

/// How long the quoted text at the beginning is, with its quotes; to the end where it doesn't end.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' if backslashes => {
                characters.next();
            }
            // Twice stands for itself.
            c if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `$$…$$` or `$tag$…$tag$`; a lone `$` is itself.
fn dollars(text: &str) -> usize {
    let inner = &text[1..];
    let tag = inner.find(|c: char| !is_of_name(c)).unwrap_or(inner.len());
    if !inner[tag..].starts_with('$') || inner.starts_with(|c: char| c.is_ascii_digit()) {
        return 1;
    }
    let mark = &text[..tag + 2];
    text[mark.len()..].find(mark).map_or(text.len(), |at| at + 2 * mark.len())
}

/// Comments of this kind stand in one another.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(step) = text[at..].find(['/', '*']) {
        at += step;
        match text.get(at..at + 2) {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn is_of_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn ends_in_name(made: &str) -> bool {
    made.ends_with(|c| is_of_name(c) || c == '$')
}

/// Whether the text that begins now is `E'…'`, in which backslashes mean something.
fn is_marked_with_e(made: &str) -> bool {
    made.strip_suffix(['e', 'E']).is_some_and(|before| !ends_in_name(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_where_they_are_places() {
        for (sql, expected) in [
            ("SELECT ?, ? WHERE a = ?", "SELECT $1, $2 WHERE a = $3"),
            ("SELECT '?', ?, 'it''s ?'", "SELECT '?', $1, 'it''s ?'"),
            ("SELECT E'\\'?', ?", "SELECT E'\\'?', $1"),
            ("SELECT '\\', ?", "SELECT '\\', $1"),
            ("SELECT name'\\', ?", "SELECT name'\\', $1"),
            ("SELECT \"a?\"\"?\", ?", "SELECT \"a?\"\"?\", $1"),
            ("SELECT $$ ? $$, ?", "SELECT $$ ? $$, $1"),
            ("SELECT $a$ ? $$ ? $a$, ?", "SELECT $a$ ? $$ ? $a$, $1"),
            ("SELECT a$b$ ?", "SELECT a$b$ $1"),
            ("SELECT $1, ?", "SELECT $1, $1"),
            ("SELECT ? -- ?\n, ?", "SELECT $1 -- ?\n, $2"),
            ("SELECT /* ? /* ? */ ? */ ?", "SELECT /* ? /* ? */ ? */ $1"),
            ("SELECT doc ?? 'a', ? - -1", "SELECT doc ? 'a', $1 - -1"),
            ("SELECT 'ä?', ?", "SELECT 'ä?', $1"),
            ("SELECT 'open ?", "SELECT 'open ?"),
            ("SELECT $x$ open ?", "SELECT $x$ open ?"),
            ("SELECT /* open ?", "SELECT /* open ?"),
            ("SELECT $", "SELECT $"),
            ("SELECT E'\\", "SELECT E'\\"),
        ] {
            assert_eq!(numbered(sql), expected);
        }
    }

    #[test]
    fn the_first_word_says_what_it_does() {
        for (sql, does) in [
            (" select 1", Does::Reads),
            ("WITH a AS (SELECT 1) SELECT 1", Does::Reads),
            ("values(1)", Does::Reads),
            ("\n\tInsert INTO t VALUES (1)", Does::Writes),
            ("with a AS (SELECT 1) DELETE FROM t", Does::Writes),
        ] {
            assert_eq!(check(sql, does), Ok(()), "{sql}");
        }
        for (sql, does, hint) in [
            ("UPDATE t SET a = 1", Does::Reads, "`execute`"),
            ("SELECT 1", Does::Writes, "`fetch`"),
            ("DROP TABLE t", Does::Writes, "`DROP`"),
            ("PRAGMA x", Does::Reads, "`PRAGMA`"),
            ("COMMIT", Does::Writes, "isn't an app's"),
            ("/*!50000 SET */ SELECT 1", Does::Reads, "without a comment"),
            ("-- x\nSELECT 1", Does::Reads, "without a comment"),
            ("", Does::Reads, "must begin"),
            ("SELECT '\0'", Does::Reads, "U+0000"),
            ("SELECTED", Does::Reads, "`SELECTED`"),
        ] {
            let error = check(sql, does).expect_err(sql);
            assert!(error.code == code::INVALID_SQL && error.message.contains(hint), "{sql}: {error}");
        }
        assert!(check(&format!("SELECT '{}'", "x".repeat(MAX_SQL)), Does::Reads).is_err());
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        proptest::proptest!(|(sql in "[?'\"$a1E/*\\-\n\\\\ä ]{0,60}")| {
            let made = numbered(&sql);
            proptest::prop_assert!(made.len() >= sql.replace("??", "?").len() / 2);
        });
    }
}
