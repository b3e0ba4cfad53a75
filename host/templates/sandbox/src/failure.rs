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
        let mut places: Vec<Place> = Vec::new();
        for error in chain.iter().rev() {
            if let (Some(name), Some(line)) = (error.name(), error.line()) {
                let place = Place::new(name, source_of(name).unwrap_or_default(), line);
                if places.len() < MAX_PLACES && !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        Self { kind, message: message.chars().take(MAX_MESSAGE).collect(), places }
    }
}

impl Place {
    fn new(template: &str, source: &str, line: usize) -> Self {
        let first = line.saturating_sub(AROUND).max(1);
        let excerpt = source
            .lines()
            .enumerate()
            .skip(first - 1)
            .take(line.saturating_sub(first) + AROUND + 1)
            .map(|(at, text)| (at + 1, text.chars().take(MAX_LINE).collect()))
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
