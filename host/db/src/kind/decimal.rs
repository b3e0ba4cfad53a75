//! Exact numbers, as text on the way in.

use rust_decimal::Decimal;

use crate::types::Value;

/// The longest text that is read: 28 digits, a sign, a point, and some zeros that somebody padded it with.
const MAX_TEXT: usize = 64;

/// Reads a number that has at most `places` digits after the point; the result has exactly so many. One too large to have
/// them within 96 bits becomes the largest that there is: it compares with what a column holds as the number itself does.
pub(super) fn read(value: &Value, places: u8) -> Result<Decimal, String> {
    let (negative, units) = match value {
        Value::Null => (false, Some(0)),
        Value::Integer(number) => {
            let factor = 10_i128.checked_pow(places.into());
            (*number < 0, factor.and_then(|factor| i128::from(*number).checked_mul(factor)))
        }
        Value::Text(text) => parse(text, places)?,
        other => return Err(format!("takes a decimal number as text, not {}", other.case())),
    };
    let number = units.and_then(|units| Decimal::try_from_i128_with_scale(units, places.into()).ok());
    Ok(number.unwrap_or(if negative { Decimal::MIN } else { Decimal::MAX }))
}

/// Checks a number to store.
pub(super) fn check(value: &Value, digits: u8, places: u8) -> Result<(), String> {
    let number = read(value, places)?;
    let most = 10_i128.pow(u32::from(digits));
    if number.scale() != u32::from(places) || number.mantissa().abs() >= most {
        let before = digits - places;
        return Err(format!("takes at most {before} digits before the point and {places} after it"));
    }
    Ok(())
}

/// Digits with a point and a sign, and nothing else that libraries take for numbers: whether it is negative, and the number
/// without its point where 128 bits hold it.
fn parse(text: &str, places: u8) -> Result<(bool, Option<i128>), String> {
    let wrong = || {
        let shown: String = text.chars().take(40).flat_map(char::escape_default).collect();
        format!("takes a decimal number such as 9.90 (digits, one point, no exponent); `{shown}` is none")
    };
    let negative = text.starts_with('-');
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > MAX_TEXT || !plain(whole) || !plain(fraction) {
        return Err(wrong());
    }
    let fraction = fraction.trim_end_matches('0');
    let places = usize::from(places);
    if fraction.len() > places {
        return Err(format!("takes at most {places} digits after the point, not {}: round it", fraction.len()));
    }
    let units = format!("{}{whole}{fraction:0<places$}", if negative { "-" } else { "" });
    Ok((negative, units.parse().ok()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (given, places, expected) in [
            ("1.5", 2, "1.50"),
            ("0.10", 1, "0.1"),
            ("-0", 2, "0.00"),
            ("-0.05", 2, "-0.05"),
            ("0007.000", 0, "7"),
            ("99999999999999.9999", 4, "99999999999999.9999"),
            ("1234567890123456789012345678", 0, "1234567890123456789012345678"),
        ] {
            let read = read(&text(given), places).map(|mut number| {
                if number.is_zero() {
                    number.set_sign_positive(true);
                }
                number.to_string()
            });
            assert_eq!(read.as_deref(), Ok(expected), "{given}");
        }
        assert_eq!(read(&Value::Integer(-3), 2).map(|number| number.mantissa()), Ok(-300));
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for bad in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1e3",
            "1_000",
            " 1",
            "1 ",
            "NaN",
            "inf",
            "0x10",
            "1.2.3",
            "--1",
            "١",
            &"9".repeat(65),
            &format!("0.{}1", "0".repeat(40)),
        ] {
            assert!(read(&text(bad), 28).is_err(), "{bad:?}");
        }
        assert!(read(&Value::Float(0.5), 2).is_err());
        assert!(read(&text("0.001"), 2).unwrap_err().contains("round it"));
        assert!(check(&text("1000"), 5, 2).unwrap_err().contains("3 digits before the point"));
        assert!(check(&text("999.99"), 5, 2).is_ok() && check(&text("-999.99"), 5, 2).is_ok());
        assert!(check(&text(&"9".repeat(60)), 28, 28).is_err());
    }

    #[test]
    fn what_is_larger_than_any_row_compares_as_such() {
        for (given, places) in [("9".repeat(60), 2), ("9".repeat(28), 20), (format!("-{}", "9".repeat(28)), 28)] {
            let number = read(&text(&given), places).unwrap();
            assert!(number.mantissa().abs() > 10_i128.pow(28) - 1, "{number}");
            assert_eq!(number.is_sign_negative(), given.starts_with('-'));
        }
    }

    proptest! {
        #[test]
        fn units_come_back_as_they_went_in(units in -999_999_999_999_999_999_i64..=999_999_999_999_999_999, places in 0_u8..=18) {
            let written = Decimal::from_i128_with_scale(units.into(), places.into()).to_string();
            let number = read(&Value::Text(written), places).unwrap();
            prop_assert_eq!(number.mantissa(), i128::from(units));
            prop_assert_eq!(number.scale(), u32::from(places));
        }

        #[test]
        fn any_text_is_read_or_refused(given in "\\PC{0,70}", digits in 1_u8..=28, places in 0_u8..=28) {
            let _ = check(&Value::Text(given), digits, places.min(digits));
        }

        #[test]
        fn zeros_around_a_number_change_nothing(units in any::<i64>(), places in 0_u8..=6, before in 0_usize..5, after in 0_usize..5) {
            let number = Decimal::from_i128_with_scale(units.into(), places.into()).abs();
            let point = if places == 0 { "." } else { "" };
            let tail = "0".repeat(after.max(usize::from(places == 0)));
            let padded = format!("{}{number}{point}{tail}", "0".repeat(before));
            prop_assert_eq!(read(&Value::Text(padded), places).map(|read| read.mantissa()), Ok(number.mantissa()));
        }
    }
}
