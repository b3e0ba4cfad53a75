//! Queries that a request leaves for its page.

use host_core::budget::Limits;
use host_core::grants::Grants;
use host_db::{RequestDb, Value};
use serde_json::json;

use crate::site::{Ask, Site, code, int, text};

async fn page(db: &RequestDb, number: u32) -> serde_json::Value {
    let mut out = b"rows: ".to_vec();
    assert!(db.write_deferred(number, &mut out).await.expect("rows"));
    serde_json::from_slice(out.strip_prefix(b"rows: ").expect("what stood there")).expect("JSON")
}

fn defer(db: &RequestDb, shape: serde_json::Value, params: Vec<host_db::Param>) -> u32 {
    db.defer(shape.to_string().as_bytes(), params).expect("a number")
}

#[tokio::test]
async fn rows_are_those_of_the_time_when_the_page_is_made() {
    let site = Site::polls();
    let db = site.request();
    let author = db.add("author", json!({"name": "Ann"})).await;
    let all = defer(&db, json!({"v":1,"from":"question","fields":["text",["author","name"],"pub_date"]}), vec![]);
    let none = defer(&db, json!({"v":1,"from":"author","filter":[["exact","name",{"$":0}]]}), vec![text("Bob")]);
    assert_eq!((all, none), (0, 1));
    db.add("question", json!({"text": "What's \"new\"?", "author": author, "pub_date": 1_000_000})).await;
    db.add("question", json!({"text": "Ω", "pub_date": 0})).await;
    // The request's own part is over.
    db.close();
    assert_eq!(
        page(&db, all).await,
        json!([
            {"text": "What's \"new\"?", "author": {"name": "Ann"}, "pub_date": "1970-01-01T00:00:01Z"},
            {"text": "Ω", "author": null, "pub_date": "1970-01-01T00:00:00Z"},
        ])
    );
    assert_eq!(page(&db, none).await, json!([]));
    assert_eq!(db.write_deferred(2, &mut Vec::new()).await, Ok(false));
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once() {
    let site = Site::polls();
    let db = site.request();
    let tell = |shape: serde_json::Value, params| code(db.defer(shape.to_string().as_bytes(), params));
    assert_eq!(tell(json!({"v":1,"from":"nothing"}), vec![]), "unknown-model");
    assert_eq!(tell(json!({"v":1,"op":"count","from":"author"}), vec![]), "invalid-shape");
    assert_eq!(tell(json!({"v":1,"op":"delete","from":"author"}), vec![]), "invalid-shape");
    assert_eq!(tell(json!({"v":1,"from":"author","limit":{"$":0}}), vec![text("x")]), "invalid-value");
    for _ in 0..16 {
        defer(&db, json!({"v":1,"from":"author"}), vec![]);
    }
    assert_eq!(tell(json!({"v":1,"from":"author"}), vec![]), "unsupported");
    let denied = site.app.for_request(site.context(Limits::default(), Grants::default()));
    assert_eq!(code(denied.defer(br#"{"v":1,"from":"author"}"#, vec![])), "access-denied");
}

#[tokio::test]
async fn a_page_takes_from_the_requests_budget() {
    let site = Site::polls();
    let db = site.request_with(Limits { db_rows: 6, ..Limits::default() });
    for name in ["a", "b", "c"] {
        db.add("author", json!({"name": name})).await;
    }
    let three = defer(&db, json!({"v":1,"from":"author"}), vec![]);
    page(&db, three).await;
    assert_eq!(code(db.write_deferred(three, &mut Vec::new()).await), "budget");
    let counted = site
        .request()
        .one(json!({"v":1,"op":"count","from":"author","filter":[["gt","id",{"$":0}]]}), vec![int(0)])
        .await;
    assert_eq!(counted, Value::Integer(3));
}
