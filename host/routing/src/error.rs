//! Why a table can't be built.

use host_core::name::AppId;

/// Why the mounts make no table: which app, what about it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A mount prefix isn't one.
    #[error("app `{app}`: the mount `{shown}` {problem}")]
    Prefix {
        /// The app.
        app: AppId,
        /// The prefix, escaped and cut.
        shown: String,
        /// What is wrong, and what a prefix looks like.
        problem: String,
    },
    /// Two apps want the same mount.
    #[error("app `{app}`: the mount `{prefix}` is taken by app `{other}`; give one of them another `mount`")]
    Clash {
        /// The later app.
        app: AppId,
        /// The one that has it.
        other: AppId,
        /// The mount.
        prefix: String,
    },
    /// An app comes twice.
    #[error("app `{0}` is mounted twice; an app has one `mount`")]
    Twice(AppId),
    /// A route can't be reached: an earlier one has the same pattern and answers all its methods.
    #[error(
        "app `{app}`: route `{path}` ({methods}) can never be reached, `{earlier}` is declared before it and takes the same paths; remove one"
    )]
    Unreachable {
        /// The app.
        app: AppId,
        /// The later route's pattern.
        path: String,
        /// Its methods.
        methods: String,
        /// The earlier route's pattern.
        earlier: String,
    },
}
