//! Views as the route macros leave them: a function, and a type of the same name that says where it answers.

use crate::request::Request;
use crate::response::Response;

/// A function with `#[get(…)]`, `#[post(…)]` or another route attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    note = "add a route attribute to it, such as `#[get(\"/\")]`"
)]
pub trait View {
    /// Where it answers.
    const ROUTE: RouteMeta;

    /// Reads the arguments from the request and runs the function.
    fn call(request: &Request) -> impl Future<Output = Response>;
}

/// A route in the manifest.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct RouteMeta {
    pub path: &'static [Part],
    pub methods: &'static [&'static str],
    pub name: Option<&'static str>,
}

/// A piece of a route's pattern.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub enum Part {
    /// Text as it stands, slashes included.
    Text(&'static str),
    /// A capture with its converter.
    Capture(&'static str, &'static str),
}

pub(crate) const fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

pub(crate) const fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether the pattern's converter is the one of the argument's type.
#[doc(hidden)]
pub const fn converter_fits(written: &str, of_type: &str) -> bool {
    same(written, of_type)
}

/// Whether no route before `at` has its name.
#[doc(hidden)]
pub const fn name_is_new(routes: &[RouteMeta], at: usize) -> bool {
    let Some(name) = routes[at].name else {
        return true;
    };
    let mut other = 0;
    while other < at {
        if let Some(taken) = routes[other].name
            && same(name, taken)
        {
            return false;
        }
        other += 1;
    }
    true
}

/// Whether the path ends with the capture that takes the rest.
#[doc(hidden)]
pub const fn tail_is_last(path: &[Part]) -> bool {
    let mut at = 0;
    while at + 1 < path.len() {
        if let Part::Capture(_, converter) = path[at]
            && same(converter, "path")
            && !(at + 2 == path.len() && matches!(path[at + 1], Part::Text(text) if same(text, "/")))
        {
            return false;
        }
        at += 1;
    }
    true
}

/// How many captures the view's pattern has.
#[doc(hidden)]
pub const fn captures_of<V: View>() -> usize {
    let mut captures = 0;
    let mut at = 0;
    while at < V::ROUTE.path.len() {
        if matches!(V::ROUTE.path[at], Part::Capture(..)) {
            captures += 1;
        }
        at += 1;
    }
    captures
}

/// The route's name; empty where it has none.
#[doc(hidden)]
pub const fn name_of<V: View>() -> &'static str {
    match V::ROUTE.name {
        Some(name) => name,
        None => "",
    }
}
