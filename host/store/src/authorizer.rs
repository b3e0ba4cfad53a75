//! The wall inside a connection: which tables and functions the statement being prepared may touch.
//!
//! One authorizer is set when a connection is opened and stays for its life, because setting another one would expire
//! every prepared statement. It reads a cell that says for whom the connection works; the session fills the cell
//! before each statement and clears it after. With an empty cell nothing is allowed.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::owner::{Owner, Statement};
use crate::rights::Doing;

/// For whom a connection works at the moment.
#[derive(Debug, Default)]
pub(crate) enum Acting {
    /// Nobody: everything is refused.
    #[default]
    Nobody,
    /// The host itself: everything is allowed.
    Host,
    /// An app: reading and writing rows of its own tables, no more.
    App(Arc<Owner>),
    /// An app with a statement that it wrote itself.
    Raw(Arc<Owner>, Written),
}

/// What there is to know of a statement that an app wrote itself.
#[derive(Debug)]
pub(crate) struct Written {
    /// The names of all tables that there are, in lower case.
    tables: Arc<HashSet<String>>,
    /// Whether it may delete rows that are in the way of what it writes, of which SQLite asks nobody.
    replaces: bool,
    /// Whether tables may meet by columns that are called alike, of which SQLite asks nobody either.
    joins: bool,
}

/// The cell that the authorizer reads.
#[derive(Debug, Default, Clone)]
pub(crate) struct ActingCell(Arc<Mutex<Acting>>);

impl ActingCell {
    pub(crate) fn set(&self, acting: Acting) {
        *self.0.lock() = acting;
    }

    pub(crate) fn act_for(&self, statement: &Statement, tables: &Arc<HashSet<String>>) {
        if let (Some(owner), true) = (statement.owner(), statement.is_raw()) {
            let (replaces, joins) = (may_replace(statement.sql()), joins_by_names(statement.sql()));
            let written = Written { tables: tables.clone(), replaces, joins };
            return self.set(Acting::Raw(owner.clone(), written));
        }
        let mut acting = self.0.lock();
        match (&*acting, statement.owner()) {
            (Acting::App(present), Some(owner)) if Arc::ptr_eq(present, owner) => {}
            (_, Some(owner)) => *acting = Acting::App(owner.clone()),
            (_, None) => *acting = Acting::Host,
        }
    }

    pub(crate) fn decide(&self, context: AuthContext<'_>) -> Authorization {
        let allowed = match &*self.0.lock() {
            Acting::Nobody => false,
            Acting::Host => true,
            Acting::App(owner) => app_may(owner, &context, None),
            Acting::Raw(owner, written) => app_may(owner, &context, Some(written)),
        };
        if allowed { Authorization::Allow } else { Authorization::Deny }
    }
}

fn app_may(owner: &Owner, context: &AuthContext<'_>, raw: Option<&Written>) -> bool {
    // A trigger or a view would act for somebody else's reason; the host makes none, and connections have both switched
    // off. What a statement itself names in its WITH is called so too, and an app gives its own names.
    if raw.is_none() && context.accessor.is_some_and(|name| !is_of_with(name)) {
        return false;
    }
    if !matches!(context.database_name, None | Some("main")) || raw.is_some_and(|raw| raw.joins) {
        return false;
    }
    match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        // These make rows of a document and are no tables.
        AuthAction::Read { table_name: "json_each" | "json_tree", .. } => raw.is_some(),
        // Named without a column of it, as in `SELECT count(*) FROM a`. Whether it is a table or a name of the statement's WITH isn't said.
        AuthAction::Read { table_name, column_name: "" } if !owner.may(table_name, Doing::Read("")) => {
            raw.is_some_and(|raw| !raw.tables.contains(&table_name.to_lowercase()))
        }
        AuthAction::Read { table_name, column_name } => {
            owner.may(table_name, Doing::Read(column_name)) || raw.is_none() && owner.is_key(table_name, column_name)
        }
        AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. }
            if raw.is_some_and(|raw| raw.replaces) && !owner.may(table_name, Doing::Delete) =>
        {
            false
        }
        AuthAction::Insert { table_name } => owner.may(table_name, Doing::Insert),
        AuthAction::Update { table_name, column_name } => owner.may(table_name, Doing::Update(column_name)),
        AuthAction::Delete { table_name } => owner.may(table_name, Doing::Delete),
        AuthAction::Function { function_name } => {
            crate::functions::allowed(function_name) || raw.is_some() && crate::functions::allowed_raw(function_name)
        }
        // Listed rather than left over would be safer still, but the enum is non-exhaustive: what is new is refused.
        _ => false,
    }
}

/// Whether a statement says `REPLACE`, other than as the function's name.
fn may_replace(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    sql.split("replace").skip(1).any(|after| !after.trim_start().starts_with('('))
}

/// Whether a statement has the word `USING` or `NATURAL`. SQLite compares the columns that these join by without
/// asking the authorizer, so that values in anybody's tables could be guessed. A word in quotes counts as well: whoever takes
/// quotes apart can be wrong about where they end.
pub fn joins_by_names(sql: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
    sql.split(|c| !is_of_name(c)).any(|word| word.eq_ignore_ascii_case("using") || word.eq_ignore_ascii_case("natural"))
}

/// Whether it is a name that the planner gives in WITH: `w0`.
fn is_of_with(name: &str) -> bool {
    name.strip_prefix('w').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{joins_by_names, may_replace};

    #[test]
    fn a_join_by_names_says_so() {
        for sql in [
            "SELECT a FROM b JOIN c USING(a)",
            "b natural\tJOIN c",
            "b/**/NATURAL/**/LEFT JOIN c",
            "using(a)",
            "'using'",
        ] {
            assert!(joins_by_names(sql), "{sql}");
        }
        for sql in ["SELECT using_it FROM b", "SELECT naturally, éusing FROM b"] {
            assert!(!joins_by_names(sql), "{sql}");
        }
    }

    #[test]
    fn a_statement_that_replaces_says_so() {
        for sql in [
            "REPLACE INTO a VALUES (1)",
            "insert or Replace/**/into a",
            "UPDATE OR\nREPLACE a SET b = replace (b, 1, 2)",
        ] {
            assert!(may_replace(sql), "{sql}");
        }
        for sql in ["SELECT replace(a, 'x', 'y')", "UPDATE a SET b = REPLACE (b, 1, 2)", "INSERT INTO a VALUES (1)"] {
            assert!(!may_replace(sql), "{sql}");
        }
    }
}
