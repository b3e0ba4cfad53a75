//! Values of one kind as another: what can't be read as the other kind is NULL, nowhere an error.

use super::Dialect;
use super::arithmetic::power_of_ten;
use crate::kind::Kind;
use crate::plan::Found;
use crate::plan::sql::Sql;

/// What PostgreSQL and MariaDB read as a number: digits with a sign, a point, an exponent that a float can have. The
/// store's functions take the same. No `?`, which marks a value.
const FLOAT: &str = "[+-]{0,1}([0-9]{1,40}([.][0-9]{0,40}){0,1}\
                     |[0-9]{1,17}([.][0-9]{0,17}){0,1}[eE][+-]{0,1}([0-9]{1,2}|1[0-9][0-9]|2[0-8][0-9]))";
const WHOLE: &str = "[+-]{0,1}[0-9]{1,30}";
const EXACT: &str = "[+-]{0,1}[0-9]{1,28}([.][0-9]{0,28}){0,1}";
const UUID: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
const DATE: &str = "([1-9][0-9][0-9][0-9]|0[0-9][0-9][1-9]|0[0-9][1-9][0-9]|0[1-9][0-9][0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";

impl Dialect {
    /// `CASE WHEN {0} looks like this THEN then END`
    fn reads(self, pattern: &str, then: &str) -> String {
        match self {
            // `$` would match before a line's end, and `\` may or may not be an escape in a literal.
            Dialect::Mariadb => {
                format!("CASE WHEN {{0}} REGEXP concat('^({pattern})', char(92 USING utf8mb4), 'z') THEN {then} END")
            }
            _ => format!("CASE WHEN {{0}} ~ '^({pattern})$' THEN {then} END"),
        }
    }

    /// `found` as `to`; `None` where no value of its kind can be one. The truth value says whether it can be NULL where
    /// `found` isn't.
    pub(crate) fn cast(self, found: &Found, to: Kind) -> Option<(Sql, bool)> {
        let sql = found.sql.clone();
        let fill = |template: &str| Sql::fill(template, std::slice::from_ref(&sql));
        Some(match to {
            Kind::Text => (self.as_text(found)?, false),
            Kind::Char(most) => {
                let text = self.as_text(found)?;
                let template = match self {
                    Dialect::Sqlite => format!("bandstand_left({{0}}, {most})"),
                    _ => format!("left({{0}}, {most})"),
                };
                (Sql::fill(&template, &[text]), false)
            }
            Kind::Float => match found.kind {
                kind if kind.is_text() => (
                    match self {
                        Dialect::Sqlite => fill("bandstand_text_float({0})"),
                        Dialect::Postgres => fill(&self.reads(FLOAT, "({0})::float8")),
                        Dialect::Mariadb => fill(&self.reads(FLOAT, "CAST({0} AS double)")),
                    },
                    true,
                ),
                kind if kind.is_number() => (self.float(found), false),
                _ => return None,
            },
            Kind::Decimal { digits, places } => (self.as_decimal(found, digits, places)?, true),
            Kind::Boolean => match found.kind {
                Kind::Boolean => (sql, false),
                kind if kind.is_whole() => (fill("({0} <> 0)"), false),
                kind if kind.is_text() => {
                    let lower = if self == Dialect::Sqlite { "bandstand_lower" } else { "lower" };
                    let template = format!(
                        "(CASE WHEN {lower}({{0}}) IN ('true', '1') THEN TRUE WHEN {lower}({{0}}) IN ('false', '0') THEN FALSE END)"
                    );
                    (fill(&template), true)
                }
                _ => return None,
            },
            Kind::Date => match found.kind {
                Kind::Date => (sql, false),
                Kind::DateTime => (self.date_part(crate::shape::DatePart::Date, found, None), false),
                kind if kind.is_text() => (self.text_to_date(sql), true),
                _ => return None,
            },
            Kind::Time => match found.kind {
                Kind::Time => (sql, false),
                Kind::DateTime => (self.date_part(crate::shape::DatePart::Time, found, None), false),
                _ => return None,
            },
            Kind::DateTime => match (found.kind, self) {
                (Kind::DateTime, _) => (sql, false),
                (Kind::Date, Dialect::Sqlite) => (fill("({0} * 86400000000)"), false),
                (Kind::Date, Dialect::Postgres) => (fill("(({0})::timestamp AT TIME ZONE 'UTC')"), false),
                (Kind::Date, Dialect::Mariadb) => (fill("CAST({0} AS datetime(6))"), false),
                _ => return None,
            },
            Kind::Duration if found.kind.is_whole() => (self.whole(found), false),
            Kind::Uuid if found.kind.is_text() => {
                let sql = match self {
                    Dialect::Sqlite => fill("bandstand_text_uuid({0})"),
                    Dialect::Postgres => fill(&self.reads(UUID, "({0})::uuid")),
                    Dialect::Mariadb => fill(&self.reads(UUID, "unhex(replace({0}, '-', ''))")),
                };
                (sql, true)
            }
            to if to.is_whole() => self.as_whole(found)?,
            to if to == found.kind => (sql, false),
            _ => return None,
        })
    }

    fn as_whole(self, found: &Found) -> Option<(Sql, bool)> {
        let sql = found.sql.clone();
        let fill = |template: &str| Sql::fill(template, std::slice::from_ref(&sql));
        // What is a float by nature is compared with floats: the largest whole number isn't one.
        const RANGE: &str = "{0} >= -9223372036854775808 AND {0} < 9223372036854775808";
        Some(match (found.kind, self) {
            (Kind::Boolean, Dialect::Postgres) => (fill("({0})::int::bigint"), false),
            (Kind::Boolean, _) | (Kind::Duration, _) => (sql, false),
            (Kind::Float, Dialect::Sqlite) => (fill("bandstand_float_whole({0})"), true),
            (Kind::Float | Kind::Decimal { .. }, Dialect::Postgres) => {
                (fill(&format!("CASE WHEN {RANGE} THEN trunc({{0}})::bigint END")), true)
            }
            (Kind::Float | Kind::Decimal { .. }, Dialect::Mariadb) => {
                (fill(&format!("CASE WHEN {RANGE} THEN CAST(truncate({{0}}, 0) AS signed) END")), true)
            }
            (Kind::Decimal { places, .. }, Dialect::Sqlite) => {
                (fill(&format!("({{0}} / {})", power_of_ten(places.min(18)))), false)
            }
            (kind, _) if kind.is_whole() => (self.whole(found), false),
            (kind, _) if !kind.is_text() => return None,
            (_, Dialect::Sqlite) => (fill("bandstand_text_whole({0})"), true),
            (_, Dialect::Postgres) => {
                let then = "CASE WHEN ({0})::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN ({0})::bigint END";
                (fill(&self.reads(WHOLE, then)), true)
            }
            (_, Dialect::Mariadb) => {
                let then = "CASE WHEN CAST({0} AS decimal(31)) BETWEEN -9223372036854775808 AND 9223372036854775807 \
                            THEN CAST({0} AS signed) END";
                (fill(&self.reads(WHOLE, then)), true)
            }
        })
    }

    fn as_decimal(self, found: &Found, digits: u8, to: u8) -> Option<Sql> {
        let text = found.kind.is_text();
        if !(text || found.kind.is_number()) {
            return None;
        }
        let sql = found.sql.clone();
        if self == Dialect::Sqlite {
            let from = found.kind.places().unwrap_or(0);
            return Some(Sql::fill(&format!("bandstand_to_decimal({{0}}, {from}, {digits}, {to})"), &[sql]));
        }
        // Less than what would be rounded up to one digit too many.
        let most = format!("{}.{}5", nines(digits - to), "9".repeat(to.into()));
        let (number, result) = match (self, text) {
            (Dialect::Postgres, _) => ("({0})::numeric", format!("round(({{0}})::numeric, {to})")),
            (_, true) => (
                "CAST({0} AS decimal(56, 28))",
                format!("CAST(CAST({{0}} AS decimal(56, 28)) AS decimal({digits}, {to}))"),
            ),
            (_, false) => ("{0}", format!("CAST({{0}} AS decimal({digits}, {to}))")),
        };
        let template = format!("CASE WHEN abs({number}) < {most} THEN {result} END");
        let template = if text { self.reads(EXACT, &template) } else { template };
        Some(Sql::fill(&template, &[sql]))
    }

    fn as_text(self, found: &Found) -> Option<Sql> {
        let template = match (found.kind, self) {
            (kind, _) if kind.is_text() => "{0}".to_owned(),
            (Kind::Boolean, _) => "(CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END)".to_owned(),
            (Kind::Float, Dialect::Sqlite) => "bandstand_float_text({0})".to_owned(),
            (Kind::Decimal { places, .. }, Dialect::Sqlite) => format!("bandstand_decimal_text({{0}}, {places})"),
            (Kind::Decimal { places, .. }, Dialect::Postgres) => format!("round({{0}}, {places})::text"),
            (Kind::Decimal { places, .. }, Dialect::Mariadb) => {
                format!("CAST(CAST({{0}} AS decimal(56, {places})) AS char)")
            }
            (Kind::Date, Dialect::Sqlite) => "bandstand_date_text({0})".to_owned(),
            (Kind::Date, Dialect::Postgres) => "to_char({0}, 'YYYY-MM-DD')".to_owned(),
            (Kind::Date, Dialect::Mariadb) => "date_format({0}, '%Y-%m-%d')".to_owned(),
            (Kind::Time, Dialect::Sqlite) => "bandstand_time_text({0})".to_owned(),
            (Kind::Time, Dialect::Postgres) => "to_char({0}, 'HH24:MI:SS.US')".to_owned(),
            (Kind::Time, Dialect::Mariadb) => "time_format({0}, '%H:%i:%s.%f')".to_owned(),
            (Kind::DateTime, Dialect::Sqlite) => "bandstand_datetime_text({0})".to_owned(),
            (Kind::DateTime, Dialect::Postgres) => {
                "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')".to_owned()
            }
            (Kind::DateTime, Dialect::Mariadb) => "date_format({0}, '%Y-%m-%dT%H:%i:%s.%fZ')".to_owned(),
            (Kind::Uuid, Dialect::Sqlite) => "bandstand_uuid_text({0})".to_owned(),
            (Kind::Uuid, Dialect::Mariadb) => {
                "lower(insert(insert(insert(insert(hex({0}), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'))"
                    .to_owned()
            }
            (Kind::Json, Dialect::Sqlite) => "{0}".to_owned(),
            (Kind::Json, Dialect::Mariadb) => "({0} COLLATE utf8mb4_nopad_bin)".to_owned(),
            (Kind::Json | Kind::Uuid | Kind::Float, Dialect::Postgres) => "({0})::text".to_owned(),
            (Kind::Float, Dialect::Mariadb) => "CAST({0} AS char)".to_owned(),
            (kind, _) if !kind.is_whole() => return None,
            (_, Dialect::Sqlite) => "CAST({0} AS TEXT)".to_owned(),
            (_, Dialect::Postgres) => "({0})::text".to_owned(),
            (_, Dialect::Mariadb) => "CAST({0} AS char)".to_owned(),
        };
        Some(Sql::fill(&template, std::slice::from_ref(&found.sql)))
    }

    /// A day that no month has is none.
    fn text_to_date(self, sql: Sql) -> Sql {
        let template = match self {
            Dialect::Sqlite => "bandstand_text_date({0})".to_owned(),
            Dialect::Postgres => self.reads(
                DATE,
                "CASE WHEN right({0}, 2)::int <= extract(day from ((left({0}, 7) || '-01')::date + interval '1 month - 1 day')) \
                 THEN ({0})::date END",
            ),
            Dialect::Mariadb => self.reads(
                DATE,
                "CASE WHEN right({0}, 2) <= dayofmonth(last_day(concat(left({0}, 7), '-01'))) THEN CAST({0} AS date) END",
            ),
        };
        Sql::fill(&template, &[sql])
    }
}

fn nines(count: u8) -> String {
    if count == 0 { "0".into() } else { "9".repeat(count.into()) }
}
