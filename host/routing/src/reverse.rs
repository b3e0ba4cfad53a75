//! From a route's name to its path.

use host_core::manifest::{Converter, Pattern, Segment};
use host_core::name::{AppId, nearest};
use host_core::reverse::{Reverse, ReverseError};
use percent_encoding::utf8_percent_encode;

use crate::path::SEGMENT;
use crate::table::{PlaceKind, Table};

/// The longest path that is made, in bytes: what the server takes as a request's target.
const MAX_PATH: usize = 8 << 10;

impl Reverse for Table {
    fn reverse(&self, app: &AppId, name: &str, args: &[String]) -> Result<String, ReverseError> {
        let (app, route) = match name.split_once(':') {
            None => (app.as_str(), name),
            Some((app, route)) => (app, route),
        };
        let place = AppId::new(app).ok().and_then(|id| self.apps.get(&id)).map(|index| &self.places[*index]);
        let Some(place) = place else {
            let hint = hint(app, self.apps.keys().map(AppId::as_str));
            return Err(ReverseError::NotFound(format!("no app `{}` is mounted on this site{hint}", shown(app))));
        };
        let PlaceKind::Routes { routes, names, .. } = &place.kind else {
            return Err(ReverseError::NotFound(format!(
                "app `{app}` does its own routing, so its routes have no names here"
            )));
        };
        let Some(index) = names.get(route) else {
            let hint = hint(route, names.keys().map(|name| &**name));
            return Err(ReverseError::NotFound(format!("app `{app}` has no route named `{}`{hint}", shown(route))));
        };
        fill(&place.prefix, &routes[*index].route.path, args)
            .map_err(|problem| ReverseError::Invalid(format!("route `{app}:{route}`: {problem}")))
    }
}

fn fill(prefix: &str, pattern: &Pattern, args: &[String]) -> Result<String, String> {
    let wanted = pattern.captures().count();
    if wanted != args.len() {
        let names: Vec<&str> = pattern.captures().map(|(name, _)| name).collect();
        return Err(format!(
            "takes {wanted} argument{}{}{}, got {}",
            if wanted == 1 { "" } else { "s" },
            if wanted == 0 { "" } else { ": " },
            names.join(", "),
            args.len()
        ));
    }
    let mut path = String::with_capacity(64);
    path.push_str(prefix);
    let mut args = args.iter();
    for (at, segment) in pattern.segments().iter().enumerate() {
        if at > 0 {
            path.push('/');
        }
        match segment {
            Segment::Literal(text) => path.push_str(text),
            Segment::Capture { name, converter } => {
                let arg = args.next().map_or("", String::as_str);
                check(*converter, arg, pattern.trailing_slash())
                    .map_err(|why| format!("`{}` is no `{}` for `{name}`{why}", shown(arg), converter.as_str()))?;
                encode(&mut path, arg);
            }
        }
        if path.len() > MAX_PATH {
            return Err(format!("the path is longer than {MAX_PATH} bytes"));
        }
    }
    if pattern.trailing_slash() && !path.ends_with('/') {
        path.push('/');
    }
    Ok(path)
}

/// Whether the argument would come back as it is when somebody follows the path.
fn check(converter: Converter, arg: &str, slash_follows: bool) -> Result<(), &'static str> {
    if arg.len() > MAX_PATH {
        return Err(": too long");
    }
    if !converter.accepts(arg) {
        return Err("");
    }
    if arg.contains('\0') {
        return Err(": it contains U+0000");
    }
    if arg.split('/').any(|part| part == "." || part == "..") {
        return Err(": browsers remove `.` and `..` from paths");
    }
    if converter == Converter::Path && slash_follows && arg.ends_with('/') {
        return Err(": the route adds the last `/` itself");
    }
    Ok(())
}

/// Appends `arg`, percent-encoded. A slash stays one where a segment stands before it; elsewhere it would make `//`, which
/// means another site at the beginning of a path, and which proxies merge.
fn encode(path: &mut String, arg: &str) {
    for (at, part) in arg.split('/').enumerate() {
        if at > 0 {
            path.push_str(if path.ends_with('/') { "%2F" } else { "/" });
        }
        path.extend(utf8_percent_encode(part, SEGMENT));
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_default).collect()
}

fn hint<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    if given.len() > 60 {
        return String::new();
    }
    nearest(given, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
