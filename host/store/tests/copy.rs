//! Copies of a SQLite file that others write to.

// A test says what it expects by unwrapping; this one plays the operator and another process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use host_store::copy::{self, CopyError, Progress};
use host_store::{Datum, Statement, Store, StoreConfig, StoreError};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

const NONE: [Datum<'static>; 0] = [];

fn host(store: &Store, sql: impl Into<Box<str>>) -> Result<u64, StoreError> {
    let statement = Statement::of_host(sql);
    store.sqlite().unwrap().write_as_host(move |work| work.run(&statement, NONE, |_| Ok::<_, StoreError>(())))
}

fn copied(from: &Path, to: &Path) -> Result<copy::Copied, CopyError> {
    copy::copy(from, to, &Arc::default(), &mut |_| {})
}

fn number(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn copies_of_a_busy_file_are_each_of_one_moment_and_hold_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    let store = Store::open(StoreConfig::file(&path)).unwrap();
    host(&store, "CREATE TABLE sum (n INTEGER) STRICT").unwrap();
    host(&store, "INSERT INTO sum VALUES (0)").unwrap();
    host(&store, "CREATE TABLE entry (n INTEGER, filler BLOB) STRICT").unwrap();
    host(&store, "CREATE INDEX entry_n ON entry (bandstand_lower(n))").unwrap();
    // Large enough that a copy takes many steps.
    let fill = "INSERT INTO entry SELECT 0, randomblob(4000) FROM json_each('[' || substr(replace(hex(zeroblob(2000)), '0', '0,'), 1, 7999) || ']')";
    host(&store, fill).unwrap();
    let (acknowledged, done) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = std::thread::spawn({
        let (store, acknowledged, done) = (store.clone(), acknowledged.clone(), done.clone());
        move || {
            let entry = Statement::of_host("INSERT INTO entry VALUES (1, randomblob(2000))");
            let sum = Statement::of_host("UPDATE sum SET n = n + 1");
            let (entry, sum) = (Arc::new(entry), Arc::new(sum));
            while !done.load(Ordering::Relaxed) {
                let (entry, sum) = (entry.clone(), sum.clone());
                let both = move |work: &mut host_store::Work<'_>| {
                    work.run(&entry, NONE, |_| Ok::<_, StoreError>(()))?;
                    work.run(&sum, NONE, |_| Ok::<_, StoreError>(()))
                };
                store.sqlite().unwrap().write_as_host(both).unwrap();
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let mut highest = 0;
    for round in 0..5 {
        let to = folder.path().join(format!("copy-{round}.db"));
        let before = acknowledged.load(Ordering::SeqCst);
        let (mut steps, mut last) = (0, 0);
        let copied = copy::copy(&path, &to, &Arc::default(), &mut |progress| {
            if let Progress::Copying { done, total } = progress {
                assert!(done <= total && total > 8 << 20, "{done} of {total}");
                assert!(done >= last, "the copy began again, as it would at every write");
                (steps, last) = (steps + 1, done);
                // Somebody writes between the steps.
                let (seen, patience) = (acknowledged.load(Ordering::SeqCst), Instant::now());
                while steps <= 5 && acknowledged.load(Ordering::SeqCst) == seen {
                    assert!(patience.elapsed() < Duration::from_secs(60), "nobody can write while it is copied");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        })
        .unwrap();
        assert!(steps > 5, "{steps}");
        assert_eq!(copied.notes, [""; 0]);
        assert_eq!(copied.bytes, to.metadata().unwrap().len());
        assert!(!to.with_extension("db-wal").exists());
        let (sum, entries) = (number(&to, "SELECT n FROM sum"), number(&to, "SELECT count(*) FROM entry WHERE n = 1"));
        assert_eq!(sum, entries, "half a transaction");
        assert!(sum >= before, "{before} were acknowledged before, and {sum} are there");
        assert!(sum >= highest);
        highest = sum;
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(acknowledged.load(Ordering::SeqCst) > highest, "nobody wrote while it was copied");
}

#[test]
fn what_a_killed_host_left_in_its_log_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (path, killed) = (folder.path().join("site.db"), folder.path().join("killed.db"));
    let writing = Connection::open(&path).unwrap();
    writing.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n); INSERT INTO t VALUES (7)").unwrap();
    // As the files lie after a crash: a log that nobody moved into the file, and no index of it.
    std::fs::copy(&path, &killed).unwrap();
    std::fs::copy(folder.path().join("site.db-wal"), folder.path().join("killed.db-wal")).unwrap();
    let to = folder.path().join("copy.db");
    copied(&killed, &to).unwrap();
    assert_eq!(number(&to, "SELECT n FROM t"), 7);
}

#[test]
fn the_size_of_a_copy_is_known_before_it_is_made_also_while_all_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("site.db"), folder.path().join("copy.db"));
    let shell = Connection::open(&path).unwrap();
    let one = "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (b BLOB)";
    shell.execute_batch(one).unwrap();
    // The same pages several times over, which the copy has once.
    for _ in 0..3 {
        shell.execute_batch("DELETE FROM t; INSERT INTO t VALUES (randomblob(1000000))").unwrap();
    }
    let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
    let size = copy::size(&path).unwrap();
    assert!(bytes(&path) < 10_000 && bytes(&path.with_extension("db-wal")) > 2_000_000);
    assert_eq!(copied(&path, &to).unwrap().bytes, size);
    assert_eq!(bytes(&to), size);
}

#[test]
fn whoever_stops_a_copy_isnt_kept_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob(20000000))").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = copy::copy(&path, &folder.path().join("one.db"), &stop, &mut |progress| {
        assert_ne!(progress, Progress::Examining);
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(stopped, Err(CopyError::Stopped));
    // Also while the copy is examined.
    connection.execute_batch("CREATE INDEX i ON t (length(b)); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 50000) INSERT INTO t SELECT i FROM n").unwrap();
    stop.store(false, Ordering::Relaxed);
    let stopped = copy::copy(&path, &folder.path().join("two.db"), &stop, &mut |progress| {
        stop.store(progress == Progress::Examining, Ordering::Relaxed);
    });
    assert_eq!(stopped, Err(CopyError::Stopped));
}

#[test]
fn damage_is_found_and_what_leads_nowhere_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "PRAGMA foreign_keys = OFF; CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent (id));
             INSERT INTO child VALUES (1, 5), (2, 6); CREATE INDEX child_parent ON child (parent);",
        )
        .unwrap();
    let copy = copied(&path, &folder.path().join("one.db")).unwrap();
    assert_eq!(copy.notes, ["has 2 rows with a key that leads nowhere, in child"]);

    // A row that its index doesn't know.
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX child_parent ON child (id + 1)' WHERE name = 'child_parent'",
        )
        .unwrap();
    let damaged = copied(&path, &folder.path().join("two.db")).unwrap_err();
    assert!(matches!(&damaged, CopyError::Damaged(words) if words.contains("child_parent")), "{damaged}");

    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, but more than a hundred bytes of something else. ".repeat(20)).unwrap();
    let refused = copied(&text, &folder.path().join("three.db")).unwrap_err();
    assert!(matches!(refused, CopyError::Damaged(_)), "{refused}");
    let missing = copied(&folder.path().join("missing.db"), &folder.path().join("four.db")).unwrap_err();
    assert!(matches!(missing, CopyError::Store(_)), "{missing}");
}

#[test]
fn a_function_that_only_its_maker_knows_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    let connection = Connection::open(&path).unwrap();
    let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function("elsewhere", 1, flags, |context| context.get::<i64>(0)).unwrap();
    connection
        .execute_batch("CREATE TABLE t (n); CREATE INDEX i ON t (elsewhere(n)); INSERT INTO t VALUES (1), (2)")
        .unwrap();
    let copy = copied(&path, &folder.path().join("copy.db")).unwrap();
    assert!(matches!(&copy.notes[..], [note] if note.contains("elsewhere")), "{:?}", copy.notes);
    assert_eq!(number(&folder.path().join("copy.db"), "SELECT count(*) FROM t"), 2);
}

/// What another process says of the file: the locks of one process don't stop itself.
fn asked(path: &Path) -> String {
    let asked = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["asks_from_another_process", "--exact", "--ignored", "--nocapture"])
        .env("ASK", path)
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    String::from_utf8(asked.stdout).unwrap()
}

#[test]
#[ignore = "started by other tests"]
fn asks_from_another_process() {
    let path = std::env::var_os("ASK").unwrap();
    let to = tempfile::tempdir().unwrap();
    println!("open elsewhere: {}", copy::is_open_elsewhere(Path::new(&path)).unwrap());
    println!("copied: {:?}", copied(Path::new(&path), &to.path().join("copy.db")).map(|copied| copied.notes));
}

#[test]
fn who_else_has_a_file_open_is_seen_and_one_that_a_host_has_alone_isnt_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    for (exclusive, copied) in [(false, "copied: Ok([])"), (true, "copied: Err(Held)")] {
        let store = Store::open(StoreConfig { exclusive, ..StoreConfig::file(&path) }).unwrap();
        host(&store, "CREATE TABLE IF NOT EXISTS t (n INTEGER) STRICT").unwrap();
        let said = asked(&path);
        assert!(said.contains("open elsewhere: true") && said.contains(copied), "{said}");
        drop(store);
        let said = asked(&path);
        assert!(said.contains("open elsewhere: false") && said.contains("copied: Ok([])"), "{said}");
    }
}

#[test]
fn looking_who_has_a_file_open_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, killed) = (folder.path().join("site.db"), folder.path().join("killed.db"));
    let wal = Connection::open(&path).unwrap();
    wal.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n); INSERT INTO t VALUES (1)").unwrap();
    // What a crash left in the log stays there.
    std::fs::copy(&path, &killed).unwrap();
    std::fs::copy(folder.path().join("site.db-wal"), folder.path().join("killed.db-wal")).unwrap();
    let bytes = std::fs::read(&killed).unwrap();
    assert_eq!(copy::is_open_elsewhere(&killed), Ok(false));
    assert_eq!(std::fs::read(&killed).unwrap(), bytes);
    assert_eq!(number(&killed, "SELECT count(*) FROM t"), 1);
}
