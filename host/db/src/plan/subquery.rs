//! Shapes inside of a shape.

use super::building::{Building, Found};
use super::invalid;
use super::sql::Sql;
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Bound, Nested, Path};

impl<'c> Building<'c> {
    /// Plans `nested` inside of this statement, whose row it can read as the outer one.
    pub(super) fn inside<R>(
        &mut self,
        nested: &Nested,
        plan: impl FnOnce(&mut Building<'c>) -> Result<R, DbError>,
    ) -> Result<R, DbError> {
        let table = self.catalog.find(&nested.from)?;
        let mut inner = self.another(table);
        inner.aliases = self.aliases + 1;
        inner.root = inner.aliases;
        let stand_in = Building::new(self.catalog, self.table);
        inner.outer = Some(Box::new(std::mem::replace(self, stand_in)));
        let made = plan(&mut inner);
        if let Some(outer) = inner.outer.take() {
            *self = *outer;
        }
        self.aliases = inner.aliases;
        // Each of its rows is looked at for each of ours.
        self.reads_text |= inner.reads_text;
        made
    }

    /// A field of the row so many levels outside.
    pub(super) fn outer_field(&mut self, level: usize, path: &Path) -> Result<Found, DbError> {
        let mut query = self;
        for _ in 0..level {
            query.correlated = true;
            query = query.outer.as_deref_mut().ok_or_else(|| invalid("there is no row outside of here for `outer`"))?;
        }
        if !query.has_row {
            return Err(invalid("an insert has no row yet whose fields it could read"));
        }
        let found = query.find(path)?;
        // A value like any other from here on: it is no column of this statement.
        Ok(Found { column: None, ..found })
    }

    /// Whether a shape has rows.
    pub(super) fn exists_nested(&mut self, nested: &Nested) -> Result<Found, DbError> {
        let sql = self.inside(nested, |query| query.any_row(&nested.select))?;
        Ok(Found::made("exists", Sql::fill("EXISTS ({0})", &[sql]), Kind::Boolean, false))
    }

    /// The only cell of a shape's first row.
    pub(super) fn scalar(&mut self, nested: &Nested) -> Result<Found, DbError> {
        let mut select = nested.select.clone();
        match select.reading.limit {
            None => select.reading.limit = Some(Bound::Number(1)),
            Some(Bound::Number(0 | 1)) => {}
            Some(_) => return Err(invalid("a `subquery` is one value: its `limit` is 1, which may be left out")),
        }
        let (sql, column) = self.inside(nested, |query| {
            let selected = query.selected(&select)?;
            let [column] =
                <[Found; 1]>::try_from(selected.columns).map_err(|columns| not_one("subquery", columns.len()))?;
            Ok((selected.sql, column))
        })?;
        Ok(Found::made(&column.name, Sql::fill("({0})", &[sql]), column.kind, true))
    }

    /// The only cells of a shape's rows, for `in`; their kind and name.
    pub(super) fn keys_of(&mut self, nested: &Nested) -> Result<(Sql, Kind, String), DbError> {
        let bounded = nested.select.reading.limit.is_some() || nested.select.reading.offset.is_some();
        let mut select = nested.select.clone();
        if !bounded && matches!(select.distinct, crate::shape::Distinct::No) {
            // The order of a set means nothing.
            select.order = Some(Vec::new());
        }
        let (sql, column, correlated) = self.inside(nested, |query| {
            let selected = query.selected(&select)?;
            let [column] = <[Found; 1]>::try_from(selected.columns).map_err(|columns| not_one("in", columns.len()))?;
            Ok((selected.sql, column, query.correlated))
        })?;
        if bounded && self.dialect() == Dialect::Mariadb {
            if correlated {
                let problem =
                    "MariaDB takes no `limit` in an `in` that reads the row outside; use `exists`, or a window";
                return Err(DbError::new(code::UNSUPPORTED, problem));
            }
            let alias = self.next_alias();
            let sql = Sql::fill(&format!("SELECT * FROM ({{0}}) AS q{alias}"), &[sql]);
            return Ok((sql, column.kind, column.name));
        }
        Ok((sql, column.kind, column.name))
    }

    /// A number for a table that isn't a model's.
    pub(super) fn next_alias(&mut self) -> usize {
        self.aliases += 1;
        self.aliases
    }
}

fn not_one(what: &str, cells: usize) -> DbError {
    invalid(format!("the shape of `{what}` has rows of {cells} cells; name the one to take in `fields`"))
}
