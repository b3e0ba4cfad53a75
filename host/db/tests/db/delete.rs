//! Deleting and what hangs on it.

use host_db::{DbConfig, Param, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, Site, code, int, ints};

fn tree() -> serde_json::Value {
    let key = |name: &str, to: &str, on_delete: &str| json!({"name": name, "kind": "foreign_key", "to": to, "on_delete": on_delete, "null": true, "related_name": format!("{name}_of")});
    let id = json!({"name": "id", "kind": "auto"});
    json!({"v": 1, "name": "tree", "models": [
        {"name": "root", "fields": [id, {"name": "name", "kind": "text", "default": ""}]},
        {"name": "branch", "fields": [id, key("root", "root", "cascade"), key("twin", "branch", "cascade")]},
        {"name": "leaf", "fields": [id, key("branch", "branch", "cascade"), key("keeper", "root", "restrict")]},
        {"name": "guard", "fields": [id, key("guarded", "branch", "protect")]},
        {"name": "note", "fields": [id, key("about", "branch", "set_null"),
            {"name": "home", "kind": "foreign_key", "to": "root", "on_delete": "set_default", "default": 1, "related_name": "home_of"}]},
        {"name": "loose", "fields": [id, key("tied", "root", "do_nothing")]},
    ]})
}

fn site() -> Site {
    Site::with(tree(), StoreConfig::temporary(), DbConfig::default())
}

fn delete(model: &str, id: i64) -> serde_json::Value {
    json!({"v":1,"op":"delete","from":model,"filter":[["exact","id",id]]})
}

fn count(model: &str) -> serde_json::Value {
    json!({"v":1,"op":"count","from":model})
}

#[tokio::test]
async fn cascades_take_all_levels_and_circles() {
    let site = site();
    let db = site.request();
    let keep = db.add("root", json!({})).await;
    let root = db.add("root", json!({})).await;
    let one = db.add("branch", json!({"root": root})).await;
    let two = db.add("branch", json!({"root": null, "twin": one})).await;
    db.run(json!({"v":1,"op":"update","from":"branch","set":{"twin":two},"filter":[["exact","id",one]]}), vec![])
        .await
        .unwrap();
    for branch in [one, two] {
        db.add("leaf", json!({"branch": branch})).await;
    }
    let note = db.add("note", json!({"about": two, "home": root})).await;
    // A restricted leaf goes anyway by its branch.
    db.add("leaf", json!({"branch": one, "keeper": root})).await;
    let outcome = db.run(delete("root", root), vec![]).await.unwrap();
    assert_eq!(outcome.affected, 6, "1 root, 2 branches, 3 leaves");
    assert_eq!(db.one(count("leaf"), vec![]).await, Value::Integer(0));
    let left = json!({"v":1,"from":"note","filter":[["exact","id",note]]});
    assert_eq!(db.get(left, vec![]).await.unwrap().cells, [Value::Integer(note), Value::Null, Value::Integer(keep)]);
}

#[tokio::test]
async fn what_protects_is_named_and_nothing_goes() {
    let site = site();
    let db = site.request();
    let root = db.add("root", json!({})).await;
    let branch = db.add("branch", json!({"root": root})).await;
    db.add("guard", json!({"guarded": branch})).await;
    let error = db.run(delete("root", root), vec![]).await.unwrap_err();
    assert_eq!(
        (error.code, error.detail("model"), error.detail("field"), error.detail("rows")),
        ("protected", Some("guard"), Some("guarded"), Some("1"))
    );
    assert_eq!(db.one(count("branch"), vec![]).await, Value::Integer(1));

    let other = db.add("root", json!({})).await;
    db.add("leaf", json!({"keeper": other})).await;
    assert_eq!(code(db.run(delete("root", other), vec![]).await), "protected");

    let tied = db.add("root", json!({})).await;
    db.add("loose", json!({"tied": tied})).await;
    let error = db.run(delete("root", tied), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("model")), ("foreign-key", Some("root")));
    assert_eq!(db.one(count("root"), vec![]).await, Value::Integer(3));
    // The default of `home` is root 1; without it, its own deletion leaves it pointing nowhere.
    db.add("note", json!({"home": root})).await;
    db.run(json!({"v":1,"op":"delete","from":"guard"}), vec![]).await.unwrap();
    assert_eq!(code(db.run(delete("root", root), vec![]).await), "foreign-key");
}

#[tokio::test]
async fn a_batch_may_delete_both_sides_in_any_order() {
    let site = site();
    let db = site.request();
    let root = db.add("root", json!({})).await;
    let loose = db.add("loose", json!({"tied": root})).await;
    let statement =
        |shape: serde_json::Value| host_db::Statement { shape: shape.to_string().into_bytes(), params: vec![] };
    let outcomes = db.batch(vec![statement(delete("root", root)), statement(delete("loose", loose))]).await.unwrap();
    assert_eq!(outcomes.iter().map(|outcome| outcome.affected).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn thousands_go_at_once_up_to_the_limit() {
    let config = DbConfig { max_delete_rows: 1_500, ..DbConfig::default() };
    let site = Site::with(tree(), StoreConfig::temporary(), config);
    let db = site.request();
    let root = db.add("root", json!({})).await;
    let bulk = json!({"v":1,"op":"insert","from":"branch","set":{"root":{"$":0}}});
    db.run(bulk.clone(), vec![ints(std::iter::repeat_n(root, 1_000))]).await.unwrap();
    assert_eq!(db.run(delete("root", root), vec![]).await.unwrap().affected, 1_001);
    let root = db.add("root", json!({})).await;
    for _ in 0..2 {
        db.run(bulk.clone(), vec![ints(std::iter::repeat_n(root, 900))]).await.unwrap();
    }
    let error = db.run(delete("root", root), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("limit")), ("budget", Some("1500")));
    assert_eq!(db.one(count("branch"), vec![]).await, Value::Integer(1_800));
    let by_filter =
        json!({"v":1,"op":"delete","from":"branch","filter":[["exact",["root","id"],{"$":0}],["lte","id",{"$":1}]]});
    let some: Vec<Param> = vec![int(root), int(1_200)];
    assert_eq!(db.run(by_filter, some).await.unwrap().affected, 200);
}
