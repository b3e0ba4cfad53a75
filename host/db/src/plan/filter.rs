//! Conditions to SQL.
//!
//! A row counts once, however many related rows match: conditions over a many-valued relation become `EXISTS`. What
//! speaks of the same related row (the conditions of one entry of `filter`) shares one `EXISTS`; `or` and entries apart
//! have one each, which is the same by logic (∃ distributes over ∨); `not` begins anew, so that it means "no related row".

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::path::{Join, Root, SubJoin};
use super::sql::{Bind, MANY, Purpose, Slot, Sql};
use super::{invalid, value_of};
use crate::catalog::Catalog;
use crate::error::DbError;
use crate::kind::Kind;
use crate::shape::{Comparison, Condition, Literal, Lookup, Operand, Path, TextLookup};

/// A statement's tables and conditions while they are put together.
pub(crate) struct Query<'c> {
    pub(crate) catalog: &'c Catalog,
    pub(crate) table: usize,
    pub(super) joins: Vec<Join>,
    pub(super) aliases: usize,
    /// Whether columns stand without their table's name, as in the table's own definition.
    pub(super) bare: bool,
    /// The columns of the statement's own rows that were asked for.
    pub(super) used: RefCell<BTreeSet<usize>>,
    /// What `annotate` has named so far.
    pub(super) annotations: Vec<Annotation>,
    /// Whether the statement makes one row of several, so that aggregates are about its own rows.
    pub(super) grouped: bool,
    /// Whether an aggregate is being planned: there is none inside of one.
    pub(super) aggregating: bool,
    /// Whether a condition calls a text function, whose time grows with the texts.
    pub(crate) reads_text: bool,
}

/// Where a path ended, or what an expression is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// `t0."votes"`
    pub(crate) sql: Sql,
    pub(crate) kind: Kind,
    /// The column that it is, if it is one.
    pub(crate) column: Option<(usize, usize)>,
    /// What an error calls it.
    pub(crate) name: String,
    /// Whether it can be NULL, by the field or by a join.
    pub(crate) null: bool,
}

impl Found {
    /// What fits in a comparison with it.
    fn slot(&self) -> Slot {
        Slot { kind: self.kind, column: self.column, purpose: Purpose::Compare }
    }
}

/// A named expression.
pub(super) struct Annotation {
    pub(super) name: String,
    pub(super) found: Found,
    /// Whether it is made of several of the statement's own rows.
    pub(super) aggregate: bool,
}

impl Sub<'_> {
    /// Whether it is about the related rows at the end of `steps`.
    pub(super) fn has(&self, steps: &[String]) -> bool {
        self.roots.iter().any(|root| root.steps == steps)
    }
}

/// The tables of one `EXISTS`, or of one aggregate over related rows.
#[derive(Default)]
pub(super) struct Sub<'p> {
    pub(super) roots: Vec<Root<'p>>,
    pub(super) joins: Vec<SubJoin>,
    /// Whether conditions are about each related row, as in an aggregate's filter: a `not` too.
    each: bool,
}

impl<'c> Query<'c> {
    pub(crate) fn new(catalog: &'c Catalog, table: usize) -> Self {
        Self {
            catalog,
            table,
            joins: Vec::new(),
            aliases: 0,
            bare: false,
            used: RefCell::default(),
            annotations: Vec::new(),
            grouped: false,
            aggregating: false,
            reads_text: false,
        }
    }

    pub(crate) fn has_joins(&self) -> bool {
        !self.joins.is_empty()
    }

    /// `"polls__choice" AS t0 LEFT JOIN …`
    pub(crate) fn tables(&self) -> String {
        let mut sql = format!("{} AS t0", self.catalog.tables[self.table].quoted());
        for join in &self.joins {
            sql.push_str(if join.left { " LEFT JOIN " } else { " JOIN " });
            sql.push_str(&join.sql);
        }
        sql
    }

    /// All entries of `filter`, joined by AND; `None` where there are none.
    pub(crate) fn filter(&mut self, filter: &[Condition]) -> Result<Option<Sql>, DbError> {
        let mut parts = Vec::with_capacity(filter.len());
        for entry in filter {
            parts.push(self.condition(entry, None)?);
        }
        Ok(if parts.is_empty() { None } else { Some(Sql::join(parts, " AND ")) })
    }

    pub(super) fn condition<'p>(
        &mut self,
        condition: &'p Condition,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Sql, DbError> {
        match (condition, sub) {
            (Condition::Not(inner), sub) => {
                // "Isn't true" instead of NOT: what compares with NULL is as untrue as what differs.
                let mut sql = Sql::text("(");
                sql.append(self.condition(inner, sub.filter(|sub| sub.each))?).push(" IS NOT TRUE)");
                Ok(sql)
            }
            (Condition::Or(all), mut sub) => {
                let mut parts = Vec::new();
                for inner in all {
                    parts.push(self.condition(inner, sub.as_deref_mut())?);
                }
                Ok(Sql::join(parts, " OR "))
            }
            (Condition::And(all), Some(sub)) => {
                let mut parts = Vec::new();
                for inner in all {
                    parts.push(self.condition(inner, Some(sub))?);
                }
                Ok(Sql::join(parts, " AND "))
            }
            (Condition::And(all), None) => {
                let mut parts = Vec::new();
                for group in self.groups(all)? {
                    match group.as_slice() {
                        [one] => parts.push(self.condition(one, None)?),
                        several => parts.push(self.exists(several)?),
                    }
                }
                Ok(Sql::join(parts, " AND "))
            }
            (Condition::Lookup { lookup, path, operands }, Some(sub)) if self.many_step(path)?.is_some() => {
                let found = self.find_in(sub, path)?;
                self.lookup(*lookup, &found, operands)
            }
            (Condition::Lookup { lookup, path, operands }, _) => {
                if self.many_step(path)?.is_some() {
                    return self.exists(&[condition]);
                }
                let found = self.find(path)?;
                self.lookup(*lookup, &found, operands)
            }
        }
    }

    /// Parts of an AND that have to be about the same related row stand together.
    fn groups<'p>(&self, all: &'p [Condition]) -> Result<Vec<Vec<&'p Condition>>, DbError> {
        let mut groups: Vec<(Vec<&'p [String]>, Vec<&'p Condition>)> = Vec::new();
        for condition in all {
            let mut roots = Vec::new();
            self.roots(condition, &mut roots)?;
            let mut group = (roots, vec![condition]);
            let mut apart = Vec::new();
            for known in groups {
                if known.0.iter().any(|root| group.0.contains(root)) {
                    group.0.extend(known.0);
                    group.1.splice(0..0, known.1);
                } else {
                    apart.push(known);
                }
            }
            apart.push(group);
            groups = apart;
        }
        Ok(groups.into_iter().map(|(_, conditions)| conditions).collect())
    }

    /// The many-valued relations that `condition` speaks of, those below a `not` excepted.
    fn roots<'p>(&self, condition: &'p Condition, roots: &mut Vec<&'p [String]>) -> Result<(), DbError> {
        match condition {
            Condition::And(all) | Condition::Or(all) => all.iter().try_for_each(|inner| self.roots(inner, roots)),
            Condition::Not(_) => Ok(()),
            Condition::Lookup { path, .. } => {
                if let Some(at) = self.many_step(path)? {
                    let root = &path[..=at];
                    if !roots.contains(&root) {
                        roots.push(root);
                    }
                }
                Ok(())
            }
        }
    }

    /// Whether `path` names an annotation that is made of several of the statement's own rows.
    pub(super) fn is_aggregate(&self, path: &[String]) -> bool {
        self.grouped && self.annotation(path).is_some_and(|annotation| annotation.aggregate)
    }

    /// Whether `condition` asks for such an annotation.
    pub(super) fn names_aggregate(&self, condition: &Condition) -> bool {
        paths(condition).any(|path| self.is_aggregate(path))
    }

    /// Refuses a condition about groups that asks for what differs within one.
    pub(super) fn check_having(&self, condition: &Condition, group: &[Path]) -> Result<(), DbError> {
        match paths(condition).find(|path| !group.contains(path) && !self.is_aggregate(path)) {
            None => Ok(()),
            Some(path) => Err(invalid(format!(
                "a condition on groups and on rows at once; `{}` belongs into a filter of its own",
                path.join(".")
            ))),
        }
    }

    /// The annotation that `path` names.
    pub(super) fn annotation(&self, path: &[String]) -> Option<&Annotation> {
        let [name] = path else { return None };
        self.annotations.iter().find(|annotation| annotation.name == *name)
    }

    fn exists(&mut self, conditions: &[&Condition]) -> Result<Sql, DbError> {
        let mut paths = Vec::new();
        for condition in conditions {
            self.roots(condition, &mut paths)?;
        }
        let mut sub = Sub::default();
        for steps in paths {
            self.enter(&mut sub, steps)?;
        }
        // Where a condition can be true of a row without related rows (`isnull`), that row has to be there to be asked.
        let strict =
            sub.roots.iter().all(|root| conditions.iter().any(|condition| is_false_without(condition, root.steps)));
        let mut parts = Vec::new();
        for condition in conditions {
            parts.push(self.condition(condition, Some(&mut sub))?);
        }
        let condition = Sql::join(parts, " AND ");
        let mut sql = Sql::text("EXISTS (SELECT 1 FROM ");
        let table = |root: &Root<'_>| format!("{} AS u{}", self.catalog.tables[root.table].quoted(), root.alias);
        let ons: Vec<&str> = sub.roots.iter().map(|root| root.on.as_str()).collect();
        if strict {
            // CROSS JOIN keeps the order, and lets the joins below refer to what stands before.
            sql.push(&sub.roots.iter().map(table).collect::<Vec<_>>().join(" CROSS JOIN "));
        } else {
            sql.push("(SELECT 1)");
            for root in &sub.roots {
                sql.push(&format!(" LEFT JOIN {} ON {}", table(root), root.on));
            }
        }
        for join in &sub.joins {
            sql.push(" LEFT JOIN ").push(&join.sql);
        }
        sql.push(" WHERE ");
        if strict {
            sql.push(&ons.join(" AND ")).push(" AND ");
        }
        sql.append(condition).push(")");
        Ok(sql)
    }

    /// `(SELECT value FROM …)` over the related rows at the end of `steps`; `value` makes one value of them.
    pub(super) fn of_related<'p>(
        &mut self,
        steps: &'p [String],
        value: impl FnOnce(&mut Self, &mut Sub<'p>) -> Result<Found, DbError>,
    ) -> Result<Found, DbError> {
        let mut sub = Sub { each: true, ..Sub::default() };
        self.enter(&mut sub, steps)?;
        let found = value(self, &mut sub)?;
        let [root] = sub.roots.as_slice() else { return Err(invalid("an aggregate over several relations")) };
        let mut sql = Sql::text("(SELECT ");
        sql.append(found.sql);
        sql.push(&format!(" FROM {} AS u{}", self.catalog.tables[root.table].quoted(), root.alias));
        for join in &sub.joins {
            sql.push(" LEFT JOIN ").push(&join.sql);
        }
        sql.push(" WHERE ").push(&root.on).push(")");
        Ok(Found { sql, ..found })
    }

    fn lookup(&mut self, lookup: Lookup, found: &Found, operands: &[Operand]) -> Result<Sql, DbError> {
        let (kind, name) = (found.kind, &found.name);
        let refuse = |what: &str| {
            invalid(format!("`{}` compares {what}; `{name}` is of kind {}", lookup.word(), kind.word()))
                .with("field", name)
                .with("kind", kind.word())
        };
        let left = |word: &str| {
            let mut sql = found.sql.clone();
            sql.push(word);
            sql
        };
        let [operand, ..] = operands else { return Err(invalid("a lookup without an operand")) };
        match lookup {
            Lookup::Exact => match operand {
                Operand::Literal(Literal::Null) => Ok(left(" IS NULL")),
                // NULL in a hole means the same as a literal one, so the comparison must know it.
                Operand::Hole(_) | Operand::Ref(..) if found.null => self.compare(left(" IS "), found, operand),
                operand => self.compare(left(" = "), found, operand),
            },
            Lookup::IsNull => match operand {
                Operand::Literal(Literal::Bool(true)) => Ok(left(" IS NULL")),
                Operand::Literal(Literal::Bool(false)) => Ok(left(" IS NOT NULL")),
                Operand::Hole(hole) => {
                    let mut sql = Sql::text("(");
                    sql.append(left(" IS NULL) = ")).append(Sql::bind(Bind::Truth { hole: *hole }));
                    Ok(sql)
                }
                _ => Err(invalid("`isnull` takes true or false")),
            },
            Lookup::In => {
                let Operand::Hole(hole) = operand else { return Err(invalid("`in` takes a hole")) };
                let mut sql = left(&format!(" IN ({MANY})"));
                sql.binds.push(Bind::Many { hole: *hole, slot: found.slot() });
                Ok(sql)
            }
            Lookup::Compare(comparison) => {
                if !kind.is_ordered() {
                    return Err(refuse("what has an order"));
                }
                let word = match comparison {
                    Comparison::Gt => " > ",
                    Comparison::Gte => " >= ",
                    Comparison::Lt => " < ",
                    Comparison::Lte => " <= ",
                };
                self.compare(left(word), found, operand)
            }
            Lookup::Range => {
                if !kind.is_ordered() {
                    return Err(refuse("what has an order"));
                }
                let [low, high] = operands else { return Err(invalid("`range` takes two operands")) };
                let mut sql = left(" BETWEEN ");
                sql.append(self.operand(found, low)?).push(" AND ").append(self.operand(found, high)?);
                Ok(Sql { text: format!("({})", sql.text), ..sql })
            }
            Lookup::Text(text) => {
                if !kind.is_text() {
                    return Err(refuse("texts"));
                }
                self.reads_text = true;
                let function = match text {
                    TextLookup::Iexact => "bandstand_iexact",
                    TextLookup::Contains => "bandstand_contains",
                    TextLookup::Icontains => "bandstand_icontains",
                    TextLookup::Startswith => "bandstand_startswith",
                    TextLookup::Istartswith => "bandstand_istartswith",
                    TextLookup::Endswith => "bandstand_endswith",
                    TextLookup::Iendswith => "bandstand_iendswith",
                };
                let mut sql = Sql::text(format!("{function}("));
                sql.append(left(", ")).append(self.operand(found, operand)?).push(")");
                Ok(sql)
            }
        }
    }

    fn compare(&mut self, mut left: Sql, found: &Found, operand: &Operand) -> Result<Sql, DbError> {
        left.append(self.operand(found, operand)?);
        Ok(left)
    }

    fn operand(&mut self, found: &Found, operand: &Operand) -> Result<Sql, DbError> {
        let slot = found.slot();
        Ok(match operand {
            Operand::Hole(hole) => Sql::bind(Bind::Hole { hole: *hole, slot }),
            Operand::Ref(statement, field) => {
                Sql::bind(Bind::Ref { statement: *statement, field: field.clone(), slot })
            }
            Operand::Literal(literal) => Sql::bind(value_of(self.catalog, slot, literal)?),
            Operand::Field(path) => {
                let other = self.find(path)?;
                if !found.kind.compares_with(other.kind) {
                    return Err(invalid(format!(
                        "`{}` is of kind {} and `{}` of kind {}: they can't be compared",
                        found.name,
                        found.kind.word(),
                        other.name,
                        other.kind.word()
                    )));
                }
                other.sql
            }
        })
    }
}

/// All paths of a condition, those of fields that it compares with among them.
fn paths(condition: &Condition) -> Box<dyn Iterator<Item = &Path> + '_> {
    match condition {
        Condition::And(all) | Condition::Or(all) => Box::new(all.iter().flat_map(paths)),
        Condition::Not(inner) => paths(inner),
        Condition::Lookup { path, operands, .. } => {
            let fields = operands.iter().filter_map(|operand| match operand {
                Operand::Field(path) => Some(path),
                _ => None,
            });
            Box::new(std::iter::once(path).chain(fields))
        }
    }
}

/// Whether `condition` can't be true of a row for which the relation `root` leads nowhere.
fn is_false_without(condition: &Condition, root: &[String]) -> bool {
    match condition {
        Condition::And(all) => all.iter().any(|inner| is_false_without(inner, root)),
        Condition::Or(all) => all.iter().all(|inner| is_false_without(inner, root)),
        Condition::Not(_) => false,
        Condition::Lookup { lookup, path, operands } => {
            path.starts_with(root)
                && match lookup {
                    Lookup::IsNull => operands == &[Operand::Literal(Literal::Bool(false))],
                    // A hole can turn out to be NULL, which means `isnull`.
                    Lookup::Exact => {
                        matches!(operands.as_slice(), [Operand::Literal(literal)] if *literal != Literal::Null)
                            || matches!(operands.as_slice(), [Operand::Field(_)])
                    }
                    _ => true,
                }
        }
    }
}
