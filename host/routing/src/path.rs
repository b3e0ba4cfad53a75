//! Raw paths into decoded segments, and back.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What stays as it is in a path's segment: RFC 3986's `pchar`, without the quote, so that a path can stand in any
/// attribute, and without `&`.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Whether a mount's segment has only characters that need no encoding anywhere.
pub(crate) fn is_literal(segment: &str) -> bool {
    segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
}

/// A request's path, cut at its slashes and decoded.
pub(crate) struct Path<'a> {
    /// As it came, without the query.
    pub(crate) raw: &'a str,
    /// Between the slashes, without the empty one after a trailing slash: where it begins in `raw`, and its text.
    pub(crate) segments: Vec<(usize, Cow<'a, str>)>,
    /// Whether it ends with `/`.
    pub(crate) trailing_slash: bool,
}

impl<'a> Path<'a> {
    /// None for a path that isn't one: no `/` in front, an encoding that is none or isn't UTF-8, a NUL, or `.` and `..`
    /// segments, which every client removes before it sends, but an attacker doesn't.
    pub(crate) fn parse(raw: &'a str) -> Option<Self> {
        let rest = raw.strip_prefix('/')?;
        let trailing_slash = rest.is_empty() || rest.ends_with('/');
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut segments = Vec::with_capacity(8);
        if !(rest.is_empty() && raw.len() == 1) {
            let mut at = 1;
            for part in rest.split('/') {
                let segment = decode(part)?;
                if matches!(&*segment, "." | "..") {
                    return None;
                }
                segments.push((at, segment));
                at += part.len() + 1;
            }
        }
        Some(Self { raw, segments, trailing_slash })
    }

    /// What begins at segment `from`, decoded, `/` in front: the path below a mount of that many segments.
    pub(crate) fn below(&self, from: usize) -> String {
        match self.segments.get(from) {
            None => "/".into(),
            Some((start, _)) => self.raw.get(start - 1..).and_then(decode).unwrap_or_default().into_owned(),
        }
    }

    /// The text from segment `from` to the end, decoded, for a `path` capture; without the trailing slash where the
    /// pattern has one of its own.
    pub(crate) fn tail(&self, from: usize, keep_trailing_slash: bool) -> Option<String> {
        let (start, _) = self.segments.get(from)?;
        let raw = self.raw.get(*start..)?;
        let raw = if self.trailing_slash && !keep_trailing_slash { raw.strip_suffix('/')? } else { raw };
        decode(raw).map(Cow::into_owned)
    }
}

/// Decodes `%XX`. None for a `%` without two hexadecimal digits, for bytes that aren't UTF-8, and for NUL.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == 0) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' { hex(bytes.next()?)? << 4 | hex(bytes.next()?)? } else { byte };
        if byte == 0 {
            return None;
        }
        out.push(byte);
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["", "x", "/%", "/%1", "/%zz", "/%00", "/%ff", "/a/%c3", "/a/../b", "/a/%2e%2E/b", "/./", "*"] {
            assert!(Path::parse(bad).is_none(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn segments_are_decoded_after_cutting() {
        let path = Path::parse("/a%2Fb/%C3%A4//").expect("a path");
        let texts: Vec<_> = path.segments.iter().map(|(_, text)| &**text).collect();
        assert_eq!(texts, ["a/b", "ä", ""]);
        assert!(path.trailing_slash);
        assert_eq!(path.below(1), "/ä//");
        assert_eq!(path.tail(1, false).as_deref(), Some("ä/"));
    }

    #[test]
    fn the_root_has_no_segment_and_two_slashes_have_one() {
        assert_eq!(Path::parse("/").expect("the root").segments.len(), 0);
        assert_eq!(Path::parse("//").expect("two slashes").segments.len(), 1);
    }
}
