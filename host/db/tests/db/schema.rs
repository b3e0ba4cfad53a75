//! Tables of new apps and new versions.

use host_core::manifest::Manifest;
use host_db::{Db, DbConfig, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, database, server, text};

fn one(fields: Json) -> Manifest {
    with(json!([{"name": "item", "fields": fields}]))
}

fn with(models: Json) -> Manifest {
    Manifest::parse(&json!({"v": 1, "name": "shop", "models": models}).to_string()).unwrap()
}

fn id() -> Json {
    json!({"name": "id", "kind": "auto"})
}

fn db() -> std::sync::Arc<Db> {
    database(StoreConfig::temporary(), DbConfig::default())
}

#[test]
fn the_plan_says_what_will_be_done_and_does_nothing() {
    let db = db();
    let first = one(json!([id(), {"name": "title", "kind": "char", "max_length": 10}]));
    assert_eq!(db.plan_app(&first).unwrap(), ["create the table of model `item`"]);
    assert_eq!(db.plan_app(&first).unwrap().len(), 1, "it was a plan");
    db.for_app(&first).unwrap();
    assert_eq!(db.plan_app(&first).unwrap(), [""; 0]);
    let second = one(
        json!([id(), {"name": "title", "kind": "char", "max_length": 99, "unique": true}, {"name": "price", "kind": "integer", "default": 3}]),
    );
    let mut plan = db.plan_app(&second).unwrap();
    // MariaDB's columns have lengths, which grow with the field's.
    plan.retain(|line| !line.contains("longer texts"));
    assert_eq!(plan.len(), 2, "{plan:?}");
    assert!(plan[0].contains("price") && plan[1].contains("unique"), "{plan:?}");
    db.for_app(&second).unwrap();
    assert!(db.plan_app(&second).unwrap().is_empty());
    // Back to the first: the column stays, the unique set goes.
    assert_eq!(db.plan_app(&first).unwrap().len(), 1);
}

#[tokio::test]
async fn rows_of_the_old_version_live_on_in_the_new_one() {
    let site = Site::with(
        json!({"v":1,"name":"shop","models":[{"name":"item","fields":[id(),
        {"name":"title","kind":"char","max_length":5},{"name":"gone","kind":"text","null":true}]}]}),
        StoreConfig::temporary(),
        DbConfig::default(),
    );
    let old = site.request();
    old.add("item", json!({"title": "first", "gone": "kept"})).await;
    let new = with(json!([
        {"name": "maker", "fields": [id()]},
        {"name": "item", "fields": [id(),
            {"name": "title", "kind": "text"},
            {"name": "note", "kind": "text", "default": "it's \"quoted\"; --"},
            {"name": "size", "kind": "float", "default": 1.5},
            {"name": "small", "kind": "integer", "default": -7},
            {"name": "on", "kind": "boolean", "default": true},
            {"name": "tag", "kind": "uuid", "default": "00112233-4455-6677-8899-aabbccddeeff"},
            {"name": "maker", "kind": "foreign_key", "to": "maker", "on_delete": "set_null", "null": true}]},
    ]));
    let app = site.db.for_app(&new).unwrap();
    let db =
        app.for_request(site.context(Default::default(), [host_core::grants::Capability::Db].into_iter().collect()));
    let row = db.get(json!({"v":1,"from":"item"}), vec![]).await.unwrap().cells;
    let tag = (0..16).map(|n: u8| n * 0x11).collect();
    assert_eq!(
        row,
        [
            Value::Integer(1),
            Value::Text("first".into()),
            Value::Text("it's \"quoted\"; --".into()),
            Value::Float(1.5),
            Value::Integer(-7),
            Value::Boolean(true),
            Value::Bytes(tag),
            Value::Null,
        ]
    );
    // The old version still runs beside it, and the new one takes longer titles.
    old.add("item", json!({"title": "again"})).await;
    db.add("item", json!({"title": "longer than before"})).await;
    assert_eq!(
        old.one(json!({"v":1,"from":"item","fields":["gone"],"filter":[["exact","id",1]]}), vec![]).await,
        Value::Text("kept".into())
    );
}

fn shop(fields: Json) -> Site {
    let models = json!({"v":1,"name":"shop","models":[{"name":"item","fields":fields}]});
    Site::with(models, StoreConfig::temporary(), DbConfig::default())
}

#[tokio::test]
async fn a_table_without_rows_has_nothing_to_lose_and_is_made_anew() {
    let site = shop(json!([id(), {"name": "a", "kind": "integer", "unique": true}]));
    let first = site.request().add("item", json!({"a": 1})).await;
    let all = json!({"v":1,"op":"delete","from":"item"});
    site.request().run(all, vec![]).await.unwrap();
    let second = one(json!([id(), {"name": "a", "kind": "text", "unique": true}, {"name": "must", "kind": "integer"}]));
    let plan = site.db.plan_app(&second).unwrap();
    assert!(plan.len() == 2 && plan[0].contains("which is empty, anew") && plan[1].contains("unique"), "{plan:?}");
    let app = site.db.for_app(&second).unwrap();
    let request =
        app.for_request(site.context(Default::default(), host_core::grants::Capability::ALL.into_iter().collect()));
    let next = request.add("item", json!({"a": "x", "must": 2})).await;
    assert!(next > first, "a key that was given away is never given again");
    assert!(site.db.plan_app(&second).unwrap().is_empty());
}

#[tokio::test]
async fn what_would_need_the_data_rewritten_is_refused_and_nothing_changes() {
    let fields = json!([id(), {"name": "a", "kind": "integer"}, {"name": "b", "kind": "text", "null": true}]);
    let before = fields;
    let first = one(before.clone());
    let a = json!({"name": "a", "kind": "integer"});
    let b = json!({"name": "b", "kind": "text", "null": true});
    let cases = [
        (json!([id(), {"name": "a", "kind": "text"}, b]), "kind was `integer`"),
        (json!([id(), {"name": "a", "kind": "big_integer"}, b]), "kind was `integer`"),
        (json!([id(), {"name": "a", "kind": "integer", "null": true}, b]), "was required"),
        (json!([id(), a, {"name": "b", "kind": "text", "default": ""}]), "was null-able"),
        (json!([id(), a, b, {"name": "c", "kind": "text"}]), "give it a default"),
        (json!([id(), b]), "column `a`"),
        (
            json!([id(), a, b, {"name": "self", "kind": "foreign_key", "to": "item", "on_delete": "cascade", "null": true, "default": 1}]),
            "default",
        ),
        (json!([id(), a, b, {"name": "small", "kind": "integer", "default": 99_999_999_999_i64}]), "doesn't fit"),
        (json!([id(), a, b, {"name": "when", "kind": "datetime", "default": "now"}]), "doesn't fit"),
        (json!([id(), a, b, {"name": "none", "kind": "integer", "default": null}]), "null-able"),
    ];
    for (fields, word) in cases {
        let site = shop(before.clone());
        site.request().add("item", json!({"a": 1})).await;
        let db = &site.db;
        let manifest = one(fields);
        if word == "default" && server().is_some() {
            // Servers can add such a key, where it leads to a row.
            assert_eq!(db.plan_app(&manifest).unwrap().len(), 3);
            db.for_app(&manifest).unwrap();
            continue;
        }
        for error in [db.plan_app(&manifest).unwrap_err(), db.for_app(&manifest).unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains(word) && error.contains("shop"), "{error} should contain {word}");
        }
        assert!(db.plan_app(&first).unwrap().is_empty(), "the first still runs as it was");
    }
}

#[tokio::test]
async fn a_unique_set_over_rows_that_repeat_is_refused() {
    let plain = json!({"v":1,"name":"shop","models":[{"name":"item","fields":[id(), {"name":"title","kind":"text"}]}]});
    let site = Site::with(plain, StoreConfig::temporary(), DbConfig::default());
    let db = site.request();
    db.add("item", json!({"title": "x"})).await;
    let second = db.add("item", json!({"title": "x"})).await;
    let unique = one(
        json!([id(), {"name": "title", "kind": "text", "unique": true}, {"name": "extra", "kind": "text", "null": true}]),
    );
    let error = site.db.for_app(&unique).unwrap_err().to_string();
    assert!(error.contains("same values"), "{error}");
    // MariaDB makes tables step by step; what is done stays, and the next load goes on from there.
    let left = if server() == Some(test_servers::Kind::Mariadb) { 1 } else { 2 };
    assert_eq!(site.db.plan_app(&unique).unwrap().len(), left, "nothing of it was done");
    db.run(json!({"v":1,"op":"delete","from":"item","filter":[["exact","id",second]]}), vec![]).await.unwrap();
    site.db.for_app(&unique).unwrap();
    // Both versions share the table, so the old one has to keep to it as well.
    assert_eq!(
        code(db.run(json!({"v":1,"op":"insert","from":"item","set":{"title":{"$":0}}}), vec![text("x")]).await),
        "unique"
    );
}

#[test]
fn names_that_mean_two_things_are_refused() {
    let key = |name: &str, related: &str| json!({"name": name, "kind": "foreign_key", "to": "item", "on_delete": "cascade", "null": true, "related_name": related});
    for fields in [
        json!([id(), key("a", "id")]),
        json!([id(), key("a", ""), key("b", "")]),
        json!([id(), key("a", "x"), key("b", "x")]),
        json!([id(), key("a", "b"), key("b", "y")]),
    ] {
        let error = db().for_app(&one(fields)).unwrap_err().to_string();
        assert!(error.contains("related_name"), "{error}");
    }
    for name in ["bandstand", "sqlite"] {
        let manifest = json!({"v": 1, "name": name, "models": [{"name": "app", "fields": [id()]}]});
        assert!(db().for_app(&Manifest::parse(&manifest.to_string()).unwrap()).is_err());
    }
    // Field names that are SQL's own words are names like any other.
    let fields = json!([id(), {"name": "select", "kind": "text"}, {"name": "order", "kind": "text", "index": true}, {"name": "rowid", "kind": "text", "unique": true}]);
    db().for_app(&one(fields)).unwrap();
}
