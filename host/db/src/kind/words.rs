//! Kinds by their words, as a shape names them.

use host_core::manifest::Protocol;

use super::{Kind, MAX_DIGITS};

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
            if digits == 0 || digits > MAX_DIGITS.into() || places > digits {
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
