//! Which names the site answers to.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names of `allowed_hosts`, in lower case.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    any: bool,
    exact: Vec<Box<str>>,
    /// `.example.com`: that name and all below it.
    below: Vec<Box<str>>,
}

/// What is wrong with an entry of `allowed_hosts`.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), &'static str> {
    if pattern == "*" {
        return Ok(());
    }
    if pattern.contains("://") {
        return Err("must be a name without a scheme");
    }
    let name = pattern.strip_prefix('.').unwrap_or(pattern);
    if split_port(name).is_some_and(|(_, port)| port.is_some()) {
        return Err("must be a name without a port: ports don't matter");
    }
    if is_host(name) { Ok(()) } else { Err("is neither a host name nor an address nor `*`") }
}

impl AllowedHosts {
    pub(crate) fn new(patterns: &[String]) -> Self {
        let mut hosts = Self { any: false, exact: Vec::new(), below: Vec::new() };
        for pattern in patterns {
            let pattern = pattern.to_ascii_lowercase();
            match pattern.strip_prefix('.') {
                _ if pattern == "*" => hosts.any = true,
                Some(name) => hosts.below.push(name.into()),
                None => hosts.exact.push(pattern.into()),
            }
        }
        hosts
    }

    /// Whether `host`, with or without a port, is well-formed and allowed.
    pub(crate) fn allows(&self, host: &str) -> bool {
        let Some((name, port)) = split_port(host) else { return false };
        if port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_err()) || !is_host(name) {
            return false;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        self.any
            || self.exact.iter().any(|known| known.eq_ignore_ascii_case(name))
            || self.below.iter().any(|parent| is_below(name, parent))
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    let Some(start) = name.len().checked_sub(parent.len()) else { return false };
    name.is_char_boundary(start)
        && name[start..].eq_ignore_ascii_case(parent)
        && (start == 0 || name.as_bytes()[start - 1] == b'.')
}

/// A host and its port, the brackets of an IPv6 address kept.
pub(crate) fn split_port(host: &str) -> Option<(&str, Option<&str>)> {
    if host.starts_with('[') {
        let end = host.find(']')? + 1;
        let (name, rest) = host.split_at(end);
        return match rest {
            "" => Some((name, None)),
            _ => rest.strip_prefix(':').map(|port| (name, Some(port))),
        };
    }
    match host.split_once(':') {
        None => Some((host, None)),
        Some((name, port)) => Some((name, Some(port))),
    }
}

/// A DNS name (with `_`, which some use), an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(name: &str) -> bool {
    if let Some(inner) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels = || name.split('.');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // What looks like an address must be one, or `127.1` and its like would pass for names.
    let numeric = labels().next_back().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && labels().all(is_label) && (!numeric || name.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_as_names() {
        let hosts = AllowedHosts::new(&["localhost".into(), ".example.com".into(), "[::1]".into(), "127.0.0.1".into()]);
        for good in
            ["localhost", "LOCALHOST:8000", "localhost.", "example.com", "a.b.Example.com:1", "[::1]:80", "127.0.0.1"]
        {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in [
            "",
            "evil.com",
            "localhost.evil.com",
            "notexample.com",
            "example.com.evil.com",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "localhost:80:80",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[x]",
            "user@localhost",
            "localhost/x",
            "localhost evil.com",
            "localhost,evil.com",
            ".example.com",
            "a..example.com",
            "127.1",
            "::1",
            "example.com\\x",
            &format!("{}.example.com", "a".repeat(64)),
            &"a.".repeat(200),
        ] {
            assert!(!hosts.allows(bad), "{bad}");
        }
        assert!(AllowedHosts::new(&["*".into()]).allows("any.name:1"));
        assert!(!AllowedHosts::new(&["*".into()]).allows("any name"), "also `*` wants a host");
        assert!(!AllowedHosts::new(&[]).allows("localhost"));
    }
}
