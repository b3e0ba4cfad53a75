//! The templates of one app, with the site's and the host's around them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use host_core::context::RequestId;
use host_core::name::AppId;
use host_core::rows::{Need, Node};
use host_templates_sandbox::{Facts, Failure, Kind, wire};
use http::StatusCode;
use parking_lot::Mutex;

use crate::config::TemplateConfig;
use crate::error::{RenderError, TemplateError};
use crate::names::is_name;
use crate::pace::{Abandon, Pace};
use crate::page::{Answers, Page, now};
use crate::sandbox::{Instance, LOAD_TIME, OVER_TIME, Outcome, Sandbox};
use crate::site::BUILTIN;
use crate::templates::Shared;

/// Engines that wait for their next page, for one app and for the process. Each holds one to a few MiB; making one takes
/// a millisecond or so for the app's templates to be compiled in it.
const MAX_IDLE: usize = 4;
const MAX_IDLE_ALL: usize = 64;
/// An engine that has grown beyond this is not kept.
const MAX_IDLE_MEMORY: usize = 16 << 20;

/// Processor time that a page gets where others wait for the thread. Ordinary pages take a tenth of it.
const SLICE: Duration = Duration::from_millis(10);
/// Pages that go to the slow lane at once after one that used up its slice, before the next is tried the quick way.
const SLOW_PAGES: u32 = 50;
/// Slow pages of one app at a time; others have the rest of the lane's queue.
const MAX_SLOW: usize = 16;

static IDLE: AtomicUsize = AtomicUsize::new(0);

/// How a page with rows came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    /// The page.
    Page(String),
    /// It followed relations that weren't loaded: fetch them and render again.
    Needs(Vec<Need>),
}

/// The templates that an app's pages see. Cheap to share; it changes when the site's templates are read again.
pub struct AppTemplates {
    app: Option<AppId>,
    own: Vec<(String, String)>,
    shared: Arc<Shared>,
    set: ArcSwap<Set>,
    slow: Slow,
}

/// What is known of an app's slow pages.
#[derive(Default)]
struct Slow {
    /// Pages on the lane or in its queue.
    running: Arc<AtomicUsize>,
    /// How often each template still goes there at once. Only templates that exist are in it.
    names: Mutex<HashMap<String, u32>>,
}

impl Slow {
    fn is_slow(&self, name: &str) -> bool {
        let mut names = self.names.lock();
        let Some(left) = names.get_mut(name) else { return false };
        *left -= 1;
        if *left == 0 {
            names.remove(name);
        }
        true
    }

    fn remember(&self, name: &str) {
        self.names.lock().insert(name.into(), SLOW_PAGES);
    }
}

/// A place on the slow lane, given back when it is dropped.
struct SlowPlace(Arc<AtomicUsize>);

impl Drop for SlowPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What holds until the next reload.
struct Set {
    /// A [`wire::Load`], as every new engine gets it.
    load: Vec<u8>,
    names: Vec<String>,
    idle: Mutex<Vec<Instance>>,
}

impl Drop for Set {
    fn drop(&mut self) {
        IDLE.fetch_sub(self.idle.get_mut().len(), Relaxed);
    }
}

impl std::fmt::Debug for AppTemplates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppTemplates")
            .field("app", &self.app)
            .field("names", &self.set.load().names)
            .finish_non_exhaustive()
    }
}

impl Set {
    /// Compiles the three layers in an engine, which stays for the first page.
    fn new(site: &[(String, String)], own: &[(String, String)], config: &TemplateConfig) -> Result<Self, Vec<Failure>> {
        let mut templates: Vec<(String, String)> = site.to_vec();
        for layer in [own.to_vec(), BUILTIN.map(|(name, text)| (name.into(), text.into())).to_vec()] {
            for (name, text) in layer {
                if !templates.iter().any(|(known, _)| *known == name) {
                    templates.push((name, text));
                }
            }
        }
        let mut names: Vec<String> = templates.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        let load = wire::Load { templates, limits: config.limits() };
        let load = serde_json::to_vec(&load).map_err(|error| vec![Failure::new(Kind::Syntax, error.to_string())])?;
        let instance =
            sandbox().map_err(|failure| vec![failure])?.start(&load, config.memory_bytes, Pace::of(LOAD_TIME))?;
        let set = Self { load, names, idle: Mutex::new(Vec::new()) };
        set.put_back(instance);
        Ok(set)
    }

    fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    fn put_back(&self, instance: Instance) {
        if instance.memory_bytes() > MAX_IDLE_MEMORY || IDLE.load(Relaxed) >= MAX_IDLE_ALL {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(instance);
            IDLE.fetch_add(1, Relaxed);
        }
    }

    fn take(&self) -> Option<Instance> {
        let instance = self.idle.lock().pop()?;
        IDLE.fetch_sub(1, Relaxed);
        Some(instance)
    }
}

fn sandbox() -> Result<&'static Sandbox, Failure> {
    Sandbox::shared().map_err(|error| {
        tracing::error!(error, "the template engine can't be compiled");
        Failure::new(Kind::Budget, "the template engine can't be started")
    })
}

impl AppTemplates {
    pub(crate) fn new(
        app: Option<AppId>,
        own: Vec<(String, String)>,
        site: &[(String, String)],
        shared: Arc<Shared>,
    ) -> Result<Self, Vec<TemplateError>> {
        let set = Set::new(site, &own, &shared.config).map_err(|failures| errors(app.as_ref(), failures))?;
        Ok(Self { app, own, shared, set: ArcSwap::from_pointee(set), slow: Slow::default() })
    }

    /// Takes the site's templates as they are now; keeps the old ones where they don't fit.
    pub(crate) fn renew(&self, site: &[(String, String)]) -> Result<(), Vec<TemplateError>> {
        let set =
            Set::new(site, &self.own, &self.shared.config).map_err(|failures| errors(self.app.as_ref(), failures))?;
        self.set.store(Arc::new(set));
        Ok(())
    }

    /// The names of all templates that its pages see, sorted.
    pub fn names(&self) -> Vec<String> {
        self.set.load().names.clone()
    }

    /// The largest context, in bytes.
    pub fn context_bytes(&self) -> usize {
        self.shared.config.context_bytes
    }

    /// Renders the template `name` with `context`, a JSON object in UTF-8 of at most 1 MiB.
    ///
    /// It computes until the page is done, at most for the configured time: [`render_page`](Self::render_page) is for
    /// threads on which others wait. Errors say where in which template, with a stable [code](RenderError::code).
    pub fn render(&self, name: &str, context: &[u8], page: &Page) -> Result<String, RenderError> {
        let pace = Pace::of(Duration::from_millis(self.shared.config.millis));
        let made = self.make(name, context, &[], page.facts(), page.answers(), pace).and_then(whole);
        made.map_err(|failure| self.error(failure))
    }

    /// The same, for a thread on which others wait: a page that takes longer than some 10 ms is begun again on the slow
    /// lane, threads that compute when nobody else wants to, and its template goes there at once for a while. Rendering
    /// has no effects, so nobody notices but the clock.
    ///
    /// Dropping the future ends the work. Besides the errors of [`render`](Self::render): `budget` where too many slow
    /// pages are under way.
    pub async fn render_page(self: &Arc<Self>, name: &str, context: &[u8], page: &Page) -> Result<String, RenderError> {
        let made = self.render_rows(name, context, &[], page).await?;
        whole(made).map_err(|failure| self.error(failure))
    }

    /// The same with rows of the database in the context (see [`host_core::rows`]); `nodes` says what can be followed from them.
    pub async fn render_rows(
        self: &Arc<Self>,
        name: &str,
        context: &[u8],
        nodes: &[Node],
        page: &Page,
    ) -> Result<Rendered, RenderError> {
        if !self.slow.is_slow(name) {
            match self.make(name, context, nodes, page.facts(), page.answers(), Pace::of(SLICE)) {
                Err(failure) if failure.message.ends_with(OVER_TIME) => self.slow.remember(name),
                result => return result.map_err(|failure| self.error(failure)),
            }
        }
        let busy = || self.error(Failure::new(Kind::Budget, format!("{name}: too many slow pages are under way")));
        let place = SlowPlace(self.slow.running.clone());
        if self.slow.running.fetch_add(1, Relaxed) >= MAX_SLOW {
            return Err(busy());
        }
        let pace = Pace::of(Duration::from_millis(self.shared.config.millis));
        let _abandon = Abandon(pace.abandoned.clone());
        let (answer, made) = tokio::sync::oneshot::channel();
        let (templates, name, page) = (self.clone(), name.to_owned(), page.clone());
        let (context, nodes) = (context.to_vec(), nodes.to_vec());
        let job = Box::new(move || {
            let made = match pace.abandoned.load(Relaxed) {
                true => None,
                false => Some(templates.make(&name, &context, &nodes, page.facts(), page.answers(), pace)),
            };
            drop(place);
            // Where nobody waits any more, nobody is to be told.
            let _ = answer.send(made);
        });
        if !crate::lane::run(job) {
            return Err(busy());
        }
        match made.await {
            Ok(Some(result)) => result.map_err(|failure| self.error(failure)),
            Ok(None) | Err(_) => Err(self.error(Failure::new(Kind::Render, "the page was given up"))),
        }
    }

    fn error(&self, failure: Failure) -> RenderError {
        RenderError { app: self.app.clone(), failure }
    }

    /// The page for an error: the app's `<app>/404.html`, a `404.html`, the app's `<app>/error.html`, or an
    /// `error.html`, whichever is there first; the site's before the app's, and at last the host's. Where it can't be
    /// rendered, a plain page, and the reason is logged.
    ///
    /// The context is `status`, `reason` (such as `Not Found`), `message` and `id`.
    pub fn render_error(&self, status: StatusCode, message: &str, id: RequestId) -> String {
        let code = status.as_u16();
        let mut names = vec![format!("{code}.html"), "error.html".into()];
        if let Some(app) = &self.app {
            names.insert(0, format!("{app}/{code}.html"));
            names.insert(2, format!("{app}/error.html"));
        }
        let set = self.set.load();
        let name = names.into_iter().find(|name| set.has(name)).unwrap_or_default();
        drop(set);
        let context = serde_json::json!({
            "status": code,
            "reason": status.canonical_reason().unwrap_or("Error"),
            "message": message,
            "id": id.to_string(),
        });
        let facts = Facts { now: now(), id: id.to_string(), ..Facts::default() };
        let answers = Answers { app: self.app.clone(), ..self.shared.answers() };
        // An error's page isn't worth waiting for: past the slice it is the plain one, and so are the next ones, or errors
        // would cost the neighbours more than pages do.
        if self.slow.is_slow(&name) {
            return plain(status, message, id);
        }
        match self.make(&name, context.to_string().as_bytes(), &[], facts, answers, Pace::of(SLICE)).and_then(whole) {
            Ok(page) => page,
            Err(failure) => {
                if failure.kind == Kind::Budget {
                    self.slow.remember(&name);
                }
                tracing::error!(%id, app = ?self.app, "the page for errors can't be rendered: {failure}");
                plain(status, message, id)
            }
        }
    }

    fn make(
        &self,
        name: &str,
        context: &[u8],
        nodes: &[Node],
        facts: Facts,
        answers: Answers,
        pace: Pace,
    ) -> Result<Rendered, Failure> {
        let set = self.set.load_full();
        if !is_name(name) {
            return Err(Failure::new(Kind::NotFound, format!("there is no template `{}`", crate::names::shown(name))));
        }
        let config = &self.shared.config;
        if context.len() > config.context_bytes {
            return Err(Failure::new(
                Kind::InvalidContext,
                format!("the context has {} bytes; the most is {}", context.len(), config.context_bytes),
            ));
        }
        let nodes = nodes.iter().map(|node| wire::Node { one: node.one.clone(), many: node.many.clone() }).collect();
        let head = wire::Render { name: name.into(), facts, nodes };
        let head = serde_json::to_vec(&head).map_err(|error| Failure::new(Kind::Render, error.to_string()))?;
        let message = wire::join(&head, context);
        let mut instance = match set.take() {
            Some(instance) => instance,
            // They compiled before, so there is one failure at most: that of the engine itself.
            None => sandbox()?.start(&set.load, config.memory_bytes, pace.clone()).map_err(|mut failures| {
                failures.pop().unwrap_or_else(|| Failure::new(Kind::Budget, "the template engine can't be started"))
            })?,
        };
        match instance.render(&message, answers, pace) {
            Outcome::Page(page) => {
                set.put_back(instance);
                Ok(Rendered::Page(page))
            }
            Outcome::Needs(needs) => {
                set.put_back(instance);
                let needs = needs.into_iter().map(|need| Need { node: need.node, relation: need.relation });
                Ok(Rendered::Needs(needs.collect()))
            }
            Outcome::Failed(failure) => {
                set.put_back(instance);
                Err(failure)
            }
            Outcome::Broken(mut failure) => {
                failure.message = format!("{name}: {}", failure.message);
                Err(failure)
            }
        }
    }
}

/// A page without rows has nothing to ask for.
fn whole(made: Rendered) -> Result<String, Failure> {
    match made {
        Rendered::Page(page) => Ok(page),
        Rendered::Needs(_) => Err(Failure::new(Kind::Render, "the page has no rows to follow")),
    }
}

fn errors(app: Option<&AppId>, failures: Vec<Failure>) -> Vec<TemplateError> {
    failures.into_iter().map(|failure| TemplateError { app: app.cloned(), failure }).collect()
}

/// A page for an error that needs no template.
fn plain(status: StatusCode, message: &str, id: RequestId) -> String {
    use host_core::page::{STYLE, escape};
    let reason = status.canonical_reason().unwrap_or("Error");
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{reason}</title>\
         <style>{STYLE}</style></head><body><main><p class=\"status\">{}</p><h1>{reason}</h1><p>{}</p>\
         <p class=\"note\">Request <code>{id}</code></p></main></body></html>",
        status.as_u16(),
        escape(message)
    )
}
