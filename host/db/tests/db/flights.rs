//! How often the host waits for a server's answer. `docs/reference/db.md` has a table of these numbers.

use std::sync::Arc;

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_db::{Db, DbConfig, Param, RequestDb, Statement, Value};
use host_store::{ServerConfig, Store, StoreConfig, Target};
use serde_json::json;
use test_servers::{Kind, Proxy};

/// What is counted, and the waits on PostgreSQL and MariaDB, once its statements are prepared.
const FLIGHTS: [(&str, u64, u64); 10] = [
    ("a read", 1, 1),
    ("an insert", 1, 1),
    ("an update", 1, 1),
    ("a batch of five inserts", 6, 7),
    ("an insert of ten rows", 2, 5),
    ("a delete that looks for what goes with it", 4, 5),
    ("a transaction of two writes", 3, 4),
    ("a transaction that reads and writes", 3, 4),
    ("a transaction that is rolled back", 2, 3),
    ("a transaction that only reads", 1, 2),
];

fn shape(shape: &serde_json::Value) -> Vec<u8> {
    shape.to_string().into_bytes()
}

fn insert(n: i64) -> Statement {
    let shape = shape(&json!({"v":1,"op":"insert","from":"note","set":{"n":{"$":0},"folder":1}}));
    Statement { shape, params: vec![Param::One(Value::Integer(n))] }
}

async fn counted(kind: Kind) -> Vec<(&'static str, u64)> {
    let proxy = Proxy::to(kind.shared());
    let target = Target::parse(&proxy.url(&kind.shared().database())).unwrap();
    // Nothing may end because the machine is busy, and a second request shall find the first one's connection.
    let server = ServerConfig { connections: 2, ..ServerConfig::new(target) };
    let config =
        StoreConfig { transaction_idle_ms: 60_000, transaction_total_ms: 60_000, ..StoreConfig::server(server) };
    let db = Db::open(Store::open(config).unwrap(), DbConfig::default()).unwrap();
    let manifest = json!({"v":1,"name":"site","models":[
        {"name":"folder","fields":[{"name":"id","kind":"auto"},{"name":"name","kind":"text"}]},
        {"name":"note","fields":[{"name":"id","kind":"auto"},{"name":"n","kind":"integer"},
            {"name":"folder","kind":"foreign_key","to":"folder","on_delete":"cascade"}]},
    ]});
    let app = tokio::task::block_in_place(|| db.for_app(&Manifest::parse(&manifest.to_string()).unwrap())).unwrap();
    let request = || -> RequestDb {
        let name = host_core::name::AppId::new("site").unwrap();
        let grants = Arc::new(Grants::from_iter([Capability::Db]));
        app.for_request(Arc::new(RequestContext::new(RequestId(1), name, grants, Limits::default())))
    };
    let read = shape(&json!({"v":1,"from":"note","fields":["n"],"filter":[["exact","n",{"$":0}]]}));
    let update = shape(&json!({"v":1,"op":"update","from":"note","set":{"n":["add",{"f":"n"},1]}}));
    let delete = shape(&json!({"v":1,"op":"delete","from":"folder","filter":[["exact","name","b"]]}));
    let one = || vec![Param::One(Value::Integer(1))];
    request().execute(&shape(&json!({"v":1,"op":"insert","from":"folder","set":{"name":"a"}})), vec![]).await.unwrap();
    let mut flights = Vec::new();
    proxy.delay(std::time::Duration::from_millis(10));
    // The first time prepares the statements, and the second one tells.
    for time in 0..2 {
        let other = shape(&json!({"v":1,"op":"insert","from":"folder","set":{"name":"b"}}));
        request().execute(&other, vec![]).await.unwrap();
        let mut at = proxy.turns();
        let mut count = |what| {
            let now = proxy.turns();
            if time == 1 {
                flights.push((what, now - at));
            }
            at = now;
        };
        request().fetch(&read, one()).await.unwrap();
        count("a read");
        request().execute(&insert(1).shape, one()).await.unwrap();
        count("an insert");
        request().execute(&update, vec![]).await.unwrap();
        count("an update");
        request().batch((0..5).map(insert).collect()).await.unwrap();
        count("a batch of five inserts");
        let many = (0..10).map(Value::Integer).collect();
        request().execute(&insert(1).shape, vec![Param::Many(many)]).await.unwrap();
        count("an insert of ten rows");
        request().execute(&delete, vec![]).await.unwrap();
        count("a delete that looks for what goes with it");
        let db = request();
        let transaction = db.begin().await.unwrap();
        transaction.execute(&insert(1).shape, one()).await.unwrap();
        transaction.execute(&insert(1).shape, one()).await.unwrap();
        transaction.commit().await.unwrap();
        count("a transaction of two writes");
        let db = request();
        let transaction = db.begin().await.unwrap();
        transaction.fetch(&read, one()).await.unwrap();
        transaction.execute(&update, vec![]).await.unwrap();
        transaction.commit().await.unwrap();
        count("a transaction that reads and writes");
        let db = request();
        let transaction = db.begin().await.unwrap();
        transaction.execute(&update, vec![]).await.unwrap();
        transaction.rollback().await.unwrap();
        count("a transaction that is rolled back");
        let db = request();
        let transaction = db.begin().await.unwrap();
        transaction.fetch(&read, one()).await.unwrap();
        count("a transaction that only reads");
        // Its end is sent and not waited for.
        transaction.commit().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    flights
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wait_is_needless() {
    for (kind, at) in [(Kind::Postgres, 0), (Kind::Mariadb, 1)] {
        let expected: Vec<(&str, u64)> =
            FLIGHTS.iter().map(|(what, postgres, mariadb)| (*what, [*postgres, *mariadb][at])).collect();
        assert_eq!(counted(kind).await, expected, "{kind:?}");
    }
}
