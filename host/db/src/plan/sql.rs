//! SQL text with its bound values, put together from parts.

use crate::catalog::Catalog;
use crate::kind::Kind;
use crate::types::Value;

/// Stands in the text where a `many` parameter goes; no identifier can hold it and no value is ever written into the text.
pub(crate) const MANY: char = '\u{1}';

/// What fills a `?`, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bind {
    /// The parameter of a hole, checked against a column.
    Hole { hole: usize, slot: Slot },
    /// All values of a `many` hole; the text has a [`MANY`].
    Many { hole: usize, slot: Slot },
    /// A whole number of rows.
    Rows { hole: usize },
    /// A truth value of a hole.
    Truth { hole: usize },
    /// What never changes.
    Const { value: Value, slot: Slot },
    /// A field of an earlier statement of the batch.
    Ref { statement: usize, field: String, slot: Slot },
}

/// What fits, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    /// Table and column, where the value is for one.
    pub(crate) column: Option<(usize, usize)>,
    pub(crate) purpose: Purpose,
}

impl Slot {
    /// For a column.
    pub(crate) fn of(catalog: &Catalog, table: usize, column: usize, purpose: Purpose) -> Self {
        Self { kind: catalog.tables[table].columns[column].kind, column: Some((table, column)), purpose }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It becomes the column's value.
    Store,
    /// It is reckoned with on the way to the column's value.
    Reckon,
    /// It is compared with the column.
    Compare,
}

/// A piece of SQL.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) binds: Vec<Bind>,
}

impl Sql {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    pub(crate) fn bind(bind: Bind) -> Self {
        Self { text: "?".into(), binds: vec![bind] }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn append(&mut self, other: Sql) -> &mut Self {
        self.text.push_str(&other.text);
        self.binds.extend(other.binds);
        self
    }

    /// All parts, with commas between them.
    pub(crate) fn list(&mut self, parts: Vec<Sql>) -> &mut Self {
        for (at, part) in parts.into_iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" }).append(part);
        }
        self
    }

    /// All parts in parentheses, with `word` between them.
    pub(crate) fn join(parts: Vec<Sql>, word: &str) -> Sql {
        if parts.len() == 1 {
            return parts.into_iter().next().unwrap_or_default();
        }
        let mut all = Sql::text("(");
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                all.push(word);
            }
            all.append(part);
        }
        all.push(")");
        all
    }

    /// The text with room for as many values as `sizes` says, one number for each [`MANY`].
    pub(crate) fn render(&self, sizes: &[usize]) -> String {
        let mut sizes = sizes.iter();
        let mut text = String::with_capacity(self.text.len());
        for c in self.text.chars() {
            if c == MANY {
                for at in 0..sizes.next().copied().unwrap_or(0) {
                    text.push_str(if at == 0 { "?" } else { ",?" });
                }
            } else {
                text.push(c);
            }
        }
        text
    }
}
