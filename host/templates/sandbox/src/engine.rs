//! A set of templates, compiled, and their rendering.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, Value, escape_formatter};

use crate::check;
use crate::failure::{Failure, Kind};
use crate::filters;
use crate::functions;
use crate::rows;
use crate::scope::{Facts, Links, Scope};
use crate::wire::{Need, Node};

/// A template's name and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As other templates call it, such as `polls/index.html`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What a page may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Steps, roughly: one for an operation, one for 64 bytes of text.
    pub fuel: u64,
    /// Bytes of the rendered text.
    pub output: usize,
    /// Bytes of the context.
    pub context: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 2_000_000, output: 4 << 20, context: 1 << 20 }
    }
}

/// How a page came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    /// The page.
    Page(String),
    /// It followed relations that weren't loaded.
    Needs(Vec<Need>),
}

/// Compiled templates.
pub struct Engine {
    env: Environment<'static>,
    limits: Limits,
    sources: HashMap<String, String>,
}

impl Engine {
    /// Compiles all templates and checks what can be checked without a context: syntax, names of filters, tests and
    /// functions, and that templates which are named literally exist. All faults are reported.
    pub fn new(sources: Vec<Source>, limits: Limits) -> Result<Self, Vec<Failure>> {
        let mut env = environment();
        env.set_fuel(Some(limits.fuel));
        let sources: HashMap<String, String> = sources.into_iter().map(|source| (source.name, source.text)).collect();
        let mut failures = Vec::new();
        for (name, text) in &sources {
            if let Err(error) = env.add_template_owned(name.clone(), text.clone()) {
                failures.push(Failure::from_engine(&error, |_| Some(text)));
            }
        }
        failures.extend(check::references(&env, &sources));
        if failures.is_empty() {
            return Ok(Self { env, limits, sources });
        }
        failures.sort_by(|a, b| {
            let place = |failure: &Failure| failure.places.first().map(|place| (place.template.clone(), place.line));
            place(a).cmp(&place(b))
        });
        Err(failures)
    }

    /// Whether there is a template of that name.
    pub fn has(&self, name: &str) -> bool {
        self.sources.contains_key(name)
    }

    /// Renders the template `name` with `context`, a JSON object without rows.
    pub fn render(&self, name: &str, context: &[u8], facts: Facts, links: Rc<dyn Links>) -> Result<String, Failure> {
        match self.render_rows(name, context, facts, links, Vec::new())? {
            Rendered::Page(page) => Ok(page),
            Rendered::Needs(_) => Err(Failure::new(Kind::Render, "the page has no rows to follow")),
        }
    }

    /// The same with rows in the context, from which `nodes` says what can be followed.
    pub fn render_rows(
        &self,
        name: &str,
        context: &[u8],
        facts: Facts,
        links: Rc<dyn Links>,
        nodes: Vec<Node>,
    ) -> Result<Rendered, Failure> {
        if context.len() > self.limits.context {
            return Err(Failure::new(
                Kind::InvalidContext,
                format!("the context has {} bytes; the most is {}", context.len(), self.limits.context),
            ));
        }
        let context = if nodes.is_empty() { serde_json::from_slice(context) } else { rows::context(context) };
        let context: Value =
            context.map_err(|error| Failure::new(Kind::InvalidContext, format!("the context is not JSON: {error}")))?;
        if context.kind() != minijinja::value::ValueKind::Map {
            return Err(Failure::new(Kind::InvalidContext, "the context is not a JSON object"));
        }
        let template = self.env.get_template(name).map_err(|error| match error.kind() {
            ErrorKind::TemplateNotFound => self.not_found(name),
            _ => self.failure(&error),
        })?;
        let mut out = Bounded { text: Vec::new(), left: self.limits.output, full: false };
        let needs = Rc::default();
        let scope = Scope { facts: Rc::new(facts), links, nodes: Rc::new(nodes), needs: Rc::clone(&needs) };
        let result = scope.enter(|| template.render_captured_to(context, &mut out).map(drop));
        // Before anything that went wrong: what was missing may be why.
        let needs = needs.take();
        if !needs.is_empty() {
            return Ok(Rendered::Needs(needs.into_iter().collect()));
        }
        if out.full {
            return Err(Failure::new(
                Kind::TooLarge,
                format!("{name}: the page has more than {} bytes", self.limits.output),
            ));
        }
        result.map_err(|error| self.failure(&error))?;
        // Templates and values are text, so what they write is.
        String::from_utf8(out.text)
            .map(Rendered::Page)
            .map_err(|_| Failure::new(Kind::Render, format!("{name}: the page is not UTF-8")))
    }

    fn failure(&self, error: &minijinja::Error) -> Failure {
        Failure::from_engine(error, |name| self.sources.get(name).map(String::as_str))
    }

    fn not_found(&self, name: &str) -> Failure {
        let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
        let hint = check::nearest(name, self.sources.keys().map(String::as_str))
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        Failure::new(Kind::NotFound, format!("there is no template `{shown}`{hint}"))
    }
}

/// The engine's rules: what is escaped, and which filters and functions there are.
pub(crate) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html" | "htm" | "xml") => AutoEscape::Html,
        Some("json") => AutoEscape::Json,
        _ => AutoEscape::None,
    });
    env.set_formatter(format);
    // An include is a step of 10 and a macro of 4; pages nest a handful of them.
    env.set_recursion_limit(200);
    filters::add(&mut env);
    functions::add(&mut env);
    // They show the engine's insides, and the whole context at once.
    env.remove_global("debug");
    env.remove_filter("pprint");
    env
}

/// Writes a value. HTML is escaped as Django does; minijinja's own way escapes `/` as well, which makes every link
/// unreadable.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            write_escaped(out, text).map_err(minijinja::Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}

/// Writes `text` with HTML's five characters escaped.
pub(crate) fn write_escaped(out: &mut impl std::fmt::Write, text: &str) -> std::fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.write_str(&rest[..at])?;
        out.write_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#x27;",
        })?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}

/// Collects text up to a limit.
struct Bounded {
    text: Vec<u8>,
    left: usize,
    full: bool,
}

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len()) {
            Some(left) => {
                self.left = left;
                self.text.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            None => {
                self.full = true;
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
