//! An app's models as the planner needs them: columns by name, relations both ways.

use std::collections::HashMap;

use host_core::manifest::{Field, FieldKind, Manifest, Model, OnDelete};
use host_core::name::{AppId, nearest};

use crate::dialect::Dialect;
use crate::error::{DbError, SchemaError, code};
use crate::kind::Kind;
use crate::shape::From;
use crate::types::Value;

/// All models of one version of an app.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) app: AppId,
    /// The database that its SQL is written for.
    pub(crate) dialect: Dialect,
    pub(crate) tables: Vec<Table>,
    by_name: HashMap<String, usize>,
}

/// A model and its table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) model: String,
    /// `app__model`, unquoted.
    pub(crate) name: String,
    quoted: String,
    pub(crate) columns: Vec<Column>,
    by_field: HashMap<String, usize>,
    /// Column and whether it descends.
    pub(crate) ordering: Vec<(usize, bool)>,
    /// What points here, by the name that this model gives it.
    pub(crate) reverse: HashMap<String, Reference>,
    /// The same in the manifest's order.
    pub(crate) incoming: Vec<Reference>,
    pub(crate) unique_together: Vec<Vec<usize>>,
    pub(crate) indexes: Vec<Vec<usize>>,
}

/// A foreign key, seen from where it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) table: usize,
    pub(crate) column: usize,
    pub(crate) on_delete: OnDelete,
}

/// A field and its column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) field: String,
    /// Unquoted.
    pub(crate) name: String,
    quoted: String,
    pub(crate) kind: Kind,
    pub(crate) null: bool,
    pub(crate) unique: bool,
    pub(crate) index: bool,
    pub(crate) default: Option<Value>,
    pub(crate) target: Option<usize>,
}

/// What a name on a model leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A column of the model.
    Column(usize),
    /// Rows of another model that point here.
    Reverse(Reference),
}

impl Catalog {
    /// Reads a manifest. Errors are about what the manifest's own check can't see: names that mean two things, defaults
    /// that don't fit.
    pub(crate) fn new(manifest: &Manifest, dialect: Dialect) -> Result<Self, SchemaError> {
        let app = manifest.name.clone();
        let error = |problem: String| SchemaError { app: app.to_string(), problem };
        if matches!(app.as_str(), "bandstand" | "sqlite") {
            return Err(error(
                "the name is kept for the host's and the database's own tables; call the app something else".into(),
            ));
        }
        let by_name: HashMap<String, usize> =
            manifest.models.iter().enumerate().map(|(at, model)| (model.name.clone(), at)).collect();
        let mut tables = Vec::with_capacity(manifest.models.len());
        for model in &manifest.models {
            tables.push(table(&app, model, &by_name, dialect).map_err(error)?);
        }
        for (at, model) in manifest.models.iter().enumerate() {
            for (column, field) in model.fields.iter().enumerate() {
                let FieldKind::ForeignKey { to, on_delete, related_name } = &field.kind else { continue };
                let target = by_name[to.as_str()];
                let reference = Reference { table: at, column, on_delete: *on_delete };
                let name = if related_name.is_empty() { format!("{}_set", model.name) } else { related_name.clone() };
                let target: &mut Table = &mut tables[target];
                if target.by_field.contains_key(&name) || target.reverse.contains_key(&name) {
                    return Err(error(format!(
                        "model `{}`, field `{}`: its related_name `{name}` already means something else on `{}`; set another related_name",
                        model.name, field.name, target.model
                    )));
                }
                target.incoming.push(reference);
                target.reverse.insert(name, reference);
            }
        }
        Ok(Self { app, dialect, tables, by_name })
    }

    pub(crate) fn table_names(&self) -> impl Iterator<Item = String> + '_ {
        self.tables.iter().map(|table| table.name.clone())
    }

    /// The model that a shape is about.
    pub(crate) fn find(&self, from: &From) -> Result<usize, DbError> {
        let name = match from {
            From::Own(name) => name,
            From::Foreign { app, model } if app == self.app.as_str() => model,
            From::Foreign { app, model } => {
                let shown = format!("{}.{}", crate::shape::shown(app), crate::shape::shown(model));
                return Err(DbError::new(
                    code::ACCESS_DENIED,
                    format!("`{shown}` is another app's; no grant covers it"),
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
        if let Some(reference) = self.reverse.get(name) {
            return Ok(Step::Reverse(*reference));
        }
        if name == "pk" {
            return Ok(Step::Column(0));
        }
        Err(self.unknown(name))
    }

    /// The field called `name`, which must be a column.
    pub(crate) fn column(&self, name: &str) -> Result<usize, DbError> {
        match self.step(name)? {
            Step::Column(column) => Ok(column),
            Step::Reverse(_) => Err(DbError::new(
                code::UNKNOWN_FIELD,
                format!("`{name}` of `{}` is what other rows call it, not a field that it holds", self.model),
            )
            .with("model", &self.model)
            .with("field", name)),
        }
    }

    fn unknown(&self, name: &str) -> DbError {
        let known =
            self.columns.iter().map(|column| column.field.as_str()).chain(self.reverse.keys().map(String::as_str));
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
}

fn table(app: &AppId, model: &Model, by_name: &HashMap<String, usize>, dialect: Dialect) -> Result<Table, String> {
    let mut columns = Vec::with_capacity(model.fields.len());
    for field in &model.fields {
        columns.push(
            column(field, by_name, dialect)
                .map_err(|e| format!("model `{}`, field `{}`: {e}", model.name, field.name))?,
        );
    }
    let by_field: HashMap<String, usize> =
        model.fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
    let set = |names: &Vec<String>| names.iter().map(|name| by_field[name.as_str()]).collect::<Vec<_>>();
    let ordering = model
        .ordering
        .iter()
        .map(|name| match name.strip_prefix('-') {
            Some(name) => (by_field[name], true),
            None => (by_field[name.as_str()], false),
        })
        .collect();
    let name = format!("{app}__{}", model.name);
    Ok(Table {
        model: model.name.clone(),
        quoted: dialect.quote(&name),
        name,
        columns,
        ordering,
        reverse: HashMap::new(),
        incoming: Vec::new(),
        unique_together: model.unique_together.iter().map(set).collect(),
        indexes: model.indexes.iter().map(set).collect(),
        by_field,
    })
}

fn column(field: &Field, by_name: &HashMap<String, usize>, dialect: Dialect) -> Result<Column, String> {
    let kind = Kind::of(&field.kind);
    let default = match &field.default {
        None => None,
        Some(json) => {
            let value = kind.value_of_json(json).map_err(|e| format!("its default doesn't fit: {e}"))?;
            if value == Value::Null && !field.null {
                return Err("its default is null, but it isn't null-able".into());
            }
            Some(value)
        }
    };
    let target = match &field.kind {
        FieldKind::ForeignKey { to, .. } => Some(by_name[to.as_str()]),
        _ => None,
    };
    let name = field.column();
    Ok(Column {
        field: field.name.clone(),
        quoted: dialect.quote(&name),
        name,
        kind,
        null: field.null,
        unique: field.unique,
        index: field.index || target.is_some(),
        default,
        target,
    })
}
