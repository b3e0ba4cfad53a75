//! Rows that are fetched piece by piece.

use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_core::grants::{Capability, Grants};
use host_db::{Cursor, DbError, Param, RequestDb, Value};
use serde_json::json;

use super::site::{Ask, Site, code, int, integer};

/// A site with so many comments of one question.
async fn comments(many: i64, length: usize) -> Site {
    let site = Site::polls();
    let db = site.request_with(Limits { db_ms: 60_000, wall_ms: 60_000, ..Limits::default() });
    let question = db.add("question", json!({"text": "q"})).await;
    let bulk = json!({"v":1,"op":"insert","from":"comment","set":{"question":{"$":0},"body":{"$":1}}});
    for from in (0..many).step_by(500) {
        let bodies = (from..many.min(from + 500)).map(|n| Value::Text(format!("{n}{}", "-".repeat(length)))).collect();
        db.run(bulk.clone(), vec![int(question), Param::Many(bodies)]).await.unwrap();
    }
    site
}

fn all() -> Vec<u8> {
    json!({"v":1,"from":"comment","fields":["id","body"],"order":["id"]}).to_string().into_bytes()
}

async fn ids(cursor: &Cursor, rows: u32, bytes: u32) -> Result<Vec<i64>, DbError> {
    Ok(cursor.next(rows, bytes).await?.iter().map(|row| integer(&row[0])).collect())
}

#[tokio::test]
async fn all_rows_come_once_and_in_order() {
    let site = comments(1_000, 10).await;
    let db = site.request();
    for portion in [1_000, 333, 7] {
        let cursor = db.open(&all(), vec![]).unwrap();
        let mut seen = Vec::new();
        loop {
            let next = ids(&cursor, portion, u32::MAX).await.unwrap();
            assert!(next.len() <= portion as usize);
            if next.is_empty() {
                break;
            }
            seen.extend(next);
        }
        assert_eq!(seen, (1..=1_000).collect::<Vec<_>>());
        assert!(ids(&cursor, portion, u32::MAX).await.unwrap().is_empty(), "it stays at its end");
    }
    // Bytes bound a portion as well; one row comes always.
    let cursor = db.open(&all(), vec![]).unwrap();
    assert_eq!(ids(&cursor, 1_000, 0).await.unwrap(), [1]);
    let some = ids(&cursor, 1_000, 500).await.unwrap();
    assert!((2..40).contains(&some.len()), "{}", some.len());
    assert_eq!(code(cursor.next(0, 1).await), "invalid-value");
    assert_eq!(db.context().budget.rows_left(), Limits::default().db_rows - 3_000 - 1 - some.len() as u64);
    let filtered = json!({"v":1,"from":"comment","fields":["id"],"filter":[["gt","id",{"$":0}]],"order":["id"]});
    let cursor = db.open(filtered.to_string().as_bytes(), vec![int(998)]).unwrap();
    assert_eq!(ids(&cursor, 10, u32::MAX).await.unwrap(), [999, 1_000]);
}

#[tokio::test]
async fn a_result_larger_than_fetch_may_return_comes_in_pieces() {
    let site = comments(600, 100_000).await;
    let db = site.request_with(Limits { wall_ms: 60_000, db_ms: 60_000, ..Limits::default() });
    assert_eq!(code(db.fetch(&all(), vec![]).await), "budget");
    let cursor = db.open(&all(), vec![]).unwrap();
    let mut seen = 0;
    loop {
        let next = ids(&cursor, u32::MAX, 1 << 20).await.unwrap();
        if next.is_empty() {
            break;
        }
        assert!(next.len() <= 11, "{}", next.len());
        seen += next.len();
    }
    assert_eq!(seen, 600);
}

#[tokio::test]
async fn what_is_dropped_gives_its_place_back() {
    let site = comments(2_000, 100).await;
    let db = site.request();
    // Many more than there are threads or connections, one after the other, each left in the middle.
    for _ in 0..20 {
        let cursor = db.open(&all(), vec![]).unwrap();
        assert_eq!(ids(&cursor, 2, u32::MAX).await.unwrap(), [1, 2]);
    }
    let count = json!({"v":1,"op":"count","from":"comment","filter":[["contains","body","1"]]});
    assert!(integer(&db.one(count, vec![]).await) > 0);
    // What nobody reads from hinders nobody who writes.
    let cursor = db.open(&all(), vec![]).unwrap();
    ids(&cursor, 1, u32::MAX).await.unwrap();
    db.run(json!({"v":1,"op":"delete","from":"comment"}), vec![]).await.unwrap();
    assert_eq!(ids(&cursor, 3, u32::MAX).await.unwrap(), [2, 3, 4], "it sees what was there when it began");
}

#[tokio::test]
async fn budgets_and_ends_hold_for_each_piece() {
    let site = comments(1_000, 10).await;
    let db = site.request_with(Limits { db_rows: 100, ..Limits::default() });
    let cursor = db.open(&all(), vec![]).unwrap();
    let mut seen = 0;
    let error = loop {
        match ids(&cursor, 30, u32::MAX).await {
            Ok(rows) => seen += rows.len(),
            Err(error) => break error,
        }
    };
    assert_eq!((error.code, error.detail("resource")), ("budget", Some("db_rows")));
    assert!(seen <= 100, "{seen}");
    assert_eq!(ids(&cursor, 1, u32::MAX).await.unwrap_err(), error, "it says the same again");

    let db: RequestDb = site.request_with(Limits { wall_ms: 200, ..Limits::default() });
    let cursor = db.open(&all(), vec![]).unwrap();
    ids(&cursor, 1, u32::MAX).await.unwrap();
    tokio::time::sleep(Duration::from_millis(220)).await;
    let began = Instant::now();
    assert_eq!(code(cursor.next(1, u32::MAX).await), "timeout");
    assert!(began.elapsed() < Duration::from_millis(500));

    let db = site.request();
    let cursor = db.open(&all(), vec![]).unwrap();
    db.close();
    assert_eq!(code(cursor.next(1, u32::MAX).await), "closed");
    let denied = site.app.for_request(site.context(Limits::default(), Grants::none()));
    assert_eq!(code(denied.open(&all(), vec![])), "access-denied");
    let db = site.app.for_request(site.context(Limits::default(), [Capability::Db].into_iter().collect()));
    assert_eq!(code(db.open(br#"{"v":1,"op":"delete","from":"comment"}"#, vec![])), "invalid-shape");
    assert_eq!(code(db.open(&all(), vec![int(1)])), "invalid-value");
}

#[tokio::test]
async fn inside_a_transaction_it_sees_what_that_wrote() {
    let site = comments(3, 1).await;
    let db = site.request();
    let transaction = db.begin().await.unwrap();
    let insert = json!({"v":1,"op":"insert","from":"comment","set":{"question":1,"body":"mine"}}).to_string();
    transaction.execute(insert.as_bytes(), vec![]).await.unwrap();
    let cursor = transaction.open(&all(), vec![]).await.unwrap();
    assert_eq!(ids(&cursor, 3, u32::MAX).await.unwrap(), [1, 2, 3]);
    transaction.execute(insert.as_bytes(), vec![]).await.unwrap();
    assert_eq!(ids(&cursor, 3, u32::MAX).await.unwrap(), [4]);
    assert!(ids(&cursor, 3, u32::MAX).await.unwrap().is_empty());
    transaction.commit().await.unwrap();
}
