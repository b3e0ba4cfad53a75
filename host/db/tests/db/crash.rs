//! A process that is killed loses nothing that it acknowledged.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host_db::{DbConfig, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, Site, int, polls, text};

const PATH: &str = "DB_CRASH_TEST_PATH";

/// Not a test: what the test below kills. It prints the name of each row after it was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by `what_was_acknowledged_survives_a_kill`"]
#[allow(clippy::disallowed_methods, reason = "the parent says where by the environment")]
async fn writer_that_gets_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let site = Site::with(polls(), StoreConfig::file(path), DbConfig::default());
    let mut tasks = Vec::new();
    for lane in 0..4 {
        let app = site.app.clone();
        let limits = host_core::budget::Limits { db_ms: 1 << 40, wall_ms: 1 << 40, ..Default::default() };
        let context = site.context(limits, [host_core::grants::Capability::Db].into_iter().collect());
        tasks.push(tokio::spawn(async move {
            let db = app.for_request(context);
            let insert = json!({"v":1,"op":"insert","from":"author","set":{"name":{"$":0}}}).to_string();
            for at in 0.. {
                let name = format!("{lane}-{at}");
                // Each second one goes through a transaction of its own.
                let done = if at % 2 == 0 {
                    db.execute(insert.as_bytes(), vec![text(&name)]).await.map(drop)
                } else {
                    let transaction = db.begin().await.unwrap();
                    match transaction.execute(insert.as_bytes(), vec![text(&name)]).await {
                        Ok(_) => transaction.commit().await,
                        Err(error) => Err(error),
                    }
                };
                if done.is_ok() {
                    println!("\nacknowledged {name}");
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "starts itself as the process to kill")]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "file::crash::writer_that_gets_killed"])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let began = Instant::now();
        let mut killed = false;
        // After the kill, what it had written to the pipe is still read: it was acknowledged.
        for line in lines.map_while(Result::ok) {
            if let Some(name) = line.strip_prefix("acknowledged ") {
                acknowledged.push(name.to_owned());
            }
            if !killed && (acknowledged.len() % 97 == 96 || began.elapsed() > Duration::from_secs(5)) {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        // The lanes begin anew in each round, so the names have to go.
        let site = Site::with(polls(), StoreConfig::file(&path), DbConfig::default());
        let db = site.request();
        let find = json!({"v":1,"op":"count","from":"author","filter":[["exact","name",{"$":0}]]});
        assert!(acknowledged.len() > 20, "only {} writes", acknowledged.len());
        for name in acknowledged.drain(..) {
            assert_eq!(db.one(find.clone(), vec![text(&name)]).await, Value::Integer(1), "{name} was acknowledged");
        }
        let all = json!({"v":1,"op":"delete","from":"author","filter":[["gte","id",{"$":0}]]});
        db.run(all, vec![int(0)]).await.unwrap();
    }
}
