//! An app's models as the planner needs them: columns by name, relations both ways.

pub(crate) mod access;
mod build;
mod define;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use host_core::manifest::{Manifest, OnDelete};
use host_core::name::{AppId, nearest};

use access::{Access, Others};

use crate::dialect::Dialect;
use crate::error::{DbError, SchemaError, code};
use crate::kind::Kind;
use crate::kind::validator::Validator;
use crate::plan::sql::Sql;
use crate::shape::From;
use crate::types::Value;

/// All models of one version of an app.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) app: AppId,
    /// The database that its SQL is written for.
    pub(crate) dialect: Dialect,
    /// Whether the database knows time zones by their names. MariaDB does when its tables of them were filled.
    pub(crate) named_zones: AtomicBool,
    pub(crate) tables: Vec<Table>,
    by_name: HashMap<String, usize>,
}

/// A model and its table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) model: String,
    /// `app__model`, or what the manifest says; unquoted.
    pub(crate) name: String,
    quoted: String,
    /// Whether the host makes and changes it.
    pub(crate) managed: bool,
    /// What may be done with it, where it is another app's.
    pub(crate) access: Option<Arc<Access>>,
    pub(crate) columns: Vec<Column>,
    /// How many of them the model lists. The others are another app's and have no names here.
    pub(crate) shown: usize,
    /// The columns of the primary key.
    pub(crate) key: Vec<usize>,
    by_field: HashMap<String, usize>,
    /// Column and whether it descends.
    pub(crate) ordering: Vec<(usize, bool)>,
    /// What points here, by the name that this model gives it.
    pub(crate) reverse: HashMap<String, Reference>,
    /// Many-to-many relations, by the names that this model gives them, from both of their sides.
    pub(crate) many: HashMap<String, Link>,
    /// All that points here, whether or not it has a name, in the manifest's order.
    pub(crate) incoming: Vec<Reference>,
    pub(crate) unique_together: Vec<Vec<usize>>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) constraints: Vec<Constraint>,
}

/// What is indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// The manifest's name for it; empty where it has none.
    pub(crate) name: String,
    /// Columns, and whether they descend.
    pub(crate) columns: Vec<(usize, bool)>,
    /// They come after the columns.
    pub(crate) expressions: Vec<Inline>,
    /// Only rows that fulfil it are indexed.
    pub(crate) condition: Option<Inline>,
    /// Columns that it holds besides.
    pub(crate) include: Vec<usize>,
}

impl Index {
    /// One over plain columns.
    pub(crate) fn over(columns: &[usize]) -> Self {
        Self { columns: columns.iter().map(|column| (*column, false)).collect(), ..Self::default() }
    }

    /// Whether its columns are all that there is to say of it.
    pub(crate) fn is_plain(&self) -> bool {
        self.expressions.is_empty()
            && self.condition.is_none()
            && self.include.is_empty()
            && self.columns.iter().all(|(_, descending)| !descending)
    }
}

/// What must be true of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    /// What people are told; empty for the host's own words.
    pub(crate) message: String,
    pub(crate) rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It is true or NULL.
    Check(Inline),
    /// What the index holds is unique.
    Unique {
        index: Index,
        /// Whether NULL never equals NULL.
        nulls_distinct: bool,
        /// Whether it is looked at when the unit of work ends.
        deferrable: bool,
    },
}

impl Constraint {
    /// The columns that it is about.
    pub(crate) fn columns(&self) -> Vec<usize> {
        match &self.rule {
            Rule::Check(inline) => inline.columns.clone(),
            Rule::Unique { index, .. } => {
                let mut columns: Vec<usize> = index.columns.iter().map(|(column, _)| *column).collect();
                for column in index.expressions.iter().flat_map(|inline| &inline.columns) {
                    if !columns.contains(column) {
                        columns.push(*column);
                    }
                }
                columns
            }
        }
    }
}

/// A foreign key, seen from where it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) table: usize,
    pub(crate) column: usize,
    pub(crate) on_delete: OnDelete,
    /// Whether at most one row points to each: a one-to-one relation.
    pub(crate) single: bool,
}

/// A many-to-many relation, seen from one of its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The table of the pairs.
    pub(crate) through: usize,
    /// Its column that holds the key of this side's row.
    pub(crate) near: usize,
    /// Its column that holds the key of the other side's row.
    pub(crate) far: usize,
    /// The model of the other side.
    pub(crate) target: usize,
}

/// A field and its column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) field: String,
    /// Unquoted.
    pub(crate) name: String,
    quoted: String,
    /// What it holds; a foreign key holds what its target's key does.
    pub(crate) kind: Kind,
    /// The manifest's word for the field's kind.
    pub(crate) word: &'static str,
    pub(crate) null: bool,
    pub(crate) unique: bool,
    pub(crate) index: bool,
    pub(crate) default: Option<Value>,
    /// What the host puts in where a create gives nothing.
    pub(crate) fill: Option<Fill>,
    /// What the database puts in where a create gives nothing.
    pub(crate) db_default: Option<DbDefault>,
    /// What it is computed from.
    pub(crate) generated: Option<Generated>,
    /// The model that it points to.
    pub(crate) target: Option<usize>,
    /// Whether the database sees to it that it points to something.
    pub(crate) constrained: bool,
    pub(crate) validators: Vec<Validator>,
}

/// An expression or a condition over a row's own fields as it stands in a table's definition: with its values written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inline {
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    /// The columns that it reads.
    pub(crate) columns: Vec<usize>,
    /// Whether it is a value that is written there as it is.
    pub(crate) constant: bool,
}

/// A default of the database's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DbDefault {
    pub(crate) inline: Inline,
    /// The same as it stands in a statement.
    pub(crate) sql: Sql,
}

/// How a generated column is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generated {
    pub(crate) inline: Inline,
    /// Whether the table holds the result.
    pub(crate) stored: bool,
}

/// A value that the host makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// A UUID of version 7.
    Uuid7,
    /// The moment, as a date, a time or a datetime.
    Now(Kind),
}

/// What a name on a model leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A column of the model.
    Column(usize),
    /// Rows of another model that point here: one at most where the reference is single.
    Reverse(Reference),
    /// Rows of another model, by a table of pairs.
    Many(Link),
}

impl Catalog {
    /// Reads a manifest. Errors are about what the manifest's own check can't see: names that mean two things, defaults
    /// that don't fit, what the database can't do.
    pub(crate) fn new(manifest: &Manifest, dialect: Dialect, others: &Others) -> Result<Self, SchemaError> {
        build::catalog(manifest, dialect, others)
            .map_err(|problem| SchemaError { app: manifest.name.to_string(), problem })
    }

    /// The tables of its own.
    pub(crate) fn table_names(&self) -> impl Iterator<Item = String> + '_ {
        self.tables.iter().filter(|table| table.access.is_none()).map(|table| table.name.clone())
    }

    /// The models of other apps that it can't use, and why.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = String> + '_ {
        self.tables.iter().filter_map(|table| {
            let access = table.access.as_ref()?;
            let why = access.refusal.as_ref()?;
            Some(format!("the model `{}` is `{}` of another app, and {why}", table.model, access.of))
        })
    }

    /// Whether some rows of other apps aren't there for the app.
    pub(crate) fn has_rules(&self) -> bool {
        let ruled =
            |table: &Table| table.access.as_ref().is_some_and(|access| access.refusal.is_none() && access.has_rule());
        self.tables.iter().any(ruled)
    }

    /// The model that a shape is about.
    pub(crate) fn find(&self, from: &From) -> Result<usize, DbError> {
        let name = match from {
            From::Own(name) => name,
            From::Foreign { app, model } if app == self.app.as_str() => model,
            From::Foreign { app, model } => {
                let of = format!("{app}.{model}");
                let shared = |table: &Table| table.access.as_ref().is_some_and(|access| access.of == of);
                if let Some(at) = self.tables.iter().position(shared) {
                    return Ok(at);
                }
                let shown = format!("{}.{}", crate::shape::shown(app), crate::shape::shown(model));
                return Err(DbError::new(
                    code::ACCESS_DENIED,
                    format!("`{shown}` is another app's; declare a model that is `of` it, and have it granted"),
                )
                .with("model", shown));
            }
        };
        self.by_name.get(name.as_str()).copied().ok_or_else(|| {
            let hint = nearest(name, self.tables.iter().map(|table| table.model.as_str()))
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            let shown = crate::shape::shown(name);
            DbError::new(code::UNKNOWN_MODEL, format!("the app has no model `{shown}`{hint}")).with("model", shown)
        })
    }

    /// The model and field behind a column, for errors about others' tables than a statement's own.
    pub(crate) fn column_of(&self, table: &str, column: &str) -> Option<(&Table, &Column)> {
        let table = self.tables.iter().find(|known| known.name == table)?;
        Some((table, table.columns.iter().find(|known| known.name == column)?))
    }
}

impl Table {
    /// What `name` means on this model.
    pub(crate) fn step(&self, name: &str) -> Result<Step, DbError> {
        if let Some(column) = self.by_field.get(name) {
            return Ok(Step::Column(*column));
        }
        if let Some(link) = self.many.get(name) {
            return Ok(Step::Many(*link));
        }
        if let Some(reference) = self.reverse.get(name) {
            return Ok(Step::Reverse(*reference));
        }
        match (name, self.key.as_slice()) {
            ("pk", [key]) => Ok(Step::Column(*key)),
            ("pk", key) => {
                let fields: Vec<&str> = key.iter().map(|at| self.columns[*at].field.as_str()).collect();
                let problem = format!(
                    "the primary key of `{}` has several fields; name them one by one: `{}`",
                    self.model,
                    fields.join("`, `")
                );
                Err(DbError::new(code::UNKNOWN_FIELD, problem).with("model", &self.model).with("field", name))
            }
            _ => Err(self.unknown(name)),
        }
    }

    /// The field called `name`, which must be a column.
    pub(crate) fn column(&self, name: &str) -> Result<usize, DbError> {
        match self.step(name)? {
            Step::Column(column) => Ok(column),
            Step::Reverse(_) | Step::Many(_) => Err(DbError::new(
                code::UNKNOWN_FIELD,
                format!("`{name}` of `{}` is a relation to other rows, not a field that it holds", self.model),
            )
            .with("model", &self.model)
            .with("field", name)),
        }
    }

    /// The column that is the primary key by itself; `None` where several make it.
    pub(crate) fn single_key(&self) -> Option<usize> {
        match self.key.as_slice() {
            [key] => Some(*key),
            _ => None,
        }
    }

    /// The columns that the model lists.
    pub(crate) fn fields(&self) -> &[Column] {
        &self.columns[..self.shown]
    }

    /// A column of the primary key: whether it is NULL tells whether there is a row.
    pub(crate) fn first_key(&self) -> usize {
        self.key.first().copied().unwrap_or(0)
    }

    /// The columns of the primary key as they stand in a statement, each after `prefix`.
    pub(crate) fn key_list(&self, prefix: &str) -> String {
        let columns: Vec<String> =
            self.key.iter().map(|at| format!("{prefix}{}", self.columns[*at].quoted())).collect();
        columns.join(", ")
    }

    fn unknown(&self, name: &str) -> DbError {
        let relations = self.reverse.keys().chain(self.many.keys()).map(String::as_str);
        let known = self.columns[..self.shown].iter().map(|column| column.field.as_str()).chain(relations);
        let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let shown = crate::shape::shown(name);
        DbError::new(code::UNKNOWN_FIELD, format!("`{}` has no field `{shown}`{hint}", self.model))
            .with("model", &self.model)
            .with("field", shown)
    }

    pub(crate) fn quoted(&self) -> &str {
        &self.quoted
    }
}

impl Column {
    pub(crate) fn quoted(&self) -> &str {
        &self.quoted
    }

    /// Whether it is a key whose value nobody has to give.
    pub(crate) fn fills_itself(&self) -> bool {
        self.kind == Kind::Auto || self.fill == Some(Fill::Uuid7)
    }
}

#[cfg(test)]
mod tests;
