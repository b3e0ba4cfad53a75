//! Lookups: one thing compared with another.

use super::building::{Building, Found, Sub};
use super::sql::{Bind, MANY, MANY_MORE, Purpose, Slot, Sql};
use super::{check, invalid};
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::shape::{Comparison, Condition, Expr, JsonLookup, List, Literal, Lookup, Operand};
use crate::types::Value;

impl Building<'_> {
    /// A condition about one row: the statement's own, or the related ones that `sub` is about.
    pub(super) fn comparison<'p>(
        &mut self,
        condition: &'p Condition,
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Sql, DbError> {
        match condition {
            Condition::Lookup { lookup, target, operands } => {
                let found = self.target(target, operands, sub.as_deref_mut())?;
                self.lookup(*lookup, &found, operands, sub)
            }
            Condition::In { target, list } => {
                let found = self.expression(target, None, sub)?;
                self.listed(&found, list)
            }
            Condition::True(expr) => {
                let found = self.expression(expr, Some(Kind::Boolean), sub)?;
                if found.kind != Kind::Boolean {
                    let problem = format!("`true` takes a boolean; `{}` is of kind {}", found.name, found.kind.word());
                    return Err(invalid(problem).with("kind", found.kind.word()));
                }
                Ok(found.sql)
            }
            _ => Err(DbError::new(code::INTERNAL, "a condition that compares nothing")),
        }
    }

    /// What is asked about. A value by itself has the kind of what it is compared with.
    fn target<'p>(
        &mut self,
        target: &'p Expr,
        operands: &'p [Expr],
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let want = match operands {
            [operand, ..] if super::expression::is_open(target) && !super::expression::is_open(operand) => {
                Some(self.expression(operand, None, sub.as_deref_mut())?.kind)
            }
            _ => None,
        };
        self.expression(target, want, sub)
    }

    fn lookup<'p>(
        &mut self,
        lookup: Lookup,
        found: &Found,
        operands: &'p [Expr],
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Sql, DbError> {
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
        let dialect = self.dialect();
        let [operand, ..] = operands else { return Err(invalid("a lookup without an operand")) };
        match lookup {
            Lookup::Exact => match operand {
                Expr::Operand(Operand::Literal(Literal::Null)) => Ok(left(" IS NULL")),
                // NULL in a hole means the same as a literal one, so the comparison must know it.
                Expr::Operand(Operand::Hole(..) | Operand::Ref(..)) if found.null => {
                    let (left, right) = self.both(found, operand, sub)?;
                    Ok(dialect.same(left, right, kind))
                }
                operand => {
                    let (left, right) = self.both(found, operand, sub)?;
                    Ok(dialect.equal(left, right, kind))
                }
            },
            Lookup::IsNull => match operand {
                Expr::Operand(Operand::Literal(Literal::Bool(true))) => Ok(left(" IS NULL")),
                Expr::Operand(Operand::Literal(Literal::Bool(false))) => Ok(left(" IS NOT NULL")),
                Expr::Operand(Operand::Hole(hole, _)) => {
                    let wanted = dialect.bound(Kind::Boolean, Bind::Truth { hole: *hole });
                    Ok(Sql::fill("({0} IS NULL) = {1}", &[found.sql.clone(), wanted]))
                }
                _ => Err(invalid("`isnull` takes true or false")),
            },
            Lookup::Compare(comparison) => {
                if !kind.is_ordered() {
                    return Err(refuse("what has an order"));
                }
                let template = match comparison {
                    Comparison::Gt => "{0} > {1}",
                    Comparison::Gte => "{0} >= {1}",
                    Comparison::Lt => "{0} < {1}",
                    Comparison::Lte => "{0} <= {1}",
                };
                let (left, right) = self.both(found, operand, sub)?;
                Ok(Sql::fill(template, &[left, right]))
            }
            Lookup::Range => {
                if !kind.is_ordered() {
                    return Err(refuse("what has an order"));
                }
                let [low, high] = operands else { return Err(invalid("`range` takes two operands")) };
                let (left, low) = self.both(found, low, sub.as_deref_mut())?;
                let (again, high) = self.both(found, high, sub)?;
                if left == again {
                    return Ok(Sql::fill("({0} BETWEEN {1} AND {2})", &[left, low, high]));
                }
                Ok(Sql::fill("({0} >= {1} AND {2} <= {3})", &[left, low, again, high]))
            }
            Lookup::Text(text) => {
                if !kind.is_text() {
                    return Err(refuse("texts"));
                }
                self.reads_text = true;
                let (left, right) = self.both(found, operand, sub)?;
                Ok(dialect.text_lookup(text, left, right))
            }
            Lookup::Regex { ignore_case } => {
                if !kind.is_text() {
                    return Err(refuse("texts"));
                }
                self.reads_text = true;
                let pattern = self.bound(operand, Kind::Text, Purpose::Pattern)?;
                Ok(dialect.regex(found.sql.clone(), pattern, ignore_case))
            }
            Lookup::Json(json) => {
                if kind != Kind::Json {
                    return Err(refuse("documents"));
                }
                self.reads_text = true;
                let operand = match json {
                    JsonLookup::Contains => self.bound(operand, Kind::Json, Purpose::Compare)?,
                    JsonLookup::HasKey => self.bound(operand, Kind::Text, Purpose::Key)?,
                    JsonLookup::HasKeys | JsonLookup::HasAnyKeys => match operand {
                        Expr::Operand(Operand::Hole(hole, _)) => {
                            let slot = Slot { kind: Kind::Text, column: None, purpose: Purpose::Key };
                            Sql { text: MANY.to_string(), binds: vec![Bind::Many { hole: *hole, slot }] }
                        }
                        _ => return Err(invalid("the names of members come in a hole")),
                    },
                };
                Ok(dialect.json_lookup(json, found.sql.clone(), operand))
            }
        }
    }

    /// A value by itself: a hole or a literal.
    fn bound(&self, operand: &Expr, kind: Kind, purpose: Purpose) -> Result<Sql, DbError> {
        let slot = Slot { kind, column: None, purpose };
        let bind = match operand {
            Expr::Operand(Operand::Hole(hole, _)) => Bind::Hole { hole: *hole, slot },
            Expr::Operand(Operand::Literal(Literal::Text(text))) => {
                let value = Value::Text(text.clone());
                check(self.catalog, slot, &value)?;
                Bind::Const { value, slot }
            }
            _ => return Err(invalid("a value stands here: a string or a hole")),
        };
        Ok(self.dialect().bound(kind, bind))
    }

    /// `found` and what it is compared with, as they meet.
    fn both<'p>(&mut self, found: &Found, operand: &'p Expr, sub: Option<&mut Sub<'p>>) -> Result<(Sql, Sql), DbError> {
        let bind = match operand {
            // They are checked against the field itself, and errors name it.
            Expr::Operand(Operand::Hole(hole, None)) => Some(Bind::Hole { hole: *hole, slot: found.slot() }),
            Expr::Operand(Operand::Ref(statement, field)) => {
                Some(Bind::Ref { statement: *statement, field: field.clone(), slot: found.slot() })
            }
            Expr::Operand(Operand::Literal(literal)) if !matches!(literal, Literal::Null) => {
                // A number with a point can be compared with a decimal, but is none.
                match (literal, found.kind) {
                    (Literal::Float(_), kind) if kind.places().is_some() => None,
                    _ => Some(super::value_of(self.catalog, found.slot(), literal)?),
                }
            }
            _ => None,
        };
        if let Some(bind) = bind {
            return Ok((found.sql.clone(), self.dialect().bound(found.kind, bind)));
        }
        let other = self.expression(operand, Some(found.kind), sub)?;
        if !found.kind.compares_with(other.kind) {
            return Err(invalid(format!(
                "`{}` is of kind {} and `{}` of kind {}: they can't be compared",
                found.name,
                found.kind.word(),
                other.name,
                other.kind.word()
            )));
        }
        Ok(self.dialect().meet(found, &other))
    }

    fn listed(&mut self, found: &Found, list: &List) -> Result<Sql, DbError> {
        if found.kind == Kind::Row {
            return Err(invalid(format!("`{}` has a key of several fields, which no list holds", found.name)));
        }
        let mut sql = found.sql.clone();
        match list {
            List::Hole(hole) => {
                return Ok(among(self.dialect(), sql, Bind::Many { hole: *hole, slot: found.slot() }));
            }
            List::Select(nested) => {
                let (keys, kind, name) = self.keys_of(nested)?;
                check_same(found, kind, &name)?;
                sql.push(" IN (").append(keys).push(")");
            }
            List::With(name) => {
                let (keys, kind) = self.named_keys(name)?;
                check_same(found, kind, name)?;
                sql.push(" IN (SELECT k FROM ").push(&keys).push(")");
            }
        }
        Ok(sql)
    }
}

/// Whether something is one of the values of a list, which `bind` is.
pub(super) fn among(dialect: Dialect, mut sql: Sql, bind: Bind) -> Sql {
    // Other databases want something in a list; NULL equals nothing.
    let text = match dialect {
        Dialect::Sqlite => format!(" IN ({MANY})"),
        _ => format!(" IN (NULL{MANY_MORE})"),
    };
    sql.push(&text).binds.push(bind);
    sql
}

/// Whether the cells of a shape can be what is sought.
fn check_same(found: &Found, kind: Kind, name: &str) -> Result<(), DbError> {
    if found.kind.compares_with(kind) && found.kind.places() == kind.places() {
        return Ok(());
    }
    let problem = format!(
        "`{}` is of kind {} and `{}` of kind {}: one can't be among the other",
        found.name,
        found.kind.word(),
        crate::shape::shown(name),
        kind.word()
    );
    Err(invalid(problem).with("kind", kind.word()))
}
