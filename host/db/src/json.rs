//! Cells as JSON: what a template sees of rows that the app never looked at.
//!
//! Values look as the Rust SDK's types do where an app puts them into a context itself, so that a page doesn't change when its query is deferred:
//! RFC 3339 for dates and times, ISO 8601 for durations, decimals and UUIDs as text, bytes as a list of numbers.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Span, Timestamp};

use crate::kind::Kind;
use crate::packed::Cell;

/// Writes a cell of this kind.
pub(crate) fn value(kind: Kind, cell: Cell<'_>, out: &mut Vec<u8>) {
    match (kind, cell) {
        (_, Cell::Null) => out.extend_from_slice(b"null"),
        (_, Cell::Boolean(truth)) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        (Kind::DateTime, Cell::Integer(micros)) => shown(Timestamp::from_microsecond(micros).ok(), micros, out),
        (Kind::Date, Cell::Integer(days)) => shown(date(days), days, out),
        (Kind::Time, Cell::Integer(micros)) => shown(time(micros), micros, out),
        (Kind::Duration, Cell::Integer(micros)) => shown(Some(SignedDuration::from_micros(micros)), micros, out),
        (_, Cell::Integer(number)) => out.extend_from_slice(number.to_string().as_bytes()),
        // JSON has no infinities.
        (_, Cell::Float(number)) => match serde_json::Number::from_f64(number) {
            Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
            None => out.extend_from_slice(b"null"),
        },
        // A stored document is JSON already; one that was tampered with is shown as a text.
        (Kind::Json, Cell::Text(document)) if is_json(document) => out.extend_from_slice(document.as_bytes()),
        (_, Cell::Text(content)) => text(content, out),
        (Kind::Uuid, Cell::Bytes(bytes)) if bytes.len() == 16 => {
            let digits = hex::encode(bytes);
            let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            text(&groups.join("-"), out);
        }
        (_, Cell::Bytes(bytes)) => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            out.push(b'[');
            out.extend_from_slice(numbers.join(",").as_bytes());
            out.push(b']');
        }
    }
}

/// Writes a text with its quotes.
pub(crate) fn text(content: &str, out: &mut Vec<u8>) {
    // Writing to memory doesn't fail, and any text can be JSON.
    let _ = serde_json::to_writer(&mut *out, content);
}

fn is_json(document: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(document).is_ok()
}

/// A moment as text, or the number behind it where no calendar has it.
fn shown(moment: Option<impl std::fmt::Display>, number: i64, out: &mut Vec<u8>) {
    match moment {
        Some(moment) => text(&moment.to_string(), out),
        None => out.extend_from_slice(number.to_string().as_bytes()),
    }
}

fn date(days: i64) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()
}

fn time(micros: i64) -> Option<Time> {
    Time::midnight().checked_add(SignedDuration::from_micros(micros)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(kind: Kind, cell: Cell<'_>) -> serde_json::Value {
        let mut out = Vec::new();
        value(kind, cell, &mut out);
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn values_look_as_they_do_in_a_context() {
        for (kind, cell, expected) in [
            (Kind::Text, Cell::Text("a\"</script>"), json!("a\"</script>")),
            (Kind::DateTime, Cell::Integer(1_000_000), json!("1970-01-01T00:00:01Z")),
            (Kind::Date, Cell::Integer(-1), json!("1969-12-31")),
            (Kind::Time, Cell::Integer(3_600_000_000), json!("01:00:00")),
            (Kind::Duration, Cell::Integer(90_000_000), json!("PT1M30S")),
            (Kind::Uuid, Cell::Bytes(&[0xab; 16]), json!("abababab-abab-abab-abab-abababababab")),
            (Kind::Json, Cell::Text(r#"{"a":[1]}"#), json!({"a": [1]})),
            (Kind::Binary, Cell::Bytes(&[1, 255]), json!([1, 255])),
            (Kind::Boolean, Cell::Boolean(true), json!(true)),
            (Kind::Float, Cell::Float(0.5), json!(0.5)),
            (Kind::Float, Cell::Float(f64::INFINITY), json!(null)),
            (Kind::Text, Cell::Null, json!(null)),
        ] {
            assert_eq!(written(kind, cell), expected, "{kind:?}");
        }
    }

    #[test]
    fn moments_that_no_calendar_has_are_numbers_and_broken_documents_texts() {
        assert_eq!(written(Kind::DateTime, Cell::Integer(i64::MAX)), json!(i64::MAX));
        assert_eq!(written(Kind::Date, Cell::Integer(i64::MIN)), json!(i64::MIN));
        assert_eq!(written(Kind::Time, Cell::Integer(-1)), json!(-1));
        assert_eq!(written(Kind::Json, Cell::Text("{")), json!("{"));
        assert_eq!(written(Kind::Uuid, Cell::Bytes(&[1])), json!([1]));
    }
}
