//! Kinds of fields, and what fills them.

use host_db::{Param, Value};
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, int, null, text};

fn id() -> Json {
    json!({"name": "id", "kind": "auto"})
}

fn site(fields: Json) -> Site {
    let mut all = vec![id()];
    all.extend(fields.as_array().unwrap().iter().cloned());
    Site::of(json!({"v": 1, "name": "shop", "models": [{"name": "item", "fields": all}]}))
}

fn string(text: &str) -> Value {
    Value::Text(text.into())
}

fn of(value: Value) -> Param {
    Param::One(value)
}

fn insert(field: &str) -> Json {
    json!({"v":1,"op":"insert","from":"item","set":{field:{"$":0}},"returning":["id"]})
}

fn read(field: &str) -> Json {
    json!({"v":1,"from":"item","fields":[field],"filter":[["exact","id",{"$":0}]]})
}

#[tokio::test]
async fn each_kind_takes_what_fits_in_its_own_form() {
    /// A kind's declaration, what fits with what is read for it, what doesn't fit.
    type Case = (Json, Vec<(Value, Value)>, Vec<Value>);
    let cases: Vec<Case> = vec![
        (
            json!({"kind": "small_integer"}),
            vec![(Value::Integer(-32_768), Value::Integer(-32_768))],
            vec![Value::Integer(32_768), string("1"), Value::Float(1.0)],
        ),
        (
            json!({"kind": "positive_small_integer"}),
            vec![(Value::Integer(32_767), Value::Integer(32_767))],
            vec![Value::Integer(-1), Value::Integer(32_768)],
        ),
        (
            json!({"kind": "positive_integer"}),
            vec![(Value::Integer(2_147_483_647), Value::Integer(2_147_483_647))],
            vec![Value::Integer(-1), Value::Integer(2_147_483_648)],
        ),
        (
            json!({"kind": "positive_big_integer"}),
            vec![(Value::Integer(i64::MAX), Value::Integer(i64::MAX))],
            vec![Value::Integer(-1), Value::Integer(i64::MIN)],
        ),
        (
            json!({"kind": "decimal", "max_digits": 18, "decimal_places": 4}),
            vec![
                (string("1.5"), string("1.5000")),
                (string("-0"), string("0.0000")),
                (string("-0.0001"), string("-0.0001")),
                (Value::Integer(-7), string("-7.0000")),
                (string("99999999999999.9999"), string("99999999999999.9999")),
                (string("-99999999999999.9999"), string("-99999999999999.9999")),
            ],
            vec![
                string("100000000000000"),
                string("0.00001"),
                string("1e3"),
                string("+1"),
                string(""),
                string("NaN"),
                Value::Float(1.5),
                string(&"9".repeat(100)),
            ],
        ),
        (
            json!({"kind": "slug"}),
            vec![(string("a-b_C9"), string("a-b_C9")), (string(""), string(""))],
            vec![string("a b"), string("ä"), string(&"a".repeat(51)), Value::Integer(1)],
        ),
        (
            json!({"kind": "email"}),
            vec![(string("Ann.B+c@example.org"), string("Ann.B+c@example.org"))],
            vec![string("ann"), string("Ann <ann@example.org>"), string(&format!("{}@example.org", "a".repeat(250)))],
        ),
        (
            json!({"kind": "url", "max_length": 30}),
            vec![(string("https://example.org/?a=b#c"), string("https://example.org/?a=b#c"))],
            vec![string("javascript:alert(1)"), string("/relative"), string("https://example.org/too/long/for/it")],
        ),
        (
            json!({"kind": "ip"}),
            vec![(string("2001:0DB8::0001"), string("2001:db8::1")), (string("10.0.0.1"), string("10.0.0.1"))],
            vec![string("10.0.0"), string(""), string("fe80::1%eth0"), Value::Bytes(vec![10, 0, 0, 1])],
        ),
        (
            json!({"kind": "ip", "protocol": "ipv4"}),
            vec![(string("10.0.0.1"), string("10.0.0.1"))],
            vec![string("::1"), string("010.0.0.1")],
        ),
        (
            json!({"kind": "file", "upload_to": "docs"}),
            vec![(string("docs/a b.pdf"), string("docs/a b.pdf")), (string(""), string(""))],
            vec![string("../a"), string("/etc/passwd"), string("a\\b"), string("a//b"), string("a\nb")],
        ),
        (
            json!({"kind": "image", "max_length": 8}),
            vec![(string("ä/ö.png"), string("ä/ö.png"))],
            vec![string("a/..png/.."), string("123456.png")],
        ),
    ];
    for (mut field, good, bad) in cases {
        field["name"] = json!("value");
        field["null"] = json!(true);
        let site = site(json!([field]));
        let db = site.request();
        for (given, stored) in good {
            let outcome = db.run(insert("value"), vec![of(given.clone())]).await.unwrap();
            let Value::Integer(id) = outcome.returned.cells[0] else { panic!("a key") };
            assert_eq!(db.one(read("value"), vec![int(id)]).await, stored, "{field} {given:?}");
            // What went in is found by what went in, and packed rows say the same.
            let found =
                json!({"v":1,"op":"count","from":"item","filter":[["exact","value",{"$":0}],["exact","id",id]]});
            assert_eq!(db.one(found, vec![of(given.clone())]).await, Value::Integer(1), "{field} {given:?}");
            let update =
                json!({"v":1,"op":"update","from":"item","set":{"value":{"$":0}},"filter":[["exact","id",id]]});
            assert_eq!(db.run(update, vec![of(given)]).await.unwrap().affected, 1);
            assert_eq!(db.one(read("value"), vec![int(id)]).await, stored);
        }
        for value in bad {
            let error = db.run(insert("value"), vec![of(value.clone())]).await.unwrap_err();
            let expected = ("invalid-value", Some("item"), Some("value"), field["kind"].as_str());
            assert_eq!(
                (error.code, error.detail("model"), error.detail("field"), error.detail("kind")),
                expected,
                "{value:?}"
            );
        }
        db.run(insert("value"), vec![null()]).await.unwrap();
    }
}

#[tokio::test]
async fn decimals_are_compared_and_ordered_exactly() {
    let site = site(json!([
        {"name": "price", "kind": "decimal", "max_digits": 18, "decimal_places": 2},
        {"name": "rate", "kind": "decimal", "max_digits": 6, "decimal_places": 5, "default": "0.5"}]));
    let db = site.request();
    // As floats, the two largest are the same.
    let prices = ["9999999999999999.98", "-0.01", "9999999999999999.99", "0.10", "2", "10.00"];
    for price in prices {
        db.run(insert("price"), vec![text(price)]).await.unwrap();
    }
    let ordered = db.get(json!({"v":1,"from":"item","fields":["price"],"order":["price"]}), vec![]).await.unwrap();
    let expected = ["-0.01", "0.10", "2.00", "10.00", "9999999999999999.98", "9999999999999999.99"].map(string);
    assert_eq!(ordered.cells, expected);
    for (lookup, value, count) in [
        ("gt", "9999999999999999.98", 1),
        ("gte", "9999999999999999.98", 2),
        ("lt", "0.1", 1),
        ("lte", "0.100", 2),
        ("exact", "10", 1),
        // Larger than any row can be, and smaller.
        ("lt", "99999999999999999999999999", 6),
        ("gt", "-99999999999999999999999999", 6),
        ("exact", "99999999999999999999999999", 0),
    ] {
        let ask = json!({"v":1,"op":"count","from":"item","filter":[[lookup,"price",{"$":0}]]});
        assert_eq!(db.one(ask, vec![text(value)]).await, Value::Integer(count), "{lookup} {value}");
    }
    let among = json!({"v":1,"op":"count","from":"item","filter":[["in","price",{"$":0}]]});
    let many = Param::Many(vec![string("2.0"), string("0.1"), Value::Integer(10), string("7")]);
    assert_eq!(db.one(among, vec![many]).await, Value::Integer(3));
    let range = json!({"v":1,"op":"count","from":"item","filter":[["range","price",[0,"10"]]]});
    assert_eq!(db.one(range, vec![]).await, Value::Integer(3));
    // What the field can't hold exactly isn't rounded behind anybody's back.
    let finer = json!({"v":1,"op":"count","from":"item","filter":[["gt","price",{"$":0}]]});
    assert_eq!(code(db.get(finer.clone(), vec![text("0.001")]).await), "invalid-value");
    assert_eq!(code(db.get(finer, vec![of(Value::Float(0.5))]).await), "invalid-value");
    let rate = db.get(json!({"v":1,"from":"item","fields":["rate"],"limit":1}), vec![]).await.unwrap();
    assert_eq!(rate.cells, [string("0.50000")]);
    let packed = json!({"v":1,"from":"item","fields":["price"],"order":["price"],"limit":1}).to_string();
    let packed = db.fetch_packed(packed.as_bytes(), vec![]).await.unwrap();
    assert_eq!(&packed[8..], [&[5, 5, 0, 0, 0][..], b"-0.01"].concat());
}

#[tokio::test]
async fn sums_of_decimals_are_exact() {
    let site = site(json!([
        {"name": "price", "kind": "decimal", "max_digits": 18, "decimal_places": 2},
        {"name": "rate", "kind": "decimal", "max_digits": 6, "decimal_places": 4, "default": "0.3333"}]));
    let db = site.request();
    // 0.1 + 0.2 isn't 0.3 of floats, and beyond 2^53 they skip numbers.
    for price in ["0.10", "0.20", "9007199254740993.01"] {
        db.run(insert("price"), vec![text(price)]).await.unwrap();
    }
    let all = json!({"v":1,"op":"aggregate","from":"item","annotate":[
        ["sum", ["sum", {"f": "price"}]], ["least", ["min", {"f": "price"}]], ["most", ["max", {"f": "price"}]],
        ["some", ["sum", {"f": "price"}, {"filter": [["lt", "price", "1"]]}]],
        ["both", ["sum", ["add", {"f": "rate"}, {"f": "price"}], {"filter": [["lt", "price", "1"]]}]],
        ["product", ["max", ["mul", {"f": "rate"}, {"f": "rate"}]]],
        ["mean", ["avg", {"f": "rate"}]]]});
    let cells = db.get(all, vec![]).await.unwrap().cells;
    let Value::Float(mean) = cells[6] else { panic!("a float, not {:?}", cells[6]) };
    assert!((mean - 0.3333).abs() < 1e-12, "{mean}");
    let expected =
        ["9007199254740993.31", "0.10", "9007199254740993.01", "0.30", "0.9666", "0.11108889"].map(string);
    assert_eq!(cells[..6], expected);
    // In an update, whole numbers and other places meet the field's own.
    let half = json!({"v":1,"op":"update","from":"item","set":{"price":["add",["mul",{"f":"price"},2],{"$":0}]},"filter":[["exact","price","0.1"]]});
    db.run(half, vec![text("0.05")]).await.unwrap();
    let found = json!({"v":1,"op":"count","from":"item","filter":[["exact","price",{"$":0}]]});
    assert_eq!(db.one(found, vec![text("0.25")]).await, Value::Integer(1));
    let grouped = json!({"v":1,"from":"item","group":["rate"],"annotate":[["n",["count"]]],"filter":[["gt",{"e":["mul",{"f":"rate"},3]},"0.99"]]});
    assert_eq!(db.get(grouped, vec![]).await.unwrap().cells, [string("0.3333"), Value::Integer(3)]);
}

#[tokio::test]
async fn arithmetic_does_not_leave_a_kinds_range() {
    let site = site(json!([
        {"name": "small", "kind": "small_integer", "default": 32_767},
        {"name": "count", "kind": "positive_integer", "default": 0},
        {"name": "total", "kind": "positive_big_integer", "default": 1},
        {"name": "price", "kind": "decimal", "max_digits": 4, "decimal_places": 2, "default": "99.99"}]));
    let db = site.request();
    db.run(json!({"v":1,"op":"insert","from":"item","set":{}}), vec![]).await.unwrap();
    for set in [
        json!({"small": ["add", {"f": "small"}, 1]}),
        json!({"count": ["sub", {"f": "count"}, 1]}),
        json!({"total": ["sub", {"f": "total"}, 2]}),
        json!({"price": ["add", {"f": "price"}, "0.01"]}),
    ] {
        let error = db.run(json!({"v":1,"op":"update","from":"item","set":set}), vec![]).await.unwrap_err();
        assert_eq!(error.code, "check", "{set}");
    }
    let set = json!({"price": ["sub", {"f": "price"}, {"$":0}], "count": ["add", {"f": "count"}, 5]});
    db.run(json!({"v":1,"op":"update","from":"item","set":set}), vec![text("0.99")]).await.unwrap();
    let row = db.get(json!({"v":1,"from":"item","fields":["price","count"]}), vec![]).await.unwrap();
    assert_eq!(row.cells, [string("99.00"), Value::Integer(5)]);
}

#[tokio::test]
async fn validators_look_at_every_value_that_is_given() {
    let site = site(json!([
        {"name": "stars", "kind": "integer", "default": 3, "validators": [["min_value", 1], ["max_value", 5]]},
        {"name": "code", "kind": "char", "max_length": 20, "null": true,
         "validators": [["min_length", 2], ["regex", "^[a-z]+$"]]},
        {"name": "weight", "kind": "float", "null": true, "validators": [["step", 0.5]]},
        {"name": "price", "kind": "decimal", "max_digits": 9, "decimal_places": 2, "null": true,
         "validators": [["max_value", "99.50"]]}]));
    let db = site.request();
    for (set, validator) in [
        (json!({"stars": 0}), "min_value"),
        (json!({"stars": 6}), "max_value"),
        (json!({"code": "a"}), "min_length"),
        (json!({"code": "a1"}), "regex"),
        (json!({"weight": 0.7}), "step"),
        (json!({"price": "99.51"}), "max_value"),
    ] {
        let shapes = [
            json!({"v":1,"op":"insert","from":"item","set":set}),
            json!({"v":1,"op":"update","from":"item","set":set}),
        ];
        for shape in shapes {
            let error = db.run(shape, vec![]).await.unwrap_err();
            assert_eq!((error.code, error.detail("validator")), ("invalid-value", Some(validator)), "{set}");
        }
    }
    db.run(
        json!({"v":1,"op":"insert","from":"item","set":{"stars":5,"code":"ok","weight":1.5,"price":"99.5"}}),
        vec![],
    )
    .await
    .unwrap();
    let bulk = json!({"v":1,"op":"insert","from":"item","set":{"stars":{"$":0}}});
    let values = Param::Many([1, 2, 9].map(Value::Integer).into());
    let error = db.run(bulk, vec![values]).await.unwrap_err();
    assert_eq!((error.code, error.detail("validator")), ("invalid-value", Some("max_value")));
    // A value to compare with need not be one that could be stored, and NULL is the field's matter.
    let ask = json!({"v":1,"op":"count","from":"item","filter":[["lt","stars",{"$":0}]]});
    assert_eq!(db.one(ask, vec![int(100)]).await, Value::Integer(1));
    db.run(json!({"v":1,"op":"insert","from":"item","set":{"code":null}}), vec![]).await.unwrap();
}

#[tokio::test]
async fn moments_are_filled_in_unless_they_are_given() {
    let site = site(json!([
        {"name": "made", "kind": "datetime", "auto_now_add": true},
        {"name": "day", "kind": "date", "auto_now": true},
        {"name": "at", "kind": "time", "auto_now": true},
        {"name": "n", "kind": "integer", "default": 0}]));
    let db = site.request();
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    let before = now();
    let bulk = json!({"v":1,"op":"insert","from":"item","set":{"n":{"$":0}},"returning":["made","day","at"]});
    let values = Param::Many([1, 2].map(Value::Integer).into());
    let rows = db.run(bulk, vec![values]).await.unwrap().returned;
    let after = now();
    for row in rows.iter() {
        let [Value::Integer(made), Value::Integer(day), Value::Integer(at)] = row else { panic!("{row:?}") };
        assert!((before..=after).contains(made), "{made}");
        let whole = day * 86_400_000_000 + at;
        assert!((before..=after).contains(&whole), "{day} {at}");
    }
    let given = json!({"v":1,"op":"insert","from":"item","set":{"made":{"$":0},"day":1},"returning":["made","day"]});
    let outcome = db.run(given, vec![int(5)]).await.unwrap();
    assert_eq!(outcome.returned.cells, [Value::Integer(5), Value::Integer(1)]);
    // An update changes what it says, no more.
    db.run(json!({"v":1,"op":"update","from":"item","set":{"n":7},"filter":[["exact","made",5]]}), vec![])
        .await
        .unwrap();
    let row = json!({"v":1,"from":"item","fields":["day","n"],"filter":[["exact","made",5]]});
    assert_eq!(db.get(row, vec![]).await.unwrap().cells, [Value::Integer(1), Value::Integer(7)]);
    assert_eq!(code(db.run(json!({"v":1,"op":"insert","from":"item","set":{"made":null}}), vec![]).await), "not-null");
}

#[tokio::test]
async fn generated_fields_are_read_and_never_written() {
    let site = site(json!([
        {"name": "price", "kind": "integer"},
        {"name": "amount", "kind": "integer", "default": 2},
        {"name": "total", "kind": "big_integer", "generated": {"expr": ["mul", {"f": "price"}, {"f": "amount"}], "stored": true}, "index": true},
        {"name": "less", "kind": "float", "null": true, "column": "Less", "generated": {"expr": ["div", {"f": "price"}, 2], "stored": true}}]));
    let db = site.request();
    let id = db.add("item", json!({"price": 7})).await;
    let row = db.get(json!({"v":1,"from":"item"}), vec![]).await.unwrap();
    assert_eq!(
        row.cells,
        [Value::Integer(id), Value::Integer(7), Value::Integer(2), Value::Integer(14), Value::Float(3.0)]
    );
    db.run(json!({"v":1,"op":"update","from":"item","set":{"price":-8}}), vec![]).await.unwrap();
    let found = json!({"v":1,"op":"count","from":"item","filter":[["exact","total",-16],["lt","less",0]]});
    assert_eq!(db.one(found, vec![]).await, Value::Integer(1));
    for shape in [
        json!({"v":1,"op":"insert","from":"item","set":{"price":1,"total":5}}),
        json!({"v":1,"op":"update","from":"item","set":{"total":5}}),
    ] {
        let error = db.run(shape, vec![]).await.unwrap_err();
        assert_eq!((error.code, error.detail("field")), ("invalid-shape", Some("total")));
    }
}

#[tokio::test]
async fn the_database_fills_in_its_own_defaults() {
    let hostile = "it's \"so\" \\' ?; -- \u{1}ä";
    let site = site(json!([
        {"name": "n", "kind": "integer", "db_default": ["add", 40, 2]},
        {"name": "price", "kind": "decimal", "max_digits": 6, "decimal_places": 2, "db_default": "9.9"},
        {"name": "words", "kind": "text", "db_default": hostile},
        {"name": "made", "kind": "text", "db_default": ["concat", "what?", ["upper", "'it'\\\u{1}"]]},
        {"name": "at", "kind": "datetime", "db_default": ["now"]},
        {"name": "tag", "kind": "uuid", "db_default": "00112233-4455-6677-8899-aabbccddeeff"},
        {"name": "none", "kind": "char", "max_length": 9, "null": true, "db_default": null}]));
    let db = site.request();
    let fields = json!(["n", "price", "words", "tag", "none"]);
    let tag = Value::Bytes((0..16).map(|n: u8| n * 0x11).collect());
    let insert = json!({"v":1,"op":"insert","from":"item","set":{},"returning":fields});
    let returned = db.run(insert, vec![]).await.unwrap().returned.cells;
    assert_eq!(returned, [Value::Integer(42), string("9.90"), string(hostile), tag, Value::Null]);
    let filled = db.get(json!({"v":1,"from":"item","fields":["made","at"]}), vec![]).await.unwrap().cells;
    assert_eq!(filled[0], string("what?'IT'\\\u{1}"));
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    assert!(matches!(filled[1], Value::Integer(at) if (now - 60_000_000..=now + 1_000_000).contains(&at)), "{filled:?}");
    let given = json!({"v":1,"op":"insert","from":"item","set":{"n":1,"words":""},"returning":["n","words"]});
    assert_eq!(db.run(given, vec![]).await.unwrap().returned.cells, [Value::Integer(1), string("")]);
}

#[tokio::test]
async fn bytes_in_a_shape_are_hexadecimal_digits_wherever_they_stand() {
    let site = site(json!([{"name": "tag", "kind": "uuid"}, {"name": "raw", "kind": "binary", "null": true}]));
    let db = site.request();
    let tag = "00112233-4455-6677-8899-aabbccddeeff";
    db.add("item", json!({"tag": tag, "raw": "c0ffee"})).await;
    let count = async |filter: Json| {
        db.get(json!({"v":1,"op":"count","from":"item","filter":[filter]}), vec![]).await.map(|rows| rows.cells)
    };
    for (filter, found) in [
        (json!(["exact", "tag", tag]), 1),
        (json!(["exact", {"e": ["coalesce", {"f": "tag"}, tag]}, tag]), 1),
        (json!(["exact", "tag", "ffffffffffffffffffffffffffffffff"]), 0),
        (json!(["exact", "raw", "C0FFEE"]), 1),
    ] {
        assert_eq!(count(filter.clone()).await, Ok(vec![Value::Integer(found)]), "{filter}");
    }
    let error = count(json!(["exact", "tag", "no digits"])).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("invalid-value", Some("tag")));
    assert!(error.message.contains("takes hexadecimal digits"), "{error}");
    let set = json!({"v":1,"op":"update","from":"item","set":{"raw":"c0f"}});
    assert_eq!(code(db.run(set, vec![]).await), "invalid-value");
}

#[tokio::test]
async fn columns_may_be_called_otherwise_than_fields() {
    let site = Site::of(json!({"v": 1, "name": "shop", "models": [
        {"name": "maker", "fields": [{"name": "id", "kind": "auto", "column": "MakerId"}, {"name": "name", "kind": "char", "max_length": 20, "column": "select"}]},
        {"name": "item", "ordering": ["title"], "fields": [id(),
            {"name": "title", "kind": "char", "max_length": 20, "column": "Title_Of_It", "unique": true},
            {"name": "maker", "kind": "foreign_key", "to": "maker", "on_delete": "cascade", "column": "made_by"}],
         "indexes": [["maker", "title"]]}]}));
    let db = site.request();
    let maker = db.add("maker", json!({"name": "ann"})).await;
    db.add("item", json!({"title": "b", "maker": maker})).await;
    db.add("item", json!({"title": "a", "maker": maker})).await;
    let ask =
        json!({"v":1,"from":"item","fields":["title",["maker","name"]],"filter":[["exact",["maker","name"],"ann"]]});
    let rows = db.get(ask, vec![]).await.unwrap().cells;
    assert_eq!(rows, ["a", "ann", "b", "ann"].map(string));
    let again = json!({"v":1,"op":"insert","from":"item","set":{"title":"a","maker":maker}});
    let error = db.run(again, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("model"), error.detail("field")), ("unique", Some("item"), Some("title")));
    assert!(!error.to_string().contains("Title_Of_It"), "{error}");
    assert_eq!(code(db.get(json!({"v":1,"from":"item","fields":["made_by"]}), vec![]).await), "unknown-field");
    db.run(json!({"v":1,"op":"delete","from":"maker"}), vec![]).await.unwrap();
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"item"}), vec![]).await, Value::Integer(0));
    // The same again is nothing to do.
    assert_eq!(site.db.plan_app(&site.manifest).unwrap(), [""; 0]);
}
