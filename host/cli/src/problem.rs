//! What is wrong with a site, in the form that people know from Django's checks: a stable id, the place, what is
//! wrong, and what to do about it.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// A stable id, such as `config.E002`; `docs/reference/cli.md` lists them.
    pub(crate) id: &'static str,
    /// Where: a file with its line, or an app.
    pub(crate) place: String,
    /// What is wrong, in one sentence without a full stop.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(id: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { id, place: place.into(), message: message.into(), hint: None }
    }

    /// Whether it may be meant so.
    pub(crate) fn is_warning(&self) -> bool {
        self.id.contains(".W")
    }

    /// The same problem with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({}) {}", self.place, self.id, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    HINT: {hint}")?;
        }
        Ok(())
    }
}

/// All that is wrong, as one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
