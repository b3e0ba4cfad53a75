//! Shapes that are put together, and rows that are alike.

use host_db::Value;
use serde_json::{Value as Json, json};

use super::shop::{cells, filled, refused};
use super::site::{Ask, int};

fn amounts(rest: Json) -> Json {
    let mut shape = json!({"v":1,"from":"sale","fields":["amount"],"order":["amount"],"filter":[["exact","product",1]]});
    shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    shape
}

#[tokio::test]
async fn rows_of_several_shapes() {
    let site = filled().await;
    let db = site.request();
    // 3, 5, 2 of one product, 7, 1 of the other; stocks are 10, 0, 4.
    let second = json!({"from":"sale","fields":["amount"],"filter":[["exact","product",2]]});
    let low = json!({"from":"sale","fields":["amount"],"filter":[["lt","amount",{"$":0}]]});
    let ids = async |rest: Json, holes: Vec<host_db::Param>| db.ids(amounts(rest), holes).await;
    assert_eq!(ids(json!({"combine":[["union",second]]}), vec![]).await, [1, 2, 3, 5, 7]);
    assert_eq!(ids(json!({"combine":[["union",second]],"order":["-amount"],"limit":2,"offset":1}), vec![]).await, [5, 3]);
    assert_eq!(ids(json!({"combine":[["union_all",low]]}), vec![int(4)]).await, [1, 2, 2, 3, 3, 5]);
    assert_eq!(ids(json!({"combine":[["union",low]]}), vec![int(4)]).await, [1, 2, 3, 5]);
    assert_eq!(ids(json!({"combine":[["intersect",low]]}), vec![int(4)]).await, [2, 3]);
    assert_eq!(ids(json!({"combine":[["except",low]]}), vec![int(4)]).await, [5]);
    // One after the other: no combination binds stronger than another.
    assert_eq!(ids(json!({"combine":[["union",second],["intersect",low]]}), vec![int(4)]).await, [1, 2, 3]);
    assert_eq!(ids(json!({"combine":[["except",low],["union_all",second],["union_all",second]]}), vec![int(4)]).await, [1, 1, 5, 7, 7]);
    let best = json!({"from":"sale","fields":["amount"],"order":["-amount"],"limit":1});
    assert_eq!(ids(json!({"combine":[["except",best],["union",best]]}), vec![]).await, [2, 3, 5, 7]);
    // Numbers of several kinds meet in one that holds all.
    let stocks = json!({"from":"product","fields":["price"]});
    let mixed = db.get(amounts(json!({"combine":[["union",stocks]]})), vec![]).await.unwrap();
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(mixed.cells, ["1.50", "2.00", "3.00", "3.25", "5.00", "12.00"].map(text));
    let named = json!({"v":1,"from":"sale","fields":["who"],"combine":[["union",{"from":"category","fields":["name"]}]],
        "order":[{"e":{"f":"who"},"nulls":"last"}]});
    assert_eq!(db.get(named, vec![]).await.unwrap().cells.last(), Some(&Value::Null));
    let count = json!({"v":1,"op":"count","from":"sale","fields":["amount"],"combine":[["intersect",low]]});
    assert_eq!(db.one(count, vec![int(4)]).await, Value::Integer(3));
    let exists = json!({"v":1,"op":"exists","from":"sale","fields":["amount"],"combine":[["except",{"from":"sale","fields":["amount"]}]]});
    assert_eq!(db.one(exists, vec![]).await, Value::Boolean(false));
    let inside = json!({"v":1,"from":"product","fields":["id"],"order":["id"],"filter":[["in","stock",
        {"from":"sale","fields":["amount"],"combine":[["union",{"from":"product","fields":["stock"],"filter":[["gt","stock",5]]}]]}]]});
    assert_eq!(db.ids(inside, vec![]).await, [1]);
    let many: Vec<Json> = (0..9).map(|_| json!(["union", second])).collect();
    refused(
        &db,
        &[
            (json!({"fields":["name"],"combine":[["union",second]]}), "is of kind"),
            (json!({"fields":["stock","id"],"combine":[["union",second]]}), "rows of 2 cells"),
            (json!({"fields":["stock"],"order":["name"],"combine":[["union",second]]}), "their own cells"),
            (json!({"fields":["stock"],"combine":[["onion",second]]}), "did you mean `union`"),
            (json!({"fields":["stock"],"combine":[["union"]]}), "a word and a shape"),
            (json!({"fields":["stock"],"combine":[["union",{"from":"sale","fields":["amount"],"filter":[["exact","id",{"outer":"id"}]]}]]}), "no row outside"),
            (json!({"fields":["stock"],"combine":many}), "more than 8"),
            (json!({"fields":["stock"],"related":["category"],"combine":[["union",second]]}), "no `related`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_first_row_of_each() {
    let site = filled().await;
    let db = site.request();
    let ids = async |shape: Json| db.ids(shape, vec![]).await;
    assert_eq!(ids(json!({"v":1,"from":"sale","fields":["id"],"distinct":["product"],"order":["-amount"]})).await, [4, 2]);
    assert_eq!(ids(json!({"v":1,"from":"sale","fields":["id"],"distinct":["product"],"order":["product","amount"]})).await, [3, 5]);
    assert_eq!(ids(json!({"v":1,"from":"sale","fields":["id"],"distinct":["who"],"order":["who","-id"]})).await, [3, 4, 2, 5]);
    assert_eq!(ids(json!({"v":1,"from":"sale","fields":["id"],"distinct":["product"],"order":[]})).await.len(), 2);
    assert_eq!(ids(json!({"v":1,"from":"sale","fields":["id"],"distinct":[["product","category","parent"]],"limit":1})).await, [1]);
    let count = json!({"v":1,"op":"count","from":"sale","distinct":["product"]});
    assert_eq!(db.one(count, vec![]).await, Value::Integer(2));
    let whos = json!({"v":1,"op":"count","from":"sale","fields":["who"],"distinct":true});
    assert_eq!(db.one(whos, vec![]).await, Value::Integer(4), "NULL is one of them");
    let rows = db.get(json!({"v":1,"from":"sale","fields":["who","product"],"distinct":true,"order":["who","product"]}), vec![]).await;
    assert_eq!(cells(&rows.unwrap()).len(), 5);
    refused(
        &db,
        &[
            (json!({"distinct":[]}), "is empty"),
            (json!({"distinct":["nope"]}), "has no field"),
            (json!({"distinct":["sales"]}), "leads to many rows"),
            (json!({"distinct":"name"}), "a list of paths"),
            (json!({"distinct":["stock"],"group":["stock"]}), "is for rows"),
        ],
    )
    .await;
}

#[tokio::test]
async fn aggregates_of_more_kinds() {
    let site = filled().await;
    let db = site.request();
    let all = async |annotate: Json| {
        let shape = json!({"v":1,"op":"aggregate","from":"sale","annotate":[["x", annotate]]});
        db.one(shape, vec![]).await
    };
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(all(json!(["string_agg",{"f":"who"},", ",{"order":["id"]}])).await, text("ann, bob, ann, cy"));
    assert_eq!(all(json!(["string_agg",{"f":"who"},"?'",{"order":["-id"]}])).await, text("cy?'ann?'bob?'ann"));
    assert_eq!(all(json!(["string_agg",{"f":"who"},"",{"distinct":true,"order":["who"]}])).await, text("annbobcy"));
    assert_eq!(all(json!(["string_agg",{"f":"who"},"-",{"distinct":true,"order":["-who"],"filter":[["gt","amount",1]]}])).await, text("bob-ann"));
    assert_eq!(all(json!(["string_agg",{"f":"who"},"-",{"filter":[["gt","amount",99]]}])).await, Value::Null);
    assert_eq!(all(json!(["bool_and",["case",[[["gt","amount",0],true]],false]])).await, Value::Boolean(true));
    assert_eq!(all(json!(["bool_or",["case",[[["gt","amount",9],true]],false]])).await, Value::Boolean(false));
    assert_eq!(all(json!(["sum",{"f":["product","price"]}])).await, text("11.00"));
    assert_eq!(all(json!(["max",{"f":["product","price"]}])).await, text("3.25"));
    assert_eq!(all(json!(["avg",{"f":["product","price"]}])).await, Value::Float(2.2));
    assert_eq!(all(json!(["sum",["mul",{"f":"amount"},{"f":["product","price"]}]])).await, text("41.00"));
    assert_eq!(all(json!(["count",{"f":["product","price"]},{"distinct":true}])).await, Value::Integer(2));
    let close = |value: Value, expected: f64| matches!(value, Value::Float(number) if (number - expected).abs() < 1e-9);
    assert!(close(all(json!(["variance",{"f":"amount"}])).await, 4.64));
    assert!(close(all(json!(["variance",{"f":"amount"},{"sample":true}])).await, 5.8));
    assert!(close(all(json!(["stddev",{"f":"amount"}])).await, 4.64_f64.sqrt()));
    // Of related rows, in their order.
    let of_rows = json!({"v":1,"from":"product","fields":["x"],"order":["id"],"annotate":[["x",
        ["string_agg",["coalesce",{"f":["sales","who"]},"-"],",",{"order":["-sales.amount"]}]]]});
    assert_eq!(db.get(of_rows, vec![]).await.unwrap().cells, [text("bob,ann,-"), text("ann,cy"), Value::Null]);
    refused(
        &db,
        &[
            (json!({"op":"aggregate","annotate":[["x",["string_agg",{"f":"name"}]]]}), "what stands between"),
            (json!({"op":"aggregate","annotate":[["x",["string_agg",{"f":"name"},5]]]}), "a string or a hole"),
            (json!({"op":"aggregate","annotate":[["x",["string_agg",{"f":"stock"},","]]]}), "cast others"),
            (json!({"op":"aggregate","annotate":[["x",["string_agg",{"f":"name"},",",{"distinct":true,"order":["id"]}]]]}), "by themselves alone"),
            (json!({"op":"aggregate","annotate":[["x",["bool_and",{"f":"stock"}]]]}), "takes booleans"),
            (json!({"op":"aggregate","annotate":[["x",["stddev",{"f":"name"}]]]}), "takes numbers"),
            (json!({"op":"aggregate","annotate":[["x",["sum",{"f":"stock"},{"sample":true}]]]}), "the options are"),
        ],
    )
    .await;
}
