//! What an app asks for, and what its operator gave.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Something that an app may only do when the operator says so.
///
/// The words are those of `grants = […]` in `bandstand.toml` and of `capabilities` in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// `db`: tables of its own.
    Db,
    /// `db-raw`: SQL of its own over its tables.
    DbRaw,
    /// `templates`: rendering to text inside a handler. Pages don't need it.
    Templates,
}

impl Capability {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Capability; 3] = [Capability::Db, Capability::DbRaw, Capability::Templates];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Db => "db",
            Capability::DbRaw => "db-raw",
            Capability::Templates => "templates",
        }
    }

    /// What it lets an app do, for the operator who decides.
    pub fn describe(self) -> &'static str {
        match self {
            Capability::Db => "keep tables of its own in the site's database",
            Capability::DbRaw => "run SQL of its own over its tables, past the checks of its models",
            Capability::Templates => "render its templates to text inside a handler",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown capability `{given}`{}; known are: {}", nearest_hint(given), known())]
pub struct UnknownCapability {
    given: String,
}

fn nearest_hint(given: &str) -> String {
    crate::name::nearest(given, Capability::ALL.map(Capability::as_str))
        .map(|word| format!(" (did you mean `{word}`?)"))
        .unwrap_or_default()
}

fn known() -> String {
    Capability::ALL.map(Capability::as_str).join(", ")
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.as_str() == word)
            .ok_or_else(|| UnknownCapability { given: word.chars().take(60).collect() })
    }
}

impl serde::Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The capabilities that an app has: what the operator granted, whatever the app asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeSet<Capability>);

impl Grants {
    /// No capability at all, as during `describe`.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether the app may use `capability`.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// The granted capabilities, sorted.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Capability> for Grants {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}
