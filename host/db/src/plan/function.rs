//! Functions: what they take, and what comes out.

use std::sync::atomic::Ordering;

use super::building::{Building, Found, Sub};
use super::invalid;
use crate::dialect::Dialect;
use crate::dialect::functions::{Function, Give, Take};
use crate::error::{DbError, code};
use crate::kind::{Kind, SQLITE_DIGITS};
use crate::plan::sql::Sql;
use crate::shape::{DatePart, Expr, JsonResult, JsonStep, Part, Unit, Zone};

impl Building<'_> {
    pub(super) fn call<'p>(
        &mut self,
        function: &'static Function,
        arguments: &'p [Expr],
        mut sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let dialect = self.dialect();
        let (mut parts, mut null, mut first) = (Vec::with_capacity(arguments.len()), function.null, None);
        for (expr, take) in arguments.iter().zip(function.takes) {
            let want = match take {
                Take::Text => Kind::Text,
                Take::Whole => Kind::BigInteger,
                Take::Float | Take::Number => Kind::Float,
            };
            let found = self.expression(expr, Some(want), sub.as_deref_mut())?;
            let kind = found.kind;
            let (fits, what) = match take {
                Take::Text => (kind.is_text(), "text"),
                Take::Whole => (kind.is_whole(), "a whole number"),
                Take::Float => (kind.is_number(), "a number"),
                Take::Number => (kind.is_number() || kind == Kind::Duration, "a number"),
            };
            if !fits {
                return Err(takes(function.word, what, &found));
            }
            null |= found.null;
            parts.push(match take {
                Take::Text => found.sql.clone(),
                Take::Whole | Take::Number if kind.is_whole() => dialect.whole(&found),
                Take::Float => dialect.float(&found),
                _ => found.sql.clone(),
            });
            first.get_or_insert(kind);
        }
        // Texts can be long, and no count of steps sees into a function.
        self.reads_text |= function.reads_text();
        let kind = match function.gives {
            Give::Text => Kind::Text,
            Give::Whole => Kind::BigInteger,
            Give::Float => Kind::Float,
            Give::Uuid => Kind::Uuid,
            Give::DateTime => Kind::DateTime,
            Give::Like => match first.unwrap_or(Kind::Float) {
                kind if kind.is_whole() => Kind::BigInteger,
                kind => kind,
            },
        };
        let sql = Sql::fill(function.template(dialect, arguments.len()), &parts);
        Ok(Found::made(function.word, sql.closed(), kind, null))
    }

    pub(super) fn concat<'p>(&mut self, several: &'p [Expr], mut sub: Option<&mut Sub<'p>>) -> Result<Found, DbError> {
        let mut parts = Vec::with_capacity(several.len());
        for expr in several {
            let found = self.expression(expr, Some(Kind::Text), sub.as_deref_mut())?;
            if !found.kind.is_text() {
                return Err(takes("concat", "texts (cast others)", &found));
            }
            parts.push((found.sql, found.null));
        }
        self.reads_text = true;
        Ok(Found::made("concat", self.dialect().concat(parts), Kind::Text, false))
    }

    pub(super) fn round<'p>(&mut self, of: &'p Expr, to: i32, sub: Option<&mut Sub<'p>>) -> Result<Found, DbError> {
        let found = self.expression(of, Some(Kind::Float), sub)?;
        let kind = match found.kind {
            Kind::Float => Kind::Float,
            Kind::Decimal { digits, places } => {
                let places = places.min(u8::try_from(to.max(0)).unwrap_or(u8::MAX));
                Kind::Decimal { digits, places }
            }
            kind if kind.is_whole() => Kind::BigInteger,
            _ => return Err(takes("round", "a number", &found)),
        };
        Ok(Found::made("round", self.dialect().round(&found, to), kind, found.null))
    }

    pub(super) fn cast<'p>(&mut self, of: &'p Expr, to: Kind, sub: Option<&mut Sub<'p>>) -> Result<Found, DbError> {
        let found = self.expression(of, Some(to), sub)?;
        let dialect = self.dialect();
        if let Kind::Decimal { digits, .. } = to
            && dialect == Dialect::Sqlite
            && digits > SQLITE_DIGITS
        {
            let problem =
                format!("SQLite keeps decimals of at most {SQLITE_DIGITS} digits; cast to fewer, or to a float");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("limit", SQLITE_DIGITS));
        }
        self.reads_text |= found.kind.is_text() || found.kind == Kind::Json;
        let (sql, may_fail) = dialect.cast(&found, to).ok_or_else(|| {
            let problem = format!("`{}` of kind {} can't be cast to {}", found.name, found.kind.word(), to.word());
            invalid(problem).with("kind", found.kind.word())
        })?;
        let kind = if to.is_whole() { Kind::BigInteger } else { to };
        Ok(Found::made("cast", sql.closed(), kind, found.null || may_fail))
    }

    /// A date, a time or a datetime, and the zone by whose clock it is looked at.
    fn moment<'p>(
        &mut self,
        word: &str,
        of: &'p Expr,
        zone: Option<&Zone>,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let found = self.expression(of, Some(Kind::DateTime), sub)?;
        match (found.kind, zone) {
            (Kind::DateTime, Some(zone))
                if self.dialect() == Dialect::Mariadb
                    && !zone.is_utc()
                    && !self.catalog.named_zones.load(Ordering::Relaxed) =>
            {
                Err(DbError::new(code::UNSUPPORTED, crate::tables::NO_ZONES))
            }
            (Kind::DateTime, _) => Ok(found),
            (Kind::Date | Kind::Time, None) => Ok(found),
            (Kind::Date | Kind::Time, Some(_)) => {
                let problem =
                    format!("`{}` is of kind {}, which is the same in every zone", found.name, found.kind.word());
                Err(invalid(problem).with("kind", found.kind.word()))
            }
            _ => Err(takes(word, "a date, a time or a datetime", &found)),
        }
    }

    pub(super) fn extract<'p>(
        &mut self,
        part: Part,
        of: &'p Expr,
        zone: Option<&Zone>,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let found = self.moment("extract", of, zone, sub)?;
        let has = match found.kind {
            Kind::Date => !part.is_of_time(),
            Kind::Time => part.is_of_time(),
            _ => true,
        };
        if !has {
            let problem = format!("`{}` is of kind {}, which has no {}", found.name, found.kind.word(), part.word());
            return Err(invalid(problem).with("kind", found.kind.word()));
        }
        Ok(Found::made(part.word(), self.dialect().extract(part, &found, zone), Kind::BigInteger, found.null))
    }

    pub(super) fn trunc<'p>(
        &mut self,
        unit: Unit,
        of: &'p Expr,
        zone: Option<&Zone>,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let found = self.moment("trunc", of, zone, sub)?;
        if found.kind == Kind::Time || (found.kind == Kind::Date && unit.is_of_time()) {
            let problem =
                format!("`{}` of kind {} has no beginning of its {}", found.name, found.kind.word(), unit.word());
            return Err(invalid(problem).with("kind", found.kind.word()));
        }
        Ok(Found::made("trunc", self.dialect().trunc(unit, &found, zone), found.kind, found.null))
    }

    pub(super) fn date_part<'p>(
        &mut self,
        part: DatePart,
        of: &'p Expr,
        zone: Option<&Zone>,
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let found = self.moment(part.word(), of, zone, sub)?;
        let kind = match part {
            DatePart::Date => Kind::Date,
            DatePart::Time => Kind::Time,
        };
        if found.kind == kind {
            return Ok(found);
        }
        if found.kind != Kind::DateTime {
            return Err(takes(part.word(), "a datetime", &found));
        }
        Ok(Found::made(part.word(), self.dialect().date_part(part, &found, zone), kind, found.null))
    }

    pub(super) fn json<'p>(
        &mut self,
        result: JsonResult,
        of: &'p Expr,
        steps: &[JsonStep],
        sub: Option<&mut Sub<'p>>,
    ) -> Result<Found, DbError> {
        let found = self.expression(of, Some(Kind::Json), sub)?;
        if found.kind != Kind::Json {
            return Err(takes(result.word(), "a JSON document", &found));
        }
        self.reads_text = true;
        let kind = match result {
            JsonResult::Json => Kind::Json,
            JsonResult::Text => Kind::Text,
            JsonResult::Length => Kind::BigInteger,
        };
        let sql = self.dialect().json(result, found.sql, steps).closed();
        Ok(Found::made(result.word(), sql, kind, true))
    }
}

fn takes(word: &str, what: &str, found: &Found) -> DbError {
    invalid(format!("`{word}` takes {what}; `{}` is of kind {}", found.name, found.kind.word()))
        .with("field", &found.name)
        .with("kind", found.kind.word())
}
