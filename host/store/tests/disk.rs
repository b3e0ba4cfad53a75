//! A disk without room, a log that readers keep from beginning anew, and a file that another program has locked.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use host_core::name::AppId;
use host_store::{Datum, Keeper, Owner, Session, Statement, Store, StoreConfig, StoreError, Until, Work};
use rustix::process::{Resource, Rlimit};

const NONE: [Datum<'static>; 0] = [];

/// Where the test that starts itself again has its database.
const PATH: &str = "STORE_DISK_TEST_PATH";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn open(config: StoreConfig) -> (Arc<Store>, Arc<Owner>) {
    let store = Store::open(config).unwrap();
    let create = Statement::of_host("CREATE TABLE IF NOT EXISTS a__t (id INTEGER PRIMARY KEY, s TEXT) STRICT");
    store.sqlite().unwrap().write_as_host(move |work| run(work, &create)).unwrap();
    let owner = store.owner(&AppId::new("a").unwrap(), ["a__t".to_owned()]);
    (store, owner)
}

fn run(work: &mut Work<'_>, statement: &Statement) -> Result<u64, StoreError> {
    work.run(statement, NONE, |_| Ok(()))
}

async fn write(store: &Store, owner: &Arc<Owner>, sql: impl Into<String>) -> Result<u64, StoreError> {
    let statement = Statement::of_app(owner, sql.into());
    store.sqlite().unwrap().write(owner, soon(), move |work| run(work, &statement)).await
}

async fn add(store: &Store, owner: &Arc<Owner>, bytes: usize) -> Result<u64, StoreError> {
    write(store, owner, format!("INSERT INTO a__t (s) VALUES ('{}')", "x".repeat(bytes))).await
}

fn count(store: &Store, owner: &Arc<Owner>) -> i64 {
    let statement = Statement::of_app(owner, "SELECT count(*) FROM a__t");
    let mut number = -1;
    let read = store.sqlite().unwrap().read_inline(|session| {
        session.run(&statement, Until::deadline(soon()), NONE, |row| {
            number = row.get(0)?.as_integer().unwrap();
            Ok::<_, StoreError>(())
        })
    });
    read.unwrap().unwrap().unwrap();
    number
}

fn sound(path: &Path) {
    let shell = rusqlite::Connection::open(path).unwrap();
    let verdict: String = shell.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("db-wal")).map_or(0, |file| file.len())
}

/// Starts one of the ignored tests below as a process of its own, which must succeed.
#[allow(
    clippy::disallowed_methods,
    reason = "limits and locks are a process's own, so it starts itself as another one"
)]
fn alone(test: &str, path: &Path) {
    // A write past the limit is an error then, not the end of the process.
    let mut child = Command::new("sh");
    child.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "--nocapture", test]).env(PATH, path);
    assert!(child.status().unwrap().success(), "{test}");
}

#[allow(clippy::disallowed_methods, reason = "the parent says where by the environment")]
fn path() -> Option<std::path::PathBuf> {
    std::env::var_os(PATH).map(Into::into)
}

/// No file may grow past so many bytes; `None` takes the limit away.
fn room(bytes: Option<u64>) {
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

/// Not a test: the disk has no room for the log any more.
#[tokio::test]
#[ignore = "run by `a_disk_without_room_for_the_log`"]
async fn the_log_finds_no_room() {
    let Some(path) = path() else { return };
    let (store, owner) = open(StoreConfig::file(&path));
    add(&store, &owner, 2_000).await.unwrap();
    room(Some(400 << 10));
    let mut rows = 1;
    let error = loop {
        match add(&store, &owner, 20_000).await {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
        assert!(rows < 100, "it fills");
    };
    assert_eq!(error, StoreError::Full);
    assert_eq!(count(&store, &owner), rows, "what failed is undone, what was acknowledged is there");
    // The log was carried over and begins anew, which takes no more of the disk.
    write(&store, &owner, "DELETE FROM a__t WHERE id <= 3").await.expect("room can be made");
    add(&store, &owner, 2_000).await.expect("and used");
    rows += 1 - 3;
    // In a transaction's commit and in one of its statements.
    for rows in [20, 200] {
        let lease = store.sqlite().unwrap().lease(&owner, None, soon()).await.unwrap();
        let statement = Statement::of_app(&owner, format!("INSERT INTO a__t (s) VALUES ('{}')", "y".repeat(20_000)));
        let filled = lease.run(move |work| (0..rows).try_for_each(|_| run(work, &statement).map(drop))).await;
        let ended = match filled {
            Ok(()) => lease.commit().await,
            failed => failed,
        };
        assert_eq!(ended, Err(StoreError::Full), "{rows} rows");
    }
    assert_eq!(count(&store, &owner), rows);
    room(None);
    add(&store, &owner, 20_000).await.expect("there is room again");
    assert_eq!(count(&store, &owner), rows + 1);
}

#[test]
fn a_disk_without_room_for_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    alone("the_log_finds_no_room", &path);
    sound(&path);
}

/// Not a test: the log can't be carried over, since the database can't grow.
#[tokio::test]
#[ignore = "run by `a_disk_without_room_for_the_database`"]
async fn the_database_finds_no_room() {
    let Some(path) = path() else { return };
    let (store, owner) = open(StoreConfig::file(&path));
    for _ in 0..100 {
        add(&store, &owner, 50_000).await.unwrap();
    }
    let before = std::fs::metadata(&path).unwrap().len();
    assert!(before > 3 << 20, "it was carried over: {before}");
    // Room for the log of what follows, none for the database.
    room(Some(before));
    let mut rows = 100;
    while add(&store, &owner, 50_000).await.is_ok() {
        rows += 1;
        assert!(rows < 1_000, "it fills");
    }
    assert_eq!(add(&store, &owner, 50_000).await, Err(StoreError::Full));
    assert_eq!(count(&store, &owner), rows);
    room(None);
    for _ in 0..100 {
        add(&store, &owner, 50_000).await.unwrap();
    }
    assert_eq!(count(&store, &owner), rows + 100);
    assert!(log_bytes(&path) < 10 << 20, "{}", log_bytes(&path));
}

#[test]
fn a_disk_without_room_for_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    alone("the_database_finds_no_room", &path);
    sound(&path);
}

/// Not a test: another program that keeps the file locked until its input ends.
#[test]
#[ignore = "run by `a_lock_of_another_process_is_busy_in_time_and_passes`"]
fn another_program_with_the_lock() {
    let Some(path) = path() else { return };
    let shell = rusqlite::Connection::open(path).unwrap();
    shell.execute_batch("BEGIN EXCLUSIVE; DELETE FROM a__t").unwrap();
    println!("\nlocked");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    shell.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "locks hold between processes, so it starts itself as the other one")]
async fn a_lock_of_another_process_is_busy_in_time_and_passes() {
    use std::io::{BufRead, BufReader};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    let (store, owner) = open(StoreConfig { lock_wait_ms: 200, ..StoreConfig::file(&path) });
    add(&store, &owner, 10).await.unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "another_program_with_the_lock"])
        .env(PATH, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept open: what the other one prints at its end has to go somewhere.
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "locked"));
    let began = Instant::now();
    let several = (0..20).map(|_| add(&store, &owner, 10));
    for result in futures::future::join_all(several).await {
        assert!(matches!(result, Err(StoreError::Busy(_))), "{result:?}");
    }
    assert!(matches!(store.sqlite().unwrap().lease(&owner, None, soon()).await.map(drop), Err(StoreError::Busy(_))));
    // Those that wait together wait once.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(count(&store, &owner), 1, "reads go on");
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    add(&store, &owner, 10).await.unwrap();
    assert_eq!(count(&store, &owner), 2);
}

/// Keeps a reading thread until it is told to give it back.
struct Kept {
    wanted: AtomicBool,
    since: Instant,
}

impl Keeper for Kept {
    fn idle_since(&self) -> Option<Instant> {
        self.wanted.load(Ordering::SeqCst).then_some(self.since)
    }

    fn give_back(&self) {
        self.wanted.store(false, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_without_end_do_not_let_the_log_grow_without_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.db");
    let (store, owner) = open(StoreConfig { log_kib: 8 << 10, cursor_idle_ms: 60_000, ..StoreConfig::file(&path) });
    add(&store, &owner, 10).await.unwrap();
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut readers = Vec::new();
    for at in 0..2 {
        let (store, owner, stop, reads) = (store.clone(), owner.clone(), stop.clone(), reads.clone());
        // One is a cursor that nobody reads from, the other a read that takes its time; when one ends the other hasn't.
        readers.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let kept = Arc::new(Kept { wanted: AtomicBool::new(true), since: Instant::now() });
                let statement = Statement::of_app(&owner, "SELECT s FROM a__t LIMIT 1");
                let own = kept.clone();
                let read = move |session: &mut Session| {
                    session.run(&statement, Until::deadline(soon()), NONE, |_| {
                        let began = Instant::now();
                        while began.elapsed() < Duration::from_millis(50) && own.wanted.load(Ordering::SeqCst) {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        Ok::<_, StoreError>(())
                    })
                };
                let done = match at {
                    0 => {
                        let keeper: Arc<dyn Keeper> = kept.clone();
                        let keeper = Arc::downgrade(&keeper);
                        store.sqlite().unwrap().read_kept(&owner, keeper, soon(), read).await
                    }
                    _ => store.sqlite().unwrap().read(&owner, soon(), read).await,
                };
                done.unwrap();
                reads.fetch_add(1, Ordering::SeqCst);
            }
        }));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let (mut most, began, mut written) = (0, Instant::now(), 0_u64);
    // Over many of their lives.
    while written < 100 << 20 || began.elapsed() < Duration::from_secs(2) {
        add(&store, &owner, 200_000).await.unwrap();
        written += 200_000;
        most = most.max(log_bytes(&path));
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(reads.load(Ordering::SeqCst) > 4, "they read");
    assert!(most < written / 3, "{most} bytes of log for {written} written");
}
