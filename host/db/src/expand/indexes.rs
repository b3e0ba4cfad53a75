//! Indexes, and the unique sets that are indexes, as each database wants them written.
//!
//! What a database can't do itself is made of what it can, as long as the meaning stays: MariaDB gets hidden generated
//! columns for expressions and for the conditions of unique sets. What only saves time (the condition of an index that isn't
//! unique, fields that it holds besides) is left out where it can't be had.

use std::borrow::Cow;

use super::{Change, ddl, names};
use crate::catalog::{Column, Constraint, Index, Rule, Table};
use crate::dialect::{Dialect, literal};
use crate::kind::Kind;
use crate::types::Value;

/// Characters of a text that an index which isn't unique holds on MariaDB: 16 columns of four bytes each fit into its 3,072
/// bytes.
const INDEXED: u32 = 48;

/// An index that a table shall have.
pub(crate) struct Wanted<'t> {
    /// The database's name for it.
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) index: Cow<'t, Index>,
    /// The manifest's constraint that it stands for.
    pub(crate) constraint: Option<&'t Constraint>,
    deferrable: bool,
    written: Written,
}

/// An index as a database reads it.
#[derive(Debug, Default, PartialEq)]
struct Written {
    parts: Vec<String>,
    /// What follows the parts.
    end: String,
    /// Columns that have to be there first: their names and definitions.
    hidden: Vec<(String, String)>,
}

/// What the manifest says of an index.
struct Said<'t> {
    index: Cow<'t, Index>,
    unique: bool,
    nulls_distinct: bool,
    deferrable: bool,
    constraint: Option<&'t Constraint>,
}

/// The indexes that a table shall have. Each comes once; one that a constraint names comes for it.
pub(crate) fn wanted(dialect: Dialect, table: &Table) -> Vec<Wanted<'_>> {
    let said = |index, unique| Said { index, unique, nulls_distinct: true, deferrable: false, constraint: None };
    let mut all: Vec<Said<'_>> = Vec::new();
    for constraint in &table.constraints {
        if let Rule::Unique { index, nulls_distinct, deferrable } = &constraint.rule {
            let (nulls_distinct, deferrable, constraint) = (*nulls_distinct, *deferrable, Some(constraint));
            all.push(Said { nulls_distinct, deferrable, constraint, ..said(Cow::Borrowed(index), true) });
        }
    }
    for (at, column) in table.columns.iter().enumerate() {
        if (column.unique || column.index) && table.key != [at] {
            all.push(said(Cow::Owned(Index::over(&[at])), column.unique));
        }
    }
    all.extend(table.unique_together.iter().map(|columns| said(Cow::Owned(Index::over(columns)), true)));
    all.extend(table.indexes.iter().map(|index| said(Cow::Borrowed(index), false)));
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for said in all {
        let one = said.wanted(dialect, table);
        if !wanted.iter().any(|known| known.name == one.name) {
            wanted.push(one);
        }
    }
    wanted
}

impl<'t> Said<'t> {
    fn wanted(self, dialect: Dialect, table: &Table) -> Wanted<'t> {
        let index = &*self.index;
        let written = match dialect {
            Dialect::Sqlite => self.sqlite(table),
            Dialect::Postgres => self.postgres(table),
            Dialect::Mariadb => self.mariadb(table),
        };
        let word = match (self.unique, self.deferrable) {
            (true, true) => "deferred",
            (true, false) => "unique",
            (false, _) => "index",
        };
        let columns: Vec<&str> = index.columns.iter().map(|(at, _)| table.columns[*at].name.as_str()).collect();
        let name = if index.is_plain() && self.nulls_distinct {
            format!("{}__{word}__{}", table.name, columns.join("__"))
        } else {
            // One that says something else is another one.
            let label = if index.name.is_empty() { columns.join("__") } else { index.name.clone() };
            let hash = names::hash(&format!("{written:?}"), 4);
            format!("{}__{word}__{label}__{hash}", table.name)
        };
        Wanted {
            name: names::fitting(dialect, name),
            unique: self.unique,
            deferrable: self.deferrable,
            constraint: self.constraint,
            written,
            index: self.index,
        }
    }

    /// The parts as SQL with their kinds, for databases that have to be told that NULLs are equal: a column that may be NULL
    /// becomes two parts that never are, whether it is, and its value or one of its kind.
    fn told(&self, dialect: Dialect, table: &Table) -> Vec<(String, Kind)> {
        let mut parts = Vec::new();
        let mut part = |sql: String, kind: Kind, null: bool| {
            if self.nulls_distinct || !null {
                parts.push((sql, kind));
                return;
            }
            let zero = literal::write(dialect, kind, &zero(kind));
            parts.push((format!("({sql} IS NULL)"), Kind::Boolean));
            parts.push((format!("coalesce({sql}, {zero})"), kind));
        };
        for (at, _) in &self.index.columns {
            let column = &table.columns[*at];
            part(column.quoted().to_owned(), column.kind, column.null);
        }
        for inline in &self.index.expressions {
            part(format!("({})", inline.sql), inline.kind, true);
        }
        parts
    }

    fn sqlite(&self, table: &Table) -> Written {
        let index = &*self.index;
        let mut parts = Vec::new();
        if self.nulls_distinct {
            for (at, descending) in &index.columns {
                parts.push(format!("{}{}", table.columns[*at].quoted(), if *descending { " DESC" } else { "" }));
            }
            parts.extend(index.expressions.iter().map(|inline| format!("({})", inline.sql)));
        } else {
            parts.extend(self.told(Dialect::Sqlite, table).into_iter().map(|(part, _)| part));
        }
        if !self.unique {
            parts.extend(besides(table, index).map(|column| column.quoted().to_owned()));
        } else if index.condition.is_some() {
            // With an expression in it, SQLite names the index in its error instead of the columns, which may be those of
            // another unique set as well.
            parts.push("(1)".into());
        }
        let end = index.condition.as_ref().map(|condition| format!(" WHERE {}", condition.sql));
        Written { parts, end: end.unwrap_or_default(), hidden: Vec::new() }
    }

    fn postgres(&self, table: &Table) -> Written {
        let index = &*self.index;
        let part = |(at, descending): &(usize, bool)| {
            let column = &table.columns[*at];
            // NULL comes first in every order, and an index serves those that it agrees with.
            let order = match (descending, column.null, self.deferrable) {
                (false, false, _) | (_, _, true) => "",
                (false, true, _) => " NULLS FIRST",
                (true, false, _) => " DESC",
                (true, true, _) => " DESC NULLS LAST",
            };
            format!("{}{order}", column.quoted())
        };
        let mut parts: Vec<String> = index.columns.iter().map(part).collect();
        parts.extend(index.expressions.iter().map(|inline| format!("({})", inline.sql)));
        let mut end = String::new();
        let include: Vec<&str> = besides(table, index).map(Column::quoted).collect();
        if !include.is_empty() {
            end.push_str(&format!(" INCLUDE ({})", include.join(", ")));
        }
        if !self.nulls_distinct {
            end.push_str(" NULLS NOT DISTINCT");
        }
        if let Some(condition) = &index.condition {
            end.push_str(&format!(" WHERE {}", condition.sql));
        }
        Written { parts, end, hidden: Vec::new() }
    }

    fn mariadb(&self, table: &Table) -> Written {
        let index = &*self.index;
        let mut written = Written::default();
        let short = |sql: &str, kind: Kind| {
            let long = match kind {
                Kind::Json | Kind::Binary => true,
                kind => kind.is_text() && kind.max_length().is_none_or(|most| most > INDEXED),
            };
            // A unique index holds the whole, by a hash where it is long.
            if long && !self.unique { format!("{sql}({INDEXED})") } else { sql.to_owned() }
        };
        let mut hidden = |sql: &str, kind: Kind| {
            // No field's column has such a name.
            let name = format!("${}", names::hash(sql, 8));
            let quoted = Dialect::Mariadb.quote(&name);
            let word = ddl::declared_type(Dialect::Mariadb, kind);
            let definition = format!("{quoted} {word} GENERATED ALWAYS AS ({sql}) VIRTUAL INVISIBLE");
            if !written.hidden.iter().any(|(known, _)| *known == name) {
                written.hidden.push((name, definition));
            }
            quoted
        };
        match &index.condition {
            // Rows that don't fulfil it have NULL in all parts, and those never equal one another.
            Some(condition) if self.unique => {
                for (part, kind) in self.told(Dialect::Mariadb, table) {
                    let quoted = hidden(&format!("CASE WHEN {} THEN {part} END", condition.sql), kind);
                    written.parts.push(quoted);
                }
            }
            _ if !self.nulls_distinct => {
                for (part, kind) in self.told(Dialect::Mariadb, table) {
                    let quoted = if part.starts_with('`') { part } else { hidden(&part, kind) };
                    written.parts.push(quoted);
                }
            }
            _ => {
                for (at, descending) in &index.columns {
                    let column = &table.columns[*at];
                    let part = short(column.quoted(), column.kind);
                    written.parts.push(format!("{part}{}", if *descending { " DESC" } else { "" }));
                }
                for inline in &index.expressions {
                    let quoted = hidden(&inline.sql, inline.kind);
                    written.parts.push(short(&quoted, inline.kind));
                }
            }
        }
        if !self.unique {
            written.parts.extend(besides(table, index).map(|column| short(column.quoted(), column.kind)));
        }
        written
    }
}

/// What the index holds besides, as far as it doesn't hold it anyway.
fn besides<'t>(table: &'t Table, index: &'t Index) -> impl Iterator<Item = &'t Column> {
    let known = |at: &&usize| !index.columns.iter().any(|(column, _)| column == *at);
    index.include.iter().filter(known).map(|at| &table.columns[*at])
}

/// A value of the kind, which one it is doesn't matter.
fn zero(kind: Kind) -> Value {
    match kind {
        Kind::Boolean => Value::Boolean(false),
        Kind::Float => Value::Float(0.0),
        Kind::Binary => Value::Bytes(Vec::new()),
        Kind::Uuid => Value::Bytes(vec![0; 16]),
        Kind::Json => Value::Text("null".into()),
        Kind::Decimal { .. } => Value::Integer(0),
        kind if kind.is_text() => Value::Text(String::new()),
        _ => Value::Integer(0),
    }
}

impl Wanted<'_> {
    /// The names of the columns that it needs and nobody sees.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &str> {
        self.written.hidden.iter().map(|(name, _)| name.as_str())
    }

    /// Makes it, on a table that has the columns `present`.
    pub(super) fn make(&self, dialect: Dialect, table: &Table, present: &[&str]) -> Vec<Change> {
        let said = if self.index.name.is_empty() {
            let names = self.index.columns.iter().map(|(at, _)| table.columns[*at].name.as_str());
            names.collect::<Vec<_>>().join(", ")
        } else {
            self.index.name.clone()
        };
        let line =
            format!("make `{said}` of model `{}` {}", table.model, if self.unique { "unique" } else { "an index" });
        let trouble = "rows that are there already have the same values; change or delete them first";
        let step = |sql: String| Change { sql, line: line.clone(), trouble: trouble.into() };
        let missing = self.written.hidden.iter().filter(|(name, _)| !present.contains(&name.as_str()));
        let mut changes: Vec<Change> = missing
            .map(|(_, definition)| step(format!("ALTER TABLE {} ADD COLUMN {definition}", table.quoted())))
            .collect();
        let (name, parts, end) = (dialect.quote(&self.name), self.written.parts.join(", "), &self.written.end);
        changes.push(step(if self.deferrable {
            format!(
                "ALTER TABLE {} ADD CONSTRAINT {name} UNIQUE ({parts}){end} DEFERRABLE INITIALLY DEFERRED",
                table.quoted()
            )
        } else {
            let kind = if self.unique { "UNIQUE INDEX" } else { "INDEX" };
            format!("CREATE {kind} {name} ON {} ({parts}){end}", table.quoted())
        }));
        changes
    }
}

/// Drops an index that is no longer declared.
pub(super) fn drop(dialect: Dialect, table: &Table, name: &str) -> Change {
    let quoted = dialect.quote(name);
    let sql = match dialect {
        Dialect::Postgres if names::is_ours(table, name, "deferred") => {
            format!("ALTER TABLE {} DROP CONSTRAINT {quoted}", table.quoted())
        }
        Dialect::Mariadb => format!("DROP INDEX {quoted} ON {}", table.quoted()),
        _ => format!("DROP INDEX {quoted}"),
    };
    Change {
        sql,
        line: format!("drop the index `{name}` of model `{}`, which is no longer declared", table.model),
        trouble: "it can't be dropped".into(),
    }
}
