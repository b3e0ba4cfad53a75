//! What an app may do with a table that isn't its own, as the database itself sees to it.

use std::collections::{BTreeMap, BTreeSet};

/// Rights on one table, by its columns' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRights {
    /// The columns that it may read.
    pub read: BTreeSet<String>,
    /// The columns that it may give a new row; none where it adds no rows.
    pub insert: BTreeSet<String>,
    /// The columns that it may set.
    pub update: BTreeSet<String>,
    /// Whether it may delete rows.
    pub delete: bool,
    /// Columns of any table that the database itself reads for a write: the ends of foreign keys. They matter to SQLite,
    /// which asks for them as if the statement read them.
    pub keys: BTreeSet<(String, String)>,
}

/// Rights on tables that aren't the app's own, by their names.
pub type Rights = BTreeMap<String, TableRights>;

/// Something that a statement does with a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doing<'a> {
    /// Reading a column; without a name whatever row there is.
    Read(&'a str),
    Insert,
    Update(&'a str),
    Delete,
}

impl TableRights {
    pub(crate) fn allow(&self, doing: Doing<'_>) -> bool {
        match doing {
            Doing::Read("") => !self.read.is_empty(),
            Doing::Read(column) => self.read.contains(column),
            Doing::Insert => !self.insert.is_empty(),
            Doing::Update(column) => self.update.contains(column),
            Doing::Delete => self.delete,
        }
    }

    /// As both servers' `GRANT` takes it, with names as `quote` writes them; `None` where there is nothing.
    pub(crate) fn clause(&self, quote: impl Fn(&str) -> String) -> Option<String> {
        let list = |columns: &BTreeSet<String>| columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        for (word, columns) in [("SELECT", &self.read), ("INSERT", &self.insert), ("UPDATE", &self.update)] {
            if !columns.is_empty() {
                parts.push(format!("{word} ({})", list(columns)));
            }
        }
        if self.delete {
            parts.push("DELETE".into());
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
