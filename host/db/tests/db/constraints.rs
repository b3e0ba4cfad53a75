//! Checks, unique sets, indexes, and tables of other names.

use host_core::manifest::Manifest;
use host_db::{Param, Value};
use serde_json::{Value as Json, json};

use super::BACKEND;
use super::site::{Ask, Site, code, int, null, text};
use crate::Backend;

fn id() -> Json {
    json!({"name": "id", "kind": "auto"})
}

fn shop(constraints: Json) -> Json {
    json!({"v": 1, "name": "shop", "models": [{"name": "item", "fields": [id(),
        {"name": "name", "kind": "char", "max_length": 40},
        {"name": "price", "kind": "decimal", "max_digits": 8, "decimal_places": 2, "default": "1"},
        {"name": "low", "kind": "integer", "default": 0},
        {"name": "high", "kind": "integer", "null": true},
        {"name": "state", "kind": "char", "max_length": 10, "default": "draft"}],
        "constraints": constraints}]})
}

fn item(set: Json) -> Json {
    json!({"v":1,"op":"insert","from":"item","set":set})
}

#[tokio::test]
async fn checks_hold_and_say_which_one_was_violated() {
    let hostile = "it's \\' \"x\" ?";
    let site = Site::of(shop(json!([
        {"name": "in_order", "check": ["lte", "low", {"f": "high"}], "message": "Low must not be above high."},
        {"name": "positive", "check": ["gt", "price", "0.50"]},
        {"name": "named", "check": ["and", ["not", ["exact", "name", ""]], ["not", ["exact", "name", hostile]]]}])));
    let db = site.request();
    db.add("item", json!({"name": "a", "low": 1, "high": 1})).await;
    // NULL is no violation.
    db.add("item", json!({"name": "b", "low": 1})).await;
    for (set, name, fields) in [
        (json!({"name": "c", "low": 2, "high": 1}), "in_order", &["low", "high"][..]),
        (json!({"name": "c", "price": "0.5"}), "positive", &["price"]),
        (json!({"name": ""}), "named", &["name"]),
        (json!({"name": hostile}), "named", &["name"]),
    ] {
        let error = db.run(item(set.clone()), vec![]).await.unwrap_err();
        let found: Vec<&str> =
            error.details.iter().filter(|(name, _)| *name == "field").map(|(_, field)| field.as_str()).collect();
        assert_eq!(
            (error.code, error.detail("model"), error.detail("constraint")),
            ("check", Some("item"), Some(name))
        );
        assert_eq!(found, fields);
        assert_eq!(error.message == "Low must not be above high.", name == "in_order", "{error}");
        assert!(!error.to_string().contains("shop__"), "{error}");
    }
    let update = json!({"v":1,"op":"update","from":"item","set":{"low":["add",{"f":"low"},5]}});
    let error = db.run(update, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("constraint")), ("check", Some("in_order")));
}

#[tokio::test]
async fn unique_sets_may_have_conditions_and_expressions_and_take_nulls_for_equal() {
    let site = Site::of(shop(json!([
        {"name": "one_live", "unique": ["name"], "condition": ["exact", "state", "live"], "message": "Another one is live."},
        {"name": "one_low", "unique": ["low", "high"], "nulls_distinct": false},
        {"name": "sums", "expressions": [["add", {"f": "low"}, {"f": "high"}]]},
        {"name": "one_gone", "unique": ["state"], "expressions": [["add", {"f": "high"}, 1]], "condition": ["exact", "state", "gone"], "nulls_distinct": false},
        {"name": "prices", "unique": ["name", "price"]}])));
    let db = site.request();
    let add = async |set: Json| db.run(item(set), vec![]).await;
    add(json!({"name": "a", "low": 1, "state": "live"})).await.unwrap();
    add(json!({"name": "a", "low": 2, "price": 2})).await.unwrap();
    add(json!({"name": "a", "low": 3, "price": 3})).await.unwrap();
    for (set, name) in [
        (json!({"name": "a", "low": 4, "price": 4, "state": "live"}), "one_live"),
        (json!({"name": "b", "low": 1}), "one_low"),
        (json!({"name": "a", "low": 5, "price": "3.00"}), "prices"),
    ] {
        let error = add(set.clone()).await.unwrap_err();
        let found = (error.code, error.detail("model"), error.detail("constraint"));
        assert_eq!(found, ("unique", Some("item"), Some(name)), "{set}: {error}");
        assert_eq!(error.message == "Another one is live.", name == "one_live", "{error}");
        assert!(error.detail("field").is_some(), "{error}");
    }
    add(json!({"name": "c", "low": 10, "high": 5})).await.unwrap();
    let error = add(json!({"name": "d", "low": 9, "high": 6})).await.unwrap_err();
    assert_eq!((error.code, error.detail("constraint")), ("unique", Some("sums")));
    // All of it at once: a condition, an expression that is NULL, and NULLs that are equal.
    add(json!({"name": "g", "low": 20, "state": "gone"})).await.unwrap();
    add(json!({"name": "g2", "low": 21, "high": -1, "state": "gone"})).await.unwrap();
    let error = add(json!({"name": "h", "low": 22, "state": "gone"})).await.unwrap_err();
    assert_eq!((error.code, error.detail("constraint")), ("unique", Some("one_gone")));
    // NULL is equal to NULL, and to nothing else: not to 0.
    add(json!({"name": "e", "low": 1, "high": 0})).await.unwrap();
    // An update that makes a second one live.
    let live = json!({"v":1,"op":"update","from":"item","set":{"state":"live"},"filter":[["exact","low",{"$":0}]]});
    let error = db.run(live.clone(), vec![int(2)]).await.unwrap_err();
    assert_eq!((error.code, error.detail("constraint")), ("unique", Some("one_live")));
    db.run(live, vec![int(10)]).await.unwrap();
}

#[tokio::test]
async fn indexes_of_all_sorts_are_made_and_change_nothing_else() {
    let mut manifest = shop(json!([]));
    manifest["models"][0]["indexes"] = json!([
        ["name", "-low"],
        {"fields": ["-high"], "include": ["name", "high"]},
        {"name": "live_ones", "fields": ["name"], "condition": ["and", ["exact", "state", "live"], ["gt", "price", "1.00"]]},
        {"name": "by_sum", "expressions": [["add", {"f": "low"}, ["coalesce", {"f": "high"}, 0]]]}]);
    let site = Site::of(manifest.clone());
    let db = site.request();
    for n in 0..5 {
        db.add("item", json!({"name": "same", "low": n, "price": n, "state": "live"})).await;
    }
    let sum = json!({"v":1,"op":"count","from":"item","filter":[["gt","low",2],["exact","state","live"]]});
    assert_eq!(db.one(sum, vec![]).await, Value::Integer(2));
    assert_eq!(site.db.plan_app(&site.manifest).unwrap(), [""; 0], "all of it is there");
    // One that says something else is made anew; those that are no longer declared go.
    manifest["models"][0]["indexes"] = json!([
        {"name": "live_ones", "fields": ["name"], "condition": ["exact", "state", "dead"]}]);
    let second = Manifest::parse(&manifest.to_string()).unwrap();
    let plan = site.db.plan_app(&second).unwrap();
    let made = plan.iter().filter(|line| line.starts_with("make `live_ones`")).count();
    // MariaDB indexes all rows, whatever the condition: there it is the same index.
    assert_eq!(made, usize::from(BACKEND != Backend::Mariadb), "{plan:?}");
    assert!(plan.iter().filter(|line| line.starts_with("drop the index")).count() >= 3, "{plan:?}");
    site.db.for_app(&second).unwrap();
    assert_eq!(site.db.plan_app(&second).unwrap(), [""; 0]);
}

#[tokio::test]
async fn constraints_come_and_go_with_versions() {
    let site = Site::of(shop(json!([])));
    let db = site.request();
    db.add("item", json!({"name": "a", "low": -1, "state": "live"})).await;
    let second = db.add("item", json!({"name": "a", "low": 5, "state": "live"})).await;
    let stricter = |constraints: Json| Manifest::parse(&shop(constraints).to_string()).unwrap();
    for (constraints, word) in [
        (json!([{"name": "above", "check": ["gte", "low", 0]}]), "don't fulfil"),
        (json!([{"name": "live", "unique": ["name"], "condition": ["exact", "state", "live"]}]), "same values"),
    ] {
        let error = site.db.for_app(&stricter(constraints)).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("item"), "{error}");
    }
    let both = json!([
        {"name": "above", "check": ["gte", "low", -5]},
        {"name": "live", "unique": ["name"], "condition": ["exact", "state", "live"]}]);
    db.run(json!({"v":1,"op":"delete","from":"item","filter":[["exact","id",second]]}), vec![]).await.unwrap();
    let both = stricter(both);
    assert_eq!(site.db.plan_app(&both).unwrap().len(), 2);
    let app = site.db.for_app(&both).unwrap();
    let request =
        || app.for_request(site.context(Default::default(), host_core::grants::Capability::ALL.into_iter().collect()));
    assert_eq!(site.db.plan_app(&both).unwrap(), [""; 0]);
    let error = request().run(item(json!({"name": "b", "low": -6})), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("constraint")), ("check", Some("above")));
    // The rows that were there are held to it as well.
    let lower = json!({"v":1,"op":"update","from":"item","set":{"low":-9}});
    assert_eq!(code(request().run(lower, vec![]).await), "check");
    // Another rule of the same name, then none.
    let other = stricter(json!([{"name": "above", "check": ["gte", "low", -1]}]));
    assert!(site.db.plan_app(&other).unwrap().len() >= 3, "a check goes and one comes, an index goes");
    site.db.for_app(&other).unwrap();
    let error = site
        .db
        .for_app(&other)
        .unwrap()
        .for_request(site.context(Default::default(), host_core::grants::Capability::ALL.into_iter().collect()))
        .run(item(json!({"name": "b", "low": -2})), vec![])
        .await
        .unwrap_err();
    assert_eq!(error.detail("constraint"), Some("above"));
    site.db.for_app(&stricter(json!([]))).unwrap();
    db.add("item", json!({"name": "b", "low": -100})).await;
    let count = json!({"v":1,"op":"count","from":"item"});
    assert_eq!(db.one(count, vec![]).await, Value::Integer(2), "all rows are there");
}

#[tokio::test]
async fn tables_may_have_names_of_their_own_and_belong_to_somebody_else() {
    let album = |managed: bool, fields: Json| {
        json!({"v": 1, "name": "music", "models": [
            {"name": "album", "table": "Album", "managed": managed, "primary_key": ["number"], "fields": fields}]})
    };
    let fields = json!([
        {"name": "number", "kind": "integer", "column": "AlbumId"},
        {"name": "title", "kind": "char", "max_length": 50, "column": "Title"}]);
    let site = Site::of(album(true, fields.clone()));
    site.request()
        .run(json!({"v":1,"op":"insert","from":"album","set":{"number":1,"title":"x"}}), vec![])
        .await
        .unwrap();
    // Another app looks at it and leaves it as it is.
    let mut other = album(false, fields.clone());
    other["name"] = json!("player");
    let manifest = Manifest::parse(&other.to_string()).unwrap();
    assert_eq!(manifest.foreign_tables().collect::<Vec<_>>(), ["Album"]);
    assert_eq!(site.db.plan_app(&manifest).unwrap(), [""; 0]);
    let app = site.db.for_app(&manifest).unwrap();
    let request =
        app.for_request(site.context(Default::default(), host_core::grants::Capability::ALL.into_iter().collect()));
    let title = request.one(json!({"v":1,"from":"album","fields":["title"]}), vec![]).await;
    assert_eq!(title, Value::Text("x".into()));
    for (change, word) in [
        (json!({"table": "Albums"}), "no table `Albums`"),
        (json!({"table": "album"}), "no table `album`"),
        (
            json!({"fields": [{"name": "number", "kind": "integer", "column": "AlbumId"}, {"name": "artist", "kind": "text"}]}),
            "no column `artist`",
        ),
        (
            json!({"fields": [{"name": "number", "kind": "integer", "column": "AlbumId"}, {"name": "title", "kind": "float", "column": "Title"}]}),
            "needs",
        ),
    ] {
        let mut wrong = other.clone();
        for (member, value) in change.as_object().unwrap() {
            wrong["models"][0][member] = value.clone();
        }
        let error = site.db.for_app(&Manifest::parse(&wrong.to_string()).unwrap()).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("isn't managed"), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_in_a_tables_definition_is_refused_with_its_place() {
    let site = Site::of(shop(json!([])));
    let generated = |expr: Json| json!({"name": "made", "kind": "integer", "null": true, "generated": {"expr": expr, "stored": true}});
    let with_field = |field: Json| {
        let mut manifest = shop(json!([]));
        manifest["models"][0]["fields"].as_array_mut().unwrap().push(field);
        manifest
    };
    for (manifest, words) in [
        (shop(json!([{"name": "c", "check": ["gt", "low", {"$": 0}]}])), &["constraint `c`", "hole"][..]),
        (shop(json!([{"name": "c", "check": ["gt", "lov", 0]}])), &["constraint `c`", "did you mean `low`"]),
        (shop(json!([{"name": "c", "check": ["gt", "low", "x"]}])), &["constraint `c`", "integer"]),
        (shop(json!([{"name": "c", "check": "low > 0"}])), &["constraint `c`"]),
        (shop(json!([{"name": "c", "expressions": [["add", 1, 2]]}])), &["constraint `c`", "reads no field"]),
        (shop(json!([{"name": "c", "expressions": [["count", {"f": "low"}]]}])), &["constraint `c`"]),
        (with_field(generated(json!(["add", {"f": "low"}, {"f": "made"}]))), &["field `made`", "generated itself"]),
        (with_field(generated(json!(["add", {"f": "id"}, 1]))), &["field `made`", "isn't known"]),
        (with_field(generated(json!({"f": "name"}))), &["field `made`", "kind char"]),
        (with_field(generated(json!(["now"]))), &["field `made`", "same each time"]),
        (with_field(json!({"name": "d", "kind": "integer", "db_default": {"f": "low"}})), &["field `d`", "no row yet"]),
        (with_field(json!({"name": "d", "kind": "integer", "db_default": "x"})), &["field `d`", "doesn't fit"]),
        (with_field(json!({"name": "d", "kind": "text", "validators": [["regex", "("]]})), &["field `d`", "regex"]),
    ] {
        let error = site.db.for_app(&Manifest::parse(&manifest.to_string()).unwrap()).unwrap_err().to_string();
        assert!(error.contains("model `item`") && words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[tokio::test]
async fn what_a_database_cannot_do_is_refused_with_a_way_out() {
    let site = Site::of(shop(json!([])));
    let with_field = |field: Json| {
        let mut manifest = shop(json!([]));
        manifest["models"][0]["fields"].as_array_mut().unwrap().push(field);
        manifest
    };
    let virtual_one = json!({"name": "d", "kind": "integer", "null": true, "generated": {"expr": ["add", {"f": "low"}, 1]}});
    for (manifest, refuse, words) in [
        (
            shop(json!([{"name": "c", "unique": ["low"], "deferrable": true}])),
            &[Backend::Sqlite, Backend::Mariadb][..],
            &["constraint `c`", "PostgreSQL alone"][..],
        ),
        (
            with_field(json!({"name": "d", "kind": "decimal", "max_digits": 19, "decimal_places": 2, "null": true})),
            &[Backend::Sqlite],
            &["field `d`", "18", "PostgreSQL or MariaDB"],
        ),
        (with_field(virtual_one), &[Backend::Postgres], &["field `d`", "set `stored`"]),
    ] {
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        match site.db.for_app(&manifest) {
            Ok(_) => assert!(!refuse.contains(&BACKEND), "{words:?}"),
            Err(error) => {
                let error = error.to_string();
                assert!(refuse.contains(&BACKEND), "{error}");
                assert!(error.contains("model `item`") && words.iter().all(|word| error.contains(word)), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn values_that_a_check_cannot_hold_stay_values() {
    // A hostile text as default, in a check, in a condition: the tables stay what they are.
    let hostile = "'); DROP TABLE shop__item; --\\'\"`";
    let mut manifest = shop(json!([
        {"name": "not_so", "check": ["not", ["exact", "name", hostile]]},
        {"name": "once", "unique": ["low"], "condition": ["exact", "state", "a'b\\"]}]));
    manifest["models"][0]["fields"][1]["default"] = json!(hostile);
    let site = Site::of(manifest);
    let db = site.request();
    let error = db.run(item(json!({"low": 1})), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("constraint")), ("check", Some("not_so")));
    let insert = json!({"v":1,"op":"insert","from":"item","set":{"name":"x","low":1,"state":{"$":0}}});
    db.run(insert.clone(), vec![text("a'b\\")]).await.unwrap();
    db.run(insert.clone(), vec![text("a'b")]).await.unwrap();
    assert_eq!(code(db.run(insert.clone(), vec![text("a'b\\")]).await), "unique");
    assert_eq!(code(db.run(insert, vec![null()]).await), "not-null");
    let all = json!({"v":1,"op":"count","from":"item","filter":[["in","state",{"$":0}]]});
    let states = Param::Many(["a'b\\", "a'b"].map(|state| Value::Text(state.into())).into());
    assert_eq!(db.one(all, vec![states]).await, Value::Integer(2));
}
