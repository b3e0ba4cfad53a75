//! Days and microseconds as databases write them. Years are those of the proleptic Gregorian calendar, as in SQL.

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// The first day that every database can hold: 0001-01-01.
pub const FIRST_DAY: i64 = -719_162;

/// The last day that every database can hold: 9999-12-31.
pub const LAST_DAY: i64 = 2_932_896;

/// Year, month and day of a day counted from 1970-01-01, after Howard Hinnant's "chrono-compatible low-level date
/// algorithms" (`civil_from_days`). For days from [`FIRST_DAY`] to [`LAST_DAY`].
pub fn civil(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |number: i64| u8::try_from(number).unwrap_or_default();
    (year, small(month), small(day))
}

/// The inverse of [`civil`] (`days_from_civil`).
pub fn days(year: i64, month: u8, day: u8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// `2026-01-31`
pub fn date_text(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `23:59:59.000001`
pub fn time_text(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-01-31 23:59:59.000001`, in UTC.
pub fn datetime_text(micros: i64) -> String {
    format!("{} {}", date_text(micros.div_euclid(DAY)), time_text(micros.rem_euclid(DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for (day, date) in
            [(0, (1970, 1, 1)), (FIRST_DAY, (1, 1, 1)), (LAST_DAY, (9999, 12, 31)), (11_016, (2000, 2, 29))]
        {
            assert_eq!(civil(day), date);
            assert_eq!(days(date.0, date.1, date.2), day);
        }
        for day in (FIRST_DAY..=LAST_DAY).step_by(37) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(datetime_text(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(datetime_text(FIRST_DAY * DAY), "0001-01-01 00:00:00.000000");
    }
}
