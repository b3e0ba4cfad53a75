//! From a method and a path to an answer.

use std::sync::Arc;

use host_core::manifest::Method;
use host_core::name::AppId;
use http::HeaderValue;

use crate::path::Path;
use crate::table::{Place, PlaceKind, Table};
use crate::tree::{Methods, params};

/// What a request's method and path mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// A route of an app.
    Route(RouteMatch),
    /// An app that takes every path and method below its mount.
    Whole(WholeMatch),
    /// Routes take the path, but not with this method: 405 with this `Allow`.
    MethodNotAllowed {
        /// Whose routes.
        app: AppId,
        /// The methods that would do, OPTIONS included.
        allow: HeaderValue,
    },
    /// OPTIONS, which the host answers itself: 204 with this `Allow`.
    Options {
        /// Whose routes.
        app: AppId,
        /// The methods that would do, OPTIONS included.
        allow: HeaderValue,
    },
    /// GET or HEAD of a path that would match with a slash at its end: redirect there.
    SlashRedirect {
        /// The path with its slash, and the query as it came. It never leaves the site.
        location: HeaderValue,
    },
    /// Nothing takes the path: 404.
    NotFound {
        /// The app under whose mount it lies, for its own error page.
        app: Option<AppId>,
    },
    /// Not a path: broken or hostile percent-encoding, NUL, `.` and `..` segments. 400.
    BadPath,
}

/// A matched route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch {
    /// The app.
    pub app: AppId,
    /// Where it is mounted, with both slashes.
    pub mount: Arc<str>,
    /// The route's place in its manifest.
    pub route: u32,
    /// The route's name, if it has one.
    pub name: Option<Arc<str>>,
    /// What the captures took, in order, decoded and checked.
    pub params: Vec<String>,
    /// The path below the mount, decoded, beginning with `/`.
    pub path: String,
}

/// A matched app that does its own routing.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeMatch {
    /// The app.
    pub app: AppId,
    /// Where it is mounted, with both slashes.
    pub mount: Arc<str>,
}

impl Table {
    /// What `method` and `target` mean. `target` is the request's path, still percent-encoded, with or without a query,
    /// such as [`http::uri::PathAndQuery::as_str`] gives it; the query matters to redirects only.
    pub fn resolve(&self, method: &http::Method, target: &str) -> Match {
        let raw = target.split_once('?').map_or(target, |(path, _)| path);
        let Some(path) = Path::parse(raw) else { return Match::BadPath };
        let place = self.place_of(&path);
        if let Some((place, depth)) = place {
            match &place.kind {
                PlaceKind::Whole => {
                    return Match::Whole(WholeMatch { app: place.app.clone(), mount: place.prefix.clone() });
                }
                PlaceKind::Routes { tree, routes, .. } => {
                    let mut allowed = Methods::NONE;
                    let wanted = Method::parse(method.as_str()).map_or(Methods::NONE, Methods::one);
                    if let Some(found) = tree.find(&path, depth, wanted, &mut allowed) {
                        let hit = &routes[found.route];
                        return Match::Route(RouteMatch {
                            app: place.app.clone(),
                            mount: place.prefix.clone(),
                            // A manifest has at most 2,000 routes.
                            route: u32::try_from(found.route).unwrap_or(u32::MAX),
                            name: hit.name.clone(),
                            params: params(&hit.route.path, &path, depth, found),
                            path: path.below(depth),
                        });
                    }
                    if !allowed.is_empty() {
                        return not_allowed(place, method, allowed);
                    }
                }
            }
        }
        match self.with_slash(method, target, &path) {
            Some(location) => Match::SlashRedirect { location },
            None => Match::NotFound { app: place.map(|(place, _)| place.app.clone()) },
        }
    }

    /// Where to redirect to, if the path with a slash at its end would be answered.
    fn with_slash(&self, method: &http::Method, target: &str, path: &Path<'_>) -> Option<HeaderValue> {
        if path.trailing_slash || !matches!(*method, http::Method::GET | http::Method::HEAD) {
            return None;
        }
        let slashed = Path { raw: path.raw, segments: path.segments.clone(), trailing_slash: true };
        let (place, depth) = self.place_of(&slashed)?;
        match &place.kind {
            PlaceKind::Whole => {}
            PlaceKind::Routes { tree, .. } => {
                tree.find(&slashed, depth, Methods::one(Method::Get), &mut Methods::default())?;
            }
        }
        let query = target.get(path.raw.len()..).unwrap_or_default();
        // `//host` and `/\host` are other sites to a browser.
        let safe = path.raw.trim_start_matches(['/', '\\']).replace('\\', "%5C");
        HeaderValue::from_str(&format!("/{safe}/{query}")).ok()
    }
}

fn not_allowed(place: &Place, method: &http::Method, allowed: Methods) -> Match {
    let words: Vec<&str> = allowed.words().chain(["OPTIONS"]).collect();
    let allow = HeaderValue::from_str(&words.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"));
    let app = place.app.clone();
    if *method == http::Method::OPTIONS {
        Match::Options { app, allow }
    } else {
        Match::MethodNotAllowed { app, allow }
    }
}
