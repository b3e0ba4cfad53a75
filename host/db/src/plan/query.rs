//! SQL with its values, and the statements that it becomes.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use host_store::{Effort, KEEP_SQL, Owner, Pace, Statement};
use parking_lot::Mutex;

use super::Planner;
use super::sql::{Bind, MANY, MANY_MORE, Sql};
use crate::bind;
use crate::dialect::Dialect;
use crate::shape::{Condition, Expr, List, Lookup, Operand};
use crate::types::Param;

/// SQL with its values, and the statements that it became.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) binds: Box<[Bind]>,
    pub(crate) holes: usize,
    sql: Sql,
    /// Where values are numbered: for each, the first that is the same.
    same: Option<Vec<usize>>,
    owner: Arc<Owner>,
    strict: bool,
    /// How long it takes, where nothing proves that to be short.
    pace: Option<Arc<Pace>>,
    fixed: Option<Arc<Statement>>,
    /// A statement for each combination of list sizes, rounded up; or, in a query without lists, for each number of rows.
    sized: Mutex<Vec<ForSizes>>,
    /// Where in the text the values of a row stand that may be repeated for more rows.
    row: Option<Range<usize>>,
}

/// Whether a statement looks for its rows, or has their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Searches {
    Yes,
    No,
}

/// Whether what writes given rows reads others.
pub(super) fn reads(sql: &Sql) -> Searches {
    if sql.text.contains("SELECT") { Searches::Yes } else { Searches::No }
}

impl Planner<'_> {
    /// Whether a statement that reads `selects` times, and whose rows are those of `filter`, looks for them. A key or a value that
    /// is there once finds them.
    pub(super) fn searches(&self, filter: &[Condition], sql: &Sql, selects: usize) -> Searches {
        let table = &self.catalog.tables[self.table];
        let alone = |target: &Expr| {
            let Some([name]) = target.path().map(Vec::as_slice) else { return false };
            let column = table.column(name).ok();
            column.is_some_and(|at| table.single_key() == Some(at) || table.columns[at].unique)
        };
        let given = |operand: &Expr| {
            matches!(operand, Expr::Operand(Operand::Hole(..) | Operand::Literal(_) | Operand::Ref(..)))
        };
        let finds = filter.iter().any(|condition| match condition {
            Condition::Lookup { lookup: Lookup::Exact, target, operands } => {
                alone(target) && operands.iter().all(given)
            }
            Condition::In { target, list: List::Hole(_) } => alone(target),
            _ => false,
        });
        if finds && sql.text.matches("SELECT").count() <= selects { Searches::No } else { Searches::Yes }
    }
}

type ForSizes = (Box<[usize]>, Arc<Statement>);

/// Statements that one query keeps for different list sizes: one list has eleven.
const MAX_SIZED: usize = 16;

impl Query {
    /// With `strict` the database looks at foreign keys at once.
    pub(super) fn new(
        dialect: Dialect,
        owner: &Arc<Owner>,
        sql: Sql,
        holes: usize,
        strict: bool,
        searches: Searches,
    ) -> Self {
        let same = (dialect == Dialect::Postgres).then(|| sql.same());
        let binds: Box<[Bind]> = match &same {
            None => sql.binds.clone().into(),
            Some(same) => {
                let first = |(at, bind): (usize, &Bind)| (same[at] == at).then(|| bind.clone());
                sql.binds.iter().enumerate().filter_map(first).collect()
            }
        };
        let has_many = binds.iter().any(|bind| matches!(bind, Bind::Many { .. }));
        let mut query = Self {
            binds,
            holes,
            sql,
            same,
            owner: owner.clone(),
            strict,
            pace: (searches == Searches::Yes).then(Pace::of_statement),
            fixed: None,
            sized: Mutex::default(),
            row: None,
        };
        if !has_many {
            query.fixed = Some(Arc::new(query.made(&[])));
        }
        query
    }

    /// Says where the values of a row stand, for a database that writes many rows sooner in one statement than in many.
    /// PostgreSQL gets its statements without waiting for one before the next, and SQLite is not far away.
    pub(super) fn write_rows_at(&mut self, dialect: Dialect, row: Range<usize>) {
        let text = &self.sql.text;
        let elsewhere = text[..row.start].contains('?') || text[row.end..].contains('?');
        if dialect == Dialect::Mariadb && !elsewhere && !text.contains([MANY, MANY_MORE]) {
            self.row = Some(row);
        }
    }

    /// Whether [`Query::for_rows`] has statements for more than one row.
    pub(crate) fn takes_rows(&self) -> bool {
        self.row.is_some()
    }

    /// The statement that writes so many rows at once.
    pub(crate) fn for_rows(&self, rows: usize) -> Arc<Statement> {
        let (Some(row), true) = (&self.row, rows > 1) else { return self.statement(&[]) };
        let mut sized = self.sized.lock();
        if let Some((_, statement)) = sized.iter().find(|(known, _)| **known == [rows]) {
            return statement.clone();
        }
        let text = &self.sql.text;
        let values = vec![&text[row.clone()]; rows].join(",");
        let statement = Arc::new(self.statement_of(format!("{}{values}{}", &text[..row.start], &text[row.end..])));
        sized.push(([rows].into(), statement.clone()));
        statement
    }

    /// The statement for lists of these sizes.
    fn made(&self, sizes: &[usize]) -> Statement {
        let text = match &self.same {
            None => self.sql.render(sizes),
            Some(same) => self.sql.render_numbered(same, sizes),
        };
        self.statement_of(text).taking(bind::types(&self.binds, sizes))
    }

    fn statement_of(&self, text: String) -> Statement {
        let statement = Statement::of_app(&self.owner, text).paced(self.pace.clone());
        if self.strict { statement.strict() } else { statement }
    }

    /// It took so long on a thread of its own.
    pub(crate) fn took(&self, time: Duration) {
        if let Some(pace) = &self.pace {
            pace.took(time);
        }
    }

    /// What it is expected to be like.
    pub(crate) fn effort(&self) -> Effort {
        self.pace.as_ref().map_or(Effort::Quick, |pace| pace.effort())
    }

    /// The statement for the lists among these values, each `in` of which is of the length that it is [`rounded`] to.
    pub(crate) fn statement(&self, params: &[Param]) -> Arc<Statement> {
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let sizes: Box<[usize]> = bind::list_lengths(&self.binds, params).map(rounded).collect();
        let mut sized = self.sized.lock();
        if let Some((_, statement)) = sized.iter().find(|(known, _)| *known == sizes) {
            return statement.clone();
        }
        let statement = Arc::new(self.made(&sizes));
        // One that connections don't keep prepared isn't worth keeping here either.
        if statement.sql().len() <= KEEP_SQL {
            if sized.len() >= MAX_SIZED {
                sized.clear();
            }
            sized.push((sizes, statement.clone()));
        }
        statement
    }
}

/// The length that a list of `length` values is filled up to by repeating its last value, which changes nothing for `IN`:
/// so a dozen statements serve every length.
pub(crate) fn rounded(length: usize) -> usize {
    if length == 0 { 0 } else { length.next_power_of_two() }
}
