//! Numbers. What has no value, or none that a float holds, is NULL.

use rusqlite::Result;
use rusqlite::functions::Context;
use rusqlite::types::{Value, ValueRef};

use super::{Made, Registry, float, or_null, overflow, whole};

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    let one = |name: &str, function: fn(f64) -> f64| {
        registry.add(name, 1, move |context| finite(float(context, 0).map(function)))
    };
    one("ceil", f64::ceil)?;
    one("floor", f64::floor)?;
    one("sqrt", f64::sqrt)?;
    one("exp", f64::exp)?;
    one("ln", f64::ln)?;
    one("sin", f64::sin)?;
    one("cos", f64::cos)?;
    one("tan", f64::tan)?;
    one("asin", f64::asin)?;
    one("acos", f64::acos)?;
    one("atan", f64::atan)?;
    one("degrees", f64::to_degrees)?;
    one("radians", f64::to_radians)?;
    let two = |name: &str, function: fn(f64, f64) -> f64| {
        registry.add(name, 2, move |context| {
            finite(float(context, 0).zip(float(context, 1)).map(|(left, right)| function(left, right)))
        })
    };
    two("power", f64::powf)?;
    two("atan2", f64::atan2)?;
    two("log", |base, number| if base == 1.0 { f64::NAN } else { number.ln() / base.ln() })?;
    registry.add("round", 2, |context| {
        let (Some(number), Some(places)) = (float(context, 0), whole(context, 1)) else { return Ok(Value::Null) };
        Ok(round(number, i32::try_from(places).unwrap_or(0)).into())
    })?;
    // A whole number without so many of its last digits, rounded half away from zero.
    registry.add("round_whole", 2, |context| {
        let (Some(number), Some(digits)) = (whole(context, 0), whole(context, 1)) else { return Ok(Value::Null) };
        let digits = u32::try_from(digits).unwrap_or(u32::MAX);
        Ok(10_i64.checked_pow(digits).map_or(0, |power| divide(number.into(), power.into())).into())
    })?;
    // What arithmetic on whole numbers gave: SQLite goes on with a float past 64 bits.
    registry.add("whole", 1, |context| match context.get_raw(0) {
        ValueRef::Integer(number) => Ok(number.into()),
        ValueRef::Null => Ok(Value::Null),
        _ => Err(overflow()),
    })?;
    registry.add("greatest", -1, |context| extreme(context, std::cmp::Ordering::Greater))?;
    registry.add("least", -1, |context| extreme(context, std::cmp::Ordering::Less))
}

fn finite(number: Option<f64>) -> Made {
    or_null(number.filter(|number| number.is_finite()))
}

/// Half away from zero, in the same steps as the SQL of the other databases.
fn round(number: f64, places: i32) -> f64 {
    let power = 10_f64.powi(places.abs());
    let (scaled, back): (f64, fn(f64, f64) -> f64) = if places < 0 {
        (number.abs() / power, |number, power| number * power)
    } else {
        (number.abs() * power, |number, power| number / power)
    };
    if scaled < 1e15 { number.signum() * back((scaled + 0.5).floor(), power) + 0.0 } else { number }
}

/// Half away from zero.
pub(super) fn divide(number: i128, by: i128) -> i64 {
    let half = by / 2;
    let rounded = if number < 0 { (number - half) / by } else { (number + half) / by };
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

/// The largest or the smallest that isn't NULL. All are of one kind.
fn extreme(context: &Context<'_>, wanted: std::cmp::Ordering) -> Made {
    let mut best = ValueRef::Null;
    for at in 0..context.len() {
        let next = context.get_raw(at);
        let order = match (next, best) {
            (ValueRef::Null, _) => continue,
            (_, ValueRef::Null) => Some(wanted),
            (ValueRef::Integer(next), ValueRef::Integer(best)) => Some(next.cmp(&best)),
            (ValueRef::Real(next), ValueRef::Real(best)) => next.partial_cmp(&best),
            (ValueRef::Text(next), ValueRef::Text(best)) | (ValueRef::Blob(next), ValueRef::Blob(best)) => {
                Some(next.cmp(best))
            }
            _ => None,
        };
        if order == Some(wanted) {
            best = next;
        }
    }
    // The texts are UTF-8, as all that came in is; others are none of its business.
    Value::try_from(best).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, try_ask};

    #[test]
    fn functions_beyond_their_domain_are_null() {
        check(&[
            ("bandstand_sqrt(4)", "2.0"),
            ("bandstand_sqrt(-1)", "NULL"),
            ("bandstand_ln(0)", "NULL"),
            ("bandstand_exp(1000)", "NULL"),
            ("bandstand_power(0, -1)", "NULL"),
            ("bandstand_power(-8, 1.0/3)", "NULL"),
            ("bandstand_log(2, 8)", "3.0"),
            ("bandstand_log(1, 8)", "NULL"),
            ("bandstand_asin(2)", "NULL"),
            ("bandstand_degrees(1e308)", "NULL"),
            ("bandstand_sqrt(NULL)", "NULL"),
        ]);
    }

    #[test]
    fn halves_go_away_from_zero() {
        check(&[
            ("bandstand_round(2.5, 0)", "3.0"),
            ("bandstand_round(-2.5, 0)", "-3.0"),
            ("bandstand_round(1.25, 1)", "1.3"),
            ("bandstand_round(1250, -2)", "1300.0"),
            ("bandstand_round(1e300, 2)", "1e300"),
            ("bandstand_round_whole(125, 1)", "13"),
            ("bandstand_round_whole(-125, 1)", "-13"),
            ("bandstand_round_whole(-9223372036854775808, 1)", "-922337203685477581"),
            ("bandstand_round_whole(5, 40)", "0"),
        ]);
    }

    #[test]
    fn numbers_past_64_bits_are_an_error() {
        check(&[("bandstand_whole(5 + 5)", "10"), ("bandstand_whole(NULL)", "NULL")]);
        assert!(try_ask("bandstand_whole(9223372036854775807 + 1)").is_err());
        assert!(try_ask("bandstand_whole(-9223372036854775808 / -1)").is_err());
    }

    #[test]
    fn null_is_passed_over() {
        check(&[
            ("bandstand_greatest(1, NULL, 3)", "3"),
            ("bandstand_least('b', 'a', NULL)", "'a'"),
            ("bandstand_least(NULL, NULL)", "NULL"),
            ("bandstand_greatest(-0.5, 2.5)", "2.5"),
        ]);
    }
}
