//! What went wrong, where, and how it looks in the source.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong. The words are those of `bandstand:templates/render`'s errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No template of that name.
    NotFound,
    /// The template can't be read.
    Syntax,
    /// The template can't be filled with this context.
    Render,
    /// The text is longer than any page should be.
    TooLarge,
    /// It takes more steps, time, memory or nesting than a page may.
    Budget,
    /// The context isn't a JSON object, or too large.
    InvalidContext,
}

impl Kind {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::NotFound => "not-found",
            Kind::Syntax => "syntax",
            Kind::Render => "render",
            Kind::TooLarge => "too-large",
            Kind::Budget => "budget",
            Kind::InvalidContext => "invalid-context",
        }
    }
}

/// Why a template wasn't compiled or rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing.
    pub kind: Kind,
    /// A sentence for the template's author.
    pub message: String,
    /// Where, the innermost place first, then the templates that it was included from.
    pub places: Vec<Place>,
}

/// A line of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The template's name.
    pub template: String,
    /// The line, from 1.
    pub line: usize,
    /// The lines around it: number and text, cut.
    pub excerpt: Vec<(usize, String)>,
}

/// Lines shown before and after the one that is meant.
const AROUND: usize = 2;
/// Characters shown of a line: minified files have long ones.
const MAX_LINE: usize = 160;
/// Places in a failure; deeper chains are cut.
const MAX_PLACES: usize = 8;
/// Characters of a message: some quote the template's own values.
const MAX_MESSAGE: usize = 1_000;

impl Failure {
    /// A failure without a place.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), places: Vec::new() }
    }

    /// A failure at a line of a source.
    pub(crate) fn at(kind: Kind, message: impl Into<String>, template: &str, source: &str, line: usize) -> Self {
        Self { kind, message: message.into(), places: vec![Place::new(template, source, line)] }
    }

    /// Reads an error of the engine. `source_of` gives a template's text.
    pub(crate) fn from_engine<'s>(error: &minijinja::Error, source_of: impl Fn(&str) -> Option<&'s str>) -> Self {
        use minijinja::ErrorKind;
        let mut chain: Vec<&minijinja::Error> = vec![error];
        let mut next = std::error::Error::source(error);
        while let Some(source) = next {
            chain.extend(source.downcast_ref::<minijinja::Error>());
            next = source.source();
        }
        // The innermost error says what happened, those around it on whose behalf.
        let inner = chain.last().copied().unwrap_or(error);
        let kind = match inner.kind() {
            ErrorKind::SyntaxError | ErrorKind::BadEscape => Kind::Syntax,
            ErrorKind::OutOfFuel => Kind::Budget,
            ErrorKind::InvalidOperation if inner.detail() == Some("recursion limit exceeded") => Kind::Budget,
            _ => Kind::Render,
        };
        let message = match (inner.kind(), inner.detail()) {
            (ErrorKind::OutOfFuel, _) => "it takes more steps than a page may".into(),
            (kind, None) => kind.to_string(),
            (ErrorKind::InvalidOperation | ErrorKind::SyntaxError, Some(detail)) => detail.into(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
        };
        let meant = inner.range().zip(inner.name().and_then(&source_of)).and_then(|(range, text)| text.get(range));
        let message = explain(message, meant.unwrap_or_default());
        let mut places: Vec<Place> = Vec::new();
        for error in chain.iter().rev() {
            if let (Some(name), Some(line)) = (error.name(), error.line()) {
                let source = source_of(name).unwrap_or_default();
                let place = Place::with_start(name, source, line, error.range().map(|range| range.start));
                if places.len() < MAX_PLACES && !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        Self { kind, message: message.chars().take(MAX_MESSAGE).collect(), places }
    }
}

/// Adds what is meant, where the engine doesn't say it, and what to write instead of Django's forms.
fn explain(message: String, meant: &str) -> String {
    let meant: String = meant.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    let message = match message.as_str() {
        "undefined value" if !meant.is_empty() => format!("undefined value: `{meant}`"),
        _ => message,
    };
    let hint = match message.strip_prefix("unknown statement ") {
        Some("url") => "write {{ url(\"name\", argument) }}",
        Some("static") => "write {{ static(\"app/file.css\") }}",
        Some("load") => "leave it out: everything is there already",
        Some("csrf_token") => "leave it out: it isn't needed",
        Some("empty") => "write {% else %} inside the loop",
        Some("comment" | "endcomment") => "write {# … #}",
        Some("autoescape" | "endautoescape") => "everything is escaped; {{ value|safe }} is the exception",
        Some("trans" | "translate" | "blocktrans" | "blocktranslate") => "translation isn't there yet",
        Some("endblock" | "endif" | "endfor" | "endwith" | "endmacro" | "else" | "elif") => {
            "an {% if %}, {% for %} or the like before it has no end, or has two"
        }
        Some(_) => "",
        None if message.contains("unexpected `:`") => "arguments of a filter stand in parentheses: |date(\"j F Y\")",
        None if meant.starts_with("forloop") => "inside a loop it is `loop`: loop.index, loop.first, loop.last",
        None => "",
    };
    if hint.is_empty() { message } else { format!("{message}; {hint}") }
}

impl Place {
    fn new(template: &str, source: &str, line: usize) -> Self {
        Self::with_start(template, source, line, None)
    }

    /// `start` is the byte of the source where what is meant begins: of a long line, that part is shown.
    fn with_start(template: &str, source: &str, line: usize, start: Option<usize>) -> Self {
        let before = start.and_then(|start| source.get(..start)).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let skipped = |at: usize| if at == line { column.saturating_sub(MAX_LINE / 2) } else { 0 };
        let shown = |at: usize, text: &str| {
            let skip = skipped(at);
            let begin = if skip > 0 { "…" } else { "" };
            (at, format!("{begin}{}", text.chars().skip(skip).take(MAX_LINE).collect::<String>()))
        };
        let first = line.saturating_sub(AROUND).max(1);
        let excerpt = source
            .lines()
            .enumerate()
            .skip(first - 1)
            .take(line.saturating_sub(first) + AROUND + 1)
            .map(|(at, text)| shown(at + 1, text))
            .collect();
        Self { template: template.into(), line, excerpt }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in self.places.iter().enumerate() {
            match at {
                0 => write!(f, "{}:{}: {}", place.template, place.line, self.message)?,
                _ => write!(f, "\n  from {}:{}", place.template, place.line)?,
            }
            if at == 0 {
                for (line, text) in &place.excerpt {
                    let mark = if *line == place.line { '>' } else { ' ' };
                    write!(f, "\n {mark} {line:>4} | {text}")?;
                }
            }
        }
        if self.places.is_empty() { f.write_str(&self.message) } else { Ok(()) }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(source: &str) -> String {
        let mut engine = minijinja::Environment::new();
        engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        engine.set_debug(true);
        let made = engine.template_from_str(source).and_then(|template| template.render(()));
        Failure::from_engine(&made.expect_err("a mistake"), |_| Some(source)).to_string()
    }

    #[test]
    fn djangos_forms_are_answered_with_ours() {
        for (source, words) in [
            ("{% url 'a' %}", "write {{ url("),
            ("{% load static %}", "leave it out"),
            ("{% for a in [] %}{% empty %}{% endfor %}", "{% else %}"),
            ("{{ a|date:\"j\" }}", "stand in parentheses"),
            ("{% block a %}{% for a in [] %}{% endblock %}", "has no end"),
            ("{% for a in [1] %}{{ forloop.counter }}{% endfor %}", "loop.index"),
            ("{{ totl }}", "undefined value: `totl`"),
        ] {
            let text = failure(source);
            assert!(text.contains(words), "{source} is answered: {text}");
        }
    }

    #[test]
    fn of_a_long_line_the_part_that_is_meant_is_shown() {
        let source = format!("{}{{{{ a|floatfromat }}}}{}", "x".repeat(500), "y".repeat(500));
        let text = failure(&source);
        assert!(text.contains("a|floatfromat") && text.contains("| …xxx") && text.len() < 600, "{text}");
    }
}
