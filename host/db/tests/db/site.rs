//! A site with the polls app, for tests.

use std::sync::Arc;

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_db::{AppDb, Db, DbConfig, DbError, Outcome, Param, RequestDb, Rows, Value};
use host_store::{ServerConfig, Store, StoreConfig, Target};
use serde_json::json;

use crate::Backend;

pub struct Site {
    pub db: Arc<Db>,
    pub app: Arc<AppDb>,
    pub name: String,
    pub manifest: Manifest,
}

pub fn polls() -> serde_json::Value {
    json!({
        "v": 1, "name": "polls",
        "models": [
            { "name": "author", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "name", "kind": "char", "max_length": 50, "unique": true },
            ]},
            { "name": "question", "ordering": ["-pub_date"], "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "text", "kind": "char", "max_length": 200 },
                { "name": "pub_date", "kind": "datetime", "default": 0 },
                { "name": "author", "kind": "foreign_key", "to": "author", "on_delete": "set_null", "null": true,
                  "related_name": "questions" },
            ], "indexes": [["pub_date"]]},
            { "name": "choice", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "question", "kind": "foreign_key", "to": "question", "on_delete": "cascade",
                  "related_name": "choices" },
                { "name": "text", "kind": "char", "max_length": 200 },
                { "name": "votes", "kind": "integer", "default": 0 },
                { "name": "rank", "kind": "integer", "null": true },
            ], "unique_together": [["question", "text"]]},
            { "name": "comment", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "question", "kind": "foreign_key", "to": "question", "on_delete": "cascade" },
                { "name": "body", "kind": "text" },
            ]},
            { "name": "sample", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "big", "kind": "big_integer", "null": true },
                { "name": "ratio", "kind": "float", "null": true },
                { "name": "flag", "kind": "boolean", "default": false },
                { "name": "raw", "kind": "binary", "null": true },
                { "name": "day", "kind": "date", "null": true },
                { "name": "at", "kind": "time", "null": true },
                { "name": "took", "kind": "duration", "null": true },
                { "name": "uid", "kind": "uuid", "null": true, "unique": true },
                { "name": "doc", "kind": "json", "null": true },
                { "name": "note", "kind": "text", "null": true },
            ]},
        ],
    })
}

/// The server that this module's tests run on, where they do.
pub fn server() -> Option<test_servers::Kind> {
    match super::BACKEND {
        Backend::Sqlite => None,
        Backend::Postgres => Some(test_servers::Kind::Postgres),
        Backend::Mariadb => Some(test_servers::Kind::Mariadb),
    }
}

/// An empty database of the test's own.
pub fn database(mut store: StoreConfig, config: DbConfig) -> Arc<Db> {
    // What the log says of a failing statement is what whoever mends the test wants to know.
    let _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::ERROR).try_init();
    if let Some(kind) = server() {
        let target = Target::parse(&kind.shared().database()).unwrap();
        store.server = Some(ServerConfig { connections: 8, ..ServerConfig::new(target) });
    }
    Db::open(Store::open(store).unwrap(), config).unwrap()
}

impl Site {
    pub fn polls() -> Self {
        Self::with(polls(), StoreConfig::temporary(), DbConfig::default())
    }

    pub fn of(manifest: serde_json::Value) -> Self {
        Self::with(manifest, StoreConfig::temporary(), DbConfig::default())
    }

    pub fn with(manifest: serde_json::Value, store: StoreConfig, config: DbConfig) -> Self {
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        let db = database(store, config);
        let app = db.for_app(&manifest).unwrap();
        Self { db, app, name: manifest.name.to_string(), manifest }
    }

    pub fn request(&self) -> RequestDb {
        self.request_with(Limits::default())
    }

    pub fn request_with(&self, limits: Limits) -> RequestDb {
        self.app.for_request(self.context(limits, Grants::from_iter([Capability::Db])))
    }

    pub fn context(&self, limits: Limits, grants: Grants) -> Arc<RequestContext> {
        let app = host_core::name::AppId::new(&self.name).unwrap();
        Arc::new(RequestContext::new(RequestId(1), app, Arc::new(grants), limits))
    }
}

/// Shortens tests: shapes as JSON, values as they are.
#[allow(async_fn_in_trait)]
pub trait Ask {
    async fn get(&self, shape: serde_json::Value, params: Vec<Param>) -> Result<Rows, DbError>;
    async fn run(&self, shape: serde_json::Value, params: Vec<Param>) -> Result<Outcome, DbError>;
    /// The first cells of all rows.
    async fn ids(&self, shape: serde_json::Value, params: Vec<Param>) -> Vec<i64>;
    /// The only cell.
    async fn one(&self, shape: serde_json::Value, params: Vec<Param>) -> Value;
    /// Inserts and returns the key.
    async fn add(&self, model: &str, set: serde_json::Value) -> i64;
}

impl Ask for RequestDb {
    async fn get(&self, shape: serde_json::Value, params: Vec<Param>) -> Result<Rows, DbError> {
        self.fetch(shape.to_string().as_bytes(), params).await
    }

    async fn run(&self, shape: serde_json::Value, params: Vec<Param>) -> Result<Outcome, DbError> {
        self.execute(shape.to_string().as_bytes(), params).await
    }

    async fn ids(&self, shape: serde_json::Value, params: Vec<Param>) -> Vec<i64> {
        let rows = self.get(shape, params).await.unwrap();
        rows.iter().map(|row| integer(&row[0])).collect()
    }

    async fn one(&self, shape: serde_json::Value, params: Vec<Param>) -> Value {
        let mut rows = self.get(shape, params).await.unwrap();
        assert_eq!(rows.cells.len(), 1, "one cell");
        rows.cells.remove(0)
    }

    async fn add(&self, model: &str, set: serde_json::Value) -> i64 {
        let shape = json!({"v": 1, "op": "insert", "from": model, "set": set, "returning": ["id"]});
        integer(&self.run(shape, vec![]).await.unwrap().returned.cells[0])
    }
}

pub fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        other => panic!("an integer, not {other:?}"),
    }
}

pub fn int(number: i64) -> Param {
    Param::One(Value::Integer(number))
}

pub fn text(text: &str) -> Param {
    Param::One(Value::Text(text.into()))
}

pub fn null() -> Param {
    Param::One(Value::Null)
}

pub fn ints(numbers: impl IntoIterator<Item = i64>) -> Param {
    Param::Many(numbers.into_iter().map(Value::Integer).collect())
}

pub fn code<T: std::fmt::Debug>(result: Result<T, DbError>) -> &'static str {
    result.expect_err("an error").code
}
