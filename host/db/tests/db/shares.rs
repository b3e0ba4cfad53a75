//! What one app has of the places that all share while others want them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{AppDb, Cursor, DbConfig, Param, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, code, database, integer, text};

/// Apps with a table each, in one database.
struct Town {
    apps: Vec<Arc<AppDb>>,
}

fn name(at: usize) -> AppId {
    AppId::new(&format!("app{at}")).unwrap()
}

impl Town {
    async fn of(apps: usize, store: StoreConfig) -> Self {
        let db = database(store, DbConfig::default());
        let mut town = Self { apps: Vec::new() };
        for at in 0..apps {
            let manifest = json!({"v":1,"name":name(at).as_str(),"models":[{"name":"note","fields":[
                {"name":"id","kind":"auto"}, {"name":"body","kind":"text"}]}]});
            town.apps.push(db.for_app(&Manifest::parse(&manifest.to_string()).unwrap()).unwrap());
            let db = town.request(at);
            let bulk = json!({"v":1,"op":"insert","from":"note","set":{"body":{"$":0}}});
            for _ in 0..4 {
                let bodies = (0..500).map(|_| Value::Text("-".repeat(200))).collect();
                db.run(bulk.clone(), vec![Param::Many(bodies)]).await.unwrap();
            }
        }
        town
    }

    fn request(&self, at: usize) -> RequestDb {
        self.request_with(at, Limits { wall_ms: 30_000, db_ms: 30_000, ..Limits::default() })
    }

    fn request_with(&self, at: usize, limits: Limits) -> RequestDb {
        let grants = Arc::new(Grants::from_iter([Capability::Db]));
        self.apps[at].for_request(Arc::new(RequestContext::new(RequestId(1), name(at), grants, limits)))
    }

    /// Opens as many cursors as the app is given, reads a row of each, and leaves them alone.
    async fn hoard(&self, at: usize) -> Vec<(RequestDb, Cursor)> {
        let mut kept = Vec::new();
        loop {
            let db = self.request_with(at, Limits { wall_ms: 30_000, db_ms: 1_000, ..Limits::default() });
            let cursor = db.open(&all(), vec![]).unwrap();
            match cursor.next(1, u32::MAX).await {
                Ok(rows) => assert_eq!(rows.len(), 1),
                Err(_) => return kept,
            }
            kept.push((db, cursor));
            // One that waits may have made an older one of its own give way.
            if kept.len() == 8 {
                return kept;
            }
        }
    }

    /// A read that takes a thread or a connection.
    async fn search(&self, at: usize) -> Result<i64, host_db::DbError> {
        let count = json!({"v":1,"op":"count","from":"note","filter":[["contains","body",{"$":0}]]});
        self.request(at).get(count, vec![text("--")]).await.map(|rows| integer(&rows.cells[0]))
    }
}

fn all() -> Vec<u8> {
    json!({"v":1,"from":"note","fields":["id","body"],"order":["id"]}).to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_apps_that_keep_all_they_get_leave_a_third_one_its_own() {
    let town = Town::of(3, StoreConfig { cursor_idle_ms: 60_000, ..StoreConfig::temporary() }).await;
    let kept = [town.hoard(0).await, town.hoard(1).await];
    assert!(kept.iter().all(|kept| !kept.is_empty()), "each has one at least");
    for _ in 0..3 {
        assert_eq!(town.search(2).await, Ok(2_000));
    }
    for (_, cursor) in kept.iter().flatten() {
        assert_eq!(cursor.next(1, u32::MAX).await.unwrap().len(), 1, "nobody took theirs away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_apps_that_keep_all_they_get_leave_a_tenth_one_its_own() {
    let town = Town::of(10, StoreConfig { cursor_idle_ms: 60_000, ..StoreConfig::temporary() }).await;
    let mut kept = Vec::new();
    for at in 0..9 {
        kept.extend(town.hoard(at).await);
    }
    for _ in 0..3 {
        assert_eq!(town.search(9).await, Ok(2_000));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_nobody_reads_from_makes_room_for_others() {
    let town = Town::of(10, StoreConfig { cursor_idle_ms: 500, ..StoreConfig::temporary() }).await;
    let mut kept = Vec::new();
    for at in 0..9 {
        kept.extend(town.hoard(at).await);
    }
    let (db, began) = (town.request(9), Instant::now());
    let cursor = db.open(&all(), vec![]).unwrap();
    let mut seen = 0;
    loop {
        match cursor.next(500, u32::MAX).await.unwrap().len() {
            0 => break,
            rows => seen += rows,
        }
    }
    assert_eq!(seen, 2_000);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let mut closed = 0;
    for (_, cursor) in &kept {
        if let Err(error) = cursor.next(1, u32::MAX).await {
            assert_eq!((error.code, error.detail("limit")), ("timeout", Some("500")));
            assert_eq!(code(cursor.next(1, u32::MAX).await), "timeout", "it says the same again");
            closed += 1;
        }
    }
    assert!((1..kept.len()).contains(&closed), "{closed} of {}", kept.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_reads_on_keeps_its_cursor() {
    let town = Town::of(2, StoreConfig { cursor_idle_ms: 100, readers: 1, ..StoreConfig::temporary() }).await;
    let db = town.request(0);
    let cursor = db.open(&all(), vec![]).unwrap();
    let reading = async {
        let mut seen = 0;
        loop {
            match cursor.next(20, u32::MAX).await.unwrap().len() {
                0 => return seen,
                rows => seen += rows,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (seen, searched) = tokio::join!(reading, town.search(1));
    assert_eq!((seen, searched), (2_000, Ok(2_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_of_much_waits_for_a_turn_at_a_server() {
    let store = StoreConfig { cursor_idle_ms: 60_000, slow_statements: 1, ..StoreConfig::temporary() };
    let town = Town::of(1, store).await;
    // What was never run isn't known to be quick, so this has a turn until its end.
    let db = town.request(0);
    let cursor = db.open(&all(), vec![]).unwrap();
    assert_eq!(cursor.next(1, u32::MAX).await.unwrap().len(), 1);
    let write = async |bytes: usize| {
        let db = town.request_with(0, Limits { wall_ms: 1_000, ..Limits::default() });
        let insert = json!({"v":1,"op":"insert","from":"note","set":{"body":{"$":0}}});
        db.run(insert, vec![text(&"a".repeat(bytes))]).await.map(|outcome| outcome.affected)
    };
    assert_eq!(write(1_000).await.unwrap(), 1);
    match super::site::server() {
        Some(_) => assert_eq!(code(write(64 << 10).await), "timeout"),
        None => assert_eq!(write(64 << 10).await.unwrap(), 1),
    }
    drop((cursor, db));
    assert_eq!(write(64 << 10).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_slow_takes_turns_and_other_apps_have_their_own() {
    let store = StoreConfig { cursor_idle_ms: 60_000, slow_statements: 1, ..StoreConfig::temporary() };
    let town = Town::of(2, store).await;
    let db = town.request(0);
    let cursor = db.open(&all(), vec![]).unwrap();
    assert_eq!(cursor.next(1, u32::MAX).await.unwrap().len(), 1);
    let count = json!({"v":1,"op":"count","from":"note","filter":[["contains","body",{"$":0}]]});
    let waiting = town.request_with(0, Limits { wall_ms: 1_000, db_ms: 300, ..Limits::default() });
    let error = waiting.get(count.clone(), vec![text("--")]).await.unwrap_err();
    match super::site::server() {
        Some(_) => assert_eq!(error.code, "timeout"),
        None => assert!(error.code == "busy" && error.to_string().contains("slow_statements"), "{error}"),
    }
    // What a request does beside its own cursor doesn't wait for that.
    assert_eq!(db.one(count, vec![text("--")]).await, Value::Integer(2_000));
    assert_eq!(town.search(1).await, Ok(2_000));
    drop((cursor, db));
    assert_eq!(town.search(0).await, Ok(2_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_had_more_of_a_server_than_a_part_takes_turns_for_what_is_quick() {
    let store = StoreConfig { cursor_idle_ms: 60_000, slow_statements: 1, ..StoreConfig::temporary() };
    let town = Town::of(2, store).await;
    let write = async |at: usize| {
        let db = town.request_with(at, Limits { wall_ms: 1_000, ..Limits::default() });
        let insert = json!({"v":1,"op":"insert","from":"note","set":{"body":"short"}});
        db.run(insert, vec![]).await.map(|outcome| outcome.affected)
    };
    // A cursor that has its app's only turn until its end.
    let db = town.request(0);
    let cursor = db.open(&all(), vec![]).unwrap();
    assert_eq!(cursor.next(1, u32::MAX).await.unwrap().len(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((write(0).await.unwrap(), write(1).await.unwrap()), (1, 1), "what is quick needs none");
    // Each row with each, beside the cursor.
    let larger = json!({"from":"note","filter":[["gt",{"e":["add",{"f":"id"},{"outer":"id"}]},1_000_000_000]]});
    let join = json!({"v":1,"op":"count","from":"note","filter":[["exists",larger]]});
    assert_eq!(db.one(join, vec![]).await, Value::Integer(0));
    match super::site::server() {
        Some(_) => assert_eq!(code(write(0).await), "timeout"),
        None => assert_eq!(write(0).await.unwrap(), 1),
    }
    assert_eq!(write(1).await.unwrap(), 1);
    drop((cursor, db));
    assert_eq!(write(0).await.unwrap(), 1);
}
