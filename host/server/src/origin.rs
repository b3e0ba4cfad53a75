//! Which sites' pages may send requests that change something.
//!
//! A browser sends a visitor's cookies wherever a page tells it to, also a page of another site. It says where the page
//! is from, in `Sec-Fetch-Site` or, where it is older or the connection isn't encrypted, in `Origin`; scripts can set
//! neither. This is the check of `CrossOriginProtection` in Go's `net/http`, stricter where a header is malformed.

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method};

use crate::hosts::{is_host, split_port};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins of `trusted_origins`, in lower case, as browsers write them.
#[derive(Debug)]
pub(crate) struct TrustedOrigins(Box<[Box<str>]>);

/// What is wrong with an entry of `trusted_origins`.
pub(crate) fn check(origin: &str) -> Result<(), &'static str> {
    if origin.eq_ignore_ascii_case("null") {
        return Err("can't be trusted: it is what browsers say of every page that hides where it is from");
    }
    let Some((scheme, rest)) = origin.split_once("://") else {
        return Err("must begin with a scheme, such as `https://other.example`");
    };
    if rest.contains(['/', '?', '#']) {
        return Err("must end after the name or its port: no `/` and no path");
    }
    if rest.contains('*') {
        return Err("can't have a `*`: name each origin");
    }
    let Some(parsed) = Origin::parse(origin) else {
        return Err("is no origin: write it as `https://other.example` or `https://other.example:8443`");
    };
    if parsed.port.is_some() && parsed.port == default_port(scheme) {
        return Err("must not name its scheme's own port, which browsers leave out");
    }
    Ok(())
}

impl TrustedOrigins {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(origins.iter().map(|origin| origin.to_ascii_lowercase().into()).collect())
    }

    /// Whether a request may go on: one that is meant to change nothing, one that no browser sent, one from a page of
    /// this site or of a trusted one. `headers` has one `Host`, which was checked.
    pub(crate) fn allow(&self, method: &Method, headers: &HeaderMap) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return true;
        }
        let origin = Field::of(headers, &header::ORIGIN);
        let trusted = || matches!(origin, Field::One(origin) if self.0.iter().any(|known| **known == *origin));
        match Field::of(headers, &SEC_FETCH_SITE) {
            // `none`: the visitor's own doing, such as a bookmark.
            Field::One("same-origin" | "none") => true,
            Field::None => match origin {
                Field::None => true,
                Field::One(from) => headers.get(header::HOST).is_some_and(|host| is_same(from, host)) || trusted(),
                Field::Odd => false,
            },
            Field::One(_) | Field::Odd => trusted(),
        }
    }
}

/// A field that may stand in a request once.
enum Field<'a> {
    None,
    One(&'a str),
    /// Several times, or with bytes that no browser writes.
    Odd,
}

impl<'a> Field<'a> {
    fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => value.to_str().map_or(Self::Odd, Self::One),
            (Some(_), Some(_)) => Self::Odd,
        }
    }
}

/// Whether a page from `origin` is one of `host`'s. The scheme can't be compared: behind a proxy that ends TLS, nobody
/// here knows it.
fn is_same(origin: &str, host: &HeaderValue) -> bool {
    let (Some(origin), Some((name, port))) = (Origin::parse(origin), host.to_str().ok().and_then(split_port)) else {
        return false;
    };
    // A page of another program than a browser, such as `app://localhost`, is none of this site's.
    let Some(default) = default_port(origin.scheme) else { return false };
    origin.host.eq_ignore_ascii_case(name) && origin.port.unwrap_or(default) == port.unwrap_or(default)
}

/// An origin as browsers write it (RFC 6454 6.2).
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Origin<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let (host, port) = split_port(authority)?;
        // Numbers have one form each: 080 and 80 would be the same port to a browser, which doesn't write the first.
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
        (is_scheme && is_host(host) && port.is_none_or(is_port)).then_some(Self { scheme, host, port })
    }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    if scheme.eq_ignore_ascii_case("https") {
        Some("443")
    } else if scheme.eq_ignore_ascii_case("http") {
        Some("80")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(host: &'static str, fields: &[(&'static str, &'static str)]) -> bool {
        let trusted = TrustedOrigins::new(&["https://Other.example".into(), "https://other.example:8443".into()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        assert!(trusted.allow(&Method::GET, &headers), "GET changes nothing");
        let answers =
            [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::from_bytes(b"BREW").expect("a method")]
                .map(|method| trusted.allow(&method, &headers));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{fields:?}");
        answers[0]
    }

    #[test]
    fn a_browsers_word_for_where_it_comes_from_decides() {
        for (site, good) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("", false),
            ("Same-Origin", false),
            ("same-origin, cross-site", false),
            ("same\u{e9}", false),
        ] {
            assert_eq!(allows("localhost", &[("sec-fetch-site", site)]), good, "{site:?}");
            // The older header adds nothing where the newer one is there.
            assert_eq!(allows("localhost", &[("sec-fetch-site", site), ("origin", "null")]), good, "{site:?}");
            let same = [("sec-fetch-site", site), ("origin", "http://localhost")];
            assert_eq!(allows("localhost", &same), good, "{site:?}");
            // A trusted site may, whatever the browser calls it.
            assert!(allows("localhost", &[("sec-fetch-site", site), ("origin", "https://other.example")]), "{site:?}");
        }
        let twice = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")];
        assert!(!allows("localhost", &twice));
        assert!(allows("localhost", &[]), "no browser sent it");
    }

    #[test]
    fn without_it_the_origin_must_be_the_host() {
        for (host, origin) in [
            ("localhost", "http://localhost"),
            ("localhost:8000", "http://localhost:8000"),
            ("localhost:8000", "https://localhost:8000"),
            ("localhost:80", "http://localhost"),
            ("localhost", "http://localhost:80"),
            ("example.org:443", "https://example.org"),
            ("LocalHost", "HTTP://LOCALHOST"),
            ("localhost.", "http://localhost."),
            ("[::1]", "http://[::1]"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("localhost", "https://other.example"),
            ("localhost", "https://other.example:8443"),
        ] {
            assert!(allows(host, &[("origin", origin)]), "{host} and {origin}");
        }
        for (host, origin) in [
            ("localhost", "null"),
            ("null", "null"),
            ("localhost", ""),
            ("localhost", "localhost"),
            ("localhost", "//localhost"),
            ("localhost", "://localhost"),
            ("localhost", "http://evil.example"),
            ("localhost", "http://localhost.evil.example"),
            ("localhost", "http://evil.example#localhost"),
            ("localhost", "http://localhost@evil.example"),
            ("localhost", "http://evil.example@localhost"),
            ("localhost", "http://user:pass@localhost"),
            ("localhost", "http://localhost/"),
            ("localhost", "http://localhost/../"),
            ("localhost", "http://localhost\\@evil.example"),
            ("localhost", "http://localhost, http://evil.example"),
            ("localhost", "http://evil.example http://localhost"),
            ("localhost", "http://localhost "),
            ("localhost", "http://localhost:"),
            ("localhost", "http://localhost:080"),
            ("localhost", "http://localhost:+80"),
            ("localhost", "http://localhost:99999"),
            ("localhost", "http://localhost:80:80"),
            ("localhost", "http://localhost:8000"),
            ("localhost:8000", "http://localhost"),
            ("localhost:8000", "http://localhost:8001"),
            ("localhost:443", "http://localhost"),
            ("localhost", "http://localhost."),
            ("localhost.", "http://localhost"),
            ("localhost", "app://localhost"),
            ("localhost", "h ttp://localhost"),
            ("localhost", "http://l\u{f6}calhost"),
            ("[::1]", "http://::1"),
            ("[::1]", "http://[::1"),
            ("[::1]:8000", "http://[::1]"),
            ("[::1]", "http://[::2]"),
            ("127.0.0.1", "http://127.1"),
            ("localhost", "http://other.example"),
            ("localhost", "https://other.example."),
            ("localhost", "https://other.example:443"),
            ("localhost", "https://other.example:8444"),
            ("localhost", "https://x.other.example"),
            ("localhost", "https://other.example/"),
            ("localhost", "https://Other.example"),
        ] {
            assert!(!allows(host, &[("origin", origin)]), "{host} and {origin}");
        }
        for twice in [
            [("origin", "http://localhost"), ("origin", "http://localhost")],
            [("origin", "http://localhost"), ("origin", "http://evil.example")],
            [("origin", "https://other.example"), ("origin", "https://evil.example")],
        ] {
            assert!(!allows("localhost", &twice), "{twice:?}");
        }
    }

    #[test]
    fn an_entry_is_an_origin_as_browsers_write_it() {
        for good in ["https://other.example", "http://localhost:3000", "http://[::1]:8080", "chrome-extension://abcdef"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, words) in [
            ("null", "can't be trusted"),
            ("other.example", "begin with a scheme"),
            ("", "begin with a scheme"),
            ("https://other.example/", "no `/`"),
            ("https://other.example?x", "no `/`"),
            ("https://*.other.example", "name each"),
            ("https://", "no origin"),
            ("https://user@other.example", "no origin"),
            ("https://b\u{fc}cher.example", "no origin"),
            ("https://other.example:", "no origin"),
            ("https://other.example:443", "scheme's own port"),
            ("http://other.example:80", "scheme's own port"),
        ] {
            let problem = check(bad).expect_err(bad);
            assert!(problem.contains(words), "{bad}: {problem}");
        }
    }
}
