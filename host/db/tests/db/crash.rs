//! A process that is killed loses nothing that it acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::Capability;
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{AppDb, Db, DbConfig, DbError, Param, RequestDb, Statement, Value};
use host_store::{Store, StoreConfig};
use serde_json::json;

use super::site::{int, text};

const PATH: &str = "DB_CRASH_TEST_PATH";

/// Kills one after the other.
const ROUNDS: usize = 6;

/// Rows that a batch and a transaction write.
const SEVERAL: i64 = 3;

const APPS: [&str; 3] = ["one", "two", "three"];

/// A site with three apps in a file, whose log is carried over often.
fn open(path: &Path) -> Vec<Arc<AppDb>> {
    // On a busy machine a write may take its time.
    let store = StoreConfig {
        write_ms: 60_000,
        transaction_idle_ms: 10_000,
        transaction_total_ms: 10_000,
        hold_ms_per_minute: 600_000,
        ..StoreConfig::file(path)
    };
    let db = Db::open(Store::open(store).unwrap(), DbConfig::default()).unwrap();
    let app = |name: &&str| {
        let manifest = json!({"v":1,"name":name,"models":[
            {"name":"event","fields":[{"name":"id","kind":"auto"},{"name":"name","kind":"char","max_length":50}]},
            {"name":"part","fields":[{"name":"id","kind":"auto"},{"name":"body","kind":"text"},
                {"name":"event","kind":"foreign_key","to":"event","on_delete":"cascade","related_name":"parts"}]}]});
        db.for_app(&Manifest::parse(&manifest.to_string()).unwrap()).unwrap()
    };
    APPS.iter().map(app).collect()
}

fn request(app: &Arc<AppDb>, name: &str) -> RequestDb {
    let limits =
        Limits { db_ms: 1 << 40, wall_ms: 1 << 40, db_rows: 1 << 40, db_statements: 1 << 40, ..Limits::default() };
    let grants = Arc::new([Capability::Db].into_iter().collect());
    app.for_request(Arc::new(RequestContext::new(RequestId(1), AppId::new(name).unwrap(), grants, limits)))
}

fn event() -> Vec<u8> {
    json!({"v":1,"op":"insert","from":"event","set":{"name":{"$":0}},"returning":["id"]}).to_string().into_bytes()
}

fn part(of: serde_json::Value) -> Vec<u8> {
    json!({"v":1,"op":"insert","from":"part","set":{"event":of,"body":{"$":0}}}).to_string().into_bytes()
}

/// An event with its parts, which are there together or not at all.
async fn write(db: &RequestDb, at: usize, name: &str) -> Result<(), DbError> {
    // Large enough that many pages change, so that the log is carried over every few dozen writes.
    let body = text(&"x".repeat(20_000));
    if at.is_multiple_of(2) {
        let first = Statement { shape: event(), params: vec![text(name)] };
        let rest = (0..SEVERAL).map(|_| Statement { shape: part(json!({"ref":[0,"id"]})), params: vec![body.clone()] });
        return db.batch(std::iter::once(first).chain(rest).collect()).await.map(drop);
    }
    let transaction = db.begin().await?;
    let event = transaction.execute(&event(), vec![text(name)]).await?;
    let id = Param::One(event.returned.cells[0].clone());
    for _ in 0..SEVERAL {
        transaction.execute(&part(json!({"$":1})), vec![body.clone(), id.clone()]).await?;
    }
    transaction.commit().await
}

/// Not a test: what the test below kills. It prints the name of each event after it was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by `what_was_acknowledged_survives_a_kill`"]
#[allow(clippy::disallowed_methods, reason = "the parent says where by the environment")]
async fn writer_that_gets_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let mut tasks = Vec::new();
    for (app, name) in open(Path::new(&path)).into_iter().zip(APPS) {
        for lane in 0..3 {
            let app = app.clone();
            tasks.push(tokio::spawn(async move {
                for at in 0.. {
                    let db = request(&app, name);
                    let event = format!("{lane}-{at}");
                    if write(&db, at, &event).await.is_ok() {
                        println!("\nacknowledged {name} {event}");
                    }
                }
            }));
        }
        tasks.push(tokio::spawn(async move {
            // Somebody reads the log all the while.
            let db = request(&app, name);
            loop {
                let cursor = db.open(br#"{"v":1,"from":"part","fields":["id","body"]}"#, vec![]).unwrap();
                while cursor.next(5, u32::MAX).await.is_ok_and(|rows| !rows.is_empty()) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// What the killed process acknowledged, by app.
#[allow(clippy::disallowed_methods, reason = "starts itself as the process to kill")]
fn storm(path: &Path, most: usize) -> BTreeMap<String, Vec<String>> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "file::crash::writer_that_gets_killed"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (began, mut killed) = (Instant::now(), false);
    let (mut acknowledged, mut total) = (BTreeMap::<String, Vec<String>>::new(), 0);
    // After the kill, what it had written to the pipe is still read: it was acknowledged.
    for line in lines.map_while(Result::ok) {
        if let Some((app, name)) = line.strip_prefix("acknowledged ").and_then(|line| line.split_once(' ')) {
            acknowledged.entry(app.into()).or_default().push(name.into());
            total += 1;
        }
        if !killed && (total >= most || began.elapsed() > Duration::from_secs(20)) {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    acknowledged
}

fn sound(path: &Path) {
    let shell = rusqlite::Connection::open(path).unwrap();
    let verdict: String = shell.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let dangling: i64 = shell.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(dangling, 0);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    for round in 0..ROUNDS {
        // At another point of the log's life each time.
        let acknowledged = storm(&path, 150 + 37 * round);
        assert_eq!(acknowledged.len(), APPS.len(), "each app wrote");
        sound(&path);
        for (app, name) in open(&path).iter().zip(APPS) {
            let db = request(app, name);
            let counted =
                json!({"v":1,"from":"event","fields":["name","n"],"annotate":[["n",["count",{"f":"parts"}]]]});
            let rows = db.fetch(counted.to_string().as_bytes(), vec![]).await.unwrap();
            let mut there = BTreeMap::new();
            for row in rows.iter() {
                let [Value::Text(event), parts] = row else { panic!("a name and a number, not {row:?}") };
                // Acknowledged or not, none is there by half, and none twice.
                assert_eq!(*parts, Value::Integer(SEVERAL), "{name} {event}");
                assert_eq!(there.insert(event.clone(), ()), None, "{name} {event}");
            }
            for event in &acknowledged[name] {
                assert!(there.contains_key(event), "round {round}: {name} {event} was acknowledged");
            }
            // The names begin anew in each round, so they have to go.
            let all = json!({"v":1,"op":"delete","from":"event","filter":[["gte","id",{"$":0}]]}).to_string();
            db.execute(all.as_bytes(), vec![int(0)]).await.unwrap();
        }
    }
}
