//! Routes as data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One route of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Route {
    /// The pattern below the app's mount, such as `/{question:int}/vote/`.
    #[cfg_attr(test, schemars(with = "String", length(max = 500)))]
    pub path: Pattern,
    /// The methods that it answers. GET brings HEAD; OPTIONS is the host's.
    pub methods: Vec<Method>,
    /// The name for `url`, unique in the app; none for a route that nobody links to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A method that a route can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Its word in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// The method with that word, in upper case as HTTP has it.
    pub fn parse(word: &str) -> Option<Self> {
        [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete]
            .into_iter()
            .find(|method| method.as_str() == word)
    }
}

/// What a captured part of a path must look like. The names are those of Django's path converters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Converter {
    /// Digits that fit a signed 64-bit number, no sign.
    Int,
    /// Anything but `/`, not empty. What `{name}` means.
    Str,
    /// ASCII letters, digits, `-` and `_`.
    Slug,
    /// A UUID with hyphens, in lower case.
    Uuid,
    /// Anything, `/` included, not empty; only at the end.
    Path,
}

impl Converter {
    /// Its word in a pattern.
    pub fn as_str(self) -> &'static str {
        match self {
            Converter::Int => "int",
            Converter::Str => "str",
            Converter::Slug => "slug",
            Converter::Uuid => "uuid",
            Converter::Path => "path",
        }
    }

    /// Whether it takes the percent-decoded text `value`.
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Converter::Int => value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<i64>().is_ok(),
            Converter::Str => !value.is_empty() && !value.contains('/'),
            Converter::Slug => {
                !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            }
            Converter::Uuid => {
                value.len() == 36
                    && value.bytes().enumerate().all(|(i, b)| match i {
                        8 | 13 | 18 | 23 => b == b'-',
                        _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
                    })
            }
            Converter::Path => !value.is_empty(),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Converter::Int, Converter::Str, Converter::Slug, Converter::Uuid, Converter::Path]
            .into_iter()
            .find(|converter| converter.as_str() == word)
    }
}

/// A part of a pattern between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// Something that is captured.
    Capture {
        /// Its name, for error messages and reverse accessors.
        name: String,
        /// What it must look like.
        converter: Converter,
    },
}

/// A route's pattern: `/`-separated segments, each a literal or one capture `{name}` or `{name:converter}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
    trailing_slash: bool,
}

/// Why a pattern isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route pattern `{pattern}`: {problem}")]
pub struct PatternError {
    pattern: String,
    problem: String,
}

/// The longest pattern in bytes.
const MAX_PATTERN: usize = 500;
/// Captures in one pattern.
const MAX_CAPTURES: usize = 16;

impl Pattern {
    /// Reads a pattern. It begins with `/`; it says itself whether it ends with one.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let error = |problem: String| PatternError {
            pattern: text.chars().take(80).flat_map(char::escape_default).collect(),
            problem,
        };
        if text.len() > MAX_PATTERN {
            return Err(error(format!("longer than {MAX_PATTERN} bytes")));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(error("must begin with `/`".into()));
        };
        let trailing_slash = rest.is_empty() || rest.ends_with('/');
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut segments: Vec<Segment> = Vec::new();
        for part in rest.split('/').filter(|_| !rest.is_empty()) {
            if let Some(inner) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                let (name, word) = inner.split_once(':').unwrap_or((inner, "str"));
                crate::name::check_name(name).map_err(|e| error(e.to_string()))?;
                let converter = Converter::parse(word).ok_or_else(|| {
                    error(format!("unknown converter `{}`; use int, str, slug, uuid or path", word.escape_default()))
                })?;
                let taken = |s: &Segment| matches!(s, Segment::Capture { name: other, .. } if other == name);
                if segments.iter().any(taken) {
                    return Err(error(format!("captures `{name}` twice")));
                }
                segments.push(Segment::Capture { name: name.into(), converter });
            } else if part.is_empty() {
                return Err(error("has an empty segment (`//`)".into()));
            } else if part == "." || part == ".." {
                return Err(error("has a `.` or `..` segment, which browsers remove".into()));
            } else if let Some(c) =
                part.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.~!$'()+,;=:@".contains(*c)))
            {
                return Err(error(format!(
                    "has `{}` in a literal segment; a capture fills a whole segment: `/{{name}}/`",
                    c.escape_default()
                )));
            } else {
                segments.push(Segment::Literal(part.into()));
            }
        }
        let path_at = segments.iter().position(|s| matches!(s, Segment::Capture { converter: Converter::Path, .. }));
        if path_at.is_some_and(|at| at + 1 != segments.len()) {
            return Err(error("has a `path` capture that isn't the last segment".into()));
        }
        if segments.iter().filter(|s| matches!(s, Segment::Capture { .. })).count() > MAX_CAPTURES {
            return Err(error(format!("captures more than {MAX_CAPTURES} parts")));
        }
        Ok(Self { text: text.into(), segments, trailing_slash })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The captures, in order.
    pub fn captures(&self) -> impl Iterator<Item = (&str, Converter)> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture { name, converter } => Some((name.as_str(), *converter)),
            Segment::Literal(_) => None,
        })
    }

    /// Whether it ends with `/`.
    pub fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Pattern::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        let pattern = Pattern::parse("/{question:int}/vote/").expect("a pattern");
        assert_eq!(pattern.captures().collect::<Vec<_>>(), [("question", Converter::Int)]);
        assert!(pattern.trailing_slash());
        assert!(Pattern::parse("/").expect("the root").segments().is_empty());
        assert!(!Pattern::parse("/feed.xml").expect("a file").trailing_slash());
    }

    #[test]
    fn broken_patterns_say_what_is_wrong() {
        for (pattern, word) in [
            ("polls/", "begin with"),
            ("//x", "empty segment"),
            ("/{a:float}/", "unknown converter"),
            ("/{a}/{a}/", "twice"),
            ("/{rest:path}/x", "last segment"),
            ("/x{a}/", "whole segment"),
            ("/a b", "whole segment"),
            ("/../x", "browsers"),
            ("/{A}/", "valid name"),
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern).to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn converters_check_what_they_take() {
        assert!(Converter::Int.accepts("42") && !Converter::Int.accepts("-1") && !Converter::Int.accepts(""));
        assert!(!Converter::Int.accepts("9223372036854775808"));
        assert!(Converter::Uuid.accepts("018f2f5e-7b1c-7cc0-8000-0123456789ab"));
        assert!(!Converter::Uuid.accepts("018F2f5e-7b1c-7cc0-8000-0123456789ab"));
        assert!(!Converter::Slug.accepts("a/b") && !Converter::Str.accepts("a/b") && Converter::Path.accepts("a/b"));
    }
}
