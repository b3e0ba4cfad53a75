//! Values and shapes at the edge of what a database takes: an answer or an error value, the same from each.

use host_core::budget::Limits;
use host_core::access::ModelGrants;
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_db::{DbConfig, Param, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, int, integer, text};
use crate::Backend;

const MARIADB: bool = matches!(super::BACKEND, Backend::Mariadb);

fn insert(set: Json) -> Json {
    json!({"v":1,"op":"insert","from":"sample","set":set})
}

/// Samples with these notes, in this order, and as many in `big` as come after it.
async fn notes(db: &RequestDb, notes: &[&str]) {
    for (at, note) in notes.iter().enumerate() {
        db.add("sample", json!({"note": note, "big": notes.len() - at})).await;
    }
}

async fn texts(db: &RequestDb, shape: Json, params: Vec<Param>) -> Vec<String> {
    let rows = db.get(shape.clone(), params).await.unwrap_or_else(|error| panic!("{shape}: {error}"));
    let text = |row: &[Value]| match &row[0] {
        Value::Text(text) => text.clone(),
        other => panic!("a text, not {other:?}"),
    };
    rows.iter().map(text).collect()
}

#[tokio::test]
async fn a_value_orders_nothing_and_is_no_place_of_a_cell() {
    let site = Site::polls();
    let db = site.request();
    notes(&db, &["b", "c", "a"]).await;
    for value in [json!(1), json!(7), json!(-1), json!(0), json!(true), json!(1.5)] {
        let shape = json!({"v":1,"from":"sample","fields":["note"],"order":[[value,"asc"],"id"]});
        assert_eq!(texts(&db, shape, vec![]).await, ["b", "c", "a"], "{value}");
    }
    let hole = json!({"v":1,"from":"sample","fields":["note"],"order":[[{"$":0,"as":"integer"},"desc"],"id"]});
    assert_eq!(texts(&db, hole, vec![int(1)]).await, ["b", "c", "a"]);
    let named = json!({"v":1,"from":"sample","annotate":[["g",1]],"fields":["note"],"order":[["g","desc"],"-id"]});
    assert_eq!(texts(&db, named, vec![]).await, ["a", "c", "b"]);
    let once = json!({"v":1,"from":"sample","annotate":[["g",3]],"fields":["note","g"],"distinct":true,
        "order":["g","note"]});
    assert_eq!(texts(&db, once, vec![]).await, ["a", "b", "c"]);
    let of = json!({"v":1,"from":"sample","fields":["note"],"order":[[2,"asc"],"note"],"limit":1});
    let both = json!({"v":1,"from":"sample","fields":["note"],"order":["note"],"combine":[["union_all", of]]});
    assert_eq!(texts(&db, both, vec![]).await, ["a", "a", "b", "c"]);
    for value in [json!(5), json!(true)] {
        let joined = json!({"v":1,"op":"aggregate","from":"sample",
            "annotate":[["all", ["string_agg", {"f":"note"}, "", {"order":[[value,"asc"],"note"]}]]]});
        assert_eq!(texts(&db, joined, vec![]).await, ["abc"]);
        let places = json!({"v":1,"from":"sample","fields":["n"],
            "annotate":[["n", ["window", ["rank"], {"order":[[value,"asc"]]}]]]});
        assert_eq!(db.ids(places, vec![]).await, [1, 1, 1]);
    }
}

#[tokio::test]
async fn a_value_makes_one_group() {
    let site = Site::polls();
    let db = site.request();
    notes(&db, &["b", "c", "a"]).await;
    for (value, seen) in [
        (json!(2), Value::Integer(2)),
        (json!(1), Value::Integer(1)),
        (json!(-3), Value::Integer(-3)),
        (json!(false), Value::Boolean(false)),
        (json!({"$":0,"as":"integer"}), Value::Integer(1)),
    ] {
        let shape = json!({"v":1,"from":"sample","annotate":[["g",value],["n",["count"]]],"group":["g"],"order":["g"],
            "filter":[["gte","big",{"$":0}]]});
        let rows = db.get(shape, vec![int(1)]).await.unwrap();
        assert_eq!(rows.cells, [seen, Value::Integer(3)], "{value}");
    }
}

#[tokio::test]
async fn the_spread_of_distinct_values() {
    let site = Site::polls();
    let db = site.request();
    notes(&db, &["b", "c", "a"]).await;
    for function in ["stddev", "variance"] {
        let shape = json!({"v":1,"op":"aggregate","from":"sample","annotate":[["s",[function,{"f":"big"},{"distinct":true}]]]});
        let answer = db.get(shape, vec![]).await;
        if MARIADB {
            assert_eq!(code(answer), "unsupported");
        } else {
            assert!(matches!(answer.unwrap().cells[..], [Value::Float(_)]), "{function}");
        }
    }
}

#[tokio::test]
async fn dates_are_those_of_the_calendar() {
    let manifest = json!({"v":1,"name":"diary","models":[{"name":"entry","fields":[
        {"name":"id","kind":"auto"},
        {"name":"day","kind":"date","null":true},
        {"name":"at","kind":"datetime","null":true},
        {"name":"took","kind":"duration","null":true}]}]});
    let site = Site::of(manifest);
    let db = site.request();
    let (first, last) = (-719_162_i64, 2_932_896_i64);
    let day = 86_400_000_000_i64;
    let entry = |field: &str| json!({"v":1,"op":"insert","from":"entry","set":{field:{"$":0}},"returning":[field]});
    for (field, good, bad) in [
        ("day", [first, last], [first - 1, last + 1, 1 << 62, i64::MIN, i64::MAX]),
        ("at", [first * day, last * day + day - 1], [first * day - 1, last * day + day, 1 << 62, i64::MIN, i64::MAX]),
    ] {
        for number in good {
            let outcome = db.run(entry(field), vec![int(number)]).await.unwrap();
            assert_eq!(outcome.returned.cells, [Value::Integer(number)], "{field}");
        }
        for number in bad {
            let error = db.run(entry(field), vec![int(number)]).await.unwrap_err();
            assert_eq!((error.code, error.detail("field")), ("invalid-value", Some(field)), "{number}");
            // Nor on the way through an expression.
            let set = json!({"v":1,"op":"update","from":"entry","set":{field:["coalesce",{"$":0},{"f":field}]}});
            assert_eq!(code(db.run(set, vec![int(number)]).await), "invalid-value", "{field} {number}");
            let year = json!({"v":1,"from":"entry","annotate":[["y",["extract","year",["coalesce",{"$":0},{"f":field}]]]],"fields":["y"]});
            assert_eq!(code(db.get(year, vec![int(number)]).await), "invalid-value", "{field} {number}");
            // To compare with, any number will do.
            let before = json!({"v":1,"op":"count","from":"entry","filter":[["lte",field,{"$":0}]]});
            let count = if number < first { 0 } else { 2 };
            assert_eq!(integer(&db.one(before, vec![int(number)]).await), count, "{field} {number}");
        }
    }
}

#[tokio::test]
async fn what_leaves_the_calendar_by_reckoning() {
    let manifest = json!({"v":1,"name":"diary","models":[{"name":"entry","fields":[
        {"name":"id","kind":"auto"},
        {"name":"at","kind":"datetime"},
        {"name":"took","kind":"duration"}]}]});
    let site = Site::of(manifest);
    let db = site.request();
    let set = json!({"v":1,"op":"insert","from":"entry","set":{"at":{"$":0},"took":{"$":1}}});
    db.run(set, vec![int(253_402_300_799_999_999), int(i64::MAX / 2)]).await.unwrap();
    for operation in ["add", "sub"] {
        let moved = json!({"v":1,"op":"update","from":"entry","set":{"at":[operation,{"f":"at"},{"f":"took"}]}});
        let answer = db.run(moved, vec![]).await;
        // SQLite reckons with the numbers.
        if super::BACKEND != Backend::Sqlite {
            assert!(answer.is_ok() || matches!(code(answer), "check" | "invalid-value"), "{operation}");
        }
    }
}

#[tokio::test]
async fn documents_that_a_database_cannot_keep() {
    let site = Site::polls();
    let db = site.request();
    db.run(insert(json!({"doc":{"$":0}})), vec![text("[]")]).await.unwrap();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let documents =
        [r#"{"a":"\u0000"}"#.to_owned(), r#"["\ud800"]"#.into(), r#""\udc00""#.into(), "1e999999".into(), deep(40)];
    for document in documents {
        for shape in [
            insert(json!({"doc":{"$":0}})),
            json!({"v":1,"op":"count","from":"sample","filter":[["json_contains","doc",{"$":0}]]}),
            json!({"v":1,"from":"sample","fields":["n"],"annotate":[["n",["json_length",{"$":0,"as":"json"}]]]}),
            json!({"v":1,"from":"sample","fields":["n"],"annotate":[["n",["json",{"$":0,"as":"json"},0]]]}),
            json!({"v":1,"op":"update","from":"sample","set":{"big":["json_length",{"$":0,"as":"json"}]}}),
            json!({"v":1,"op":"update","from":"sample","set":{"doc":["json",{"$":0,"as":"json"},0]}}),
        ] {
            let params = vec![text(&document)];
            let error = match shape["op"].as_str() {
                Some("insert" | "update") => db.run(shape.clone(), params).await.err(),
                _ => db.get(shape.clone(), params).await.err(),
            };
            if let Some(error) = error {
                assert!(matches!(error.code, "invalid-value" | "check"), "{document} {shape}: {error}");
                assert!(!error.message.contains("sum"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn texts_of_documents_beside_texts_of_columns() {
    let site = Site::polls();
    let db = site.request();
    let set = insert(json!({"doc":{"$":0},"note":{"$":1}}));
    db.run(set, vec![text(r#"{"a":"x"}"#), text("x")]).await.unwrap();
    let (inner, note) = (json!(["json_text", {"f":"doc"}, "a"]), json!({"f":"note"}));
    let cast = json!(["cast", {"f":"doc"}, "text"]);
    for (left, lookup, right, expected) in [
        (&inner, "exact", &note, 1),
        (&note, "exact", &inner, 1),
        (&inner, "contains", &note, 1),
        (&note, "contains", &inner, 1),
        (&cast, "contains", &note, 1),
        (&note, "contains", &cast, 0),
        (&cast, "exact", &note, 0),
        (&inner, "gte", &cast, 0),
        (&inner, "lt", &note, 0),
    ] {
        let shape = json!({"v":1,"op":"count","from":"sample","filter":[[lookup,{"e":left},right]]});
        assert_eq!(db.one(shape.clone(), vec![]).await, Value::Integer(expected), "{shape}");
    }
    for expr in [
        json!(["strindex", inner, note]),
        json!(["strindex", note, cast]),
        json!(["strindex", cast, inner]),
        json!(["length", ["concat", inner, note, cast]]),
        json!(["length", ["replace", inner, note, cast]]),
        json!(["length", ["coalesce", inner, note]]),
        json!(["length", ["greatest", note, cast]]),
        json!(["length", ["nullif", inner, cast]]),
    ] {
        let shape = json!({"v":1,"from":"sample","fields":["n"],"annotate":[["n", expr]]});
        assert!(matches!(db.one(shape, vec![]).await, Value::Integer(_)), "{expr}");
    }
}

#[tokio::test]
async fn decimals_past_their_digits_are_named() {
    let site = Site::polls();
    let db = site.request();
    notes(&db, &["a"]).await;
    let wide = |hole: usize| json!(["cast", {"$":hole,"as":"text"}, {"kind":"decimal","max_digits":18,"decimal_places":0}]);
    for expr in [
        json!(["mul", ["mul", wide(0), wide(0)], wide(0)]),
        json!(["round", ["mul", ["cast", {"$":0,"as":"text"}, {"kind":"decimal","max_digits":18,"decimal_places":2}], wide(0)], 1]),
    ] {
        let shape = json!({"v":1,"from":"sample","fields":["n"],"annotate":[["n", expr]]});
        let error = db.get(shape, vec![text("999999999999999999")]).await;
        match error {
            Ok(rows) => assert_eq!(rows.cells.len(), 1),
            Err(error) => {
                assert_eq!(error.code, "invalid-value", "{error}");
                assert!(!error.message.contains("sum"), "{error}");
            }
        }
    }
}

/// A site whose app may write SQL, as another program would that uses the same table.
fn with_raw(manifest: Json) -> Site {
    let manifest = Manifest::parse(&manifest.to_string()).unwrap();
    let db = super::site::database(StoreConfig::temporary(), DbConfig::default());
    let app = db.for_granted(&manifest, &both(), &ModelGrants::default()).unwrap();
    Site { db, app, name: manifest.name.to_string(), manifest }
}

fn both() -> Grants {
    [Capability::Db, Capability::DbRaw].into_iter().collect()
}

fn raw(site: &Site) -> RequestDb {
    site.app.for_request(site.context(Limits::default(), both()))
}

#[tokio::test]
async fn parts_of_days_that_no_calendar_has() {
    let site = with_raw(json!({"v":1,"name":"diary","models":[{"name":"entry","fields":[
        {"name":"id","kind":"auto"},
        {"name":"day","kind":"date"},
        {"name":"at","kind":"datetime"}]}]}));
    let db = raw(&site);
    let values = match super::BACKEND {
        Backend::Sqlite => ["(4611686018427387904, 9223372036854775807)", "(-4611686018427387904, -9223372036854775808)"],
        Backend::Postgres => ["('infinity', 'infinity')", "('-infinity', '-infinity')"],
        // It has none.
        Backend::Mariadb => ["('9999-12-31', '9999-12-31')", "('0001-01-01', '0001-01-01')"],
    };
    for values in values {
        db.execute_raw(&format!("INSERT INTO diary__entry (day, at) VALUES {values}"), vec![]).await.unwrap();
    }
    let mut exprs = Vec::new();
    for field in ["day", "at"] {
        for part in ["year", "quarter", "month", "day", "week", "iso_year", "week_day", "iso_week_day"] {
            exprs.push(json!(["extract", part, {"f":field}]));
        }
        for unit in ["year", "quarter", "month", "week", "day"] {
            exprs.push(json!(["extract", "month", ["trunc", unit, {"f":field}]]));
        }
        exprs.push(json!(["length", ["cast", {"f":field}, "text"]]));
    }
    for part in ["hour", "minute", "second", "microsecond"] {
        exprs.push(json!(["extract", part, {"f":"at"}]));
    }
    exprs.push(json!(["extract", "year", ["date", {"f":"at"}]]));
    exprs.push(json!(["extract", "hour", ["time", {"f":"at"}]]));
    for expr in exprs {
        let shape = json!({"v":1,"from":"entry","fields":["n"],"annotate":[["n", expr]]});
        let rows = db.get(shape, vec![]).await.unwrap_or_else(|error| panic!("{expr}: {error}"));
        let year = expr[1] == "year" || expr[1] == "iso_year";
        if super::BACKEND == Backend::Postgres && year {
            assert_eq!(rows.cells, [Value::Null, Value::Null], "{expr}");
        }
    }
}

#[tokio::test]
async fn a_number_that_is_none_is_an_error_value_with_its_field() {
    // The others have no such numbers.
    if super::BACKEND != Backend::Postgres {
        return;
    }
    let site = with_raw(json!({"v":1,"name":"shop","models":[{"name":"item","fields":[
        {"name":"id","kind":"auto"},
        {"name":"name","kind":"text"},
        {"name":"price","kind":"decimal","max_digits":10,"decimal_places":2}]}]}));
    let db = raw(&site);
    db.run(json!({"v":1,"op":"insert","from":"item","set":{"name":"a","price":"1.50"}}), vec![]).await.unwrap();
    db.execute_raw("INSERT INTO shop__item (name, price) VALUES ('b', 'NaN')", vec![]).await.unwrap();
    let error = db.get(json!({"v":1,"from":"item"}), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("invalid-value", Some("price")), "{error}");
    let sum = json!({"v":1,"op":"aggregate","from":"item","annotate":[["all",["sum",{"f":"price"}]]]});
    assert_eq!(code(db.get(sum, vec![]).await), "invalid-value");
    // All else can be read, and so can the other rows.
    assert_eq!(db.get(json!({"v":1,"from":"item","fields":["id","name"]}), vec![]).await.unwrap().len(), 2);
    let first = json!({"v":1,"from":"item","fields":["price"],"filter":[["exact","name","a"]]});
    assert_eq!(db.one(first, vec![]).await, Value::Text("1.50".into()));
}
