//! Dates and times as text, with the letters of Django's `date` filter.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::TimeZone};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// The longest format and the longest text, in bytes.
const MAX_FORMAT: usize = 200;

/// A point in time, in UTC, or a day without a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    pub(crate) civil: DateTime,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl Moment {
    /// From microseconds since 1970.
    pub(crate) fn from_micros(micros: i64) -> Result<Self, Error> {
        let stamp = Timestamp::from_microsecond(micros)
            .map_err(|_| invalid(format!("{micros} is no time between the years -9999 and 9999")))?;
        Ok(Self { civil: TimeZone::UTC.to_datetime(stamp) })
    }

    /// From what a context holds: microseconds since 1970, or text as RFC 3339 has it, also a date alone.
    pub(crate) fn from_value(value: &Value) -> Result<Self, Error> {
        if value.kind() == ValueKind::Number {
            let micros =
                i64::try_from(value.clone()).map_err(|_| invalid("a time is a whole number of microseconds"))?;
            return Self::from_micros(micros);
        }
        let Some(text) = value.as_str().filter(|text| text.len() <= 64) else {
            return Err(invalid(format!(
                "a time is a number of microseconds since 1970 or a text such as 2026-03-01T12:00:00Z, not a {}",
                value.kind()
            )));
        };
        if let Ok(stamp) = text.parse::<Timestamp>() {
            return Ok(Self { civil: TimeZone::UTC.to_datetime(stamp) });
        }
        if let Ok(civil) = text.parse::<DateTime>() {
            return Ok(Self { civil });
        }
        if let Ok(date) = text.parse::<Date>() {
            return Ok(Self { civil: date.at(0, 0, 0, 0) });
        }
        Err(invalid(format!("{:?} is no date or time; write it like 2026-03-01T12:00:00Z", shown(text))))
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        TimeZone::UTC.to_timestamp(self.civil).map(Timestamp::as_second).unwrap_or_default()
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The Associated Press's abbreviations.
const MONTHS_AP: [&str; 12] =
    ["Jan.", "Feb.", "March", "April", "May", "June", "July", "Aug.", "Sept.", "Oct.", "Nov.", "Dec."];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Formats with Django's letters; a backslash takes the next character as it is. Names are English.
pub(crate) fn format(moment: Moment, format: &str) -> Result<String, Error> {
    if format.len() > MAX_FORMAT {
        return Err(invalid(format!("a date format has at most {MAX_FORMAT} bytes")));
    }
    let mut out = String::with_capacity(format.len() * 2);
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next()),
            letter => push(&mut out, moment, letter),
        }
    }
    Ok(out)
}

fn push(out: &mut String, moment: Moment, letter: char) {
    use std::fmt::Write as _;
    let at = moment.civil;
    let month = usize::from(at.month().unsigned_abs().saturating_sub(1)).min(11);
    let weekday = usize::from(at.weekday().to_monday_zero_offset().unsigned_abs()).min(6);
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    // Writing to a string can't fail.
    let _ = match letter {
        'a' => write!(out, "{}", if hour < 12 { "a.m." } else { "p.m." }),
        'A' => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
        'b' => write!(out, "{}", MONTHS[month][..3].to_lowercase()),
        'c' => write!(out, "{at}"),
        'd' => write!(out, "{:02}", at.day()),
        'D' => write!(out, "{}", &DAYS[weekday][..3]),
        'e' | 'T' => write!(out, "UTC"),
        'E' | 'F' => write!(out, "{}", MONTHS[month]),
        'f' if minute == 0 => write!(out, "{hour12}"),
        'f' => write!(out, "{hour12}:{minute:02}"),
        'g' => write!(out, "{hour12}"),
        'G' => write!(out, "{hour}"),
        'h' => write!(out, "{hour12:02}"),
        'H' => write!(out, "{hour:02}"),
        'i' => write!(out, "{minute:02}"),
        'I' => write!(out, "0"),
        'j' => write!(out, "{}", at.day()),
        'l' => write!(out, "{}", DAYS[weekday]),
        'L' => write!(out, "{}", if at.in_leap_year() { "True" } else { "False" }),
        'm' => write!(out, "{:02}", at.month()),
        'M' => write!(out, "{}", &MONTHS[month][..3]),
        'n' => write!(out, "{}", at.month()),
        'N' => write!(out, "{}", MONTHS_AP[month]),
        'o' => write!(out, "{}", at.iso_week_date().year()),
        'O' => write!(out, "+0000"),
        'P' => match (hour, minute) {
            (0, 0) => write!(out, "midnight"),
            (12, 0) => write!(out, "noon"),
            (_, 0) => write!(out, "{hour12} {}", if hour < 12 { "a.m." } else { "p.m." }),
            _ => write!(out, "{hour12}:{minute:02} {}", if hour < 12 { "a.m." } else { "p.m." }),
        },
        'r' => write!(
            out,
            "{}, {:02} {} {:04} {hour:02}:{minute:02}:{second:02} +0000",
            &DAYS[weekday][..3],
            at.day(),
            &MONTHS[month][..3],
            at.year()
        ),
        's' => write!(out, "{second:02}"),
        'S' => write!(out, "{}", ordinal_suffix(at.day().into())),
        't' => write!(out, "{}", at.days_in_month()),
        'u' => write!(out, "{:06}", at.subsec_nanosecond() / 1_000),
        'U' => write!(out, "{}", moment.seconds()),
        'w' => write!(out, "{}", (weekday + 1) % 7),
        'W' => write!(out, "{}", at.iso_week_date().week()),
        'y' => write!(out, "{:02}", at.year().rem_euclid(100)),
        'Y' => write!(out, "{:04}", at.year()),
        'z' => write!(out, "{}", at.day_of_year()),
        'Z' => write!(out, "0"),
        other => write!(out, "{other}"),
    };
}

/// `st`, `nd`, `rd` or `th`.
pub(crate) fn ordinal_suffix(number: i64) -> &'static str {
    match (number.rem_euclid(100), number.rem_euclid(10)) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// The time between two moments in its two largest adjacent units, such as `4 days, 6 hours`, as Django's `timesince`
/// says it. Zero or backwards is `0 minutes`.
pub(crate) fn between(from: Moment, to: Moment) -> String {
    if to.civil <= from.civil {
        return "0 minutes".into();
    }
    // Calendar months first, as people count; what remains is a plain duration.
    let mut months =
        i64::from(to.civil.year() - from.civil.year()) * 12 + i64::from(to.civil.month() - from.civil.month());
    let shifted = |months: i64| {
        let span = jiff::Span::new().try_years(months / 12).ok()?.try_months(months % 12).ok()?;
        from.civil.checked_add(span).ok()
    };
    if shifted(months).is_none_or(|pivot| pivot > to.civil) {
        months -= 1;
    }
    let pivot = shifted(months).unwrap_or(from.civil);
    let rest = (Moment { civil: to.civil }.seconds() - Moment { civil: pivot }.seconds()).max(0);
    let parts = [
        (months / 12, "year"),
        (months % 12, "month"),
        (rest / 604_800, "week"),
        (rest % 604_800 / 86_400, "day"),
        (rest % 86_400 / 3_600, "hour"),
        (rest % 3_600 / 60, "minute"),
    ];
    let named = |(count, unit): (i64, &str)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else { return "0 minutes".into() };
    match parts.get(first + 1).filter(|(count, _)| *count > 0) {
        Some(second) => format!("{}, {}", named(parts[first]), named(*second)),
        None => named(parts[first]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::from_value(&Value::from(text)).expect(text)
    }

    #[test]
    fn letters_mean_what_they_mean_in_django() {
        let moment = at("2008-01-02T10:30:00.000123Z");
        for (format_string, expected) in [
            ("N j, Y", "Jan. 2, 2008"),
            ("P", "10:30 a.m."),
            ("jS \\o\\f F", "2nd of January"),
            ("D d M Y H:i:s", "Wed 02 Jan 2008 10:30:00"),
            ("y n b l w z t L", "08 1 jan Wednesday 3 2 31 True"),
            ("r", "Wed, 02 Jan 2008 10:30:00 +0000"),
            ("c", "2008-01-02T10:30:00.000123"),
            ("u U", "000123 1199269800"),
            ("o W", "2008 1"),
            ("f g G h a A", "10:30 10 10 10 a.m. AM"),
            ("", ""),
            ("\\", ""),
        ] {
            assert_eq!(format(moment, format_string).expect("short"), expected, "{format_string}");
        }
        for (time, expected) in [("00:00", "midnight"), ("12:00", "noon"), ("13:00", "1 p.m."), ("00:05", "12:05 a.m.")]
        {
            assert_eq!(format(at(&format!("2020-05-03T{time}:00Z")), "P").expect("short"), expected);
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_advice() {
        for bad in [
            Value::from("yesterday"),
            Value::from(""),
            Value::from("x".repeat(100_000)),
            Value::from(i64::MAX),
            Value::from(i64::MIN),
            Value::from(1.5),
            Value::from(true),
            Value::from(()),
            Value::UNDEFINED,
            Value::from(vec![1]),
            Value::from("2026-13-01"),
            Value::from(u64::MAX),
            Value::from(f64::NAN),
        ] {
            let error = Moment::from_value(&bad).expect_err("no time").to_string();
            assert!(error.len() < 300, "{error}");
        }
        assert!(format(at("2020-05-03"), &"Y".repeat(201)).is_err());
    }

    #[test]
    fn time_between_names_two_adjacent_units() {
        for (from, to, expected) in [
            ("2020-01-01T00:00:00Z", "2020-01-05T06:00:00Z", "4 days, 6 hours"),
            ("2020-01-31T00:00:00Z", "2020-02-29T00:00:00Z", "1 month"),
            ("2020-01-31T00:00:00Z", "2020-03-31T00:00:00Z", "2 months"),
            ("2019-02-28T00:00:00Z", "2020-02-29T00:00:00Z", "1 year"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:59Z", "0 minutes"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:01:00Z", "1 minute"),
            ("2020-01-02T00:00:00Z", "2020-01-01T00:00:00Z", "0 minutes"),
            ("-009999-01-03T00:00:00Z", "9999-12-30T00:00:00Z", "19998 years, 11 months"),
        ] {
            assert_eq!(between(at(from), at(to)), expected, "{from} to {to}");
        }
    }
}
