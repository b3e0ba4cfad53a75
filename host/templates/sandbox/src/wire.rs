//! What passes through the sandbox's wall: length-prefixed parts, so that a context is never parsed and written again.

use serde::{Deserialize, Serialize};

use crate::engine::Limits;
use crate::failure::Failure;
use crate::scope::Facts;

/// Into the sandbox, once: the templates.
#[derive(Debug, Serialize, Deserialize)]
pub struct Load {
    /// Names and texts.
    pub templates: Vec<(String, String)>,
    /// What each page may cost.
    pub limits: Limits,
}

/// Into the sandbox, for each page; the context follows as it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Render {
    /// The template's name.
    pub name: String,
    /// The page's facts.
    pub facts: Facts,
    /// What can be followed from the context's rows; empty where it has none.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// The first member of an object that is a row; its value is the number of its node.
pub const MARK: &str = "\u{0}";

/// Relations of rows that weren't loaded. The host's words are in `host_core::rows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// To one row.
    pub one: Vec<String>,
    /// To many.
    pub many: Vec<String>,
}

/// A relation that the template followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// From the rows of which node.
    pub node: usize,
    /// The relation's name.
    pub relation: String,
}

/// Out of the sandbox: a question about an address.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// The path for a named route.
    Url(String, Vec<String>),
    /// The address of a static file.
    Static(String),
}

/// What comes back from [`Load`].
pub type Loaded = Result<(), Vec<Failure>>;

/// Joins a head and a body: the head's length in four bytes, little-endian, then both.
pub fn join(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + head.len() + body.len());
    out.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    out
}

/// Splits what [`join`] joined; none where the length is a lie.
pub fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = message.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
