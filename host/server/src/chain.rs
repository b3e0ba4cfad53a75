//! What every request passes, in order.
//!
//! 1. [an id](Chain::answer), and the access line at the end
//! 2. [panic → 500](Chain::guarded)
//! 3. [the request's form](admit): method, target, sizes
//! 4. [the host check](admit)
//! 5. [the origin check](admit): a form from another site's page is refused
//! 6. the site
//! 7. [framing](clean): what HTTP doesn't allow in a response is removed
//! 8. [security headers](Chain::secure), where the site gave none
//! 9. [HEAD](drop_body) loses its body
//!
//! These are functions and not layers: each is a few lines, and a constant response should cost little more than hyper
//! alone.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use host_core::context::RequestId;
use host_core::http::{Arrival, Body, Request, Response, Served, Site};
use host_core::page;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::access::{self, Line};
use crate::config::ServerConfig;
use crate::connection::Pulse;
use crate::hosts::AllowedHosts;
use crate::id::{self, Ids};
use crate::incoming;
use crate::origin::TrustedOrigins;
use crate::outgoing::Outgoing;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The site and what stands in front of it.
pub(crate) struct Chain<S> {
    site: Arc<S>,
    config: ServerConfig,
    hosts: AllowedHosts,
    origins: TrustedOrigins,
    ids: Ids,
    policy: Option<HeaderValue>,
}

/// What visitors read whose browser was sent here with a form, or a script's request, by another site.
const FOREIGN: &str = "This form was sent from another site, and this site takes forms from its own pages only. Open the \
                       page here and send it again.";

/// A refusal: status and what the visitor reads.
type Refusal = (StatusCode, &'static str);

impl<S: Site> Chain<S> {
    pub(crate) fn new(site: Arc<S>, config: ServerConfig) -> Self {
        let policy = HeaderValue::from_str(&config.content_security_policy).ok().filter(|policy| !policy.is_empty());
        let (hosts, origins) = (AllowedHosts::new(&config.allowed_hosts), TrustedOrigins::new(&config.trusted_origins));
        Self { site, hosts, origins, ids: Ids::new(), policy, config }
    }

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Answers one request; `pulse` has counted it already.
    pub(crate) async fn answer(
        &self,
        request: http::Request<Incoming>,
        remote: IpAddr,
        pulse: Arc<Pulse>,
    ) -> http::Response<Outgoing> {
        let running = Running(Some(&pulse));
        let start = Instant::now();
        let id = self.ids.next();
        let head_only = *request.method() == Method::HEAD;
        let logged = access::enabled().then(|| {
            let path = access::path(request.uri().path());
            (request.method().clone(), path)
        });
        let mut response = match self.admit(request) {
            // `OPTIONS *` asks the server, not a page: that it answers is the answer (RFC 9110 9.3.7).
            Ok(request) if request.uri().path() == "*" => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Ok(request) => self.guarded(request, Arrival { id, remote, secure: false }).await,
            Err((status, message)) => page::error(status, message, id),
        };
        clean(&mut response, id);
        self.secure(response.headers_mut());
        response.headers_mut().insert(REQUEST_ID, id::header_value(id));
        if head_only {
            drop_body(&mut response);
        }
        let served = response.extensions_mut().remove::<Served>();
        let line = logged.map(|(method, path)| Line { id, method, path, status: response.status(), start, served });
        running.hand_over();
        response.map(|body| Outgoing::new(body, line, &pulse))
    }

    /// The site's answer, or a 500 if it panics.
    async fn guarded(&self, request: Request, arrival: Arrival) -> Response {
        let site = self.site.clone();
        // What a panic leaves half done is the site's own state, which it shares between requests anyway.
        let answer = AssertUnwindSafe(async move { site.respond(request, arrival).await }).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!(id = %arrival.id, "the site panicked while it answered a request");
            page::error(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.", arrival.id)
        })
    }

    /// Checks the request's form, host and origin, and brings it into the form that sites know: the target is the path with its
    /// query, `Host` is the host asked for, whatever way and version it came by.
    fn admit(&self, request: http::Request<Incoming>) -> Result<Request, Refusal> {
        let (mut parts, body) = request.into_parts();
        match parts.method {
            Method::CONNECT => return Err((StatusCode::NOT_IMPLEMENTED, "This server is no proxy.")),
            // It would show headers that scripts must not read.
            Method::TRACE => return Err((StatusCode::NOT_IMPLEMENTED, "TRACE is not offered.")),
            _ => {}
        }
        let uri = std::mem::take(&mut parts.uri).into_parts();
        let target = uri.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if target.as_str().len() > self.config.max_target_bytes {
            return Err((StatusCode::URI_TOO_LONG, "The address is too long."));
        }
        if target.path() == "*" && parts.method != Method::OPTIONS {
            return Err((StatusCode::BAD_REQUEST, "The address is not a path."));
        }
        let header_bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if header_bytes > self.config.max_header_bytes || parts.headers.len() > self.config.max_headers {
            return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's headers are too large."));
        }
        self.check_host(uri.authority.as_ref().map(http::uri::Authority::as_str), parts.version, &mut parts.headers)?;
        if !self.origins.allow(&parts.method, &parts.headers) {
            let show = |name| parts.headers.get(name).map(tracing::field::debug);
            // An operator whose proxy changes `Host` would else see nothing but forms that don't work.
            tracing::info!(origin = show(header::ORIGIN), host = show(header::HOST), "refused: from another site");
            return Err((StatusCode::FORBIDDEN, FOREIGN));
        }
        if body.size_hint().lower() > self.config.max_body_bytes {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "The request's body is too large."));
        }
        parts.uri = Uri::from(target);
        let idle = ServerConfig::millis(self.config.body_idle_ms);
        Ok(Request::from_parts(parts, incoming::limited(body, self.config.max_body_bytes, idle)))
    }

    /// One host, an allowed one, and the same in the target and the header (RFC 9112 3.2.2, RFC 9113 8.3.1).
    fn check_host(&self, target: Option<&str>, version: Version, headers: &mut HeaderMap) -> Result<(), Refusal> {
        const UNKNOWN: Refusal = (StatusCode::BAD_REQUEST, "This site is not known under the name that was asked for.");
        let mut given = headers.get_all(header::HOST).iter();
        let host = match (target, given.next()) {
            (None, None) => return Err((StatusCode::BAD_REQUEST, "The request names no host.")),
            (Some(target), header) => {
                // HTTP/1.1 has proxies rewrite `Host` to the target's; in HTTP/2 they must agree.
                let agrees = header.is_none_or(|header| header.as_bytes().eq_ignore_ascii_case(target.as_bytes()));
                if !agrees && version >= Version::HTTP_2 {
                    return Err((StatusCode::BAD_REQUEST, "The request names two hosts."));
                }
                target
            }
            (None, Some(header)) => header.to_str().map_err(|_| UNKNOWN)?,
        };
        if given.next().is_some() {
            return Err((StatusCode::BAD_REQUEST, "The request names two hosts."));
        }
        if !self.hosts.allows(host) {
            return Err(UNKNOWN);
        }
        if let Some(target) = target {
            let value = HeaderValue::from_str(target).map_err(|_| UNKNOWN)?;
            headers.insert(header::HOST, value);
        }
        Ok(())
    }

    /// The security headers, where the site gave none.
    fn secure(&self, headers: &mut HeaderMap) {
        headers.reserve(6);
        let mut default = |name, value: HeaderValue| {
            headers.entry(name).or_insert(value);
        };
        default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        default(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        default(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        if let Some(policy) = &self.policy {
            default(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
    }
}

/// Counts a request as running until it is handed over, also where its future is dropped.
struct Running<'a>(Option<&'a Pulse>);

impl Running<'_> {
    fn hand_over(mut self) {
        self.0 = None;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(pulse) = self.0 {
            pulse.finished();
        }
    }
}

/// Removes what a response may not say: how the connection goes on is the server's to say, and a length must be true.
fn clean(response: &mut Response, id: RequestId) {
    let status = response.status();
    if status.is_informational() {
        tracing::error!(%id, %status, "the site answered with a status that ends no request");
        *response = page::error(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.", id);
        return;
    }
    let framing = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    let is_framing = |name: &HeaderName| framing.contains(name);
    if response.headers().keys().any(is_framing) {
        for name in &framing {
            response.headers_mut().remove(name);
        }
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT);
    if bodiless && !response.body().is_empty() {
        *response.body_mut() = Body::empty();
    }
    if response.headers().contains_key(header::CONTENT_LENGTH) {
        let said = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        // A 304 and an answer to HEAD may name the length of what they leave out.
        let leaves_out = status == StatusCode::NOT_MODIFIED || response.body().is_empty();
        let size = response.body().size_hint();
        let fits = said.is_some_and(|said: u64| size.exact().map_or(said >= size.lower(), |exact| exact == said));
        if status == StatusCode::NO_CONTENT || !(fits || leaves_out && said.is_some()) {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
    }
}

/// An answer to HEAD: the length of what GET would have sent, where it is known, and nothing of it.
fn drop_body(response: &mut Response) {
    let length = response.body().size_hint().exact().filter(|_| !response.body().is_empty());
    if let Some(length) = length {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
}
