//! Texts: looked through, cut, and put together. All count characters, and take time linear in their texts.

use md5::{Digest, Md5};
use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use rusqlite::Result;
use rusqlite::functions::Context;
use rusqlite::types::{FromSqlError, Value, ValueRef};
use sha2::Sha256;

use super::{Made, Registry, or_null, text, too_big, too_long, whole};

/// The longest that a text is filled up to, in characters, and the longest that one becomes by being repeated: more is
/// a way to fill the memory and not a text.
const MAX_PADDED: i64 = 65_536;
const MAX_REPEATED: i64 = 1 << 20;

/// The largest regular expression when it is compiled, in bytes. The time per byte of text grows with it.
const MAX_COMPILED: usize = 256 << 10;

type Test = fn(&str, &Needle) -> bool;

/// What is looked for, prepared once for a statement's run.
struct Needle {
    text: String,
    folded: String,
    finder: Finder<'static>,
    folded_finder: Finder<'static>,
}

impl Needle {
    fn new(text: &str) -> Self {
        let folded = text.to_lowercase();
        Self {
            text: text.to_owned(),
            finder: Finder::new(text).into_owned(),
            folded_finder: Finder::new(&folded).into_owned(),
            folded,
        }
    }
}

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    let tests: [(&str, Test); 7] = [
        ("contains", |text, needle| needle.finder.find(text.as_bytes()).is_some()),
        ("icontains", |text, needle| needle.folded_finder.find(text.to_lowercase().as_bytes()).is_some()),
        ("startswith", |text, needle| text.starts_with(&needle.text)),
        ("istartswith", |text, needle| text.to_lowercase().starts_with(&needle.folded)),
        ("endswith", |text, needle| text.ends_with(&needle.text)),
        ("iendswith", |text, needle| text.to_lowercase().ends_with(&needle.folded)),
        ("iexact", |text, needle| text.to_lowercase() == needle.folded),
    ];
    for (name, test) in tests {
        registry.add(name, 2, move |context| test_with(context, test))?;
    }
    registry.add("regex", 2, |context| matches(context, false))?;
    registry.add("iregex", 2, |context| matches(context, true))?;
    let max = registry.max_bytes;
    let one = |name: &str, function: fn(&str) -> String| {
        registry.add(name, 1, move |context| or_null(text(context, 0).map(function)))
    };
    one("lower", str::to_lowercase)?;
    one("upper", str::to_uppercase)?;
    one("reverse", |text| text.chars().rev().collect())?;
    one("md5", |text| hex::encode(Md5::digest(text)))?;
    one("sha256", |text| hex::encode(Sha256::digest(text)))?;
    registry.add("substr", 3, |context| {
        let (Some(text), Some(from), Some(length)) = (text(context, 0), whole(context, 1), whole(context, 2)) else {
            return Ok(Value::Null);
        };
        // Positions before the first count as well, but nothing is there.
        let end = from.saturating_add(length.max(0));
        Ok(between(text, from.max(1) - 1, end.max(1) - 1).to_owned().into())
    })?;
    registry.add("left", 2, |context| {
        let (Some(text), Some(count)) = (text(context, 0), whole(context, 1)) else { return Ok(Value::Null) };
        Ok(between(text, 0, count.max(0)).to_owned().into())
    })?;
    registry.add("right", 2, |context| {
        let (Some(text), Some(count)) = (text(context, 0), whole(context, 1)) else { return Ok(Value::Null) };
        let Some(last) = usize::try_from(count.max(0)).ok().and_then(|count| count.checked_sub(1)) else {
            return Ok(String::new().into());
        };
        let start = text.char_indices().nth_back(last).map_or(0, |(at, _)| at);
        Ok(text[start..].to_owned().into())
    })?;
    registry.add("replace", 3, move |context| replace(context, max))?;
    registry.add("lpad", 3, move |context| pad(context, true, max))?;
    registry.add("rpad", 3, move |context| pad(context, false, max))?;
    registry.add("repeat", 2, move |context| repeat(context, max))?;
    registry.add("chr", 1, |context| {
        let code = whole(context, 0).and_then(|code| u32::try_from(code).ok()).filter(|code| *code != 0);
        or_null(code.and_then(char::from_u32).map(|c| c.to_string()))
    })?;
    registry.add("strindex", 2, |context| {
        let (Some(text), Some(_)) = (text(context, 0), text(context, 1)) else { return Ok(Value::Null) };
        let needle = needle(context)?;
        let at = needle.finder.find(text.as_bytes()).map_or(0, |at| text[..at].chars().count() + 1);
        Ok(i64::try_from(at).unwrap_or(i64::MAX).into())
    })?;
    // A text that an expression made, for a field that holds so many characters.
    registry.add("fits", 2, |context| {
        let (Some(text), Some(most)) = (text(context, 0), whole(context, 1)) else { return Ok(Value::Null) };
        let most = usize::try_from(most).unwrap_or(0);
        if text.len() > most && text.chars().nth(most).is_some() {
            return Err(too_long());
        }
        Ok(text.to_owned().into())
    })
}

/// The characters from `start` (0 is the first) up to but without `end`.
fn between(text: &str, start: i64, end: i64) -> &str {
    let index = |at: i64| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if at >= text.len() {
            return text.len();
        }
        text.char_indices().nth(at).map_or(text.len(), |(at, _)| at)
    };
    let (start, end) = (index(start), index(end));
    text.get(start..end.max(start)).unwrap_or_default()
}

fn needle(context: &Context<'_>) -> Result<std::sync::Arc<Needle>> {
    // SQLite keeps it for the statement's run where the argument is constant and forgets it otherwise.
    context
        .get_or_create_aux(1, |value| -> std::result::Result<Needle, FromSqlError> { Ok(Needle::new(value.as_str()?)) })
}

/// NULL where either side is NULL, as any comparison in SQL.
fn test_with(context: &Context<'_>, test: Test) -> Made {
    let Some(text) = text(context, 0) else { return Ok(Value::Null) };
    if !matches!(context.get_raw(1), ValueRef::Text(_)) {
        return Ok(Value::Null);
    }
    Ok(test(text, &*needle(context)?).into())
}

/// A regular expression, prepared once for a statement's run; nothing where it can't be read or is too large.
pub(super) struct RegexUse(Option<Regex>);

impl RegexUse {
    pub(super) fn new(pattern: &str, ignore_case: bool) -> std::result::Result<Self, FromSqlError> {
        let mut builder = RegexBuilder::new(pattern);
        Ok(Self(builder.case_insensitive(ignore_case).size_limit(MAX_COMPILED * 2).build().ok()))
    }

    pub(super) fn is_match(&self, text: &str) -> Option<bool> {
        self.0.as_ref().map(|pattern| pattern.is_match(text))
    }
}

fn matches(context: &Context<'_>, ignore_case: bool) -> Made {
    let Some(text) = text(context, 0) else { return Ok(Value::Null) };
    if !matches!(context.get_raw(1), ValueRef::Text(_)) {
        return Ok(Value::Null);
    }
    // It was checked when it came; one that was not is NULL.
    let pattern = context.get_or_create_aux(1, |value| RegexUse::new(value.as_str()?, ignore_case))?;
    or_null(pattern.is_match(text))
}

fn replace(context: &Context<'_>, max: usize) -> Made {
    let (Some(text), Some(old), Some(new)) = (text(context, 0), text(context, 1), text(context, 2)) else {
        return Ok(Value::Null);
    };
    replaced(text, old, new, max)
}

/// `text` with `new` in place of each `old`, of `max` bytes at most.
pub(super) fn replaced(text: &str, old: &str, new: &str, max: usize) -> Made {
    if old.is_empty() {
        return Ok(text.to_owned().into());
    }
    let finder = Finder::new(old);
    let mut made = String::with_capacity(text.len());
    let mut from = 0;
    for at in finder.find_iter(text.as_bytes()) {
        made.push_str(&text[from..at]);
        made.push_str(new);
        from = at + old.len();
        if made.len() > max {
            return Err(too_big());
        }
    }
    made.push_str(&text[from..]);
    Ok(made.into())
}

fn pad(context: &Context<'_>, left: bool, max: usize) -> Made {
    let (Some(text), Some(length), Some(fill)) = (text(context, 0), whole(context, 1), text(context, 2)) else {
        return Ok(Value::Null);
    };
    if length > MAX_PADDED {
        return Ok(Value::Null);
    }
    let length = usize::try_from(length).unwrap_or(0);
    let missing = length.saturating_sub(text.chars().count());
    let text = between(text, 0, i64::try_from(length).unwrap_or(i64::MAX));
    let filling: String = if fill.is_empty() { String::new() } else { fill.chars().cycle().take(missing).collect() };
    if text.len() + filling.len() > max {
        return Err(too_big());
    }
    Ok(if left { filling + text } else { text.to_owned() + &filling }.into())
}

fn repeat(context: &Context<'_>, max: usize) -> Made {
    let (Some(text), Some(count)) = (text(context, 0), whole(context, 1)) else { return Ok(Value::Null) };
    if count > MAX_REPEATED {
        return Ok(Value::Null);
    }
    let count = usize::try_from(count).unwrap_or(0);
    let characters = i64::try_from(text.chars().count().saturating_mul(count)).unwrap_or(i64::MAX);
    if characters > MAX_REPEATED {
        return Ok(Value::Null);
    }
    if text.len() * count > max {
        return Err(too_big());
    }
    Ok(text.repeat(count).into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, check, try_ask};
    use rusqlite::types::Value;

    #[test]
    fn texts_are_cut_and_put_together_as_elsewhere() {
        check(&[
            ("bandstand_substr('hello', 2, 3)", "'ell'"),
            ("bandstand_substr('hello', -1, 4)", "'he'"),
            ("bandstand_substr('hello', 0, 2)", "'h'"),
            ("bandstand_substr('hello', 2, -1)", "''"),
            ("bandstand_substr('hello', 9, 2)", "''"),
            ("bandstand_substr('hällo', 2, 9223372036854775807)", "'ällo'"),
            ("bandstand_substr('hello', -9223372036854775808, 9223372036854775807)", "''"),
            ("bandstand_left('häl', 2)", "'hä'"),
            ("bandstand_left('häl', -2)", "''"),
            ("bandstand_right('häl', 2)", "'äl'"),
            ("bandstand_right('häl', 9)", "'häl'"),
            ("bandstand_right('häl', 0)", "''"),
            ("bandstand_replace('aXbX', 'X', 'yy')", "'ayybyy'"),
            ("bandstand_replace('a', '', 'yy')", "'a'"),
            ("bandstand_lpad('7', 3, '0')", "'007'"),
            ("bandstand_lpad('12345', 3, '0')", "'123'"),
            ("bandstand_rpad('a', 4, 'xy')", "'axyx'"),
            ("bandstand_rpad('a', 4, '')", "'a'"),
            ("bandstand_lpad('a', 65537, 'x')", "NULL"),
            ("bandstand_repeat('ab', 3)", "'ababab'"),
            ("bandstand_repeat('ab', -3)", "''"),
            ("bandstand_repeat('ab', 1048576)", "NULL"),
            ("bandstand_reverse('aé')", "'éa'"),
            ("bandstand_chr(8364)", "'€'"),
            ("bandstand_chr(55296)", "NULL"),
            ("bandstand_chr(0)", "NULL"),
            ("bandstand_strindex('häll', 'l')", "3"),
            ("bandstand_strindex('häll', 'x')", "0"),
            ("bandstand_strindex('häll', '')", "1"),
            ("bandstand_md5('a')", "'0cc175b9c0f1b6a831c399e269772661'"),
            ("bandstand_upper('ß')", "'SS'"),
            ("bandstand_lower('ÄΣ')", "'äς'"),
            ("bandstand_iexact('ÄB', 'äb')", "1"),
            ("bandstand_icontains('xÄBx', 'äb')", "1"),
            ("bandstand_regex('line', '^l.n')", "1"),
            ("bandstand_regex('line', 'L')", "0"),
            ("bandstand_iregex('LINE', 'ä|n')", "1"),
            ("bandstand_regex('x', '(')", "NULL"),
            ("bandstand_regex(NULL, 'x')", "NULL"),
            ("bandstand_fits('hällo', 5)", "'hällo'"),
        ]);
        assert!(try_ask("bandstand_fits('hällo', 4)").is_err());
    }

    #[test]
    fn no_text_grows_past_the_largest_value() {
        // The registry of these tests lets a value have a mebibyte.
        for sql in [
            "bandstand_repeat('€', 1000000)",
            "bandstand_replace(bandstand_repeat('a', 1000000), 'a', 'bb')",
            "bandstand_replace(bandstand_repeat('a', 2000), 'a', bandstand_repeat('b', 2000))",
        ] {
            assert!(try_ask(sql).is_err(), "{sql}");
        }
        assert!(matches!(ask("length(bandstand_repeat('a', 1000000))"), Value::Integer(1_000_000)));
    }

    #[test]
    fn a_hostile_pattern_takes_time_linear_in_the_text() {
        let began = std::time::Instant::now();
        for pattern in ["(a+)+$", "(a|a)*b", "(a|aa)+c", "(.*)(.*)(.*)(.*)x", "(?:a{1,30}){1,30}b"] {
            ask(&format!("bandstand_regex(bandstand_repeat('a', 200000) || '!', '{pattern}')"));
        }
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
