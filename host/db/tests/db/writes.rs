//! Inserting, updating, batches, value checks.

use host_db::{Param, Statement, Value};
use serde_json::json;

use super::site::{Ask, Site, code, int, ints, null, text};

#[tokio::test]
async fn a_row_is_written_read_changed_and_gone() {
    let site = Site::polls();
    let db = site.request();
    let insert = json!({"v":1,"op":"insert","from":"question","set":{"text":{"$":0},"pub_date":{"$":1}},"returning":["id","text"]});
    let outcome = db.run(insert, vec![text("What's new?"), int(7)]).await.unwrap();
    assert_eq!(outcome.affected, 1);
    assert_eq!(outcome.returned.cells, [Value::Integer(1), Value::Text("What's new?".into())]);

    let rows = db.get(json!({"v":1,"from":"question"}), vec![]).await.unwrap();
    assert_eq!(rows.width, 4);
    assert_eq!(rows.cells, [Value::Integer(1), Value::Text("What's new?".into()), Value::Integer(7), Value::Null]);

    let update = json!({"v":1,"op":"update","from":"question","set":{"pub_date":["add",{"f":"pub_date"},{"$":0}]},
        "filter":[["exact","id",{"$":1}]]});
    assert_eq!(db.run(update.clone(), vec![int(10), int(1)]).await.unwrap().affected, 1);
    assert_eq!(db.run(update, vec![int(10), int(99)]).await.unwrap().affected, 0);
    let read = json!({"v":1,"from":"question","fields":["pub_date"],"filter":[["exact","pk",{"$":0}]]});
    assert_eq!(db.one(read, vec![int(1)]).await, Value::Integer(17));

    assert_eq!(db.run(json!({"v":1,"op":"delete","from":"question"}), vec![]).await.unwrap().affected, 1);
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"question"}), vec![]).await, Value::Integer(0));
    assert_eq!(db.one(json!({"v":1,"op":"exists","from":"question"}), vec![]).await, Value::Boolean(false));
    // A key that was given away isn't given again.
    assert_eq!(db.add("question", json!({"text": "again"})).await, 2);
}

#[tokio::test]
async fn a_key_that_is_given_moves_the_count() {
    let site = Site::polls();
    let db = site.request();
    let insert = json!({"v":1,"op":"insert","from":"author","set":{"id":{"$":0},"name":{"$":1}},"returning":["id"]});
    let add = async |key: Param, name: &str| {
        let outcome = db.run(insert.clone(), vec![key, text(name)]).await.unwrap();
        outcome.returned.cells[0].clone()
    };
    assert_eq!(add(null(), "a").await, Value::Integer(1), "null is the next one");
    assert_eq!(add(int(50), "b").await, Value::Integer(50));
    assert_eq!(add(int(7), "c").await, Value::Integer(7), "one below changes nothing");
    assert_eq!(add(null(), "d").await, Value::Integer(51));
    assert_eq!(db.add("author", json!({"name": "e"})).await, 52);
    let bulk = vec![ints([100, 90]), Param::Many(vec![Value::Text("f".into()), Value::Text("g".into())])];
    db.run(insert.clone(), bulk).await.unwrap();
    assert_eq!(db.add("author", json!({"name": "h"})).await, 101);
}

#[tokio::test]
async fn packed_rows_hold_the_same_as_typed_ones() {
    let site = Site::polls();
    let db = site.request();
    db.add("sample", json!({"flag": true, "ratio": 0.5, "note": "hé", "big": -3})).await;
    let shape = json!({"v":1,"from":"sample","fields":["big","ratio","flag","note","raw"]}).to_string();
    let packed = db.fetch_packed(shape.as_bytes(), vec![]).await.unwrap();
    let mut expected = vec![5, 0, 0, 0, 1, 0, 0, 0];
    expected.push(3);
    expected.extend((-3i64).to_le_bytes());
    expected.push(4);
    expected.extend(0.5f64.to_le_bytes());
    expected.push(2);
    expected.extend([5, 3, 0, 0, 0]);
    expected.extend("hé".as_bytes());
    expected.push(0);
    assert_eq!(packed, expected);
}

#[tokio::test]
async fn every_kind_comes_back_as_it_went_in() {
    let site = Site::polls();
    let db = site.request();
    let values = vec![
        Value::Integer(i64::MIN),
        Value::Float(f64::MIN_POSITIVE),
        Value::Boolean(true),
        Value::Bytes(vec![0, 255]),
        Value::Integer(-1),
        Value::Integer(86_399_999_999),
        Value::Integer(i64::MAX),
        Value::Bytes(vec![7; 16]),
        Value::Text("{\"a\":[1]}".into()),
        Value::Text("naïve\u{10ffff}'\"; DROP TABLE polls__sample; --%_".into()),
    ];
    let names = ["big", "ratio", "flag", "raw", "day", "at", "took", "uid", "doc", "note"];
    let set: serde_json::Map<_, _> =
        names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), json!({"$": at}))).collect();
    let insert = json!({"v":1,"op":"insert","from":"sample","set":set});
    db.run(insert, values.iter().cloned().map(Param::One).collect()).await.unwrap();
    let rows = db.get(json!({"v":1,"from":"sample","fields":names}), vec![]).await.unwrap();
    assert_eq!(rows.cells, values);
    // And each is found by its value.
    for (name, value) in names.iter().zip(&values) {
        let find = json!({"v":1,"op":"count","from":"sample","filter":[["exact",name,{"$":0}]]});
        assert_eq!(db.one(find, vec![Param::One(value.clone())]).await, Value::Integer(1), "{name}");
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_with_its_field() {
    let site = Site::polls();
    let db = site.request();
    let long = "x".repeat(201);
    let cases = [
        ("choice", "votes", Value::Integer(1 << 40), "invalid-value"),
        ("choice", "votes", Value::Text("1".into()), "invalid-value"),
        ("choice", "votes", Value::Boolean(true), "invalid-value"),
        ("choice", "votes", Value::Null, "not-null"),
        ("choice", "text", Value::Text(long), "invalid-value"),
        ("choice", "text", Value::Text("a\0b".into()), "invalid-value"),
        ("choice", "text", Value::Integer(1), "invalid-value"),
        ("sample", "ratio", Value::Float(f64::NAN), "invalid-value"),
        ("sample", "at", Value::Integer(86_400_000_000), "invalid-value"),
        ("sample", "at", Value::Integer(-1), "invalid-value"),
        ("sample", "uid", Value::Bytes(vec![1; 15]), "invalid-value"),
        ("sample", "doc", Value::Text("{".into()), "invalid-value"),
        ("sample", "flag", Value::Integer(1), "invalid-value"),
    ];
    for (model, field, value, expected) in cases {
        let shape = json!({"v":1,"op":"update","from":model,"set":{field:{"$":0}}});
        let error = db.run(shape, vec![Param::One(value.clone())]).await.unwrap_err();
        assert_eq!(error.code, expected, "{model}.{field} = {value:?}: {error}");
        assert_eq!(error.detail("field"), Some(field));
        assert_eq!(error.detail("model"), Some(model));
    }
    // 200 characters of four bytes each do fit.
    let shape = json!({"v":1,"op":"update","from":"choice","set":{"text":{"$":0}}});
    db.run(shape, vec![text(&"𝄞".repeat(200))]).await.unwrap();
    // An integer is taken for a float.
    let id = db.add("sample", json!({"ratio": 2})).await;
    let read = json!({"v":1,"from":"sample","fields":["ratio"],"filter":[["exact","id",id]]});
    assert_eq!(db.one(read, vec![]).await, Value::Float(2.0));
}

#[tokio::test]
async fn constraints_name_the_model_and_the_field() {
    let site = Site::polls();
    let db = site.request();
    db.add("author", json!({"name": "ann"})).await;
    let error = db.run(json!({"v":1,"op":"insert","from":"author","set":{"name":"ann"}}), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("model"), error.detail("field")), ("unique", Some("author"), Some("name")));

    let question = db.add("question", json!({"text": "q"})).await;
    db.add("choice", json!({"question": question, "text": "a"})).await;
    let again = json!({"v":1,"op":"insert","from":"choice","set":{"question":question,"text":"a"}});
    let error = db.run(again, vec![]).await.unwrap_err();
    assert_eq!(error.code, "unique");
    let fields: Vec<&str> =
        error.details.iter().filter(|(name, _)| *name == "field").map(|(_, f)| f.as_str()).collect();
    assert_eq!(fields, ["question", "text"]);
    assert!(!error.to_string().contains("polls__"), "no database names: {error}");

    let missing = json!({"v":1,"op":"insert","from":"choice","set":{"question":{"$":0},"text":"b"}});
    let error = db.run(missing, vec![int(99)]).await.unwrap_err();
    assert_eq!(
        (error.code, error.detail("model"), error.detail("field")),
        ("foreign-key", Some("choice"), Some("question"))
    );
    let error = db.run(json!({"v":1,"op":"update","from":"choice","set":{"question":77}}), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("foreign-key", Some("question")));

    let error = db.run(json!({"v":1,"op":"insert","from":"choice","set":{"text":"b"}}), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("not-null", Some("question")));

    let add = json!({"v":1,"op":"update","from":"choice","set":{"votes":["add",{"f":"votes"},2_147_483_647]}});
    db.run(add.clone(), vec![]).await.unwrap();
    let error = db.run(add, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("check", Some("votes")));
    // Division by zero is NULL in SQLite.
    let divide = json!({"v":1,"op":"update","from":"choice","set":{"votes":["div",{"f":"votes"},0]}});
    assert_eq!(code(db.run(divide, vec![]).await), "not-null");
    // Beyond 64 bits is beyond every number, not only this field's.
    db.add("sample", json!({"big": i64::MAX})).await;
    let over = json!({"v":1,"op":"update","from":"sample","set":{"big":["mul",{"f":"big"},3]}});
    assert_eq!(code(db.run(over, vec![]).await), "invalid-value");
}

#[tokio::test]
async fn bulk_inserts_are_one_unit() {
    let site = Site::polls();
    let db = site.request();
    let question = db.add("question", json!({"text": "q"})).await;
    let bulk = json!({"v":1,"op":"insert","from":"choice","set":{"question":{"$":0},"text":{"$":1},"votes":{"$":2}},"returning":["id"]});
    let texts = |names: &[&str]| Param::Many(names.iter().map(|name| Value::Text((*name).into())).collect());
    let outcome = db.run(bulk.clone(), vec![int(question), texts(&["a", "b", "c"]), ints([1, 2, 3])]).await.unwrap();
    assert_eq!(outcome.affected, 3);
    assert_eq!(outcome.returned.cells, [Value::Integer(1), Value::Integer(2), Value::Integer(3)]);

    let error = db.run(bulk.clone(), vec![int(question), texts(&["d", "a"]), int(0)]).await.unwrap_err();
    assert_eq!(error.code, "unique");
    let count = json!({"v":1,"op":"count","from":"choice"});
    assert_eq!(db.one(count, vec![]).await, Value::Integer(3), "nothing of it remains");

    assert_eq!(code(db.run(bulk.clone(), vec![int(question), texts(&["x"]), ints([1, 2])]).await), "invalid-value");
    let none = db.run(bulk.clone(), vec![int(question), texts(&[]), ints([])]).await.unwrap();
    assert_eq!(none.affected, 0);
    let many = Param::Many(vec![Value::Text("x".into()); 1_001]);
    assert_eq!(code(db.run(bulk, vec![int(question), many, int(0)]).await), "invalid-value");
}

#[tokio::test]
async fn a_batch_takes_effect_as_a_whole_and_knows_earlier_keys() {
    let site = Site::polls();
    let db = site.request();
    let parent = json!({"v":1,"op":"insert","from":"question","set":{"text":"parent"},"returning":["id"]});
    let child = json!({"v":1,"op":"insert","from":"choice","set":{"question":{"ref":[0,"id"]},"text":{"$":0}}});
    let statement = |shape: &serde_json::Value, params| Statement { shape: shape.to_string().into_bytes(), params };
    let outcomes = db
        .batch(vec![statement(&parent, vec![]), statement(&child, vec![text("a")]), statement(&child, vec![text("b")])])
        .await
        .unwrap();
    assert_eq!(outcomes.iter().map(|outcome| outcome.affected).collect::<Vec<_>>(), [1, 1, 1]);
    let children = json!({"v":1,"op":"count","from":"choice","filter":[["exact",["question","text"],"parent"]]});
    assert_eq!(db.one(children.clone(), vec![]).await, Value::Integer(2));

    let error = db
        .batch(vec![statement(&parent, vec![]), statement(&child, vec![text("c")]), statement(&child, vec![text("c")])])
        .await
        .unwrap_err();
    assert_eq!((error.code, error.detail("statement")), ("unique", Some("2")));
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"question"}), vec![]).await, Value::Integer(1));

    let orphan = json!({"v":1,"op":"insert","from":"choice","set":{"question":99,"text":"o"}});
    let error = db.batch(vec![statement(&parent, vec![]), statement(&orphan, vec![])]).await.unwrap_err();
    assert_eq!(
        (error.code, error.detail("statement"), error.detail("field")),
        ("foreign-key", Some("1"), Some("question"))
    );
    // A key that is missing for a moment is no error: what counts is the end.
    let early = json!({"v":1,"op":"insert","from":"choice","set":{"question":50,"text":"early"}});
    let late = json!({"v":1,"op":"insert","from":"question","set":{"id":50,"text":"late"}});
    db.batch(vec![statement(&early, vec![]), statement(&late, vec![])]).await.unwrap();
}

#[tokio::test]
async fn references_must_lead_to_something() {
    let site = Site::polls();
    let db = site.request();
    let statement = |shape: serde_json::Value| Statement { shape: shape.to_string().into_bytes(), params: vec![] };
    let parent = || statement(json!({"v":1,"op":"insert","from":"question","set":{"text":"p"},"returning":["id"]}));
    let child = |at: u64, field: &str| {
        statement(json!({"v":1,"op":"insert","from":"choice","set":{"question":{"ref":[at, field]},"text":"t"}}))
    };
    for batch in [
        vec![child(0, "id")],
        vec![child(1, "id"), parent()],
        vec![parent(), child(7, "id")],
        vec![parent(), child(u64::from(u32::MAX), "id")],
        vec![parent(), child(0, "text")],
        vec![],
        (0..101).map(|_| parent()).collect(),
    ] {
        let result = db.batch(batch).await.unwrap_err();
        assert!(matches!(result.code, "invalid-shape" | "invalid-value"), "{result}");
    }
    assert_eq!(
        code(
            db.run(json!({"v":1,"op":"insert","from":"choice","set":{"question":{"ref":[0,"id"]},"text":"t"}}), vec![])
                .await
        ),
        "invalid-shape"
    );
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"question"}), vec![]).await, Value::Integer(0));
}

#[tokio::test]
async fn an_update_sees_the_row_as_it_was_and_may_not_lose_its_kind() {
    let site = Site::polls();
    let db = site.request();
    let question = db.add("question", json!({"text": "q"})).await;
    let id = db.add("choice", json!({"question": question, "text": "a", "votes": 3, "rank": 5})).await;
    db.run(json!({"v":1,"op":"update","from":"choice","set":{"votes":{"f":"rank"},"rank":{"f":"votes"}}}), vec![])
        .await
        .unwrap();
    let read = json!({"v":1,"from":"choice","fields":["votes","rank"],"filter":[["exact","id",id]]});
    assert_eq!(db.get(read, vec![]).await.unwrap().cells, [Value::Integer(5), Value::Integer(3)]);

    let bad = [
        json!({"votes": {"f": "text"}}),
        json!({"text": ["add", {"f":"text"}, 1]}),
        json!({"votes": {"f": ["question", "pub_date"]}}),
        json!({"id": 9}),
        json!({"pk": 9}),
        json!({"text": {"f": "votes"}}),
        json!({"votes": ["add", {"f":"votes"}, null]}),
        json!({"question": 1, "pk": 3}),
    ];
    for set in bad {
        let result = db.run(json!({"v":1,"op":"update","from":"choice","set":set}), vec![]).await;
        assert!(matches!(code(result), "invalid-shape" | "unsupported" | "unknown-field"), "{set}");
    }
    // Filters of an update may span relations both ways.
    let up = json!({"v":1,"op":"update","from":"question","set":{"text":"changed"},"filter":[["exact",["choices","text"],"a"]]});
    assert_eq!(db.run(up, vec![]).await.unwrap().affected, 1);
    let down = json!({"v":1,"op":"update","from":"choice","set":{"rank":{"$":0}},"filter":[["exact",["question","text"],"changed"]]});
    assert_eq!(db.run(down, vec![null()]).await.unwrap().affected, 1);
}
