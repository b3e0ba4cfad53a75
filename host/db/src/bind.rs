//! Parameters: checked as a whole first, then handed to the database one by one without a copy.

use std::borrow::Cow;
use std::time::SystemTime;

use host_core::access::{Fact, Facts};
use host_core::context::RequestContext;
use host_store::{Datum, Type};
use uuid::Uuid;

use crate::catalog::{Catalog, Fill};
use crate::error::{DbError, code};
use crate::kind::{DAY, Kind};
use crate::plan::query::rounded;
use crate::plan::sql::{Bind, Purpose};
use crate::plan::{Action, WritePlan, check};
use crate::types::{Outcome, Param, Value};

/// Values of a `many`: more is a page of data, not a condition.
pub(crate) const MAX_MANY: usize = 1_000;

/// Values of all lists of a statement together: SQLite takes 32,766 values.
pub(crate) const MAX_LISTED: usize = 20_000;

/// Names of members that a JSON document is asked for: SQLite's functions take 127 arguments, rounded up to a power of two.
pub(crate) const MAX_KEYS: usize = 64;

/// What earlier statements of a batch returned.
pub(crate) type Earlier<'v> = &'v [(&'v WritePlan, Outcome)];

/// What a statement's values come from besides its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'v> {
    pub(crate) earlier: Earlier<'v>,
    pub(crate) facts: &'v Facts,
}

impl<'v> Around<'v> {
    /// For a statement that is in no batch.
    pub(crate) fn alone(context: &'v RequestContext) -> Self {
        Self { earlier: &[], facts: &context.facts }
    }
}

/// What a request says, as a value; NULL, which equals nothing, where it doesn't.
fn known(fact: Fact, facts: &Facts) -> Datum<'_> {
    match fact {
        Fact::Host => facts.host.as_deref().map_or(Datum::Null, |host| Datum::Text(host.as_bytes())),
        Fact::User => facts.user.map_or(Datum::Null, Datum::Integer),
    }
}

/// Refuses to write what the request doesn't say.
pub(crate) fn check_facts(binds: &[Bind], facts: &Facts) -> Result<(), DbError> {
    for bind in binds {
        let Bind::Fact { fact, slot } = bind else { continue };
        if slot.purpose == Purpose::Store && matches!(known(*fact, facts), Datum::Null) {
            let problem = match fact {
                Fact::Host => {
                    "the rows of this app are told apart by the site's name, and the request doesn't have one"
                }
                Fact::User => "the rows of this app are told apart by user, and nobody is logged in",
            };
            return Err(DbError::new(code::ACCESS_DENIED, problem));
        }
    }
    Ok(())
}

/// Whether a `many` may stand where a single value goes, for each row of a bulk insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bulk {
    Yes,
    No,
}

fn wrong(hole: usize, problem: impl std::fmt::Display) -> DbError {
    DbError::new(code::INVALID_VALUE, format!("parameter {hole}: {problem}")).with("parameter", hole)
}

/// Checks that there is a parameter for each hole.
pub(crate) fn check_count(holes: usize, params: &[Param]) -> Result<(), DbError> {
    if params.len() == holes {
        return Ok(());
    }
    let problem = format!("the shape has {holes} holes, but {} parameters came with it", params.len());
    Err(DbError::new(code::INVALID_VALUE, problem).with("holes", holes))
}

/// Checks all parameters against their places. Returns the number of rows that a bulk insert writes, `None` where no
/// `many` stands in for single values.
pub(crate) fn check_params(
    catalog: &Catalog,
    binds: &[Bind],
    holes: usize,
    params: &[Param],
    bulk: Bulk,
) -> Result<Option<usize>, DbError> {
    check_count(holes, params)?;
    for (hole, param) in params.iter().enumerate() {
        if let Param::Many(values) = param
            && values.len() > MAX_MANY
        {
            return Err(wrong(hole, format_args!("{} values; the most is {MAX_MANY}: do it in parts", values.len()))
                .with("limit", MAX_MANY));
        }
    }
    let listed: usize = list_lengths(binds, params).map(rounded).sum();
    if listed > MAX_LISTED {
        let problem = format!("the lists of the statement have more than {MAX_LISTED} values together; ask in parts");
        return Err(DbError::new(code::INVALID_VALUE, problem).with("limit", MAX_LISTED));
    }
    let mut rows = None;
    for bind in binds {
        match bind {
            Bind::Hole { hole, slot } => match &params[*hole] {
                Param::One(value) => check(catalog, *slot, value)?,
                Param::Many(values) if bulk == Bulk::Yes => {
                    if *rows.get_or_insert(values.len()) != values.len() {
                        return Err(wrong(*hole, "all columns of a bulk insert have the same number of values"));
                    }
                    values.iter().try_for_each(|value| check(catalog, *slot, value))?;
                }
                Param::Many(_) => return Err(wrong(*hole, "one value goes here, not many")),
            },
            Bind::Many { hole, slot } => match &params[*hole] {
                Param::Many(values) if slot.purpose == Purpose::Key && values.len() > MAX_KEYS => {
                    let problem = format!("{} names of members; the most is {MAX_KEYS}", values.len());
                    return Err(wrong(*hole, problem).with("limit", MAX_KEYS));
                }
                Param::Many(values) => values.iter().try_for_each(|value| check(catalog, *slot, value))?,
                Param::One(_) => return Err(wrong(*hole, "`in` takes many values")),
            },
            Bind::Rows { hole } => match &params[*hole] {
                Param::One(Value::Integer(rows)) if *rows >= 0 => {}
                _ => return Err(wrong(*hole, "`limit` and `offset` take an integer of at least 0")),
            },
            Bind::Truth { hole } => match &params[*hole] {
                Param::One(Value::Boolean(_)) => {}
                _ => return Err(wrong(*hole, "`isnull` takes a boolean")),
            },
            Bind::Const { .. } | Bind::Ref { .. } | Bind::Fact { .. } => {}
        }
    }
    Ok(rows)
}

/// The number of rows that the lists in place of single values make of an insert; `None` where there is no such list.
fn bulk_rows(binds: &[Bind], params: &[Param]) -> Option<usize> {
    binds.iter().find_map(|bind| match bind {
        Bind::Hole { hole, .. } => match params.get(*hole) {
            Some(Param::Many(values)) => Some(values.len()),
            _ => None,
        },
        _ => None,
    })
}

/// The parameters in the form in which fields hold them: the addresses among them.
pub(crate) fn canonical<'p>(binds: &[Bind], params: &'p [Param]) -> Cow<'p, [Param]> {
    let mut canonical = Cow::Borrowed(params);
    for bind in binds {
        let (Bind::Hole { hole, slot } | Bind::Many { hole, slot }) = bind else { continue };
        if !matches!(slot.kind, Kind::Ip(_)) {
            continue;
        }
        let values = match params.get(*hole) {
            Some(Param::One(value)) => std::slice::from_ref(value),
            Some(Param::Many(values)) => values.as_slice(),
            None => continue,
        };
        for (at, value) in values.iter().enumerate() {
            let Some(value) = slot.kind.canonical(value) else { continue };
            match &mut canonical.to_mut()[*hole] {
                Param::One(one) => *one = value,
                Param::Many(many) => many[at] = value,
            }
        }
    }
    canonical
}

/// The parameters with what the host makes after them.
pub(crate) fn fill<'p>(binds: &[Bind], params: Cow<'p, [Param]>, fills: &[Fill]) -> Cow<'p, [Param]> {
    if fills.is_empty() {
        return params;
    }
    let rows = bulk_rows(binds, &params).map(|rows| rows.min(MAX_MANY));
    let uuid = || Value::Bytes(Uuid::now_v7().into_bytes().into());
    let mut params = params.into_owned();
    for fill in fills {
        params.push(match (fill, rows) {
            (Fill::Now(kind), _) => Param::One(now(*kind)),
            (Fill::Uuid7, None) => Param::One(uuid()),
            (Fill::Uuid7, Some(rows)) => Param::Many((0..rows).map(|_| uuid()).collect()),
        });
    }
    Cow::Owned(params)
}

/// The moment as a field of the kind holds it, in UTC.
fn now(kind: Kind) -> Value {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Value::Integer(match kind {
        Kind::Date => micros.div_euclid(DAY),
        Kind::Time => micros.rem_euclid(DAY),
        _ => micros,
    })
}

/// The lengths of the `in` lists, in the order of the text.
pub(crate) fn list_lengths<'v>(binds: &'v [Bind], params: &'v [Param]) -> impl Iterator<Item = usize> + 'v {
    binds.iter().filter_map(|bind| match bind {
        Bind::Many { hole, .. } => match &params[*hole] {
            Param::Many(values) => Some(values.len()),
            Param::One(_) => Some(1),
        },
        _ => None,
    })
}

/// Whether the plan refers to other statements of its batch.
pub(crate) fn refs(plan: &WritePlan) -> impl Iterator<Item = (usize, &str)> {
    let (Action::Insert { query, .. }
    | Action::Update { query, .. }
    | Action::UpdateMany(query)
    | Action::DeleteDirectly(query)
    | Action::Delete(query)) = &plan.action;
    query.binds.iter().filter_map(|bind| match bind {
        Bind::Ref { statement, field, .. } => Some((*statement, field.as_str())),
        _ => None,
    })
}

/// Checks what earlier statements returned for its place in this one.
pub(crate) fn check_refs(catalog: &Catalog, binds: &[Bind], earlier: Earlier<'_>) -> Result<(), DbError> {
    for bind in binds {
        if let Bind::Ref { statement, field, slot } = bind {
            let value = returned(earlier, *statement, field).ok_or_else(|| {
                let problem =
                    format!("statement {statement} of the batch returned no row whose `{field}` could be used");
                DbError::new(code::INVALID_VALUE, problem)
            })?;
            check(catalog, *slot, value)?;
        }
    }
    Ok(())
}

fn returned<'v>(earlier: Earlier<'v>, statement: usize, field: &str) -> Option<&'v Value> {
    let (plan, outcome) = earlier.get(statement)?;
    let (Action::Insert { returning, .. } | Action::Update { returning, .. }) = &plan.action else { return None };
    let column = returning.iter().position(|name| name == field)?;
    outcome.returned.cells.get(column)
}

/// The values in the order of the text. Everything was checked; `row` picks from the lists of a bulk insert.
pub(crate) fn values<'v>(
    binds: &'v [Bind],
    params: &'v [Param],
    row: usize,
    around: Around<'v>,
) -> impl Iterator<Item = Datum<'v>> {
    const NULL: &[Value] = &[Value::Null];
    binds.iter().flat_map(move |bind| {
        let mut fact = None;
        let (values, kind, places): (&[Value], Kind, usize) = match bind {
            Bind::Fact { fact: asked, slot } => {
                fact = Some(known(*asked, around.facts));
                (&[], slot.kind, 1)
            }
            Bind::Hole { hole, slot } => match &params[*hole] {
                Param::One(value) => (std::slice::from_ref(value), slot.kind, 1),
                Param::Many(values) => (values.get(row..=row).unwrap_or(NULL), slot.kind, 1),
            },
            Bind::Many { hole, slot } => match &params[*hole] {
                Param::Many(values) => (values, slot.kind, rounded(values.len())),
                Param::One(value) => (std::slice::from_ref(value), slot.kind, 1),
            },
            Bind::Rows { hole } | Bind::Truth { hole } => match &params[*hole] {
                Param::One(value) => (std::slice::from_ref(value), Kind::BigInteger, 1),
                Param::Many(_) => (NULL, Kind::BigInteger, 1),
            },
            Bind::Const { value, slot } => (std::slice::from_ref(value), slot.kind, 1),
            Bind::Ref { statement, field, slot } => {
                let value = returned(around.earlier, *statement, field);
                (value.map_or(NULL, std::slice::from_ref), slot.kind, 1)
            }
        };
        (0..places).map(move |at| match values.get(at).or(values.last()) {
            Some(value) => kind.to_sql(value),
            None => fact.unwrap_or(Datum::Null),
        })
    })
}

/// What each place of the text takes, in its order; `sizes` has the number of places of each list.
pub(crate) fn types(binds: &[Bind], sizes: &[usize]) -> Vec<Type> {
    let mut sizes = sizes.iter();
    let mut types = Vec::with_capacity(binds.len());
    for bind in binds {
        match bind {
            Bind::Many { slot, .. } => {
                let places = sizes.next().copied().unwrap_or(0);
                types.extend(std::iter::repeat_n(slot.kind.sql_datum(), places));
            }
            Bind::Hole { slot, .. } | Bind::Const { slot, .. } | Bind::Ref { slot, .. } | Bind::Fact { slot, .. } => {
                types.push(slot.kind.sql_datum());
            }
            Bind::Rows { .. } => types.push(Type::Integer),
            Bind::Truth { .. } => types.push(Type::Boolean),
        }
    }
    types
}
