//! `[server]` in `bandstand.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderValue;

/// What the server may be told. Every field has a default; unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Addresses to listen on. Port 0 takes a free one.
    pub bind: Vec<SocketAddr>,
    /// Names under which the site may be asked: exact ones, `.example.com` for a name and all below it, `*` for any.
    /// Ports don't matter. Without this check a forged `Host` ends up in links and mails.
    pub allowed_hosts: Vec<String>,
    /// Origins, such as `https://other.example`, whose pages may send this site requests that change something. A
    /// browser's requests from all others are refused: they carry the visitor's cookies without the visitor's will.
    pub trusted_origins: Vec<String>,
    /// Connections at once; more wait in the kernel's queue. 10,000 idle ones take some 100 MB.
    pub max_connections: usize,
    /// Milliseconds a client has for a request's head, from its first byte (from the connection's beginning for the
    /// first request). 10 s is generous for 16 KiB and ends a slow-loris.
    pub header_timeout_ms: u64,
    /// Header fields in a request; browsers send about 20.
    pub max_headers: usize,
    /// Bytes of all header fields of a request. Cookies are the large ones; browsers keep 4 KiB each.
    pub max_header_bytes: usize,
    /// Bytes of the request's target (path and query). What many proxies allow, too.
    pub max_target_bytes: usize,
    /// Bytes of a request's body, whatever a route allows.
    pub max_body_bytes: u64,
    /// Milliseconds between two parts of a body, in either direction, before the client counts as gone. In HTTP/2 each
    /// stream has its own: one whose client takes nothing is reset.
    pub body_idle_ms: u64,
    /// Milliseconds that a connection may stay open without a request.
    pub keep_alive_ms: u64,
    /// HTTP/2: requests at once on one connection. Browsers use up to 100.
    pub http2_max_streams: u32,
    /// HTTP/2: streams that a client may open and reset before they are accepted, against reset floods.
    pub http2_max_pending_resets: usize,
    /// HTTP/2: streams that the server may have to reset for a client's errors before the connection is closed.
    pub http2_max_error_resets: usize,
    /// Milliseconds at shutdown for requests that run to end.
    pub drain_ms: u64,
    /// `Content-Security-Policy` for responses without one; empty for none.
    ///
    /// The default keeps scripts, frames and forms to the site itself. Inline styles are allowed: the host's own pages
    /// have to look right without a second file, and a style can load nothing from elsewhere under this policy.
    pub content_security_policy: String,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
            allowed_hosts: ["localhost", ".localhost", "127.0.0.1", "[::1]"].map(String::from).to_vec(),
            trusted_origins: Vec::new(),
            max_connections: 10_000,
            header_timeout_ms: 10_000,
            max_headers: 100,
            max_header_bytes: 16 << 10,
            max_target_bytes: 8 << 10,
            max_body_bytes: 100 << 20,
            body_idle_ms: 30_000,
            keep_alive_ms: 60_000,
            http2_max_streams: 100,
            http2_max_pending_resets: 20,
            http2_max_error_resets: 100,
            drain_ms: 10_000,
            content_security_policy: "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                      object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
                .into(),
        }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[server] {key}: {problem}")]
pub struct ConfigError {
    key: &'static str,
    problem: String,
}

impl ServerConfig {
    /// Checks what the types don't say. The error names the key and its bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        let error = |key, problem: &str| Err(ConfigError { key, problem: problem.into() });
        if self.bind.is_empty() {
            return error("bind", "give at least one address, such as \"127.0.0.1:8000\"");
        }
        for (key, value, least, most) in [
            ("max_connections", self.max_connections as u64, 1, 1 << 20),
            ("header_timeout_ms", self.header_timeout_ms, 10, 3_600_000),
            ("max_headers", self.max_headers as u64, 1, 10_000),
            ("max_header_bytes", self.max_header_bytes as u64, 1 << 10, 1 << 20),
            ("max_target_bytes", self.max_target_bytes as u64, 64, 1 << 16),
            ("max_body_bytes", self.max_body_bytes, 0, 1 << 40),
            ("body_idle_ms", self.body_idle_ms, 10, 3_600_000),
            ("keep_alive_ms", self.keep_alive_ms, 10, 3_600_000),
            ("http2_max_streams", u64::from(self.http2_max_streams), 1, 10_000),
            ("http2_max_pending_resets", self.http2_max_pending_resets as u64, 1, 10_000),
            ("http2_max_error_resets", self.http2_max_error_resets as u64, 1, 10_000),
            ("drain_ms", self.drain_ms, 0, 3_600_000),
        ] {
            if !(least..=most).contains(&value) {
                return error(key, &format!("is {value}; use {least} to {most}"));
            }
        }
        if self.allowed_hosts.len() > 1_000 {
            return error("allowed_hosts", "has more than 1000 entries; use `.example.com` for all names below one");
        }
        for host in &self.allowed_hosts {
            crate::hosts::check_pattern(host)
                .map_err(|problem| ConfigError { key: "allowed_hosts", problem: format!("{host:?} {problem}") })?;
        }
        if self.trusted_origins.len() > 1_000 {
            return error("trusted_origins", "has more than 1000 entries");
        }
        for origin in &self.trusted_origins {
            crate::origin::check(origin)
                .map_err(|problem| ConfigError { key: "trusted_origins", problem: format!("{origin:?} {problem}") })?;
        }
        if HeaderValue::from_str(&self.content_security_policy).is_err() {
            return error("content_security_policy", "has characters that a header can't hold, such as a line break");
        }
        Ok(())
    }

    pub(crate) fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_bad_values_name_their_key() {
        assert_eq!(ServerConfig::default().check(), Ok(()));
        for (config, words) in [
            (ServerConfig { bind: vec![], ..Default::default() }, "bind: give at least one"),
            (ServerConfig { max_connections: 0, ..Default::default() }, "max_connections: is 0; use 1 to"),
            (ServerConfig { max_target_bytes: 1 << 20, ..Default::default() }, "max_target_bytes: is 1048576"),
            (ServerConfig { allowed_hosts: vec!["http://x".into()], ..Default::default() }, "without a scheme"),
            (ServerConfig { allowed_hosts: vec!["x:80".into()], ..Default::default() }, "without a port"),
            (ServerConfig { trusted_origins: vec!["x.example".into()], ..Default::default() }, "begin with a scheme"),
            (ServerConfig { trusted_origins: vec!["https://x/".into()], ..Default::default() }, "no path"),
            (ServerConfig { content_security_policy: "a\r\nb: c".into(), ..Default::default() }, "line break"),
        ] {
            let error = config.check().expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
