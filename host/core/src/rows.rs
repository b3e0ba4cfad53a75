//! Rows of the database in a template, and the relations that it follows from them.
//!
//! The room of the database writes rows as JSON objects; each begins with the member [`MARK`], whose value says which [`Node`] it is of. A template
//! that follows a relation which wasn't loaded tells the [`Need`]; it is fetched for all rows at once, and the page is made again.

use serde::{Deserialize, Serialize};

/// The first member of an object that is a row. No field and no variable of an app can be called so.
pub const MARK: &str = "\u{0}";

/// Rows that came by the same way: of one query, or of one relation from the rows of another node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Relations to one row that weren't loaded. The key of each is in the row, as `<relation>_id`, where the row holds it.
    pub one: Vec<String>,
    /// Relations to many rows that weren't loaded.
    pub many: Vec<String>,
}

/// A relation that a template followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// From the rows of which node.
    pub node: usize,
    /// The relation's name.
    pub relation: String,
}
