//! Names into addresses: the routing room knows them, templates and apps ask.

use crate::name::AppId;

/// Why a name could not be turned into a path. The text is for the developer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReverseError {
    /// No app or route of that name.
    #[error("{0}")]
    NotFound(String),
    /// The wrong number of arguments, or one that the route would not take back.
    #[error("{0}")]
    Invalid(String),
}

impl ReverseError {
    /// The stable word of `bandstand:routing`'s errors.
    pub fn code(&self) -> &'static str {
        match self {
            ReverseError::NotFound(_) => "not-found",
            ReverseError::Invalid(_) => "invalid",
        }
    }
}

/// Turns the name of a route into a path.
pub trait Reverse: Send + Sync {
    /// The path for `name` as `app` means it: `route` is the app's own, `other:route` another app's. `args` fill the
    /// captures in the order of the pattern and are percent-encoded; the result is ASCII and begins with exactly one
    /// `/`, so it never leaves the site.
    fn reverse(&self, app: &AppId, name: &str, args: &[String]) -> Result<String, ReverseError>;
}
