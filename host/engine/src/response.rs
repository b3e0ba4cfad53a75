//! From what a guest answered to what is sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use host_core::http::{Body, Response};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bindings::bandstand::routing::types;

/// Most header fields of one response.
const MAX_HEADERS: usize = 64;
/// Most bytes of all of them, names included.
const MAX_HEADER_BYTES: usize = 8 << 10;
/// The largest body that isn't a stream.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A described body: what the host makes of a document. Exactly one of `template` and `error` stands in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Described<'a> {
    /// The template to render.
    #[serde(borrow)]
    pub(crate) template: Option<Cow<'a, str>>,
    /// Its context, for the template room to read.
    #[serde(borrow)]
    pub(crate) context: Option<&'a RawValue>,
    /// Deferred queries by the names that the template knows their rows by.
    #[serde(default)]
    pub(crate) queries: BTreeMap<String, u32>,
    /// The error page to show.
    pub(crate) error: Option<ErrorPage>,
}

/// One of the site's error pages.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorPage {
    /// 400 to 599.
    pub(crate) status: u16,
    /// A sentence for the visitor.
    #[serde(default)]
    pub(crate) message: String,
}

impl<'a> Described<'a> {
    /// Reads a described body. The error is a sentence for the app's author.
    pub(crate) fn parse(document: &'a [u8]) -> Result<Self, String> {
        if document.len() > MAX_BYTES {
            return Err(format!("its described body has {} bytes; the most is {MAX_BYTES}", document.len()));
        }
        let described: Self =
            serde_json::from_slice(document).map_err(|e| format!("its described body is not understood: {e}"))?;
        match (&described.template, &described.error) {
            (Some(_), None) => Ok(described),
            (None, Some(page)) if (400..600).contains(&page.status) && described.has_no_names() => Ok(described),
            (None, Some(page)) => {
                Err(format!("its error page has the status {} (400 to 599), a context or queries (none)", page.status))
            }
            _ => Err("its described body must have exactly one of `template` and `error`".into()),
        }
    }
}

impl Described<'_> {
    fn has_no_names(&self) -> bool {
        self.context.is_none() && self.queries.is_empty()
    }
}

/// Reads a status. The error is a sentence for the app's author.
pub(crate) fn status(status: u16) -> Result<StatusCode, String> {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| format!("its status is {status}; 200 to 599 are allowed"))
}

/// Reads header fields. The error is a sentence for the app's author.
pub(crate) fn headers(fields: Vec<types::Header>) -> Result<HeaderMap, String> {
    if fields.len() > MAX_HEADERS {
        return Err(format!("it has {} header fields; the most is {MAX_HEADERS}", fields.len()));
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(format!("its header fields have {bytes} bytes; the most is {MAX_HEADER_BYTES}"));
    }
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let shown = || name.chars().take(60).flat_map(char::escape_default).collect::<String>();
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{}` is not a header field's name", shown()))?;
        if is_the_hosts(&name) {
            return Err(format!("the header field `{name}` is the host's own"));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of the header field `{name}` has characters that HTTP doesn't allow"))?;
        if name == header::SET_COOKIE && is_a_host_cookie(&value) {
            return Err("it sets a cookie whose name begins with `__Host-` or `bandstand`; those are the host's".into());
        }
        map.append(name, value);
    }
    Ok(map)
}

/// Removes what a standard component may not set; it can't know our rules, so it isn't refused for them.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let theirs: Vec<HeaderName> =
        headers.keys().filter(|name| is_the_hosts(name) && **name != header::CONTENT_LENGTH).cloned().collect();
    for name in theirs {
        headers.remove(name);
    }
    if headers.get_all(header::SET_COOKIE).iter().any(is_a_host_cookie) {
        let kept: Vec<HeaderValue> =
            headers.get_all(header::SET_COOKIE).iter().filter(|value| !is_a_host_cookie(value)).cloned().collect();
        headers.remove(header::SET_COOKIE);
        for value in kept {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

fn is_a_host_cookie(value: &HeaderValue) -> bool {
    // A cookie without a name is sent back as its value alone, which then reads as a name.
    let bytes = value.as_bytes().trim_ascii_start();
    let bytes = bytes.strip_prefix(b"=").unwrap_or(bytes).trim_ascii_start();
    let begins =
        |prefix: &str| bytes.len() >= prefix.len() && bytes[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes());
    begins("__Host-") || begins("bandstand")
}

/// Framing, the connection, and what tells browsers how to protect the site.
fn is_the_hosts(name: &HeaderName) -> bool {
    const OTHERS: [&str; 15] = [
        "keep-alive",
        "proxy-connection",
        "x-request-id",
        "permissions-policy",
        "cross-origin-opener-policy",
        "cross-origin-embedder-policy",
        // What a proxy in front would obey.
        "x-sendfile",
        "x-lighttpd-send-file",
        "surrogate-control",
        // What acts on the whole origin, and so on other apps.
        "clear-site-data",
        "service-worker-allowed",
        "alt-svc",
        "report-to",
        "reporting-endpoints",
        "nel",
    ];
    matches!(
        *name,
        header::CONNECTION
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::TE
            | header::TRAILER
            | header::UPGRADE
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::DATE
            | header::STRICT_TRANSPORT_SECURITY
            | header::CONTENT_SECURITY_POLICY
            | header::CONTENT_SECURITY_POLICY_REPORT_ONLY
            | header::X_CONTENT_TYPE_OPTIONS
            | header::X_FRAME_OPTIONS
            | header::REFERRER_POLICY
    ) || OTHERS.contains(&name.as_str())
        || name.as_str().starts_with("x-accel-")
}

/// A response of these parts.
pub(crate) fn assemble(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> types::Header {
        (name.into(), value.into())
    }

    #[test]
    fn injection_and_the_hosts_own_fields_are_refused() {
        for (fields, word) in [
            (vec![field("x-a", "b\r\nset-cookie: c")], "doesn't allow"),
            (vec![field("x-a", "\0")], "doesn't allow"),
            (vec![field("x-a\r\n", "b")], "not a header field's name"),
            (vec![field("", "b")], "not a header field's name"),
            (vec![field("Content-Length", "5")], "host's own"),
            (vec![field("content-security-policy", "none")], "host's own"),
            (vec![field("x-request-id", "1")], "host's own"),
            (vec![field("x-accel-redirect", "/internal/")], "host's own"),
            (vec![field("clear-site-data", "\"*\"")], "host's own"),
            (vec![field("set-cookie", " __host-session=1")], "cookie"),
            (vec![field("set-cookie", " = bandstand_session=1")], "cookie"),
            (vec![field("x-a", "b"); 65], "the most is 64"),
            (vec![field("x-a", &"b".repeat(9_000))], "the most is 8192"),
        ] {
            let error = headers(fields).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(
            headers(vec![field("X-A", "ä"), field("x-a", "2")]).expect("fields").get_all("x-a").iter().count(),
            2
        );
    }

    #[test]
    fn a_standard_component_keeps_what_is_its_own() {
        let mut map = HeaderMap::new();
        for (name, value) in
            [("connection", "close"), ("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "__Host-a=1")]
        {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut map);
        assert_eq!(map.len(), 2);
        assert_eq!(map["set-cookie"], "a=1");
    }

    #[test]
    fn described_bodies_are_read() {
        let page = Described::parse(br#"{"template":"polls/index.html","context":{"a":1}}"#).expect("a page");
        assert_eq!(page.context.expect("a context").get(), r#"{"a":1}"#);
        let error = Described::parse(br#"{"error":{"status":404,"message":"no"}}"#).expect("an error");
        assert_eq!(error.error.expect("an error page").status, 404);
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"error":{"status":200}}"#,
            r#"{"template":"a","error":{"status":404}}"#,
            r#"{"template":"a","more":1}"#,
            r#"{"template":1}"#,
        ] {
            assert!(Described::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Described::parse(&vec![b' '; MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn a_status_is_in_range() {
        for bad in [0, 99, 100, 101, 199, 600, 999, 1000, u16::MAX] {
            assert!(status(bad).is_err());
        }
        assert_eq!(status(418), Ok(StatusCode::IM_A_TEAPOT));
    }
}
