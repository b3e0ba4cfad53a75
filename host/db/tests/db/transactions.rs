//! Several statements that take effect together.

use std::time::Duration;

use host_db::{DbConfig, RequestDb, Transaction, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};

use super::site::{Ask, Site, code, int, polls, server, text};

fn add(name: &str) -> Vec<u8> {
    json!({"v":1,"op":"insert","from":"author","set":{"name":name},"returning":["id"]}).to_string().into_bytes()
}

fn names() -> Vec<u8> {
    json!({"v":1,"from":"author","fields":["name"],"order":["name"]}).to_string().into_bytes()
}

async fn seen(db: &RequestDb) -> Vec<Value> {
    db.fetch(&names(), vec![]).await.unwrap().cells
}

async fn inside(transaction: &Transaction) -> Vec<Value> {
    transaction.fetch(&names(), vec![]).await.unwrap().cells
}

fn texts(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| Value::Text((*name).into())).collect()
}

/// Slow machines must not turn a test about something else into one about time.
fn patient() -> StoreConfig {
    StoreConfig { transaction_idle_ms: 10_000, transaction_total_ms: 10_000, ..StoreConfig::temporary() }
}

fn site() -> Site {
    Site::with(polls(), patient(), DbConfig::default())
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_others_see_them_after_commit() {
    let site = site();
    let (db, other) = (site.request(), site.request());
    let transaction = db.begin().await.unwrap();
    assert_eq!(inside(&transaction).await, []);
    transaction.execute(&add("a"), vec![]).await.unwrap();
    assert_eq!(inside(&transaction).await, texts(&["a"]));
    assert_eq!(seen(&other).await, []);
    assert_eq!(seen(&db).await, [], "outside of it, the request sees what is committed");
    let packed = transaction.fetch_packed(&names(), vec![]).await.unwrap();
    assert_eq!(packed[..9], [1, 0, 0, 0, 1, 0, 0, 0, 5]);
    transaction.commit().await.unwrap();
    assert_eq!(seen(&other).await, texts(&["a"]));
    for answer in [transaction.commit().await, transaction.rollback().await, transaction.release(0).await] {
        assert_eq!(code(answer), "closed");
    }
    assert_eq!(code(transaction.execute(&add("b"), vec![]).await), "closed");
    // The next one may begin though the old handle is still there.
    db.begin().await.unwrap().rollback().await.unwrap();
}

#[tokio::test]
async fn rolled_back_dropped_or_left_open_nothing_remains() {
    let site = site();
    for end in 0..3 {
        let db = site.request();
        let transaction = db.begin().await.unwrap();
        transaction.execute(&add("a"), vec![]).await.unwrap();
        match end {
            0 => transaction.rollback().await.unwrap(),
            1 => drop(transaction),
            _ => {
                assert!(db.close(), "one was open");
                assert_eq!(code(transaction.commit().await), "closed");
            }
        }
        let next = site.request();
        // The connection is free again, without its changes.
        next.execute(&add("b"), vec![]).await.unwrap();
        assert_eq!(seen(&next).await, texts(&["b"]));
        next.run(json!({"v":1,"op":"delete","from":"author"}), vec![]).await.unwrap();
        assert!(!next.close());
    }
}

#[tokio::test]
async fn a_statement_that_fails_leaves_the_transaction_usable() {
    let site = site();
    let db = site.request();
    let transaction = db.begin().await.unwrap();
    transaction.execute(&add("a"), vec![]).await.unwrap();
    assert_eq!(code(transaction.execute(&add("a"), vec![]).await), "unique");
    let bulk = json!({"v":1,"op":"insert","from":"author","set":{"name":{"$":0}}}).to_string();
    let values = host_db::Param::Many(texts(&["x", "y", "a"]));
    assert_eq!(code(transaction.execute(bulk.as_bytes(), vec![values]).await), "unique");
    assert_eq!(inside(&transaction).await, texts(&["a"]), "its own effect is undone, all of it");
    assert_eq!(code(transaction.execute(&names(), vec![]).await), "invalid-shape");
    assert_eq!(code(transaction.fetch(&add("z"), vec![]).await), "invalid-shape");
    assert_eq!(code(transaction.execute(b"{", vec![]).await), "invalid-shape");
    transaction.execute(&add("b"), vec![]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(seen(&db).await, texts(&["a", "b"]));
}

#[tokio::test]
async fn savepoints_go_back_and_are_counted() {
    let site = site();
    let db = site.request();
    let transaction = db.begin().await.unwrap();
    assert_eq!(code(transaction.rollback_to(0).await), "invalid-value");
    transaction.execute(&add("a"), vec![]).await.unwrap();
    assert_eq!(transaction.savepoint().await, Ok(0));
    transaction.execute(&add("b"), vec![]).await.unwrap();
    assert_eq!(transaction.savepoint().await, Ok(1));
    transaction.execute(&add("c"), vec![]).await.unwrap();
    transaction.rollback_to(1).await.unwrap();
    assert_eq!(inside(&transaction).await, texts(&["a", "b"]));
    transaction.rollback_to(0).await.unwrap();
    assert_eq!(inside(&transaction).await, texts(&["a"]));
    assert_eq!(code(transaction.rollback_to(1).await), "invalid-value", "it went with the one before it");
    transaction.execute(&add("d"), vec![]).await.unwrap();
    transaction.release(0).await.unwrap();
    assert_eq!(code(transaction.release(0).await), "invalid-value");
    for at in 0..16 {
        assert_eq!(transaction.savepoint().await, Ok(at));
    }
    assert_eq!(code(transaction.savepoint().await), "unsupported");
    transaction.commit().await.unwrap();
    assert_eq!(seen(&db).await, texts(&["a", "d"]));
}

#[tokio::test]
async fn a_request_never_waits_for_itself() {
    let site = site();
    let db = site.request();
    let transaction = db.begin().await.unwrap();
    assert_eq!(code(db.begin().await), "would-deadlock");
    // It only read so far, so the connection is free.
    db.execute(&add("a"), vec![]).await.unwrap();
    transaction.execute(&add("b"), vec![]).await.unwrap();
    assert_eq!(code(db.execute(&add("c"), vec![]).await), "would-deadlock");
    let statement = host_db::Statement { shape: add("c"), params: vec![] };
    assert_eq!(code(db.batch(vec![statement]).await), "would-deadlock");
    transaction.commit().await.unwrap();
    db.execute(&add("c"), vec![]).await.unwrap();
}

#[tokio::test]
async fn what_was_read_before_the_first_write_is_still_true_or_it_begins_again() {
    let site = site();
    let (db, other) = (site.request(), site.request());
    let transaction = db.begin().await.unwrap();
    inside(&transaction).await;
    other.execute(&add("between"), vec![]).await.unwrap();
    let written = transaction.execute(&add("a"), vec![]).await;
    if server().is_some() {
        // There it is rows that are in each other's way: what it read is its own picture of them to the end.
        written.unwrap();
        assert_eq!(inside(&transaction).await, texts(&["a"]));
        transaction.rollback().await.unwrap();
    } else {
        assert_eq!(code(written), "conflict-retry");
        assert_eq!(code(transaction.commit().await), "conflict-retry");
    }
    // Without a read there is nothing to be wrong about.
    let again = db.begin().await.unwrap();
    other.execute(&add("again"), vec![]).await.unwrap();
    again.execute(&add("a"), vec![]).await.unwrap();
    again.commit().await.unwrap();
    // A write that failed or changed nobody's data is no conflict.
    let third = db.begin().await.unwrap();
    inside(&third).await;
    assert_eq!(code(other.execute(&add("a"), vec![]).await), "unique");
    third.execute(&add("b"), vec![]).await.unwrap();
    third.commit().await.unwrap();
}

#[tokio::test]
async fn who_writes_what_another_one_changed_since_begins_again() {
    let site = site();
    let (db, other) = (site.request(), site.request());
    let id = db.add("author", json!({"name": "a"})).await;
    let rename = |name: &str| {
        json!({"v":1,"op":"update","from":"author","set":{"name":name},"filter":[["exact","id",id]]}).to_string()
    };
    let transaction = db.begin().await.unwrap();
    assert_eq!(inside(&transaction).await, texts(&["a"]));
    other.execute(rename("theirs").as_bytes(), vec![]).await.unwrap();
    assert_eq!(code(transaction.execute(rename("mine").as_bytes(), vec![]).await), "conflict-retry");
    assert_eq!(code(transaction.commit().await), "conflict-retry");
    assert_eq!(seen(&other).await, texts(&["theirs"]));
    // The request may begin again.
    let again = db.begin().await.unwrap();
    assert_eq!(inside(&again).await, texts(&["theirs"]));
    again.execute(rename("mine").as_bytes(), vec![]).await.unwrap();
    again.commit().await.unwrap();
    assert_eq!(seen(&other).await, texts(&["mine"]));
}

#[tokio::test]
async fn a_key_that_leads_nowhere_fails_at_the_commit() {
    let site = site();
    let db = site.request();
    let transaction = db.begin().await.unwrap();
    let orphan = json!({"v":1,"op":"insert","from":"choice","set":{"question":7,"text":"o"}}).to_string();
    transaction.execute(orphan.as_bytes(), vec![]).await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.code, "foreign-key");
    // PostgreSQL alone tells which key it is.
    let told = if super::BACKEND == crate::Backend::Postgres { &["question"][..] } else { &[] };
    let targets = error.details.iter().filter(|(name, _)| *name == "target").map(|(_, target)| target.as_str());
    assert_eq!(targets.collect::<Vec<_>>(), told);
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"choice"}), vec![]).await, Value::Integer(0));
    let transaction = db.begin().await.unwrap();
    transaction.execute(orphan.as_bytes(), vec![]).await.unwrap();
    let parent = json!({"v":1,"op":"insert","from":"question","set":{"id":7,"text":"q"}}).to_string();
    transaction.execute(parent.as_bytes(), vec![]).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn who_dawdles_with_the_lease_loses_it() {
    let store = StoreConfig { transaction_idle_ms: 30, transaction_total_ms: 400, ..StoreConfig::temporary() };
    let site = Site::with(polls(), store, DbConfig::default());
    let (db, other) = (site.request(), site.request());
    let idle = db.begin().await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    idle.execute(&add("a"), vec![]).await.expect("before its first write it may wait");
    let waiting = tokio::time::Instant::now();
    other.execute(&add("b"), vec![]).await.expect("who waits gets the connection after the idle time");
    assert!(waiting.elapsed() < Duration::from_millis(350));
    if server().is_some() {
        // There nobody had to wait for it.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let error = idle.execute(&add("c"), vec![]).await.unwrap_err();
    assert_eq!(error.code, "timeout");
    assert_eq!(code(idle.commit().await), "timeout");
    assert_eq!(seen(&db).await, texts(&["b"]));
    db.execute(&add("free"), vec![]).await.expect("it may write outside again");

    let busy = db.begin().await.unwrap();
    let began = tokio::time::Instant::now();
    let mut at = 0;
    let error = loop {
        at += 1;
        match busy.execute(&add(&format!("n{at}")), vec![]).await {
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(5), "it ends"),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(error.code, "timeout");
    assert_eq!(seen(&db).await, texts(&["b", "free"]));
}

#[tokio::test]
async fn transactions_of_many_requests_lose_no_update() {
    let site = site();
    site.request().add("question", json!({"text": "q"})).await;
    let counter = site.request().add("choice", json!({"question": 1, "text": "n"})).await;
    let read = json!({"v":1,"from":"choice","fields":["votes"],"filter":[["exact","id",{"$":0}]]}).to_string();
    let write = json!({"v":1,"op":"update","from":"choice","set":{"votes":{"$":1}},"filter":[["exact","id",{"$":0}]]})
        .to_string();
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let (app, context) = (
            site.app.clone(),
            site.context(Default::default(), [host_core::grants::Capability::Db].into_iter().collect()),
        );
        let (read, write) = (read.clone(), write.clone());
        tasks.push(tokio::spawn(async move {
            let db = app.for_request(context);
            let mut done = 0;
            while done < 10 {
                let transaction = db.begin().await.unwrap();
                let votes = super::site::integer(
                    &transaction.fetch(read.as_bytes(), vec![int(counter)]).await.unwrap().cells[0],
                );
                match transaction.execute(write.as_bytes(), vec![int(counter), int(votes + 1)]).await {
                    Ok(_) => {
                        transaction.commit().await.unwrap();
                        done += 1;
                    }
                    Err(error) => assert_eq!(error.code, "conflict-retry"),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let votes = json!({"v":1,"from":"choice","fields":["votes"]});
    assert_eq!(site.request().one(votes, vec![]).await, Value::Integer(60));
}

#[tokio::test]
async fn filters_of_writes_work_inside_too() {
    let site = site();
    let db = site.request();
    let transaction = db.begin().await.unwrap();
    transaction.execute(&add("a"), vec![]).await.unwrap();
    let update =
        json!({"v":1,"op":"update","from":"author","set":{"name":{"$":0}},"filter":[["startswith","name","a"]]})
            .to_string();
    assert_eq!(transaction.execute(update.as_bytes(), vec![text("b")]).await.unwrap().affected, 1);
    let delete: Json = json!({"v":1,"op":"delete","from":"author","filter":[["isnull","questions",true]]});
    assert_eq!(transaction.execute(delete.to_string().as_bytes(), vec![]).await.unwrap().affected, 1);
    transaction.commit().await.unwrap();
}
