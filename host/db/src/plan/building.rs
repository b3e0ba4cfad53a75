//! A statement while it is put together, and what its parts are called.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::path::{Join, Root, joined};
use super::sql::{Purpose, Slot, Sql};
use super::window::Stage;
use super::with::Named;
use crate::catalog::Catalog;
use crate::dialect::Dialect;
use crate::error::DbError;
use crate::kind::Kind;

/// A statement's tables and conditions while they are put together.
pub(crate) struct Building<'c> {
    pub(crate) catalog: &'c Catalog,
    pub(crate) table: usize,
    /// The number of the own table's name: `t0`.
    pub(super) root: usize,
    /// What stands before the own row's columns, where it isn't its table's name in the statement.
    pub(super) prefix: Option<String>,
    /// The columns of the statement's own rows that were asked for.
    pub(super) used: RefCell<BTreeSet<usize>>,
    pub(super) joins: Vec<Join>,
    /// The highest number of a table's name so far, those of shapes inside and outside among them.
    pub(super) aliases: usize,
    /// How many tables this shape itself has joined.
    pub(super) joined: usize,
    /// What `annotate` has named so far.
    pub(super) annotations: Vec<Annotation>,
    /// What `with` has named.
    pub(super) with: Vec<Named>,
    /// The statement that this one stands in.
    pub(super) outer: Option<Box<Building<'c>>>,
    /// Whether it reads a row outside.
    pub(super) correlated: bool,
    /// Whether the statement makes one row of several, so that aggregates are about its own rows.
    pub(super) grouped: bool,
    /// Whether the rows around each row can be asked for: in a query that shows rows.
    pub(super) windowed: bool,
    /// Whether an aggregate is being planned: there is none inside of one.
    pub(super) aggregating: bool,
    /// Whether fields of the row can be read: an insert has none yet.
    pub(super) has_row: bool,
    /// Whether `{"new": …}` has a meaning: in `on_conflict` there is a row that the insert brought.
    pub(super) inserted: bool,
    /// Whether a condition calls a text function, whose time grows with the texts.
    pub(crate) reads_text: bool,
    /// Where what is found is handed on to a statement around this one.
    pub(super) stage: Option<Stage>,
    /// Whether rows are kept apart by a rule before anything else is asked of them.
    pub(super) fenced: bool,
}

/// Where a path ended, or what an expression is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// `t0."votes"`
    pub(crate) sql: Sql,
    pub(crate) kind: Kind,
    /// The column that it is, if it is one.
    pub(crate) column: Option<(usize, usize)>,
    /// What an error calls it.
    pub(crate) name: String,
    /// Whether it can be NULL, by the field or by a join.
    pub(crate) null: bool,
    /// The same without a look at its size, for a calculation that goes on.
    pub(crate) bare: Option<Sql>,
}

impl Found {
    /// What an expression made.
    pub(super) fn made(name: &str, sql: Sql, kind: Kind, null: bool) -> Self {
        Found { sql, kind, column: None, name: name.to_owned(), null, bare: None }
    }

    /// What fits in a comparison with it.
    pub(super) fn slot(&self) -> Slot {
        Slot { kind: self.kind, column: self.column, purpose: Purpose::Compare }
    }
}

/// A named expression.
pub(super) struct Annotation {
    pub(super) name: String,
    pub(super) found: Found,
    /// Whether it is made of several of the statement's own rows.
    pub(super) aggregate: bool,
    /// Whether it is made of the rows around each row.
    pub(super) window: bool,
}

impl Sub<'_> {
    /// Whether it is about the related rows at the end of `steps`.
    pub(super) fn has(&self, steps: &[String]) -> bool {
        self.roots.iter().any(|root| root.steps == steps)
    }
}

/// The tables of one `EXISTS`, or of one aggregate over related rows.
#[derive(Default)]
pub(super) struct Sub<'p> {
    pub(super) roots: Vec<Root<'p>>,
    pub(super) joins: Vec<Join>,
    /// Whether conditions are about each related row, as in an aggregate's filter: a `not` too.
    pub(super) each: bool,
}

impl<'c> Building<'c> {
    pub(crate) fn new(catalog: &'c Catalog, table: usize) -> Self {
        Self {
            catalog,
            table,
            root: 0,
            prefix: None,
            used: RefCell::default(),
            joins: Vec::new(),
            aliases: 0,
            joined: 0,
            annotations: Vec::new(),
            with: Vec::new(),
            outer: None,
            correlated: false,
            grouped: false,
            windowed: false,
            aggregating: false,
            has_row: true,
            inserted: false,
            reads_text: false,
            stage: None,
            fenced: false,
        }
    }

    /// One about `table` in the same shape.
    pub(super) fn another(&self, table: usize) -> Self {
        Self { fenced: self.fenced, ..Self::new(self.catalog, table) }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.catalog.dialect
    }

    pub(crate) fn has_joins(&self) -> bool {
        !self.joins.is_empty()
    }

    /// `"polls__choice" AS t0 LEFT JOIN …`
    pub(crate) fn tables(&self) -> Result<Sql, DbError> {
        let mut sql = self.source(self.table, &format!("t{}", self.root))?;
        sql.append(joined(&self.joins));
        Ok(sql)
    }
}
