//! Several databases: apps that lie in another one, copies that are read from.

use std::collections::BTreeMap;

use host_core::grants::Capability;
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{Db, DbConfig, Value};
use host_store::{ServerConfig, Store, StoreConfig, Target};
use serde_json::json;

use super::site::{Ask, Site, database, polls, server};

fn count() -> serde_json::Value {
    json!({"v":1,"op":"count","from":"author"})
}

#[tokio::test]
async fn an_app_may_lie_in_another_database_than_the_rest() {
    let other = database(StoreConfig::temporary(), DbConfig::default());
    let main = Site::polls();
    let polls = Manifest::parse(&polls().to_string()).unwrap();
    let others = BTreeMap::from([(AppId::new("polls").unwrap(), other.clone())]);
    let both = main.db.with_others(others);
    assert!(!both.plan_app(&polls).unwrap().is_empty(), "there are no tables in the other one yet");
    let app = both.for_app(&polls).unwrap();
    assert!(other.plan_app(&polls).unwrap().is_empty(), "now there are");
    let context = || main.context(Default::default(), [Capability::Db].into_iter().collect());
    app.for_request(context()).add("author", json!({"name": "elsewhere"})).await;
    assert_eq!(main.request().one(count(), vec![]).await, Value::Integer(0));
    assert_eq!(app.for_request(context()).one(count(), vec![]).await, Value::Integer(1));
    // Another app stays where it was.
    let page = json!({"v":1,"name":"page","models":[{"name":"page","fields":[{"name":"id","kind":"auto"}]}]});
    let page = Manifest::parse(&page.to_string()).unwrap();
    both.for_app(&page).unwrap();
    assert!(main.db.plan_app(&page).unwrap().is_empty());
    assert!(!other.plan_app(&page).unwrap().is_empty());
}

#[tokio::test]
async fn a_request_reads_from_a_copy_until_it_writes() {
    // SQLite has no copies.
    let Some(kind) = server() else { return };
    // What plays the copy here has rows of its own, so that one sees where a row came from.
    let (primary, copy) = (kind.shared().database(), kind.shared().database());
    let [primary, copy] = [primary, copy].map(|url| Target::parse(&url).unwrap());
    let manifest = Manifest::parse(&polls().to_string()).unwrap();
    let open = |server: ServerConfig| {
        let store = StoreConfig { server: Some(server), ..StoreConfig::default() };
        Db::open(Store::open(store).unwrap(), DbConfig::default()).unwrap()
    };
    let of_copy = open(ServerConfig { wall: host_store::Wall::Off, ..ServerConfig::new(copy.clone()) });
    let app = of_copy.for_app(&manifest).unwrap();
    let site = Site { db: of_copy, app, name: "polls".into(), manifest: manifest.clone() };
    for name in ["x", "y", "z"] {
        site.request().add("author", json!({"name": name})).await;
    }
    // One copy that is away is passed over.
    let away = kind.shared().url(test_servers::LOGIN, "no_such_database");
    let replicas = vec![Target::parse(&away).unwrap(), copy];
    let db = open(ServerConfig { replicas, wall: host_store::Wall::Off, ..ServerConfig::new(primary) });
    let app = db.for_app(&manifest).unwrap();
    let site = Site { db, app, name: "polls".into(), manifest: manifest.clone() };
    let request = site.request();
    for _ in 0..4 {
        assert_eq!(request.one(count(), vec![]).await, Value::Integer(3), "from the copy");
    }
    let transaction = request.begin().await.unwrap();
    let rows = transaction.fetch(count().to_string().as_bytes(), vec![]).await.unwrap();
    assert_eq!(rows.cells, [Value::Integer(0)], "a transaction reads where it may write");
    transaction.rollback().await.unwrap();
    request.add("author", json!({"name": "mine"})).await;
    assert_eq!(request.one(count(), vec![]).await, Value::Integer(1), "it sees what it wrote");
    assert_eq!(site.request().one(count(), vec![]).await, Value::Integer(3), "the next request begins anew");
}
