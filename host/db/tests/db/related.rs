//! Rows that come with their relations' rows; locks; the database's plan.

use host_db::Value;
use serde_json::json;

use super::shop::{cells, filled, refused};
use super::site::{Ask, Site, code, polls};

#[tokio::test]
async fn related_rows_come_along() {
    let site = filled().await;
    let db = site.request();
    db.add("detail", json!({"product": 1, "body": "red"})).await;
    let shape = json!({"v":1,"from":"product","order":["id"],"fields":["id"],"related":["category",["category","parent"],"detail"],
        "annotate":[["n",["count",{"f":"sales"}]]]});
    let rows = cells(&db.get(shape, vec![]).await.unwrap());
    let (i, t, none) = (Value::Integer, |text: &str| Value::Text(text.into()), Value::Null);
    assert_eq!(rows[0], [i(1), i(3), t("fruit"), i(2), i(2), t("food"), i(1), i(1), i(1), t("red")]);
    assert_eq!(rows[1][1..7], [i(2), t("food"), i(1), i(1), t("all"), none.clone()]);
    assert_eq!(rows[2][1..], [i(4), t("books"), none.clone(), none.clone(), none.clone(), none.clone(), none.clone(), none.clone(), none]);
    // After the model's own columns, before what is annotated.
    let whole = json!({"v":1,"from":"sale","related":["product"],"annotate":[["double",["mul",{"f":"amount"},2]]],"order":["id"],"limit":1});
    let rows = cells(&db.get(whole, vec![]).await.unwrap());
    assert_eq!((rows[0].len(), &rows[0][5], &rows[0][6]), (5 + 18 + 1, &i(1), &t("apple")));
    assert_eq!(rows[0][23], i(6));
    refused(
        &db,
        &[
            (json!({"related":[["category","parent"]]}), "must be listed before"),
            (json!({"related":["category","category"]}), "twice"),
            (json!({"related":["name"]}), "is no relation"),
            (json!({"related":["sales"]}), "leads to many rows"),
            (json!({"related":["categry"]}), "did you mean `category`"),
            (json!({"related":"category"}), "not a list"),
            (json!({"related":["category"],"group":["stock"]}), "has no `related`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn locks_stand_in_transactions() {
    let site = filled().await;
    let db = site.request();
    let locked = json!({"v":1,"from":"product","fields":["id"],"order":["id"],"lock":{"wait":"nowait"}});
    assert_eq!(code(db.get(locked.clone(), vec![]).await), "invalid-shape");
    let transaction = db.begin().await.unwrap();
    let rows = transaction.fetch(locked.to_string().as_bytes(), vec![]).await.unwrap();
    assert_eq!(rows.len(), 3);
    for lock in [json!({}), json!({"no_key":true}), json!({"wait":"skip_locked","of":["self"]})] {
        let shape = json!({"v":1,"from":"sale","related":["product"],"lock":lock});
        transaction.fetch(shape.to_string().as_bytes(), vec![]).await.unwrap();
    }
    let of = json!({"v":1,"from":"sale","related":["product"],"lock":{"of":["self","product"]}});
    transaction.fetch(of.to_string().as_bytes(), vec![]).await.unwrap();
    transaction.execute(br#"{"v":1,"op":"update","from":"product","set":{"stock":1}}"#, vec![]).await.unwrap();
    transaction.commit().await.unwrap();
    refused(
        &db,
        &[
            (json!({"lock":{"wait":"forever"}}), "is none of"),
            (json!({"lock":{"of":["category"]}}), "isn't in `related`"),
            (json!({"lock":{"of":[]}}), "is empty"),
            (json!({"lock":{},"distinct":true,"fields":["id"]}), "as they stand in their table"),
            (json!({"lock":true}), "not an object"),
            (json!({"op":"count","lock":{}}), "no such member"),
        ],
    )
    .await;
}

#[tokio::test]
async fn whoever_locks_keeps_others_out() {
    let site = filled().await;
    let (one, other) = (site.request(), site.request());
    let locked = json!({"v":1,"from":"product","fields":["id"],"filter":[["exact","id",1]],"lock":{"wait":"nowait"}});
    let locked = locked.to_string();
    let first = one.begin().await.unwrap();
    first.fetch(locked.as_bytes(), vec![]).await.unwrap();
    let second = other.begin().await.unwrap();
    if super::BACKEND == crate::Backend::Sqlite {
        // The write lease is the site's only one, and whoever wants it waits.
        let (waited, ()) = tokio::join!(second.fetch(locked.as_bytes(), vec![]), async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            first.rollback().await.unwrap();
        });
        waited.unwrap();
        return;
    }
    let error = second.fetch(locked.as_bytes(), vec![]).await.unwrap_err();
    assert!(["busy", "conflict-retry", "timeout"].contains(&error.code), "{error}");
    first.rollback().await.unwrap();
}

#[tokio::test]
async fn the_databases_plan_is_told() {
    let site = Site::with(polls(), host_store::StoreConfig::temporary(), host_db::DbConfig::default());
    let db = site.request();
    db.add("question", json!({"text": "q"})).await;
    db.add("choice", json!({"question": 1, "text": "c"})).await;
    for shape in [
        json!({"v":1,"from":"choice","explain":true,"filter":[["exact","id",1]]}),
        json!({"v":1,"op":"count","from":"choice","explain":true}),
        json!({"v":1,"op":"exists","from":"choice","explain":true}),
        json!({"v":1,"op":"aggregate","from":"choice","explain":true,"annotate":[["n",["count"]]]}),
    ] {
        let rows = db.get(shape.clone(), vec![]).await.unwrap();
        assert!(rows.width == 1 && !rows.is_empty(), "{shape}: {rows:?}");
        assert!(rows.cells.iter().all(|cell| matches!(cell, Value::Text(line) if !line.contains('\n'))), "{rows:?}");
        let all = format!("{rows:?}");
        assert!(all.contains("t0") || all.contains("choice"), "{all}");
    }
    assert_eq!(code(db.get(json!({"v":1,"from":"choice","explain":1}), vec![]).await), "invalid-shape");
    let delete = json!({"v":1,"op":"delete","from":"choice","explain":true});
    assert_eq!(code(db.run(delete, vec![]).await), "invalid-shape");
}
