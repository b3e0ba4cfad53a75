//! Arithmetic, and numbers of one kind as another.
//!
//! Whole numbers stay whole (the remainder of a division is dropped, toward zero), dividing by zero is NULL, and what
//! doesn't fit into 64 bits is an error. SQLite would go on with a float there, so each result is looked at by a function of the
//! store's own. It keeps decimals as whole numbers without their point, so they are brought to one number of places before
//! they meet.

use super::Dialect;
use crate::kind::Kind;
use crate::plan::Found;
use crate::plan::sql::Sql;
use crate::shape::Arithmetic;

impl Dialect {
    /// A number as a float.
    pub(crate) fn float(self, found: &Found) -> Sql {
        let template = match (self, found.kind) {
            (_, Kind::Float) => return found.sql.clone(),
            (Dialect::Sqlite, Kind::Decimal { places, .. }) => {
                return Sql::fill(
                    &format!("(CAST({{0}} AS REAL) / {}.0)", power_of_ten(places)),
                    std::slice::from_ref(&found.sql),
                );
            }
            (Dialect::Sqlite, _) => "CAST({0} AS REAL)",
            (Dialect::Postgres, _) => "({0})::float8",
            (Dialect::Mariadb, _) => "({0} + 0e0)",
        };
        Sql::fill(template, std::slice::from_ref(&found.sql))
    }

    /// A number as one of another kind that holds all of its values.
    pub(crate) fn widen(self, found: &Found, kind: Kind) -> Sql {
        match (found.kind.places(), kind.places()) {
            _ if kind == Kind::Float => self.float(found),
            (from, Some(to)) if self == Dialect::Sqlite => {
                let up = to.saturating_sub(from.unwrap_or(0));
                if up == 0 {
                    return found.sql.clone();
                }
                let sql = found.bare.as_ref().unwrap_or(&found.sql).clone();
                Sql::fill(&format!("bandstand_whole({{0}} * {})", power_of_ten(up)), &[sql])
            }
            _ if self == Dialect::Postgres && kind == Kind::BigInteger => self.whole(found),
            _ => found.sql.clone(),
        }
    }

    /// A whole number with 64 bits to reckon in.
    pub(crate) fn whole(self, found: &Found) -> Sql {
        let narrow = found.kind.range().is_some() && found.column.is_some();
        if self == Dialect::Postgres && narrow {
            return Sql::fill("({0})::bigint", std::slice::from_ref(&found.sql));
        }
        found.sql.clone()
    }

    /// A number with as many places as `kind` has, for a comparison: past 64 bits SQLite makes a float of it, which is
    /// compared with whole numbers as what it is.
    fn scaled(self, found: &Found, kind: Kind) -> Sql {
        match (found.kind.places().unwrap_or(0), kind.places()) {
            (from, Some(to)) if to > from && found.kind != Kind::Float => {
                Sql::fill(&format!("({{0}} * {})", power_of_ten(to - from)), std::slice::from_ref(&found.sql))
            }
            _ => self.widen(found, kind),
        }
    }

    /// `left` and `right` as they are compared: numbers of different kinds meet in one that holds both.
    pub(crate) fn meet(self, left: &Found, right: &Found) -> (Sql, Sql) {
        let exact = |found: &Found| found.kind.places().is_some();
        if self == Dialect::Sqlite
            && (exact(left) || exact(right))
            && let Some(kind) = left.kind.common(right.kind)
        {
            return (self.scaled(left, kind), self.scaled(right, kind));
        }
        (left.sql.clone(), right.sql.clone())
    }

    /// A calculation on numbers: floats, decimals, or whole ones, of which the result is of kind `kind`. The second is the
    /// same without the look at its size, for a calculation that goes on.
    pub(crate) fn reckon(self, arithmetic: Arithmetic, left: &Found, right: &Found, kind: Kind) -> (Sql, Option<Sql>) {
        let divides = matches!(arithmetic, Arithmetic::Div | Arithmetic::Mod);
        let decimal = |found: &Found| found.kind.places().is_some();
        if kind == Kind::Float {
            let (left, right) = match (decimal(left) || decimal(right), arithmetic) {
                (true, _) | (_, Arithmetic::Div) => (self.float(left), self.float(right)),
                _ => (left.sql.clone(), right.sql.clone()),
            };
            let template = match arithmetic {
                Arithmetic::Add => "({0} + {1})",
                Arithmetic::Sub => "({0} - {1})",
                Arithmetic::Mul => "({0} * {1})",
                Arithmetic::Div | Arithmetic::Mod => "({0} / nullif({1}, 0))",
            };
            return (Sql::fill(template, &[left, right]), None);
        }
        let sign = match (arithmetic, self) {
            (Arithmetic::Add, _) => "+",
            (Arithmetic::Sub, _) => "-",
            (Arithmetic::Mul, _) => "*",
            (Arithmetic::Div, Dialect::Mariadb) => "DIV",
            (Arithmetic::Div, _) => "/",
            (Arithmetic::Mod, _) => "%",
        };
        let bare = |found: &Found| match self {
            // Overflows turn into floats and stay so through all but a remainder, so one look at the end is enough.
            Dialect::Sqlite if arithmetic != Arithmetic::Mod => found.bare.clone().unwrap_or_else(|| found.sql.clone()),
            _ => self.whole(found),
        };
        let (left, right) = match (decimal(left) || decimal(right), arithmetic) {
            // The places of a product are those of both.
            (true, Arithmetic::Mul) | (false, _) => (bare(left), bare(right)),
            (true, _) => (self.widen(left, kind), self.widen(right, kind)),
        };
        let template = match divides {
            true => format!("({{0}} {sign} nullif({{1}}, 0))"),
            false => format!("({{0}} {sign} {{1}})"),
        };
        let sql = Sql::fill(&template, &[left, right]);
        match self {
            // The least number by -1 is the one division that overflows.
            Dialect::Sqlite if arithmetic != Arithmetic::Mod => {
                (Sql::fill("bandstand_whole({0})", std::slice::from_ref(&sql)), Some(sql))
            }
            _ => (sql, None),
        }
    }

    /// A date or a datetime with a difference, or two of them.
    pub(crate) fn reckon_time(self, arithmetic: Arithmetic, left: &Found, right: &Found) -> Sql {
        let subtracts = arithmetic == Arithmetic::Sub;
        let sign = if subtracts { "-" } else { "+" };
        let arguments = [left.sql.clone(), right.sql.clone()];
        let template = match (self, left.kind, right.kind) {
            (Dialect::Sqlite, _, _) => {
                return Sql::fill(&format!("bandstand_whole({{0}} {sign} {{1}})"), &arguments);
            }
            (Dialect::Postgres, Kind::DateTime, Kind::DateTime) => {
                "(extract(epoch from ({0} - {1})) * 1000000)::bigint".to_owned()
            }
            (Dialect::Postgres, Kind::DateTime, _) => format!(
                "({{0}} {sign} (({{1}}) / 1000000 * interval '1 second' + ({{1}}) % 1000000 * interval '1 microsecond'))"
            ),
            (Dialect::Postgres, _, Kind::Date) => "({0} - {1})::bigint".to_owned(),
            (Dialect::Postgres, _, _) => format!("({{0}} {sign} ({{1}})::int)"),
            (Dialect::Mariadb, Kind::DateTime, Kind::DateTime) => "timestampdiff(microsecond, {1}, {0})".to_owned(),
            (Dialect::Mariadb, Kind::DateTime, _) => format!("({{0}} {sign} INTERVAL {{1}} MICROSECOND)"),
            (Dialect::Mariadb, _, Kind::Date) => "datediff({0}, {1})".to_owned(),
            (Dialect::Mariadb, _, _) => format!("({{0}} {sign} INTERVAL {{1}} DAY)"),
        };
        Sql::fill(&template, &arguments)
    }

    /// Rounded to so many places after the point, half away from zero.
    pub(crate) fn round(self, found: &Found, to: i32) -> Sql {
        let sql = found.sql.clone();
        match found.kind {
            Kind::Float => {
                if self == Dialect::Sqlite {
                    return Sql::fill(&format!("bandstand_round({{0}}, {to})"), &[sql]);
                }
                let (multiply, divide) = if to < 0 { ("/", "*") } else { ("*", "/") };
                let power = format!("{}e0", power_of_ten(u8::try_from(to.unsigned_abs()).unwrap_or(0)));
                let power = if self == Dialect::Postgres { format!("{power}::float8") } else { power };
                // Beyond 15 digits there is nothing left to round.
                Sql::fill(
                    &format!(
                        "(CASE WHEN abs({{0}}) {multiply} {power} < 1e15 THEN \
                         sign({{0}}) * floor(abs({{0}}) {multiply} {power} + 0.5) {divide} {power} ELSE {{0}} END)"
                    ),
                    &[sql],
                )
            }
            Kind::Decimal { places, .. } => {
                let down = i32::from(places) - to;
                match (self, u8::try_from(down)) {
                    (_, Err(_) | Ok(0)) => sql,
                    (Dialect::Sqlite, Ok(down)) => {
                        // The result has fewer places, but none before the point.
                        let back = u8::try_from(-to).unwrap_or(0);
                        Sql::fill(&format!("(bandstand_round_whole({{0}}, {down}) * {})", power_of_ten(back)), &[sql])
                    }
                    (_, Ok(_)) => Sql::fill(&format!("round({{0}}, {to})"), &[sql]),
                }
            }
            _ => match (self, u8::try_from(-to)) {
                (_, Err(_) | Ok(0)) => sql,
                (Dialect::Sqlite, Ok(down)) => Sql::fill(
                    &format!("bandstand_whole(bandstand_round_whole({{0}}, {down}) * {})", power_of_ten(down)),
                    &[sql],
                ),
                (Dialect::Postgres, Ok(_)) => Sql::fill(&format!("round(({{0}})::numeric, {to})::bigint"), &[sql]),
                (Dialect::Mariadb, Ok(_)) => Sql::fill(&format!("round({{0}}, {to})"), &[sql]),
            },
        }
    }
}

/// 10 to the power of `places`, which is at most 28.
pub(crate) fn power_of_ten(places: u8) -> String {
    format!("1{}", "0".repeat(places.into()))
}
