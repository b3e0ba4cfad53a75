//! One-to-one and many-to-many relations, relations of a model to itself, several between two models.

use host_db::Value;
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, int};

fn id() -> Json {
    json!({"name": "id", "kind": "auto"})
}

fn name() -> Json {
    json!({"name": "name", "kind": "char", "max_length": 50})
}

fn blog() -> Json {
    json!({"v": 1, "name": "blog", "models": [
        {"name": "person", "ordering": ["name"], "fields": [id(), name(),
            {"name": "friends", "kind": "many_to_many", "to": "person", "related_name": "friend_of"}]},
        {"name": "profile", "fields": [id(),
            {"name": "person", "kind": "one_to_one", "to": "person", "on_delete": "cascade"},
            {"name": "bio", "kind": "text", "default": ""},
            {"name": "mentor", "kind": "one_to_one", "to": "person", "on_delete": "set_null", "null": true, "related_name": "pupil"}]},
        {"name": "badge", "fields": [id(), name(),
            {"name": "profile", "kind": "foreign_key", "to": "profile", "on_delete": "cascade", "related_name": "badges"}]},
        {"name": "tag", "ordering": ["name"], "fields": [id(), name(), {"name": "weight", "kind": "integer", "default": 1}]},
        {"name": "article", "ordering": ["name"], "fields": [id(), name(),
            {"name": "author", "kind": "foreign_key", "to": "person", "on_delete": "cascade", "related_name": "articles"},
            {"name": "editor", "kind": "foreign_key", "to": "person", "on_delete": "set_null", "null": true, "related_name": "edited"},
            {"name": "checker", "kind": "foreign_key", "to": "person", "on_delete": "do_nothing", "null": true, "related_name": "+", "db_constraint": false},
            {"name": "tags", "kind": "many_to_many", "to": "tag", "related_name": "articles"},
            {"name": "readers", "kind": "many_to_many", "to": "person", "through": "reading", "related_name": "read"}]},
        {"name": "reading", "primary_key": ["article", "person"], "fields": [
            {"name": "article", "kind": "foreign_key", "to": "article", "on_delete": "cascade"},
            {"name": "person", "kind": "foreign_key", "to": "person", "on_delete": "cascade"},
            {"name": "minutes", "kind": "integer", "default": 0}]},
        {"name": "node", "fields": [id(), name(),
            {"name": "parent", "kind": "foreign_key", "to": "node", "on_delete": "cascade", "null": true, "related_name": "children"}]},
    ]})
}

struct Blog {
    site: Site,
    ann: i64,
    bob: i64,
    cid: i64,
}

/// Ann wrote `one` (red, green) and `two` (red, red's twin), Bob wrote `three` (no tags). Cid wrote nothing.
async fn filled() -> Blog {
    let site = Site::of(blog());
    let db = site.request();
    let mut people = Vec::new();
    for name in ["ann", "bob", "cid"] {
        people.push(db.add("person", json!({"name": name})).await);
    }
    let [ann, bob, cid] = people[..] else { panic!("three") };
    let mentor = json!({"person": ann, "bio": "writes", "mentor": cid});
    let profile = db.add("profile", mentor).await;
    db.add("badge", json!({"name": "gold", "profile": profile})).await;
    db.add("profile", json!({"person": bob, "bio": "reads"})).await;
    let mut tags = Vec::new();
    for (name, weight) in [("red", 1), ("green", 5), ("red", 7)] {
        tags.push(db.add("tag", json!({"name": name, "weight": weight})).await);
    }
    for (name, author, editor, of) in
        [("one", ann, Some(bob), vec![0, 1]), ("two", ann, None, vec![0, 2]), ("three", bob, Some(ann), vec![])]
    {
        let article = db.add("article", json!({"name": name, "author": author, "editor": editor})).await;
        for tag in of {
            db.add("article_tags", json!({"article": article, "tag": tags[tag]})).await;
        }
        let reading =
            json!({"v":1,"op":"insert","from":"reading","set":{"article":article,"person":cid,"minutes":article}});
        db.run(reading, vec![]).await.unwrap();
    }
    db.add("person_friends", json!({"from_person": ann, "to_person": bob})).await;
    db.add("person_friends", json!({"from_person": bob, "to_person": cid})).await;
    Blog { site, ann, bob, cid }
}

/// The names that a filter finds.
async fn names(site: &Site, from: &str, filter: Json) -> Vec<String> {
    let shape = json!({"v":1,"from":from,"fields":["name"],"filter":filter});
    let rows = site.request().get(shape, vec![]).await.unwrap_or_else(|error| panic!("{filter}: {error}"));
    rows.cells.into_iter().map(|cell| if let Value::Text(name) = cell { name } else { panic!("a name") }).collect()
}

#[tokio::test]
async fn filters_over_many_to_many_relations_mean_what_djangos_do() {
    let blog = filled().await;
    let site = &blog.site;
    let cases: Vec<(&str, Json, &[&str])> = vec![
        ("article", json!([["exact", ["tags", "name"], "green"]]), &["one"]),
        // Twice red, once there.
        ("article", json!([["exact", ["tags", "name"], "red"]]), &["one", "two"]),
        // One entry: the same tag. Two entries: each its own.
        ("article", json!([["and", ["exact", ["tags", "name"], "red"], ["gt", ["tags", "weight"], 4]]]), &["two"]),
        ("article", json!([["exact", ["tags", "name"], "red"], ["gt", ["tags", "weight"], 4]]), &["one", "two"]),
        // `exclude`: no tag of the article is so.
        ("article", json!([["not", ["exact", ["tags", "name"], "green"]]]), &["three", "two"]),
        (
            "article",
            json!([["not", ["and", ["exact", ["tags", "name"], "red"], ["gt", ["tags", "weight"], 4]]]]),
            &["one", "three"],
        ),
        ("article", json!([["not", ["exact", ["tags", "name"], "red"]]]), &["three"]),
        // Without any.
        ("article", json!([["isnull", "tags", true]]), &["three"]),
        ("article", json!([["isnull", "tags", false]]), &["one", "two"]),
        ("article", json!([["isnull", ["tags", "name"], true]]), &["three"]),
        (
            "article",
            json!([["or", ["exact", ["tags", "name"], "green"], ["exact", "name", "three"]]]),
            &["one", "three"],
        ),
        ("article", json!([["exact", "tags", 3]]), &["two"]),
        ("article", json!([["exact", ["tags", "pk"], 2]]), &["one"]),
        // From the other side.
        ("tag", json!([["exact", ["articles", "name"], "one"]]), &["green", "red"]),
        ("tag", json!([["exact", ["articles", "author", "name"], "ann"]]), &["green", "red", "red"]),
        ("tag", json!([["not", ["exact", ["articles", "name"], "two"]]]), &["green"]),
        ("tag", json!([["isnull", "articles", true]]), &[]),
        // Over several relations.
        ("person", json!([["exact", ["articles", "tags", "name"], "green"]]), &["ann"]),
        ("person", json!([["isnull", ["articles", "tags"], true]]), &["bob", "cid"]),
        ("person", json!([["not", ["exact", ["articles", "tags", "name"], "green"]]]), &["bob", "cid"]),
        ("person", json!([["exact", ["edited", "tags", "weight"], 5]]), &["bob"]),
        ("tag", json!([["exact", ["articles", "editor", "articles", "name"], "three"]]), &["green", "red"]),
        // By a model of one's own.
        ("article", json!([["exact", ["readers", "name"], "cid"]]), &["one", "three", "two"]),
        ("article", json!([["exact", ["reading_set", "minutes"], 2]]), &["two"]),
        (
            "article",
            json!([["and", ["exact", ["readers", "name"], "cid"], ["exact", ["reading_set", "minutes"], 2]]]),
            &["two"],
        ),
        ("person", json!([["exact", ["read", "author", "name"], "bob"]]), &["cid"]),
        // To the model itself, there and back.
        ("person", json!([["exact", ["friends", "name"], "bob"]]), &["ann"]),
        ("person", json!([["exact", ["friend_of", "name"], "bob"]]), &["cid"]),
        ("person", json!([["exact", ["friends", "friends", "name"], "cid"]]), &["ann"]),
        ("person", json!([["isnull", "friends", true]]), &["cid"]),
        ("person", json!([["exact", ["friends", "articles", "name"], "three"]]), &["ann"]),
    ];
    for (from, filter, expected) in cases {
        assert_eq!(names(site, from, filter.clone()).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn one_to_one_relations_lead_to_one_row_from_both_sides() {
    let blog = filled().await;
    let (site, db) = (&blog.site, blog.site.request());
    let cases: Vec<(&str, Json, &[&str])> = vec![
        ("person", json!([["exact", ["profile", "bio"], "writes"]]), &["ann"]),
        ("person", json!([["isnull", "profile", true]]), &["cid"]),
        ("person", json!([["isnull", ["profile", "bio"], true]]), &["cid"]),
        ("person", json!([["not", ["exact", ["profile", "bio"], "writes"]]]), &["bob", "cid"]),
        ("person", json!([["exact", ["pupil", "person", "name"], "ann"]]), &["cid"]),
        ("person", json!([["exact", ["pupil", "badges", "name"], "gold"]]), &["cid"]),
        ("person", json!([["exact", ["profile", "badges", "name"], "gold"]]), &["ann"]),
        ("person", json!([["or", ["exact", ["profile", "bio"], "reads"], ["exact", "name", "cid"]]]), &["bob", "cid"]),
        ("article", json!([["exact", ["author", "profile", "bio"], "reads"]]), &["three"]),
        ("article", json!([["exact", ["author", "profile", "mentor", "name"], "cid"]]), &["one", "two"]),
        ("article", json!([["exact", ["editor", "profile", "mentor"], blog.cid]]), &["three"]),
        ("badge", json!([["exact", ["profile", "person", "name"], "ann"]]), &["gold"]),
        ("tag", json!([["exact", ["articles", "author", "profile", "bio"], "writes"]]), &["green", "red", "red"]),
    ];
    for (from, filter, expected) in cases {
        assert_eq!(names(site, from, filter.clone()).await, expected, "{filter}");
    }
    // In fields and order, with NULL where there is none; no row is lost or doubled.
    let shape = json!({"v":1,"from":"person","fields":["name",["profile","bio"],["pupil","id"],"profile"],"order":["profile.bio","name"]});
    let rows = db.get(shape, vec![]).await.unwrap();
    let text = |text: &str| Value::Text(text.into());
    let expected = [
        [text("cid"), Value::Null, Value::Integer(1), Value::Null],
        [text("bob"), text("reads"), Value::Null, Value::Integer(2)],
        [text("ann"), text("writes"), Value::Null, Value::Integer(1)],
    ];
    assert_eq!(rows.cells, expected.concat());
    // No two have the same.
    let again = json!({"v":1,"op":"insert","from":"profile","set":{"person":blog.ann}});
    let error = db.run(again, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("unique", Some("person")));
    // It goes with what it belongs to, or forgets it.
    let delete = |id: i64| json!({"v":1,"op":"delete","from":"person","filter":[["exact","id",id]]});
    db.run(delete(blog.cid), vec![]).await.unwrap();
    let mentor = json!({"v":1,"from":"profile","fields":["mentor"],"filter":[["exact","person",blog.ann]]});
    assert_eq!(db.one(mentor, vec![]).await, Value::Null);
    db.run(delete(blog.ann), vec![]).await.unwrap();
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"profile"}), vec![]).await, Value::Integer(1));
}

#[tokio::test]
async fn promotion_keeps_rows_that_lead_nowhere() {
    let blog = filled().await;
    let site = &blog.site;
    let cases: Vec<(Json, &[&str])> = vec![
        // `two` has no editor.
        (json!([["exact", ["editor", "name"], "bob"]]), &["one"]),
        (json!([["or", ["exact", ["editor", "name"], "bob"], ["exact", "name", "two"]]]), &["one", "two"]),
        (json!([["not", ["exact", ["editor", "name"], "bob"]]]), &["three", "two"]),
        (json!([["isnull", ["editor", "name"], true]]), &["two"]),
        (json!([["not", ["isnull", ["editor", "profile"], true]]]), &["one", "three"]),
        (json!([["exact", ["editor", "profile", "bio"], null]]), &["two"]),
        (json!([["not", ["exact", ["editor", "articles", "name"], "three"]]]), &["three", "two"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(names(site, "article", filter.clone()).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn aggregates_over_pairs_count_each_related_row_once() {
    let blog = filled().await;
    let db = blog.site.request();
    let shape = json!({"v":1,"from":"article","fields":["name","tags_n","weight","heavy","read_n"],"annotate":[
        ["tags_n", ["count", {"f": "tags"}]],
        ["weight", ["sum", {"f": ["tags", "weight"]}]],
        ["heavy", ["count", {"f": "tags"}, {"filter": [["gt", ["tags", "weight"], 4]]}]],
        ["read_n", ["count", {"f": "readers"}]]]});
    let rows = db.get(shape, vec![]).await.unwrap();
    let row = |name: &str, numbers: [Option<i64>; 4]| {
        let mut row = vec![Value::Text(name.into())];
        row.extend(numbers.map(|number| number.map_or(Value::Null, Value::Integer)));
        row
    };
    let expected = [
        row("one", [Some(2), Some(6), Some(1), Some(1)]),
        row("three", [Some(0), None, Some(0), Some(1)]),
        row("two", [Some(2), Some(8), Some(1), Some(1)]),
    ];
    assert_eq!(rows.cells, expected.concat());
    let most = json!({"v":1,"op":"count","from":"person","annotate":[["n",["count",{"f":"friends"}]]],"filter":[["gte","n",1]]});
    assert_eq!(db.one(most, vec![]).await, Value::Integer(2));
}

#[tokio::test]
async fn pairs_are_rows_of_their_own_and_go_with_either_side() {
    let blog = filled().await;
    let db = blog.site.request();
    let count = |model: &str| json!({"v":1,"op":"count","from":model});
    assert_eq!(db.one(count("article_tags"), vec![]).await, Value::Integer(4));
    let again = json!({"v":1,"op":"insert","from":"article_tags","set":{"article":1,"tag":1}});
    let error = db.run(again, vec![]).await.unwrap_err();
    let fields: Vec<&str> =
        error.details.iter().filter(|(name, _)| *name == "field").map(|(_, field)| field.as_str()).collect();
    assert_eq!((error.code, error.detail("model"), fields), ("unique", Some("article_tags"), vec!["article", "tag"]));
    let nowhere = json!({"v":1,"op":"insert","from":"article_tags","set":{"article":1,"tag":99}});
    let error = db.run(nowhere, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("target")), ("foreign-key", Some("tag")));
    let set = json!({"v":1,"op":"delete","from":"article_tags","filter":[["exact",["article","name"],"one"],["exact",["tag","name"],"green"]]});
    assert_eq!(db.run(set, vec![]).await.unwrap().affected, 1);
    let red = json!({"v":1,"op":"delete","from":"tag","filter":[["exact","id",1]]});
    assert_eq!(db.run(red, vec![]).await.unwrap().affected, 3, "the tag and two pairs");
    let by_tag = json!({"v":1,"op":"delete","from":"article","filter":[["exact",["tags","weight"],7]]});
    assert_eq!(db.run(by_tag, vec![]).await.unwrap().affected, 3, "an article, its pair, its reading");
    assert_eq!(db.one(count("article_tags"), vec![]).await, Value::Integer(0));
    let person = json!({"v":1,"op":"delete","from":"person","filter":[["exact","id",{"$":0}]]});
    db.run(person, vec![int(blog.bob)]).await.unwrap();
    assert_eq!(db.one(count("person_friends"), vec![]).await, Value::Integer(0));
    let update =
        json!({"v":1,"op":"update","from":"person","set":{"name":"no friends"},"filter":[["isnull","friends",true]]});
    assert_eq!(db.run(update, vec![]).await.unwrap().affected, 2);
}

#[tokio::test]
async fn a_many_to_many_field_is_no_column() {
    let blog = filled().await;
    let db = blog.site.request();
    for shape in [
        json!({"v":1,"from":"article","fields":["tags"]}),
        json!({"v":1,"from":"article","fields":[["tags","name"]]}),
        json!({"v":1,"from":"article","order":["tags.name"]}),
        json!({"v":1,"from":"person","fields":["articles"]}),
        json!({"v":1,"from":"article","filter":[["exact",["tags","article"],1]]}),
        json!({"v":1,"from":"tag","filter":[["exact",["article_tags_set","id"],1]]}),
        json!({"v":1,"from":"person","filter":[["exact",["article_set","id"],1]]}),
    ] {
        assert!(matches!(code(db.get(shape.clone(), vec![]).await), "invalid-shape" | "unknown-field"), "{shape}");
    }
    for set in [json!({"tags": 1}), json!({"articles": 1})] {
        let model = if set.get("tags").is_some() { "article" } else { "person" };
        assert_eq!(code(db.run(json!({"v":1,"op":"update","from":model,"set":set}), vec![]).await), "unknown-field");
    }
    // All columns, without one for the pairs.
    assert_eq!(db.get(json!({"v":1,"from":"article"}), vec![]).await.unwrap().width, 5);
}

#[tokio::test]
async fn a_key_that_nobody_looks_after_may_lead_nowhere() {
    let blog = filled().await;
    let db = blog.site.request();
    let set = json!({"v":1,"op":"update","from":"article","set":{"checker":{"$":0}},"filter":[["exact","name","one"]]});
    db.run(set.clone(), vec![int(999)]).await.unwrap();
    // The row stays, as if the key were NULL once it is followed.
    let row = json!({"v":1,"from":"article","fields":["checker",["checker","name"]],"filter":[["exact","name","one"]]});
    assert_eq!(db.get(row, vec![]).await.unwrap().cells, [Value::Integer(999), Value::Null]);
    assert_eq!(names(&blog.site, "article", json!([["isnull", ["checker", "name"], true]])).await.len(), 3);
    db.run(set, vec![int(blog.cid)]).await.unwrap();
    let delete = json!({"v":1,"op":"delete","from":"person","filter":[["exact","id",blog.cid]]});
    db.run(delete, vec![]).await.unwrap();
    let row = json!({"v":1,"from":"article","fields":["checker"],"filter":[["exact","name","one"]]});
    assert_eq!(db.one(row, vec![]).await, Value::Integer(blog.cid), "do nothing, and nobody minds");
}

#[tokio::test]
async fn a_tree_is_a_relation_to_the_model_itself() {
    let site = Site::of(blog());
    let db = site.request();
    let root = db.add("node", json!({"name": "root"})).await;
    let left = db.add("node", json!({"name": "left", "parent": root})).await;
    db.add("node", json!({"name": "right", "parent": root})).await;
    db.add("node", json!({"name": "leaf", "parent": left})).await;
    for (filter, expected) in [
        (json!([["exact", ["parent", "parent", "name"], "root"]]), &["leaf"][..]),
        (json!([["exact", ["children", "children", "name"], "leaf"]]), &["root"]),
        (json!([["isnull", "children", true]]), &["right", "leaf"]),
        (json!([["exact", ["parent", "children", "name"], "right"]]), &["left", "right"]),
        (json!([["not", ["exact", ["children", "name"], "leaf"]]]), &["root", "right", "leaf"]),
    ] {
        let mut found = names(&site, "node", filter.clone()).await;
        let mut expected = expected.to_vec();
        found.sort(); expected.sort();
        assert_eq!(found, expected, "{filter}");
    }
    assert_eq!(
        db.run(json!({"v":1,"op":"delete","from":"node","filter":[["exact","id",root]]}), vec![])
            .await
            .unwrap()
            .affected,
        4
    );
}
