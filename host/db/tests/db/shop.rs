//! A site with a shop: fields of many kinds, a tree, a one-to-one relation.

use host_db::{DbConfig, DbError, Param, RequestDb, Rows, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};

use super::site::{Ask, Site};

pub fn manifest() -> Json {
    json!({
        "v": 1, "name": "shop",
        "models": [
            { "name": "category", "ordering": ["name"], "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "name", "kind": "char", "max_length": 50 },
                { "name": "parent", "kind": "foreign_key", "to": "category", "on_delete": "cascade", "null": true,
                  "related_name": "children" },
            ]},
            { "name": "product", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "name", "kind": "char", "max_length": 50 },
                { "name": "slug", "kind": "slug", "null": true, "unique": true },
                { "name": "price", "kind": "decimal", "max_digits": 8, "decimal_places": 2, "default": 0 },
                { "name": "cost", "kind": "decimal", "max_digits": 9, "decimal_places": 3, "null": true },
                { "name": "weight", "kind": "float", "null": true },
                { "name": "stock", "kind": "integer", "default": 0 },
                { "name": "small", "kind": "small_integer", "null": true },
                { "name": "big", "kind": "big_integer", "null": true },
                { "name": "on_sale", "kind": "boolean", "default": false },
                { "name": "made", "kind": "date", "null": true },
                { "name": "sold", "kind": "datetime", "null": true },
                { "name": "opens", "kind": "time", "null": true },
                { "name": "took", "kind": "duration", "null": true },
                { "name": "uid", "kind": "uuid", "null": true },
                { "name": "doc", "kind": "json", "null": true },
                { "name": "note", "kind": "text", "null": true },
                { "name": "category", "kind": "foreign_key", "to": "category", "on_delete": "set_null", "null": true,
                  "related_name": "products" },
            ]},
            { "name": "detail", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "product", "kind": "one_to_one", "to": "product", "on_delete": "cascade",
                  "related_name": "detail" },
                { "name": "body", "kind": "text" },
            ]},
            { "name": "sale", "ordering": ["id"], "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "product", "kind": "foreign_key", "to": "product", "on_delete": "cascade",
                  "related_name": "sales" },
                { "name": "amount", "kind": "integer" },
                { "name": "day", "kind": "date" },
                { "name": "who", "kind": "char", "max_length": 20, "null": true },
            ], "unique_together": [["product", "day"]]},
        ],
    })
}

pub fn shop() -> Site {
    // What waits between two statements on a busy machine isn't what these tests are about.
    let patient = StoreConfig { transaction_idle_ms: 10_000, transaction_total_ms: 20_000, ..StoreConfig::temporary() };
    Site::with(manifest(), patient, DbConfig::default())
}

/// A shop with a tree of categories (1 > 2 > 3, and 4), three products and the sales of two of them.
pub async fn filled() -> Site {
    let site = shop();
    let db = site.request();
    for (name, parent) in [("all", None), ("food", Some(1)), ("fruit", Some(2)), ("books", None)] {
        db.add("category", json!({"name": name, "parent": parent})).await;
    }
    for (name, price, stock, category) in [("apple", "1.50", 10, 3), ("bread", "3.25", 0, 2), ("novel", "12.00", 4, 4)] {
        db.add("product", json!({"name": name, "price": price, "stock": stock, "category": category})).await;
    }
    for (product, amount, day, who) in
        [(1, 3, 0, Some("ann")), (1, 5, 1, Some("bob")), (1, 2, 2, None), (2, 7, 0, Some("ann")), (2, 1, 5, Some("cy"))]
    {
        db.add("sale", json!({"product": product, "amount": amount, "day": day, "who": who})).await;
    }
    site
}

/// What an expression makes of the product with this key.
pub async fn value(db: &RequestDb, id: i64, expr: &Json, params: Vec<Param>) -> Result<Value, DbError> {
    let shape = json!({"v":1,"from":"product","fields":["x"],"annotate":[["x", expr]],"filter":[["exact","id",id]]});
    db.get(shape, params).await.map(|mut rows| rows.cells.remove(0))
}

pub fn cells(rows: &Rows) -> Vec<Vec<Value>> {
    rows.iter().map(<[Value]>::to_vec).collect()
}

/// What JSON stands for as a value of a row.
pub fn cell(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Integer),
        Json::String(text) => Value::Text(text.clone()),
        other => panic!("{other} is no cell"),
    }
}

/// Each expression and what it makes, on the product with this key.
pub async fn check(db: &RequestDb, id: i64, cases: &[(Json, Json)]) {
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let found = value(db, id, expr, vec![]).await;
        let same = match (&found, cell(expected)) {
            (Ok(Value::Float(found)), Value::Float(expected)) => (found - expected).abs() <= expected.abs() * 1e-12,
            (Ok(found), expected) => *found == expected,
            (Err(_), _) => false,
        };
        if !same {
            wrong.push(format!("{expr} is {found:?}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each shape and words of the error that answers it.
pub async fn refused(db: &RequestDb, cases: &[(Json, &str)]) {
    let mut wrong = Vec::new();
    for (rest, words) in cases {
        let mut shape = json!({"v":1,"from":"product"});
        shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let answer = match shape["op"].as_str() {
            Some("insert" | "update" | "update_many" | "delete") => db.run(shape.clone(), vec![]).await.map(drop),
            _ => db.get(shape.clone(), vec![]).await.map(drop),
        };
        match answer {
            Err(error) if error.message.contains(words) && error.code != "internal" => {}
            answer => wrong.push(format!("{rest} is answered: {answer:?}, not `{words}`")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
