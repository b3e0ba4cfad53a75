//! What a good app's reads and writes take while another app makes all the trouble that it can: `cargo xtask bench neighbours`.
//!
//! The good app asks little: a read and a write in turn, a few milliseconds apart, each waited for. So what is measured is how
//! long one of them takes, not how much the machine can do. The other app is in the same process, on threads of its own, with
//! the same limits as any app. Everything shares the machine's cores, the database servers as well.

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{AppDb, Db, DbConfig, Param, RequestDb, Value};
use host_store::{ServerConfig, Store, StoreConfig, Target};

/// Rows of each app's table.
const ROWS: i64 = 2_000;

/// Bytes of each text in it.
const TEXT: usize = 2_000;

/// Time before anything counts: the other app gets going, and uses up what it may be in others' way for in a minute.
const WARM_UP: Duration = Duration::from_millis(2_000);

/// Time between two requests of the good app.
const PAUSE: Duration = Duration::from_millis(4);

/// What the other app does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// None of the database's: a loop in a program of its own, which takes a processor from whoever else wants it.
    Loop,
    CrossJoins,
    Searches,
    SlowWrites,
    Transactions,
    Writers,
    LargeWrites,
    Cursors,
}

const TROUBLES: [Trouble; 8] = [
    Trouble::Loop,
    Trouble::CrossJoins,
    Trouble::Searches,
    Trouble::SlowWrites,
    Trouble::Transactions,
    Trouble::Writers,
    Trouble::LargeWrites,
    Trouble::Cursors,
];

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Trouble::None => "alone",
            Trouble::Loop => "none; one program that only loops",
            Trouble::CrossJoins => "16 cross joins at once",
            Trouble::Searches => "16 searches in texts at once",
            Trouble::SlowWrites => "16 slow updates at once",
            Trouble::Transactions => "16 transactions at once, each held to its limit",
            Trouble::Writers => "2,000 writers",
            Trouble::LargeWrites => "16 writes of 1 MiB at once",
            Trouble::Cursors => "64 cursors left open",
        }
    }

    fn abreast(self) -> usize {
        match self {
            Trouble::None | Trouble::Loop => 0,
            Trouble::Writers => 2_000,
            Trouble::Cursors => 64,
            _ => 16,
        }
    }
}

/// The middle and the 99th percentile of how long something took, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    p50: f64,
    p99: f64,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
        let ms = |part: usize| at(part).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        Self { p50: ms(50), p99: ms(99) }
    }

    /// The middle of several rounds', each by itself: a round in which the disk had its moods counts for no more than another.
    fn median(rounds: &[Self]) -> Self {
        let middle = |of: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self { p50: middle(|times| times.p50), p99: middle(|times| times.p99) }
    }
}

/// A read's and a write's.
#[derive(Debug, Clone, Copy)]
struct Sample {
    read: Times,
    write: Times,
    failed: usize,
    /// The part of the processors' time that went to other machines on the same hardware.
    stolen: f64,
}

/// More than that, and it is other machines that a 99th percentile tells of.
const STOLEN: f64 = 0.005;

/// Seconds of all processors together that went to other machines since the start: `steal` in `/proc/stat` (proc_stat(5)), in
/// hundredths. 0 where it isn't told.
fn stolen() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/stat") else { return 0.0 };
    let field = stat.lines().next().and_then(|line| line.split_whitespace().nth(8));
    field.and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default() / 100.0
}

fn app(db: &Arc<Db>, name: &str) -> Result<Arc<AppDb>> {
    let manifest = format!(
        r#"{{"v":1,"name":"{name}","models":[{{"name":"note","fields":[{{"name":"id","kind":"auto"}},
            {{"name":"n","kind":"integer","default":0}},{{"name":"body","kind":"text"}}]}}]}}"#
    );
    Ok(db.for_app(&Manifest::parse(&manifest)?)?)
}

fn request(app: &Arc<AppDb>, name: &str) -> Result<RequestDb> {
    let name = AppId::new(name).map_err(|error| anyhow::anyhow!("{error}"))?;
    let grants = Arc::new(Grants::from_iter([Capability::Db]));
    Ok(app.for_request(Arc::new(RequestContext::new(RequestId(1), name, grants, Limits::default()))))
}

async fn fill(app: &Arc<AppDb>, name: &str) -> Result<()> {
    let insert = br#"{"v":1,"op":"insert","from":"note","set":{"body":{"$":0}}}"#;
    for _ in 0..ROWS / 100 {
        let bodies = (0..100).map(|_| Value::Text("ab".repeat(TEXT / 2))).collect();
        request(app, name)?.execute(insert, vec![Param::Many(bodies)]).await?;
    }
    Ok(())
}

const BY_KEY: &[u8] = br#"{"v":1,"from":"note","fields":["id","n"],"filter":[["exact","pk",{"$":0}]],"order":[]}"#;
const SET: &[u8] =
    br#"{"v":1,"op":"update","from":"note","set":{"n":["add",{"f":"n"},1]},"filter":[["exact","pk",{"$":0}]]}"#;
const JOIN: &[u8] = br#"{"v":1,"op":"count","from":"note","filter":[["exists",{"from":"note","fields":["id"],
    "filter":[["gt",{"e":["add",{"f":"n"},{"outer":"id"}]},1000000000]]}]]}"#;
const SEARCH: &[u8] = br#"{"v":1,"op":"count","from":"note","filter":[["icontains","body",{"$":0}]]}"#;
const SLOW: &[u8] = br#"{"v":1,"op":"update","from":"note","set":{"n":1},"filter":[["icontains","body",{"$":0}]]}"#;
const SET_TEXT: &[u8] = br#"{"v":1,"op":"update","from":"note","set":{"body":{"$":0}},"filter":[["exact","pk",1]]}"#;
const INSERT: &[u8] = br#"{"v":1,"op":"insert","from":"note","set":{"body":"b"}}"#;
const ALL: &[u8] = br#"{"v":1,"from":"note"}"#;

fn text(text: &str) -> Vec<Param> {
    vec![Param::One(Value::Text(text.into()))]
}

/// One of the other app's requests. What becomes of it is its own business.
async fn trouble(app: &Arc<AppDb>, which: Trouble) -> Result<()> {
    let db = request(app, "bad")?;
    match which {
        Trouble::None | Trouble::Loop => {}
        Trouble::CrossJoins => drop(db.fetch(JOIN, vec![]).await),
        Trouble::Searches => drop(db.fetch(SEARCH, text("ababababac")).await),
        Trouble::SlowWrites => drop(db.execute(SLOW, text("ababababac")).await),
        Trouble::Writers => drop(db.execute(INSERT, vec![]).await),
        // Another text each time: the same again would leave the pages as they are.
        Trouble::LargeWrites => {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let words = format!("{:08}", COUNT.fetch_add(1, Relaxed));
            drop(db.execute(SET_TEXT, text(&words.repeat((1 << 20) / words.len()))).await);
        }
        Trouble::Transactions => {
            let transaction = db.begin().await?;
            while transaction.execute(SET, vec![Param::One(Value::Integer(1))]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
        Trouble::Cursors => {
            let cursor = db.open(ALL, vec![])?;
            drop(cursor.next(1, 1).await);
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
    // What is refused at once would be asked for again at once.
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

/// A program that only loops, until this is dropped.
struct Looping(Child);

impl Looping {
    fn start() -> Result<Self> {
        let child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
        Ok(Self(child.context("starting a loop")?))
    }
}

impl Drop for Looping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The good app's times beside `which`, for `time`.
fn sample(good: &Arc<AppDb>, bad: &Arc<AppDb>, which: Trouble, time: Duration) -> Result<Sample> {
    let looping = (which == Trouble::Loop).then(Looping::start).transpose()?;
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..which.abreast() {
        let (bad, stop) = (bad.clone(), stop.clone());
        threads.spawn(async move { while !stop.load(Relaxed) && trouble(&bad, which).await.is_ok() {} });
    }
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sample = own.block_on(async {
        let (mut reads, mut writes, mut failed) = (Vec::new(), Vec::new(), 0);
        let begin = Instant::now() + WARM_UP;
        let end = begin + time;
        let mut at = 0;
        let before = stolen();
        while Instant::now() < end {
            at = at % ROWS + 1;
            for (shape, times) in [(BY_KEY, &mut reads), (SET, &mut writes)] {
                let (db, began, key) = (request(good, "good")?, Instant::now(), vec![Param::One(Value::Integer(at))]);
                let done = match shape {
                    BY_KEY => db.fetch(shape, key).await.map(drop),
                    _ => db.execute(shape, key).await.map(drop),
                };
                if began >= begin {
                    times.push(began.elapsed());
                    failed += usize::from(done.is_err());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        let cores = host_core::priority::processors() as f64;
        let stolen = (stolen() - before) / (time + WARM_UP).as_secs_f64() / cores;
        anyhow::Ok(Sample { read: Times::of(reads), write: Times::of(writes), failed, stolen })
    })?;
    stop.store(true, Relaxed);
    threads.shutdown_timeout(Duration::from_secs(10));
    drop(looping);
    Ok(sample)
}

/// Measures all troubles on all databases, and prints a table.
pub(crate) fn measure(seconds: u32, rounds: usize, only: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir_in("target").context("a scratch folder")?;
    let time = Duration::from_secs(seconds.into());
    println!(
        "| database | beside | a read: p50, p99 | ÷ alone | a write: p50, p99 | ÷ alone | stolen |\n|---|---|---:|---:|---:|---:|---:|"
    );
    for database in ["SQLite", "PostgreSQL", "MariaDB"] {
        let server = match database {
            "PostgreSQL" => Some(test_servers::Kind::Postgres),
            "MariaDB" => Some(test_servers::Kind::Mariadb),
            _ => None,
        };
        let wanted = |name: &str| only.is_none_or(|only| database.contains(only) || name.contains(only));
        if !TROUBLES.iter().any(|trouble| wanted(trouble.name())) {
            continue;
        }
        let store = match server {
            Some(kind) => {
                let url = kind.shared().database();
                StoreConfig::server(ServerConfig::new(Target::parse(&url).map_err(anyhow::Error::msg)?))
            }
            None => StoreConfig::file(folder.path().join("site.db")),
        };
        let db = Db::open(Store::open(store)?, DbConfig::default())?;
        let (good, bad) = (app(&db, "good")?, app(&db, "bad")?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            fill(&good, "good").await?;
            fill(&bad, "bad").await
        })?;
        for trouble in TROUBLES.into_iter().filter(|trouble| wanted(trouble.name())) {
            // Alone before each, so that a change of the machine's mood meets both. Where time was stolen, once more, but not for ever.
            let mut pairs: Vec<(Sample, Sample)> = Vec::new();
            let clean = |pairs: &[(Sample, Sample)]| pairs.iter().filter(|pair| lost(pair) <= STOLEN).count();
            while clean(&pairs) < rounds && pairs.len() < 4 * rounds {
                let alone = sample(&good, &bad, Trouble::None, time)?;
                pairs.push((alone, sample(&good, &bad, trouble, time)?));
            }
            pairs.sort_by(|one, other| lost(one).total_cmp(&lost(other)));
            pairs.truncate(rounds);
            row(database, trouble, &pairs);
        }
    }
    Ok(())
}

fn lost((alone, beside): &(Sample, Sample)) -> f64 {
    alone.stolen.max(beside.stolen)
}

fn row(database: &str, trouble: Trouble, pairs: &[(Sample, Sample)]) {
    let part = |of: fn(&Sample) -> Times| {
        let alone = Times::median(&pairs.iter().map(|(alone, _)| of(alone)).collect::<Vec<_>>());
        let beside = Times::median(&pairs.iter().map(|(_, beside)| of(beside)).collect::<Vec<_>>());
        let ratio = beside.p99 / alone.p99;
        format!("{:.2}, {:.2} → {:.2}, {:.2} ms | {ratio:.1}", alone.p50, alone.p99, beside.p50, beside.p99)
    };
    let failed: usize = pairs.iter().map(|(_, beside)| beside.failed).sum();
    let failed = if failed == 0 { String::new() } else { format!(" ({failed} failed)") };
    let stolen = pairs.iter().map(lost).fold(0.0, f64::max) * 100.0;
    println!(
        "| {database} | {}{failed} | {} | {} | {stolen:.1} % |",
        trouble.name(),
        part(|sample| sample.read),
        part(|sample| sample.write)
    );
}
