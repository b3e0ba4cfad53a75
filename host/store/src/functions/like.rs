//! `LIKE`, `GLOB`, `REGEXP`, `instr` and `replace` for statements that an app wrote itself, under SQLite's names.
//!
//! SQLite's own can't be stopped while they look at one value, and their time grows with the product of two lengths or worse.
//! These walk a text once for each character of a pattern at most, and patterns are short.

use std::borrow::Cow;

use memchr::memmem;
use rusqlite::functions::Context;
use rusqlite::types::{FromSqlError, Value, ValueRef};
use rusqlite::{Error, Result};

use super::text::{RegexUse, replaced};
use super::{Made, Registry};

/// The longest pattern of `LIKE` and `GLOB`, in bytes.
const MAX_PATTERN: usize = 256;

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    registry.replace("like", 2, |context| like(context, None))?;
    registry.replace("like", 3, |context| {
        let escape = text(context, 2);
        let mut characters = escape.iter().flat_map(|escape| escape.chars());
        match (characters.next(), characters.next()) {
            (Some(escape), None) => like(context, Some(escape)),
            _ => Err(refused("ESCAPE takes one character")),
        }
    })?;
    registry.replace("glob", 2, |context| matched(context, Case::Kept, glob_tokens))?;
    registry.replace("regexp", 2, |context| {
        let Some(text) = text(context, 1) else { return Ok(Value::Null) };
        if !matches!(context.get_raw(0), ValueRef::Text(_)) {
            return Ok(Value::Null);
        }
        let pattern = context.get_or_create_aux(0, |value| RegexUse::new(value.as_str()?, false))?;
        match pattern.is_match(&text) {
            Some(found) => Ok(found.into()),
            None => Err(refused("the regular expression can't be read, or is too large")),
        }
    })?;
    registry.replace("instr", 2, |context| {
        let at = match (context.get_raw(0), context.get_raw(1)) {
            (ValueRef::Null, _) | (_, ValueRef::Null) => return Ok(Value::Null),
            (ValueRef::Blob(bytes), ValueRef::Blob(part)) => memmem::find(bytes, part).map(|at| at + 1),
            _ => {
                let (Some(whole), Some(part)) = (text(context, 0), text(context, 1)) else { return Ok(Value::Null) };
                memmem::find(whole.as_bytes(), part.as_bytes()).map(|at| whole[..at].chars().count() + 1)
            }
        };
        Ok(i64::try_from(at.unwrap_or(0)).unwrap_or(i64::MAX).into())
    })?;
    let max = registry.max_bytes;
    registry.replace("replace", 3, move |context| {
        let (Some(whole), Some(old), Some(new)) = (text(context, 0), text(context, 1), text(context, 2)) else {
            return Ok(Value::Null);
        };
        replaced(&whole, &old, &new, max)
    })
}

fn refused(why: &str) -> Error {
    Error::UserFunctionError(why.into())
}

/// The argument as a text, as SQLite makes one of anything.
fn text<'a>(context: &'a Context<'_>, at: usize) -> Option<Cow<'a, str>> {
    match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into()),
        ValueRef::Real(number) => Some(format!("{number:?}").into()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Case {
    Kept,
    /// ASCII letters are the same in both cases, as SQLite has it.
    Ignored,
}

/// A part of a pattern.
#[derive(Debug)]
enum Token {
    /// Any characters, or none.
    Many,
    One,
    Is(char),
    /// One of these ranges, or none of them.
    In(Vec<(char, char)>, bool),
}

type Tokens = std::result::Result<Vec<Token>, FromSqlError>;

fn like(context: &Context<'_>, escape: Option<char>) -> Made {
    matched(context, Case::Ignored, move |pattern| like_tokens(pattern, escape))
}

/// `like(P, T)` is `T LIKE P`.
fn matched(context: &Context<'_>, case: Case, tokens: impl FnOnce(&str) -> Tokens) -> Made {
    let (Some(pattern), Some(whole)) = (text(context, 0), text(context, 1)) else { return Ok(Value::Null) };
    if pattern.len() > MAX_PATTERN {
        return Err(refused("a pattern is longer than 256 bytes"));
    }
    let tokens = match context.get_raw(0) {
        ValueRef::Text(_) => context.get_or_create_aux(0, |_| tokens(&pattern))?,
        _ => std::sync::Arc::new(tokens(&pattern).map_err(|_| refused("a pattern can't be read"))?),
    };
    Ok(is_match(&tokens, &whole, case).into())
}

fn like_tokens(pattern: &str, escape: Option<char>) -> Tokens {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        tokens.push(match c {
            c if Some(c) == escape => match characters.next() {
                Some(literal) => Token::Is(literal),
                // Matches nothing, as in SQLite.
                None => Token::In(Vec::new(), true),
            },
            '%' if matches!(tokens.last(), Some(Token::Many)) => continue,
            '%' => Token::Many,
            '_' => Token::One,
            c => Token::Is(c),
        });
    }
    Ok(tokens)
}

fn glob_tokens(pattern: &str) -> Tokens {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        tokens.push(match c {
            '*' if matches!(tokens.last(), Some(Token::Many)) => continue,
            '*' => Token::Many,
            '?' => Token::One,
            '[' => {
                let wanted = characters.next_if_eq(&'^').is_none();
                let mut ranges = Vec::new();
                let mut closed = false;
                while let Some(c) = characters.next() {
                    // A bracket that comes first is a member.
                    if c == ']' && !ranges.is_empty() {
                        closed = true;
                        break;
                    }
                    let mut end = c;
                    let mut ahead = characters.clone();
                    if ahead.next() == Some('-')
                        && let Some(last) = ahead.next().filter(|last| *last != ']')
                    {
                        end = last;
                        characters = ahead;
                    }
                    ranges.push((c, end));
                }
                // What isn't closed matches nothing.
                if closed { Token::In(ranges, wanted) } else { Token::In(Vec::new(), true) }
            }
            c => Token::Is(c),
        });
    }
    Ok(tokens)
}

impl Token {
    fn takes(&self, c: char, case: Case) -> bool {
        match self {
            Token::Many => false,
            Token::One => true,
            Token::Is(is) if case == Case::Ignored => is.eq_ignore_ascii_case(&c),
            Token::Is(is) => *is == c,
            Token::In(ranges, wanted) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) == *wanted,
        }
    }
}

/// Goes back to the last [`Token::Many`] alone: where a later one was reached, an earlier one needn't take more.
fn is_match(tokens: &[Token], whole: &str, case: Case) -> bool {
    let mut rest = whole.chars();
    let mut at = 0;
    let mut back: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if let Some(Token::Many) = tokens.get(at) {
            at += 1;
            if at == tokens.len() {
                return true;
            }
            back = Some((at, rest.clone()));
            continue;
        }
        let next = rest.next();
        match (next, tokens.get(at)) {
            (None, None) => return true,
            (Some(c), Some(token)) if token.takes(c, case) => at += 1,
            (None, Some(_)) => return false,
            _ => {
                let Some((token, from)) = &mut back else { return false };
                if from.next().is_none() {
                    return false;
                }
                (at, rest) = (*token, from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, try_ask};

    #[test]
    fn patterns_match_what_sqlites_own_do() {
        check(&[
            ("'Hello' LIKE 'h%o'", "1"),
            ("'Hello' LIKE 'h_o'", "0"),
            ("'hällo' LIKE 'h_llo'", "1"),
            ("'HÄLLO' LIKE 'hällo'", "0"),
            ("'a%b' LIKE 'a!%b' ESCAPE '!'", "1"),
            ("'axb' LIKE 'a!%b' ESCAPE '!'", "0"),
            ("'abcabd' LIKE '%abd'", "1"),
            ("'' LIKE '%'", "1"),
            ("'' LIKE '_'", "0"),
            ("'' LIKE ''", "1"),
            ("NULL LIKE 'x'", "NULL"),
            ("'x' LIKE NULL", "NULL"),
            ("123 LIKE '1%'", "1"),
            ("'x' NOT LIKE 'y'", "1"),
            ("'abc' GLOB 'a*'", "1"),
            ("'Abc' GLOB 'a*'", "0"),
            ("'a5' GLOB 'a[0-9]'", "1"),
            ("'a5' GLOB 'a[^0-9]'", "0"),
            ("'a]' GLOB 'a[]]'", "1"),
            ("'a-' GLOB 'a[x-]'", "1"),
            ("'ax' GLOB 'a[x'", "0"),
            ("'line 7' REGEXP '^\\w+ \\d$'", "1"),
            ("instr('häll', 'l')", "3"),
            ("instr('häll', 'x')", "0"),
            ("instr(x'0102', x'02')", "2"),
            ("instr(NULL, 'x')", "NULL"),
            ("replace('aXbX', 'X', 'yy')", "'ayybyy'"),
            ("replace(121, 1, 3)", "'323'"),
        ]);
        for sql in ["'x' LIKE 'y' ESCAPE 'ab'", "'x' REGEXP '('", "'x' LIKE printf('%300d', 1)"] {
            assert!(try_ask(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn many_wildcards_end() {
        let began = std::time::Instant::now();
        let text = "bandstand_repeat('a', 1000000)";
        for pattern in ["repeat('%a', 100) || 'b'", "repeat('%_a', 80) || 'b'"] {
            let pattern = pattern.replace("repeat", "bandstand_repeat");
            check(&[(&format!("{text} LIKE {pattern}"), "0")]);
        }
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
