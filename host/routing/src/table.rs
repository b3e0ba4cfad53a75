//! The table of all routes on a site.

use std::collections::HashMap;
use std::sync::Arc;

use host_core::manifest::Route;
use host_core::name::AppId;

use crate::error::TableError;
use crate::mount::{self, Kind, Mount};
use crate::tree::{Methods, Tree};

/// Where paths lead and what paths routes have. Immutable and cheap to share; see the crate's documentation for its
/// rules.
#[derive(Debug)]
pub struct Table {
    pub(crate) places: Vec<Place>,
    pub(crate) apps: HashMap<AppId, usize>,
    root: MountNode,
}

/// A mounted app.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) app: AppId,
    /// As configured, with both slashes.
    pub(crate) prefix: Arc<str>,
    pub(crate) kind: PlaceKind,
}

#[derive(Debug)]
pub(crate) enum PlaceKind {
    Whole,
    Routes { tree: Tree, routes: Vec<Named>, names: HashMap<Arc<str>, usize> },
}

/// A route with its name ready to be shared.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) route: Route,
    pub(crate) name: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct MountNode {
    place: Option<usize>,
    /// Sorted by their text.
    children: Vec<(Box<str>, MountNode)>,
}

impl Table {
    /// Builds a table.
    ///
    /// Errors name the app and what to change: a prefix that isn't one, two apps on the same prefix, an app that comes
    /// twice, a route that an earlier one hides. Mounts may lie below each other; the longer prefix wins.
    pub fn build(mounts: Vec<Mount>) -> Result<Self, TableError> {
        let mut table = Table { places: Vec::new(), apps: HashMap::new(), root: MountNode::default() };
        for mount in mounts {
            let index = table.places.len();
            if table.apps.insert(mount.app.clone(), index).is_some() {
                return Err(TableError::Twice(mount.app));
            }
            let node = table.root.descend(&mount::segments(&mount)?);
            if let Some(other) = node.place.replace(index) {
                let other = table.places[other].app.clone();
                return Err(TableError::Clash { app: mount.app, other, prefix: mount.prefix });
            }
            let kind = match mount.kind {
                Kind::Whole => PlaceKind::Whole,
                Kind::Routes(routes) => place_routes(&mount.app, routes)?,
            };
            table.places.push(Place { app: mount.app, prefix: mount.prefix.into(), kind });
        }
        Ok(table)
    }

    /// The mounted apps with their prefixes, in the order of building.
    pub fn mounts(&self) -> impl Iterator<Item = (&AppId, &str)> {
        self.places.iter().map(|place| (&place.app, &*place.prefix))
    }

    /// The prefix under which `app` is mounted, with both slashes.
    pub fn mount_of(&self, app: &AppId) -> Option<&Arc<str>> {
        self.apps.get(app).map(|index| &self.places[*index].prefix)
    }

    /// The place with the longest prefix of these segments, and how many of them the prefix takes.
    pub(crate) fn place_of<'t>(&'t self, path: &crate::path::Path<'_>) -> Option<(&'t Place, usize)> {
        let mut node = &self.root;
        let mut best = node.place.map(|place| (place, 0));
        for (at, (_, segment)) in path.segments.iter().enumerate() {
            let Ok(child) = node.children.binary_search_by(|(text, _)| (**text).cmp(segment)) else { break };
            node = &node.children[child].1;
            // The prefix ends with a slash, so the path must have one there too.
            let slash = at + 1 < path.segments.len() || path.trailing_slash;
            if let (true, Some(place)) = (slash, node.place) {
                best = Some((place, at + 1));
            }
        }
        best.map(|(place, depth)| (&self.places[place], depth))
    }
}

impl MountNode {
    fn descend(&mut self, segments: &[&str]) -> &mut MountNode {
        let Some((first, rest)) = segments.split_first() else { return self };
        let place = match self.children.binary_search_by(|(text, _)| (**text).cmp(first)) {
            Ok(place) => place,
            Err(place) => {
                self.children.insert(place, ((*first).into(), MountNode::default()));
                place
            }
        };
        self.children[place].1.descend(rest)
    }
}

fn place_routes(app: &AppId, routes: Vec<Route>) -> Result<PlaceKind, TableError> {
    let mut tree = Tree::new();
    let mut names = HashMap::new();
    let mut named: Vec<Named> = Vec::with_capacity(routes.len());
    for (index, route) in routes.into_iter().enumerate() {
        let methods = Methods::declared(&route.methods);
        if let Err(earlier) = tree.insert(index, &route.path, methods) {
            return Err(TableError::Unreachable {
                app: app.clone(),
                path: route.path.to_string(),
                methods: methods.words().collect::<Vec<_>>().join(", "),
                earlier: named[earlier].route.path.to_string(),
            });
        }
        let name: Option<Arc<str>> = route.name.as_deref().map(Into::into);
        if let Some(name) = &name {
            // A checked manifest has each name once; of two, the first stays, as in matching.
            names.entry(name.clone()).or_insert(index);
        }
        named.push(Named { route, name });
    }
    Ok(PlaceKind::Routes { tree, routes: named, names })
}
