//! An app's routes as a tree of segments.
//!
//! matchit and its like allow one kind of capture in a place, so `/{id:int}/` beside `/{slug}/` or `/{rest:path}` is an
//! error there. Here every converter is a branch of its own. A node can be reached by one way only, so a match visits
//! it at most once: the cost is bounded by the tree, not by the path.

use std::borrow::Cow;

use host_core::manifest::{Converter, Method, Pattern, Segment};

use crate::path::Path;

/// A set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Methods(u8);

impl Methods {
    pub(crate) const ALL: [Method; 6] =
        [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// No method: asks only which ones there are.
    pub(crate) const NONE: Methods = Methods(0);

    /// As a route declares them: GET brings HEAD.
    pub(crate) fn declared(methods: &[Method]) -> Self {
        let mut set = methods.iter().fold(Methods(0), |set, method| set.with(*method));
        if set.has(Methods::one(Method::Get)) {
            set = set.with(Method::Head);
        }
        set
    }

    pub(crate) fn one(method: Method) -> Self {
        Methods(0).with(method)
    }

    fn with(self, method: Method) -> Self {
        Methods(self.0 | 1 << method as u8)
    }

    pub(crate) fn has(self, other: Methods) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn covers(self, other: Methods) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn union(self, other: Methods) -> Self {
        Methods(self.0 | other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The words, in a fixed order.
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        Methods::ALL.into_iter().filter(move |method| self.has(Methods::one(*method))).map(Method::as_str)
    }
}

#[derive(Debug, Default)]
struct Node {
    /// Literal children, sorted by their text.
    literals: Vec<(Box<str>, usize)>,
    /// Capture children; `path` isn't among them.
    captures: Vec<(Converter, usize)>,
    /// Routes that end here: without and with a trailing slash.
    ends: [Vec<End>; 2],
    /// Routes whose `path` capture begins here: without and with a trailing slash after it.
    tails: [Vec<End>; 2],
}

/// A route at the node where it ends.
#[derive(Debug, Clone, Copy)]
struct End {
    route: usize,
    methods: Methods,
}

/// The routes of one app.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// The best match so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Its place in the manifest.
    pub(crate) route: usize,
    /// Where its `path` capture begins, counted in segments, and whether it keeps a trailing slash.
    pub(crate) tail: Option<(usize, bool)>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a route, or names the earlier one that takes all its requests.
    pub(crate) fn insert(&mut self, route: usize, pattern: &Pattern, methods: Methods) -> Result<(), usize> {
        let mut at = 0;
        let mut tail = false;
        for segment in pattern.segments() {
            at = match segment {
                Segment::Literal(text) => self.literal(at, text),
                Segment::Capture { converter: Converter::Path, .. } => {
                    tail = true;
                    at
                }
                Segment::Capture { converter, .. } => self.capture(at, *converter),
            };
        }
        let node = &mut self.nodes[at];
        let ends = if tail { &mut node.tails } else { &mut node.ends };
        let ends = &mut ends[usize::from(pattern.trailing_slash())];
        let before = ends.iter().fold(Methods::NONE, |all, end| all.union(end.methods));
        if before.covers(methods)
            && let Some(earlier) = ends.iter().find(|end| end.methods.has(methods))
        {
            return Err(earlier.route);
        }
        ends.push(End { route, methods });
        Ok(())
    }

    fn literal(&mut self, at: usize, text: &str) -> usize {
        match self.nodes[at].literals.binary_search_by(|(known, _)| (**known).cmp(text)) {
            Ok(place) => self.nodes[at].literals[place].1,
            Err(place) => {
                let child = self.add();
                self.nodes[at].literals.insert(place, (text.into(), child));
                child
            }
        }
    }

    fn capture(&mut self, at: usize, converter: Converter) -> usize {
        if let Some((_, child)) = self.nodes[at].captures.iter().find(|(known, _)| *known == converter) {
            return *child;
        }
        let child = self.add();
        self.nodes[at].captures.push((converter, child));
        child
    }

    fn add(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The route for what follows segment `from`, with `method`; the methods of all routes that take the path are added
    /// to `allowed` as far as the search went, which is everywhere where it found nothing.
    pub(crate) fn find(&self, path: &Path<'_>, from: usize, method: Methods, allowed: &mut Methods) -> Option<Found> {
        Search { tree: self, path, method, allowed }.visit(0, from)
    }
}

struct Search<'s, 'p> {
    tree: &'s Tree,
    path: &'s Path<'p>,
    method: Methods,
    allowed: &'s mut Methods,
}

impl Search<'_, '_> {
    /// Recursion is as deep as the tree, which is at most half of a pattern's 500 bytes.
    fn visit(&mut self, node: usize, at: usize) -> Option<Found> {
        let node = &self.tree.nodes[node];
        let Some((_, segment)) = self.path.segments.get(at) else {
            return self.pick(&node.ends[usize::from(self.path.trailing_slash)], None);
        };
        let literal = node.literals.binary_search_by(|(known, _)| (**known).cmp(segment)).ok();
        if let Some(place) = literal
            && let Some(found) = self.visit(node.literals[place].1, at + 1)
        {
            return Some(found);
        }
        let mut best: Option<Found> = None;
        for (converter, child) in &node.captures {
            if converter.accepts(segment)
                && let Some(found) = self.visit(*child, at + 1)
            {
                best = earlier(best, Some(found));
            }
        }
        // A `path` capture takes whatever is left, unless that is nothing but the trailing slash.
        let plain = self.pick(&node.tails[0], Some((at, true)));
        best = earlier(best, plain);
        let slashed = self.path.trailing_slash && !(segment.is_empty() && at + 1 == self.path.segments.len());
        if slashed {
            let slashed = self.pick(&node.tails[1], Some((at, false)));
            best = earlier(best, slashed);
        }
        best
    }

    fn pick(&mut self, ends: &[End], tail: Option<(usize, bool)>) -> Option<Found> {
        for end in ends {
            if end.methods.has(self.method) {
                return Some(Found { route: end.route, tail });
            }
            *self.allowed = self.allowed.union(end.methods);
        }
        None
    }
}

fn earlier(a: Option<Found>, b: Option<Found>) -> Option<Found> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.route < a.route { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// What the captures of `pattern` took from a path that it matches, in order.
pub(crate) fn params(pattern: &Pattern, path: &Path<'_>, from: usize, found: Found) -> Vec<String> {
    let count = pattern.captures().count();
    let mut params = Vec::with_capacity(count);
    if count == 0 {
        return params;
    }
    for (segment, (_, text)) in pattern.segments().iter().zip(&path.segments[from.min(path.segments.len())..]) {
        match segment {
            Segment::Literal(_) => {}
            Segment::Capture { converter: Converter::Path, .. } => {
                params.extend(found.tail.and_then(|(at, keep)| path.tail(at, keep)));
            }
            Segment::Capture { .. } => params.push(Cow::clone(text).into_owned()),
        }
    }
    params
}
