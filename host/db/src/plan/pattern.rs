//! Regular expressions of an app: what all three databases and the host's library read the same way.
//!
//! The databases have engines of their own (the regex crate, PostgreSQL's, PCRE), which agree on the common part of the
//! language. What is beyond it is refused, instead of meaning something else on another database; back references and
//! looking around go to none of them, which also keeps those engines from taking exponential time where they would.

use crate::error::{DbError, code};

/// The longest in characters.
const MAX_PATTERN: usize = 1_000;
/// The largest that one may become, in bytes: what it takes to look through a text grows with it.
const MAX_COMPILED: usize = 256 << 10;
/// The most repetitions: PostgreSQL counts to 255.
const MAX_REPEATED: u32 = 255;

/// The classes that have names in brackets: `[[:alpha:]]`.
const CLASSES: [&str; 12] =
    ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"];

fn wrong(problem: impl std::fmt::Display) -> DbError {
    DbError::new(code::INVALID_VALUE, format!("the regular expression {problem}"))
}

/// Checks a pattern.
pub(super) fn check(pattern: &str) -> Result<(), DbError> {
    if pattern.chars().nth(MAX_PATTERN).is_some() {
        return Err(wrong(format_args!("has more than {MAX_PATTERN} characters")).with("limit", MAX_PATTERN));
    }
    match regex::RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build() {
        Ok(_) => portable(pattern),
        Err(regex::Error::CompiledTooBig(_)) => {
            let problem = r"is too large when its repetitions and classes are written out; use fewer, or [a-z] for \w";
            Err(wrong(problem).with("limit", MAX_COMPILED))
        }
        // Its own text quotes the pattern over several lines.
        Err(error) => {
            let line = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(wrong(format_args!("can't be read: {line}")))
        }
    }
}

/// Looks at a pattern that can be read for what not everybody reads so.
fn portable(pattern: &str) -> Result<(), DbError> {
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(rest.next(), false)?,
            '[' => class(&mut rest)?,
            '(' if rest.peek() == Some(&'?') => {
                rest.next();
                if rest.next() != Some(':') {
                    return Err(wrong(
                        "has a group with a name or flags; `(?:` is the one kind of `(?` that all databases read alike",
                    ));
                }
            }
            '{' => {
                let inside: String = rest.by_ref().take_while(|c| *c != '}').collect();
                let plain =
                    |part: &str| part.is_empty() || part.parse::<u32>().is_ok_and(|number| number <= MAX_REPEATED);
                if inside.starts_with(',') || !inside.split(',').all(plain) {
                    return Err(wrong(format_args!("has `{{…}}` other than repetitions of 0 to {MAX_REPEATED}")));
                }
            }
            // Flags of PostgreSQL's stand at the beginning.
            '*' if pattern.starts_with("***") => return Err(wrong("begins with `***`")),
            _ => {}
        }
    }
    Ok(())
}

fn escape(c: Option<char>, in_class: bool) -> Result<(), DbError> {
    match c {
        Some('d' | 'w' | 's' | 't' | 'n' | 'r' | 'f' | 'v') => Ok(()),
        Some('D' | 'W' | 'S') if !in_class => Ok(()),
        Some(c) if c.is_ascii_punctuation() => Ok(()),
        Some(c) => Err(wrong(format_args!("has `\\{c}`, which isn't the same on all databases"))),
        None => Err(wrong("ends with `\\`")),
    }
}

/// What stands in brackets, up to its end.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), DbError> {
    rest.next_if_eq(&'^');
    // At the beginning it is a character like others.
    rest.next_if_eq(&']');
    while let Some(c) = rest.next() {
        match c {
            ']' => return Ok(()),
            '\\' => escape(rest.next(), true)?,
            '[' => {
                let name: String = rest.by_ref().take_while(|c| *c != ']').collect();
                let name = name.strip_prefix(':').and_then(|name| name.strip_suffix(':'));
                if !name.is_some_and(|name| CLASSES.contains(&name)) {
                    return Err(wrong("has brackets in brackets; write `\\[` for the character"));
                }
            }
            '&' | '~' | '-' if rest.peek() == Some(&c) => {
                return Err(wrong(format_args!("has `{c}{c}` in brackets, which isn't the same on all databases")));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_databases_read_alike_is_taken() {
        for pattern in [
            "",
            "a|b",
            "^(?:ab)+?$",
            r"\d{1,3}\.\w*",
            "[^a-z0-9_]",
            "[]a]",
            "[[:alpha:]_]+",
            r"[\d\-]",
            r"\(\)\[\]",
            "é{2}",
            "x{3,}",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_means_something_else_elsewhere_is_refused() {
        for pattern in [
            "(",
            "*",
            "\\",
            "(?i)a",
            "(?P<n>a)",
            "(?<n>a)",
            r"\bword",
            r"\Aa",
            r"a\z",
            r"\p{L}",
            r"\x41",
            r"[\W]",
            "[[a]]",
            "[a&&b]",
            "[a--b]",
            "[[:word:]]",
            "[[:nope:]]",
            "a{256}",
            "a{1,999}",
            "(?=x)",
            r"(a)\1",
            r"\u{41}",
        ] {
            let error = check(pattern).expect_err(pattern);
            assert_eq!(error.code, code::INVALID_VALUE, "{pattern}");
        }
        assert!(check(&"a".repeat(1_001)).is_err());
        assert!(check(r"(\w{100}){100}").is_err());
    }
}
