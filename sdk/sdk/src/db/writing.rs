//! Query sets, written: creating, changing and deleting rows.

use super::condition::Q;
use super::expression::{Assignment, IntoAssignments};
use super::field::{IntoPaths, Path};
use super::key::{Key, RawKey};
use super::meta::{FieldMeta, Literal, ModelMeta};
use super::model::{Model, New};
use super::node::{Node, Tree};
use super::query::QuerySet;
use super::rows::Reader;
use super::shape::Shape;
use super::{Pending, Statement, Value, transaction};
use crate::error::{Error, Result};

/// Rows that one insert takes: the contract's limit.
pub(crate) const ROWS_AT_ONCE: usize = 1_000;

/// Statements that one batch takes: the contract's limit.
const STATEMENTS_AT_ONCE: usize = 100;

/// What a new row sets, as the derive writes it.
type NewRow = Vec<(&'static str, Value)>;

/// What an insert does that meets a row with the same unique values.
#[must_use = "a rule does nothing until it is given to `bulk_create_with` or `create_with`"]
pub struct OnConflict<M> {
    target: Vec<&'static str>,
    set: Vec<Assignment<M>>,
}

impl<M> core::fmt::Debug for OnConflict<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OnConflict").field("target", &self.target).field("set", &self.set).finish()
    }
}

impl<M: Model> OnConflict<M> {
    /// The row that was there stays, and the new one is left out.
    pub const fn ignore() -> Self {
        Self { target: Vec::new(), set: Vec::new() }
    }

    /// The row with the same values in these fields, which are unique together, is changed:
    /// `OnConflict::update(Page::SLUG, [Page::TITLE.set_new(), Page::EDITS.set(Page::EDITS + 1)])`. In an assignment a field is that of the
    /// row that was there; [`set_new`](super::Field::set_new) writes the value of the new one.
    pub fn update(unique: impl IntoPaths<M>, assignments: impl IntoAssignments<M>) -> Self {
        let target = unique.into_paths().iter().filter_map(|path| path.steps().first().copied()).collect();
        Self { target, set: assignments.into_assignments() }
    }

    fn write(self, shape: &mut Shape) -> Result<()> {
        shape.on_conflict(&self.target, own::<M>(self.set)?);
        Ok(())
    }
}

impl<M: Model> QuerySet<M> {
    /// Inserts a row and returns it with its key and defaults.
    ///
    /// Errors: `is_conflict` for a value that must be unique; 422 for one that doesn't fit.
    pub fn create(self, new: impl New<M>) -> Pending<M> {
        Pending::new(create(new.columns()))
    }

    /// Inserts a row, unless it meets one that is there already: then what `conflict` says. Returns the row that was written, none where
    /// nothing was.
    ///
    /// Errors: those of [`create`](Self::create), for other unique values.
    pub fn create_with(self, new: impl New<M>, conflict: OnConflict<M>) -> Pending<Option<M>> {
        let columns = new.columns();
        Pending::new(async move {
            let mut shape = Shape::new("insert", M::NAME);
            shape.values(columns);
            conflict.write(&mut shape)?;
            shape.returning(M::META.columns());
            returned(shape.finish()?).await
        })
    }

    /// The row that fulfils the condition, or a new one; and whether it is new. At the same moment only one of several makes it, as far as
    /// a unique value tells them apart.
    ///
    /// Errors: those of [`create`](Self::create); a 500 where several rows fulfil the condition.
    pub fn get_or_create(self, condition: Q<M>, new: impl New<M>) -> Pending<(M, bool)> {
        let columns = new.columns();
        Pending::new(async move {
            let set = self.filter(condition);
            match found(set.clone()).await? {
                Some(row) => Ok((row, false)),
                None => match apart(create(columns)).await {
                    Ok(row) => Ok((row, true)),
                    // Somebody else was faster.
                    Err(error) if error.code() == "unique" => Ok((set.one().await.map_err(|_| error)?, false)),
                    Err(error) => Err(error),
                },
            }
        })
    }

    /// The row that fulfils the condition, changed, or a new one; and whether it is new.
    ///
    /// Errors: those of [`update`](Self::update) and [`create`](Self::create); a 500 where several rows fulfil the condition.
    pub fn update_or_create(
        self,
        condition: Q<M>,
        assignments: impl IntoAssignments<M>,
        new: impl New<M>,
    ) -> Pending<(M, bool)> {
        let (assignments, columns) = (assignments.into_assignments(), new.columns());
        Pending::new(async move {
            let set = self.filter(condition);
            if let Some(row) = found(set.clone()).await? {
                return changed(row, assignments).await.map(|row| (row, false));
            }
            match apart(create(columns)).await {
                Ok(row) => Ok((row, true)),
                Err(error) if error.code() == "unique" => {
                    let row = set.one().await.map_err(|_| error)?;
                    changed(row, assignments).await.map(|row| (row, false))
                }
                Err(error) => Err(error),
            }
        })
    }

    /// Inserts many rows, all or none, and returns how many: one statement for every 1,000 rows, whichever optional fields each of them sets.
    /// Automatic keys are counted up in the order of the rows; only where some rows set a field with `db_default` and others don't, those that
    /// do go together, and those that don't.
    ///
    /// Errors: those of [`create`](Self::create). Past 100,000 rows it is a [`transaction`](super::transaction), with its limits.
    pub fn bulk_create<N: New<M>>(self, rows: impl IntoIterator<Item = N>) -> Pending<u64> {
        let statements = bulk_inserts(M::META, &mut rows.into_iter().map(New::columns), None);
        Pending::new(async move { all_or_none(M::NAME, statements?).await })
    }

    /// Inserts many rows, all or none, but for those that meet one that is there already: then what `conflict` says. Returns how many rows
    /// were written.
    ///
    /// Errors: as [`bulk_create`](Self::bulk_create).
    pub fn bulk_create_with<N: New<M>>(
        self,
        rows: impl IntoIterator<Item = N>,
        conflict: OnConflict<M>,
    ) -> Pending<u64> {
        let OnConflict { target, set } = conflict;
        let statements = own::<M>(set).and_then(|set| {
            let write = |shape: &mut Shape| shape.on_conflict(&target, set.clone());
            bulk_inserts(M::META, &mut rows.into_iter().map(New::columns), Some(&write))
        });
        Pending::new(async move { all_or_none(M::NAME, statements?).await })
    }

    /// Writes these fields of rows that were changed, all or none, in one statement for every 1,000 rows:
    /// `Choice::objects().bulk_update(&choices, (Choice::VOTES, Choice::CHOICE_TEXT))`. Returns how many rows were there still.
    ///
    /// Errors: those of an update; a 500 for the key and for fields of other models. Past 100,000 rows as [`bulk_create`](Self::bulk_create).
    pub async fn bulk_update(self, rows: &[M], fields: impl IntoPaths<M>) -> Result<u64> {
        let mut names = Vec::new();
        for path in fields.into_paths() {
            match *path.steps() {
                [field] if names.contains(&field) => {}
                [field] => names.push(field),
                _ => return Err(foreign::<M>("bulk_update", path)),
            }
        }
        let statements =
            rows.chunks(ROWS_AT_ONCE).map(|rows| bulk_updated(rows, &names)).collect::<Result<Vec<_>>>()?;
        all_or_none(M::NAME, statements).await
    }

    /// Changes all these rows at once and returns how many. An expression sees each row as it was:
    /// `update(Choice::VOTES.set(Choice::VOTES + 1))` loses no vote, however many come at the same time.
    ///
    /// Errors: `is_conflict` for a value that must be unique; 422 for one that doesn't fit; a 500 for a set with a limit, and for a field of
    /// another model.
    pub fn update(self, assignments: impl IntoAssignments<M>) -> Pending<u64> {
        let assignments = assignments.into_assignments();
        Pending::new(async move {
            let mut query = self.query;
            query.unlimited("update", M::NAME)?;
            let columns = own::<M>(assignments)?;
            if columns.is_empty() {
                return Ok(0);
            }
            query.settle();
            let mut shape = Shape::new("update", M::NAME);
            shape.filters(query.filters);
            shape.assignments(columns);
            Ok(transaction::execute(shape.finish()?, Some(M::NAME)).await?.affected)
        })
    }

    /// Deletes all these rows, and what `on_delete` says goes with them, as one unit. Returns how many went in all.
    ///
    /// Errors: `is_conflict` where a row is protected; a 500 for a set with a limit.
    pub async fn delete(self) -> Result<u64> {
        let mut query = self.query;
        query.unlimited("delete", M::NAME)?;
        query.settle();
        delete_where(M::NAME, query.filters).await
    }
}

/// The only row; none where there is none.
async fn found<M: Model>(set: QuerySet<M>) -> Result<Option<M>> {
    match set.one().await {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// An insert that may fail without ending the transaction around it.
async fn apart<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    transaction::savepoint(work).await
}

async fn create<M: Model>(columns: NewRow) -> Result<M> {
    let mut shape = Shape::new("insert", M::NAME);
    shape.values(columns);
    shape.returning(M::META.columns());
    let row = returned(shape.finish()?).await?;
    row.ok_or_else(|| Error::internal(format!("the insert into {} returned no row", M::NAME)))
}

async fn returned<M: Model>(statement: Statement) -> Result<Option<M>> {
    let outcome = transaction::execute(statement, Some(M::NAME)).await?;
    Reader::typed(M::NAME, M::META.width(), &outcome.returned)?.next_row()
}

/// The row after these assignments.
async fn changed<M: Model>(mut row: M, assignments: Vec<Assignment<M>>) -> Result<M> {
    let mut set = M::objects();
    row.pk().raw().conditions(M::META.primary_key, &mut set.query.filters);
    set.update(assignments).await?;
    row.refresh().await?;
    Ok(row)
}

/// Assignments to fields of the model itself.
fn own<M: Model>(assignments: Vec<Assignment<M>>) -> Result<Vec<(&'static str, Node)>> {
    let one = |assignment: Assignment<M>| match *assignment.path.steps() {
        [field] => Ok((field, assignment.node)),
        _ => Err(foreign::<M>("update", assignment.path)),
    };
    assignments.into_iter().map(one).collect()
}

fn foreign<M: Model>(what: &str, path: Path) -> Error {
    Error::internal(format!("{what} of {}: {path:?} is a field of another model", M::NAME))
}

async fn all_or_none(model: &'static str, mut statements: Vec<Statement>) -> Result<u64> {
    match (statements.pop(), statements.is_empty()) {
        (None, _) => Ok(0),
        (Some(one), true) => Ok(transaction::execute(one, Some(model)).await?.affected),
        (Some(last), false) => {
            statements.push(last);
            let outcomes = if statements.len() > STATEMENTS_AT_ONCE {
                transaction::transaction(async || transaction::batch(statements.clone(), model).await).await?
            } else {
                transaction::batch(statements, model).await?
            };
            Ok(outcomes.iter().map(|outcome| outcome.affected).sum())
        }
    }
}

/// New rows that set the same fields, and what each field is set to in each of them.
type Columns = Vec<(&'static str, Vec<Value>)>;

/// Few statements for many rows: what a row leaves out and another one sets is filled up with what it would be anyway, so that most rows set
/// the same fields. `conflict` writes what each does that meets rows which are there.
pub(super) fn bulk_inserts(
    meta: &'static ModelMeta,
    rows: &mut dyn Iterator<Item = NewRow>,
    conflict: Option<&dyn Fn(&mut Shape)>,
) -> Result<Vec<Statement>> {
    let rows: Vec<NewRow> = rows.collect();
    let set: Vec<&FieldMeta> = meta.fields.iter().filter(|field| rows.iter().any(|row| sets(row, field))).collect();
    let mut inserts: Vec<Columns> = Vec::new();
    for mut row in rows {
        if row.len() < set.len() {
            let mut given = row.into_iter().peekable();
            let value = |field: &&FieldMeta| match given.next_if(|(name, _)| *name == field.name) {
                Some(given) => Some(given),
                None => Some((field.name, field.left_out()?)),
            };
            row = set.iter().filter_map(value).collect();
        }
        // The newest are the likeliest, and those before them may be full.
        let known = inserts.iter().rposition(|columns| {
            columns.len() == row.len() && columns.iter().zip(&row).all(|((name, _), (other, _))| name == other)
        });
        let at = match known {
            Some(at) if inserts[at].first().is_some_and(|(_, values)| values.len() < ROWS_AT_ONCE) => at,
            _ => {
                inserts.push(row.iter().map(|(name, _)| (*name, Vec::new())).collect());
                inserts.len() - 1
            }
        };
        for ((_, values), (_, value)) in inserts[at].iter_mut().zip(row) {
            values.push(value);
        }
    }
    let statement = |columns: Columns| {
        let mut shape = Shape::new("insert", meta.name);
        shape.columns(columns);
        if let Some(conflict) = conflict {
            conflict(&mut shape);
        }
        shape.finish()
    };
    inserts.into_iter().filter(|columns| !columns.is_empty()).map(statement).collect()
}

fn sets(row: &NewRow, field: &FieldMeta) -> bool {
    row.iter().any(|(name, _)| *name == field.name)
}

impl FieldMeta {
    /// What the field is in a row that leaves it out; none where only the database knows.
    fn left_out(&self) -> Option<Value> {
        match self.default {
            Some(default) => default.value(),
            None if self.null && self.db_default.is_none() => Some(Value::Null),
            None => None,
        }
    }
}

impl Literal {
    fn value(self) -> Option<Value> {
        Some(match self {
            Literal::Null => Value::Null,
            Literal::Bool(value) => Value::Boolean(value),
            Literal::Integer(value) => Value::Integer(value),
            Literal::Float(text) => Value::Float(text.parse().ok()?),
            Literal::Text(text) => Value::Text(text.to_owned()),
        })
    }
}

/// One statement that gives each row its own values of these fields.
pub(super) fn bulk_updated<M: Model>(rows: &[M], fields: &[&'static str]) -> Result<Statement> {
    let keys = match (M::META.primary_key, M::META.fields) {
        ([], [key, ..]) => core::slice::from_ref(&key.name),
        (several, _) => several,
    };
    let mut key_values = vec![Vec::with_capacity(rows.len()); keys.len()];
    let mut columns: Vec<(&'static str, Vec<Value>)> =
        fields.iter().map(|field| (*field, Vec::with_capacity(rows.len()))).collect();
    for row in rows {
        let key = row.pk().raw();
        match &key {
            RawKey::Several(parts) => {
                for (values, part) in key_values.iter_mut().zip(parts) {
                    values.push(part.value());
                }
            }
            one => key_values[0].push(one.value()),
        }
        let mut values = row.columns();
        for (field, column) in &mut columns {
            let Some(at) = values.iter().position(|(name, _)| name == field) else {
                return Err(Error::internal(format!("bulk_update of {}: `{field}` can't be written", M::NAME)));
            };
            column.push(values.swap_remove(at).1);
        }
    }
    let mut shape = Shape::new("update_many", M::NAME);
    shape.columns(columns);
    shape.keys(keys, key_values);
    shape.finish()
}

fn key_is<M: Model>(row: &M) -> Vec<Tree> {
    let mut filters = Vec::with_capacity(1);
    row.pk().raw().conditions(M::META.primary_key, &mut filters);
    filters
}

pub(crate) async fn save<M: Model>(row: &M) -> Result<()> {
    let (filters, columns) = (key_is(row), row.columns());
    if columns.is_empty() {
        return Ok(());
    }
    let mut shape = Shape::new("update", M::NAME);
    shape.filters(filters);
    shape.values(columns);
    match transaction::execute(shape.finish()?, Some(M::NAME)).await?.affected {
        0 => Err(Error::not_found().context(format!("{} {} is gone", M::NAME, row.pk().raw()))),
        _ => Ok(()),
    }
}

pub(crate) async fn delete<M: Model>(row: M) -> Result<u64> {
    delete_where(M::NAME, key_is(&row)).await
}

async fn delete_where(model: &'static str, filters: Vec<Tree>) -> Result<u64> {
    let mut shape = Shape::new("delete", model);
    shape.filters(filters);
    // What goes with the rows may be of any model.
    Ok(transaction::execute(shape.finish()?, None).await?.affected)
}
