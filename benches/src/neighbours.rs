//! What one app's reads and writes take while another one makes all the trouble that it can: `cargo xtask bench neighbours`.
//!
//! The modest app (`neighbours/modest`) asks little: a read and a write in turn, a few milliseconds apart, each waited for. So what
//! is measured is how long one of them takes, not how much the machine can do. The greedy one (`neighbours/greedy`) is on the same
//! site. Requests begin where the server hands them to the site: what sockets cost is left out, for a client that makes thousands
//! of requests would take the processors from what it measures.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use host_core::access::ModelGrants;
use host_core::budget::Limits;
use host_core::context::RequestId;
use host_core::grants::Capability;
use host_core::http::{Arrival, Body, Response, Site as _};
use host_core::quota::Quota;
use host_db::{Db, DbConfig};
use host_engine::{AppConfig, EngineConfig, Parts, Reuse, Site, Source};
use host_store::{CodeCache, ServerConfig, Store, StoreConfig, Target};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;

/// Rows of each app's table.
const ROWS: usize = 2_000;

/// Time before anything counts: the greedy app gets going, and uses up what it may be in others' way for in a minute.
const WARM_UP: Duration = Duration::from_millis(2_000);

/// Time between two requests of the modest app.
const PAUSE: Duration = Duration::from_millis(4);

/// What the greedy app does.
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

/// The site with its two apps.
async fn open(store: StoreConfig, guests: &Path, folder: &Path) -> Result<Arc<Site>> {
    let cache = folder.join("code");
    std::fs::create_dir_all(&cache)?;
    std::fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let cache = CodeCache::open(Dir::open_ambient_dir(&cache, ambient_authority())?).map_err(anyhow::Error::msg)?;
    let parts = Parts {
        db: Some(Db::open(Store::open(store)?, DbConfig::default())?),
        templates: host_templates::Templates::open(None).context("templates")?,
        cache: Arc::new(cache),
        static_dir: None,
        worker: std::env::current_exe()?,
        dev: false,
    };
    let site = Site::open(&EngineConfig::default(), parts)?;
    for name in ["modest", "greedy"] {
        let path = guests.join(name).with_extension("wasm");
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let source = Source { name: name.into(), origin: path.display().to_string(), bytes: bytes.into() };
        site.load(source, |_| Ok(config(name))).await?;
        for _ in 0..ROWS / 100 {
            let response = send(&site, Method::POST, format!("/{name}/fill/")).await?;
            ensure!(response.status() == StatusCode::OK, "filling the tables: {}", response.status());
        }
    }
    Ok(site)
}

fn config(name: &str) -> AppConfig {
    let limits = match name {
        // As generous as an operator can be.
        "greedy" => {
            Limits { wall_ms: 60_000, cpu_ms: 60_000, db_ms: 60_000, db_statements: 1 << 40, ..Limits::default() }
        }
        _ => Limits::default(),
    };
    AppConfig {
        mount: format!("/{name}/"),
        grants: [Capability::Db].into_iter().collect(),
        tables: Vec::new(),
        manage: Vec::new(),
        models: ModelGrants::default(),
        limits,
        quota: Quota::default(),
        reuse: Reuse::default(),
    }
}

async fn send(site: &Arc<Site>, method: Method, path: String) -> Result<Response> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let id = RequestId(COUNT.fetch_add(1, Relaxed) as u128);
    let arrival = Arrival { id, remote: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false };
    let request = Request::builder().method(method).uri(path).header("host", "localhost").body(Body::empty())?;
    Ok(site.clone().respond(request, arrival).await)
}

/// One of the greedy app's requests. What becomes of it is its own business.
async fn trouble(site: &Arc<Site>, which: Trouble) -> Result<()> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (method, path) = match which {
        Trouble::None | Trouble::Loop => return Ok(()),
        Trouble::CrossJoins => (Method::GET, "join".into()),
        Trouble::Searches => (Method::GET, "search".into()),
        Trouble::SlowWrites => (Method::POST, "slow".into()),
        Trouble::Transactions => (Method::POST, "hold".into()),
        Trouble::Writers => (Method::POST, "write".into()),
        Trouble::LargeWrites => (Method::POST, format!("large/{}", COUNT.fetch_add(1, Relaxed))),
        Trouble::Cursors => (Method::GET, "all".into()),
    };
    let response = send(site, method, format!("/greedy/{path}/")).await?;
    let refused = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    if which == Trouble::Cursors {
        let mut body = response.into_body();
        drop(body.frame().await);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // What is refused at once would be asked for again at once.
    tokio::time::sleep(Duration::from_millis(if refused { 100 } else { 1 })).await;
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

/// The modest app's times beside `which`, for `time`.
async fn sample(site: &Arc<Site>, which: Trouble, time: Duration) -> Result<Sample> {
    let looping = (which == Trouble::Loop).then(Looping::start).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut troubles = tokio::task::JoinSet::new();
    for _ in 0..which.abreast() {
        let (site, stop) = (site.clone(), stop.clone());
        troubles.spawn(async move { while !stop.load(Relaxed) && trouble(&site, which).await.is_ok() {} });
    }
    // On the threads on which the server's connections are served.
    let sample = tokio::spawn(requests(site.clone(), time)).await?;
    stop.store(true, Relaxed);
    let _ = tokio::time::timeout(Duration::from_secs(5), async { while troubles.join_next().await.is_some() {} }).await;
    troubles.shutdown().await;
    drop(looping);
    sample
}

/// The modest app's reads and writes in turn.
async fn requests(site: Arc<Site>, time: Duration) -> Result<Sample> {
    let (mut reads, mut writes, mut failed) = (Vec::new(), Vec::new(), 0);
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let mut at = 0;
    let before = stolen();
    while Instant::now() < end {
        at = at % ROWS + 1;
        for (method, what, times) in [(Method::GET, "read", &mut reads), (Method::POST, "write", &mut writes)] {
            let began = Instant::now();
            let response = send(&site, method, format!("/modest/{what}/{at}/")).await?;
            if began >= begin {
                times.push(began.elapsed());
                failed += usize::from(response.status() != StatusCode::OK);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    let cores = host_core::priority::processors() as f64;
    let stolen = (stolen() - before) / (time + WARM_UP).as_secs_f64() / cores;
    Ok(Sample { read: Times::of(reads), write: Times::of(writes), failed, stolen })
}

/// Measures all troubles on all databases, and prints a table.
pub(crate) fn measure(guests: &Path, seconds: u32, rounds: usize, only: Option<&str>) -> Result<()> {
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
        // As the host's own.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let site = runtime.block_on(open(store, guests, folder.path()))?;
        for trouble in TROUBLES.into_iter().filter(|trouble| wanted(trouble.name())) {
            // Alone before each, so that a change of the machine's mood meets both. Where time was stolen, once more, but not for ever.
            let mut pairs: Vec<(Sample, Sample)> = Vec::new();
            let clean = |pairs: &[(Sample, Sample)]| pairs.iter().filter(|pair| lost(pair) <= STOLEN).count();
            while clean(&pairs) < rounds && pairs.len() < 4 * rounds {
                let alone = runtime.block_on(sample(&site, Trouble::None, time))?;
                pairs.push((alone, runtime.block_on(sample(&site, trouble, time))?));
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
