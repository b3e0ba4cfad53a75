//! What a page knows besides its context.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use host_core::context::RequestId;
use host_core::name::AppId;
use host_core::reverse::Reverse;
use host_templates_sandbox::Facts;

/// The addresses of static files. The engine knows which there are and what they contain.
pub trait Statics: Send + Sync {
    /// What changes when the file `path` (such as `polls/style.css`) does, to stand behind `?v=`; none where it isn't
    /// known.
    fn version_of(&self, path: &str) -> Option<String>;
}

/// What a page knows besides its context: whose it is, what was asked for, and where names lead.
#[derive(Clone)]
pub struct Page {
    /// The app whose page it is: names of routes without an app are its own.
    pub app: AppId,
    /// The request's id.
    pub id: RequestId,
    /// The request's path, as it came.
    pub path: String,
    /// Its query, without `?`.
    pub query: String,
    /// Where names of routes lead.
    pub reverse: Arc<dyn Reverse>,
    /// The versions of static files, if they have any.
    pub statics: Option<Arc<dyn Statics>>,
    /// Now, in microseconds since 1970-01-01T00:00:00Z; none for the system's clock.
    pub now: Option<i64>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("app", &self.app)
            .field("id", &self.id)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Where the answers to a template's questions come from.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    pub(crate) app: Option<AppId>,
    pub(crate) reverse: Option<Arc<dyn Reverse>>,
    pub(crate) statics: Option<Arc<dyn Statics>>,
}

impl Page {
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            now: self.now.unwrap_or_else(now),
            path: self.path.clone(),
            query: self.query.clone(),
            id: self.id.to_string(),
        }
    }

    pub(crate) fn answers(&self) -> Answers {
        Answers { app: Some(self.app.clone()), reverse: Some(self.reverse.clone()), statics: self.statics.clone() }
    }
}

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}

impl Answers {
    /// The path for a named route, or a sentence for the template's author.
    pub(crate) fn url(&self, name: &str, args: &[String]) -> Result<String, String> {
        let Some(reverse) = &self.reverse else { return Err("no route is known here".into()) };
        match (&self.app, name.split_once(':')) {
            (Some(app), _) => reverse.reverse(app, name, args).map_err(|error| error.to_string()),
            (None, Some((app, _))) => {
                let app = AppId::new(app).map_err(|error| error.to_string())?;
                reverse.reverse(&app, name, args).map_err(|error| error.to_string())
            }
            (None, None) => {
                Err(format!("`{}`: the site's own pages name the app as well: `app:route`", crate::names::shown(name)))
            }
        }
    }

    /// The address of a static file.
    pub(crate) fn static_url(&self, path: &str) -> String {
        let mut url = String::with_capacity(path.len() + 24);
        url.push_str("/static/");
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => url.push(byte.into()),
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        if let Some(version) = self.statics.as_ref().and_then(|statics| statics.version_of(path)) {
            url.push_str("?v=");
            url.push_str(&version);
        }
        url
    }
}
