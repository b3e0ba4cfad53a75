//! What a file holds after the process that wrote it.

use host_db::{DbConfig, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, Site, polls};

#[tokio::test]
async fn data_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/site.db");
    for round in 0..3 {
        let site = Site::with(polls(), StoreConfig::file(&path), DbConfig::default());
        let db = site.request();
        assert_eq!(db.one(json!({"v":1,"op":"count","from":"author"}), vec![]).await, Value::Integer(round));
        db.add("author", json!({"name": format!("a{round}")})).await;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read it");
    }
}
