//! The way of a request: from the route to the app, and from its answer to a response.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::access::Facts;
use host_core::budget::{Exhausted, Resource};
use host_core::context::RequestContext;
use host_core::http::{Arrival, Body, Request, Response, Served};
use host_core::name::AppId;
use host_core::queries::QueryLog;
use host_core::reverse::Reverse;
use host_db::RequestDb;
use host_routing::Match;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body::Body as _;

use crate::assets;
use crate::bindings::bandstand::routing::types;
use crate::body::{Streamed, bounded};
use crate::breaker::Pass;
use crate::data::Current;
use crate::failure::Failure;
use crate::lanes;
use crate::meter::Meter;
use crate::page::Making;
use crate::response::{Described, assemble};
use crate::run::{Answer, Call, Job, run};
use crate::site::{Site, Snapshot};
use crate::version::{Kind, Version};

impl host_core::http::Site for Site {
    async fn respond(self: Arc<Self>, request: Request, arrival: Arrival) -> Response {
        let snapshot = self.snapshot.load_full();
        let path = request.uri().path();
        if let Some(file) = path.strip_prefix(assets::PREFIX)
            && let Some(response) =
                self.asset(&snapshot, file, request.uri().query(), request.method(), request.headers()).await
        {
            return response;
        }
        let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        match snapshot.table.resolve(request.method(), target) {
            Match::Route(hit) => {
                let hit =
                    Hit { route: Some(hit.route), name: hit.name, params: hit.params, path: hit.path, app: hit.app };
                self.on_its_lane(snapshot, hit, request, arrival).await
            }
            Match::Whole(hit) => {
                let hit = Hit { route: None, name: None, params: Vec::new(), path: String::new(), app: hit.app };
                self.on_its_lane(snapshot, hit, request, arrival).await
            }
            Match::MethodNotAllowed { app, allow } => {
                let message = "This address doesn't answer that kind of request.";
                let version = snapshot.apps.get(&app);
                let mut response = self.page(version, StatusCode::METHOD_NOT_ALLOWED, message, &arrival);
                response.headers_mut().insert(header::ALLOW, allow);
                response
            }
            Match::Options { allow, .. } => {
                let mut response = assemble(StatusCode::NO_CONTENT, HeaderMap::new(), Body::empty());
                response.headers_mut().insert(header::ALLOW, allow);
                response
            }
            Match::SlashRedirect { location } => {
                let mut response = assemble(StatusCode::MOVED_PERMANENTLY, HeaderMap::new(), Body::empty());
                response.headers_mut().insert(header::LOCATION, location);
                response
            }
            Match::NotFound { app } => {
                let version = app.and_then(|app| snapshot.apps.get(&app));
                self.page(version, StatusCode::NOT_FOUND, "There is nothing at this address.", &arrival)
            }
            Match::BadPath => {
                let message = "The address has characters that are not encoded as they should be.";
                self.page(None, StatusCode::BAD_REQUEST, message, &arrival)
            }
        }
    }
}

/// A matched request.
struct Hit {
    app: AppId,
    /// The route's place in the manifest; none for a standard component.
    route: Option<u32>,
    name: Option<Arc<str>>,
    params: Vec<String>,
    path: String,
}

impl Site {
    async fn asset(
        &self,
        snapshot: &Snapshot,
        file: &str,
        query: Option<&str>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response> {
        if let Some(dir) = &self.parts.static_dir
            && let Some(response) = assets::serve_site(dir, file, method, headers).await
        {
            return Some(response);
        }
        let app = file.split('/').next()?;
        let version = snapshot.apps.get(&AppId::new(app).ok()?)?;
        version.assets.serve(file, query, method, headers)
    }

    /// Serves it where its app's requests run now.
    async fn on_its_lane(
        self: &Arc<Self>,
        snapshot: Arc<Snapshot>,
        hit: Hit,
        request: Request,
        arrival: Arrival,
    ) -> Response {
        if !snapshot.apps.get(&hit.app).is_some_and(|version| version.usage.gives_way()) {
            return self.serve(&snapshot, hit, request, arrival).await;
        }
        let site = self.clone();
        let serving = async move { site.serve(&snapshot, hit, request, arrival).await };
        match lanes::run(&self.core.busy, serving).await {
            Some(response) => response,
            // The host is at its end.
            None => self.page(None, StatusCode::SERVICE_UNAVAILABLE, Failure::Busy.public(), &arrival),
        }
    }

    async fn serve(&self, snapshot: &Snapshot, hit: Hit, request: Request, arrival: Arrival) -> Response {
        let Some(version) = snapshot.apps.get(&hit.app).cloned() else {
            return self.page(None, StatusCode::NOT_FOUND, "There is nothing at this address.", &arrival);
        };
        let pass = match version.breaker.ask(Instant::now()) {
            Ok(pass) => pass,
            Err(seconds) => {
                let page = self.page(Some(&version), StatusCode::SERVICE_UNAVAILABLE, Failure::Busy.public(), &arrival);
                return retry_later(page, seconds);
            }
        };
        let mut ctx =
            RequestContext::new(arrival.id, version.id.clone(), version.grants.clone(), version.config.limits.clone());
        if !version.config.models.is_empty() {
            ctx = ctx.with_facts(Facts { host: asked(request.headers()), user: None });
        }
        if self.parts.dev || QueryLog::is_wanted() {
            ctx = ctx.with_query_log();
        }
        let ctx = Arc::new(ctx);
        let method = request.method().clone();
        let name = hit.name.clone();
        let (parts, body) = request.into_parts();
        let parts = Arc::new(parts);
        let job = job(&snapshot.urls, &version, &ctx, hit, parts.clone(), body, &arrival);
        // Dropped where the client goes away: then nobody learns how the request would have ended.
        let mut pass = Some(pass);
        let result = match run(&self.core, job, &method).await {
            Ok((answer, driver)) => {
                self.finish(&version, &snapshot.urls, &ctx, &parts.uri, answer, driver, &arrival, &mut pass).await
            }
            Err(Failure::Budget(Exhausted { resource: Resource::Wall, .. })) if ctx.awaits_body() => {
                Err(Failure::SlowClient)
            }
            Err(failure) => Err(failure),
        };
        if let Some(pass) = pass {
            tell(pass, &version, result.as_ref().is_err_and(Failure::opens_breaker));
        }
        let mut response = match result {
            Ok(response) => response,
            Err(failure) => self.failed(&version, &ctx, &failure, &arrival),
        };
        // What a body that is still to come will ask for isn't known here; the access log says it at the end.
        if self.parts.dev && response.body().size_hint().exact().is_some() {
            response.headers_mut().append("server-timing", timing(ctx.budget.statements(), ctx.budget.db_used()));
        }
        response.extensions_mut().insert(Served { app: Some(version.id.clone()), route: name, context: Some(ctx) });
        response
    }

    /// Makes the response of an answer.
    #[allow(clippy::too_many_arguments)] // One call site; a struct would only name them twice.
    async fn finish(
        &self,
        version: &Arc<Version>,
        urls: &Arc<dyn Reverse>,
        ctx: &Arc<RequestContext>,
        uri: &http::Uri,
        answer: Answer,
        driver: Option<crate::driver::Driver<()>>,
        arrival: &Arrival,
        pass: &mut Option<Pass>,
    ) -> Result<Response, Failure> {
        Ok(match answer {
            Answer::Whole(status, mut headers, bytes) => {
                if !bytes.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
                    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                }
                assemble(status, headers, Body::full(bytes))
            }
            Answer::Described(status, headers, document, db) => {
                self.describe(version, urls, ctx, uri, status, headers, &document, db.as_deref(), arrival).await?
            }
            Answer::Streaming(status, headers, body) => match driver {
                None => assemble(status, headers, body),
                Some(driver) => {
                    let (version, id, pass) = (version.clone(), arrival.id, pass.take());
                    let report = move |failure: Option<&Failure>| {
                        if let Some(pass) = pass {
                            tell(pass, &version, failure.is_some_and(Failure::opens_breaker));
                        }
                        if let Some(failure) = failure {
                            tracing::error!(app = %version.id, %id, "while streaming: {failure}");
                        }
                    };
                    assemble(status, headers, Body::stream(Streamed::new(driver, body, ctx.clone(), report)))
                }
            },
        })
    }

    #[allow(clippy::too_many_arguments)] // One call site; a struct would only name them twice.
    async fn describe(
        &self,
        version: &Arc<Version>,
        urls: &Arc<dyn Reverse>,
        ctx: &Arc<RequestContext>,
        uri: &http::Uri,
        status: StatusCode,
        mut headers: HeaderMap,
        document: &[u8],
        db: Option<&RequestDb>,
        arrival: &Arrival,
    ) -> Result<Response, Failure> {
        let described = Described::parse(document).map_err(Failure::BadResponse)?;
        if let Some(error) = described.error {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let complaint = ctx.complaint().filter(|_| self.parts.dev && status.is_server_error());
            let mut response = self.page(Some(version), status, complaint.unwrap_or(&error.message), arrival);
            headers.remove(header::CONTENT_TYPE);
            response.headers_mut().extend(headers);
            return Ok(response);
        }
        let template = described.template.as_deref().unwrap_or_default();
        let context = described.context.map_or("{}", serde_json::value::RawValue::get);
        let page = crate::rooms::page(urls, version, arrival, uri);
        let making = Making { template, context, queries: &described.queries, db, dev: self.parts.dev };
        let rendering = making.render(&version.templates, &version.followed, &page);
        let text = Meter::of(&version.usage).time(rendering).await?;
        ctx.budget.charge_response(text.len() as u64).map_err(Failure::Budget)?;
        if !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, content_type(template));
        }
        Ok(assemble(status, headers, Body::full(text)))
    }

    /// Logs a failure and makes its page.
    fn failed(
        &self,
        version: &Arc<Version>,
        ctx: &Arc<RequestContext>,
        failure: &Failure,
        arrival: &Arrival,
    ) -> Response {
        if matches!(failure, Failure::Busy | Failure::SlowClient) {
            tracing::warn!(app = %version.id, id = %arrival.id, "{failure}");
        } else {
            tracing::error!(app = %version.id, id = %arrival.id, "{failure}");
        }
        if let Failure::Render { dev_page: Some(html), .. } = failure {
            return host_core::page::html_response(failure.status(), html.clone());
        }
        let message = match failure {
            // A panic's words tell more than the trap that it ends in; the log has both.
            Failure::Trap(_) if self.parts.dev => ctx.complaint().map_or_else(|| failure.to_string(), str::to_owned),
            _ if self.parts.dev => failure.to_string(),
            _ => failure.public().to_owned(),
        };
        let page = self.page(Some(version), failure.status(), &message, arrival);
        if matches!(failure, Failure::Busy) { retry_later(page, 1) } else { page }
    }

    /// One of the site's error pages.
    fn page(&self, version: Option<&Arc<Version>>, status: StatusCode, message: &str, arrival: &Arrival) -> Response {
        let html = match version {
            Some(version) => version.templates.render_error(status, message, arrival.id),
            None => self.parts.templates.render_error(status, message, arrival.id),
        };
        host_core::page::html_response(status, html)
    }
}

fn tell(pass: Pass, version: &Version, failed: bool) {
    if pass.tell(failed, Instant::now()) {
        tracing::warn!(app = %version.id, "half of the app's requests ran out of their budget; it rests for 5 s");
    }
}

fn retry_later(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// What a browser's developer tools show of the database's part (W3C Server Timing): how many statements, and milliseconds.
fn timing(statements: u64, used: Duration) -> HeaderValue {
    let plural = if statements == 1 { "" } else { "s" };
    let text = format!("db;desc=\"{statements} statement{plural}\";dur={:.1}", used.as_secs_f64() * 1_000.0);
    // Digits and fixed words are always a header's value.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("db"))
}

fn content_type(template: &str) -> HeaderValue {
    HeaderValue::from_static(match template.rsplit('.').next() {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("xml") => "application/xml; charset=utf-8",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    })
}

fn job(
    urls: &Arc<dyn Reverse>,
    version: &Arc<Version>,
    ctx: &Arc<RequestContext>,
    hit: Hit,
    parts: Arc<http::request::Parts>,
    body: Body,
    arrival: &Arrival,
) -> Job {
    let (call, body) = match version.entry.kind() {
        Kind::App => {
            let request = types::Request {
                route: hit.route.unwrap_or(u32::MAX),
                method: parts.method.as_str().to_owned(),
                path: hit.path,
                query: parts.uri.query().unwrap_or_default().to_owned(),
                params: hit.params,
            };
            (Call::App(request), Some(body))
        }
        Kind::Http02 | Kind::Http03 => {
            let limit = usize::try_from(ctx.budget.limits().body_bytes).unwrap_or(usize::MAX);
            let mut request = http::Request::new(bounded(body, limit));
            *request.method_mut() = parts.method.clone();
            *request.headers_mut() = parts.headers.clone();
            *request.uri_mut() = absolute(&parts, arrival.secure);
            (Call::Http(request), None)
        }
    };
    let db = version.request_db(ctx);
    let current = Current { version: version.clone(), urls: urls.clone(), db, parts, arrival: *arrival, body };
    Job { version: version.clone(), ctx: ctx.clone(), current, call, route: hit.route.unwrap_or(0) as usize }
}

/// The name under which the site is asked, as rules about rows compare it.
fn asked(headers: &HeaderMap) -> Option<Box<str>> {
    let host: http::uri::Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    let host = host.host().trim_end_matches('.');
    (!host.is_empty()).then(|| host.to_ascii_lowercase().into())
}

/// The request's address with scheme and host, as `wasi:http` has it.
fn absolute(parts: &http::request::Parts, secure: bool) -> http::Uri {
    let mut uri = parts.uri.clone().into_parts();
    if uri.authority.is_none() {
        uri.authority = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    }
    uri.authority = Some(uri.authority.unwrap_or_else(|| http::uri::Authority::from_static("localhost")));
    uri.scheme = Some(if secure { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP });
    uri.path_and_query.get_or_insert_with(|| http::uri::PathAndQuery::from_static("/"));
    http::Uri::from_parts(uri).unwrap_or_else(|_| parts.uri.clone())
}
