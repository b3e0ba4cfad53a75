//! What the writes of one app cost another one's.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use host_core::name::AppId;
use host_store::{Datum, Owner, Statement, Store, StoreConfig, StoreError, Work};

const NONE: [Datum<'static>; 0] = [];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A store with the apps `hog` and `small`, which have a table `t` each.
fn open(config: StoreConfig) -> (Arc<Store>, Arc<Owner>, Arc<Owner>) {
    let store = Store::open(config).unwrap();
    let (hog, small) = (owner(&store, "hog"), owner(&store, "small"));
    (store, hog, small)
}

/// A new app with a table `t`.
fn owner(store: &Arc<Store>, name: &str) -> Arc<Owner> {
    let table = format!("{name}__t");
    let create = Statement::of_host(format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT"));
    store.sqlite().unwrap().write_as_host(move |work| run(work, &create)).unwrap();
    store.owner(&AppId::new(name).unwrap(), [table])
}

fn run(work: &mut Work<'_>, statement: &Statement) -> Result<u64, StoreError> {
    work.run(statement, NONE, |_| Ok(()))
}

/// What a request does: it waits for its turn as long as its wall clock lets it, and then has its database time.
async fn request(store: &Store, owner: &Arc<Owner>, statement: &Arc<Statement>) -> Result<u64, StoreError> {
    let (wall, statement) = (Instant::now() + Duration::from_secs(10), statement.clone());
    let write = move |work: &mut Work<'_>| {
        work.no_later_than(wall.min(Instant::now() + Duration::from_secs(2)));
        run(work, &statement)
    };
    store.sqlite().unwrap().write(owner, wall, write).await
}

/// Writes that say when they run.
struct Crowd {
    store: Arc<Store>,
    hog: Arc<Owner>,
    small: Arc<Owner>,
    ran: Arc<Mutex<Vec<Ran>>>,
    queued: Arc<AtomicUsize>,
}

/// One run of one write.
#[derive(Debug, Clone, Copy)]
struct Ran {
    number: usize,
    of_hog: bool,
    /// Commits of both apps when it began.
    commits: (u64, u64),
}

type Answer = tokio::task::JoinHandle<Result<u64, StoreError>>;

impl Crowd {
    fn new(config: StoreConfig) -> Self {
        let (store, hog, small) = open(config);
        Self { store, hog, small, ran: Arc::default(), queued: Arc::default() }
    }

    /// Queues a write that runs `sql` and then sleeps, under a number that counts up from 0.
    async fn queue(&self, of_hog: bool, sql: &str, sleep: Duration) -> Answer {
        let number = self.queued.load(Ordering::SeqCst);
        let (store, queued, ran) = (self.store.clone(), self.queued.clone(), self.ran.clone());
        let (hog, small) = (self.hog.clone(), self.small.clone());
        let owner = if of_hog { hog.clone() } else { small.clone() };
        let statement = Statement::of_app(&owner, sql);
        let answer = tokio::spawn(async move {
            // On this test's only thread nothing comes between this and the queue.
            queued.fetch_add(1, Ordering::SeqCst);
            let write = move |work: &mut Work<'_>| {
                ran.lock().unwrap().push(Ran { number, of_hog, commits: (hog.commits(), small.commits()) });
                let result = run(work, &statement);
                std::thread::sleep(sleep);
                result
            };
            store.sqlite().unwrap().write(&owner, soon(), write).await
        });
        while self.queued.load(Ordering::SeqCst) == number {
            tokio::task::yield_now().await;
        }
        answer
    }

    async fn queue_short(&self, of_hog: bool) -> Answer {
        let sql = if of_hog { "INSERT INTO hog__t (n) VALUES (1)" } else { "INSERT INTO small__t (n) VALUES (1)" };
        self.queue(of_hog, sql, Duration::ZERO).await
    }

    async fn queue_long(&self, milliseconds: u64) -> Answer {
        self.queue(true, "INSERT INTO hog__t (n) VALUES (1)", Duration::from_millis(milliseconds)).await
    }

    /// Lets `queue` fill the queue while the hog has the connection, and waits for all the answers.
    async fn run_together(&self, queue: impl AsyncFnOnce(&mut Vec<Answer>)) -> Vec<Ran> {
        let lease = self.store.sqlite().unwrap().lease(&self.hog, None, soon()).await.unwrap();
        let mut answers = Vec::new();
        queue(&mut answers).await;
        lease.rollback().await.unwrap();
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        self.ran()
    }

    fn ran(&self) -> Vec<Ran> {
        self.ran.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn short_writes_share_a_commit() {
    let crowd = Crowd::new(StoreConfig { group_ms: 60_000, ..StoreConfig::temporary() });
    let queue = async |answers: &mut Vec<Answer>| {
        for _ in 0..20 {
            answers.push(crowd.queue_short(true).await);
        }
    };
    let ran = crowd.run_together(queue).await;
    assert_eq!(ran.len(), 20);
    assert!(ran.iter().all(|ran| ran.commits == (0, 0)), "{ran:?}");
    assert_eq!((crowd.hog.commits(), crowd.small.commits()), (20, 0));
}

#[tokio::test]
async fn short_writes_of_several_apps_share_commits() {
    let crowd = Crowd::new(StoreConfig { group_ms: 60_000, ..StoreConfig::temporary() });
    let queue = async |answers: &mut Vec<Answer>| {
        for n in 0..20 {
            answers.push(crowd.queue_short(n % 2 == 0).await);
        }
    };
    let ran = crowd.run_together(queue).await;
    assert_eq!(ran.len(), 20);
    // One, but for a machine so busy that a write looks long.
    let commits = ran.iter().map(|ran| ran.commits).collect::<HashSet<_>>().len();
    assert!(commits <= 5, "{ran:?}");
    assert_eq!((crowd.hog.commits(), crowd.small.commits()), (10, 10));
}

#[tokio::test]
async fn who_waits_for_a_long_write_shares_its_commit() {
    let crowd = Crowd::new(StoreConfig { group_ms: 4, ..StoreConfig::temporary() });
    let answers = [crowd.queue_long(200).await, crowd.queue_short(true).await, crowd.queue_short(false).await];
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    let mut ran = crowd.ran();
    ran.sort_by_key(|ran| ran.number);
    let commits: Vec<_> = ran.iter().map(|ran| ran.commits).collect();
    assert_eq!(commits, [(0, 0), (1, 1), (0, 0)], "the other app's comes along, the same app's has had its time");
}

#[tokio::test]
async fn an_app_with_short_writes_waits_for_few_long_ones_of_another() {
    let crowd = Crowd::new(StoreConfig { group_ms: 2, ..StoreConfig::temporary() });
    let mut long = Vec::new();
    for _ in 0..150 {
        long.push(crowd.queue_long(5).await);
    }
    for _ in 0..10 {
        crowd.queue_short(false).await.await.unwrap().unwrap();
    }
    // Each short one waits for the long one that runs, perhaps for another one; the rest is for a machine so busy that
    // short ones take long as well.
    let before = crowd.ran().iter().filter(|ran| ran.of_hog).count();
    assert!(before <= 60, "{before} long writes ran before ten short ones");
    for answer in long {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_long_write_is_committed_at_once_and_the_next_one_joins_nobody() {
    let crowd = Crowd::new(StoreConfig { group_ms: 4, ..StoreConfig::temporary() });
    let queue = async |answers: &mut Vec<Answer>| {
        for _ in 0..10 {
            answers.push(crowd.queue_long(10).await);
            for _ in 0..10 {
                answers.push(crowd.queue_short(false).await);
            }
        }
    };
    let ran = crowd.run_together(queue).await;
    assert_eq!(ran.len(), 110, "each runs once");
    let (mut long, mut short) = (0, 0);
    for ran in &ran {
        assert_eq!(ran.commits.0, long, "the long ones before are committed: {ran:?}");
        if ran.of_hog {
            // Nobody knows about the first one.
            assert!(long == 0 || ran.commits.1 == short, "those before don't wait for it: {ran:?}");
            long += 1;
        } else {
            short += 1;
        }
    }
}

#[tokio::test]
async fn an_interrupted_write_makes_no_neighbour_run_more_than_twice() {
    let crowd = Crowd::new(StoreConfig { group_ms: 60_000, write_ms: 200, ..StoreConfig::temporary() });
    let rows = "INSERT INTO hog__t (n) VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)";
    for _ in 0..20 {
        crowd.queue(true, rows, Duration::ZERO).await.await.unwrap().unwrap();
    }
    crowd.ran.lock().unwrap().clear();
    let endless =
        "UPDATE hog__t SET n = 1 WHERE (SELECT count(*) FROM hog__t a, hog__t b, hog__t c, hog__t d, hog__t e) = 0";
    let lease = crowd.store.sqlite().unwrap().lease(&crowd.hog, None, soon()).await.unwrap();
    let (mut interrupted, mut good, first) = (Vec::new(), Vec::new(), crowd.queued.load(Ordering::SeqCst));
    for _ in 0..3 {
        for _ in 0..5 {
            good.push(crowd.queue_short(true).await);
            good.push(crowd.queue_short(false).await);
        }
        interrupted.push(crowd.queued.load(Ordering::SeqCst));
        let answer = crowd.queue(true, endless, Duration::ZERO).await;
        good.push(tokio::spawn(async move {
            assert_eq!(answer.await.unwrap(), Err(StoreError::Timeout));
            Ok(0)
        }));
    }
    let last = crowd.queued.load(Ordering::SeqCst);
    lease.rollback().await.unwrap();
    for answer in good {
        answer.await.unwrap().unwrap();
    }
    let ran = crowd.ran();
    let runs: Vec<_> = (first..last).map(|number| ran.iter().filter(|ran| ran.number == number).count()).collect();
    for (number, runs) in (first..last).zip(&runs) {
        let most = if interrupted.contains(&number) { 1 } else { 2 };
        assert!((1..=most).contains(runs), "write {number}: {runs} runs");
    }
    assert!(runs.contains(&2), "some had neighbours that were interrupted");
    assert_eq!((crowd.hog.commits(), crowd.small.commits()), (20 + 15, 15));
}

/// How many of an app's leases and writes lasted for long while another app wrote all the time, of how many.
async fn long_ones(config: StoreConfig, leases: bool) -> (usize, usize) {
    let (store, hog, small) = open(config);
    let rows: Vec<String> = (0..300).map(|n| format!("({n})")).collect();
    let fill = Arc::new(Statement::of_app(&hog, format!("INSERT INTO hog__t (n) VALUES {}", rows.join(", "))));
    request(&store, &hog, &fill).await.unwrap();
    let endless = Arc::new(Statement::of_app(
        &hog,
        "UPDATE hog__t SET n = 1 WHERE (SELECT count(*) FROM hog__t a, hog__t b, hog__t c, hog__t d) = 0",
    ));
    let tiny = Arc::new(Statement::of_app(&small, "INSERT INTO small__t (n) VALUES (1)"));
    let end = Instant::now() + Duration::from_secs(3);
    let holding = tokio::spawn({
        let store = store.clone();
        async move {
            let (mut long, mut all) = (0, 0);
            while Instant::now() < end {
                let took = if leases {
                    let lease = store.sqlite().unwrap().lease(&hog, None, soon()).await.unwrap();
                    let began = Instant::now();
                    while !lease.is_over() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    let took = began.elapsed();
                    assert_eq!(lease.commit().await, Err(StoreError::Timeout));
                    took
                } else {
                    let (took, statement) = (Arc::new(Mutex::new(Duration::ZERO)), endless.clone());
                    let own = took.clone();
                    let write = move |work: &mut Work<'_>| {
                        let began = Instant::now();
                        let result = run(work, &statement);
                        *own.lock().unwrap() = began.elapsed();
                        result
                    };
                    let written = store.sqlite().unwrap().write(&hog, soon(), write).await;
                    assert_eq!(written, Err(StoreError::Timeout));
                    *took.lock().unwrap()
                };
                all += 1;
                long += usize::from(took > Duration::from_millis(250));
            }
            (long, all)
        }
    });
    while Instant::now() < end {
        request(&store, &small, &tiny).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    holding.await.unwrap()
}

fn patient() -> StoreConfig {
    StoreConfig { transaction_idle_ms: 300, transaction_total_ms: 300, write_ms: 300, ..StoreConfig::temporary() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_kept_others_waiting_yields_when_somebody_waits() {
    for leases in [true, false] {
        let (long, all) = long_ones(StoreConfig { hold_ms_per_minute: 300, ..patient() }, leases).await;
        // The first one uses up what the app has for a minute; a busy machine may make another one look long.
        assert!(long <= 2 && all > long, "{long} of {all} were long, leases: {leases}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_has_time_left_does_not_yield() {
    for leases in [true, false] {
        let (long, all) = long_ones(StoreConfig { hold_ms_per_minute: 600_000, ..patient() }, leases).await;
        assert!(long == all && all >= 2, "{long} of {all} were long, leases: {leases}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_nobodys_way_has_all_the_time_of_his_limits() {
    let (store, hog, _) = open(StoreConfig { hold_ms_per_minute: 0, ..patient() });
    for _ in 0..3 {
        let lease = store.sqlite().unwrap().lease(&hog, None, soon()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(120)).await;
        // Its own other writes wait as they always do.
        let insert = Arc::new(Statement::of_app(&hog, "INSERT INTO hog__t (n) VALUES (1)"));
        let (written, ended) = tokio::join!(request(&store, &hog, &insert), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            lease.commit().await
        });
        assert_eq!((written, ended), (Ok(1), Ok(())));
    }
}

/// Writes of 5 ms that each of `apps` got done in two seconds, while another app wrote all the time, or didn't.
async fn writes_of_five_ms(apps: &[&str], another: bool) -> Vec<usize> {
    let store = Store::open(StoreConfig { hold_ms_per_minute: 60, ..StoreConfig::temporary() }).unwrap();
    let owner = |name: &str| owner(&store, name);
    let small = owner("small");
    let end = Instant::now() + Duration::from_secs(2);
    let writing: Vec<_> = apps
        .iter()
        .map(|name| {
            let (store, owner) = (store.clone(), owner(name));
            let insert = Arc::new(Statement::of_app(&owner, format!("INSERT INTO {name}__t (n) VALUES (1)")));
            tokio::spawn(async move {
                let mut done = 0;
                while Instant::now() < end {
                    let insert = insert.clone();
                    let write = move |work: &mut Work<'_>| {
                        std::thread::sleep(Duration::from_millis(5));
                        run(work, &insert)
                    };
                    store.sqlite().unwrap().write(&owner, soon(), write).await.unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let tiny = Arc::new(Statement::of_app(&small, "INSERT INTO small__t (n) VALUES (1)"));
    while Instant::now() < end {
        if another {
            request(&store, &small, &tiny).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    futures::future::join_all(writing).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_was_in_others_way_for_its_time_rests() {
    // 60 ms are enough for 13 of them at most, and the rest lets a few more through.
    let done = writes_of_five_ms(&["hog"], true).await;
    assert!((1..=40).contains(&done[0]), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_all_in_the_way_share_the_connection() {
    let done = writes_of_five_ms(&["hog", "other"], false).await;
    // Resting for each other they would do some twenty each; a busy machine may be slow.
    assert!(done.iter().all(|done| *done > 60), "{done:?}");
    let both = writes_of_five_ms(&["hog", "other"], true).await;
    assert!(both.iter().all(|done| (1..=40).contains(done)), "{both:?}");
}

/// Not a test: run it with `--ignored --nocapture` and read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_small_write_beside_a_crowd_of_slow_ones() {
    let directory = tempfile::tempdir().unwrap();
    let (store, hog, small) = open(StoreConfig::file(directory.path().join("site.db")));
    let insert = Arc::new(Statement::of_app(&hog, "INSERT INTO hog__t (s) VALUES (?)"));
    for _ in 0..270 {
        let (insert, text) = (insert.clone(), "x".repeat(900_000));
        let row =
            move |work: &mut Work<'_>| work.run(&insert, [Datum::Text(text.as_bytes())], |_| Ok::<_, StoreError>(()));
        store.sqlite().unwrap().write(&hog, soon(), row).await.unwrap();
    }
    let slow = Arc::new(Statement::of_app(&hog, "UPDATE hog__t SET n = 1 WHERE bandstand_contains(s, 'needle')"));
    let tiny = Arc::new(Statement::of_app(&small, "INSERT INTO small__t (n) VALUES (1)"));
    for (name, owner, statement) in [("slow", &hog, &slow), ("tiny", &small, &tiny)] {
        let began = Instant::now();
        for _ in 0..10 {
            request(&store, owner, statement).await.unwrap();
        }
        println!("one {name} write, with nothing else: {:?}", began.elapsed() / 10);
    }
    for crowd in [8, 64] {
        let end = Instant::now() + Duration::from_secs(12);
        let crowd: Vec<_> = (0..crowd)
            .map(|_| {
                let (store, hog, slow) = (store.clone(), hog.clone(), slow.clone());
                tokio::spawn(async move {
                    let (mut good, mut bad) = (0, 0);
                    while Instant::now() < end {
                        *(if request(&store, &hog, &slow).await.is_ok() { &mut good } else { &mut bad }) += 1;
                    }
                    (good, bad)
                })
            })
            .collect();
        let (mut good, mut bad, mut times) = (0, 0, Vec::new());
        while Instant::now() < end {
            let began = Instant::now();
            *(if request(&store, &small, &tiny).await.is_ok() { &mut good } else { &mut bad }) += 1;
            times.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (most, all) = (times.iter().max().unwrap(), times.iter().sum::<Duration>());
        let average = all / u32::try_from(times.len()).unwrap();
        println!("{} at once: small: {good} good, {bad} failed, average {average:?}, most {most:?}", crowd.len());
        let (mut good, mut bad) = (0, 0);
        for task in crowd {
            let (its_good, its_bad) = task.await.unwrap();
            (good, bad) = (good + its_good, bad + its_bad);
        }
        println!("    the crowd: {good} good, {bad} failed");
    }
}
