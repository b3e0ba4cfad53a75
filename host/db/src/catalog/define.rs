//! What a manifest says in expressions of the query shape about a table's definition: defaults of the database's, generated
//! columns, indexes, constraints.

use host_core::manifest::{self, Field, Manifest, Model};
use serde_json::Value as Json;

use super::{Catalog, Constraint, DbDefault, Generated, Index, Inline, Rule};
use crate::dialect::{Dialect, literal};
use crate::error::DbError;
use crate::kind::Kind;
use crate::plan::schema::{self, Defined};
use crate::plan::sql::{Bind, Purpose, Slot};
use crate::shape;

/// What is found for one model; the catalog is whole only after all of them were read.
#[derive(Default)]
struct Definitions {
    defaults: Vec<(usize, DbDefault)>,
    generated: Vec<(usize, Generated)>,
    indexes: Vec<Index>,
    constraints: Vec<Constraint>,
}

/// Reads all of it into the catalog, whose tables and relations are there. Errors are whole sentences for the operator.
pub(super) fn define(catalog: &mut Catalog, manifest: &Manifest) -> Result<(), String> {
    let read = |(at, model): (usize, &Model)| {
        if catalog.tables[at].access.is_some() {
            return Ok(None);
        }
        let reader = Reader { catalog, table: at, dialect: catalog.dialect };
        reader.model(model).map(Some).map_err(|problem| format!("model `{}`, {problem}", model.name))
    };
    let all = manifest.models.iter().enumerate().map(read).collect::<Result<Vec<Option<Definitions>>, String>>()?;
    for (table, found) in catalog.tables.iter_mut().zip(all) {
        // What is another app's is defined already.
        let Some(found) = found else { continue };
        for (column, default) in found.defaults {
            table.columns[column].db_default = Some(default);
        }
        for (column, generated) in found.generated {
            table.columns[column].generated = Some(generated);
        }
        table.indexes = found.indexes;
        table.constraints = found.constraints;
    }
    Ok(())
}

struct Reader<'c> {
    catalog: &'c Catalog,
    table: usize,
    dialect: Dialect,
}

impl Reader<'_> {
    fn model(&self, model: &Model) -> Result<Definitions, String> {
        let mut found = Definitions::default();
        for field in model.fields.iter().filter(|field| field.has_column()) {
            let place = |problem| format!("field `{}`: {problem}", field.name);
            let column = self.column(&field.name)?;
            if let Some(json) = &field.db_default {
                found.defaults.push((column, self.db_default(column, json).map_err(place)?));
            }
            if let Some(generated) = &field.generated {
                found.generated.push((column, self.generated(model, column, generated).map_err(place)?));
            }
        }
        for index in &model.indexes {
            let place = |problem| match index.name.as_str() {
                "" => format!("an index: {problem}"),
                name => format!("index `{name}`: {problem}"),
            };
            found.indexes.push(self.index(index).map_err(place)?);
        }
        for constraint in &model.constraints {
            let place = |problem| format!("constraint `{}`: {problem}", constraint.name);
            found.constraints.push(self.constraint(constraint).map_err(place)?);
        }
        Ok(found)
    }

    /// The column of a field that the manifest's check has seen to be there.
    fn column(&self, name: &str) -> Result<usize, String> {
        self.catalog.tables[self.table].column(name).map_err(|error| error.message)
    }

    fn columns(&self, names: &[String]) -> Result<Vec<usize>, String> {
        names.iter().map(|name| self.column(name)).collect()
    }

    fn db_default(&self, at: usize, json: &Json) -> Result<DbDefault, String> {
        let kind = self.catalog.tables[self.table].columns[at].kind;
        if !json.is_array() && !json.is_object() {
            let value =
                kind.value_of_json(json).map_err(|problem| format!("its db_default doesn't fit: it {problem}"))?;
            let sql = literal::write(self.dialect, kind, &value);
            let inline = Inline { sql, kind, columns: Vec::new(), constant: true };
            let slot = Slot::of(self.catalog, self.table, at, Purpose::Store);
            return Ok(DbDefault { inline, sql: self.dialect.bound(kind, Bind::Const { value, slot }) });
        }
        let found = shape::parse_expression(json)
            .and_then(|expr| schema::expression(self.catalog, self.table, &expr, Some(kind)))
            .map_err(|error| wrong("its db_default", error))?;
        if !found.columns.is_empty() {
            return Err("its db_default reads fields; there is no row yet".into());
        }
        fits(kind, found.kind).map_err(|problem| format!("its db_default {problem}"))?;
        Ok(DbDefault { sql: found.bound.clone(), inline: inline(found) })
    }

    fn generated(&self, model: &Model, column: usize, generated: &manifest::Generated) -> Result<Generated, String> {
        if self.dialect == Dialect::Postgres && !generated.stored {
            return Err("is generated and not stored, which PostgreSQL can't do before version 18; set `stored`".into());
        }
        steady(&generated.expr, "its expression")?;
        let table = &self.catalog.tables[self.table];
        let inline = self.expression(&generated.expr, Some(table.columns[column].kind), "its expression")?;
        let is_generated =
            |at: &usize| model.field(&table.columns[*at].field).is_some_and(|field: &Field| field.generated.is_some());
        if let Some(other) = inline.columns.iter().copied().find(|at| is_generated(at)) {
            return Err(format!(
                "its expression reads `{}`, which is generated itself; write that one's expression out",
                table.columns[other].field
            ));
        }
        // MariaDB's reason; the others would take it.
        if let Some(key) = inline.columns.iter().find(|at| table.columns[**at].kind == Kind::Auto) {
            return Err(format!(
                "its expression reads `{}`, which isn't known before the row is there",
                table.columns[*key].field
            ));
        }
        fits(table.columns[column].kind, inline.kind).map_err(|problem| format!("its expression {problem}"))?;
        Ok(Generated { inline, stored: generated.stored })
    }

    fn index(&self, index: &manifest::Index) -> Result<Index, String> {
        let column = |name: &String| match name.strip_prefix('-') {
            Some(name) => Ok((self.column(name)?, true)),
            None => Ok((self.column(name)?, false)),
        };
        Ok(Index {
            name: index.name.clone(),
            columns: index.fields.iter().map(column).collect::<Result<_, String>>()?,
            expressions: self.expressions(&index.expressions)?,
            condition: self.optional(index.condition.as_ref())?,
            include: self.columns(&index.include)?,
        })
    }

    fn constraint(&self, constraint: &manifest::Constraint) -> Result<Constraint, String> {
        let rule = match &constraint.check {
            Some(check) => {
                steady(check, "its check")?;
                Rule::Check(self.condition(check, "its check")?)
            }
            None => {
                if constraint.deferrable && self.dialect != Dialect::Postgres {
                    return Err(
                        "is deferrable, which PostgreSQL alone can do; take `deferrable` away, and let rows that \
                                exchange their values go through a value that none has"
                            .into(),
                    );
                }
                let columns = self.columns(&constraint.unique)?;
                Rule::Unique {
                    index: Index {
                        name: constraint.name.clone(),
                        columns: columns.into_iter().map(|column| (column, false)).collect(),
                        expressions: self.expressions(&constraint.expressions)?,
                        condition: self.optional(constraint.condition.as_ref())?,
                        include: self.columns(&constraint.include)?,
                    },
                    nulls_distinct: constraint.nulls_distinct,
                    deferrable: constraint.deferrable,
                }
            }
        };
        Ok(Constraint { name: constraint.name.clone(), message: constraint.message.clone(), rule })
    }

    fn expressions(&self, all: &[Json]) -> Result<Vec<Inline>, String> {
        let one = |json| {
            steady(json, "an expression")?;
            let inline = self.expression(json, None, "an expression")?;
            if inline.columns.is_empty() {
                return Err("an expression reads no field, so it is the same for all rows".to_owned());
            }
            Ok(inline)
        };
        all.iter().map(one).collect()
    }

    fn optional(&self, condition: Option<&Json>) -> Result<Option<Inline>, String> {
        let one = |json| {
            steady(json, "its condition")?;
            self.condition(json, "its condition")
        };
        condition.map(one).transpose()
    }

    fn expression(&self, json: &Json, want: Option<Kind>, what: &str) -> Result<Inline, String> {
        let found = shape::parse_expression(json)
            .and_then(|expr| schema::expression(self.catalog, self.table, &expr, want))
            .map_err(|error| wrong(what, error))?;
        Ok(inline(found))
    }

    fn condition(&self, json: &Json, what: &str) -> Result<Inline, String> {
        let found = shape::parse_condition(json)
            .and_then(|condition| schema::condition(self.catalog, self.table, &condition))
            .map_err(|error| wrong(what, error))?;
        Ok(inline(found))
    }
}

fn inline(defined: Defined) -> Inline {
    Inline { sql: defined.sql, kind: defined.kind, columns: defined.columns, constant: false }
}

fn wrong(what: &str, error: DbError) -> String {
    format!("{what}: {}", error.message)
}

/// Refuses what isn't the same each time: the database keeps what came of it.
fn steady(json: &Json, what: &str) -> Result<(), String> {
    const CHANGING: [&str; 4] = ["now", "random", "uuid4", "uuid7"];
    match json {
        Json::Array(parts) => {
            let word = parts.first().and_then(Json::as_str).filter(|word| parts.len() == 1 && CHANGING.contains(word));
            if let Some(word) = word {
                return Err(format!(
                    "{what} calls `{word}`, which isn't the same each time; it must depend on the row alone"
                ));
            }
            parts.iter().try_for_each(|part| steady(part, what))
        }
        // A field may be called so.
        Json::Object(members) => {
            members.iter().filter(|(name, _)| *name != "f").try_for_each(|(_, part)| steady(part, what))
        }
        _ => Ok(()),
    }
}

/// Whether a column of the kind holds what an expression makes.
fn fits(column: Kind, made: Kind) -> Result<(), String> {
    let whole = |kind: Kind| kind.is_whole();
    let fits = match (column, made) {
        (Kind::Decimal { places, .. }, Kind::Decimal { places: made, .. }) => places == made,
        (Kind::Float, Kind::Float) => true,
        (Kind::Float, made) => whole(made),
        (column, made) if column.is_text() && made.is_text() => true,
        (column, made) if whole(column) && whole(made) => true,
        (column, made) => column == made,
    };
    if fits {
        return Ok(());
    }
    let hint =
        if matches!(column, Kind::Decimal { .. }) { "; cast it to the field's own digits and places" } else { "" };
    Err(format!("is of kind {}, and the field of kind {}{hint}", made.word(), column.word()))
}
