//! Kinds by their words, and what becomes of two kinds that meet.

use host_core::manifest::Protocol;

use crate::kind::Kind;

/// The words that a `cast` and a typed hole take.
pub(crate) const WORDS: &[&str] = &[
    "small_integer",
    "integer",
    "big_integer",
    "positive_small_integer",
    "positive_integer",
    "positive_big_integer",
    "float",
    "decimal",
    "boolean",
    "char",
    "text",
    "slug",
    "email",
    "url",
    "ip",
    "binary",
    "date",
    "time",
    "datetime",
    "duration",
    "uuid",
    "json",
];

/// The most digits of a decimal: what 96 bits hold.
const MAX_DIGITS: u32 = 28;

/// The kind that a word means, with the options that it takes. `Err(None)` for a word that is none.
pub(crate) fn of_word(
    word: &str,
    length: Option<u32>,
    digits: Option<u32>,
    places: Option<u32>,
) -> Result<Kind, Option<String>> {
    let kind = match word {
        "decimal" => {
            let (Some(digits), Some(places)) = (digits, places) else {
                return Err(Some("`decimal` takes `max_digits` and `decimal_places`".into()));
            };
            if digits == 0 || digits > MAX_DIGITS || places > digits {
                return Err(Some(format!(
                    "`decimal` has 1 to {MAX_DIGITS} digits, at most all of them after the point"
                )));
            }
            #[allow(clippy::cast_possible_truncation)] // At most 28.
            return Ok(Kind::Decimal { digits: digits as u8, places: places as u8 });
        }
        "char" => return Ok(Kind::Char(length.ok_or_else(|| Some("`char` takes `max_length`".to_owned()))?)),
        "small_integer" => Kind::SmallInteger,
        "integer" => Kind::Integer,
        "big_integer" => Kind::BigInteger,
        "positive_small_integer" => Kind::PositiveSmallInteger,
        "positive_integer" => Kind::PositiveInteger,
        "positive_big_integer" => Kind::PositiveBigInteger,
        "float" => Kind::Float,
        "boolean" => Kind::Boolean,
        "text" => Kind::Text,
        "slug" => Kind::Slug(length.unwrap_or(50)),
        "email" => Kind::Email(length.unwrap_or(254)),
        "url" => Kind::Url(length.unwrap_or(200)),
        "ip" => Kind::Ip(Protocol::Both),
        "binary" => Kind::Binary,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "datetime" => Kind::DateTime,
        "duration" => Kind::Duration,
        "uuid" => Kind::Uuid,
        "json" => Kind::Json,
        _ => return Err(None),
    };
    match (digits, places) {
        (None, None) => Ok(kind),
        _ => Err(Some(format!("`{word}` takes no digits; `decimal` does"))),
    }
}

/// The kind that holds values of both, where there is one: numbers become the wider, texts lose their limits.
pub(crate) fn common(left: Kind, right: Kind) -> Option<Kind> {
    let plain = |kind: Kind| if kind.is_whole() { Kind::BigInteger } else { kind };
    if left == right {
        return Some(plain(left)).filter(|kind| *kind != Kind::Row);
    }
    if !left.compares_with(right) {
        return None;
    }
    Some(match (left, right) {
        (left, right) if left.is_text() && right.is_text() => Kind::Text,
        (left, right) if left.is_whole() && right.is_whole() => Kind::BigInteger,
        (Kind::Float, _) | (_, Kind::Float) => Kind::Float,
        (Kind::Decimal { digits, places }, Kind::Decimal { digits: others, places: their }) => {
            let before = (digits - places).max(others - their);
            let places = places.max(their);
            Kind::Decimal { digits: (before + places).min(28), places }
        }
        (Kind::Decimal { places, .. }, _) | (_, Kind::Decimal { places, .. }) => Kind::Decimal { digits: 28, places },
        (kind, _) => kind,
    })
}

/// The places after the point of a decimal.
pub(crate) fn places(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Decimal { places, .. } => Some(places),
        _ => None,
    }
}
