//! The one error type of an app.

use core::fmt;

use crate::bindings::bandstand::{db, routing, templates};
use crate::response::Response;

/// What views and the SDK's functions return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a request wasn't answered as asked: a status for the visitor, a sentence, and for the log what led to it.
///
/// Any error of the standard library's kind becomes one by `?`, as a 500. What a visitor may read is the message of a status below
/// 500; past that the page says that something went wrong, and the details go to the log.
pub struct Error(Box<Inner>);

struct Inner {
    status: u16,
    code: String,
    message: String,
    details: Vec<(String, String)>,
    /// What was being done, the innermost first.
    context: Vec<String>,
    source: Option<Box<dyn std::error::Error>>,
}

impl Error {
    /// An error page with this status and a sentence that the visitor may read. A status that isn't an error's becomes 500.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let status = if (400..=599).contains(&status) { status } else { 500 };
        Self::with_code(status, "", message.into())
    }

    fn with_code(status: u16, code: &str, message: String) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            message,
            details: Vec::new(),
            context: Vec::new(),
            source: None,
        }))
    }

    /// 404: the site's or the app's `404.html`.
    pub fn not_found() -> Self {
        Self::with_code(404, "not-found", "This page does not exist.".into())
    }

    /// 400, with what is wrong with the request.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 403, with why.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// A fault of the app: a 500 whose message only the log gets.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::with_code(500, "internal", message.into())
    }

    /// 400 or 422 because of one part of the request, which [`field`](Self::field) names.
    pub(crate) fn field_error(status: u16, field: &str, problem: impl fmt::Display) -> Self {
        let mut error = Self::with_code(
            status,
            "invalid",
            if field.is_empty() { problem.to_string() } else { format!("`{field}`: {problem}") },
        );
        if !field.is_empty() {
            error.0.details.push(("field".into(), field.into()));
        }
        error
    }

    /// Adds what was being done, for the log.
    #[must_use]
    pub fn context(mut self, what: impl Into<String>) -> Self {
        self.0.context.push(what.into());
        self
    }

    /// The status of the page, 400 to 599.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The host's stable word for it, such as `unique` or `timeout`; empty for an app's own errors.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// A named fact about it, such as `model` or `limit`.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.0.details.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The field of the form, query or model that it is about.
    pub fn field(&self) -> Option<&str> {
        self.detail("field")
    }

    /// Whether what was asked for doesn't exist.
    pub fn is_not_found(&self) -> bool {
        self.0.status == 404
    }

    /// Whether it broke a rule between rows: a value that must be unique, a row that others need.
    pub fn is_conflict(&self) -> bool {
        self.0.status == 409
    }

    /// Whether the same request may succeed later: the database was busy or too slow, or the app took all that it may.
    pub fn is_unavailable(&self) -> bool {
        self.0.status == 503
    }

    /// The sentence that a visitor gets.
    pub(crate) fn public_message(&self) -> &str {
        if self.0.status < 500 {
            &self.0.message
        } else if self.0.status == 503 {
            "The site is busy. Please try again in a moment."
        } else if self.0.status == 507 {
            "There is no room left for this on the site."
        } else {
            "Something went wrong on our side."
        }
    }

    fn db(error: db::types::Error) -> Self {
        let status = match error.code.as_str() {
            "unique" | "foreign-key" | "protected" => 409,
            "invalid-value" | "not-null" | "check" => 422,
            // What is used up and doesn't come back by waiting: the room for rows.
            "quota" if !error.details.iter().any(|(name, _)| name == "retry_ms") => 507,
            "busy" | "conflict-retry" | "timeout" | "quota" => 503,
            _ => 500,
        };
        let capability = error.details.iter().find(|(name, _)| name == "capability");
        let hint =
            capability.map_or_else(String::new, |(_, word)| format!(" (grant the app `{word}` in bandstand.toml)"));
        let mut this = Self::with_code(status, &error.code, format!("{}{hint}", error.message));
        this.0.details = error.details;
        this
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in self.0.context.iter().rev() {
            write!(f, "{what}: ")?;
        }
        f.write_str(&self.0.message)?;
        let mut source = self.0.source.as_deref().and_then(std::error::Error::source);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.status)?;
        if !self.0.code.is_empty() {
            write!(f, " {}", self.0.code)?;
        }
        write!(f, ": {self}")?;
        for (name, value) in &self.0.details {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

// Error itself isn't a `std::error::Error`, so that this conversion may exist and `?` works on all that are.
impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let error: Box<dyn std::error::Error> = Box::new(error);
        // The contract's own errors are errors too; they keep their code and get their status.
        match error.downcast::<db::types::Error>() {
            Ok(error) => Self::db(*error),
            Err(error) => {
                let mut this = Self::with_code(500, "", error.to_string());
                this.0.source = Some(error);
                this
            }
        }
    }
}

/// What was being done, added to an error: `text.parse::<i32>().context("reading the page's number")?`.
pub trait Context<T> {
    /// Adds what was being done, for the log. An error that isn't an [`Error`] yet becomes one, as by `?`.
    ///
    /// Errors: that of the result.
    fn context(self, what: impl Into<String>) -> Result<T>;

    /// The same with a text that is made only where it is wanted.
    ///
    /// Errors: that of the result.
    fn with_context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for core::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().context(what))
    }

    fn with_context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.into().context(what()))
    }
}

pub(crate) fn from_routing(error: routing::types::Error) -> Error {
    let status = match error.code.as_str() {
        "too-large" => 413,
        "timeout" => 408,
        "closed" => 400,
        _ => 500,
    };
    Error::with_code(status, &error.code, error.message)
}

pub(crate) fn from_templates(error: templates::render::Error) -> Error {
    Error::with_code(500, &error.code, error.message)
}

impl From<Error> for Response {
    fn from(error: Error) -> Self {
        if error.status() >= 500 {
            crate::log::write(crate::log::Level::Error, format_args!("{error:?}"));
        } else {
            crate::log::write(crate::log::Level::Debug, format_args!("{error:?}"));
        }
        let page = Response::error(error.status(), error.public_message());
        let later = error.detail("retry_ms").and_then(|ms| ms.parse::<u64>().ok());
        match later {
            Some(ms) => page.header("retry-after", ms.div_ceil(1_000).to_string()),
            None => page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_db(code: &str) -> Error {
        db::types::Error { code: code.into(), message: "why".into(), details: vec![("field".into(), "title".into())] }
            .into()
    }

    #[test]
    fn the_databases_refusals_become_statuses() {
        for (code, status) in
            [("unique", 409), ("not-null", 422), ("busy", 503), ("internal", 500), ("a-new-word", 500)]
        {
            let error = of_db(code);
            assert_eq!((error.status(), error.code(), error.field()), (status, code, Some("title")));
        }
        let quota = |details: Vec<(String, String)>| -> Error {
            db::types::Error { code: "quota".into(), message: "used up".into(), details }.into()
        };
        assert_eq!(quota(vec![("retry_ms".into(), "61210".into())]).status(), 503);
        let full = quota(vec![("resource".into(), "storage_bytes".into())]);
        assert!(full.status() == 507 && full.public_message().contains("no room"));
        let details = vec![("capability".into(), "db".into())];
        let denied = db::types::Error { code: "access-denied".into(), message: "why".into(), details };
        assert!(Error::from(denied).to_string().contains("grant the app `db`"));
        assert_eq!(of_db("access-denied").to_string(), "why");
    }

    #[test]
    fn a_visitor_reads_nothing_of_an_inner_fault() {
        let error: Error = "x".parse::<i32>().expect_err("no number").into();
        assert_eq!(error.status(), 500);
        assert!(error.to_string().contains("invalid digit"));
        assert!(!error.public_message().contains("digit"));
        assert_eq!(Error::bad_request("no such colour").public_message(), "no such colour");
    }

    #[test]
    fn context_is_told_from_the_outside_in() {
        let error = Error::internal("broken").context("reading").context("importing");
        assert_eq!(error.to_string(), "importing: reading: broken");
        assert_eq!(Error::new(200, "not an error").status(), 500);
    }
}
