//! Windows, against values that were worked out by hand.

use host_db::{RequestDb, Value};
use serde_json::{Value as Json, json};

use super::shop::{cell, cells, filled, refused};
use super::site::Ask;

/// Amounts by product: 3, 5, 2 and 7, 1.
async fn over(db: &RequestDb, function: Json, options: Json) -> Vec<Value> {
    let shape = json!({"v":1,"from":"sale","fields":["x"],"order":["id"],"annotate":[["x",["window",function,options]]]});
    db.get(shape, vec![]).await.unwrap().cells
}

#[tokio::test]
async fn values_of_the_rows_around() {
    let site = filled().await;
    let db = site.request();
    let by_amount = json!({"partition":[{"f":"product"}],"order":["amount"]});
    let by_id = json!({"partition":[{"f":"product"}],"order":["id"]});
    let all = json!({"order":[[{"f":"amount"},"desc"]]});
    for (function, options, expected) in [
        (json!(["row_number"]), &by_amount, json!([2, 3, 1, 2, 1])),
        (json!(["rank"]), &all, json!([3, 2, 4, 1, 5])),
        (json!(["dense_rank"]), &json!({"order":[["mod",{"f":"amount"},2],"desc"]}), json!(null)),
        (json!(["percent_rank"]), &all, json!([0.5, 0.25, 0.75, 0.0, 1.0])),
        (json!(["cume_dist"]), &all, json!([0.6, 0.4, 0.8, 0.2, 1.0])),
        (json!(["ntile", 2]), &by_id, json!([1, 1, 2, 1, 2])),
        (json!(["lag", {"f":"amount"}]), &by_id, json!([null, 3, 5, null, 7])),
        (json!(["lead", {"f":"amount"}, 2]), &by_id, json!([2, null, null, null, null])),
        (json!(["lag", {"f":"amount"}, 1, 0]), &by_id, json!([0, 3, 5, 0, 7])),
        (json!(["lead", {"f":"amount"}, 1, {"f":"product"}]), &by_id, json!([5, 2, 1, 1, 2])),
        (json!(["lag", {"f":"who"}, 1, "nobody"]), &by_id, json!(["nobody", "ann", "bob", "nobody", "ann"])),
        (json!(["first_value", {"f":"amount"}]), &by_id, json!([3, 3, 3, 7, 7])),
        (json!(["last_value", {"f":"amount"}]), &by_id, json!([3, 5, 2, 7, 1])),
        (json!(["nth_value", {"f":"amount"}, 2]), &by_id, json!([null, 5, 5, null, 1])),
        (json!(["sum", {"f":"amount"}]), &by_id, json!([3, 8, 10, 7, 8])),
        (json!(["count"]), &json!({}), json!([5, 5, 5, 5, 5])),
        (json!(["count", {"f":"who"}]), &json!({"partition":[{"f":"product"}]}), json!([2, 2, 2, 2, 2])),
        (json!(["avg", {"f":"amount"}]), &json!({"partition":[{"f":"product"}]}), json!([10.0 / 3.0, 10.0 / 3.0, 10.0 / 3.0, 4.0, 4.0])),
        (json!(["variance", {"f":"amount"}]), &json!({"partition":[{"f":"product"}],"order":["id"],"frame":["rows",-1,0]}), json!([0.0, 1.0, 2.25, 0.0, 9.0])),
        (json!(["max", {"f":["product","name"]}]), &by_id, json!(["apple", "apple", "apple", "bread", "bread"])),
        (json!(["sum", {"f":"amount"}, {"filter":[["gt","amount",2]]}]), &by_id, json!([3, 8, 8, 7, 7])),
        (json!(["sum", {"f":"amount"}]), &json!({"order":["id"],"frame":["rows",-1,1]}), json!([8, 10, 14, 10, 8])),
        (json!(["sum", {"f":"amount"}]), &json!({"order":["id"],"frame":["rows","unbounded","unbounded"]}), json!([18, 18, 18, 18, 18])),
        (json!(["sum", {"f":"amount"}]), &json!({"order":["id"],"frame":["rows",1,2]}), json!([7, 9, 8, 1, null])),
        (json!(["count"]), &json!({"order":["amount"],"frame":["range",-1,1]}), json!([2, 1, 3, 1, 2])),
        (json!(["last_value", {"f":"amount"}]), &json!({"partition":[{"f":"product"}],"order":["id"],"frame":["range",null,"unbounded"]}), json!([2, 2, 2, 1, 1])),
    ] {
        let options = match &expected {
            Json::Null => json!({"order":[[["mod",{"f":"amount"},2],"desc"]]}),
            _ => options.clone(),
        };
        let expected = match expected {
            Json::Null => json!([1, 1, 2, 1, 1]),
            expected => expected,
        };
        let expected: Vec<Value> = expected.as_array().unwrap().iter().map(cell).collect();
        let found = over(&db, function.clone(), options.clone()).await;
        let same = found.iter().zip(&expected).all(|(found, expected)| match (found, expected) {
            (Value::Float(found), Value::Float(expected)) => (found - expected).abs() < 1e-9,
            (found, expected) => found == expected,
        });
        assert!(same && found.len() == expected.len(), "{function} {options}: {found:?}");
    }
}

#[tokio::test]
async fn filters_ask_for_windows() {
    let site = filled().await;
    let db = site.request();
    let best = json!(["row_number", ["window",["row_number"],{"partition":[{"f":"product"}],"order":["-amount"]}]]);
    let best = json!(["place", best[1]]);
    let shape = json!({"v":1,"from":"sale","fields":["id","place"],"annotate":[best],"order":["-amount"],
        "filter":[["lte","place",2],["gt","amount",1]]});
    let rows = cells(&db.get(shape, vec![]).await.unwrap());
    let row = |id, place| vec![Value::Integer(id), Value::Integer(place)];
    assert_eq!(rows, [row(4, 1), row(2, 1), row(1, 2)], "rows are left out before they are counted");
    let mixed = json!({"v":1,"from":"sale","fields":["id"],"annotate":[best],"order":["id"],"limit":2,
        "filter":[["or",["exact","place",1],["exact",["product","name"],"bread"],["gt",{"e":["count",{"f":["product","name"]}]},9]]]});
    assert!(db.get(mixed, vec![]).await.is_err(), "an aggregate over a path that leads to one row");
    let mixed = json!({"v":1,"from":"sale","fields":["id"],"annotate":[best],"order":["id"],"limit":2,
        "filter":[["or",["exact","place",1],["exact",["product","name"],"bread"]]]});
    assert_eq!(db.ids(mixed, vec![]).await, [2, 4]);
    let count = json!({"v":1,"op":"count","from":"sale","annotate":[best],"filter":[["exact","place",1]]});
    assert_eq!(db.one(count, vec![]).await, Value::Integer(2));
    let exists = json!({"v":1,"op":"exists","from":"sale","annotate":[best],"filter":[["exact","place",9]]});
    assert_eq!(db.one(exists, vec![]).await, Value::Boolean(false));
    let inside = json!({"v":1,"from":"product","fields":["id"],"order":["id"],
        "filter":[["in","id",{"from":"sale","fields":["product"],"annotate":[best],"filter":[["exact","place",3]]}]]});
    assert_eq!(db.ids(inside, vec![]).await, [1]);
    let sorted = json!({"v":1,"from":"sale","fields":["id"],"annotate":[best],"order":["-place","id"]});
    assert_eq!(db.ids(sorted, vec![]).await, [3, 1, 5, 2, 4]);
}

#[tokio::test]
async fn windows_that_make_no_sense_are_refused() {
    let site = filled().await;
    let db = site.request();
    let window = |function: Json, options: Json| json!({"from":"sale","annotate":[["x",["window",function,options]]]});
    let many: Vec<Json> = (0..17).map(|at| json!([format!("x{at}"), ["window",["row_number"],{}]])).collect();
    refused(
        &db,
        &[
            (window(json!(["rank"]), json!({})), "give the window one"),
            (window(json!(["rnk"]), json!({"order":["id"]})), "did you mean `rank`"),
            (window(json!(["lower", {"f":"who"}]), json!({})), "is none of"),
            (window(json!(["ntile", 0]), json!({"order":["id"]})), "from 1 to"),
            (window(json!(["ntile", 1_000_001]), json!({"order":["id"]})), "from 1 to"),
            (window(json!(["lag"]), json!({"order":["id"]})), "takes an expression"),
            (window(json!(["lag", {"f":"amount"}, -1]), json!({"order":["id"]})), "from 0 to"),
            (window(json!(["lag", {"f":"amount"}, 1, "x"]), json!({"order":["id"]})), "don't fit together"),
            (window(json!(["count", {"f":"who"}, {"distinct":true}]), json!({})), "no database takes"),
            (window(json!(["string_agg", {"f":"who"}, ","]), json!({})), "isn't there for windows"),
            (window(json!(["sum", ["count"]]), json!({})), "inside of another"),
            (window(json!(["row_number"]), json!({"frame":["rows",0,0]})), "no `frame`"),
            (window(json!(["sum",{"f":"amount"}]), json!({"order":["id"],"frame":["rows",1,0]})), "ends before it begins"),
            (window(json!(["sum",{"f":"amount"}]), json!({"order":["id"],"frame":["groups",0,0]})), "\"rows\" or \"range\""),
            (window(json!(["sum",{"f":"amount"}]), json!({"order":["id","day"],"frame":["range",-1,0]})), "one entry"),
            (window(json!(["sum",{"f":"amount"}]), json!({"order":["day"],"frame":["range",-1,0]})), "a whole number or a float"),
            (window(json!(["sum",{"f":"amount"}]), json!({"sort":["id"]})), "no such member"),
            (window(json!("rank"), json!({})), "a function and options"),
            (json!({"from":"sale","annotate":many}), "more than 16 windows"),
            (json!({"from":"sale","filter":[["gt",{"e":["window",["row_number"],{}]},1]],"distinct":true,"fields":["id"]}), "put one of them into an `in`"),
            (json!({"from":"sale","group":["product"],"annotate":[["x",["window",["row_number"],{}]]]}), "aren't there any more"),
            (json!({"from":"sale","op":"aggregate","annotate":[["x",["window",["row_number"],{}]]]}), "aren't there any more"),
            (json!({"annotate":[["x",["sum",["window",["row_number"],{}]]]]}), "use the op `aggregate`"),
            (json!({"annotate":[["x",["count",["add",{"f":["sales","id"]},["window",["row_number"],{}]]]]]}), "stands by itself"),
        ],
    )
    .await;
}
