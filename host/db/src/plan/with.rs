//! Sets of keys with a name: common table expressions, trees among them.

use super::building::Building;
use super::invalid;
use super::sql::Sql;
use crate::catalog::Step;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Condition, With, shown};

/// A set of keys that `with` named.
#[derive(Debug, Clone)]
pub(super) struct Named {
    name: String,
    /// What it is called in the statement.
    table: String,
    kind: Kind,
}

impl Building<'_> {
    /// What stands before the statement; nothing where nothing is named.
    pub(super) fn with(&mut self, with: &[(String, With)]) -> Result<Sql, DbError> {
        let mut sql = Sql::default();
        let recursive = with.iter().any(|(_, with)| matches!(with, With::Tree { .. }));
        for (at, (name, with)) in with.iter().enumerate() {
            if self.with.iter().any(|known| known.name == *name) {
                return Err(invalid(format!("`with` names `{name}` twice")));
            }
            let table = format!("w{at}");
            sql.push(match (at, recursive) {
                (0, true) => "WITH RECURSIVE ",
                (0, false) => "WITH ",
                _ => ", ",
            });
            let (keys, columns, kind) = match with {
                With::Select(nested) => {
                    let (keys, kind, _) = self.apart(|query| query.keys_of(nested))?;
                    (keys, "k", kind)
                }
                With::Tree { start, follow, max_depth } => self.tree(&table, start, follow, *max_depth)?,
            };
            sql.push(&format!("{table}({columns}) AS (")).append(keys).push(")");
            self.with.push(Named { name: name.clone(), table, kind });
        }
        if !with.is_empty() {
            sql.push(" ");
        }
        Ok(sql)
    }

    /// Rows that others lead to. Each key is taken once, so a cycle ends; with a depth to count it is taken once for each
    /// depth, and the depth ends.
    fn tree(
        &mut self,
        name: &str,
        start: &[Condition],
        follow: &str,
        max_depth: Option<u32>,
    ) -> Result<(Sql, &'static str, Kind), DbError> {
        let table = &self.catalog.tables[self.table];
        let Some(key) = table.single_key() else {
            let problem = format!("the rows of `{}` have keys of several fields, which can't be followed", table.model);
            return Err(DbError::new(code::UNSUPPORTED, problem).with("model", &table.model));
        };
        let (key, kind) = (table.columns[key].quoted(), table.columns[key].kind);
        // What the next key is, and how its row is found.
        let (next, on, holds) = match table.step(follow)? {
            Step::Column(column) if table.columns[column].target == Some(self.table) => {
                let parent = table.columns[column].quoted();
                (parent, key, format!(" AND s.{parent} IS NOT NULL"))
            }
            Step::Reverse(reference) if reference.table == self.table => {
                (key, table.columns[reference.column].quoted(), String::new())
            }
            _ => {
                let problem = format!("`{}` is no relation of `{}` to itself", shown(follow), table.model);
                return Err(invalid(problem).with("field", shown(follow)));
            }
        };
        let mut sql = self.apart(|query| {
            let condition = query.filter(start)?;
            let depth = if max_depth.is_some() { ", 0" } else { "" };
            let mut sql = Sql::text(format!("SELECT t{}.{key}{depth} FROM ", query.root));
            sql.append(query.tables()?);
            if let Some(condition) = condition {
                sql.push(" WHERE ").append(condition);
            }
            Ok(sql)
        })?;
        let (deeper, limit, columns) = match max_depth {
            None => ("", String::new(), "k"),
            Some(depth) => (", w.d + 1", format!(" AND w.d < {depth}"), "k, d"),
        };
        sql.push(&format!(" UNION SELECT s.{next}{deeper} FROM {name} AS w JOIN "));
        sql.append(self.source(self.table, "s")?);
        sql.push(&format!(" ON s.{on} = w.k WHERE TRUE{holds}{limit}"));
        Ok((sql, columns, kind))
    }

    /// The table of a named set, and the kind of its keys.
    pub(super) fn named_keys(&self, name: &str) -> Result<(String, Kind), DbError> {
        let mut query = Some(self);
        while let Some(here) = query {
            if let Some(named) = here.with.iter().find(|named| named.name == name) {
                return Ok((named.table.clone(), named.kind));
            }
            query = here.outer.as_deref();
        }
        Err(invalid(format!("nothing before here in `with` is called `{}`", shown(name))))
    }

    /// Plans something about the same model that stands beside this statement, not in it.
    fn apart<R>(&mut self, plan: impl FnOnce(&mut Self) -> Result<R, DbError>) -> Result<R, DbError> {
        let mut beside = self.another(self.table);
        beside.with.clone_from(&self.with);
        let made = plan(&mut beside)?;
        self.reads_text |= beside.reads_text;
        Ok(made)
    }
}
