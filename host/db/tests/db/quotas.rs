//! What all requests of one app together may take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::access::ModelGrants;
use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_core::quota::Quota;
use host_db::{AppDb, Db, DbConfig, DbError, Param, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, code, database, int, server, text};

/// An app in `db` with notes.
fn app(db: &Arc<Db>, name: &str) -> Arc<AppDb> {
    let manifest = json!({"v":1,"name":name,"models":[{"name":"note","fields":[
        {"name":"id","kind":"auto"}, {"name":"n","kind":"integer","default":0}, {"name":"body","kind":"text"}]}]});
    db.for_app(&Manifest::parse(&manifest.to_string()).unwrap()).unwrap()
}

fn request(app: &Arc<AppDb>, name: &str) -> RequestDb {
    let grants = Arc::new(Grants::from_iter([Capability::Db, Capability::DbRaw]));
    let limits = Limits { wall_ms: 60_000, db_ms: 60_000, ..Limits::default() };
    app.for_request(Arc::new(RequestContext::new(RequestId(1), AppId::new(name).unwrap(), grants, limits)))
}

async fn fill(app: &Arc<AppDb>, name: &str, rows: usize, length: usize) -> Result<u64, DbError> {
    let bulk = json!({"v":1,"op":"insert","from":"note","set":{"body":{"$":0}}});
    let mut affected = 0;
    for from in (0..rows).step_by(500) {
        let bodies = (from..rows.min(from + 500)).map(|_| Value::Text("x".repeat(length))).collect();
        affected += request(app, name).run(bulk.clone(), vec![Param::Many(bodies)]).await?.affected;
    }
    Ok(affected)
}

fn set(app: &AppDb, quota: &Quota) {
    app.set_quota(quota);
}

fn all() -> serde_json::Value {
    json!({"v":1,"from":"note","fields":["id"]})
}

fn used_up(error: &DbError) -> (&'static str, Option<&str>) {
    (error.code, error.detail("resource"))
}

#[tokio::test]
async fn rows_of_all_requests_and_versions_count_together() {
    let db = database(StoreConfig::temporary(), DbConfig::default());
    let (greedy, other) = (app(&db, "greedy"), app(&db, "other"));
    for (app, name) in [(&greedy, "greedy"), (&other, "other")] {
        fill(app, name, 60, 10).await.unwrap();
    }
    let quota = Quota { db_rows_per_minute: Some(100), ..Quota::default() };
    set(&greedy, &quota);
    // The second one goes beyond: what is begun is carried out.
    for _ in 0..2 {
        assert_eq!(request(&greedy, "greedy").get(all(), vec![]).await.unwrap().len(), 60);
    }
    let error = request(&greedy, "greedy").get(all(), vec![]).await.unwrap_err();
    assert_eq!(used_up(&error), ("quota", Some("db_rows_per_minute")));
    assert_eq!(error.detail("limit"), Some("100"));
    assert!(error.message.contains("db_rows_per_minute = 100"), "{error}");
    let retry: u64 = error.detail("retry_ms").unwrap().parse().unwrap();
    assert!((1..=60_000).contains(&retry), "{retry}");
    let insert = json!({"v":1,"op":"insert","from":"note","set":{"body":"b"}});
    assert_eq!(code(request(&greedy, "greedy").run(insert.clone(), vec![]).await), "quota");
    assert_eq!(code(request(&greedy, "greedy").open(all().to_string().as_bytes(), vec![])), "quota");
    // Another version is the same app; another app isn't.
    let next = app(&db, "greedy");
    set(&next, &quota);
    assert_eq!(code(request(&next, "greedy").get(all(), vec![]).await), "quota");
    for _ in 0..5 {
        assert_eq!(request(&other, "other").get(all(), vec![]).await.unwrap().len(), 60);
    }
    set(&next, &Quota::default());
    request(&greedy, "greedy").run(insert, vec![]).await.expect("nothing is bounded any more");
}

#[tokio::test]
async fn time_counts_and_what_is_open_can_be_ended() {
    let db = database(StoreConfig::temporary(), DbConfig::default());
    let app = app(&db, "greedy");
    fill(&app, "greedy", 1_000, 100).await.unwrap();
    set(&app, &Quota { db_ms_per_minute: Some(20), ..Quota::default() });
    let open = request(&app, "greedy");
    let transaction = open.begin().await.unwrap();
    let insert = json!({"v":1,"op":"insert","from":"note","set":{"n":7,"body":"b"}}).to_string();
    transaction.execute(insert.as_bytes(), vec![]).await.unwrap();
    let search = json!({"v":1,"op":"count","from":"note","filter":[["icontains","body","y"]]});
    let began = Instant::now();
    let error = loop {
        match transaction.fetch(search.to_string().as_bytes(), vec![]).await {
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(20), "it ends"),
            Err(error) => break error,
        }
    };
    assert_eq!(used_up(&error), ("quota", Some("db_ms_per_minute")));
    transaction.commit().await.expect("what was written may be made final");
    assert_eq!(code(request(&app, "greedy").get(search, vec![]).await), "quota");
    set(&app, &Quota::default());
    let written = json!({"v":1,"op":"count","from":"note","filter":[["exact","n",{"$":0}]]});
    assert_eq!(request(&app, "greedy").one(written, vec![int(7)]).await, Value::Integer(1));
}

#[tokio::test]
async fn connections_are_bounded_and_the_error_names_the_key() {
    let store = StoreConfig { cursor_idle_ms: 60_000, slow_statements: 8, ..StoreConfig::temporary() };
    let db = database(store, DbConfig::default());
    let (greedy, other) = (app(&db, "greedy"), app(&db, "other"));
    for (app, name) in [(&greedy, "greedy"), (&other, "other")] {
        fill(app, name, 2_000, 200).await.unwrap();
    }
    set(&greedy, &Quota { connections: Some(1), ..Quota::default() });
    let first = request(&greedy, "greedy");
    let cursor = first.open(br#"{"v":1,"from":"note"}"#, vec![]).unwrap();
    cursor.next(1, u32::MAX).await.unwrap();
    let search = json!({"v":1,"op":"count","from":"note","filter":[["contains","body","xx"]]});
    let limits = Limits { wall_ms: 60_000, db_ms: 200, ..Limits::default() };
    let grants = Arc::new(Grants::from_iter([Capability::Db]));
    let context = RequestContext::new(RequestId(1), AppId::new("greedy").unwrap(), grants, limits);
    let waiting = greedy.for_request(Arc::new(context));
    if server().is_none() {
        let error = waiting.get(search.clone(), vec![]).await.unwrap_err();
        assert_eq!(error.code, "busy");
        assert!(error.message.contains("quota") && error.message.contains("`connections`"), "{error}");
    } else {
        // There one waits until the request's end.
        let late = tokio::time::timeout(Duration::from_millis(300), waiting.get(search.clone(), vec![])).await;
        assert!(late.is_err(), "{late:?}");
    }
    assert_eq!(request(&other, "other").one(search.clone(), vec![]).await, Value::Integer(2_000));
    drop(cursor);
    assert_eq!(request(&greedy, "greedy").one(search, vec![]).await, Value::Integer(2_000));
}

/// Repeats `attempt` until it gives `wanted`, which comes with the next measurement.
async fn eventually<T: PartialEq + std::fmt::Debug>(wanted: &T, mut attempt: impl AsyncFnMut() -> T) {
    let began = Instant::now();
    loop {
        let result = attempt().await;
        if result == *wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "still {result:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn tables_grow_as_far_as_their_quota_and_deletes_go_on() {
    let db = database(StoreConfig::temporary(), DbConfig::default());
    let (greedy, other) = (app(&db, "greedy"), app(&db, "other"));
    set(&greedy, &Quota { storage_bytes: Some(2 * MIB), ..Quota::default() });
    let mut rows = 0;
    let error = loop {
        match fill(&greedy, "greedy", 10, 10_000).await {
            Ok(added) => rows += added,
            Err(error) => break error,
        }
        assert!(rows < 1_000, "it fills");
    };
    assert_eq!(used_up(&error), ("quota", Some("storage_bytes")));
    assert_eq!((error.detail("limit"), error.detail("retry_ms")), (Some("2097152"), None));
    assert!(rows * 10_000 > MIB / 2, "{rows} rows");
    let update = |set: serde_json::Value| json!({"v":1,"op":"update","from":"note","set":set});
    let db_of = || request(&greedy, "greedy");
    // In all rows at once it is more than there is room for, which is known when it is done; then it is known.
    let longer = || vec![text(&"y".repeat(20_000))];
    let _ = db_of().run(update(json!({"body":{"$":0}})), longer()).await;
    assert_eq!(code(db_of().run(update(json!({"body":{"$":0}})), longer()).await), "quota");
    db_of().run(update(json!({"n":3})), vec![]).await.expect("it takes no more room");
    fill(&other, "other", 300, 10_000).await.expect("it isn't its quota");
    let delete = json!({"v":1,"op":"delete","from":"note","filter":[["gt","id",{"$":0}]]});
    assert!(db_of().run(delete, vec![int(5)]).await.unwrap().affected > 10);
    if server().is_none() {
        eventually(&Ok(10), async || fill(&greedy, "greedy", 10, 10_000).await.map_err(|error| error.code)).await;
    }
    set(&greedy, &Quota { storage_bytes: Some(20 * MIB), ..Quota::default() });
    fill(&greedy, "greedy", 10, 10_000).await.expect("there is more room");
}

#[tokio::test]
async fn what_an_expression_makes_longer_is_noticed_soon() {
    let db = database(StoreConfig::temporary(), DbConfig::default());
    let greedy = app(&db, "greedy");
    set(&greedy, &Quota { storage_bytes: Some(2 * MIB), ..Quota::default() });
    fill(&greedy, "greedy", 2_000, 50).await.unwrap();
    // Digits that no database makes shorter by itself.
    let part = |n: i64| json!(["sha256",["concat",["cast",{"f":"id"},"text"],n.to_string()]]);
    let concat: Vec<_> = std::iter::once(json!("concat")).chain((0..30).map(part)).collect();
    let blown = json!({"v":1,"op":"update","from":"note","set":{"body":concat}});
    request(&greedy, "greedy").run(blown, vec![]).await.expect("nobody knows what it makes");
    eventually(&Err("quota"), async || fill(&greedy, "greedy", 1, 10).await.map_err(|error| error.code)).await;
}

#[tokio::test]
async fn sql_of_its_own_is_counted_as_well() {
    let db = database(StoreConfig::temporary(), DbConfig::default());
    let manifest = json!({"v":1,"name":"greedy","models":[{"name":"note","fields":[
        {"name":"id","kind":"auto"}, {"name":"n","kind":"integer","default":0}, {"name":"body","kind":"text"}]}]});
    let grants = Grants::from_iter([Capability::Db, Capability::DbRaw]);
    let greedy = db.for_granted(&Manifest::parse(&manifest.to_string()).unwrap(), &grants, &ModelGrants::default()).unwrap();
    set(&greedy, &Quota { storage_bytes: Some(MIB / 2), ..Quota::default() });
    let insert = || format!("INSERT INTO greedy__note (body) VALUES ('{}')", "x".repeat(5_000));
    let raw = async |sql: &str| request(&greedy, "greedy").execute_raw(sql, vec![]).await;
    let mut rows = 0;
    let error = loop {
        match raw(&insert()).await {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
        assert!(rows < 1_000, "it fills");
    };
    assert_eq!(used_up(&error), ("quota", Some("storage_bytes")));
    raw("DELETE FROM greedy__note").await.expect("deletes go on");
}
