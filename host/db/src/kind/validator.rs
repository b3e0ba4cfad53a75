//! What an app says that a field's values must fulfil, looked at whenever a value is given.

use std::collections::HashMap;
use std::sync::Arc;

use host_core::manifest::Validator as Declared;
use regex::{Regex, RegexBuilder};
use rust_decimal::Decimal;

use super::{Kind, decimal};
use crate::types::Value;

/// Memory of one compiled regular expression, in bytes. Its search takes time linear in the text, whatever it is.
const REGEX_BYTES: usize = 256 << 10;
/// Different regular expressions of one app.
const MAX_REGEXES: usize = 200;

/// The regular expressions of an app: each is compiled once.
#[derive(Debug, Default)]
pub(crate) struct Regexes(HashMap<String, Regex>);

impl Regexes {
    fn get(&mut self, pattern: &str) -> Result<Regex, String> {
        if let Some(known) = self.0.get(pattern) {
            return Ok(known.clone());
        }
        if self.0.len() >= MAX_REGEXES {
            return Err(format!("its regex is one too many: an app has at most {MAX_REGEXES} different ones"));
        }
        let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
        let regex = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("its regex takes more than {} KiB when it is compiled; make it smaller", REGEX_BYTES >> 10)
            }
            error => format!("its regex can't be read: {error}"),
        })?;
        self.0.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

/// One rule, ready to look at values.
#[derive(Debug, Clone)]
pub(crate) struct Validator {
    /// Its word in the manifest.
    pub(crate) word: &'static str,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Whole(Limit, i64),
    Float(Limit, f64),
    Decimal(Limit, u8, Decimal),
    MinLength(usize),
    MaxLength(usize),
    Regex(Arc<str>, Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Min,
    Max,
    Step,
}

impl Validator {
    /// Reads a declared rule for a field of kind `kind`.
    pub(crate) fn new(declared: &Declared, kind: Kind, regexes: &mut Regexes) -> Result<Self, String> {
        let rule = match declared {
            Declared::MinValue(bound) => bounded(Limit::Min, kind, bound),
            Declared::MaxValue(bound) => bounded(Limit::Max, kind, bound),
            Declared::Step(bound) => bounded(Limit::Step, kind, bound),
            Declared::MinLength(length) => Ok(Rule::MinLength(*length as usize)),
            Declared::MaxLength(length) => Ok(Rule::MaxLength(*length as usize)),
            Declared::Regex(pattern) => regexes.get(pattern).map(|regex| Rule::Regex(pattern.as_str().into(), regex)),
        };
        Ok(Self { word: declared.word(), rule: rule? })
    }

    /// Looks at a value whose kind was checked. NULL is a matter of the field.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        let order = |limit: &Limit, less: bool, more: bool, multiple: bool, bound: &dyn std::fmt::Display| match limit {
            Limit::Min if less => Err(format!("must be at least {bound}")),
            Limit::Max if more => Err(format!("must be at most {bound}")),
            Limit::Step if !multiple => Err(format!("must be a multiple of {bound}")),
            _ => Ok(()),
        };
        match (&self.rule, value) {
            (_, Value::Null) => Ok(()),
            (Rule::Whole(limit, bound), Value::Integer(number)) => {
                let multiple = number.checked_rem(*bound).is_none_or(|rest| rest == 0);
                order(limit, number < bound, number > bound, multiple, bound)
            }
            (Rule::Float(limit, bound), value) => {
                #[allow(clippy::cast_precision_loss)] // As the column holds it.
                let number = match value {
                    Value::Float(number) => *number,
                    Value::Integer(number) => *number as f64,
                    _ => return Ok(()),
                };
                let steps = number / bound;
                let multiple = (steps - steps.round()).abs() < 1e-9;
                order(limit, number < *bound, number > *bound, multiple, bound)
            }
            (Rule::Decimal(limit, places, bound), value) => {
                let number = decimal::read(value, *places)?;
                let multiple = number.checked_rem(*bound).is_some_and(|rest| rest.is_zero());
                order(limit, number < *bound, number > *bound, multiple, bound)
            }
            (Rule::MinLength(least), value) => match length(value) {
                Some(length) if length < *least => Err(format!("must be at least {least} long; it is {length}")),
                _ => Ok(()),
            },
            (Rule::MaxLength(most), value) => match length(value) {
                Some(length) if length > *most => Err(format!("must be at most {most} long; it is {length}")),
                _ => Ok(()),
            },
            (Rule::Regex(pattern, regex), Value::Text(text)) if !regex.is_match(text) => {
                Err(format!("must match the regular expression `{pattern}`"))
            }
            _ => Ok(()),
        }
    }
}

/// In characters, or bytes.
fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => Some(text.chars().count()),
        Value::Bytes(bytes) => Some(bytes.len()),
        _ => None,
    }
}

fn bounded(limit: Limit, kind: Kind, json: &serde_json::Value) -> Result<Rule, String> {
    let value = kind
        .value_of_json(json)
        .map_err(|problem| format!("the bound {json} of a validator doesn't fit: it {problem}"))?;
    let (rule, positive) = match (kind, value) {
        (Kind::Decimal { places, .. }, value) => {
            let bound = decimal::read(&value, places)?;
            (Rule::Decimal(limit, places, bound), bound > Decimal::ZERO)
        }
        (_, Value::Integer(bound)) => (Rule::Whole(limit, bound), bound > 0),
        (_, Value::Float(bound)) => (Rule::Float(limit, bound), bound > 0.0 && bound.is_finite()),
        _ => return Err(format!("the bound {json} of a validator is no number")),
    };
    if limit == Limit::Step && !positive {
        return Err(format!("the validator `step` takes a number above 0, not {json}"));
    }
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(json: serde_json::Value, kind: Kind) -> Result<Validator, String> {
        let declared: Declared = serde_json::from_value(json).map_err(|e| e.to_string())?;
        Validator::new(&declared, kind, &mut Regexes::default())
    }

    #[test]
    fn values_are_held_to_their_rules() {
        let price = Kind::Decimal { digits: 10, places: 2 };
        let text = |text: &str| Value::Text(text.into());
        for (json, kind, good, bad) in [
            (json!(["min_value", 0]), Kind::Integer, Value::Integer(0), Value::Integer(-1)),
            (json!(["max_value", 10]), Kind::BigInteger, Value::Integer(10), Value::Integer(11)),
            (json!(["step", 5]), Kind::Integer, Value::Integer(-15), Value::Integer(7)),
            (json!(["min_value", 0.5]), Kind::Float, Value::Integer(1), Value::Float(0.25)),
            (json!(["step", 0.1]), Kind::Float, Value::Float(0.3), Value::Float(0.35)),
            (json!(["min_value", "0.10"]), price, text("0.1"), text("0.09")),
            (json!(["max_value", 9.95]), price, text("9.95"), text("9.96")),
            (json!(["step", "0.05"]), price, text("1.15"), text("1.16")),
            (json!(["min_length", 2]), Kind::Text, text("éé"), text("é")),
            (json!(["max_length", 2]), Kind::Binary, Value::Bytes(vec![0; 2]), Value::Bytes(vec![0; 3])),
            (json!(["regex", "^[a-z]+$"]), Kind::Char(9), text("abc"), text("ab1")),
        ] {
            let rule = rule(json.clone(), kind).unwrap();
            assert_eq!(rule.check(&good), Ok(()), "{json}");
            assert!(rule.check(&bad).is_err(), "{json}");
            assert_eq!(rule.check(&Value::Null), Ok(()));
        }
        // The least number by the least step: no overflow.
        assert!(rule(json!(["step", 1]), Kind::BigInteger).unwrap().check(&Value::Integer(i64::MIN)).is_ok());
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for (json, kind, word) in [
            (json!(["min_value", 0.5]), Kind::Integer, "doesn't fit"),
            (json!(["min_value", "x"]), Kind::Integer, "doesn't fit"),
            (json!(["min_value", 99_999_999_999_i64]), Kind::Integer, "doesn't fit"),
            (json!(["step", 0]), Kind::Integer, "above 0"),
            (json!(["step", -0.5]), Kind::Float, "above 0"),
            (json!(["step", "0"]), Kind::Decimal { digits: 5, places: 2 }, "above 0"),
            (json!(["regex", "("]), Kind::Text, "can't be read"),
            (json!(["regex", "\\w{1000}{1000}"]), Kind::Text, "smaller"),
            (json!(["regex", 5]), Kind::Text, "a string"),
            (json!(["min_length", -1]), Kind::Text, "whole number"),
            (json!(["min_lenght", 1]), Kind::Text, "did you mean `min_length`"),
        ] {
            let error = rule(json.clone(), kind).unwrap_err();
            assert!(error.contains(word), "{json}: {error}");
        }
        let mut regexes = Regexes::default();
        for at in 0..MAX_REGEXES {
            regexes.get(&format!("a{at}")).unwrap();
        }
        assert!(regexes.get("a7").is_ok() && regexes.get("one more").unwrap_err().contains("too many"));
    }

    #[test]
    fn a_hostile_pattern_takes_time_linear_in_the_text() {
        let rule = rule(json!(["regex", "^(a+)+$"]), Kind::Text).unwrap();
        let began = std::time::Instant::now();
        assert!(rule.check(&Value::Text("a".repeat(100_000) + "!")).is_err());
        assert!(began.elapsed().as_secs() < 5);
    }
}
