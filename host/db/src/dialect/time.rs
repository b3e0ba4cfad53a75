//! Dates and times: their parts, their beginnings, and time zones.

use super::Dialect;
use crate::kind::Kind;
use crate::plan::Found;
use crate::plan::sql::Sql;
use crate::shape::{DatePart, Part, Unit, Zone};

impl Dialect {
    /// A zone as a value. UTC is written out, so that it is no value of its own.
    fn zone(self, zone: Option<&Zone>) -> Sql {
        match zone.filter(|zone| !zone.is_utc()) {
            None => Sql::text("'UTC'"),
            Some(Zone(name)) => self.constant(name.clone()),
        }
    }

    /// A datetime as the clock of a zone shows it; other kinds as they are.
    fn local(self, found: &Found, zone: Option<&Zone>) -> Sql {
        let sql = found.sql.clone();
        match (self, found.kind) {
            (Dialect::Postgres, Kind::DateTime) => Sql::fill("({0} AT TIME ZONE {1})", &[sql, self.zone(zone)]),
            (Dialect::Mariadb, Kind::DateTime) if zone.is_some_and(|zone| !zone.is_utc()) => {
                Sql::fill("convert_tz({0}, '+00:00', {1})", &[sql, self.zone(zone)])
            }
            _ => sql,
        }
    }

    /// A part, as a whole number.
    pub(crate) fn extract(self, part: Part, found: &Found, zone: Option<&Zone>) -> Sql {
        let local = self.local(found, zone);
        if self == Dialect::Sqlite {
            let word = part.word();
            return match found.kind {
                Kind::Date => Sql::fill(&format!("bandstand_date_part('{word}', {{0}})"), &[local]),
                Kind::Time => Sql::fill(&format!("bandstand_time_part('{word}', {{0}})"), &[local]),
                _ => Sql::fill(&format!("bandstand_datetime_part('{word}', {{0}}, {{1}})"), &[local, self.zone(zone)]),
            };
        }
        let postgres = self == Dialect::Postgres;
        let template = match part {
            Part::WeekDay if postgres => "(extract(dow from {0})::bigint + 1)",
            Part::WeekDay => "dayofweek({0})",
            Part::IsoWeekDay if postgres => "extract(isodow from {0})::bigint",
            Part::IsoWeekDay => "(weekday({0}) + 1)",
            // A date that another program left may be infinite, and so is its year.
            Part::Year if postgres => "nullif(nullif(extract(year from {0}), 'infinity'), '-infinity')::bigint",
            Part::IsoYear if postgres => "nullif(nullif(extract(isoyear from {0}), 'infinity'), '-infinity')::bigint",
            Part::IsoYear => "(yearweek({0}, 3) DIV 100)",
            Part::Second if postgres => "floor(extract(second from {0}))::bigint",
            Part::Microsecond if postgres => "(extract(microseconds from {0})::bigint % 1000000)",
            Part::Week if !postgres => "week({0}, 3)",
            Part::Day if !postgres => "dayofmonth({0})",
            part => {
                let word = part.word();
                let template = match postgres {
                    true => format!("extract({word} from {{0}})::bigint"),
                    false => format!("{word}({{0}})"),
                };
                return Sql::fill(&template, &[local]);
            }
        };
        Sql::fill(template, &[local])
    }

    /// The beginning of the unit that a date or a datetime lies in, of the same kind.
    pub(crate) fn trunc(self, unit: Unit, found: &Found, zone: Option<&Zone>) -> Sql {
        let (word, sql) = (unit.word(), found.sql.clone());
        let is_date = found.kind == Kind::Date;
        match self {
            Dialect::Sqlite if is_date => Sql::fill(&format!("bandstand_date_trunc('{word}', {{0}})"), &[sql]),
            Dialect::Sqlite => {
                Sql::fill(&format!("bandstand_datetime_trunc('{word}', {{0}}, {{1}})"), &[sql, self.zone(zone)])
            }
            Dialect::Postgres if is_date => {
                Sql::fill(&format!("date_trunc('{word}', ({{0}})::timestamp)::date"), &[sql])
            }
            Dialect::Postgres => Sql::fill(&format!("date_trunc('{word}', {{0}}, {{1}})"), &[sql, self.zone(zone)]),
            Dialect::Mariadb if is_date => self.mariadb_date(unit, sql),
            Dialect::Mariadb => {
                let local = self.local(found, zone);
                let since = match unit {
                    Unit::Hour => "minute({1}) * 60000000 + second({1}) * 1000000 + microsecond({1})",
                    Unit::Minute => "second({1}) * 1000000 + microsecond({1})",
                    Unit::Second => "microsecond({1})",
                    _ => {
                        let day = Sql::fill("CAST({0} AS date)", &[local]);
                        let begin = Sql::fill("CAST({0} AS datetime(6))", &[self.mariadb_date(unit, day)]);
                        return match zone.filter(|zone| !zone.is_utc()) {
                            None => begin,
                            zone => Sql::fill("convert_tz({0}, {1}, '+00:00')", &[begin, self.zone(zone)]),
                        };
                    }
                };
                Sql::fill(&format!("({{0}} - INTERVAL ({since}) MICROSECOND)"), &[sql, local])
            }
        }
    }

    fn mariadb_date(self, unit: Unit, date: Sql) -> Sql {
        let template = match unit {
            Unit::Year => "makedate(year({0}), 1)",
            Unit::Quarter => "(makedate(year({0}), 1) + INTERVAL (quarter({0}) * 3 - 3) MONTH)",
            Unit::Month => "({0} - INTERVAL (dayofmonth({0}) - 1) DAY)",
            Unit::Week => "({0} - INTERVAL weekday({0}) DAY)",
            _ => "{0}",
        };
        Sql::fill(template, &[date])
    }

    /// The date or the time of day of a datetime, by the clock of a zone.
    pub(crate) fn date_part(self, part: DatePart, found: &Found, zone: Option<&Zone>) -> Sql {
        let local = self.local(found, zone);
        match (self, part) {
            (Dialect::Sqlite, part) => {
                Sql::fill(&format!("bandstand_datetime_{}({{0}}, {{1}})", part.word()), &[local, self.zone(zone)])
            }
            (Dialect::Postgres, part) => Sql::fill(&format!("{{0}}::{}", part.word()), &[local]),
            (Dialect::Mariadb, DatePart::Date) => Sql::fill("CAST({0} AS date)", &[local]),
            (Dialect::Mariadb, DatePart::Time) => Sql::fill("CAST({0} AS time(6))", &[local]),
        }
    }
}
