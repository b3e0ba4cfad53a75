//! Defaults as they stand in tables.

use super::{Default, Kind};

/// What stands after DEFAULT.
#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Value(Default),
    Expression,
}

/// Reads it.
pub(super) fn literal(text: &str) -> Literal {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        text = inner.trim();
    }
    if text.eq_ignore_ascii_case("NULL") {
        return Literal::Null;
    }
    for (word, value) in [("TRUE", true), ("FALSE", false)] {
        if text.eq_ignore_ascii_case(word) {
            return Literal::Value(Default::Boolean(value));
        }
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = digits.parse() {
        return Literal::Value(Default::Integer(number));
    }
    // Rust reads words such as `infinity`, which are names in SQL.
    if digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        && let Ok(number) = digits.parse::<f64>()
        && number.is_finite()
    {
        return Literal::Value(Default::Float(number));
    }
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            // Each quote inside of a text stands twice; anything else is several texts.
            let doubled = format!("{quote}{quote}");
            if !inner.replace(&doubled, "").contains(quote) {
                return Literal::Value(Default::Text(inner.replace(&doubled, &quote.to_string())));
            }
        }
    }
    Literal::Expression
}

/// What is said of a default that no attribute can say.
pub(super) fn note(default: &str) -> String {
    format!("the database's own default {default} isn't a value that a field's default can be")
}

/// The default as the kind takes it, where it does.
pub(super) fn fitting(kind: Kind, default: Default) -> Option<Default> {
    match (kind, default) {
        (Kind::Boolean, Default::Integer(number @ (0 | 1))) => Some(Default::Boolean(number == 1)),
        (Kind::Boolean, default @ Default::Boolean(_)) => Some(default),
        (Kind::BigInteger | Kind::Integer | Kind::SmallInteger, Default::Boolean(truth)) => {
            Some(Default::Integer(i64::from(truth)))
        }
        (Kind::BigInteger | Kind::Integer | Kind::SmallInteger, default @ Default::Integer(_)) => Some(default),
        #[allow(clippy::cast_precision_loss, reason = "the nearest float is what the field can hold")]
        (Kind::Float, Default::Integer(number)) => Some(Default::Float(number as f64)),
        (Kind::Float, default @ Default::Float(_)) => Some(default),
        (Kind::Char { max_length }, Default::Text(text)) => {
            (text.chars().count() <= max_length as usize && !text.contains('\0')).then_some(Default::Text(text))
        }
        (Kind::Text, default @ Default::Text(_)) => Some(default),
        _ => None,
    }
}
