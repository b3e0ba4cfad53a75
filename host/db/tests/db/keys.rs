//! Primary keys of all kinds, and what points to them.

use host_db::{Param, Value};
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, int, null, text};

fn string(text: &str) -> Value {
    Value::Text(text.into())
}

fn key(name: &str, to: &str, on_delete: &str) -> Json {
    json!({"name": name, "kind": "foreign_key", "to": to, "on_delete": on_delete, "null": true})
}

/// Countries by code, cities by UUID, a profile that is its city's, stays of several fields.
fn world() -> Json {
    json!({"v": 1, "name": "world", "models": [
        {"name": "country", "primary_key": ["code"], "ordering": ["code"], "fields": [
            {"name": "code", "kind": "slug", "max_length": 3},
            {"name": "name", "kind": "char", "max_length": 50, "default": ""},
            key("part_of", "country", "set_null")]},
        {"name": "city", "fields": [
            {"name": "uid", "kind": "auto_uuid"},
            {"name": "name", "kind": "char", "max_length": 50},
            {"name": "country", "kind": "foreign_key", "to": "country", "on_delete": "cascade", "null": true,
             "related_name": "cities"}]},
        {"name": "mayor", "primary_key": ["city"], "fields": [
            {"name": "city", "kind": "one_to_one", "to": "city", "on_delete": "cascade"},
            {"name": "name", "kind": "text", "default": ""}]},
        {"name": "plaque", "fields": [
            {"name": "id", "kind": "auto"},
            key("mayor", "mayor", "protect"),
            {"name": "home", "kind": "foreign_key", "to": "country", "on_delete": "set_default", "default": "de", "related_name": "plaques"}]},
        {"name": "stay", "primary_key": ["city", "day", "guest"], "ordering": ["day"], "fields": [
            {"name": "city", "kind": "foreign_key", "to": "city", "on_delete": "cascade", "related_name": "stays"},
            {"name": "day", "kind": "date"},
            {"name": "guest", "kind": "integer"},
            {"name": "nights", "kind": "small_integer", "default": 1}]},
        {"name": "day", "primary_key": ["number"], "fields": [
            {"name": "number", "kind": "positive_big_integer"}, {"name": "name", "kind": "text", "null": true}]},
    ]})
}

fn site() -> Site {
    Site::of(world())
}

async fn insert(db: &impl Ask, model: &str, set: Json, returning: &str) -> Value {
    let shape = json!({"v":1,"op":"insert","from":model,"set":set,"returning":[returning]});
    db.run(shape, vec![]).await.unwrap().returned.cells.remove(0)
}

async fn count(db: &impl Ask, model: &str) -> Value {
    db.one(json!({"v":1,"op":"count","from":model}), vec![]).await
}

#[tokio::test]
async fn the_host_makes_uuids_that_grow() {
    let site = site();
    let db = site.request();
    let bulk = json!({"v":1,"op":"insert","from":"city","set":{"name":{"$":0}},"returning":["uid"]});
    let names = Param::Many((0..500).map(|n| string(&format!("c{n:03}"))).collect());
    let rows = db.run(bulk.clone(), vec![names]).await.unwrap().returned;
    let mut last = Vec::new();
    for row in rows.iter() {
        let Value::Bytes(uid) = &row[0] else { panic!("{row:?}") };
        assert_eq!((uid.len(), uid[6] >> 4, uid[8] >> 6), (16, 7, 2), "version 7");
        assert!(*uid > last, "each is larger than the one before");
        last = uid.clone();
    }
    let one = db.run(bulk, vec![text("one")]).await.unwrap().returned.cells.remove(0);
    assert!(matches!(&one, Value::Bytes(uid) if *uid > last));
    // Given, null, or of the wrong length.
    let given = json!({"v":1,"op":"insert","from":"city","set":{"uid":{"$":0},"name":"x"},"returning":["uid"]});
    let own = Value::Bytes(vec![9; 16]);
    let returned = db.run(given.clone(), vec![Param::One(own.clone())]).await.unwrap().returned.cells;
    assert_eq!(returned, std::slice::from_ref(&own));
    let made = db.run(given.clone(), vec![null()]).await.unwrap().returned.cells;
    assert!(matches!(&made[0], Value::Bytes(uid) if uid.len() == 16 && *uid != vec![9; 16]));
    let mixed = Param::Many(vec![Value::Null, Value::Bytes(vec![8; 16])]);
    let made = db.run(given.clone(), vec![mixed]).await.unwrap().returned.cells;
    assert!(made[0] != made[1] && made[1] == Value::Bytes(vec![8; 16]));
    assert_eq!(code(db.run(given.clone(), vec![Param::One(own)]).await), "unique");
    assert_eq!(code(db.run(given.clone(), vec![Param::One(Value::Bytes(vec![9; 15]))]).await), "invalid-value");
    assert_eq!(code(db.run(given, vec![]).await), "invalid-value");
}

#[tokio::test]
async fn a_list_that_a_value_looks_through_makes_no_rows() {
    let site = site();
    let db = site.request();
    for (code, part_of) in [("eu", Json::Null), ("de", json!("eu")), ("fr", json!("eu"))] {
        insert(&db, "country", json!({"code": code, "name": code, "part_of": part_of}), "code").await;
    }
    let names = |names: &[&str]| Param::Many(names.iter().map(|name| string(name)).collect());
    let sought = names(&["fr", "de", "xx"]);
    let first =
        json!(["subquery",{"from":"country","fields":["code"],"filter":[["in","code",{"$":0}]],"order":["code"]}]);
    // The host makes a key for each row, and there is one.
    let one = json!({"v":1,"op":"insert","from":"city","set":{"name":first},"returning":["name"]});
    let outcome = db.run(one, vec![sought.clone()]).await.unwrap();
    assert_eq!((outcome.affected, outcome.returned.cells), (1, vec![string("de")]));
    let two = json!({"v":1,"op":"insert","from":"city","set":{"name":{"$":1},"country":first}});
    let outcome = db.run(two, vec![sought.clone(), names(&["bonn", "ulm"])]).await.unwrap();
    assert_eq!((outcome.affected, count(&db, "city").await), (2, Value::Integer(3)));
    // As many rows as some databases get in one statement.
    let many = json!({"v":1,"op":"insert","from":"day","set":{"number":{"$":1},"name":first}});
    let numbers = Param::Many((0..20).map(Value::Integer).collect());
    assert_eq!(db.run(many, vec![sought, numbers]).await.unwrap().affected, 20);
    let named = json!({"v":1,"op":"count","from":"day","filter":[["exact","name","de"]]});
    assert_eq!(db.one(named, vec![]).await, Value::Integer(20));
}

#[tokio::test]
async fn relations_hold_the_kind_of_the_key_that_they_lead_to() {
    let site = site();
    let db = site.request();
    for (code, part_of) in [("eu", Json::Null), ("de", json!("eu")), ("fr", json!("eu"))] {
        insert(&db, "country", json!({"code": code, "name": code, "part_of": part_of}), "code").await;
    }
    let city = insert(&db, "city", json!({"name": "bonn", "country": "de"}), "uid").await;
    insert(&db, "city", json!({"name": "lyon", "country": "fr"}), "uid").await;
    let mayor =
        json!({"v":1,"op":"insert","from":"mayor","set":{"city":{"$":0},"name":"kay"},"returning":["pk","city"]});
    let returned = db.run(mayor.clone(), vec![Param::One(city.clone())]).await.unwrap().returned.cells;
    assert_eq!(returned, [city.clone(), city.clone()]);
    assert_eq!(code(db.run(mayor, vec![Param::One(city.clone())]).await), "unique");

    for (from, filter, field, found) in [
        (
            "city",
            json!([["exact", ["country", "part_of"], "eu"], ["exact", ["country", "code"], "de"]]),
            "name",
            "bonn",
        ),
        (
            "city",
            json!([["exact", ["country", "part_of", "name"], "eu"], ["exact", ["mayor", "name"], "kay"]]),
            "name",
            "bonn",
        ),
        ("country", json!([["exact", ["cities", "mayor", "name"], "kay"]]), "code", "de"),
        ("country", json!([["isnull", ["cities", "mayor"], false]]), "code", "de"),
        ("mayor", json!([["exact", ["city", "country", "pk"], "de"]]), "name", "kay"),
        ("country", json!([["exact", ["cities", "name"], "lyon"]]), "pk", "fr"),
    ] {
        let shape = json!({"v":1,"from":from,"filter":filter,"fields":[field]});
        assert_eq!(db.get(shape, vec![]).await.unwrap().cells, [string(found)], "{filter}");
    }
    let by_key = json!({"v":1,"from":"city","fields":["name"],"filter":[["exact","pk",{"$":0}]]});
    assert_eq!(db.one(by_key, vec![Param::One(city.clone())]).await, string("bonn"));
    let among = json!({"v":1,"op":"count","from":"mayor","filter":[["in","city",{"$":0}]]});
    let several = Param::Many(vec![city.clone(), Value::Bytes(vec![0; 16])]);
    assert_eq!(db.one(among, vec![several]).await, Value::Integer(1));

    // What leads nowhere is found out, whatever the key is of.
    for (shape, field, target) in [
        (json!({"v":1,"op":"insert","from":"city","set":{"name":"x","country":"xx"}}), "country", "country"),
        (json!({"v":1,"op":"update","from":"city","set":{"country":"xx"}}), "country", "country"),
    ] {
        let error = db.run(shape, vec![]).await.unwrap_err();
        let found = (error.code, error.detail("field"), error.detail("target"));
        assert_eq!(found, ("foreign-key", Some(field), Some(target)));
    }
    let nowhere = json!({"v":1,"op":"insert","from":"stay","set":{"city":{"$":0},"day":1,"guest":1}});
    let error = db.run(nowhere, vec![Param::One(Value::Bytes(vec![1; 16]))]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("foreign-key", Some("city")));
    // And what isn't of its kind, too.
    let wrong = json!({"v":1,"op":"insert","from":"city","set":{"name":"x","country":{"$":0}}});
    for value in [int(1), text("no slug"), text("long"), Param::One(Value::Bytes(vec![0; 16]))] {
        let error = db.run(wrong.clone(), vec![value]).await.unwrap_err();
        let found = (error.code, error.detail("kind"));
        assert_eq!(found, ("invalid-value", Some("foreign_key")));
    }
}

#[tokio::test]
async fn deleting_follows_keys_of_all_kinds() {
    let site = site();
    let db = site.request();
    for (code, part_of) in [("eu", Json::Null), ("de", json!("eu")), ("fr", json!("eu"))] {
        insert(&db, "country", json!({"code": code, "part_of": part_of}), "code").await;
    }
    let stay = json!({"v":1,"op":"insert","from":"stay","set":{"city":{"$":0},"day":{"$":1},"guest":{"$":2}}});
    for n in 0..300 {
        let country = if n % 2 == 0 { "de" } else { "fr" };
        let city = insert(&db, "city", json!({"name": "c", "country": country}), "uid").await;
        let days = Param::Many([1, 2, 3].map(Value::Integer).into());
        db.run(stay.clone(), vec![Param::One(city.clone()), days, int(n)]).await.unwrap();
        if n < 2 {
            let mayor = json!({"v":1,"op":"insert","from":"mayor","set":{"city":{"$":0}}});
            db.run(mayor, vec![Param::One(city)]).await.unwrap();
        }
    }
    let plaque = json!({"v":1,"op":"insert","from":"plaque","set":{"home":"fr"},"returning":["id"]});
    db.run(plaque, vec![]).await.unwrap();

    let delete = |code: &str| json!({"v":1,"op":"delete","from":"country","filter":[["exact","code",code]]});
    let outcome = db.run(delete("fr"), vec![]).await.unwrap();
    assert_eq!(outcome.affected, 1 + 150 + 450 + 1, "a country, its cities, their stays, a mayor");
    let home = db.one(json!({"v":1,"from":"plaque","fields":["home"]}), vec![]).await;
    assert_eq!(home, string("de"), "the default");
    assert_eq!(count(&db, "stay").await, Value::Integer(450));

    // Of a key of several fields, found by a join.
    let some = json!({"v":1,"op":"delete","from":"stay","filter":[["exact",["city","country","code"],"de"],["exact","day",1]]});
    assert_eq!(db.run(some, vec![]).await.unwrap().affected, 150);
    let change = json!({"v":1,"op":"update","from":"stay","set":{"nights":5},"filter":[["exact",["city","country","code"],"de"]]});
    assert_eq!(db.run(change, vec![]).await.unwrap().affected, 300);

    // Protected by way of a key that is a foreign key.
    let mayor = db.get(json!({"v":1,"from":"mayor","fields":["pk"]}), vec![]).await.unwrap().cells.remove(0);
    let protect = json!({"v":1,"op":"insert","from":"plaque","set":{"mayor":{"$":0},"home":null}});
    assert_eq!(code(db.run(protect, vec![Param::One(mayor.clone())]).await), "not-null");
    let protect = json!({"v":1,"op":"insert","from":"plaque","set":{"mayor":{"$":0}}});
    db.run(protect, vec![Param::One(mayor)]).await.unwrap();
    let error = db.run(delete("de"), vec![]).await.unwrap_err();
    assert_eq!(
        (error.code, error.detail("model"), error.detail("field")),
        ("protected", Some("plaque"), Some("mayor"))
    );

    assert_eq!(db.run(delete("eu"), vec![]).await.unwrap().affected, 1);
    let part_of = db.one(json!({"v":1,"from":"country","fields":["part_of"]}), vec![]).await;
    assert_eq!(part_of, Value::Null, "set to null");
}

#[tokio::test]
async fn keys_of_several_fields_are_asked_for_field_by_field() {
    let site = site();
    let db = site.request();
    insert(&db, "country", json!({"code": "de"}), "code").await;
    let city = insert(&db, "city", json!({"name": "bonn", "country": "de"}), "uid").await;
    let empty = insert(&db, "city", json!({"name": "empty", "country": "de"}), "uid").await;
    let stay = json!({"v":1,"op":"insert","from":"stay","set":{"city":{"$":0},"day":{"$":1},"guest":{"$":2}},"returning":["day","guest"]});
    let same = || vec![Param::One(city.clone()), int(5), int(7)];
    let returned = db.run(stay.clone(), same()).await.unwrap().returned.cells;
    assert_eq!(returned, [Value::Integer(5), Value::Integer(7)]);
    let error = db.run(stay.clone(), same()).await.unwrap_err();
    let fields: Vec<&str> =
        error.details.iter().filter(|(name, _)| *name == "field").map(|(_, field)| field.as_str()).collect();
    assert_eq!((error.code, fields), ("unique", vec!["city", "day", "guest"]));
    db.run(stay, vec![Param::One(city.clone()), int(6), int(7)]).await.unwrap();

    for shape in [
        json!({"v":1,"from":"stay","filter":[["exact","pk",1]]}),
        json!({"v":1,"from":"stay","fields":["pk"]}),
        json!({"v":1,"from":"stay","order":["pk"]}),
        json!({"v":1,"op":"count","from":"city","filter":[["exact",["stays","pk"],1]]}),
    ] {
        let error = db.get(shape, vec![]).await.unwrap_err();
        assert!(error.code == "unknown-field" && error.message.contains("`city`, `day`, `guest`"), "{error}");
    }
    // Whether there are any can be asked; a row as a whole compares with nothing.
    let without = json!({"v":1,"from":"city","fields":["uid"],"filter":[["isnull","stays",true]]});
    assert_eq!(db.one(without, vec![]).await, empty);
    let stays = json!({"v":1,"from":"city","fields":["n"],"annotate":[["n",["count",{"f":"stays"}]]],"filter":[["exact","name","bonn"]]});
    assert_eq!(db.one(stays, vec![]).await, Value::Integer(2));
    let compared = json!({"v":1,"op":"count","from":"city","filter":[["exact","stays",1]]});
    assert!(matches!(code(db.get(compared, vec![]).await), "invalid-value" | "invalid-shape"));

    // A part of the key may change, a key of one field never does.
    let later =
        json!({"v":1,"op":"update","from":"stay","set":{"day":["add",{"f":"day"},10]},"filter":[["exact","day",5]]});
    assert_eq!(db.run(later, vec![]).await.unwrap().affected, 1);
    for (model, set) in [
        ("country", json!({"code": "fr"})),
        ("country", json!({"pk": "fr"})),
        ("city", json!({"uid": null})),
        ("mayor", json!({"city": null})),
    ] {
        assert_eq!(code(db.run(json!({"v":1,"op":"update","from":model,"set":set}), vec![]).await), "invalid-shape");
    }
}

#[tokio::test]
async fn a_key_that_is_given_must_be_given() {
    let site = site();
    let db = site.request();
    for set in [json!({"name": "a"}), json!({"number": null})] {
        let error = db.run(json!({"v":1,"op":"insert","from":"day","set":set}), vec![]).await.unwrap_err();
        assert_eq!((error.code, error.detail("field")), ("not-null", Some("number")));
    }
    assert_eq!(insert(&db, "day", json!({"number": i64::MAX}), "pk").await, Value::Integer(i64::MAX));
    assert_eq!(
        code(db.run(json!({"v":1,"op":"insert","from":"day","set":{"number":i64::MAX}}), vec![]).await),
        "unique"
    );
    assert_eq!(
        code(db.run(json!({"v":1,"op":"insert","from":"day","set":{"number":-1}}), vec![]).await),
        "invalid-value"
    );
    // Texts are compared by their bytes.
    insert(&db, "country", json!({"code": "A"}), "code").await;
    insert(&db, "country", json!({"code": "a"}), "code").await;
    let all = db.get(json!({"v":1,"from":"country","fields":["code"]}), vec![]).await.unwrap().cells;
    assert_eq!(all, [string("A"), string("a")]);
    assert_eq!(site.db.plan_app(&site.manifest).unwrap(), [""; 0]);
}
