//! Dates and times. They are kept as numbers: days, and microseconds since 1970-01-01 UTC or since midnight. Zones are those of
//! the IANA database that is part of the program.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use rusqlite::Result;
use rusqlite::functions::Context;
use rusqlite::types::{FromSqlError, Value};

use super::{Registry, or_null, text, whole};

/// Microseconds of an hour, a minute and a second.
const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;
const SECOND: i64 = 1_000_000;

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    registry.add("date_part", 2, |context| {
        or_null(text(context, 0).zip(day(context, 1)).and_then(|(part, date)| of_date(part, date)))
    })?;
    registry.add("time_part", 2, |context| {
        let time = whole(context, 1).filter(|micros| (0..24 * HOUR).contains(micros));
        or_null(text(context, 0).zip(time).and_then(|(part, micros)| of_time(part, micros)))
    })?;
    registry.add("datetime_part", 3, |context| {
        let (Some(part), Some(at)) = (text(context, 0), zoned(context, 1, 2)?) else { return Ok(Value::Null) };
        or_null(of_date(part, at.date()).or_else(|| of_time(part, micros_of(at.time()))))
    })?;
    registry.add("date_trunc", 2, |context| {
        or_null(text(context, 0).zip(day(context, 1)).and_then(|(unit, date)| begin(unit, date)).and_then(days_of))
    })?;
    registry.add("datetime_trunc", 3, |context| {
        let (Some(unit), Some(at)) = (text(context, 0), zoned(context, 1, 2)?) else { return Ok(Value::Null) };
        or_null(truncated(unit, &at))
    })?;
    registry.add("datetime_date", 2, |context| or_null(zoned(context, 0, 1)?.and_then(|at| days_of(at.date()))))?;
    registry.add("datetime_time", 2, |context| or_null(zoned(context, 0, 1)?.map(|at| micros_of(at.time()))))
}

/// The date that so many days are.
pub(super) fn date_of(days: i64) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()
}

pub(super) fn days_of(date: Date) -> Option<i64> {
    date.since(Date::constant(1970, 1, 1)).ok().map(|span| i64::from(span.get_days()))
}

pub(super) fn time_of(micros: i64) -> Option<Time> {
    if !(0..24 * HOUR).contains(&micros) {
        return None;
    }
    Time::midnight().checked_add(Span::new().try_microseconds(micros).ok()?).ok()
}

fn micros_of(time: Time) -> i64 {
    let (hour, minute, second) = (i64::from(time.hour()), i64::from(time.minute()), i64::from(time.second()));
    hour * HOUR + minute * MINUTE + second * SECOND + i64::from(time.subsec_nanosecond()) / 1_000
}

fn day(context: &Context<'_>, at: usize) -> Option<Date> {
    whole(context, at).and_then(date_of)
}

/// A datetime by the clock of a zone.
fn zoned(context: &Context<'_>, at: usize, zone: usize) -> Result<Option<Zoned>> {
    let moment = whole(context, at).and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let Some(moment) = moment.filter(|_| text(context, zone).is_some()) else { return Ok(None) };
    // It was checked when the query was planned; kept for the statement's run where it is constant.
    let index = i32::try_from(zone).unwrap_or(0);
    let zone = context.get_or_create_aux(index, |value| -> std::result::Result<Option<TimeZone>, FromSqlError> {
        Ok(TimeZone::get(value.as_str()?).ok())
    })?;
    Ok((*zone).clone().map(|zone| moment.to_zoned(zone)))
}

fn of_date(part: &str, date: Date) -> Option<i64> {
    Some(match part {
        "year" => date.year().into(),
        "month" => date.month().into(),
        "day" => date.day().into(),
        "quarter" => (i64::from(date.month()) + 2) / 3,
        "week" => date.iso_week_date().week().into(),
        "iso_year" => date.iso_week_date().year().into(),
        "week_day" => date.weekday().to_sunday_one_offset().into(),
        "iso_week_day" => date.weekday().to_monday_one_offset().into(),
        _ => return None,
    })
}

fn of_time(part: &str, micros: i64) -> Option<i64> {
    Some(match part {
        "hour" => micros / HOUR,
        "minute" => micros % HOUR / MINUTE,
        "second" => micros % MINUTE / SECOND,
        "microsecond" => micros % SECOND,
        _ => return None,
    })
}

/// The first day of the unit that a date lies in.
fn begin(unit: &str, date: Date) -> Option<Date> {
    match unit {
        "year" => Some(date.first_of_year()),
        "quarter" => Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).ok(),
        "month" => Some(date.first_of_month()),
        "week" => {
            let since = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(Span::new().try_days(since).ok()?).ok()
        }
        "day" => Some(date),
        _ => None,
    }
}

fn truncated(unit: &str, at: &Zoned) -> Option<i64> {
    let micros = at.timestamp().as_microsecond();
    let time = micros_of(at.time());
    match unit {
        // By the clock, so that an hour that comes twice stays the one that it is.
        "hour" => Some(micros - time % HOUR),
        "minute" => Some(micros - time % MINUTE),
        "second" => Some(micros - time % SECOND),
        unit => {
            let begin = DateTime::from_parts(begin(unit, at.date())?, Time::midnight());
            let begin = begin.to_zoned(at.time_zone().clone()).ok()?;
            Some(begin.timestamp().as_microsecond())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, check};
    use rusqlite::types::Value;

    #[test]
    fn dates_have_parts_and_beginnings() {
        // 2024-12-30, a Monday of ISO week 1 of 2025.
        check(&[
            ("bandstand_date_part('year', 20087)", "2024"),
            ("bandstand_date_part('month', 20087)", "12"),
            ("bandstand_date_part('day', 20087)", "30"),
            ("bandstand_date_part('quarter', 20087)", "4"),
            ("bandstand_date_part('week', 20087)", "1"),
            ("bandstand_date_part('iso_year', 20087)", "2025"),
            ("bandstand_date_part('week_day', 20087)", "2"),
            ("bandstand_date_part('iso_week_day', 20087)", "1"),
            ("bandstand_date_part('hour', 20087)", "NULL"),
            ("bandstand_date_part('year', 99999999999)", "NULL"),
            ("bandstand_date_trunc('week', 20089)", "20087"),
            ("bandstand_date_trunc('quarter', 20087)", "19997"),
            ("bandstand_date_trunc('year', 0)", "0"),
            ("bandstand_date_trunc('week', 0)", "-3"),
            ("bandstand_time_part('second', 86399999999)", "59"),
            ("bandstand_time_part('microsecond', 86399999999)", "999999"),
            ("bandstand_time_part('hour', -1)", "NULL"),
        ]);
    }

    #[test]
    fn the_clock_is_that_of_the_zone() {
        // 2024-10-27T00:30:00Z and an hour later: half past two twice in Berlin.
        let (first, second) = (1_729_989_000_000_000_i64, 1_729_992_600_000_000_i64);
        let hour = 3_600_000_000_i64;
        for (at, begin) in [(first, first - hour / 2), (second, second - hour / 2)] {
            assert_eq!(ask(&format!("bandstand_datetime_part('hour', {at}, 'Europe/Berlin')")), Value::Integer(2));
            assert_eq!(ask(&format!("bandstand_datetime_trunc('hour', {at}, 'Europe/Berlin')")), Value::Integer(begin));
            // The day began at 22:00Z on the day before.
            let day = ask(&format!("bandstand_datetime_trunc('day', {at}, 'Europe/Berlin')"));
            assert_eq!(day, Value::Integer(first - 2 * hour - hour / 2));
        }
        check(&[
            ("bandstand_datetime_date(-1, 'UTC')", "-1"),
            ("bandstand_datetime_time(-1, 'UTC')", "86399999999"),
            ("bandstand_datetime_part('year', -1, 'Asia/Tokyo')", "1970"),
            ("bandstand_datetime_part('year', 0, 'Nowhere/Land')", "NULL"),
            ("bandstand_datetime_part('year', 9223372036854775807, 'UTC')", "NULL"),
            ("bandstand_datetime_trunc('year', 3, 'UTC')", "0"),
        ]);
    }
}
