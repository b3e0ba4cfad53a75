//! What a query's way through the wall costs: the same queries from inside of an app and from the host's side.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_db::{Db, DbConfig, Param, RequestDb, Value};
use host_store::{Store, StoreConfig};

use crate::load::Plan;
use crate::servers::{self, Machine};

/// Microseconds of a query for one row of two cells, and of each further cell.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Cost {
    pub(crate) query: f64,
    pub(crate) cell: f64,
}

/// What was measured.
pub(crate) struct Wall {
    pub(crate) inside: Cost,
    pub(crate) host: Cost,
    /// Microseconds of planning.
    pub(crate) plan: f64,
}

/// What the process without a guest prints.
#[derive(serde::Serialize, serde::Deserialize)]
struct Native {
    cost: Cost,
    plan: f64,
}

/// Queries of one measured request.
const QUERIES: u32 = 500;
/// Rows of the wide query: 200 cells.
const ROWS: u32 = 100;
/// Cells of a row.
const CELLS: u32 = 2;
/// Requests of a round; the least time counts, for the rest is the machine's.
const REQUESTS: usize = 40;

/// The manifest of the measured app, as far as its model goes, and its statements.
const MANIFEST: &str = r#"{"v":1,"name":"bench","models":[{"name":"world","fields":[
    {"name":"id","kind":"auto"},{"name":"random_number","kind":"integer"}]}]}"#;
const BY_KEY: &[u8] = br#"{"v":1,"from":"world","filter":[["exact","pk",{"$":0}]],"order":[],"limit":1}"#;
const SOME: &[u8] = br#"{"v":1,"from":"world","order":["id"],"limit":{"$":0}}"#;

/// Measures both sides.
pub(crate) fn measure(plan: &Plan, machine: &Machine, bandstand: &Path, guests: &Path, scratch: &Path) -> Result<Wall> {
    let inside = inside(plan, machine, bandstand, guests, scratch)?;
    let output = machine.pinned(&std::env::current_exe()?, false).arg("native").stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the measurement on the host's side failed");
    let Native { cost, plan } = serde_json::from_slice(&output.stdout).context("its figures")?;
    eprintln!("wall: inside {inside:?}, on the host {cost:?}, a plan {plan:.1} µs");
    Ok(Wall { inside, host: cost, plan })
}

fn inside(plan: &Plan, machine: &Machine, bandstand: &Path, guests: &Path, scratch: &Path) -> Result<Cost> {
    let server = servers::wall(bandstand, guests, scratch)?.start(machine)?;
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_nodelay(true)?;
    let mut least = |path: &str| -> Result<f64> {
        let mut least = Duration::MAX;
        for _ in 0..REQUESTS * plan.rounds {
            let began = Instant::now();
            servers::get(&mut stream, path)?;
            least = least.min(began.elapsed());
        }
        Ok(micros(least))
    };
    let nothing = least("/bench/queries/0/")?;
    let queries = least(&format!("/bench/queries/{QUERIES}/"))?;
    let narrow = least(&format!("/bench/rows/{QUERIES}/1/"))?;
    let wide = least(&format!("/bench/rows/{QUERIES}/{ROWS}/"))?;
    Ok(cost(nothing, queries, narrow, wide))
}

fn cost(nothing: f64, queries: f64, narrow: f64, wide: f64) -> Cost {
    let each = f64::from(QUERIES);
    Cost { query: (queries - nothing) / each, cell: (wide - narrow) / each / f64::from((ROWS - 1) * CELLS) }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The same queries without a guest; prints what they took.
pub(crate) fn native() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let native = runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let store = StoreConfig { path: Some(folder.path().join("site.db")), ..StoreConfig::default() };
        let db = Db::open(Store::open(store)?, DbConfig::default())?;
        let app = db.for_app(&Manifest::parse(MANIFEST)?)?;
        let limits = Limits {
            db_rows: u64::MAX,
            db_ms: 1 << 40,
            wall_ms: 1 << 40,
            db_statements: u64::MAX,
            ..Limits::default()
        };
        let name = host_core::name::AppId::new("bench").map_err(|error| anyhow::anyhow!("{error}"))?;
        let grants = Arc::new(Grants::from_iter([Capability::Db]));
        let request = app.for_request(Arc::new(RequestContext::new(RequestId(1), name, grants, limits)));
        for _ in 0..10 {
            let numbers = Param::Many((0..1_000).map(Value::Integer).collect());
            let insert = br#"{"v":1,"op":"insert","from":"world","set":{"random_number":{"$":0}}}"#;
            request.execute(insert, vec![numbers]).await?;
        }
        let by_key = least(&request, BY_KEY, |at| i64::from(at % 10_000) + 1).await?;
        let narrow = least(&request, SOME, |_| 1).await?;
        let wide = least(&request, SOME, |_| i64::from(ROWS)).await?;
        anyhow::Ok(Native { cost: cost(0.0, by_key, narrow, wide), plan: planning(&request).await? })
    })?;
    println!("{}", serde_json::to_string(&native)?);
    Ok(())
}

/// The least time of as many queries as one request asks inside.
async fn least(request: &RequestDb, shape: &[u8], param: impl Fn(u32) -> i64) -> Result<f64> {
    let mut least = Duration::MAX;
    for _ in 0..REQUESTS {
        let began = Instant::now();
        for at in 0..QUERIES {
            std::hint::black_box(request.fetch_packed(shape, vec![Param::One(Value::Integer(param(at)))]).await?);
        }
        least = least.min(began.elapsed());
    }
    Ok(micros(least))
}

/// Microseconds of making a plan, and of the database's preparing it: a shape that was never seen beside one that was, over a
/// table's key that is never there.
async fn planning(request: &RequestDb) -> Result<f64> {
    let shape = |number: u32| {
        format!(
            r#"{{"v":1,"from":"world","filter":[["and",["exact","pk",{{"$":0}}],["gt","random_number",{number}]]],"limit":1}}"#
        )
    };
    // The least of each: their difference in one round may be all noise.
    let mut least = [Duration::MAX; 2];
    for round in 0..20 {
        let fresh: Vec<String> = (0..100).map(|at| shape(round * 100 + at)).collect();
        for least in &mut least {
            let began = Instant::now();
            for shape in &fresh {
                request.fetch_packed(shape.as_bytes(), vec![Param::One(Value::Integer(-1))]).await?;
            }
            *least = began.elapsed().min(*least);
        }
    }
    Ok(micros(least[0].saturating_sub(least[1])) / 100.0)
}
