//! What an app says of itself: the JSON document that `describe` returns.
//!
//! The published form is `wit/app/manifest.schema.json`. Unknown members are kept out of the way, not refused: an app
//! built with a newer SDK runs on an older host as long as what it *requires* is known. Everything that is read is
//! checked here, once, so that the rooms may trust names, references and sizes.

mod check;
mod field;
mod model;
mod route;

pub use check::ManifestError;
pub use field::{Choice, Field, FieldKind, Generated, OnDelete, Protocol, Relation, Validator};
pub use model::{Constraint, Index, Model};
pub use route::{Converter, Method, Pattern, PatternError, Route, Segment};

use serde::{Deserialize, Serialize};

use crate::grants::Capability;
use crate::name::AppId;

/// The manifest's version that this host reads.
pub const VERSION: u32 = 1;

/// The largest manifest in bytes: some 1,000 models. More is not an app, it's an attack.
pub const MAX_BYTES: usize = 1 << 20;

/// An app's description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Manifest {
    /// [`VERSION`].
    pub v: u32,
    /// The app's name: its tables' prefix, its namespace in `url`, its default mount.
    #[cfg_attr(test, schemars(with = "String", regex(pattern = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"), length(max = 30)))]
    pub name: AppId,
    /// The name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The app's version, as its author counts.
    #[serde(default)]
    pub version: String,
    /// What built it, for the log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sdk: String,
    /// Its models.
    #[serde(default)]
    pub models: Vec<Model>,
    /// Its routes. A request names its route by the place in this list.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// What it asks the operator for.
    #[serde(default)]
    pub capabilities: Vec<CapabilityRequest>,
}

/// A capability that an app asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CapabilityRequest {
    /// Its word, such as `db`.
    pub name: String,
    /// Whether the app can't run without it: then loading fails where it isn't granted. Otherwise calls answer `access-denied`.
    #[serde(default)]
    pub required: bool,
    /// Why, for the operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Manifest {
    /// Reads and checks a manifest. The error names the place in the document and what to do about it.
    pub fn parse(json: &str) -> Result<Self, ManifestError> {
        check::parse(json)
    }

    /// The model called `name`.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The other apps whose models the app uses, each once.
    pub fn shares(&self) -> std::collections::BTreeSet<&str> {
        self.models.iter().filter_map(|model| model.shared().map(|(app, _)| app)).collect()
    }

    /// Tables that aren't the app's own by their names, so that it may use them only where the operator says so.
    pub fn foreign_tables(&self) -> impl Iterator<Item = &str> {
        let own = format!("{}__", self.name);
        self.models
            .iter()
            .map(|model| model.table.as_str())
            .filter(move |table| !table.is_empty() && !table.starts_with(&own))
    }

    /// Tables that don't begin with the app's name, so that they may be another's, and that aren't among `granted`: each
    /// with its model. Names are compared as they are written, since most databases tell `Album` and `album` apart.
    pub fn tables_to_grant<'a>(&'a self, granted: &'a [String]) -> impl Iterator<Item = (&'a Model, &'a str)> {
        let named = self.models.iter().filter(|model| !model.table.is_empty());
        named.map(|model| (model, model.table.as_str())).filter(|(_, table)| {
            let own = table.strip_prefix(self.name.as_str()).is_some_and(|rest| rest.starts_with("__"));
            !own && !granted.iter().any(|known| known == table)
        })
    }

    /// Those of the tables that may be another's which the host would make and change as their models change, but for
    /// `allowed`: each with its model.
    pub fn tables_to_manage<'a>(&'a self, allowed: &'a [String]) -> impl Iterator<Item = (&'a Model, &'a str)> {
        self.tables_to_grant(allowed).filter(|(model, _)| model.managed)
    }

    /// Required capabilities that `granted` doesn't hold, and words that this host doesn't know.
    pub fn missing<'a>(&'a self, granted: &'a crate::grants::Grants) -> impl Iterator<Item = &'a CapabilityRequest> {
        self.capabilities.iter().filter(|request| {
            request.required && !request.name.parse::<Capability>().is_ok_and(|capability| granted.has(capability))
        })
    }
}
