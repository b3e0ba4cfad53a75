//! Numbers for people.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value};

use super::{invalid, text};

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter("floatformat", floatformat);
    env.add_filter("intcomma", intcomma);
    env.add_filter("intword", intword);
    env.add_filter("ordinal", ordinal);
    env.add_filter("filesizeformat", filesizeformat);
    env.add_filter("pluralize", pluralize);
}

/// A number, also one that came as text, as decimals often do.
fn number(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => value.as_str().filter(|text| text.len() <= 64)?.trim().parse().ok(),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// `floatformat(2)`: that many decimals; negative: only where there are any. Without an argument it is -1.
fn floatformat(value: &Value, places: Option<i64>) -> Result<String, Error> {
    let places = places.unwrap_or(-1);
    let digits = usize::try_from(places.unsigned_abs()).ok().filter(|digits| *digits <= 30);
    let Some(digits) = digits else { return Err(invalid("floatformat takes -30 to 30 places")) };
    let Some(number) = number(value) else { return Ok(String::new()) };
    if places < 0 && (value.is_integer() || number.fract() == 0.0) {
        return Ok(if value.is_integer() { value.to_string() } else { format!("{number:.0}") });
    }
    let out = if value.is_integer() {
        // Whole numbers beyond 2^53 keep all their digits.
        let whole = value.to_string();
        if digits == 0 { whole } else { format!("{whole}.{}", "0".repeat(digits)) }
    } else {
        format!("{number:.digits$}")
    };
    // Rounding may leave `-0.00`.
    let zero = out.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    Ok(if zero { out.trim_start_matches('-').into() } else { out })
}

/// A comma between every three digits: `4,500,000`.
fn intcomma(value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |digits| ("-", digits));
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    if whole.is_empty() || whole.len() > 1_000 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text.into_owned());
    }
    let mut out = String::with_capacity(text.len() * 4 / 3 + 1);
    out.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(&digits[whole.len()..]);
    Ok(out)
}

/// `1.2 million`; numbers below a million stay as they are.
fn intword(value: &Value) -> Result<String, Error> {
    const NAMES: [&str; 6] = ["million", "billion", "trillion", "quadrillion", "quintillion", "sextillion"];
    let Some(number) = number(value).filter(|number| number.abs() >= 1e6) else { return Ok(text(value)?.into_owned()) };
    let mut scaled = number / 1e6;
    let mut name = 0;
    while scaled.abs() >= 999.95 && name + 1 < NAMES.len() {
        scaled /= 1e3;
        name += 1;
    }
    Ok(format!("{scaled:.1} {}", NAMES[name]))
}

/// `1st`, `2nd`, `3rd`.
fn ordinal(value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    Ok(match text.parse::<i64>() {
        Ok(number) if number >= 0 => format!("{number}{}", crate::dates::ordinal_suffix(number)),
        _ => text.into_owned(),
    })
}

/// `13 KB`, `4.2 MB`: units of 1024, as Django has them.
fn filesizeformat(value: &Value) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    let bytes = number(value).unwrap_or(0.0);
    let magnitude = bytes.abs();
    let sign = if bytes < 0.0 { "-" } else { "" };
    if magnitude < 1024.0 {
        let whole = magnitude.trunc();
        return format!("{sign}{whole:.0}\u{a0}byte{}", if whole == 1.0 { "" } else { "s" });
    }
    let mut scaled = magnitude / 1024.0;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{sign}{scaled:.1}\u{a0}{}", UNITS[unit])
}

/// `vote{{ votes|pluralize }}`, `cherr{{ n|pluralize("y,ies") }}`: for a number, or the length of a list.
fn pluralize(value: &Value, endings: Option<&str>) -> Result<String, Error> {
    let endings = endings.unwrap_or("s");
    let (one, many) = match endings.split(',').collect::<Vec<_>>()[..] {
        [many] => ("", many),
        [one, many] => (one, many),
        _ => return Err(invalid("pluralize takes one ending or two with a comma between them")),
    };
    let count = match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => value.len().map(|length| length as f64),
        _ => number(value),
    };
    Ok(if count == Some(1.0) { one } else { many }.into())
}
