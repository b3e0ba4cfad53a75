//! Route patterns, read as the host reads them.

use proc_macro2::Span;
use syn::LitStr;

use crate::names;

pub(crate) const CONVERTERS: [&str; 5] = ["int", "str", "slug", "uuid", "path"];

/// A piece of a pattern.
pub(crate) enum Part {
    Text(String),
    Capture { name: String, converter: Option<String> },
}

/// The host's limits.
const MAX_PATTERN: usize = 500;
const MAX_CAPTURES: usize = 16;

/// Splits a pattern into text and captures, or says what is wrong with it. All errors stand at the literal: what is inside a
/// literal has no place of its own.
pub(crate) fn parse(literal: &LitStr) -> syn::Result<Vec<Part>> {
    let text = literal.value();
    read(&text, literal.span())
}

fn read(text: &str, span: Span) -> syn::Result<Vec<Part>> {
    let error = |problem: &str| Err(syn::Error::new(span, format!("the pattern {problem}")));
    if text.len() > MAX_PATTERN {
        return error(&format!("is longer than {MAX_PATTERN} bytes"));
    }
    let Some(rest) = text.strip_prefix('/') else {
        return error("must begin with `/`");
    };
    let trailing = rest.ends_with('/');
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut parts: Vec<Part> = Vec::new();
    let mut literal = String::from("/");
    let segments: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
    if rest.is_empty() && trailing {
        return error("has an empty segment (`//`)");
    }
    for (at, segment) in segments.iter().enumerate() {
        if at > 0 {
            literal.push('/');
        }
        if let Some(inner) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            let (name, converter) = inner.split_once(':').map_or((inner, None), |(name, word)| (name, Some(word)));
            names::check(name, span, "a capture")?;
            if let Some(word) = converter
                && !CONVERTERS.contains(&word)
            {
                return Err(names::unknown("converter", word, span, &CONVERTERS));
            }
            if converter == Some("path") && at + 1 != segments.len() {
                return error(&format!("has more after `{{{name}:path}}`, which takes the whole rest"));
            }
            if parts.iter().any(|part| matches!(part, Part::Capture { name: other, .. } if other == name)) {
                return error(&format!("captures `{name}` twice"));
            }
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Capture { name: name.into(), converter: converter.map(Into::into) });
        } else if segment.is_empty() {
            return error("has an empty segment (`//`)");
        } else if matches!(*segment, "." | "..") {
            return error("has a `.` or `..` segment, which browsers remove");
        } else if let Some(c) = segment.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.~!$'()+,;=:@".contains(*c)))
        {
            return error(&format!("has `{c}` in a literal segment; a capture fills a whole segment: `/{{name}}/`"));
        } else {
            literal.push_str(segment);
        }
    }
    if trailing {
        literal.push('/');
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    if parts.iter().filter(|part| matches!(part, Part::Capture { .. })).count() > MAX_CAPTURES {
        return error(&format!("captures more than {MAX_CAPTURES} parts"));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let parts = read(text, Span::call_site()).expect(text);
        parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Capture { name, converter: None } => format!("{{{name}}}"),
                Part::Capture { name, converter: Some(word) } => format!("{{{name}:{word}}}"),
            })
            .collect()
    }

    #[test]
    fn a_pattern_survives_its_reading() {
        for text in ["/", "/ask/", "/{question}/vote/", "/{a:int}/{b}", "/feed.xml", "/files/{rest:path}"] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn what_the_host_refuses_is_refused_here() {
        for (text, word) in [
            ("polls/", "begin with"),
            ("//", "empty segment"),
            ("//x", "empty segment"),
            ("/x//", "empty segment"),
            ("/{a:float}/", "unknown converter"),
            ("/{a}/{a}/", "twice"),
            ("/{rest:path}/x", "whole rest"),
            ("/x{a}/", "whole segment"),
            ("/a b", "whole segment"),
            ("/../x", "browsers"),
            ("/{A}/", "can't be the name"),
        ] {
            let error = read(text, Span::call_site()).err().expect(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
