//! The store as its callers see it: the wall, the one writer, deadlines, a full disk.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::name::AppId;
use host_store::{Constraint, Datum, Owner, Statement, Store, StoreConfig, StoreError, Until};

const NONE: [Datum<'static>; 0] = [];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A store with the apps `a` and `b`, which have a table `t` each.
fn open(config: StoreConfig) -> (Arc<Store>, Arc<Owner>, Arc<Owner>) {
    let store = Store::open(config).unwrap();
    for sql in [
        "CREATE TABLE a__t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE, s TEXT) STRICT",
        "CREATE TABLE b__t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE, s TEXT) STRICT",
        "CREATE TABLE a__child (id INTEGER PRIMARY KEY, t INTEGER REFERENCES a__t (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
    ] {
        host(&store, sql).unwrap();
    }
    let owner = |name: &str, tables: &[&str]| {
        store.owner(&AppId::new(name).unwrap(), tables.iter().map(|table| (*table).to_owned()))
    };
    let (a, b) = (owner("a", &["a__t", "a__child"]), owner("b", &["b__t"]));
    (store, a, b)
}

fn host(store: &Store, sql: &str) -> Result<u64, StoreError> {
    let statement = Statement::of_host(sql);
    store.sqlite().unwrap().write_as_host(move |work| work.run(&statement, NONE, |_| Ok::<_, StoreError>(())))
}

async fn write(store: &Store, owner: &Arc<Owner>, sql: &str) -> Result<u64, StoreError> {
    let statement = Statement::of_app(owner, sql);
    store
        .sqlite()
        .unwrap()
        .write(owner, soon(), move |work| work.run(&statement, NONE, |_| Ok::<_, StoreError>(())))
        .await
}

fn read(store: &Store, owner: &Arc<Owner>, sql: &str) -> Result<i64, StoreError> {
    let statement = Statement::of_app(owner, sql);
    read_statement(store, &statement)
}

fn read_statement(store: &Store, statement: &Statement) -> Result<i64, StoreError> {
    let mut number = i64::MIN;
    let result = store.sqlite().unwrap().read_inline(|session| {
        session.run(statement, Until::deadline(soon()), NONE, |row| {
            if let Datum::Integer(cell) = row.get(0).unwrap() {
                number = cell;
            }
            Ok::<_, StoreError>(())
        })
    });
    result.expect("a free connection").unwrap().map(|_| number)
}

fn count(store: &Store, owner: &Arc<Owner>) -> i64 {
    read(store, owner, &format!("SELECT count(*) FROM {}__t", owner.app())).unwrap()
}

#[tokio::test]
async fn an_app_reaches_its_own_tables_and_nothing_else() {
    let (store, a, b) = open(StoreConfig::temporary());
    write(&store, &a, "INSERT INTO a__t (n) VALUES (1)").await.unwrap();
    write(&store, &b, "INSERT INTO b__t (n) VALUES (2)").await.unwrap();
    let refused = [
        "SELECT * FROM b__t",
        "SELECT count(*) FROM b__t",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM b__t)",
        "SELECT n FROM a__t WHERE n IN (SELECT n FROM b__t)",
        "SELECT n FROM a__t ORDER BY (SELECT n FROM b__t)",
        "SELECT a.n FROM a__t a JOIN b__t b ON a.n = b.n",
        "SELECT n FROM a__t UNION SELECT n FROM b__t",
        "WITH x AS (SELECT * FROM b__t) SELECT * FROM x",
        "WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT count(*) FROM x",
        "INSERT INTO a__t (n) SELECT n FROM b__t",
        "INSERT INTO b__t (n) VALUES (9)",
        "INSERT INTO a__t (n) VALUES (5) RETURNING (SELECT max(n) FROM b__t)",
        "UPDATE b__t SET n = 1",
        "UPDATE a__t SET n = (SELECT n FROM b__t)",
        "DELETE FROM b__t",
        "DELETE FROM a__t WHERE id IN (SELECT id FROM b__t)",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM sqlite_temp_schema",
        "SELECT name FROM pragma_table_info('b__t')",
        "PRAGMA table_info(b__t)",
        "PRAGMA query_only = 0",
        "PRAGMA writable_schema = 1",
        "ATTACH DATABASE ':memory:' AS x",
        "DETACH DATABASE main",
        "CREATE TABLE a__new (x)",
        "CREATE TEMP TABLE x (y)",
        "CREATE VIEW v AS SELECT * FROM b__t",
        "CREATE TRIGGER g AFTER INSERT ON a__t BEGIN DELETE FROM b__t; END",
        "CREATE INDEX i ON a__t (s)",
        "CREATE VIRTUAL TABLE v USING fts5(x)",
        "DROP TABLE a__t",
        "ALTER TABLE a__t ADD COLUMN x",
        "ANALYZE",
        "REINDEX",
        "VACUUM",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT x",
        "SELECT load_extension('x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000)",
        "SELECT printf('%1000000000d', 1)",
        "SELECT sqlite_version()",
        "SELECT last_insert_rowid()",
        "SELECT group_concat(s) FROM a__t",
        "SELECT replace(s, 'a', 'b') FROM a__t",
        "SELECT s FROM a__t WHERE s LIKE '%a%'",
        "SELECT s FROM a__t WHERE s GLOB '*a*'",
        "SELECT value FROM json_each('[1]')",
        "SELECT * FROM dbstat",
        "EXPLAIN SELECT * FROM b__t",
    ];
    for sql in refused {
        for result in [read(&store, &a, sql).map(drop), write(&store, &a, sql).await.map(drop)] {
            let error = result.expect_err(sql);
            assert!(
                matches!(error, StoreError::Denied(_) | StoreError::Internal(_) | StoreError::ReadOnly(_)),
                "{sql}: {error:?}"
            );
        }
    }
    assert_eq!((count(&store, &a), count(&store, &b)), (1, 1));
    assert_eq!(read(&store, &b, "SELECT n FROM b__t"), Ok(2));
    // What is allowed stays allowed after all of that, on the same connections.
    write(&store, &a, "UPDATE a__t SET n = n + 1 WHERE id IN (SELECT id FROM a__t)").await.unwrap();
    assert_eq!(read(&store, &a, "SELECT n FROM a__t WHERE EXISTS (SELECT 1 FROM a__child) IS NOT TRUE"), Ok(2));
}

#[tokio::test]
async fn a_statement_that_is_kept_runs_for_nobody_else() {
    let (store, a, b) = open(StoreConfig { inline_readers: 1, ..StoreConfig::temporary() });
    let sql = "SELECT count(*) FROM a__t";
    let own = Statement::of_app(&a, sql);
    assert_eq!(read_statement(&store, &own), Ok(0));
    assert!(matches!(read(&store, &b, sql), Err(StoreError::Denied(_))), "the same text, the same connection");
    assert_eq!(read_statement(&store, &own), Ok(0));
    // A change of the schema makes SQLite prepare it again inside its next run: the wall has to know the right app then.
    host(&store, "ALTER TABLE a__t ADD COLUMN extra INTEGER").unwrap();
    assert_eq!(read_statement(&store, &own), Ok(0));
    // More statements than are kept.
    for n in 0..600 {
        assert_eq!(read(&store, &a, &format!("SELECT {n}")), Ok(n));
    }
    assert_eq!(read_statement(&store, &own), Ok(0));
}

/// Too many steps for any test's patience.
const ENDLESS: &str = "UPDATE a__t SET s = 'x' WHERE (SELECT count(*) FROM a__t x, a__t y, a__t z, a__t u, a__t v) = 0";

async fn fill(store: &Store, owner: &Arc<Owner>, rows: i64) {
    let statement = Statement::of_app(owner, format!("INSERT INTO {}__t (n) VALUES (?)", owner.app()));
    let all = move |work: &mut host_store::Work<'_>| {
        (0..rows).try_for_each(|n| work.run(&statement, [Datum::Integer(n)], |_| Ok(())).map(drop))
    };
    store.sqlite().unwrap().write(owner, soon(), all).await.map_err(|e: StoreError| e).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_in_a_commit_do_not_feel_each_other() {
    let (store, a, b) = open(StoreConfig { write_ms: 100, ..StoreConfig::temporary() });
    fill(&store, &a, 200).await;
    // Something holds the writer, so that the others pile up and are committed together.
    let lease = store.sqlite().unwrap().lease(&a, None, soon()).await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..40 {
        let (store, a, b) = (store.clone(), a.clone(), b.clone());
        tasks.push(tokio::spawn(async move {
            match n % 4 {
                0 => write(&store, &a, ENDLESS).await.map(|_| n),
                1 => write(&store, &b, "INSERT INTO b__t (n) VALUES (7)").await.map(|_| n),
                2 => write(&store, &b, &format!("INSERT INTO b__t (n) VALUES ({})", 1_000 + n)).await.map(|_| n),
                _ => write(&store, &a, &format!("INSERT INTO a__child (t) VALUES ({})", 5_000 + n)).await.map(|_| n),
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(lease);
    let (mut sevens, mut good) = (0, 0);
    for (n, task) in tasks.into_iter().enumerate() {
        let result = task.await.unwrap();
        match n % 4 {
            0 => assert_eq!(result, Err(StoreError::Timeout), "write {n}"),
            1 => match result {
                Ok(_) => sevens += 1,
                Err(error) => {
                    assert!(matches!(error, StoreError::Constraint { kind: Constraint::Unique, .. }), "{error:?}");
                }
            },
            2 => {
                assert_eq!(result, Ok(i32::try_from(n).unwrap()));
                good += 1;
            }
            _ => assert!(
                matches!(result, Err(StoreError::Constraint { kind: Constraint::ForeignKey, .. })),
                "{result:?}"
            ),
        }
    }
    assert_eq!((sevens, good), (1, 10));
    assert_eq!(count(&store, &b), 11);
    assert_eq!(read(&store, &a, "SELECT count(*) FROM a__child"), Ok(0));
    assert_eq!(read(&store, &a, "SELECT count(*) FROM a__t WHERE s IS NOT NULL"), Ok(0));
}

#[tokio::test]
async fn a_panic_in_a_write_or_a_read_is_an_error_and_the_next_one_works() {
    let (store, a, _) = open(StoreConfig { readers: 1, ..StoreConfig::temporary() });
    let result =
        store.sqlite().unwrap().write(&a, soon(), |_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(matches!(result, Err(StoreError::Internal(_))));
    let result = store.sqlite().unwrap().read(&a, soon(), |_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(matches!(result, Err(StoreError::Internal(_))));
    let lease = store.sqlite().unwrap().lease(&a, None, soon()).await.unwrap();
    let result = lease.run(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(result.is_err());
    write(&store, &a, "INSERT INTO a__t (n) VALUES (1)").await.unwrap();
    let statement = Statement::of_app(&a, "SELECT count(*) FROM a__t");
    store
        .sqlite()
        .unwrap()
        .read(&a, soon(), move |session| {
            session.run(&statement, Until::deadline(soon()), NONE, |_| Ok::<_, StoreError>(()))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn reads_end_by_their_deadline_their_steps_or_their_loss_of_interest() {
    let (store, a, _) = open(StoreConfig { readers: 1, ..StoreConfig::temporary() });
    fill(&store, &a, 200).await;
    let endless = Arc::new(Statement::of_app(&a, "SELECT count(*) FROM a__t x, a__t y, a__t z, a__t u, a__t v"));
    let run = |until: Until| {
        let endless = endless.clone();
        move |session: &mut host_store::Session| session.run(&endless, until, NONE, |_| Ok::<_, StoreError>(()))
    };
    let began = Instant::now();
    let short = store.sqlite().unwrap().read_inline(run(Until::short(soon(), 10))).unwrap().unwrap();
    assert_eq!(short, Err(StoreError::NotShort));
    let late = Until::deadline(Instant::now() + Duration::from_millis(30));
    assert_eq!(store.sqlite().unwrap().read(&a, soon(), run(late)).await, Err(StoreError::Timeout));
    // Dropped while it runs: the thread is soon free for the next.
    let dropped = tokio::time::timeout(
        Duration::from_millis(30),
        store.sqlite().unwrap().read(&a, soon(), run(Until::deadline(soon()))),
    )
    .await;
    assert!(dropped.is_err());
    let statement = Statement::of_app(&a, "SELECT 1");
    store
        .sqlite()
        .unwrap()
        .read(&a, soon(), move |session| {
            session.run(&statement, Until::deadline(soon()), NONE, |_| Ok::<_, StoreError>(()))
        })
        .await
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Waiting has an end too, and then nothing was done.
    let blocking = tokio::spawn({
        let (store, a) = (store.clone(), a.clone());
        let read = run(Until::deadline(Instant::now() + Duration::from_millis(300)));
        async move { store.sqlite().unwrap().read(&a, soon(), read).await }
    });
    tokio::task::yield_now().await;
    let wait = Instant::now() + Duration::from_millis(20);
    let busy =
        store.sqlite().unwrap().read(&a, wait, |_| -> Result<(), StoreError> { panic!("it must not run") }).await;
    assert!(matches!(busy, Err(StoreError::Busy(_))));
    assert_eq!(blocking.await.unwrap(), Err(StoreError::Timeout));
}

#[tokio::test]
async fn a_full_queue_says_busy_and_leaves_room_for_others() {
    let (store, a, b) = open(StoreConfig { max_waiting: 8, ..StoreConfig::temporary() });
    let lease = store.sqlite().unwrap().lease(&a, None, soon()).await.unwrap();
    let mut waiting = Vec::new();
    for n in 0..4 {
        let (store, a) = (store.clone(), a.clone());
        waiting
            .push(tokio::spawn(async move { write(&store, &a, &format!("INSERT INTO a__t (n) VALUES ({n})")).await }));
    }
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(matches!(write(&store, &a, "DELETE FROM a__t").await, Err(StoreError::Busy(_))));
    let other = tokio::spawn({
        let (store, b) = (store.clone(), b.clone());
        async move { write(&store, &b, "INSERT INTO b__t (n) VALUES (1)").await }
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    lease.rollback().await.unwrap();
    for task in waiting.into_iter().chain([other]) {
        task.await.unwrap().unwrap();
    }
    assert_eq!((count(&store, &a), count(&store, &b)), (4, 1));
}

#[tokio::test]
async fn another_programs_lock_is_busy_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    let (store, a, _) = open(StoreConfig { lock_wait_ms: 50, ..StoreConfig::file(&path) });
    let shell = rusqlite::Connection::open(&path).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(write(&store, &a, "INSERT INTO a__t (n) VALUES (1)").await, Err(StoreError::Busy(_))));
    assert!(matches!(store.sqlite().unwrap().lease(&a, None, soon()).await.map(drop), Err(StoreError::Busy(_))));
    assert_eq!(count(&store, &a), 0, "reads go on");
    shell.execute_batch("COMMIT").unwrap();
    write(&store, &a, "INSERT INTO a__t (n) VALUES (1)").await.unwrap();
    assert_eq!(count(&store, &a), 1);
}

const PATH: &str = "STORE_TEST_PATH";

/// Not a test: another program that opens the file. It succeeds where it can read.
#[test]
#[ignore = "run by `an_exclusive_store_keeps_other_programs_out`"]
#[allow(clippy::disallowed_methods, reason = "the parent says where by the environment")]
fn another_program() {
    let Ok(path) = std::env::var(PATH) else { return };
    let shell = rusqlite::Connection::open(path).unwrap();
    shell.busy_timeout(Duration::ZERO).unwrap();
    shell.query_row("SELECT count(*) FROM a__t", [], |row| row.get::<_, i64>(0)).unwrap();
}

#[allow(clippy::disallowed_methods, reason = "locks hold between processes, so it starts itself as the other one")]
fn another_program_can_read(path: &std::path::Path) -> bool {
    let mut other = std::process::Command::new(std::env::current_exe().unwrap());
    other.args(["--ignored", "--exact", "another_program"]).env(PATH, path);
    other.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap().success()
}

#[tokio::test]
async fn an_exclusive_store_keeps_other_programs_out() {
    let directory = tempfile::tempdir().unwrap();
    for exclusive in [true, false] {
        let path = directory.path().join(format!("{exclusive}.db"));
        let (store, a, _) = open(StoreConfig { exclusive, ..StoreConfig::file(&path) });
        write(&store, &a, "INSERT INTO a__t (n) VALUES (1)").await.unwrap();
        assert_eq!(another_program_can_read(&path), !exclusive);
        let statement = Statement::of_app(&a, "SELECT count(*) FROM a__t");
        let threaded = move |session: &mut host_store::Session| {
            let mut number = 0;
            session.run(&statement, Until::deadline(soon()), NONE, |row| {
                number = row.get(0).unwrap().as_integer().unwrap();
                Ok::<_, StoreError>(())
            })?;
            Ok::<i64, StoreError>(number)
        };
        assert_eq!(store.sqlite().unwrap().read(&a, soon(), threaded).await, Ok(1));
        assert_eq!(count(&store, &a), 1);
        drop((store, a));
        assert!(another_program_can_read(&path), "the lock goes with the store");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_keeps_reads_and_recovers() {
    let (store, a, _) = open(StoreConfig::temporary());
    host(&store, "PRAGMA max_page_count = 12").unwrap();
    let insert = format!("INSERT INTO a__t (s) VALUES ('{}')", "x".repeat(3_000));
    let mut rows = 0;
    let error = loop {
        match write(&store, &a, &insert).await {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
        assert!(rows < 100, "it fills");
    };
    assert_eq!(error, StoreError::Full);
    assert_eq!(count(&store, &a), rows);
    write(&store, &a, "DELETE FROM a__t WHERE id = 1").await.expect("room can be made");
    host(&store, "PRAGMA max_page_count = 100000").unwrap();
    write(&store, &a, &insert).await.unwrap();
    assert_eq!(count(&store, &a), rows);
}

#[tokio::test]
async fn values_have_a_largest_size() {
    let (store, a, _) = open(StoreConfig { max_value_bytes: 64 << 10, ..StoreConfig::temporary() });
    let text = "x".repeat(70_000);
    let statement = Statement::of_app(&a, "INSERT INTO a__t (s) VALUES (?)");
    let insert = move |work: &mut host_store::Work<'_>| {
        work.run(&statement, [Datum::Text(text.as_bytes())], |_| Ok::<_, StoreError>(()))
    };
    assert_eq!(store.sqlite().unwrap().write(&a, soon(), insert).await, Err(StoreError::TooBig(64 << 10)));
}

#[tokio::test]
async fn text_functions_know_case_and_stay_fast() {
    let (store, a, _) = open(StoreConfig::temporary());
    let truth = |call: &str| read(&store, &a, &format!("SELECT bandstand_{call}")).unwrap();
    for (call, expected) in [
        ("contains('Hello', 'ell')", 1),
        ("contains('Hello', 'ELL')", 0),
        ("icontains('Hello', 'ELL')", 1),
        ("contains('a%b', '%')", 1),
        ("contains('ab', '%')", 0),
        ("contains('x', '')", 1),
        ("icontains('', '')", 1),
        ("startswith('Hello', 'He')", 1),
        ("startswith('Hello', 'he')", 0),
        ("istartswith('Hello', 'hE')", 1),
        ("istartswith('é', 'éé')", 0),
        ("endswith('Hello', 'lo')", 1),
        ("endswith('Hello', 'LO')", 0),
        ("iendswith('Hello', 'LO')", 1),
        ("iendswith('o', 'LO')", 0),
        ("iexact('Hello', 'hELLO')", 1),
        ("iexact('Ä', 'ä')", 1),
        ("contains(NULL, 'x') IS NULL", 1),
        ("contains('x', NULL) IS NULL", 1),
    ] {
        assert_eq!(truth(call), expected, "{call}");
    }
    // What takes SQLite's own functions minutes: a text and a needle that almost match everywhere.
    let statement = Statement::of_app(&a, "SELECT bandstand_contains(?, ?), bandstand_icontains(?, ?)");
    let (text, needle) = ("a".repeat(4_000_000), format!("{}b", "a".repeat(1_000_000)));
    let began = Instant::now();
    let params = [&text, &needle, &text, &needle].map(|text| Datum::Text(text.as_bytes()));
    let ran = store
        .sqlite()
        .unwrap()
        .read_inline(|session| session.run(&statement, Until::deadline(soon()), params, |_| Ok::<_, StoreError>(())));
    ran.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (config, word) in [
        (StoreConfig { readers: 0, ..StoreConfig::default() }, "readers"),
        (StoreConfig { inline_readers: 0, ..StoreConfig::default() }, "inline_readers"),
        (StoreConfig { max_value_bytes: 10, ..StoreConfig::default() }, "max_value_bytes"),
        (StoreConfig { max_waiting: 0, ..StoreConfig::default() }, "max_waiting"),
        (StoreConfig { transaction_idle_ms: 0, ..StoreConfig::default() }, "transaction_idle_ms"),
    ] {
        let error = Store::open(config).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let here = Store::open(StoreConfig::file("/proc/nowhere/site.db")).unwrap_err();
    assert!(here.to_string().contains("/proc/nowhere"), "{here}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not.db");
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
    let garbage = rusqlite::Connection::open(directory.path().join("other.db")).unwrap();
    drop(garbage);
    Store::open(StoreConfig::file(&path)).expect("an empty file becomes a database");
}

#[tokio::test]
async fn a_dropped_store_finishes_and_its_temporary_files_go() {
    let (store, a, _) = open(StoreConfig::temporary());
    let path = store.sqlite().unwrap().path().to_owned();
    write(&store, &a, "INSERT INTO a__t (n) VALUES (1)").await.unwrap();
    assert!(path.exists());
    drop(store);
    assert!(!path.exists());
}
