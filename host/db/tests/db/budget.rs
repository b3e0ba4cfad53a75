//! Grants, limits, deadlines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::name::AppId;
use host_db::{DbConfig, Statement, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, Site, code, int, integer, ints, polls, server, text};

#[tokio::test]
async fn without_the_grant_nothing_is_even_looked_at() {
    let site = Site::polls();
    let db = site.app.for_request(site.context(Limits::default(), Grants::none()));
    let bad = b"this isn't even JSON";
    let error = db.fetch(bad, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("capability")), ("access-denied", Some("db")));
    assert_eq!(code(db.fetch_packed(bad, vec![]).await), "access-denied");
    assert_eq!(code(db.execute(bad, vec![]).await), "access-denied");
    assert_eq!(code(db.batch(vec![]).await), "access-denied");
    assert_eq!(code(db.begin().await.map(drop)), "access-denied");
    assert_eq!(db.context().budget.statements(), 0);
}

#[tokio::test]
async fn rows_and_bytes_have_limits() {
    let site = Site::polls();
    let db = site.request();
    let bulk = json!({"v":1,"op":"insert","from":"question","set":{"text":"q","pub_date":{"$":0}}});
    db.run(bulk, vec![ints(0..30)]).await.unwrap();
    let all = json!({"v":1,"from":"question"});

    let poor = site.request_with(Limits { db_rows: 50, ..Limits::default() });
    assert_eq!(poor.get(all.clone(), vec![]).await.unwrap().len(), 30);
    let error = poor.get(all.clone(), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("resource"), error.detail("limit")), ("budget", Some("db_rows"), Some("50")));
    // Twenty are still left.
    assert_eq!(poor.get(json!({"v":1,"from":"question","limit":20}), vec![]).await.unwrap().len(), 20);
    assert_eq!(code(poor.get(json!({"v":1,"from":"question","limit":1}), vec![]).await), "budget");

    let narrow = site.request_with(Limits { hostcall_bytes: 500, ..Limits::default() });
    assert_eq!(code(narrow.get(all.clone(), vec![]).await), "budget");
    assert_eq!(code(narrow.fetch_packed(all.to_string().as_bytes(), vec![]).await), "budget");

    let small =
        Site::with(polls(), StoreConfig::temporary(), DbConfig { max_result_bytes: 1_000, ..DbConfig::default() });
    let db = small.request();
    db.run(json!({"v":1,"op":"insert","from":"sample","set":{"note":{"$":0}}}), vec![text(&"x".repeat(2_000))])
        .await
        .unwrap();
    let error = db.get(json!({"v":1,"from":"sample"}), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("limit")), ("budget", Some("1000")));
    db.get(json!({"v":1,"from":"sample","fields":["id"]}), vec![]).await.unwrap();
}

#[tokio::test]
async fn a_value_beyond_the_stores_limit_is_an_error_value() {
    let store = StoreConfig { max_value_bytes: 64 << 10, ..StoreConfig::temporary() };
    let site = Site::with(polls(), store, DbConfig::default());
    let db = site.request();
    let insert = json!({"v":1,"op":"insert","from":"sample","set":{"note":{"$":0}}});
    assert_eq!(code(db.run(insert.clone(), vec![text(&"x".repeat(70_000))]).await), "invalid-value");
    db.run(insert, vec![text(&"x".repeat(60_000))]).await.unwrap();
}

/// Every choice of one question is compared with every other one: as many steps as the square of their number.
async fn slow(site: &Site, choices: i64) -> serde_json::Value {
    let db = site.request();
    let question = db.add("question", json!({"text": "q"})).await;
    let bulk = json!({"v":1,"op":"insert","from":"choice","set":{"question":{"$":0},"text":{"$":1}}});
    for from in (0..choices).step_by(1_000) {
        let names = (from..from + 1_000).map(|n| Value::Text(n.to_string())).collect();
        db.run(bulk.clone(), vec![int(question), host_db::Param::Many(names)]).await.unwrap();
    }
    json!([["gt", ["question", "choices", "votes"], {"f": "votes"}]])
}

#[tokio::test]
async fn slow_statements_end_with_their_budget() {
    let store = StoreConfig { write_ms: 150, ..StoreConfig::temporary() };
    let site = Site::with(polls(), store, DbConfig::default());
    let filter = slow(&site, 6_000).await;
    let count = json!({"v":1,"op":"count","from":"choice","filter":filter});
    let began = Instant::now();

    let db = site.request_with(Limits { db_ms: 300, ..Limits::default() });
    let error = db.get(count.clone(), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("resource")), ("budget", Some("db_ms")));
    assert_eq!(code(db.get(count.clone(), vec![]).await), "budget", "nothing is left");
    assert!(db.context().budget.db_used() >= Duration::from_millis(299));

    let db = site.request_with(Limits { wall_ms: 60, ..Limits::default() });
    assert_eq!(code(db.get(count.clone(), vec![]).await), "timeout");
    assert_eq!(code(db.get(json!({"v":1,"op":"count","from":"author"}), vec![]).await), "timeout");

    // A slow write is stopped by the limit on what all share, and others' writes go on.
    let update = json!({"v":1,"op":"update","from":"choice","set":{"rank":1},"filter":filter});
    // On a server nothing is shared that a slow write could hold up: its request's own limit ends it.
    let limits = if server().is_some() { Limits { db_ms: 300, ..Limits::default() } } else { Limits::default() };
    let (one, two) = (site.request_with(limits), site.request());
    let add = json!({"v":1,"op":"insert","from":"author","set":{"name":"meanwhile"}});
    let (slow, quick) = tokio::join!(one.run(update.clone(), vec![]), two.run(add, vec![]));
    assert_eq!(code(slow), if server().is_some() { "budget" } else { "timeout" });
    quick.unwrap();
    let changed = json!({"v":1,"op":"count","from":"choice","filter":[["isnull","rank",false]]});
    assert_eq!(site.request().one(changed, vec![]).await, Value::Integer(0));

    // Inside a transaction it takes the transaction with it.
    let three = site.request_with(Limits { db_ms: 60, ..Limits::default() });
    let transaction = three.begin().await.unwrap();
    let error = transaction.execute(update.to_string().as_bytes(), vec![]).await.unwrap_err();
    assert!(matches!(error.code, "timeout" | "budget" | "internal"), "{error}");
    assert!(transaction.commit().await.is_err());
    site.request().add("author", json!({"name": "after"})).await;
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn slow_reads_of_one_app_leave_room_for_another() {
    let site = Site::polls();
    let filter = slow(&site, 6_000).await;
    let count = json!({"v":1,"op":"count","from":"choice","filter":filter}).to_string();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (app, count) = (site.app.clone(), count.clone());
        let context = site.context(Limits { db_ms: 400, ..Limits::default() }, [Capability::Db].into_iter().collect());
        tasks.push(tokio::spawn(async move { app.for_request(context).fetch(count.as_bytes(), vec![]).await }));
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    let other = json!({"v":1,"name":"other","models":[{"name":"page","fields":[{"name":"id","kind":"auto"},{"name":"body","kind":"text"}]}]});
    let other = site.db.for_app(&host_core::manifest::Manifest::parse(&other.to_string()).unwrap()).unwrap();
    let db = other.for_request(site.context(Limits::default(), [Capability::Db].into_iter().collect()));
    let began = Instant::now();
    // A text function keeps it off the serving thread, so it needs a reader.
    db.get(json!({"v":1,"from":"page","filter":[["contains","body","x"]]}), vec![]).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer, Err(ref error) if matches!(error.code, "budget" | "busy" | "timeout")), "{answer:?}");
    }
}

#[tokio::test]
async fn what_a_request_used_is_counted() {
    let site = Site::polls();
    let db = site.request();
    db.add("author", json!({"name": "a"})).await;
    db.get(json!({"v":1,"from":"author"}), vec![]).await.unwrap();
    let statement = Statement { shape: br#"{"v":1,"op":"delete","from":"author"}"#.to_vec(), params: vec![] };
    db.batch(vec![statement]).await.unwrap();
    let budget = &db.context().budget;
    assert_eq!(budget.statements(), 3);
    assert_eq!(budget.rows_left(), Limits::default().db_rows - 2, "one returned, one read");
    assert!(budget.db_used() > Duration::ZERO);
}

#[tokio::test]
async fn a_loop_of_statements_ends_at_the_operators_limit() {
    let site = Site::polls();
    let db = site.request_with(Limits { db_statements: 5, ..Limits::default() });
    let count = || db.get(json!({"v":1,"op":"count","from":"author"}), vec![]);
    for _ in 0..3 {
        count().await.unwrap();
    }
    let insert =
        Statement { shape: br#"{"v":1,"op":"insert","from":"author","set":{"name":"a"}}"#.to_vec(), params: vec![] };
    let error = db.batch(vec![insert.clone(), insert.clone(), insert]).await.expect_err("six in all");
    assert_eq!((error.code, error.detail("resource")), ("budget", Some("db_statements")));
    let other = site.request();
    assert_eq!(other.one(json!({"v":1,"op":"count","from":"author"}), vec![]).await, Value::Integer(0));
}

#[tokio::test]
async fn a_developer_sees_what_ran_again_and_again() {
    let site = Site::polls();
    let app = AppId::new("polls").unwrap();
    let grants = Arc::new(Grants::from_iter([Capability::Db]));
    let context = RequestContext::new(RequestId(1), app, grants, Limits::default());
    let db = site.app.for_request(Arc::new(context.with_query_log()));
    for name in ["a", "b", "c", "d", "e"] {
        let insert = json!({"v":1,"op":"insert","from":"author","set":{"name":{"$":0}},"returning":["id"]});
        let author = integer(&db.run(insert, vec![text(name)]).await.unwrap().returned.cells[0]);
        db.get(json!({"v":1,"from":"author","filter":[["exact","id",{"$":0}]]}), vec![int(author)]).await.unwrap();
    }
    let repeated = db.context().queries.as_ref().unwrap().repeated();
    let shown: Vec<(&str, usize)> = repeated.iter().map(|(sql, times, _)| (&sql[..6], *times)).collect();
    assert_eq!(shown, [("INSERT", 5), ("SELECT", 5)]);
    assert!(
        repeated.iter().all(|(sql, ..)| sql.contains(['?', '$']) && !sql.contains('5')),
        "marks, not values: {repeated:?}"
    );
}
