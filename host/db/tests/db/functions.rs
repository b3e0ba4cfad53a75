//! Functions, each with what it makes on every database.

use host_db::{Param, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::shop::{check, refused, shop, value};
use super::site::{Ask, code, text};

async fn one_product(set: Json) -> (super::site::Site, host_db::RequestDb) {
    let site = shop();
    let db = site.request();
    db.add("product", set).await;
    (site, db)
}

#[tokio::test]
async fn texts() {
    let (_site, db) = one_product(json!({"name": "Hällo", "note": "  a,b,a  "})).await;
    let name = json!({"f": "name"});
    check(
        &db,
        1,
        &[
            (json!(["lower", name]), json!("hällo")),
            (json!(["upper", name]), json!("HÄLLO")),
            (json!(["length", name]), json!(5)),
            (json!(["length", {"f": "slug"}]), json!(null)),
            (json!(["substr", name, 2]), json!("ällo")),
            (json!(["substr", name, 2, 3]), json!("äll")),
            (json!(["substr", name, 0, 2]), json!("H")),
            (json!(["substr", name, -1, 4]), json!("Hä")),
            (json!(["substr", name, 9, 2]), json!("")),
            (json!(["substr", name, 2, -1]), json!("")),
            (json!(["substr", name, 1, 9223372036854775807_i64]), json!("Hällo")),
            (json!(["substr", name, -9223372036854775807_i64, 3]), json!("")),
            (json!(["left", name, 2]), json!("Hä")),
            (json!(["left", name, -2]), json!("")),
            (json!(["left", name, 99]), json!("Hällo")),
            (json!(["right", name, 2]), json!("lo")),
            (json!(["right", name, 0]), json!("")),
            (json!(["trim", {"f": "note"}]), json!("a,b,a")),
            (json!(["ltrim", {"f": "note"}]), json!("a,b,a  ")),
            (json!(["rtrim", {"f": "note"}]), json!("  a,b,a")),
            (json!(["replace", name, "l", "LL"]), json!("HäLLLLo")),
            (json!(["replace", name, "", "x"]), json!("Hällo")),
            (json!(["replace", name, "x", "%"]), json!("Hällo")),
            (json!(["lpad", name, 7]), json!("  Hällo")),
            (json!(["lpad", name, 8, "ab"]), json!("abaHällo")),
            (json!(["rpad", name, 8, "ab"]), json!("Hälloaba")),
            (json!(["rpad", name, 2, "ab"]), json!("Hä")),
            (json!(["lpad", name, -2, "ab"]), json!("")),
            (json!(["lpad", name, 9, ""]), json!("Hällo")),
            (json!(["lpad", name, 65537, "x"]), json!(null)),
            (json!(["repeat", name, 2]), json!("HälloHällo")),
            (json!(["repeat", name, -2]), json!("")),
            (json!(["reverse", name]), json!("olläH")),
            (json!(["chr", 8364]), json!("€")),
            (json!(["chr", 128512]), json!("😀")),
            (json!(["chr", 0]), json!(null)),
            (json!(["chr", 55296]), json!(null)),
            (json!(["chr", -1]), json!(null)),
            (json!(["ord", name]), json!(72)),
            (json!(["ord", ["substr", name, 2]]), json!(228)),
            (json!(["ord", ["left", name, 0]]), json!(null)),
            (json!(["strindex", name, "l"]), json!(3)),
            (json!(["strindex", name, "L"]), json!(0)),
            (json!(["strindex", name, ""]), json!(1)),
            (json!(["md5", "a"]), json!("0cc175b9c0f1b6a831c399e269772661")),
            (json!(["sha256", "a"]), json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")),
            (json!(["concat", name, {"f": "slug"}, "!"]), json!("Hällo!")),
            (json!(["concat", {"f": "slug"}]), json!("")),
            (json!(["concat", "'", "?", "\\", "{0}"]), json!("'?\\{0}")),
        ],
    )
    .await;
}

#[tokio::test]
async fn numbers() {
    let set = json!({"name": "x", "price": "2.55", "cost": "-1.005", "weight": 2.5, "stock": -7, "small": 3, "big": 1_i64 << 60});
    let (_site, db) = one_product(set).await;
    let (weight, stock) = (json!({"f": "weight"}), json!({"f": "stock"}));
    check(
        &db,
        1,
        &[
            (json!(["abs", stock]), json!(7)),
            (json!(["abs", {"f": "cost"}]), json!("1.005")),
            (json!(["sign", stock]), json!(-1)),
            (json!(["sign", {"f": "cost"}]), json!(-1)),
            (json!(["sign", {"f": "took"}]), json!(null)),
            (json!(["ceil", weight]), json!(3.0)),
            (json!(["floor", weight]), json!(2.0)),
            (json!(["floor", {"f": "cost"}]), json!(-2.0)),
            (json!(["round", weight]), json!(3.0)),
            (json!(["round", ["mul", weight, -1]]), json!(-3.0)),
            (json!(["round", 1.25, 1]), json!(1.3)),
            (json!(["round", 1250.5, -2]), json!(1300.0)),
            (json!(["round", {"f": "price"}, 1]), json!("2.6")),
            (json!(["round", {"f": "cost"}, 2]), json!("-1.01")),
            (json!(["round", {"f": "price"}, 5]), json!("2.55")),
            (json!(["round", {"f": "price"}, -1]), json!("0")),
            (json!(["round", stock, -1]), json!(-10)),
            (json!(["round", stock, 2]), json!(-7)),
            (json!(["sqrt", 2.25]), json!(1.5)),
            (json!(["sqrt", stock]), json!(null)),
            (json!(["power", 2, 10]), json!(1024.0)),
            (json!(["power", stock, 2]), json!(49.0)),
            (json!(["power", stock, 0.5]), json!(null)),
            (json!(["power", 0, -1]), json!(null)),
            (json!(["power", 0, 0]), json!(1.0)),
            (json!(["power", 10, 400]), json!(null)),
            (json!(["power", 10, -400]), json!(0.0)),
            (json!(["exp", 0]), json!(1.0)),
            (json!(["exp", 1000]), json!(null)),
            (json!(["exp", -1000]), json!(0.0)),
            (json!(["ln", ["exp", 1]]), json!(1.0)),
            (json!(["ln", 0]), json!(null)),
            (json!(["log", 2, 8]), json!(3.0)),
            (json!(["log", 1, 8]), json!(null)),
            (json!(["log", -2, 8]), json!(null)),
            (json!(["pi"]), json!(std::f64::consts::PI)),
            (json!(["sin", 0]), json!(0.0)),
            (json!(["cos", 0]), json!(1.0)),
            (json!(["tan", 0]), json!(0.0)),
            (json!(["asin", 1]), json!(std::f64::consts::FRAC_PI_2)),
            (json!(["asin", 2]), json!(null)),
            (json!(["acos", -2]), json!(null)),
            (json!(["acos", 1]), json!(0.0)),
            (json!(["atan", 1]), json!(std::f64::consts::FRAC_PI_4)),
            (json!(["atan2", 1, -1]), json!(3.0 * std::f64::consts::FRAC_PI_4)),
            (json!(["degrees", ["pi"]]), json!(180.0)),
            (json!(["radians", 180]), json!(std::f64::consts::PI)),
            (json!(["add", {"f": "small"}, stock]), json!(-4)),
            (json!(["div", stock, 2]), json!(-3)),
            (json!(["mod", stock, 2]), json!(-1)),
            (json!(["div", stock, 0]), json!(null)),
            (json!(["mod", stock, 0]), json!(null)),
            (json!(["div", weight, 0]), json!(null)),
            (json!(["div", stock, 2.0]), json!(-3.5)),
            (json!(["add", stock, weight]), json!(-4.5)),
            (json!(["add", {"f": "price"}, {"f": "cost"}]), json!("1.545")),
            (json!(["sub", {"f": "price"}, 1]), json!("1.55")),
            (json!(["mul", {"f": "price"}, {"f": "cost"}]), json!("-2.56275")),
            (json!(["mul", {"f": "price"}, 2]), json!("5.10")),
            (json!(["add", {"f": "price"}, "0.05"]), json!("2.60")),
            (json!(["div", {"f": "price"}, 2]), json!(1.275)),
            (json!(["mod", {"f": "price"}, 2]), json!("0.55")),
            (json!(["mul", {"f": "price"}, 0.5]), json!(1.275)),
            (json!(["sub", ["add", {"f": "big"}, {"f": "big"}], {"f": "big"}]), json!(1_i64 << 60)),
        ],
    )
    .await;
    // Past 64 bits is an error wherever it happens.
    for over in [
        json!(["mul", {"f": "big"}, 8]),
        json!(["add", ["mul", {"f": "big"}, 7], {"f": "big"}]),
        json!(["div", ["sub", -9223372036854775807_i64, 1], -1]),
    ] {
        assert_eq!(code(value(&db, 1, &over, vec![]).await), "invalid-value", "{over}");
    }
    let random = value(&db, 1, &json!(["random"]), vec![]).await.unwrap();
    assert!(matches!(random, Value::Float(number) if (0.0..1.0).contains(&number)), "{random:?}");
}

/// 2024-10-27T00:30:15.000007Z, when clocks in Berlin show half past two for the first time of two.
const MOMENT: i64 = 1_729_989_015_000_007;
/// 2024-12-30, a Monday of ISO week 1 of 2025.
const DAY: i64 = 20_087;

#[tokio::test]
async fn dates_and_times() {
    let opens = 9 * 3_600_000_000_i64 + 30 * 60_000_000 + 5_000_009;
    let (_site, db) =
        one_product(json!({"name": "x", "made": DAY, "sold": MOMENT, "opens": opens, "took": 90_000_000})).await;
    let (made, sold, opens) = (json!({"f": "made"}), json!({"f": "sold"}), json!({"f": "opens"}));
    let berlin = json!({"tz": "Europe/Berlin"});
    let hour = 3_600_000_000_i64;
    let begin = MOMENT - 15_000_007 - 30 * 60_000_000;
    check(
        &db,
        1,
        &[
            (json!(["extract", "year", made]), json!(2024)),
            (json!(["extract", "month", made]), json!(12)),
            (json!(["extract", "day", made]), json!(30)),
            (json!(["extract", "quarter", made]), json!(4)),
            (json!(["extract", "week", made]), json!(1)),
            (json!(["extract", "iso_year", made]), json!(2025)),
            (json!(["extract", "week_day", made]), json!(2)),
            (json!(["extract", "iso_week_day", made]), json!(1)),
            (json!(["extract", "week_day", sold]), json!(1)),
            (json!(["extract", "iso_week_day", sold]), json!(7)),
            (json!(["extract", "hour", sold]), json!(0)),
            (json!(["extract", "minute", sold]), json!(30)),
            (json!(["extract", "second", sold]), json!(15)),
            (json!(["extract", "microsecond", sold]), json!(7)),
            (json!(["extract", "hour", opens]), json!(9)),
            (json!(["extract", "second", opens]), json!(5)),
            (json!(["extract", "microsecond", opens]), json!(9)),
            (json!(["extract", "year", {"f": "sold"}, {"tz": "UTC"}]), json!(2024)),
            (json!(["trunc", "year", made]), json!(19_723)),
            (json!(["trunc", "quarter", made]), json!(19_997)),
            (json!(["trunc", "month", made]), json!(20_058)),
            (json!(["trunc", "week", ["add", made, 3]]), json!(DAY)),
            (json!(["trunc", "day", made]), json!(DAY)),
            (json!(["trunc", "day", sold]), json!(begin)),
            (json!(["trunc", "week", sold]), json!(begin - 6 * 24 * hour)),
            (json!(["trunc", "quarter", sold]), json!(begin - 26 * 24 * hour)),
            (json!(["trunc", "hour", sold]), json!(begin)),
            (json!(["trunc", "minute", sold]), json!(begin + 30 * 60_000_000)),
            (json!(["trunc", "second", sold]), json!(MOMENT - 7)),
            (json!(["date", sold]), json!(MOMENT / (24 * hour))),
            (json!(["time", sold]), json!(30 * 60_000_000 + 15_000_007_i64)),
            (json!(["date", made]), json!(DAY)),
            (json!(["add", made, 2]), json!(DAY + 2)),
            (json!(["sub", made, 2]), json!(DAY - 2)),
            (json!(["sub", made, ["date", sold]]), json!(DAY - MOMENT / (24 * hour))),
            (json!(["add", sold, {"f": "took"}]), json!(MOMENT + 90_000_000)),
            (json!(["sub", sold, {"f": "took"}]), json!(MOMENT - 90_000_000)),
            (json!(["sub", sold, ["trunc", "day", sold]]), json!(MOMENT - begin)),
            (json!(["mul", {"f": "took"}, 2]), json!(180_000_000)),
            (json!(["div", {"f": "took"}, 7]), json!(12_857_142)),
            (json!(["add", {"f": "took"}, {"f": "took"}]), json!(180_000_000)),
        ],
    )
    .await;
    let zoned = [
        (json!(["extract", "hour", sold, berlin]), json!(2)),
        (json!(["extract", "day", sold, {"tz": "America/New_York"}]), json!(26)),
        (json!(["date", sold, {"tz": "America/New_York"}]), json!(MOMENT / (24 * hour) - 1)),
        (json!(["time", sold, berlin]), json!(2 * hour + 30 * 60_000_000 + 15_000_007)),
        (json!(["trunc", "day", sold, berlin]), json!(begin - 2 * hour)),
        (json!(["trunc", "hour", sold, berlin]), json!(begin)),
        (json!(["trunc", "hour", ["add", sold, {"f": "took"}], berlin]), json!(begin)),
        (json!(["trunc", "year", sold, {"tz": "asia/tokyo"}]), json!(1_704_034_800_000_000_i64)),
    ];
    match value(&db, 1, &zoned[0].0, vec![]).await {
        // MariaDB knows the zones where somebody filled its tables.
        Err(error) if super::BACKEND == crate::Backend::Mariadb => {
            assert!(error.code == "unsupported" && error.message.contains("mariadb-tzinfo-to-sql"), "{error}");
        }
        _ => check(&db, 1, &zoned).await,
    }
    let now = value(&db, 1, &json!(["now"]), vec![]).await.unwrap();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((super::site::integer(&now) - since.as_micros() as i64).abs() < 60_000_000, "{now:?}");
    refused(
        &db,
        &[
            (json!({"annotate":[["x", ["extract", "hour", made]]]}), "has no hour"),
            (json!({"annotate":[["x", ["extract", "year", opens]]]}), "has no year"),
            (json!({"annotate":[["x", ["extract", "yaer", made]]]}), "did you mean `year`"),
            (json!({"annotate":[["x", ["trunc", "hour", made]]]}), "no beginning"),
            (json!({"annotate":[["x", ["extract", "year", made, berlin]]]}), "the same in every zone"),
            (json!({"annotate":[["x", ["extract", "year", sold, {"tz":"Europe/Atlantis"}]]]}), "no time zone"),
            (json!({"annotate":[["x", ["extract", "year", sold, {"tz":"'; DROP TABLE x"}]]]}), "no time zone"),
            (json!({"annotate":[["x", ["extract", "year", {"f":"name"}]]]}), "a date, a time or a datetime"),
        ],
    )
    .await;
}

#[tokio::test]
async fn documents() {
    let doc = r#"{"a":{"b":[10,{"c":"x"}],"n":null,"t":true},"text":"te\"xt","$.a":1,"q?":2,"e\"\\":3}"#;
    let (_site, db) = one_product(json!({"name": "x", "doc": doc})).await;
    let doc = json!({"f": "doc"});
    check(
        &db,
        1,
        &[
            (json!(["json", doc, "a", "b", 0]), json!("10")),
            (json!(["json", doc, "a", "b", -1, "c"]), json!("\"x\"")),
            (json!(["json", doc, "a", "b", 2]), json!(null)),
            (json!(["json", doc, "nothing", "here"]), json!(null)),
            (json!(["json", doc, "a", "n"]), json!("null")),
            (json!(["json", doc, "$.a"]), json!("1")),
            (json!(["json", doc, "q?"]), json!("2")),
            (json!(["json", doc, "e\"\\"]), json!("3")),
            (json!(["json_text", doc, "text"]), json!("te\"xt")),
            (json!(["json_text", doc, "a", "n"]), json!(null)),
            (json!(["json_text", doc, "a", "t"]), json!("true")),
            (json!(["json_text", doc, "a", "b", 0]), json!("10")),
            (json!(["json_length", doc, "a", "b"]), json!(2)),
            (json!(["json_length", doc]), json!(5)),
            (json!(["json_length", doc, "text"]), json!(null)),
            (json!(["cast", ["json_text", doc, "a", "b", 0], "integer"]), json!(10)),
        ],
    )
    .await;
    let count = async |filter: Json, params: Vec<Param>| {
        db.one(json!({"v":1,"op":"count","from":"product","filter":[filter]}), params).await == Value::Integer(1)
    };
    let keys = |keys: &[&str]| vec![Param::Many(keys.iter().map(|key| Value::Text((*key).into())).collect())];
    for (filter, params, expected) in [
        (json!(["json_contains", "doc", r#"{"a":{"b":[10]}}"#]), vec![], true),
        (json!(["json_contains", "doc", {"$":0}]), vec![text(r#"{"a":{"b":[11]}}"#)], false),
        (json!(["has_key", "doc", "text"]), vec![], true),
        (json!(["has_key", "doc", {"$":0}]), vec![text("e\"\\")], true),
        (json!(["has_key", "doc", "b"]), vec![], false),
        (json!(["has_key", {"e": ["json", {"f":"doc"}, "a"]}, "b"]), vec![], true),
        (json!(["has_keys", "doc", {"$":0}]), keys(&["a", "text", "q?"]), true),
        (json!(["has_keys", "doc", {"$":0}]), keys(&["a", "b"]), false),
        (json!(["has_keys", "doc", {"$":0}]), keys(&[]), true),
        (json!(["has_any_keys", "doc", {"$":0}]), keys(&["b", "a", "c"]), true),
        (json!(["has_any_keys", "doc", {"$":0}]), keys(&["b"]), false),
        (json!(["has_any_keys", "doc", {"$":0}]), keys(&[]), false),
        (json!(["exact", {"e": ["json", {"f":"doc"}, "a", "b"]}, "[10, {\"c\": \"x\"}]"]), vec![], true),
        (json!(["exact", {"e": ["json", {"f":"doc"}, "a", "b"]}, {"$":0}]), vec![text("[10]")], false),
        (json!(["isnull", {"e": ["json", {"f":"doc"}, "nothing"]}, true]), vec![], true),
    ] {
        assert_eq!(count(filter.clone(), params).await, expected, "{filter}");
    }
    let many: Vec<String> = (0..65).map(|at| format!("k{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let shape = json!({"v":1,"from":"product","filter":[["has_keys","doc",{"$":0}]]});
    assert_eq!(code(db.get(shape, keys(&many)).await), "invalid-value");
    refused(
        &db,
        &[
            (json!({"filter":[["has_key", "name", "x"]]}), "compares documents"),
            (json!({"filter":[["json_contains", "doc", 5]]}), "a string or a hole"),
            (json!({"annotate":[["x", ["json", {"f":"name"}, "x"]]]}), "takes a JSON document"),
            (json!({"annotate":[["x", ["json", doc, 1.5]]]}), "a step into a document"),
            (json!({"order":["doc"]}), "has no order"),
        ],
    )
    .await;
}

#[tokio::test]
async fn casts() {
    let uid = "00112233-4455-6677-8899-aabbccddeeff";
    let (_site, db) = one_product(json!({"name": "x", "price": "-0.05", "weight": 0.1, "stock": -7, "on_sale": true,
        "made": DAY, "sold": MOMENT, "opens": 1_000_001, "uid": uid}))
    .await;
    let to = |of: Json, to: &str| json!(["cast", of, to]);
    let decimal = |of: Json| json!(["cast", of, {"kind":"decimal","max_digits":5,"decimal_places":2}]);
    let text = |text: &str| json!(["concat", text]);
    check(
        &db,
        1,
        &[
            (to(json!({"f":"stock"}), "text"), json!("-7")),
            (to(json!({"f":"price"}), "text"), json!("-0.05")),
            (to(json!({"f":"weight"}), "text"), json!("0.1")),
            (to(json!({"f":"on_sale"}), "text"), json!("true")),
            (to(json!({"f":"made"}), "text"), json!("2024-12-30")),
            (to(json!({"f":"sold"}), "text"), json!("2024-10-27T00:30:15.000007Z")),
            (to(json!({"f":"opens"}), "text"), json!("00:00:01.000001")),
            (to(json!({"f":"uid"}), "text"), json!(uid)),
            (json!(["cast", {"f":"uid"}, {"kind":"char","max_length":8}]), json!("00112233")),
            (to(text("-12"), "integer"), json!(-12)),
            (to(text("+9223372036854775807"), "big_integer"), json!(i64::MAX)),
            (to(text("9223372036854775808"), "integer"), json!(null)),
            (to(text("12x"), "integer"), json!(null)),
            (to(text("12\n"), "integer"), json!(null)),
            (to(text(" 12"), "integer"), json!(null)),
            (to(text(""), "integer"), json!(null)),
            (to(text("1.5"), "integer"), json!(null)),
            (to(text("-1.25e2"), "float"), json!(-125.0)),
            (to(text("1e999"), "float"), json!(null)),
            (to(text("nan"), "float"), json!(null)),
            (to(text("inf"), "float"), json!(null)),
            (to(text("true"), "boolean"), json!(true)),
            (to(text("0"), "boolean"), json!(false)),
            (to(text("perhaps"), "boolean"), json!(null)),
            (to(text("2024-02-29"), "date"), json!(19_782)),
            (to(text("2023-02-29"), "date"), json!(null)),
            (to(text("tomorrow"), "date"), json!(null)),
            (to(to(text(uid), "uuid"), "text"), json!(uid)),
            (to(text("no uuid"), "uuid"), json!(null)),
            (decimal(text("1.005")), json!("1.01")),
            (decimal(text("-1.005")), json!("-1.01")),
            (decimal(text("999.995")), json!(null)),
            (decimal(text("999.994")), json!("999.99")),
            (decimal(text("x")), json!(null)),
            (decimal(json!(2.675)), json!("2.68")),
            (decimal(json!({"f":"stock"})), json!("-7.00")),
            (decimal(json!(1000)), json!(null)),
            (to(json!(-1.9), "integer"), json!(-1)),
            (to(json!(1e19), "integer"), json!(null)),
            (to(json!(["mul", {"f":"price"}, 100]), "integer"), json!(-5)),
            (to(json!({"f":"price"}), "integer"), json!(0)),
            (to(json!({"f":"stock"}), "float"), json!(-7.0)),
            (to(json!({"f":"price"}), "float"), json!(-0.05)),
            (to(json!({"f":"on_sale"}), "integer"), json!(1)),
            (to(json!({"f":"stock"}), "boolean"), json!(true)),
            (to(json!({"f":"sold"}), "date"), json!(MOMENT / 86_400_000_000)),
            (to(json!({"f":"made"}), "datetime"), json!(DAY * 86_400_000_000)),
        ],
    )
    .await;
    refused(
        &db,
        &[
            (json!({"annotate":[["x", to(json!({"f":"made"}), "integer")]]}), "can't be cast"),
            (json!({"annotate":[["x", to(json!({"f":"name"}), "json")]]}), "can't be cast"),
            (json!({"annotate":[["x", to(json!({"f":"stock"}), "integr")]]}), "did you mean `integer`"),
            (json!({"annotate":[["x", to(json!({"f":"stock"}), "decimal")]]}), "takes `max_digits`"),
            (json!({"annotate":[["x", to(json!({"f":"stock"}), "char")]]}), "takes `max_length`"),
            (json!({"annotate":[["x", ["cast", 1, {"kind":"decimal","max_digits":99,"decimal_places":2}]]]}), "1 to 28"),
        ],
    )
    .await;
}

#[tokio::test]
async fn uuids_are_made_by_the_database() {
    let (_site, db) = one_product(json!({"name": "x"})).await;
    for (word, version) in [("uuid4", "4"), ("uuid7", "7")] {
        let made = value(&db, 1, &json!(["cast", [word], "text"]), vec![]).await.unwrap();
        let Value::Text(text) = &made else { panic!("{made:?}") };
        assert!(text.len() == 36 && &text[14..15] == version && "89ab".contains(&text[19..20]), "{text}");
        assert_ne!(value(&db, 1, &json!(["cast", [word], "text"]), vec![]).await.unwrap(), made);
    }
    let set = json!({"v":1,"op":"update","from":"product","set":{"uid":["uuid7"]}});
    assert_eq!(db.run(set, vec![]).await.unwrap().affected, 1);
    let uid = value(&db, 1, &json!({"f":"uid"}), vec![]).await.unwrap();
    assert!(matches!(uid, Value::Bytes(bytes) if bytes.len() == 16));
}

#[tokio::test]
async fn patterns() {
    let (_site, db) = one_product(json!({"name": "Líne 7", "note": "first\nsecond"})).await;
    let found = async |lookup: &str, field: &str, pattern: &str| {
        let shape = json!({"v":1,"op":"count","from":"product","filter":[[lookup, field, {"$":0}]]});
        db.one(shape, vec![text(pattern)]).await == Value::Integer(1)
    };
    for (lookup, field, pattern, expected) in [
        ("regex", "name", "^L.ne [0-9]+$", true),
        ("regex", "name", "line", false),
        ("iregex", "name", "LÍNE", true),
        ("regex", "name", "(a|í)n", true),
        ("regex", "name", r"^\w+ \d$", true),
        ("regex", "name", "^[[:alpha:]]+ ", true),
        ("regex", "name", "x?y?z?", true),
        ("regex", "note", "t.s", false),
        ("regex", "note", "^second", false),
        ("regex", "note", "second$", true),
        ("regex", "name", "7{1,2}", true),
        ("iregex", "name", "^[a-k]", false),
    ] {
        assert_eq!(found(lookup, field, pattern).await, expected, "{lookup} {pattern}");
    }
    let literal = json!({"v":1,"op":"count","from":"product","filter":[["regex","name","\\d"]]});
    assert_eq!(db.one(literal, vec![]).await, Value::Integer(1));
    let shape = json!({"v":1,"from":"product","filter":[["regex","name",{"$":0}]]});
    let (long, large) = ("a".repeat(1_001), r"(\w{100}){100}".to_owned());
    for pattern in ["(", "a{9999999999}", "(?=x)", "(a)\\1", "*", "\\", long.as_str(), large.as_str(), "[[:nope:]]"] {
        let error = db.get(shape.clone(), vec![text(pattern)]).await.expect_err(pattern);
        assert!(error.code == "invalid-value" && error.message.contains("regular expression"), "{pattern}: {error}");
    }
}

#[tokio::test]
async fn hostile_patterns_and_texts_end_soon() {
    let (_site, db) = one_product(json!({"name": "x"})).await;
    let fill = json!({"v":1,"op":"update","from":"product","set":{"note":{"$":0}}});
    db.run(fill, vec![text(&("a".repeat(100_000) + "!"))]).await.unwrap();
    let began = std::time::Instant::now();
    let shape = json!({"v":1,"op":"count","from":"product","filter":[["regex","note",{"$":0}]]});
    for pattern in ["(a+)+$", "(a|aa)+c", "(a*)*b", "(.*)(.*)(.*)x"] {
        // A database may give up, but not go on.
        let _ = db.get(shape.clone(), vec![text(pattern)]).await;
    }
    for expr in [
        json!(["length", ["repeat", {"f":"note"}, 1_000_000]]),
        json!(["length", ["repeat", ["repeat", ["repeat", "x", 1000], 1000], 1000]]),
        json!(["length", ["lpad", {"f":"note"}, 1_000_000_000]]),
        json!(["length", ["replace", ["repeat", "a", 1_000_000], "a", ["repeat", "b", 1_000]]]),
        json!(["length", ["replace", ["replace", ["replace", {"f":"note"}, "a", ["repeat","a",999]], "a", "aaaaaaaaaaaaaaaa"], "a", "aaaaaaaaaaaaaaaa"]]),
    ] {
        match value(&db, 1, &expr, vec![]).await {
            Ok(Value::Null | Value::Integer(0..=16_777_216)) => {}
            // Too large, or stopped in time.
            Err(error) if ["invalid-value", "budget", "timeout"].contains(&error.code) => {}
            other => panic!("{expr}: {other:?}"),
        }
    }
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_a_function_does_not_take_is_refused() {
    let site = shop();
    let db = site.request();
    let annotate = |expr: Json| json!({"annotate":[["x", expr]]});
    let deep = (0..40).fold(json!({"f":"name"}), |inner, _| json!(["lower", inner]));
    // Each guard repeats its argument, so the text grows faster than the shape.
    let grows = (0..12).fold(json!({"f":"weight"}), |inner, _| json!(["sign", ["sign", inner]]));
    let many: Vec<Json> = (0..33).map(|_| json!({"f":"name"})).collect();
    let many = Json::Array(std::iter::once(json!("concat")).chain(many).collect());
    let wide = Json::Array(std::iter::once(json!("concat")).chain(vec![json!(["lower", {"f":"name"}]); 19]).collect());
    let wide: Vec<Json> = (0..30).map(|at| json!([format!("x{at}"), wide.clone()])).collect();
    refused(
        &db,
        &[
            (annotate(json!(["lowr", {"f":"name"}])), "did you mean `lower`"),
            (annotate(json!(["lower", {"f":"stock"}])), "takes text"),
            (annotate(json!(["lower"])), "takes 1 expressions"),
            (annotate(json!(["substr", {"f":"name"}, 1, 2, 3])), "takes 2 to 3"),
            (annotate(json!(["substr", {"f":"name"}, 1.5])), "a whole number"),
            (annotate(json!(["sqrt", {"f":"name"}])), "a number"),
            (annotate(json!(["sqrt", {"f":"made"}])), "a number"),
            (annotate(json!(["concat", {"f":"name"}, {"f":"stock"}])), "cast others"),
            (annotate(json!(["round", {"f":"name"}])), "a number"),
            (annotate(json!(["round", {"f":"weight"}, 99])), "from -15 to 15"),
            (annotate(json!(["rank"])), "is about the rows around"),
            (annotate(json!(["pg_sleep", 10])), "is none of"),
            (annotate(json!(["load_extension", "x"])), "is none of"),
            (annotate(json!(["bandstand_repeat", "x", 9])), "is none of"),
            (annotate(json!(["lower\0", {"f":"name"}])), "is none of"),
            (annotate(json!([["lower"], {"f":"name"}])), "begins with a function's name"),
            (annotate(json!([])), "begins with a function's name"),
            (annotate(many), "the most is 32"),
            (annotate(deep), "nested deeper than 32"),
            (annotate(grows), "longer than"),
            (json!({"annotate": wide}), "more than 500 functions"),
        ],
    )
    .await;
}

/// Random arguments, and the same in Rust.
#[tokio::test(flavor = "multi_thread")]
async fn functions_do_what_they_do_in_rust() {
    let site = shop();
    let db = site.request();
    db.add("product", json!({"name": "x"})).await;
    let runtime = tokio::runtime::Handle::current();
    let ask = |expr: Json, params: Vec<Param>| {
        tokio::task::block_in_place(|| runtime.block_on(value(&site.request(), 1, &expr, params)))
    };
    let hole = |at: usize, kind: &str| json!({"$": at, "as": kind});
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    const TEXTS: &str = "[a-cA-C é€😀%_'\\\\]{0,12}";
    let strategy = (TEXTS, TEXTS, -3_i64..15, -3_i64..15, any::<i64>(), any::<i64>(), -1e6_f64..1e6);
    let outcome = runner.run(&strategy, |(a, b, from, count, x, y, z)| {
        let chars: Vec<char> = a.chars().collect();
        let take = |from: i64, to: i64| -> String {
            (from.max(1)..to.max(1)).filter_map(|at| chars.get(usize::try_from(at).unwrap() - 1)).collect()
        };
        let params = || {
            vec![
                text(&a),
                text(&b),
                Param::One(Value::Integer(from)),
                Param::One(Value::Integer(count)),
                Param::One(Value::Integer(x)),
                Param::One(Value::Integer(y)),
                Param::One(Value::Float(z)),
            ]
        };
        let (ta, tb) = (hole(0, "text"), hole(1, "text"));
        let (nf, nc) = (hole(2, "big_integer"), hole(3, "big_integer"));
        let (nx, ny, nz) = (hole(4, "big_integer"), hole(5, "big_integer"), hole(6, "float"));
        // Every hole is filled, so every expression has them all; `nullif` leaves the one that is asked about.
        let with_all = |expr: Json| {
            json!(["case", [[["isnull", {"e": ["coalesce", ["length", ["concat", ta, tb]], nf, nc, nx, ny, ["sign", nz]]}, true], expr.clone()]], expr])
        };
        let length = |text: &str| Value::Integer(i64::try_from(text.chars().count()).unwrap());
        let strindex = match a.find(&b) {
            Some(at) => Value::Integer(i64::try_from(a[..at].chars().count() + 1).unwrap()),
            None => Value::Integer(0),
        };
        let whole = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
        for (expr, expected) in [
            (json!(["length", ta]), length(&a)),
            (json!(["reverse", ta]), Value::Text(a.chars().rev().collect())),
            (json!(["concat", ta, tb]), Value::Text(format!("{a}{b}"))),
            (json!(["substr", ta, nf, nc]), Value::Text(take(from, from + count.max(0)))),
            (json!(["left", ta, nc]), Value::Text(take(1, 1 + count.max(0)))),
            (json!(["strindex", ta, tb]), strindex),
            (json!(["replace", ta, "a", tb]), Value::Text(a.replace('a', &b))),
            (json!(["repeat", ta, nc]), Value::Text(a.repeat(usize::try_from(count).unwrap_or(0)))),
            (json!(["div", nx, ["nullif", nc, 0]]), whole((count != 0).then(|| x.wrapping_div(count)))),
            (json!(["mod", nx, ny]), whole(x.checked_rem(y))),
            (json!(["greatest", nx, ny, nc]), Value::Integer(x.max(y).max(count))),
            (json!(["least", nx, ny, nc]), Value::Integer(x.min(y).min(count))),
            (json!(["floor", nz]), Value::Float(z.floor())),
            (json!(["abs", nc]), Value::Integer(count.abs())),
        ] {
            // The least number by -1 has no result.
            if expr[0] == "div" && x == i64::MIN && count == -1 {
                continue;
            }
            let found = ask(with_all(expr.clone()), params());
            prop_assert_eq!(found.as_ref().ok(), Some(&expected), "{} of {:?}: {:?}", expr, params(), found);
        }
        let sum = ask(with_all(json!(["add", nx, ny])), params());
        match x.checked_add(y) {
            Some(expected) => prop_assert_eq!(sum.unwrap(), Value::Integer(expected)),
            None => prop_assert_eq!(sum.unwrap_err().code, "invalid-value"),
        }
        Ok(())
    });
    outcome.unwrap();
}
