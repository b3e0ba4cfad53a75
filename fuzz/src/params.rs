//! Values from bytes.

use arbitrary::{Result, Unstructured};
use host_db::{Param, Value};

/// At most so many parameters.
const MOST: usize = 12;

/// Reads parameters until the bytes end.
pub fn params(bytes: &[u8]) -> Vec<Param> {
    let mut from = Unstructured::new(bytes);
    let mut params = Vec::new();
    while !from.is_empty() && params.len() < MOST {
        match param(&mut from) {
            Ok(param) => params.push(param),
            Err(_) => break,
        }
    }
    params
}

fn param(from: &mut Unstructured<'_>) -> Result<Param> {
    if from.ratio(1, 4)? {
        let count = from.int_in_range(0..=5)?;
        return (0..count).map(|_| value(from)).collect::<Result<_>>().map(Param::Many);
    }
    value(from).map(Param::One)
}

fn value(from: &mut Unstructured<'_>) -> Result<Value> {
    const EDGES: [i64; 8] = [0, 1, -1, i64::MAX, i64::MIN, 1 << 53, 253_402_300_799_999_999, -62_135_596_800_000_000];
    const TEXTS: [&str; 10] =
        ["", "a", "pen", "0.5", "2024-02-29", "é\u{301}", "%_\\", "{\"a\":[1,null]}", "(a+)+$", "\u{10ffff}"];
    Ok(match from.int_in_range(0..=8_u8)? {
        0 => Value::Null,
        1 => Value::Boolean(from.arbitrary()?),
        2 => Value::Integer(from.int_in_range(-3..=40)?),
        3 => Value::Integer(*from.choose(&EDGES)?),
        4 => Value::Float(from.arbitrary()?),
        5 => Value::Text((*from.choose(&TEXTS)?).into()),
        6 => Value::Text(from.arbitrary::<&str>()?.into()),
        7 => Value::Bytes(from.arbitrary::<[u8; 16]>()?.into()),
        _ => Value::Bytes(from.arbitrary::<&[u8]>()?.into()),
    })
}
