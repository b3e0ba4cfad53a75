//! `insert`, `update`, `delete`.

use super::sql::{Bind, Purpose, Slot, Sql};
use super::{Action, Cell, Planner, Query, WritePlan, invalid, value_of};
use crate::catalog::{Column, Fill, Table};
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Arithmetic, Condition, Expr, Insert, Literal, Operand};
use crate::types::Value;

impl Planner<'_> {
    fn write(&self, action: Action) -> WritePlan {
        WritePlan { table: self.table, action }
    }

    pub(super) fn insert(&self, insert: &Insert) -> Result<WritePlan, DbError> {
        let table = &self.catalog.tables[self.table];
        let mut given: Vec<Option<&Expr>> = vec![None; table.columns.len()];
        for (name, expr) in &insert.set {
            let column = table.column(name)?;
            if given[column].replace(expr).is_some() {
                return Err(invalid(format!("`set` gives `{}` two values", table.columns[column].field)));
            }
        }
        let (mut names, mut values, mut fills) = (Vec::new(), Vec::new(), Vec::new());
        for (at, column) in table.columns.iter().enumerate() {
            let slot = Slot::of(self.catalog, self.table, at, Purpose::Store);
            let constant = |value: Value| Sql::bind(Bind::Const { value, slot });
            // What the host makes stands in holes after the shape's own.
            let mut fill = |fill| {
                fills.push(fill);
                Sql::bind(Bind::Hole { hole: self.holes + fills.len() - 1, slot })
            };
            let value = match given[at] {
                Some(_) if column.generated.is_some() => return Err(generated(table, column)),
                Some(expr) => match (self.expr(expr, at, None)?, column.fill) {
                    // A key that is left out or null is the next one.
                    (mut value, Some(Fill::Uuid7)) => {
                        let mut sql = Sql::text("coalesce(");
                        sql.list(vec![std::mem::take(&mut value), fill(Fill::Uuid7)]).push(")");
                        sql
                    }
                    (value, _) => value,
                },
                None if column.generated.is_some() || column.kind == Kind::Auto => continue,
                None => match (&column.default, column.fill, &column.db_default) {
                    (Some(default), _, _) => constant(default.clone()),
                    (None, Some(made), _) => fill(made),
                    (None, None, Some(default)) => Sql::text(default.sql.clone()),
                    // Written out, so that a default which the table has from an older version doesn't fill it.
                    (None, None, None) if column.null => constant(Value::Null),
                    (None, None, None) => {
                        let problem = format!(
                            "`{}` of `{}` has no default and must have a value; give it one in `set`",
                            column.field, table.model
                        );
                        return Err(DbError::new(code::NOT_NULL, problem)
                            .with("model", &table.model)
                            .with("field", &column.field));
                    }
                },
            };
            names.push(column.quoted());
            values.push(value);
        }
        let mut sql = Sql::text(format!("INSERT INTO {}", table.quoted()));
        if names.is_empty() {
            sql.push(" DEFAULT VALUES");
        } else {
            sql.push(&format!(" ({}) VALUES (", names.join(", ")));
            for (at, value) in values.into_iter().enumerate() {
                if at > 0 {
                    sql.push(", ");
                }
                sql.append(value);
            }
            sql.push(")");
        }
        let mut cells = Vec::with_capacity(insert.returning.len());
        for (at, name) in insert.returning.iter().enumerate() {
            let column = &table.columns[table.column(name)?];
            sql.push(if at == 0 { " RETURNING " } else { ", " }).push(&column.quoted());
            cells.push(Cell::of(column.kind));
        }
        let query = Query::new(self.catalog.dialect, self.owner, sql, self.holes + fills.len());
        Ok(self.write(Action::Insert {
            query,
            fills: fills.into(),
            cells: cells.into(),
            returning: insert.returning.clone().into(),
        }))
    }

    pub(super) fn update(&self, set: &[(String, Expr)], filter: &[Condition]) -> Result<WritePlan, DbError> {
        let table = &self.catalog.tables[self.table];
        let mut sql = Sql::text(format!("UPDATE {} AS t0 SET ", table.quoted()));
        let mut seen = Vec::new();
        for (name, expr) in set {
            let column = table.column(name)?;
            if seen.contains(&column) {
                return Err(invalid(format!("`set` gives `{}` two values", table.columns[column].field)));
            }
            if table.single_key() == Some(column) {
                return Err(invalid(format!("`{name}` is the primary key of `{}` and never changes", table.model))
                    .with("field", name));
            }
            if table.columns[column].generated.is_some() {
                return Err(generated(table, &table.columns[column]));
            }
            sql.push(if seen.is_empty() { "" } else { ", " });
            sql.push(&table.columns[column].quoted()).push(" = ");
            sql.append(self.expr(expr, column, Some("t0"))?);
            seen.push(column);
        }
        sql.append(self.rows_where(filter)?);
        Ok(self.write(Action::Update(self.query(sql))))
    }

    pub(super) fn delete(&self, filter: &[Condition]) -> Result<WritePlan, DbError> {
        let table = &self.catalog.tables[self.table];
        let rows = self.rows_where(filter)?;
        let action = if table.incoming.is_empty() {
            let mut sql = Sql::text(format!("DELETE FROM {} AS t0", table.quoted()));
            sql.append(rows);
            Action::DeleteDirectly(self.query(sql))
        } else {
            let mut sql = Sql::text(format!("SELECT {} FROM {} AS t0", table.key_list("t0."), table.quoted()));
            sql.append(rows);
            Action::Delete(self.query(sql))
        };
        Ok(self.write(action))
    }

    /// The value that `column` gets. `row` is the name of the row that fields are read from, where there is one.
    fn expr(&self, expr: &Expr, column: usize, row: Option<&str>) -> Result<Sql, DbError> {
        match expr {
            Expr::Operand(operand) => self.operand(operand, column, row, Purpose::Store),
            Expr::Arithmetic(..) => {
                let target = &self.catalog.tables[self.table].columns[column];
                if !target.kind.is_number() {
                    let problem =
                        format!("`{}` is of kind {}, which one can't reckon with", target.field, target.kind.word());
                    return Err(invalid(problem).with("field", &target.field).with("kind", target.kind.word()));
                }
                self.arithmetic(expr, column, row)
            }
            Expr::Coalesce(_) | Expr::Aggregate(_) => Err(not_in_set()),
        }
    }

    fn arithmetic(&self, expr: &Expr, column: usize, row: Option<&str>) -> Result<Sql, DbError> {
        let (arithmetic, left, right) = match expr {
            Expr::Operand(operand) => return self.operand(operand, column, row, Purpose::Reckon),
            Expr::Arithmetic(arithmetic, left, right) => (arithmetic, left, right),
            Expr::Coalesce(_) | Expr::Aggregate(_) => return Err(not_in_set()),
        };
        let word = match arithmetic {
            Arithmetic::Add => " + ",
            Arithmetic::Sub => " - ",
            Arithmetic::Mul => " * ",
            Arithmetic::Div => " / ",
            Arithmetic::Mod => " % ",
        };
        let target = &self.catalog.tables[self.table].columns[column];
        if *arithmetic == Arithmetic::Mod && target.kind == Kind::Float {
            return Err(invalid(format!("`mod` takes whole numbers; `{}` is a float", target.field))
                .with("field", &target.field));
        }
        let mut sql = Sql::text("(");
        sql.append(self.arithmetic(left, column, row)?).push(word);
        sql.append(self.arithmetic(right, column, row)?).push(")");
        Ok(sql)
    }

    fn operand(&self, operand: &Operand, column: usize, row: Option<&str>, purpose: Purpose) -> Result<Sql, DbError> {
        let table = &self.catalog.tables[self.table];
        let slot = Slot::of(self.catalog, self.table, column, purpose);
        match operand {
            Operand::Hole(hole) => Ok(Sql::bind(Bind::Hole { hole: *hole, slot })),
            Operand::Ref(statement, field) => {
                Ok(Sql::bind(Bind::Ref { statement: *statement, field: field.clone(), slot }))
            }
            Operand::Literal(Literal::Null) if purpose == Purpose::Reckon => {
                Err(invalid("arithmetic with null; leave the field as it is, or set it to null"))
            }
            Operand::Literal(literal) => value_of(self.catalog, slot, literal).map(Sql::bind),
            Operand::Field(path) => {
                let Some(row) = row else {
                    return Err(invalid("an insert has no row yet whose fields it could read"));
                };
                let [name] = path.as_slice() else {
                    return Err(DbError::new(
                        code::UNSUPPORTED,
                        "an update reads the fields of its own row alone, not those of related rows",
                    ));
                };
                let source = &table.columns[table.column(name)?];
                if !takes(&table.columns[column], source, purpose) {
                    let target = &table.columns[column];
                    return Err(invalid(format!(
                        "`{}` of kind {} can't take the value of `{}` of kind {}",
                        target.field,
                        target.kind.word(),
                        source.field,
                        source.kind.word()
                    ))
                    .with("field", &target.field));
                }
                Ok(Sql::text(format!("{row}.{}", source.quoted())))
            }
        }
    }
}

fn generated(table: &Table, column: &Column) -> DbError {
    let problem = format!("`{}` of `{}` is computed from other fields; leave it out", column.field, table.model);
    invalid(problem).with("model", &table.model).with("field", &column.field)
}

fn not_in_set() -> DbError {
    DbError::new(code::UNSUPPORTED, "`set` takes values, fields of the row and arithmetic")
}

/// Whether what `source` holds may be written to `target` or reckoned with on the way there.
fn takes(target: &Column, source: &Column, purpose: Purpose) -> bool {
    let whole = |kind: Kind| kind.is_whole() && kind != Kind::Auto && kind != Kind::Key;
    match (target.kind, source.kind) {
        _ if target.target.is_some() || source.target.is_some() && target.kind == Kind::Key => {
            target.target == source.target
        }
        // The database checks ranges, not lengths and forms.
        (Kind::Char(most), source) if source.is_text() => source.max_length().is_some_and(|length| length <= most),
        (Kind::Text, source) if source.is_text() => true,
        (Kind::Float, source) => source.is_number() && !matches!(source, Kind::Decimal { .. }),
        (target, source) if whole(target) && source.is_whole() => true,
        (target, source) if target == source => true,
        // A date plus a number of days, a datetime minus a datetime: whole numbers all of them.
        (target, source) => {
            purpose == Purpose::Reckon && target.is_number() && source.is_number() && source != Kind::Float
        }
    }
}
