//! Words and letters.

use minijinja::{Environment, Error, Value};

use super::{invalid, text};

/// The widest that padding makes a text, in characters.
const MAX_WIDTH: usize = 1_000;

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter("capfirst", capfirst);
    env.add_filter("center", |value: &Value, width: usize| pad(value, width, 1, 1));
    env.add_filter("cut", cut);
    env.add_filter("ljust", |value: &Value, width: usize| pad(value, width, 0, 1));
    env.add_filter("rjust", |value: &Value, width: usize| pad(value, width, 1, 0));
    env.add_filter("slugify", slugify);
    env.add_filter("truncatechars", truncatechars);
    env.add_filter("truncatewords", truncatewords);
    env.add_filter("wordcount", |value: &Value| text(value).map(|text| text.split_whitespace().count()));
    env.add_filter("wordwrap", wordwrap);
}

fn capfirst(value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    let mut chars = text.chars();
    Ok(chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default())
}

fn cut(value: &Value, what: &str) -> Result<String, Error> {
    Ok(text(value)?.replace(what, ""))
}

fn pad(value: &Value, width: usize, before: usize, after: usize) -> Result<String, Error> {
    if width > MAX_WIDTH {
        return Err(invalid(format!("the width is at most {MAX_WIDTH}")));
    }
    let text = text(value)?;
    let missing = width.saturating_sub(text.chars().count());
    let left = missing * before / (before + after);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(missing - left)))
}

/// Letters with marks and what they are without, as far as names and titles in Latin script need it.
const PLAIN: [(&str, &str); 27] = [
    ("àáâãäåāăą", "a"),
    ("çćĉċč", "c"),
    ("ďđð", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ĥħ", "h"),
    ("ìíîïĩīĭįı", "i"),
    ("ĵ", "j"),
    ("ķ", "k"),
    ("ĺļľŀł", "l"),
    ("ñńņňŉ", "n"),
    ("òóôõöøōŏő", "o"),
    ("ŕŗř", "r"),
    ("śŝşšș", "s"),
    ("ţťŧț", "t"),
    ("ùúûüũūŭůűų", "u"),
    ("ŵ", "w"),
    ("ýÿŷ", "y"),
    ("źżž", "z"),
    ("ß", "ss"),
    ("æ", "ae"),
    ("œ", "oe"),
    ("þ", "th"),
    ("ĳ", "ij"),
    ("ﬁ", "fi"),
    ("ﬂ", "fl"),
    ("ſ", "s"),
];

/// Lower-case ASCII letters, digits, `_` and single hyphens.
fn slugify(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    let mut gap = false;
    for c in text(value)?.chars().flat_map(char::to_lowercase) {
        let plain = match c {
            'a'..='z' | '0'..='9' | '_' => None,
            '-' => {
                gap = true;
                continue;
            }
            c if c.is_whitespace() => {
                gap = true;
                continue;
            }
            c => match PLAIN.iter().find(|(marked, _)| marked.contains(c)) {
                Some((_, plain)) => Some(*plain),
                None => continue,
            },
        };
        if std::mem::take(&mut gap) && !out.is_empty() {
            out.push('-');
        }
        match plain {
            Some(plain) => out.push_str(plain),
            None => out.push(c),
        }
    }
    Ok(out)
}

/// At most `length` characters, the ellipsis included.
fn truncatechars(value: &Value, length: usize) -> Result<String, Error> {
    let text = text(value)?;
    if text.chars().nth(length).is_none() {
        return Ok(text.into_owned());
    }
    Ok(text.chars().take(length.saturating_sub(1)).chain((length > 0).then_some('…')).collect())
}

/// At most `count` words, then ` …`.
fn truncatewords(value: &Value, count: usize) -> Result<String, Error> {
    let text = text(value)?;
    let mut words = text.split_whitespace();
    let kept: Vec<&str> = words.by_ref().take(count).collect();
    let more = words.next().is_some();
    Ok(match (more, kept.is_empty()) {
        (false, _) => kept.join(" "),
        (true, true) => "…".into(),
        (true, false) => kept.join(" ") + " …",
    })
}

/// Breaks lines at spaces so that they have at most `width` characters; longer words stay whole.
fn wordwrap(value: &Value, width: usize) -> Result<String, Error> {
    let text = text(value)?;
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let mut used = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
    }
    Ok(out)
}
