//! Values of one kind as another. What can't be read as the other kind is NULL.

use std::sync::LazyLock;

use regex::Regex;
use rusqlite::Result;
use rusqlite::types::{Value, ValueRef};
use uuid::Uuid;

use super::math::divide;
use super::time::{date_of, days_of, time_of};
use super::{Made, Registry, float, or_null, text, whole};

/// What is read as a number; the other databases are asked for the same.
#[allow(clippy::unwrap_used)] // The tests of this module run it.
static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^([+-]?([0-9]{1,40}([.][0-9]{0,40})?|[0-9]{1,17}([.][0-9]{0,17})?[eE][+-]?([0-9]{1,2}|1[0-9][0-9]|2[0-8][0-9])))$",
    )
    .unwrap()
});

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    registry.add("float_text", 1, |context| or_null(float(context, 0).map(float_text)))?;
    registry.add("decimal_text", 2, |context| {
        let places = whole(context, 1).and_then(|places| usize::try_from(places).ok());
        or_null(whole(context, 0).zip(places).map(|(units, places)| decimal_text(units, places)))
    })?;
    registry
        .add("date_text", 1, |context| or_null(whole(context, 0).and_then(date_of).map(|date| date.to_string())))?;
    registry.add("time_text", 1, |context| {
        let time = whole(context, 0).and_then(time_of);
        or_null(time.map(|time| time.strftime("%H:%M:%S%.6f").to_string()))
    })?;
    registry.add("datetime_text", 1, |context| {
        let at = whole(context, 0).and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        or_null(at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()))
    })?;
    registry.add("uuid_text", 1, |context| match context.get_raw(0) {
        ValueRef::Blob(bytes) => or_null(Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string())),
        _ => Ok(Value::Null),
    })?;
    registry.add("text_uuid", 1, |context| {
        let uuid = text(context, 0).filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
        or_null(uuid.map(|uuid| uuid.as_bytes().to_vec()))
    })?;
    registry.add("float_whole", 1, |context| {
        // Both ends are floats; the upper one is the first past 64 bits.
        let inside = |number: &f64| (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(number);
        #[allow(clippy::cast_possible_truncation)]
        or_null(float(context, 0).filter(inside).map(|number| number.trunc() as i64))
    })?;
    registry.add("text_whole", 1, |context| {
        let digits = |text: &&str| {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            (1..=30).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        or_null(text(context, 0).filter(digits).and_then(|text| text.parse::<i64>().ok()))
    })?;
    registry.add("text_float", 1, |context| {
        let number = text(context, 0).filter(|text| FLOAT.is_match(text)).and_then(|text| text.parse::<f64>().ok());
        or_null(number.filter(|number| number.is_finite()))
    })?;
    registry.add("text_date", 1, |context| {
        let plain = |text: &&str| {
            text.len() == 10
                && text
                    .bytes()
                    .enumerate()
                    .all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() })
        };
        let date = text(context, 0).filter(plain).filter(|text| !text.starts_with("0000"));
        or_null(date.and_then(|text| text.parse().ok()).and_then(days_of))
    })?;
    registry.add("to_decimal", 4, to_decimal)?;
    registry.add_volatile("uuid4", 0, |_| Ok(Uuid::new_v4().as_bytes().to_vec().into()))?;
    registry.add_volatile("uuid7", 0, |_| Ok(Uuid::now_v7().as_bytes().to_vec().into()))
}

/// As PostgreSQL writes it: the fewest digits that are read as the same number, with an exponent from 10^15 on and below
/// 10^-4.
fn float_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..15).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => format!("{number}"),
    }
}

fn decimal_text(units: i64, places: usize) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A whole number without its point, a float or a text, as a whole number without its point: rounded half away from zero, NULL
/// where it has more digits than it may.
fn to_decimal(context: &rusqlite::functions::Context<'_>) -> Made {
    let (Some(from), Some(digits), Some(places)) = (whole(context, 1), whole(context, 2), whole(context, 3)) else {
        return Ok(Value::Null);
    };
    let units = match context.get_raw(0) {
        ValueRef::Integer(number) => shifted(number.into(), places - from),
        ValueRef::Real(number) => {
            let scientific = format!("{number:e}");
            scientific.split_once('e').and_then(|(mantissa, exponent)| {
                let after = mantissa.split_once('.').map_or(0, |(_, after)| after.len());
                let mantissa: i128 = mantissa.replace('.', "").parse().ok()?;
                let exponent: i64 = exponent.parse().ok()?;
                shifted(mantissa, exponent - i64::try_from(after).ok()? + places)
            })
        }
        ValueRef::Text(_) => text(context, 0).and_then(|text| exact(text, places)),
        _ => None,
    };
    let most = u32::try_from(digits).ok().and_then(|digits| 10_i128.checked_pow(digits)).unwrap_or(i128::MAX);
    or_null(units.filter(|units| units.abs() < most).and_then(|units| i64::try_from(units).ok()))
}

/// `number` with its point so many places further to the right.
fn shifted(number: i128, by: i64) -> Option<i128> {
    let power = 10_i128.checked_pow(u32::try_from(by.unsigned_abs()).ok()?);
    match power {
        Some(power) if by >= 0 => number.checked_mul(power),
        Some(power) => Some(divide(number, power).into()),
        None if by < 0 || number == 0 => Some(0),
        None => None,
    }
}

/// Digits with a sign and a point, at most 28 on each side.
fn exact(text: &str, places: i64) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain =
        |part: &str, least: usize| (least..=28).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole, 1) || !plain(fraction, 0) {
        return None;
    }
    let places = usize::try_from(places).ok()?;
    let kept: String = whole.chars().chain(fraction.chars().chain(std::iter::repeat('0')).take(places)).collect();
    // Past 38 digits no kind of decimal has room.
    let units: i128 = kept.parse().ok()?;
    let up = fraction.as_bytes().get(places).is_some_and(|digit| *digit >= b'5');
    let units = units.checked_add(up.into())?;
    Some(if text.starts_with('-') { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, check};
    use rusqlite::types::Value;

    #[test]
    fn texts_are_numbers_or_null() {
        check(&[
            ("bandstand_text_whole('-12')", "-12"),
            ("bandstand_text_whole('+9223372036854775807')", "9223372036854775807"),
            ("bandstand_text_whole('9223372036854775808')", "NULL"),
            ("bandstand_text_whole('1.5')", "NULL"),
            ("bandstand_text_whole(' 1')", "NULL"),
            ("bandstand_text_whole('')", "NULL"),
            ("bandstand_text_float('1.5e3')", "1500.0"),
            ("bandstand_text_float('-.5')", "NULL"),
            ("bandstand_text_float('1.')", "1.0"),
            ("bandstand_text_float('nan')", "NULL"),
            ("bandstand_text_float('1e300')", "NULL"),
            ("bandstand_text_date('2024-02-29')", "19782"),
            ("bandstand_text_date('2023-02-29')", "NULL"),
            ("bandstand_text_date('2023-2-9')", "NULL"),
            ("bandstand_text_date('0000-01-01')", "NULL"),
            ("hex(bandstand_text_uuid('00112233-4455-6677-8899-aabbccddeeff'))", "'00112233445566778899AABBCCDDEEFF'"),
            ("bandstand_text_uuid('00112233445566778899aabbccddeeff')", "NULL"),
        ]);
    }

    #[test]
    fn decimals_are_rounded_half_away_from_zero() {
        check(&[
            ("bandstand_to_decimal('1.005', 0, 10, 2)", "101"),
            ("bandstand_to_decimal('-1.005', 0, 10, 2)", "-101"),
            ("bandstand_to_decimal('999.995', 0, 5, 2)", "NULL"),
            ("bandstand_to_decimal('x', 0, 5, 2)", "NULL"),
            ("bandstand_to_decimal(2.675, 0, 10, 2)", "268"),
            ("bandstand_to_decimal(1e-30, 0, 10, 2)", "0"),
            ("bandstand_to_decimal(1e30, 0, 18, 2)", "NULL"),
            ("bandstand_to_decimal(12345, 3, 10, 2)", "1235"),
            ("bandstand_to_decimal(7, 0, 10, 2)", "700"),
            ("bandstand_to_decimal(9223372036854775807, 0, 18, 2)", "NULL"),
            ("bandstand_decimal_text(-5, 2)", "'-0.05'"),
            ("bandstand_decimal_text(700, 0)", "'700'"),
        ]);
    }

    #[test]
    fn values_are_written_as_elsewhere() {
        check(&[
            ("bandstand_float_text(1.0)", "'1'"),
            ("bandstand_float_text(0.1)", "'0.1'"),
            ("bandstand_float_text(1e15)", "'1e+15'"),
            ("bandstand_float_text(123456789012345)", "'123456789012345'"),
            ("bandstand_float_text(1e-5)", "'1e-05'"),
            ("bandstand_float_text(0.0001)", "'0.0001'"),
            ("bandstand_float_text(-1.5e300)", "'-1.5e+300'"),
            ("bandstand_date_text(0)", "'1970-01-01'"),
            ("bandstand_time_text(1)", "'00:00:00.000001'"),
            ("bandstand_datetime_text(1500000)", "'1970-01-01T00:00:01.500000Z'"),
            ("bandstand_float_whole(-1.9)", "-1"),
            ("bandstand_float_whole(1e19)", "NULL"),
            ("bandstand_uuid_text(x'00112233445566778899aabbccddeeff')", "'00112233-4455-6677-8899-aabbccddeeff'"),
            ("bandstand_uuid_text(x'00')", "NULL"),
            ("substr(bandstand_uuid_text(bandstand_uuid4()), 15, 1)", "'4'"),
            ("substr(bandstand_uuid_text(bandstand_uuid7()), 15, 1)", "'7'"),
        ]);
        assert_ne!(ask("bandstand_uuid4()"), ask("bandstand_uuid4()"));
        assert!(matches!(ask("bandstand_uuid7()"), Value::Blob(bytes) if bytes.len() == 16));
    }
}
