//! Dates and times: [`jiff`]'s types under the names that models use, and the clock.

/// A moment, to the nanosecond in memory and to the microsecond in the database. Written as RFC 3339 in UTC, which is what
/// templates get.
pub type DateTime = jiff::Timestamp;
/// A day in the calendar.
pub type Date = jiff::civil::Date;
/// A time of day.
pub type Time = jiff::civil::Time;
/// A length of time, positive or negative.
pub type Duration = jiff::SignedDuration;

/// The moment in which the host answers. A test can set it.
pub fn now() -> DateTime {
    // The host's clock is far inside of what a timestamp holds (years -9999 to 9999).
    DateTime::from_microsecond(crate::bindings::bandstand::app::environment::now()).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The day of [`now`], in UTC. In a zone: `now().in_tz("Europe/Berlin")`, where the app has jiff with time zones.
pub fn today() -> Date {
    Date::present()
}

/// Kinds of field that can be set to the present moment by themselves, in UTC.
#[doc(hidden)]
pub trait Present {
    fn present() -> Self;
}

impl Present for DateTime {
    fn present() -> Self {
        now()
    }
}

impl Present for Date {
    fn present() -> Self {
        now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }
}

impl Present for Time {
    fn present() -> Self {
        now().to_zoned(jiff::tz::TimeZone::UTC).time()
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

/// Days since 1970-01-01.
pub(crate) fn days(date: Date) -> i64 {
    date.duration_since(EPOCH).as_secs() / 86_400
}

pub(crate) fn from_days(days: i64) -> Option<Date> {
    let seconds = days.checked_mul(86_400)?;
    EPOCH.checked_add(Duration::from_secs(seconds)).ok()
}

/// Microseconds since midnight.
pub(crate) fn micros_of_day(time: Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1_000
}

/// `micros` must be below a day.
pub(crate) fn from_micros_of_day(micros: i64) -> Option<Time> {
    let part = |value: i64| i8::try_from(value).ok();
    let seconds = micros / 1_000_000;
    let nanos = i32::try_from(micros % 1_000_000).ok()? * 1_000;
    Time::new(part(seconds / 3_600)?, part(seconds / 60 % 60)?, part(seconds % 60)?, nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_days_from_1970_in_both_directions() {
        for (date, count) in [
            (EPOCH, 0),
            (Date::constant(1970, 1, 2), 1),
            (Date::constant(1969, 12, 31), -1),
            (Date::constant(2024, 2, 29), 19_782),
        ] {
            assert_eq!(days(date), count);
            assert_eq!(from_days(count), Some(date));
        }
        assert_eq!(from_days(i64::MAX), None);
        assert_eq!(from_days(10_000_000), None);
    }

    #[test]
    fn times_count_microseconds_from_midnight() {
        for (time, count) in [(Time::midnight(), 0), (Time::constant(23, 59, 59, 999_999_000), 86_399_999_999)] {
            assert_eq!(micros_of_day(time), count);
            assert_eq!(from_micros_of_day(count), Some(time));
        }
    }
}
