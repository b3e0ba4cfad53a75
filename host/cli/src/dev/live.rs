//! Pages that reload themselves: a site around the site, in development alone.
//!
//! HTML pages get a script at their end, which listens to a stream of events. An app that can't be built or loaded shows
//! why: as a panel in the pages of the version before, or as a page of its own where there is none.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use host_core::http::{Arrival, Body, BodyError, Request, Response, Site};
use host_core::page;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;

/// Where the stream of events is.
const EVENTS: &str = "/_bandstand/dev/events";
/// Where the script is.
const SCRIPT: &str = "/_bandstand/dev/reload.js";
/// What is appended to pages.
const TAIL: &str = "<script src=\"/_bandstand/dev/reload.js\" defer></script>\n";
/// The same for a page that answers a form: reloading it would send the form again.
const TAIL_OF_POST: &str = "<script src=\"/_bandstand/dev/reload.js\" data-sent defer></script>\n";
/// How often an idle stream says that it lives, so that nobody in between cuts it.
const PING: Duration = Duration::from_secs(15);

/// Why an app isn't there, or not in its newest version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Trouble {
    /// In one line.
    pub(crate) title: String,
    /// All of it: what the compiler said.
    pub(crate) text: String,
    /// Where the app is mounted, while no version of it runs.
    #[serde(skip)]
    pub(crate) mount: Option<String>,
}

/// What browsers are told.
#[derive(Debug, Clone, Default)]
struct News {
    version: u64,
    troubles: BTreeMap<String, Trouble>,
}

impl News {
    fn event(&self) -> String {
        let problem = self.troubles.values().find(|trouble| trouble.mount.is_none());
        let data = serde_json::json!({ "version": self.version, "problem": problem });
        format!("event: site\ndata: {data}\n\n")
    }
}

/// The state of development: which version of the site runs, and what is wrong.
pub(crate) struct Live {
    // `None` ends the streams.
    news: watch::Sender<Option<News>>,
    welcome: Box<dyn Fn() -> Vec<Link> + Send + Sync>,
}

/// Something to visit.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// What it is.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: String,
}

impl Live {
    /// A state without trouble. `welcome` lists what the page at `/` names where no app answers there.
    pub(crate) fn new(welcome: impl Fn() -> Vec<Link> + Send + Sync + 'static) -> Arc<Self> {
        // A host that was started anew must not have the version that a waiting page knows.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let version = u64::try_from(now.as_millis()).unwrap_or_default();
        let news = News { version, troubles: BTreeMap::new() };
        Arc::new(Self { news: watch::Sender::new(Some(news)), welcome: Box::new(welcome) })
    }

    /// The site changed: pages reload. What was wrong with `app` no longer is.
    pub(crate) fn changed(&self, app: &str) {
        self.update(|news| {
            news.version += 1;
            news.troubles.remove(app);
        });
    }

    /// Something is wrong with `app`. Pages show it; those that only showed another trouble reload.
    pub(crate) fn trouble(&self, app: &str, trouble: Trouble) {
        self.update(|news| {
            let shown_as_page = trouble.mount.is_some();
            let changed = news.troubles.insert(app.to_owned(), trouble.clone()) != Some(trouble);
            if shown_as_page && changed {
                news.version += 1;
            }
        });
    }

    /// Ends all streams, so that the server needn't wait for them.
    pub(crate) fn close(&self) {
        self.news.send_replace(None);
    }

    fn update(&self, change: impl FnOnce(&mut News)) {
        self.news.send_modify(|news| {
            if let Some(news) = news {
                change(news);
            }
        });
    }

    fn events(&self) -> Response {
        let mut news = self.news.subscribe();
        news.mark_changed();
        let events = futures::stream::unfold(news, |mut news| async move {
            let event = match tokio::time::timeout(PING, news.changed()).await {
                Ok(Ok(())) => news.borrow_and_update().as_ref().map(News::event)?,
                Ok(Err(_)) => return None,
                Err(_) => ": still here\n\n".to_owned(),
            };
            Some((Ok::<_, BodyError>(Frame::data(Bytes::from(event))), news))
        });
        let mut response = Response::new(Body::stream(http_body_util::StreamBody::new(events)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The page for an address of an app that isn't there yet.
    fn page_of_trouble(&self, path: &str) -> Option<Response> {
        let news = self.news.borrow();
        let below = |mount: &String| path.starts_with(mount.as_str()) || path == mount.trim_end_matches('/');
        let trouble = news.as_ref()?.troubles.values().find(|trouble| trouble.mount.as_ref().is_some_and(below))?;
        let body = format!("<pre>{}</pre>", page::escape(&trouble.text));
        Some(html(StatusCode::SERVICE_UNAVAILABLE, &trouble.title, &body))
    }

    /// What `/` shows where no app is mounted there.
    fn page_of_welcome(&self) -> Response {
        let links = (self.welcome)();
        let mut body = String::new();
        let troubles: Vec<String> = self
            .news
            .borrow()
            .iter()
            .flat_map(|news| news.troubles.values())
            .filter_map(|trouble| {
                let mount = page::escape(trouble.mount.as_ref()?);
                Some(format!("<li><a href=\"{mount}\">{mount}</a> {}</li>", page::escape(&trouble.title)))
            })
            .collect();
        if links.is_empty() && !troubles.is_empty() {
            let _ = write!(body, "<p>Its apps don't run yet:</p><ul>{}</ul>", troubles.concat());
        } else if links.is_empty() {
            body.push_str("<p>It has no apps yet. Make one with <code>bandstand new app notes</code>, or drop a component into <code>plugins/</code>.</p>");
        } else {
            body.push_str("<p>No app is mounted at <code>/</code>. These are mounted elsewhere:</p><ul>");
            for link in links {
                let (name, path) = (page::escape(&link.name), page::escape(&link.path));
                let _ = write!(body, "<li><a href=\"{path}\">{path}</a> {name}</li>");
            }
            let _ = write!(body, "{}</ul>", troubles.concat());
        }
        body.push_str("<p class=\"note\">You see this page because <code>bandstand dev</code> is running.</p>");
        html(StatusCode::NOT_FOUND, "Your site is running", &body)
    }
}

fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let title = page::escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{}</style></head><body><main>\
         <h1>{title}</h1>{body}</main></body></html>",
        page::STYLE
    );
    page::html_response(status, html)
}

/// A site with the development's own addresses and scripts around another.
pub(crate) struct LiveSite<S> {
    inner: Arc<S>,
    live: Arc<Live>,
}

impl<S: Site> LiveSite<S> {
    /// Around `inner`.
    pub(crate) fn new(inner: Arc<S>, live: Arc<Live>) -> Arc<Self> {
        Arc::new(Self { inner, live })
    }
}

impl<S: Site> Site for LiveSite<S> {
    async fn respond(self: Arc<Self>, request: Request, arrival: Arrival) -> Response {
        let path = request.uri().path().to_owned();
        let get = request.method() == Method::GET;
        match path.as_str() {
            EVENTS if get => return self.live.events(),
            SCRIPT if get => return script(),
            _ => {}
        }
        let wants_page = is_navigation(&request);
        let mut response = self.inner.clone().respond(request, arrival).await;
        if wants_page && response.status() == StatusCode::NOT_FOUND {
            if let Some(page) = self.live.page_of_trouble(&path) {
                response = page;
            } else if path == "/" && get {
                response = self.live.page_of_welcome();
            }
        }
        if wants_page { with_script(response, if get { TAIL } else { TAIL_OF_POST }) } else { response }
    }
}

/// Whether a browser opens a page, as far as one can tell: parts of pages that scripts fetch get no script.
fn is_navigation(request: &Request) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    match header("sec-fetch-dest") {
        Some(destination) => destination == "document",
        None => header("accept").is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*")),
    }
}

fn with_script(mut response: Response, tail: &'static str) -> Response {
    let headers = response.headers();
    let is_html = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/html"));
    if !is_html
        || response.status() == StatusCode::PARTIAL_CONTENT
        || headers.contains_key(header::CONTENT_ENCODING)
        || response.body().is_empty()
    {
        return response;
    }
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.map(|inner| Body::stream(Appended { inner, tail: Some(Bytes::from_static(tail.as_bytes())) }))
}

fn script() -> Response {
    let mut response = Response::new(Body::full(include_str!("reload.js")));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A body with something after its end. Browsers take a script behind `</html>` for one of the page's last.
struct Appended {
    inner: Body,
    tail: Option<Bytes>,
}

impl http_body::Body for Appended {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(self.tail.take().map(|tail| Ok(Frame::data(tail)))),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.tail.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_core::context::RequestId;
    use http_body_util::BodyExt;

    struct Inner;

    impl Site for Inner {
        async fn respond(self: Arc<Self>, request: Request, arrival: Arrival) -> Response {
            match request.uri().path() {
                "/page" => page::html_response(StatusCode::OK, "<html></html>"),
                "/data" => Response::new(Body::full("{}")),
                _ => page::error(StatusCode::NOT_FOUND, "nothing here", arrival.id),
            }
        }
    }

    fn site() -> (Arc<LiveSite<Inner>>, Arc<Live>) {
        let live = Live::new(|| vec![Link { name: "<polls>".into(), path: "/polls/".into() }]);
        (LiveSite::new(Arc::new(Inner), live.clone()), live)
    }

    async fn get(site: &Arc<LiveSite<Inner>>, path: &str) -> (u16, String) {
        get_as(site, path, "document").await
    }

    async fn get_as(site: &Arc<LiveSite<Inner>>, path: &str, destination: &str) -> (u16, String) {
        let request =
            http::Request::get(path).header("sec-fetch-dest", destination).body(Body::empty()).expect("valid");
        let arrival = Arrival { id: RequestId(1), remote: [127, 0, 0, 1].into(), secure: false };
        let response = site.clone().respond(request, arrival).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    fn trouble(mount: Option<&str>) -> Trouble {
        Trouble { title: "polls doesn't compile".into(), text: "error: <T>".into(), mount: mount.map(Into::into) }
    }

    #[tokio::test]
    async fn pages_get_the_script_and_nothing_else_does() {
        let (site, _) = site();
        assert_eq!(get(&site, "/page").await, (200, format!("<html></html>{TAIL}")));
        assert_eq!(get_as(&site, "/page", "empty").await, (200, "<html></html>".into()), "fetched by a script");
        assert_eq!(get(&site, "/data").await, (200, "{}".into()));
        assert!(get_as(&site, SCRIPT, "script").await.1.contains("EventSource"));
    }

    #[tokio::test]
    async fn an_app_that_was_never_built_shows_why() {
        let (site, live) = site();
        live.trouble("polls", trouble(Some("/polls/")));
        for path in ["/polls/", "/polls/1/", "/polls"] {
            let (status, text) = get(&site, path).await;
            assert!(status == 503 && text.contains("error: &lt;T&gt;") && text.ends_with(TAIL), "{path}: {text}");
        }
        assert_eq!(get(&site, "/pollsx/").await.0, 404);
        let welcome = get(&site, "/").await.1;
        assert!(welcome.contains("polls doesn&#x27;t compile"), "{welcome}");
        live.changed("polls");
        assert_eq!(get(&site, "/polls/").await.0, 404);
    }

    #[tokio::test]
    async fn the_root_says_what_there_is() {
        let (site, _) = site();
        let (_, text) = get(&site, "/").await;
        assert!(text.contains("<a href=\"/polls/\">") && text.contains("&lt;polls&gt;"), "{text}");
    }

    #[tokio::test]
    async fn browsers_hear_of_changes_and_of_trouble() {
        let (_, live) = site();
        let mut events = live.events().into_body();
        let mut next = async || {
            let frame = events.frame().await?.expect("a frame").into_data().expect("data");
            let text = String::from_utf8(frame.to_vec()).expect("text");
            let data = text.strip_prefix("event: site\ndata: ").expect("an event").trim().to_owned();
            Some(serde_json::from_str::<serde_json::Value>(&data).expect("JSON"))
        };
        let first = next().await.expect("the state at once");
        assert!(first["problem"].is_null());
        live.trouble("polls", trouble(None));
        let second = next().await.expect("the trouble");
        assert_eq!(second["problem"]["title"], "polls doesn't compile");
        assert_eq!(first["version"], second["version"], "a panel needs no reload");
        live.changed("polls");
        let third = next().await.expect("the change");
        assert!(third["problem"].is_null() && third["version"] != second["version"]);
        live.close();
        assert!(next().await.is_none(), "nobody waits for a stream at the end");
    }
}
