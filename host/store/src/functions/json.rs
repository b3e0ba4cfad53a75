//! JSON documents. They were checked when they came in; what is none all the same has nothing in it.

use rusqlite::Result;
use rusqlite::functions::Context;
use rusqlite::types::{FromSqlError, Value, ValueRef};
use serde_json::Value as Json;

use super::{Made, Registry, Watch, or_null, text};

pub(super) fn register(registry: &Registry<'_>) -> Result<()> {
    registry.add("json", 2, |context| or_null(at(context)?.map(|json| json.to_string())))?;
    registry.add("json_text", 2, |context| {
        or_null(at(context)?.and_then(|json| match json {
            Json::Null => None,
            Json::String(text) => Some(text),
            other => Some(other.to_string()),
        }))
    })?;
    registry.add("json_length", 2, |context| {
        let length = at(context)?.and_then(|json| match json {
            Json::Array(elements) => Some(elements.len()),
            Json::Object(members) => Some(members.len()),
            _ => None,
        });
        or_null(length.and_then(|length| i64::try_from(length).ok()))
    })?;
    // One text for what is equal: members in order, whole numbers without a point.
    registry
        .add("json_canonical", 1, |context| or_null(document(context, 0).map(|json| canonical(json).to_string())))?;
    let control = registry.control.clone();
    registry.add("json_contains", 2, move |context| {
        let Some((mut json, part)) = document(context, 0).zip(document(context, 1)) else { return Ok(Value::Null) };
        let mut watch = Watch::new(&control);
        arrange(&mut json, &mut watch)?;
        Ok(contains(&json, &part, true, &mut watch)?.into())
    })?;
    registry.add("json_has_keys", -1, |context| has_keys(context, true))?;
    registry.add("json_has_any_keys", -1, |context| has_keys(context, false))?;
    // The texts of a list with something between them.
    registry.add("join", 2, |context| {
        let Some((Json::Array(texts), between)) = document(context, 0).zip(text(context, 1)) else {
            return Ok(Value::Null);
        };
        let texts: Vec<&str> = texts.iter().filter_map(Json::as_str).collect();
        or_null((!texts.is_empty()).then(|| texts.join(between)))
    })
}

fn document(context: &Context<'_>, at: usize) -> Option<Json> {
    serde_json::from_str(text(context, at)?).ok()
}

/// What stands at the end of the second argument's steps.
fn at(context: &Context<'_>) -> Result<Option<Json>> {
    if !matches!(context.get_raw(1), ValueRef::Text(_)) {
        return Ok(None);
    }
    let steps = context.get_or_create_aux(1, |value| -> std::result::Result<Json, FromSqlError> {
        Ok(serde_json::from_str(value.as_str()?).unwrap_or(Json::Null))
    })?;
    let Some(mut json) = document(context, 0) else { return Ok(None) };
    for step in steps.as_array().into_iter().flatten() {
        let inner = match (&mut json, step) {
            (Json::Object(members), Json::String(key)) => members.remove(key),
            (Json::Array(elements), Json::Number(index)) => {
                let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
                let index = index.as_i64().map(|index| if index < 0 { index + length } else { index });
                let index = index.and_then(|index| usize::try_from(index).ok()).filter(|index| *index < elements.len());
                index.map(|index| elements.swap_remove(index))
            }
            _ => None,
        };
        let Some(inner) = inner else { return Ok(None) };
        json = inner;
    }
    Ok(Some(json))
}

/// The whole number that a float is, where it is one.
fn whole_part(number: &serde_json::Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15);
    // A float's whole part fits exactly below 2^53.
    #[allow(clippy::cast_possible_truncation)]
    float.map(|float| float as i64)
}

fn canonical(json: Json) -> Json {
    match json {
        Json::Number(number) => whole_part(&number).map_or(Json::Number(number), Json::from),
        Json::Array(elements) => elements.into_iter().map(canonical).collect(),
        Json::Object(members) => {
            let mut members: Vec<(String, Json)> =
                members.into_iter().map(|(key, json)| (key, canonical(json))).collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Json::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// What two scalars that are equal have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Scalar<'j> {
    Null,
    Boolean(bool),
    Whole(i64),
    Large(u64),
    Float(u64),
    Text(&'j str),
}

/// `None` for what has parts.
fn scalar(json: &Json) -> Option<Scalar<'_>> {
    match json {
        Json::Null => Some(Scalar::Null),
        Json::Bool(truth) => Some(Scalar::Boolean(*truth)),
        Json::String(text) => Some(Scalar::Text(text)),
        Json::Number(number) => Some(match (whole_part(number).or(number.as_i64()), number.as_u64()) {
            (Some(whole), _) => Scalar::Whole(whole),
            (None, Some(large)) => Scalar::Large(large),
            // A document has no NaN, and the zeros are whole numbers.
            (None, None) => Scalar::Float(number.as_f64().unwrap_or_default().to_bits()),
        }),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// Brings the elements of each array into an order in which scalars are found quickly: what has parts first, then they.
fn arrange(json: &mut Json, watch: &mut Watch<'_>) -> Result<()> {
    watch.step()?;
    match json {
        Json::Array(elements) => {
            elements.iter_mut().try_for_each(|element| arrange(element, watch))?;
            elements.sort_unstable_by(|left, right| scalar(left).cmp(&scalar(right)));
            Ok(())
        }
        Json::Object(members) => members.values_mut().try_for_each(|member| arrange(member, watch)),
        _ => Ok(()),
    }
}

/// Whether `part` is in `json` as PostgreSQL's `@>` says: members and elements in any order, and at the top an array contains a
/// single value. `json` was [arranged](arrange).
///
/// Scalars are looked up. Arrays and objects in an array are tried with each other, so that their numbers multiply: hence the watch.
fn contains(json: &Json, part: &Json, top: bool, watch: &mut Watch<'_>) -> Result<bool> {
    watch.step()?;
    match (json, part) {
        (Json::Object(members), Json::Object(wanted)) => {
            for (key, part) in wanted {
                let Some(member) = members.get(key) else { return Ok(false) };
                if !contains(member, part, false, watch)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Array(elements), Json::Array(wanted)) => {
            let with_parts = elements.partition_point(|element| scalar(element).is_none());
            for part in wanted {
                watch.step()?;
                let found = match scalar(part) {
                    Some(part) => has(elements, &part),
                    None => {
                        let mut found = false;
                        for element in &elements[..with_parts] {
                            if contains(element, part, false, watch)? {
                                found = true;
                                break;
                            }
                        }
                        found
                    }
                };
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Array(elements), part) if top => Ok(scalar(part).is_some_and(|part| has(elements, &part))),
        (json, part) => Ok(scalar(json).zip(scalar(part)).is_some_and(|(json, part)| json == part)),
    }
}

/// Whether a scalar is among the elements of an arranged array.
fn has(elements: &[Json], wanted: &Scalar<'_>) -> bool {
    elements.binary_search_by(|element| scalar(element).as_ref().cmp(&Some(wanted))).is_ok()
}

fn has_keys(context: &Context<'_>, all: bool) -> Made {
    if matches!(context.get_raw(0), ValueRef::Null) {
        return Ok(Value::Null);
    }
    let Some(Json::Object(members)) = document(context, 0) else { return Ok(false.into()) };
    let mut keys = (1..context.len()).map(|at| text(context, at).is_some_and(|key| members.contains_key(key)));
    Ok(if all { keys.all(|has| has) } else { keys.any(|has| has) }.into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::tests::{ask_for, check};

    #[test]
    fn documents_are_looked_into() {
        let doc = r#"'{"a":{"b":[10,{"c":"x"}],"n":null},"t":"text","$.a":1,"e\"":2}'"#;
        let at = |steps: &str| format!("bandstand_json({doc}, '{steps}')");
        let text = |steps: &str| format!("bandstand_json_text({doc}, '{steps}')");
        let length = |steps: &str| format!("bandstand_json_length({doc}, '{steps}')");
        check(&[
            (&at(r#"["a","b",0]"#), "'10'"),
            (&at(r#"["a","b",-1]"#), r#"'{"c":"x"}'"#),
            (&at(r#"["a","b",2]"#), "NULL"),
            (&at(r#"["a","n"]"#), "'null'"),
            (&at(r#"["t"]"#), r#"'"text"'"#),
            (&at(r#"["$.a"]"#), "'1'"),
            (&at(r#"["e\""]"#), "'2'"),
            (&at(r#"["t","x"]"#), "NULL"),
            (&at(r#"["a",0]"#), "NULL"),
            (&text(r#"["t"]"#), "'text'"),
            (&text(r#"["a","n"]"#), "NULL"),
            (&text(r#"["a","b",0]"#), "'10'"),
            (&length(r#"["a","b"]"#), "2"),
            (&length("[]"), "4"),
            (&length(r#"["t"]"#), "NULL"),
            ("bandstand_json(NULL, '[]')", "NULL"),
            ("bandstand_json('{', '[]')", "NULL"),
        ]);
    }

    #[test]
    fn documents_contain_others() {
        let contains = |json: &str, part: &str| format!("bandstand_json_contains('{json}', '{part}')");
        check(&[
            (&contains(r#"{"a":1,"b":{"c":[1,2,3]}}"#, r#"{"b":{"c":[3,1]}}"#), "1"),
            (&contains(r#"{"a":1}"#, r#"{"a":1.0}"#), "1"),
            (&contains(r#"{"a":1}"#, r#"{"a":2}"#), "0"),
            (&contains("[1,2]", "1"), "1"),
            (&contains("[[1],2]", "[1]"), "0"),
            (&contains("1", "[1]"), "0"),
            (&contains("{}", "{}"), "1"),
            (&contains(r#"[3,"a",null,[1,{"x":2}],true,1.5]"#, r#"[1.5,[{"x":2.0}],"a",null,3,true]"#), "1"),
            (&contains("[[1],[2]]", "[[2],[1,2]]"), "0"),
            (&contains("[1,2]", r#"["1"]"#), "0"),
            (&contains("[18446744073709551615,-0.0]", "[0,18446744073709551615]"), "1"),
            (&contains(r#"[{"a":1},2]"#, r#"{"a":1}"#), "0"),
            (&contains(r#"[null]"#, "null"), "1"),
            ("bandstand_json_contains(NULL, '{}')", "NULL"),
            (r#"bandstand_json_has_keys('{"a":1,"b":2}', 'a', 'b', 'b')"#, "1"),
            (r#"bandstand_json_has_keys('{"a":1}', 'a', 'b')"#, "0"),
            (r#"bandstand_json_has_any_keys('{"a":1}', 'a', 'b')"#, "1"),
            (r#"bandstand_json_has_any_keys('{"a":1}')"#, "0"),
            (r#"bandstand_json_has_keys('["a"]', 'a')"#, "0"),
            (r#"bandstand_json_canonical('{"b":1.0,"a":[ ]}') = bandstand_json_canonical('{"a":[],"b":1}')"#, "1"),
        ]);
    }

    #[test]
    fn many_numbers_are_found_among_many() {
        let began = Instant::now();
        let list = |numbers: &mut dyn Iterator<Item = u32>| {
            let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
            format!("'[{}]'", numbers.join(","))
        };
        let (up, down) = (list(&mut (100_000..220_000)), list(&mut (100_000..220_000).rev()));
        check(&[(&format!("bandstand_json_contains({up}, {down})"), "1")]);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }

    #[test]
    fn many_lists_among_many_are_stopped_at_the_deadline() {
        let lists: Vec<String> = (0..30_000).map(|number| format!("[{number}]")).collect();
        let lists = lists.join(",");
        let began = Instant::now();
        let sql = format!("bandstand_json_contains('[{lists}]', '[{lists}]')");
        let stopped = ask_for(&sql, Duration::from_millis(200)).unwrap_err();
        assert_eq!(stopped.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    #[test]
    fn texts_are_joined_without_null() {
        check(&[
            (r#"bandstand_join('["a",null,"b"]', ', ')"#, "'a, b'"),
            ("bandstand_join('[null]', ', ')", "NULL"),
            ("bandstand_join('[]', ', ')", "NULL"),
        ]);
    }
}
