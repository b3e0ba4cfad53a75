//! Inserts of rows that are there, and updates of many rows at once.

use host_db::{Param, Value};
use serde_json::{Value as Json, json};

use super::shop::{cells, filled, refused};
use super::site::{Ask, code, int, ints};

fn texts(texts: &[&str]) -> Param {
    Param::Many(texts.iter().map(|text| Value::Text((*text).into())).collect())
}

async fn amounts(db: &host_db::RequestDb) -> Vec<i64> {
    db.ids(json!({"v":1,"from":"sale","fields":["amount"],"order":["id"]}), vec![]).await
}

#[tokio::test]
async fn rows_that_are_there_are_left_or_changed() {
    let site = filled().await;
    let db = site.request();
    let insert = |conflict: Json| json!({"v":1,"op":"insert","from":"sale","set":{"product":1,"day":{"$":0},"amount":{"$":1}},"on_conflict":conflict});
    let ignored = db.run(insert(json!({"do":"ignore"})), vec![int(1), int(100)]).await.unwrap();
    // MariaDB counts the row that it found.
    let found = u64::from(super::BACKEND == crate::Backend::Mariadb);
    assert_eq!((ignored.affected, amounts(&db).await), (found, vec![3, 5, 2, 7, 1]));
    let some = db.run(insert(json!({"do":"ignore"})), vec![ints([0, 9]), ints([100, 4])]).await.unwrap();
    assert_eq!((some.affected, amounts(&db).await), (1 + found, vec![3, 5, 2, 7, 1, 4]));
    let update = json!({"do":"update","target":["day","product"],"set":{"amount":["add",{"f":"amount"},{"new":"amount"}],"who":["concat",{"f":"who"},"+"]}});
    let both = db.run(insert(update.clone()), vec![ints([0, 10]), ints([100, 8])]).await.unwrap();
    assert_eq!(both.affected, 2);
    assert_eq!(amounts(&db).await, [103, 5, 2, 7, 1, 4, 8]);
    let who = json!({"v":1,"from":"sale","fields":["who"],"filter":[["exact","id",1]]});
    assert_eq!(db.one(who, vec![]).await, Value::Text("ann+".into()));
    // Other constraints are none of its business.
    let bad = json!({"v":1,"op":"insert","from":"sale","set":{"product":99,"day":1,"amount":1},"on_conflict":{"do":"ignore"}});
    assert_eq!(code(db.run(bad, vec![]).await), "foreign-key");
    let by_slug = json!({"v":1,"op":"insert","from":"product","set":{"name":{"$":0},"slug":"x"},
        "on_conflict":{"do":"update","target":["slug"],"set":{"name":{"new":"name"}}}});
    db.run(by_slug.clone(), vec![texts(&["first", "second"])]).await.unwrap();
    let names = db.get(json!({"v":1,"from":"product","fields":["name"],"filter":[["exact","slug","x"]]}), vec![]).await.unwrap();
    assert_eq!(names.cells, [Value::Text("second".into())]);
    // What is returned is what was written.
    let mut returning = insert(json!({"do":"ignore"}));
    returning["returning"] = json!(["id", "amount"]);
    let outcome = db.run(returning, vec![ints([0, 20]), ints([1, 2])]).await;
    if super::BACKEND == crate::Backend::Mariadb {
        assert_eq!(code(outcome), "unsupported");
    } else {
        let rows = cells(&outcome.unwrap().returned);
        assert_eq!((rows.len(), &rows[0][1]), (1, &Value::Integer(2)));
        let mut returning = insert(update);
        returning["returning"] = json!(["amount"]);
        let outcome = db.run(returning, vec![int(20), int(5)]).await.unwrap();
        assert_eq!(outcome.returned.cells, [Value::Integer(7)]);
    }
}

#[tokio::test]
async fn conflicts_that_make_no_sense_are_refused() {
    let site = filled().await;
    let db = site.request();
    let insert = |conflict: Json| json!({"op":"insert","from":"sale","set":{"product":1,"day":0,"amount":1},"on_conflict":conflict});
    refused(
        &db,
        &[
            (insert(json!({"do":"overwrite"})), "is none of"),
            (insert(json!({})), "\"ignore\" or \"update\""),
            (insert(json!({"do":"update","set":{"amount":1}})), "is missing"),
            (insert(json!({"do":"update","target":["day"],"set":{"amount":1}})), "aren't unique together"),
            (insert(json!({"do":"update","target":["dya"],"set":{"amount":1}})), "did you mean `day`"),
            (insert(json!({"do":"update","target":["product","day"],"set":{}})), "is empty"),
            (insert(json!({"do":"update","target":["product","day"],"set":{"id":1}})), "never changes"),
            (insert(json!({"do":"update","target":["product","day"],"set":{"amount":{"new":"nope"}}})), "has no field"),
            (insert(json!({"do":"update","target":["product","day"],"set":{"amount":{"f":["product","stock"]}}})), "its own row alone"),
            (insert(json!({"do":"ignore","set":{"amount":1}})), "no such member"),
            (json!({"op":"insert","from":"sale","set":{"product":1,"day":0,"amount":{"new":"day"}}}), "stands in `on_conflict`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn many_rows_are_updated_each_with_its_own() {
    let site = filled().await;
    let db = site.request();
    let update = json!({"v":1,"op":"update_many","from":"sale","key":["id"],"key_values":[{"$":0}],
        "set":{"amount":["add",{"f":"amount"},{"$":1}],"who":{"$":2}}});
    let whos = texts(&["x", "y", "z"]);
    let outcome = db.run(update.clone(), vec![ints([1, 3, 99]), ints([10, 20, 30]), whos]).await.unwrap();
    assert_eq!((outcome.affected, amounts(&db).await), (2, vec![13, 5, 22, 7, 1]));
    // One value serves all; several fields find a row.
    let by_pair = json!({"v":1,"op":"update_many","from":"sale","key":["product","day"],"key_values":[{"$":0},{"$":1}],"set":{"amount":{"$":2}}});
    let outcome = db.run(by_pair.clone(), vec![ints([1, 2]), ints([0, 5]), int(0)]).await.unwrap();
    assert_eq!((outcome.affected, amounts(&db).await), (2, vec![0, 5, 22, 7, 0]));
    assert_eq!(db.run(by_pair.clone(), vec![ints([]), ints([]), int(0)]).await.unwrap().affected, 0);
    let uneven = db.run(by_pair.clone(), vec![ints([1, 2]), ints([0]), int(0)]).await;
    assert_eq!(code(uneven), "invalid-value");
    assert_eq!(code(db.run(by_pair, vec![ints(0..1_001), ints(0..1_001), int(0)]).await), "invalid-value");
    // All of it or nothing.
    let clash = json!({"v":1,"op":"update_many","from":"sale","key":["id"],"key_values":[{"$":0}],"set":{"day":{"$":1},"amount":9}});
    assert_eq!(code(db.run(clash, vec![ints([4, 5]), ints([50, 50])]).await), "unique");
    assert_eq!(amounts(&db).await, [0, 5, 22, 7, 0]);
    refused(
        &db,
        &[
            (json!({"op":"update_many","from":"sale","key":["id"],"key_values":[],"set":{"amount":1}}), "has a hole for each"),
            (json!({"op":"update_many","from":"sale","key":[],"key_values":[],"set":{"amount":1}}), "has a hole for each"),
            (json!({"op":"update_many","from":"sale","key":["id"],"key_values":[1],"set":{"amount":1}}), "holes alone"),
            (json!({"op":"update_many","from":"sale","key":["ident"],"key_values":[{"$":0}],"set":{"amount":1}}), "has no field"),
            (json!({"op":"update_many","from":"sale","key":["id"],"key_values":[{"$":0}],"set":{"id":1}}), "never changes"),
            (json!({"op":"update_many","from":"sale","key":["id"],"key_values":[{"$":0}],"set":{"amount":1},"filter":[]}), "no such member"),
        ],
    )
    .await;
}
