//! From a manifest to the catalog.

use std::collections::HashMap;

use host_core::manifest::{Field, FieldKind, Manifest, Model, OnDelete};
use host_core::name::AppId;

use super::access::{Others, Sharing};
use super::{Catalog, Column, Fill, Link, Reference, Table};
use crate::dialect::Dialect;
use crate::kind::validator::{Regexes, Validator};
use crate::kind::{Kind, SQLITE_DIGITS};
use crate::types::Value;

/// Characters of a text in a primary key on MariaDB.
const MARIADB_KEY: u32 = 255;

/// What is the same for all models.
struct Building<'m> {
    manifest: &'m Manifest,
    others: &'m Others,
    dialect: Dialect,
    by_name: HashMap<String, usize>,
    regexes: Regexes,
}

/// Errors are whole sentences for the operator.
pub(super) fn catalog(manifest: &Manifest, dialect: Dialect, others: &Others) -> Result<Catalog, String> {
    let app = manifest.name.clone();
    if matches!(app.as_str(), "bandstand" | "sqlite") {
        return Err("the name is kept for the host's and the database's own tables; call the app something else".into());
    }
    let by_name = manifest.models.iter().enumerate().map(|(at, model)| (model.name.clone(), at)).collect();
    let mut building = Building { manifest, others, dialect, by_name, regexes: Regexes::default() };
    let mut tables = Vec::with_capacity(manifest.models.len());
    let mut sharing = Sharing::new(others, dialect);
    for model in &manifest.models {
        let table = building.table(&app, model)?;
        tables.push(if model.of.is_empty() { table } else { sharing.table(manifest, model, table) });
    }
    let mut catalog = Catalog { app, dialect, named_zones: true.into(), tables, by_name: building.by_name.clone() };
    building.references(&mut catalog)?;
    building.links(&mut catalog)?;
    super::define::define(&mut catalog, manifest)?;
    Ok(catalog)
}

fn place(model: &Model, field: &Field) -> String {
    format!("model `{}`, field `{}`", model.name, field.name)
}

impl Building<'_> {
    /// The place of a model that the manifest's check has seen to be there.
    fn model(&self, name: &str) -> Result<usize, String> {
        self.by_name.get(name).copied().ok_or_else(|| format!("there is no model `{name}`"))
    }

    fn table(&mut self, app: &AppId, model: &Model) -> Result<Table, String> {
        let mut columns = Vec::with_capacity(model.fields.len());
        let mut by_field = HashMap::new();
        for field in model.fields.iter().filter(|field| field.has_column()) {
            by_field.insert(field.name.clone(), columns.len());
            let column = self.column(field).map_err(|e| format!("{}: {e}", place(model, field)))?;
            columns.push(column);
        }
        let known = |name: &String| {
            by_field.get(name).copied().ok_or_else(|| format!("model `{}` has no column for `{name}`", model.name))
        };
        let set = |names: &[String]| names.iter().map(known).collect::<Result<Vec<usize>, String>>();
        let key = model.key().map(|field| known(&field.name)).collect::<Result<Vec<usize>, String>>()?;
        // What is longer doesn't lie in the row, and a key of that isn't possible.
        let long = |at: &&usize| columns[**at].kind.max_length().is_some_and(|most| most > MARIADB_KEY);
        if let (Dialect::Mariadb, Some(at)) = (self.dialect, key.iter().find(long)) {
            let column: &Column = &columns[*at];
            return Err(format!(
                "model `{}`, field `{}`: is part of the primary key, of which MariaDB takes at most {MARIADB_KEY} \
                 characters; lower its max_length",
                model.name, column.field
            ));
        }
        let ordering = model.ordering.iter().map(|name| match name.strip_prefix('-') {
            Some(name) => Ok((known(&name.to_owned())?, true)),
            None => Ok((known(name)?, false)),
        });
        let name = model.table_name(app);
        Ok(Table {
            model: model.name.clone(),
            quoted: self.dialect.quote(&name),
            name,
            managed: model.managed,
            access: None,
            shown: columns.len(),
            key,
            ordering: ordering.collect::<Result<_, String>>()?,
            reverse: HashMap::new(),
            many: HashMap::new(),
            incoming: Vec::new(),
            unique_together: model.unique_together.iter().map(|names| set(names)).collect::<Result<_, _>>()?,
            indexes: Vec::new(),
            constraints: Vec::new(),
            columns,
            by_field,
        })
    }

    fn column(&mut self, field: &Field) -> Result<Column, String> {
        let word = match &field.kind {
            FieldKind::AutoUuid => "auto_uuid",
            FieldKind::OneToOne { .. } => "one_to_one",
            kind => Kind::of(kind).word(),
        };
        let relation = field.kind.relation();
        let target = relation.map(|relation| self.model(relation.to)).transpose()?;
        let kind = match target {
            Some(target) => self.key_kind(target)?,
            None => Kind::of(&field.kind),
        };
        if let (Dialect::Sqlite, Kind::Decimal { digits, .. }) = (self.dialect, kind)
            && digits > SQLITE_DIGITS
        {
            return Err(format!(
                "has max_digits {digits}, and SQLite keeps decimals of at most {SQLITE_DIGITS}; lower it, or let the site \
                 use PostgreSQL or MariaDB"
            ));
        }
        let default = match &field.default {
            None => None,
            Some(json) => {
                let value = kind.value_of_json(json).map_err(|e| format!("its default doesn't fit: it {e}"))?;
                if value == Value::Null && !field.null {
                    return Err("its default is null, but it isn't null-able".into());
                }
                Some(value)
            }
        };
        let validators = field.validators.iter().map(|rule| Validator::new(rule, kind, &mut self.regexes));
        let validators = validators.collect::<Result<_, _>>()?;
        let name = field.column();
        let fill = match &field.kind {
            FieldKind::AutoUuid => Some(Fill::Uuid7),
            _ if field.auto_now || field.auto_now_add => Some(Fill::Now(kind)),
            _ => None,
        };
        Ok(Column {
            field: field.name.clone(),
            quoted: self.dialect.quote(&name),
            name,
            kind,
            word,
            null: field.null,
            unique: field.unique || relation.is_some_and(|relation| relation.one_to_one),
            index: field.index || target.is_some(),
            default,
            fill,
            db_default: None,
            generated: None,
            target,
            constrained: relation.is_some_and(|relation| relation.db_constraint),
            validators,
        })
    }

    /// What a foreign key to the model holds: what that model's key does, which may be a foreign key itself.
    fn key_kind(&self, model: usize) -> Result<Kind, String> {
        let mut at = model;
        // The manifest's check saw to it that there is an end; a chain has at most all models.
        for _ in 0..=self.manifest.models.len() {
            let model = &self.manifest.models[at];
            let mut key = model.key();
            let (Some(field), None) = (key.next(), key.next()) else {
                return Err(format!("points to `{}`, whose primary key isn't one field", model.name));
            };
            match field.kind.relation() {
                Some(relation) => at = self.model(relation.to)?,
                None if field.kind == FieldKind::Auto => return Ok(Kind::Key),
                None => return Ok(Kind::of(&field.kind)),
            }
        }
        Err("points to a model whose primary key leads back to itself".into())
    }

    /// What becomes of the rows that point to one that is deleted: what the model's own app says.
    fn on_delete(&self, model: &Model, field: &Field, said: OnDelete) -> OnDelete {
        let theirs = model.shared().and_then(|(app, name)| {
            let owner = self.others.manifests.iter().find(|manifest| manifest.name.as_str() == app)?;
            owner.model(name)?.field(&field.name)?.kind.relation()
        });
        theirs.map_or(said, |relation| relation.on_delete)
    }

    /// Foreign keys, seen from the other side.
    fn references(&self, catalog: &mut Catalog) -> Result<(), String> {
        for (at, model) in self.manifest.models.iter().enumerate() {
            for field in &model.fields {
                let Some(relation) = field.kind.relation() else { continue };
                let target = self.model(relation.to)?;
                let column = catalog.tables[at].by_field.get(&field.name).copied().unwrap_or_default();
                let (on_delete, single) = (self.on_delete(model, field, relation.on_delete), relation.one_to_one);
                let reference = Reference { table: at, column, on_delete, single };
                let refused = |table: &Table| table.access.as_ref().is_some_and(|access| access.refusal.is_some());
                let refused = refused(&catalog.tables[at]);
                catalog.tables[at].columns[column].target = Some(target);
                let target = &mut catalog.tables[target];
                if !refused {
                    target.incoming.push(reference);
                }
                let name = match (relation.related_name, relation.one_to_one) {
                    ("+", _) => continue,
                    ("", true) => model.name.clone(),
                    ("", false) => format!("{}_set", model.name),
                    (name, _) => name.to_owned(),
                };
                free(target, &name).map_err(|problem| format!("{}: {problem}", place(model, field)))?;
                target.reverse.insert(name, reference);
            }
        }
        Ok(())
    }

    /// Many-to-many relations, seen from both sides.
    fn links(&self, catalog: &mut Catalog) -> Result<(), String> {
        for (at, model) in self.manifest.models.iter().enumerate() {
            for field in &model.fields {
                let FieldKind::ManyToMany { to, through, through_fields, related_name, .. } = &field.kind else {
                    continue;
                };
                let made = format!("{}_{}", model.name, field.name);
                let pairs = self.model(if through.is_empty() { &made } else { through })?;
                let (near, far) = model
                    .pair(&self.manifest.models[pairs], through_fields, to)
                    .map_err(|problem| format!("{}: {problem}", place(model, field)))?;
                let column =
                    |field: &Field| catalog.tables[pairs].by_field.get(&field.name).copied().unwrap_or_default();
                let target = self.model(to)?;
                let link = Link { through: pairs, near: column(near), far: column(far), target };
                let back = Link { through: pairs, near: link.far, far: link.near, target: at };
                free(&catalog.tables[at], &field.name).map_err(|_| {
                    format!(
                        "{}: the name means another model's rows on `{}` already; set that one's related_name",
                        place(model, field),
                        model.name
                    )
                })?;
                catalog.tables[at].many.insert(field.name.clone(), link);
                let name = match related_name.as_str() {
                    "+" => continue,
                    "" => format!("{}_set", model.name),
                    name => name.to_owned(),
                };
                free(&catalog.tables[target], &name)
                    .map_err(|problem| format!("{}: {problem}", place(model, field)))?;
                catalog.tables[target].many.insert(name, back);
            }
        }
        Ok(())
    }
}

/// Whether nothing on the model has the name yet.
fn free(table: &Table, name: &str) -> Result<(), String> {
    let taken = table.by_field.contains_key(name) || table.reverse.contains_key(name) || table.many.contains_key(name);
    if !taken {
        return Ok(());
    }
    Err(format!(
        "its related_name `{name}` already means something else on `{}`; set another related_name, or `+` for none",
        table.model
    ))
}
