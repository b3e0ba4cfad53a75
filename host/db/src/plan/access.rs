//! Other apps' models in a statement: which rows of them there are, and what may be done with those.
//!
//! A table under a rule stands in no statement by itself. What is read is `(SELECT the granted columns … WHERE the rule)`,
//! wherever the table is named; what is changed or deleted fulfils the rule as well; what is added gets the values that the
//! rule wants.

use host_core::access::Action;

use super::building::Building;
use super::invalid;
use super::lookup::among;
use super::query::Searches;
use super::sql::{Bind, Purpose, Slot, Sql};
use super::{Planner, Query};
use crate::catalog::access::{Access, Holds};
use crate::catalog::{Catalog, Table};
use crate::dialect::Dialect;
use crate::error::{DbError, code};

/// Finds which of given keys there are for the app.
#[derive(Debug)]
pub(crate) struct Parent {
    /// The foreign key of the written table.
    pub(crate) column: usize,
    /// The model that it points to.
    pub(crate) target: usize,
    /// `SELECT key … WHERE key IN (…)`
    pub(crate) exist: Query,
}

impl Catalog {
    /// Whether the app may do it with the rows of a table at all.
    pub(crate) fn allow(&self, table: usize, action: Action) -> Result<(), DbError> {
        let table = &self.tables[table];
        table.access.as_ref().map_or(Ok(()), |access| access.allow(action, &table.model))
    }

    /// Whether some rows of a table aren't there for the app.
    pub(super) fn is_ruled(&self, table: usize) -> bool {
        self.tables[table].access.as_ref().is_some_and(|access| access.has_rule())
    }

    /// What is true of the rows that there are; `None` where all are there. Columns stand behind `prefix`.
    pub(super) fn rule(&self, table: usize, prefix: &str) -> Option<Sql> {
        let access = self.tables[table].access.as_ref().filter(|access| access.has_rule())?;
        let mut parts = Vec::new();
        for (column, holds) in &access.rows {
            let slot = Slot::of(self, table, *column, Purpose::Compare);
            let name = format!("{prefix}{}", self.tables[table].columns[*column].quoted());
            let is = |name: String| {
                let mut sql = Sql::text(name);
                match <[Sql; 1]>::try_from(self.held(holds, slot).collect::<Vec<_>>()) {
                    Ok([value]) => sql.push(" = ").append(value),
                    Err(values) => sql.push(" IN (").list(values).push(")"),
                };
                sql
            };
            if !self.tables[table].managed && slot.kind.is_text() {
                // A table that the host didn't make may take texts for equal that aren't.
                parts.push(is(match self.dialect {
                    Dialect::Sqlite => format!("{name} COLLATE BINARY"),
                    Dialect::Postgres => format!("{name}::text COLLATE \"C\""),
                    Dialect::Mariadb => format!("CONVERT({name} USING utf8mb4) COLLATE utf8mb4_nopad_bin"),
                }));
            }
            parts.push(is(name));
        }
        parts.extend(access.filter.iter().map(|condition| Sql::fill("({0})", std::slice::from_ref(condition))));
        Sql::all(parts)
    }

    /// The tables of other apps that a statement names.
    pub(super) fn others_in(&self, sql: &Sql) -> impl Iterator<Item = usize> {
        let named = |table: &Table| table.access.is_some() && sql.text.contains(table.quoted());
        self.tables.iter().enumerate().filter(move |(_, table)| named(table)).map(|(at, _)| at)
    }

    /// Whether the database's plan for a statement may be told. It is made of what all rows hold, and names the rule.
    pub(super) fn may_explain(&self, sql: &Sql) -> Result<(), DbError> {
        let Some(table) = self.others_in(sql).find(|table| self.is_ruled(*table)) else { return Ok(()) };
        let model = &self.tables[table].model;
        let problem = format!("the plan for rows of `{model}` would tell of those that a rule keeps from this app");
        Err(DbError::new(code::UNSUPPORTED, problem).with("model", model))
    }

    /// Whether the rows of a table may be kept from others for a while.
    pub(super) fn may_lock(&self, table: usize) -> Result<(), DbError> {
        self.allow(table, Action::Change)?;
        if self.is_ruled(table) {
            let problem = "rows under a rule can't be locked; change them, and look how many there were";
            return Err(DbError::new(code::UNSUPPORTED, problem));
        }
        Ok(())
    }

    fn held<'s>(&'s self, holds: &'s Holds, slot: Slot) -> impl Iterator<Item = Sql> + 's {
        let binds: Vec<Bind> = match holds {
            Holds::Values(values) => values.iter().map(|value| Bind::Const { value: value.clone(), slot }).collect(),
            Holds::Fact(fact) => vec![Bind::Fact { fact: *fact, slot }],
        };
        binds.into_iter().map(move |bind| self.dialect.bound(slot.kind, bind))
    }
}

impl Building<'_> {
    /// `"polls__question" AS t0`: the rows of a table that there are for the app, under a name.
    pub(super) fn source(&self, table: usize, name: &str) -> Result<Sql, DbError> {
        self.catalog.allow(table, Action::View)?;
        let from = &self.catalog.tables[table];
        let Some(rule) = self.catalog.rule(table, "") else {
            return Ok(Sql::text(format!("{} AS {name}", from.quoted())));
        };
        let columns: Vec<&str> = from.fields().iter().map(|column| column.quoted()).collect();
        let mut sql = Sql::text(format!("(SELECT {} FROM {} WHERE ", columns.join(", "), from.quoted()));
        sql.append(rule);
        if self.fenced {
            // Otherwise a database may ask the statement's own conditions first, and one that fails for some values, such as a
            // division, would tell what hidden rows hold.
            sql.push(match self.dialect() {
                Dialect::Postgres => " OFFSET 0",
                Dialect::Sqlite | Dialect::Mariadb => self.dialect().no_limit(),
            });
        }
        sql.push(&format!(") AS {name}"));
        Ok(sql)
    }

    /// Whether the value of a foreign key to a model under a rule is one that can be looked at.
    pub(super) fn check_parent(&self, column: usize, is_value: bool) -> Result<(), DbError> {
        let column = &self.catalog.tables[self.table].columns[column];
        let ruled = column.constrained && column.target.is_some_and(|target| self.catalog.is_ruled(target));
        if ruled && !is_value {
            let problem = format!("`{}` points to a model under a rule; give it the key itself", column.field);
            return Err(invalid(problem).with("field", &column.field));
        }
        Ok(())
    }
}

impl Planner<'_> {
    pub(super) fn building(&self) -> Building<'_> {
        Building { fenced: self.fenced, ..Building::new(self.catalog, self.table) }
    }

    pub(super) fn access(&self) -> Option<&Access> {
        self.catalog.tables[self.table].access.as_deref()
    }

    /// Whether the app may set a column.
    pub(super) fn may_set(&self, column: usize) -> Result<(), DbError> {
        let table = &self.catalog.tables[self.table];
        let Some(access) = &table.access else { return Ok(()) };
        if access.writes.contains(&column) {
            return Ok(());
        }
        let field = &table.columns[column].field;
        let problem = if access.rows.iter().any(|(at, _)| *at == column) {
            format!("`{field}` of `{}` is what the host puts there for this app; leave it out", table.model)
        } else if access.has_rule() && table.columns[column].fills_itself() {
            // No grant with a rule can: a key that is taken would tell of a row that isn't there for the app.
            format!("`{field}` of `{}` is another app's, and the host fills it in; leave it out", table.model)
        } else {
            format!(
                "`{field}` of `{}` is another app's, and no grant lets this one set it; if the operator means it to be so, list \
                 it in `writes` of {} in bandstand.toml",
                table.model, access.section
            )
        };
        Err(DbError::new(code::ACCESS_DENIED, problem).with("model", &table.model).with("field", field))
    }

    /// What a new row gets in the columns that a rule is about.
    pub(super) fn ruled_value(&self, column: usize) -> Option<Sql> {
        let (_, holds) = self.access()?.rows.iter().find(|(at, _)| *at == column)?;
        self.catalog.held(holds, Slot::of(self.catalog, self.table, column, Purpose::Store)).next()
    }

    /// Whether rows that are there already may be changed in an insert's place: only where those that it can meet are there
    /// for the app.
    pub(super) fn may_upsert(&self, target: &[usize]) -> Result<(), DbError> {
        let Some(access) = self.access().filter(|access| access.has_rule()) else { return Ok(()) };
        if access.is_covered_by(target) {
            return Ok(());
        }
        let table = &self.catalog.tables[self.table];
        let problem = format!(
            "rows of `{}` are kept from this app, and an insert could meet one of them; read first, then insert or update",
            table.model
        );
        Err(DbError::new(code::ACCESS_DENIED, problem).with("model", &table.model))
    }

    /// For each foreign key to a model under a rule: what finds whether the row that it is to point to is there for the app.
    pub(super) fn parents(&self, columns: &[usize]) -> Result<Vec<Parent>, DbError> {
        let table = &self.catalog.tables[self.table];
        let mut parents = Vec::new();
        for column in columns {
            let Some(target) = table.columns[*column].target.filter(|_| table.columns[*column].constrained) else {
                continue;
            };
            if !self.catalog.is_ruled(target) {
                continue;
            }
            let to = &self.catalog.tables[target];
            let Some(key) = to.single_key() else { continue };
            let slot = Slot::of(self.catalog, target, key, Purpose::Compare);
            let building = Building::new(self.catalog, target);
            let mut sql = Sql::text(format!("SELECT t0.{} FROM ", to.columns[key].quoted()));
            sql.append(building.source(target, "t0")?);
            let name = Sql::text(format!("t0.{}", to.columns[key].quoted()));
            sql.push(" WHERE ").append(among(self.catalog.dialect, name, Bind::Many { hole: 0, slot }));
            let exist = Query::new(self.catalog.dialect, self.owner, sql, 1, false, Searches::No);
            parents.push(Parent { column: *column, target, exist });
        }
        Ok(parents)
    }
}
