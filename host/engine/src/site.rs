//! A site: the loaded apps, and the way of a request to one of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use host_core::context::RequestContext;
use host_core::grants::Capability;
use host_core::http::{Arrival, Body, Request, Response, Served};
use host_core::name::AppId;
use host_core::reverse::Reverse;
use host_routing::{Kind as MountKind, Match, Mount, Table};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::assets;
use crate::bindings::bandstand::routing::types;
use crate::body::{Streamed, bounded};
use crate::breaker::Verdict;
use crate::config::{AppConfig, EngineConfig};
use crate::core::{Core, EngineError};
use crate::data::Current;
use crate::failure::Failure;
use crate::load::{Candidate, LoadError, Loaded, Report, Source, Step};
use crate::response::{Described, assemble};
use crate::run::{Answer, Call, Job, run};
use crate::version::{Kind, Version};

/// What a site is made of besides its apps.
pub struct Parts {
    /// Its database, if it has one.
    pub db: Option<Arc<host_db::Db>>,
    /// Its templates.
    pub templates: Arc<host_templates::Templates>,
    /// Where compiled code is kept.
    pub cache: Arc<host_store::CodeCache>,
    /// The site's own static files, if it has some.
    pub static_dir: Option<cap_std::fs::Dir>,
    /// The program that is started as `compile-worker`: the host itself.
    pub worker: PathBuf,
    /// Whether error pages show what went wrong.
    pub dev: bool,
}

/// A loaded app, as the operator sees it.
#[derive(Debug, Clone)]
pub struct AppInfo {
    /// Its name.
    pub app: AppId,
    /// Its version, as its author counts.
    pub version: String,
    /// Where it is mounted.
    pub mount: String,
    /// SHA-256 of its file in hexadecimal digits.
    pub digest: String,
    /// The file.
    pub origin: String,
    /// What kind of component it is.
    pub kind: Kind,
}

/// A route, as the operator sees it.
#[derive(Debug, Clone)]
pub struct RouteInfo {
    /// The app that answers it.
    pub app: AppId,
    /// The methods, in upper case; `*` for a standard component.
    pub methods: Vec<&'static str>,
    /// The whole path with the mount.
    pub path: String,
    /// The name for `url`, with the app's before it.
    pub name: Option<String>,
}

/// The loaded apps and the table that leads to them; replaced as a whole.
struct Snapshot {
    table: Arc<Table>,
    /// The same table, for who asks for paths.
    urls: Arc<dyn Reverse>,
    apps: HashMap<AppId, Arc<Version>>,
}

impl Snapshot {
    fn new(apps: HashMap<AppId, Arc<Version>>) -> Result<Self, host_routing::TableError> {
        // Sorted, so that an error about two apps names them in the same order each time.
        let mut versions: Vec<&Arc<Version>> = apps.values().collect();
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        let table = Arc::new(Table::build(versions.into_iter().map(|version| mount(version)).collect())?);
        Ok(Self { urls: table.clone(), table, apps })
    }
}

/// A running site.
pub struct Site {
    core: Arc<Core>,
    parts: Parts,
    snapshot: ArcSwap<Snapshot>,
    /// Held while the set of apps changes.
    changing: tokio::sync::Mutex<()>,
}

impl Site {
    /// Starts an engine with no apps.
    pub fn open(config: &EngineConfig, parts: Parts) -> Result<Arc<Self>, EngineError> {
        let core = Arc::new(Core::start(config, parts.cache.clone(), parts.worker.clone())?);
        let empty = Snapshot::new(HashMap::new()).map_err(EngineError::new)?;
        let site = Arc::new(Self {
            core,
            parts,
            snapshot: ArcSwap::from_pointee(empty),
            changing: tokio::sync::Mutex::new(()),
        });
        sweep(&site);
        Ok(site)
    }

    /// Loads a component: compiles it aside, asks it for its manifest, checks it against what `configure` says the
    /// operator decided, gives it its tables, and swaps it in. On any error what ran before keeps running.
    pub async fn load(
        self: &Arc<Self>,
        source: Source,
        configure: impl FnOnce(&AppId) -> Result<AppConfig, String>,
    ) -> Result<Loaded, LoadError> {
        let candidate = Candidate::prepare(&self.core, &source).await?;
        let _alone = self.changing.lock().await;
        let config = self.decide(&candidate, &source, configure)?;
        let replaced = self.snapshot.load().apps.contains_key(candidate.app());
        let loaded = candidate.loaded(&config, replaced);
        let site = self.clone();
        let origin = source.origin.clone();
        tokio::task::spawn_blocking(move || {
            // The routes are checked before the tables are made: a refusal must leave nothing behind.
            site.table_with(candidate.app(), &candidate, &config, &source.origin)?;
            let version = candidate.install(&site.core, &site.parts, config)?;
            site.swap_in(Arc::new(version))
        })
        .await
        .map_err(|e| LoadError {
            step: Step::File,
            origin,
            message: format!("could not be loaded: {e}"),
            hint: None,
        })??;
        Ok(loaded)
    }

    /// All of loading that has no effect, and what it would do to the database.
    pub async fn check(
        self: &Arc<Self>,
        source: Source,
        configure: impl FnOnce(&AppId) -> Result<AppConfig, String>,
    ) -> Result<Report, LoadError> {
        let mut candidate = Candidate::prepare(&self.core, &source).await?;
        let config = self.decide(&candidate, &source, configure)?;
        self.table_with(candidate.app(), &candidate, &config, &source.origin)?;
        let loaded = candidate.loaded(&config, false);
        let schema = candidate.schema(&self.parts)?;
        candidate.files(&self.parts)?;
        Ok(Report { loaded, schema })
    }

    /// Takes an app off the site; requests under way end by themselves. Returns whether it was there.
    pub async fn remove(&self, app: &AppId) -> bool {
        let _alone = self.changing.lock().await;
        let snapshot = self.snapshot.load_full();
        let mut apps = snapshot.apps.clone();
        if apps.remove(app).is_none() {
            return false;
        }
        match Snapshot::new(apps) {
            Ok(without) => {
                self.publish(without);
                true
            }
            Err(error) => {
                tracing::error!(%app, %error, "the routes without the app make no table; it stays");
                false
            }
        }
    }

    /// The loaded apps, by name.
    pub fn apps(&self) -> Vec<AppInfo> {
        let snapshot = self.snapshot.load();
        let mut apps: Vec<AppInfo> = snapshot
            .apps
            .values()
            .map(|version| AppInfo {
                app: version.id.clone(),
                version: version.manifest.version.clone(),
                mount: version.config.mount.clone(),
                digest: version.digest.clone(),
                origin: version.origin.clone(),
                kind: version.entry.kind(),
            })
            .collect();
        apps.sort_by(|a, b| a.app.cmp(&b.app));
        apps
    }

    /// All routes, in the order of the apps' names and of their declarations.
    pub fn routes(&self) -> Vec<RouteInfo> {
        let snapshot = self.snapshot.load();
        let mut versions: Vec<&Arc<Version>> = snapshot.apps.values().collect();
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        let mut routes = Vec::new();
        for version in versions {
            let mount = version.config.mount.trim_end_matches('/');
            if version.entry.kind() != Kind::App {
                routes.push(RouteInfo {
                    app: version.id.clone(),
                    methods: vec!["*"],
                    path: format!("{mount}/…"),
                    name: None,
                });
            }
            for route in &version.manifest.routes {
                routes.push(RouteInfo {
                    app: version.id.clone(),
                    methods: route.methods.iter().map(|method| method.as_str()).collect(),
                    path: format!("{mount}{}", route.path),
                    name: route.name.as_ref().map(|name| format!("{}:{name}", version.id)),
                });
            }
        }
        routes
    }

    fn decide(
        &self,
        candidate: &Candidate,
        source: &Source,
        configure: impl FnOnce(&AppId) -> Result<AppConfig, String>,
    ) -> Result<AppConfig, LoadError> {
        let app = candidate.app();
        if let Some(other) = self.snapshot.load().apps.get(app).filter(|other| other.origin != source.origin) {
            return Err(LoadError {
                step: Step::Name,
                origin: source.origin.clone(),
                message: format!("is called `{app}`, and so is {}, which is loaded", other.origin),
                hint: Some("remove one of the two files".into()),
            });
        }
        let config = configure(app).map_err(|message| LoadError {
            step: Step::Config,
            origin: source.origin.clone(),
            message,
            hint: None,
        })?;
        candidate.check_config(&self.core, &config)?;
        Ok(config)
    }

    /// The table that there would be with the candidate in its place.
    fn table_with(
        &self,
        app: &AppId,
        candidate: &Candidate,
        config: &AppConfig,
        origin: &str,
    ) -> Result<Table, LoadError> {
        let snapshot = self.snapshot.load();
        let mut mounts: Vec<Mount> =
            snapshot.apps.values().filter(|other| other.id != *app).map(|other| mount(other)).collect();
        mounts.push(Mount {
            app: app.clone(),
            prefix: config.mount.clone(),
            kind: mount_kind(candidate.entry.kind(), &candidate.manifest),
        });
        Table::build(mounts).map_err(|error| LoadError {
            step: Step::Routes,
            origin: origin.to_owned(),
            message: format!("can't be mounted: {error}"),
            hint: Some(format!("set another `mount` under [apps.{app}] in bandstand.toml")),
        })
    }

    fn swap_in(&self, version: Arc<Version>) -> Result<(), LoadError> {
        let mut apps = self.snapshot.load().apps.clone();
        let origin = version.origin.clone();
        apps.insert(version.id.clone(), version);
        let snapshot = Snapshot::new(apps).map_err(|error| LoadError {
            step: Step::Routes,
            origin,
            message: format!("can't be mounted: {error}"),
            hint: None,
        })?;
        self.publish(snapshot);
        Ok(())
    }

    /// Makes `snapshot` what the next request sees.
    fn publish(&self, snapshot: Snapshot) {
        self.parts.templates.set_reverse(snapshot.urls.clone());
        self.snapshot.store(Arc::new(snapshot));
    }
}

fn mount_kind(kind: Kind, manifest: &host_core::manifest::Manifest) -> MountKind {
    match kind {
        Kind::App => MountKind::Routes(manifest.routes.clone()),
        Kind::Http02 | Kind::Http03 => MountKind::Whole,
    }
}

fn mount(version: &Version) -> Mount {
    Mount {
        app: version.id.clone(),
        prefix: version.config.mount.clone(),
        kind: mount_kind(version.entry.kind(), &version.manifest),
    }
}

/// Throws idle instances away from time to time, for as long as the site lives.
fn sweep(site: &Arc<Site>) {
    let site = Arc::downgrade(site);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let Some(site) = site.upgrade() else { return };
            let snapshot = site.snapshot.load_full();
            for version in snapshot.apps.values() {
                version.warm.sweep();
                version.company.sweep();
            }
        }
    });
}

impl host_core::http::Site for Site {
    async fn respond(self: Arc<Self>, request: Request, arrival: Arrival) -> Response {
        let snapshot = self.snapshot.load_full();
        let path = request.uri().path();
        if let Some(file) = path.strip_prefix(assets::PREFIX)
            && let Some(response) = self.asset(&snapshot, file, &request)
        {
            return response;
        }
        let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        match snapshot.table.resolve(request.method(), target) {
            Match::Route(hit) => {
                let hit =
                    Hit { route: Some(hit.route), name: hit.name, params: hit.params, path: hit.path, app: hit.app };
                self.serve(&snapshot, hit, request, arrival).await
            }
            Match::Whole(hit) => {
                let hit = Hit { route: None, name: None, params: Vec::new(), path: String::new(), app: hit.app };
                self.serve(&snapshot, hit, request, arrival).await
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
    fn asset(&self, snapshot: &Snapshot, file: &str, request: &Request) -> Option<Response> {
        let (method, headers) = (request.method(), request.headers());
        if let Some(dir) = &self.parts.static_dir
            && let Some(response) = assets::serve_site(dir, file, method, headers)
        {
            return Some(response);
        }
        let app = file.split('/').next()?;
        let version = snapshot.apps.get(&AppId::new(app).ok()?)?;
        version.assets.serve(file, request.uri().query(), method, headers)
    }

    async fn serve(&self, snapshot: &Snapshot, hit: Hit, request: Request, arrival: Arrival) -> Response {
        let Some(version) = snapshot.apps.get(&hit.app).cloned() else {
            return self.page(None, StatusCode::NOT_FOUND, "There is nothing at this address.", &arrival);
        };
        if let Verdict::Open(seconds) = version.breaker.ask(Instant::now()) {
            return retry_later(
                self.page(Some(&version), StatusCode::SERVICE_UNAVAILABLE, Failure::Busy.public(), &arrival),
                seconds,
            );
        }
        let ctx = Arc::new(RequestContext::new(
            arrival.id,
            version.id.clone(),
            version.grants.clone(),
            version.config.limits.clone(),
        ));
        let method = request.method().clone();
        let name = hit.name.clone();
        let (parts, body) = request.into_parts();
        let parts = Arc::new(parts);
        let job = job(&snapshot.urls, &version, &ctx, hit, parts.clone(), body, &arrival);
        let outcome = run(&self.core, job, &method).await;
        let mut response = match outcome {
            Ok((answer, driver)) => {
                if driver.is_none() {
                    self.tell(&version, false);
                }
                self.finish(&version, &snapshot.urls, &ctx, &parts.uri, answer, driver, &arrival).await
            }
            Err(failure) => self.failed(&version, &failure, &arrival),
        };
        response.extensions_mut().insert(Served {
            app: Some(version.id.clone()),
            route: name,
            statements: ctx.budget.statements(),
            db_micros: u64::try_from(ctx.budget.db_used().as_micros()).unwrap_or(u64::MAX),
        });
        response
    }

    fn tell(&self, version: &Version, failed: bool) {
        if version.breaker.tell(failed, Instant::now()) {
            tracing::warn!(app = %version.id, "half of the app's requests ran out of their budget; it rests for 5 s");
        }
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
    ) -> Response {
        match answer {
            Answer::Whole(status, mut headers, bytes) => {
                if !bytes.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
                    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                }
                assemble(status, headers, Body::full(bytes))
            }
            Answer::Described(status, headers, document) => {
                match self.describe(version, urls, ctx, uri, status, headers, &document, arrival).await {
                    Ok(response) => response,
                    Err(failure) => self.failed(version, &failure, arrival),
                }
            }
            Answer::Streaming(status, headers, body) => match driver {
                None => assemble(status, headers, body),
                Some(driver) => {
                    let (version, id) = (version.clone(), arrival.id);
                    let report = move |failure: Option<&Failure>| {
                        version.breaker.tell(failure.is_some_and(Failure::opens_breaker), Instant::now());
                        if let Some(failure) = failure {
                            tracing::error!(app = %version.id, %id, "while streaming: {failure}");
                        }
                    };
                    assemble(status, headers, Body::stream(Streamed::new(driver, body, report)))
                }
            },
        }
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
        arrival: &Arrival,
    ) -> Result<Response, Failure> {
        let described = Described::parse(document).map_err(Failure::BadResponse)?;
        if let Some(error) = described.error {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = self.page(Some(version), status, &error.message, arrival);
            headers.remove(header::CONTENT_TYPE);
            response.headers_mut().extend(headers);
            return Ok(response);
        }
        let template = described.template.as_deref().unwrap_or_default();
        let context = described.context.map_or("{}", serde_json::value::RawValue::get);
        let page = crate::rooms::page(urls, version, arrival, uri);
        let rendered = version.templates.render_page(template, context.as_bytes(), &page).await;
        let text = rendered.map_err(|error| Failure::Render {
            short: format!("{error:#}"),
            dev_page: self.parts.dev.then(|| error.to_html()),
            budget: error.is_budget(),
        })?;
        ctx.budget.charge_response(text.len() as u64).map_err(Failure::Budget)?;
        if !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, content_type(template));
        }
        Ok(assemble(status, headers, Body::full(text)))
    }

    /// Logs a failure and makes its page.
    fn failed(&self, version: &Arc<Version>, failure: &Failure, arrival: &Arrival) -> Response {
        self.tell(version, failure.opens_breaker());
        if matches!(failure, Failure::Busy) {
            tracing::warn!(app = %version.id, id = %arrival.id, "{failure}");
        } else {
            tracing::error!(app = %version.id, id = %arrival.id, "{failure}");
        }
        if let Failure::Render { dev_page: Some(html), .. } = failure {
            return host_core::page::html_response(failure.status(), html.clone());
        }
        let message = if self.parts.dev { failure.to_string() } else { failure.public().to_owned() };
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

fn retry_later(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
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
    let db = version.db.as_ref().filter(|_| ctx.may(Capability::Db)).map(|db| Arc::new(db.for_request(ctx.clone())));
    let current = Current { version: version.clone(), urls: urls.clone(), db, parts, arrival: *arrival, body };
    Job { version: version.clone(), ctx: ctx.clone(), current, call, route: hit.route.unwrap_or(0) as usize }
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
