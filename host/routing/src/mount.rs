//! Where apps are mounted.

use host_core::manifest::Route;
use host_core::name::AppId;

use crate::error::TableError;
use crate::path::is_literal;

/// The longest mount prefix in bytes: with a pattern of 500 it still leaves most of a request's 8 KiB to arguments.
const MAX_PREFIX: usize = 200;

/// One app and its place on the site.
#[derive(Debug, Clone)]
pub struct Mount {
    /// The app.
    pub app: AppId,
    /// `/`, or literal segments between slashes such as `/polls/` or `/tools/polls/`.
    pub prefix: String,
    /// What it answers below its prefix.
    pub kind: Kind,
}

/// What an app answers below its mount.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The routes of its manifest.
    Routes(Vec<Route>),
    /// Every path and method: a component with the standard HTTP handler does its own routing.
    Whole,
}

/// The segments of a mount prefix, or what is wrong with it.
pub(crate) fn segments(mount: &Mount) -> Result<Vec<&str>, TableError> {
    let problem = |problem: String| TableError::Prefix {
        app: mount.app.clone(),
        shown: mount.prefix.chars().take(60).flat_map(char::escape_default).collect(),
        problem,
    };
    let prefix = mount.prefix.as_str();
    if prefix.len() > MAX_PREFIX {
        return Err(problem(format!("is longer than {MAX_PREFIX} bytes")));
    }
    let inner = match prefix {
        "/" => return Ok(Vec::new()),
        _ => prefix.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')),
    };
    let Some(inner) = inner else {
        return Err(problem("must begin and end with `/`, such as `/polls/`".into()));
    };
    let segments: Vec<&str> = inner.split('/').collect();
    for segment in &segments {
        match *segment {
            "" => return Err(problem("has an empty segment (`//`)".into())),
            "." | ".." => return Err(problem("has a `.` or `..` segment, which browsers remove".into())),
            segment if !is_literal(segment) => {
                return Err(problem("may only have ASCII letters, digits and `-_.~` between its slashes".into()));
            }
            _ => {}
        }
    }
    Ok(segments)
}
