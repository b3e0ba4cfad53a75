//! Names that end up in SQL, in paths and in the log, checked once at the door.

use std::fmt;
use std::sync::Arc;

/// The longest name of an app, a model or a field, in bytes. PostgreSQL cuts identifiers at 63 bytes, and a table is
/// called `app__model`; 30 for each leaves room for the two underscores and fits MariaDB's 64 as well.
pub const MAX_NAME: usize = 30;

/// Why a name isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{shown}` is not a valid name: use 1 to {MAX_NAME} characters from a-z, 0-9 and single underscores between them, beginning with a letter"
)]
pub struct InvalidName {
    shown: String,
}

/// Checks a name of an app, a model, a field or a route against `[a-z][a-z0-9]*(_[a-z0-9]+)*`.
///
/// Two underscores in a row are kept for table names (`app__model`): without that, app `a` with model `b_c` and app
/// `a_b` with model `c` could mean the same table.
pub fn check_name(name: &str) -> Result<(), InvalidName> {
    let bytes = name.as_bytes();
    let valid = (1..=MAX_NAME).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
        && !name.contains("__")
        && !name.ends_with('_');
    if valid {
        Ok(())
    } else {
        let shown: String = name.chars().take(MAX_NAME + 10).flat_map(char::escape_default).collect();
        Err(InvalidName { shown })
    }
}

/// The name of a loaded app: unique on a site, valid by [`check_name`]. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(Arc<str>);

impl AppId {
    /// Checks `name` and wraps it.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        check_name(name)?;
        Ok(Self(name.into()))
    }

    /// The name as it stands in paths and tables.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl serde::Serialize for AppId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for AppId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        AppId::new(&name).map_err(serde::de::Error::custom)
    }
}

/// The longest word that is compared with others, in bytes.
const MAX_MISTYPED: usize = 64;

/// The known word nearest to `given`, for "did you mean": by edit distance, at most a third of its length away.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The time grows with the product of both lengths, and nobody mistypes a kilobyte.
    if given.len() > MAX_MISTYPED {
        return None;
    }
    known
        .into_iter()
        .filter(|word| word.len() <= MAX_MISTYPED && word.len().abs_diff(given.len()) <= MAX_NAME)
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= (given.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_inject_or_collide_are_refused() {
        for bad in [
            "",
            "A",
            "1a",
            "_a",
            "a_",
            "a__b",
            "a-b",
            "a b",
            "a\"b",
            "a;drop",
            "ä",
            "a\0",
            "a.b",
            "../a",
            &"a".repeat(MAX_NAME + 1),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?} must be refused");
        }
        for good in ["a", "polls", "a1_b2", &"a".repeat(MAX_NAME)] {
            assert_eq!(check_name(good), Ok(()));
        }
    }

    #[test]
    fn the_nearest_word_is_offered_only_when_near() {
        assert_eq!(nearest("mont", ["mount", "grants"]), Some("mount"));
        assert_eq!(nearest("zzz", ["mount", "grants"]), None);
        let long = "mount".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str(), "mount"]), None, "not even looked at");
    }
}
