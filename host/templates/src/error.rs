//! What is wrong with a template, for its author.

use std::fmt;

use host_core::name::AppId;
use host_core::page::{STYLE, escape};
use host_templates_sandbox::{Failure, Kind};

/// A template that can't be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub(crate) app: Option<AppId>,
    pub(crate) failure: Failure,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.app {
            Some(app) => write!(f, "app `{app}`: {}", self.failure),
            None => write!(f, "site: {}", self.failure),
        }
    }
}

impl std::error::Error for TemplateError {}

/// All that is wrong with a folder of templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateErrors(pub Vec<TemplateError>);

impl fmt::Display for TemplateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateErrors {}

/// A page that can't be rendered. Shown with `{}` it is one line for a log, with `{:#}` it has the lines of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    pub(crate) app: Option<AppId>,
    pub(crate) failure: Failure,
}

impl RenderError {
    /// The stable word of `bandstand:templates/render`'s errors.
    pub fn code(&self) -> &'static str {
        self.failure.kind.as_str()
    }

    /// Whether the page cost more than it may, so that the app is to blame and not its context.
    pub fn is_budget(&self) -> bool {
        matches!(self.failure.kind, Kind::Budget | Kind::TooLarge)
    }

    /// A page for the app's author, with the source. Never for visitors: it shows what the template says.
    pub fn to_html(&self) -> String {
        let mut source = String::new();
        for (at, place) in self.failure.places.iter().enumerate() {
            let from = if at == 0 { "In" } else { "from" };
            source.push_str(&format!("<p>{from} <code>{}</code>, line {}</p>", escape(&place.template), place.line));
            if !place.excerpt.is_empty() {
                source.push_str("<pre>");
                for (line, text) in &place.excerpt {
                    let text = escape(text);
                    source.push_str(&match *line == place.line {
                        true => format!("<b>&gt; {line:>4} | {text}</b>\n"),
                        false => format!("  {line:>4} | {text}\n"),
                    });
                }
                source.push_str("</pre>");
            }
        }
        let app = self.app.as_ref().map_or("site", AppId::as_str);
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Template error</title>\
             <style>{STYLE}</style></head><body><main><p class=\"status\">Template error: {code}</p>\
             <h1>{message}</h1>{source}<p class=\"note\">In {app}. Visitors see the page for status 500 instead.</p>\
             </main></body></html>",
            code = self.code(),
            message = escape(&self.failure.message),
        )
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.failure.fmt(f);
        }
        match self.failure.places.first() {
            Some(place) => write!(f, "template {}:{}: {}", place.template, place.line, self.failure.message),
            None => write!(f, "template: {}", self.failure.message),
        }
    }
}

impl std::error::Error for RenderError {}
