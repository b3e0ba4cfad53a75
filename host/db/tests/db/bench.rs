//! How long the hot path takes. Not a test: run it with `--ignored --nocapture` and read.

use std::time::Instant;

use serde_json::json;

use super::site::{Ask, Site, int};

#[tokio::test]
#[ignore = "a measurement"]
async fn one_row_by_key() {
    let site = Site::polls();
    let db = site.request_with(host_core::budget::Limits {
        db_rows: u64::MAX,
        db_ms: 1 << 40,
        wall_ms: 1 << 40,
        ..Default::default()
    });
    for at in 0..1_000 {
        db.add("question", json!({"text": format!("question {at}")})).await;
    }
    let shape = json!({"v":1,"from":"question","filter":[["exact","id",{"$":0}]]}).to_string();
    let rounds = 200_000;
    for _ in 0..3 {
        let began = Instant::now();
        for at in 0..rounds {
            db.fetch_packed(shape.as_bytes(), vec![int(at % 1_000 + 1)]).await.unwrap();
        }
        println!("one row by key: {:?}", began.elapsed() / u32::try_from(rounds).unwrap());
    }
    let page = json!({"v":1,"from":"question","limit":10}).to_string();
    let began = Instant::now();
    for _ in 0..rounds / 10 {
        db.fetch_packed(page.as_bytes(), vec![]).await.unwrap();
    }
    println!("ten newest rows: {:?}", began.elapsed() / u32::try_from(rounds / 10).unwrap());
    let write = json!({"v":1,"op":"update","from":"question","set":{"pub_date":["add",{"f":"pub_date"},1]},"filter":[["exact","id",{"$":0}]]}).to_string();
    let began = Instant::now();
    for at in 0..20_000 {
        db.execute(write.as_bytes(), vec![int(at % 1_000 + 1)]).await.unwrap();
    }
    println!("an update, one after the other, no disk: {:?}", began.elapsed() / 20_000);
}
