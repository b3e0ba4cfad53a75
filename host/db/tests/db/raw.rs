//! SQL that an app wrote itself: what it gives, what it is told, what it can't reach.

use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_core::access::ModelGrants;
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_db::raw::{Cell, Database};
use host_db::{Db, DbConfig, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, Site, code, polls, server};

fn grants() -> Grants {
    [Capability::Db, Capability::DbRaw].into_iter().collect()
}

/// A site whose app may write SQL.
fn site() -> Site {
    let manifest = Manifest::parse(&polls().to_string()).unwrap();
    let db = super::site::database(StoreConfig::temporary(), DbConfig::default());
    let app = db.for_granted(&manifest, &grants(), &ModelGrants::default()).unwrap();
    Site { db, app, name: manifest.name.to_string(), manifest }
}

fn request(site: &Site) -> RequestDb {
    site.app.for_request(site.context(Limits::default(), grants()))
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

#[tokio::test]
async fn rows_come_with_their_columns_and_values_go_beside_the_text() {
    let site = site();
    let db = request(&site);
    for name in ["ann", "o'brien", "?"] {
        db.add("author", json!({"name": name})).await;
    }
    let sql = "SELECT name, id FROM polls__author WHERE name <> ? AND id >= ? ORDER BY id";
    let table = db.fetch_raw(sql, vec![text("ann"), Cell::Integer(1)]).await.unwrap();
    assert_eq!(table.columns, ["name", "id"]);
    assert!(
        matches!(table.cells.as_slice(), [Cell::Text(first), Cell::Integer(2), Cell::Text(second), Cell::Integer(3)]
        if first == "o'brien" && second == "?"),
        "{:?}",
        table.cells
    );
    // The columns are there without rows, and a question mark in a text is one.
    let table = db.fetch_raw("SELECT id AS one, '?' AS two FROM polls__author WHERE id < 0", vec![]).await.unwrap();
    assert_eq!((table.columns.as_slice(), table.cells.len()), (&["one".to_owned(), "two".to_owned()][..], 0));
    for sql in ["WITH a AS (SELECT 1 AS x) SELECT x FROM a", "WITH a AS (SELECT 1 AS x) SELECT count(*) FROM a"] {
        let table = db.fetch_raw(sql, vec![]).await.unwrap();
        assert!(matches!(table.cells.as_slice(), [Cell::Integer(1)]), "{sql}");
    }
    let expected = match server() {
        None => Database::Sqlite,
        Some(test_servers::Kind::Postgres) => Database::Postgresql,
        Some(test_servers::Kind::Mariadb) => Database::Mariadb,
    };
    assert_eq!(db.database().unwrap(), expected);
}

#[tokio::test]
async fn values_keep_their_meaning_both_ways() {
    let site = site();
    let db = request(&site);
    let uuid = [7; 16];
    let insert = "INSERT INTO polls__sample (big, ratio, flag, raw, day, at, took, uid, doc, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        Cell::Integer(i64::MIN),
        Cell::Float(0.5),
        Cell::Boolean(true),
        Cell::Bytes(vec![0, 255]),
        Cell::Date(20_000),
        Cell::Time(1),
        Cell::Integer(-5),
        Cell::Uuid(uuid.to_vec()),
        Cell::Json(r#"{"a":1}"#.into()),
        text("hé"),
    ];
    let change = db.execute_raw(insert, values).await.unwrap();
    assert_eq!((change.affected, change.returned.cells.len()), (1, 0));
    let rows = db.fetch_raw_model("sample", "SELECT * FROM polls__sample WHERE uid = ?", vec![Cell::Uuid(uuid.to_vec())]);
    let rows = rows.await.unwrap();
    // As the model's own query gives it.
    assert_eq!(rows, db.get(json!({"v":1,"from":"sample"}), vec![]).await.unwrap());
    assert_eq!(rows.cells[1..3], [Value::Integer(i64::MIN), Value::Float(0.5)]);
    assert_eq!(rows.cells[5], Value::Integer(20_000));
    let days = db.fetch_raw("SELECT day, at FROM polls__sample WHERE day = ?", vec![Cell::Date(20_000)]).await.unwrap();
    match server() {
        None => assert!(matches!(days.cells.as_slice(), [Cell::Integer(20_000), Cell::Integer(1)])),
        Some(_) => assert!(matches!(days.cells.as_slice(), [Cell::Date(20_000), Cell::Time(1)]), "{:?}", days.cells),
    }
    let error = db.fetch_raw_model("sample", "SELECT id FROM polls__sample", vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("invalid-sql", Some("big")));
    assert_eq!(code(db.fetch_raw_model("nothing", "SELECT 1", vec![]).await), "unknown-model");
}

#[tokio::test]
async fn writes_are_atomic_and_count_their_rows() {
    let site = site();
    let db = request(&site);
    let many = "INSERT INTO polls__author (name) VALUES (?), (?), (?)";
    assert_eq!(db.execute_raw(many, vec![text("a"), text("b"), text("c")]).await.unwrap().affected, 3);
    let error = db.execute_raw(many, vec![text("d"), text("a"), text("e")]).await.unwrap_err();
    assert_eq!((error.code, error.detail("model"), error.detail("field")), ("unique", Some("author"), Some("name")));
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"author"}), vec![]).await, Value::Integer(3));
    let update = db.execute_raw("UPDATE polls__author SET name = name WHERE id > ?", vec![Cell::Integer(1)]).await;
    assert_eq!(update.unwrap().affected, 2);
    if server() != Some(test_servers::Kind::Mariadb) {
        let returned = db.execute_raw("UPDATE polls__author SET name = 'x' WHERE id = 1 RETURNING name, id", vec![]).await;
        let returned = returned.unwrap().returned;
        assert_eq!(returned.columns, ["name", "id"]);
        assert!(matches!(&returned.cells[0], Cell::Text(name) if name == "x"));
    }
    assert_eq!(db.execute_raw("DELETE FROM polls__author WHERE id = 1", vec![]).await.unwrap().affected, 1);
    // The tables' own rules hold, whoever writes.
    let dangling = "INSERT INTO polls__comment (question_id, body) VALUES (999, 'x')";
    assert_eq!(code(db.execute_raw(dangling, vec![]).await), "foreign-key");
    let none = "INSERT INTO polls__author (name) VALUES (NULL)";
    assert_eq!(code(db.execute_raw(none, vec![]).await), "not-null");
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"comment"}), vec![]).await, Value::Integer(0));
}

#[tokio::test]
async fn it_is_no_part_of_the_requests_transaction() {
    let site = site();
    let db = request(&site);
    let transaction = db.begin().await.unwrap();
    let insert = json!({"v":1,"op":"insert","from":"author","set":{"name":"inside"}}).to_string();
    transaction.execute(insert.as_bytes(), vec![]).await.unwrap();
    let count = db.fetch_raw("SELECT count(*) FROM polls__author", vec![]).await.unwrap();
    assert!(matches!(count.cells.as_slice(), [Cell::Integer(0)]), "what isn't committed can't be seen");
    let write = db.execute_raw("INSERT INTO polls__author (name) VALUES ('outside')", vec![]).await;
    assert_eq!(code(write), "would-deadlock");
    transaction.commit().await.unwrap();
    db.execute_raw("INSERT INTO polls__author (name) VALUES ('after')", vec![]).await.unwrap();
    // A transaction that read before learns of it.
    let one = request(&site);
    let transaction = one.begin().await.unwrap();
    let read = json!({"v":1,"from":"author"}).to_string();
    transaction.fetch(read.as_bytes(), vec![]).await.unwrap();
    db.execute_raw("UPDATE polls__author SET name = 'changed' WHERE name = 'after'", vec![]).await.unwrap();
    let update = json!({"v":1,"op":"update","from":"author","set":{"name":"mine"},"filter":[["exact","name","changed"]]});
    let result = transaction.execute(update.to_string().as_bytes(), vec![]).await.map(|outcome| outcome.affected);
    if server().is_none() {
        assert_eq!(code(result), "conflict-retry");
    }
}

#[tokio::test]
async fn without_the_capability_there_is_none() {
    let site = site();
    let db = site.request();
    for error in [
        code(db.fetch_raw("SELECT 1", vec![]).await),
        code(db.fetch_raw_model("author", "SELECT 1", vec![]).await),
        code(db.execute_raw("DELETE FROM polls__author", vec![]).await),
        code(db.database()),
    ] {
        assert_eq!(error, "access-denied");
    }
    // And with it alone there are no models.
    let raw = site.app.for_request(site.context(Limits::default(), [Capability::DbRaw].into_iter().collect()));
    assert_eq!(code(raw.get(json!({"v":1,"from":"author"}), vec![]).await), "access-denied");
    raw.fetch_raw("SELECT 1", vec![]).await.unwrap();
}

/// Another app on the same database, with a row that nobody else may see.
async fn vault(db: &std::sync::Arc<Db>, site: &Site) -> RequestDb {
    let secret = json!({"v":1,"name":"vault","models":[{"name":"secret","fields":[
        {"name":"id","kind":"auto"},{"name":"word","kind":"text"}]}]});
    let vault = db.for_granted(&Manifest::parse(&secret.to_string()).unwrap(), &grants(), &ModelGrants::default()).unwrap();
    let owner = vault.for_request(site.context(Limits::default(), grants()));
    owner.add("secret", json!({"word": "hidden"})).await;
    owner
}

#[tokio::test]
async fn nothing_of_others_is_reached() {
    let site = site();
    let owner = vault(&site.db, &site).await;
    let db = request(&site);
    db.add("author", json!({"name": "ann"})).await;
    let everywhere = [
        "SELECT * FROM vault__secret",
        "SELECT count(*) FROM vault__secret",
        "SELECT count(*) FROM VAULT__SECRET",
        "SELECT (WITH vault__secret AS (SELECT 1) SELECT 1), count(*) FROM vault__secret",
        "WITH a AS (SELECT * FROM vault__secret) SELECT * FROM a",
        "WITH vault__secret AS (SELECT * FROM vault__secret) SELECT * FROM vault__secret",
        "SELECT (SELECT word FROM vault__secret) FROM polls__author",
        "SELECT 1 FROM polls__author WHERE EXISTS (SELECT 1 FROM vault__secret)",
        "SELECT * FROM polls__author UNION SELECT * FROM vault__secret",
        "SELECT * FROM bandstand__account",
        "SELECT * FROM bandstand__app",
        "EXPLAIN SELECT * FROM vault__secret",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE polls__author",
        "SELECT ,",
        "SELECT * FROM nothing",
        "SELECT nothing FROM polls__author",
        "SELECT nothing(1)",
        "SELECT ?",
        "SELECT '",
        "SELECT \u{1}",
    ];
    let here: &[&str] = match server() {
        None => &[
            "SELECT * FROM sqlite_schema",
            "SELECT * FROM sqlite_master",
            "SELECT * FROM main.vault__secret",
            "SELECT * FROM temp.sqlite_schema",
            "SELECT * FROM pragma_table_info('vault__secret')",
            "SELECT * FROM pragma_database_list",
            "SELECT load_extension('x')",
            "SELECT last_insert_rowid()",
            "SELECT total_changes()",
            "SELECT fts3_tokenizer('x')",
            "SELECT * FROM dbstat",
            "SELECT * FROM sqlite_stmt",
            "EXPLAIN PRAGMA table_info(vault__secret)",
            "SELECT * FROM polls__author INDEXED BY vault__x",
        ],
        Some(test_servers::Kind::Postgres) => &[
            "SELECT * FROM public.vault__secret",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT set_config('role', (SELECT rolname FROM pg_roles WHERE rolsuper LIMIT 1), false)",
            "SELECT lo_import('/etc/passwd')",
            "SELECT pg_ls_dir('.')",
            "SELECT rolpassword FROM pg_authid",
            "SELECT query_to_xml('SELECT * FROM vault__secret', true, true, '')",
            "SELECT table_to_xml('vault__secret', true, true, '')",
            "WITH a AS (DELETE FROM vault__secret RETURNING *) SELECT * FROM a",
            "WITH a AS (DELETE FROM polls__author RETURNING *) SELECT * FROM a",
            "SELECT * INTO copy FROM polls__author",
            "SELECT nextval('vault__secret_id_seq')",
            "SELECT '(1,2)'::point",
            "SELECT 'NaN'::numeric",
            "SELECT 1e100::numeric",
        ],
        Some(test_servers::Kind::Mariadb) => &[
            "SELECT * FROM mysql.user",
            "SELECT * FROM mysql.global_priv",
            "SELECT * FROM polls__author INTO OUTFILE '/tmp/bandstand-out'",
            "SELECT * FROM polls__author INTO DUMPFILE '/tmp/bandstand-out'",
            "SELECT 1 FROM polls__author WHERE id IN (SELECT id FROM vault__secret)",
            "SELECT NEXTVAL(vault__x)",
        ],
    };
    for sql in everywhere.iter().chain(here) {
        let error = db.fetch_raw(sql, vec![]).await.map(|table| table.cells).expect_err(sql);
        assert!(matches!(error.code, "invalid-sql" | "access-denied" | "invalid-value"), "{sql}: {error}");
        assert!(!error.message.contains("hidden"), "{sql}: {error}");
    }
    for sql in [
        "INSERT INTO vault__secret (word) VALUES ('x')",
        "INSERT INTO polls__author (name) SELECT word FROM vault__secret",
        "UPDATE vault__secret SET word = 'x'",
        "UPDATE polls__author SET name = (SELECT word FROM vault__secret)",
        "DELETE FROM vault__secret",
        "DELETE FROM polls__author WHERE name IN (SELECT word FROM vault__secret)",
        "DELETE FROM bandstand__account",
        "UPDATE polls__author SET name = 'x'; DELETE FROM vault__secret",
        "CREATE TABLE polls__mine (a int)",
        "ALTER TABLE polls__author ADD COLUMN x int",
        "DROP TABLE polls__author",
        "PRAGMA journal_mode = delete",
        "ATTACH 'x' AS y",
        "SET ROLE postgres",
        "COMMIT",
        "ROLLBACK",
        "COPY polls__author TO '/tmp/bandstand-out'",
        "DO $$ BEGIN END $$",
        "CALL x()",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE polls__author",
        "VACUUM",
    ] {
        let error = db.execute_raw(sql, vec![]).await.map(|change| change.affected).expect_err(sql);
        assert!(matches!(error.code, "invalid-sql" | "access-denied"), "{sql}: {error}");
        assert!(!error.message.contains("hidden"), "{sql}: {error}");
    }
    assert_eq!(owner.one(json!({"v":1,"op":"count","from":"secret"}), vec![]).await, Value::Integer(1));
    assert_eq!(db.one(json!({"v":1,"from":"author","fields":["name"]}), vec![]).await, Value::Text("ann".into()));
}

/// What a statement changes about its session is gone before the next one, and before the app's other statements.
#[tokio::test]
async fn sessions_are_as_they_were() {
    let (change, seen, expected): (&[&str], &str, &str) = match server() {
        None => return,
        Some(test_servers::Kind::Postgres) => (
            &[
                "SELECT set_config('search_path', 'pg_catalog', false)",
                "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
                "SELECT set_config('role', current_user, false)",
                "SELECT pg_advisory_lock(1) IS NULL",
            ],
            "SELECT current_setting('TimeZone') || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1)",
            "UTC0",
        ),
        Some(test_servers::Kind::Mariadb) => (
            &["SELECT @x := 'left'", "SELECT GET_LOCK('bandstand-left', 0)"],
            "SELECT CAST(CONCAT(COALESCE(@x, 'none'), IS_FREE_LOCK('bandstand-left'), @@time_zone) AS char)",
            "none1+00:00",
        ),
    };
    let site = site();
    let db = request(&site);
    db.add("author", json!({"name": "ann"})).await;
    for sql in change {
        db.fetch_raw(sql, vec![]).await.unwrap();
        // Its connection is cleaned when it was given back.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let table = db.fetch_raw(seen, vec![]).await.unwrap();
        assert!(matches!(&table.cells[0], Cell::Text(text) if text == expected), "{sql}: {:?}", table.cells);
        let rows = db.fetch_raw_model("author", "SELECT * FROM polls__author", vec![]).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(db.one(json!({"v":1,"op":"count","from":"author"}), vec![]).await, Value::Integer(1));
    }
}

#[tokio::test]
async fn slow_statements_end_and_leave_others_alone() {
    let site = site();
    let slow = match server() {
        Some(test_servers::Kind::Mariadb) => "SELECT SLEEP(60)",
        None => {
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n, n AS m"
        }
        Some(test_servers::Kind::Postgres) => "SELECT pg_sleep(60)",
    };
    let began = Instant::now();
    let hurried = site.app.for_request(site.context(Limits { db_ms: 200, ..Limits::default() }, grants()));
    let error = hurried.fetch_raw(slow, vec![]).await.unwrap_err();
    assert!(matches!(error.code, "budget" | "timeout"), "{error}");
    let writing = site.app.for_request(site.context(Limits { db_ms: 200, ..Limits::default() }, grants()));
    let insert = match server() {
        Some(test_servers::Kind::Mariadb) => format!("INSERT INTO polls__author (name) {slow}"),
        Some(test_servers::Kind::Postgres) => "WITH a AS (SELECT pg_sleep(60)) INSERT INTO polls__author (name) SELECT 'x' FROM a".into(),
        None => slow.replace("SELECT count(*)", "INSERT INTO polls__author (name) SELECT count(*)"),
    };
    let error = writing.execute_raw(&insert, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("resource")), ("budget", Some("db_ms")));
    if server().is_none() {
        // Its own time isn't used up: what all share is what it held for too long.
        let error = request(&site).execute_raw(&insert, vec![]).await.unwrap_err();
        assert_eq!((error.code, error.detail("limit")), ("timeout", Some("500")), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let db = request(&site);
    db.execute_raw("INSERT INTO polls__author (name) VALUES ('after')", vec![]).await.unwrap();
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"author"}), vec![]).await, Value::Integer(1));
}

#[tokio::test]
async fn rows_bytes_statements_and_values_have_their_limits() {
    let site = site();
    let many = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n";
    let few = site.app.for_request(site.context(Limits { db_rows: 100, ..Limits::default() }, grants()));
    let error = few.fetch_raw(many, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("resource")), ("budget", Some("db_rows")));
    let small = site.app.for_request(site.context(Limits { hostcall_bytes: 4_000, ..Limits::default() }, grants()));
    let error = small.fetch_raw(many, vec![]).await.unwrap_err();
    assert_eq!(error.code, "budget");
    let once = site.app.for_request(site.context(Limits { db_statements: 1, ..Limits::default() }, grants()));
    once.fetch_raw("SELECT 1", vec![]).await.unwrap();
    assert_eq!(code(once.fetch_raw("SELECT 1", vec![]).await), "budget");
    let db = request(&site);
    assert_eq!(code(db.fetch_raw("SELECT ?", vec![Cell::Null; 1_001]).await), "invalid-value");
    for wrong in [
        Cell::Float(f64::NAN),
        text("\0"),
        Cell::Decimal("1e5".into()),
        Cell::Decimal("1".repeat(40)),
        Cell::Uuid(vec![1]),
        Cell::Json("\0".into()),
    ] {
        let error = db.fetch_raw("SELECT ?", vec![wrong.clone()]).await.unwrap_err();
        assert_eq!((error.code, error.detail("parameter")), ("invalid-value", Some("0")), "{wrong:?}");
    }
    for (sql, count) in [("SELECT 1", 1), ("SELECT ?, ?", 1), ("SELECT ?", 0)] {
        let error = db.fetch_raw(sql, vec![Cell::Integer(1); count]).await.unwrap_err();
        assert!(error.code == "invalid-sql" && error.message.contains("places"), "{sql}: {error}");
    }
    assert_eq!(code(db.fetch_raw(&format!("SELECT '{}'", "x".repeat(70_000)), vec![]).await), "invalid-sql");
    // Many texts of one's own keep nothing of others'.
    for number in 0..300 {
        db.fetch_raw(&format!("SELECT {number}"), vec![]).await.unwrap();
        let db = request(&site);
        db.fetch_raw("SELECT 1", vec![]).await.unwrap();
        if number % 100 == 0 {
            db.fetch_raw(&format!("SELECT '{}'", "y".repeat(20_000)), vec![]).await.unwrap();
        }
    }
}
