//! What the comparisons measure: a constant page, and one row by key through the ORM.

use bandstand::prelude::*;
use serde::Serialize;

/// A row, as in TechEmpower's benchmarks.
#[derive(Model)]
struct World {
    id: Id<Self>,
    random_number: i32,
}

/// A saying, as in the same benchmarks; it belongs to a world.
#[derive(Model)]
#[model(ordering = ["message"])]
struct Fortune {
    id: Id<Self>,
    #[field(on_delete = Cascade, related_name = "fortunes")]
    world: ForeignKey<World>,
    #[field(max_length = 200)]
    message: String,
}

/// How many rows there are.
const ROWS: i32 = 10_000;
/// Rows that one statement inserts.
const AT_ONCE: i32 = 1_000;

#[get("/hello/")]
async fn hello() -> Response {
    Response::text("Hello, World!")
}

#[derive(Serialize)]
struct Answer {
    id: i64,
    random_number: i32,
}

#[get("/row/{world}/")]
async fn row(world: Path<Id<World>>) -> Result<Response> {
    let world = World::objects().get_or_404(world).await?;
    Response::json(&Answer { id: world.id.get(), random_number: world.random_number })
}

/// Reads so many rows by key, one after the other.
#[get("/queries/{count}/")]
async fn queries(count: Path<i64>) -> Result<Response> {
    let mut sum = 0;
    for at in 0..*count {
        sum += i64::from(World::objects().get(at % i64::from(ROWS) + 1).await?.random_number);
    }
    Ok(Response::text(sum.to_string()))
}

/// Reads so many rows at once, so many times.
#[get("/rows/{count}/{rows}/")]
async fn rows(count: Path<i64>, rows: Path<i64>) -> Result<Response> {
    let mut sum = 0;
    for _ in 0..*count {
        let worlds = World::objects().order_by(World::ID).limit(u64::try_from(*rows).unwrap_or(0)).all().await?;
        sum += worlds.len();
    }
    Ok(Response::text(sum.to_string()))
}

/// The sayings, from the database into the page.
#[get("/fortunes/")]
async fn fortunes(req: &Request) -> Result<Response> {
    render(req, "bench/fortunes.html", context! { numbers: false, fortunes: Fortune::objects().defer().await? })
}

/// The same page, with the rows fetched by the app.
#[get("/fortunes/fetched/")]
async fn fetched(req: &Request) -> Result<Response> {
    let fortunes = Fortune::objects().all().await?;
    render(req, "bench/fortunes.html", context! { numbers: false, fortunes })
}

/// The sayings with the numbers of their worlds.
#[get("/fortunes/numbers/")]
async fn numbers(req: &Request) -> Result<Response> {
    render(req, "bench/fortunes.html", context! { numbers: true, fortunes: Fortune::objects().defer().await? })
}

/// The first worlds with what belongs to them.
#[get("/worlds/")]
async fn worlds(req: &Request) -> Result<Response> {
    let worlds = World::objects().filter(World::ID.le(2)).order_by(World::ID).defer().await?;
    render(req, "bench/worlds.html", context! { worlds })
}

/// What all rows are together.
#[get("/stats/")]
async fn stats() -> Result<Response> {
    let number = World::RANDOM_NUMBER;
    let (rows, sum, most, even) =
        World::objects().aggregate((count(), number.sum(), number.max(), count().filter(World::ID.le(10)))).await?;
    let low = World::objects().filter(World::ID.le(3)).order_by(World::ID).group_by(World::ID).annotate(number.min());
    let low = low.all().await?.into_iter().map(|(id, least)| (id.get(), least)).collect::<Vec<_>>();
    Response::json(&(rows, sum, most, even, low))
}

/// Reads a row and writes it, as one.
#[post("/raise/{world}/")]
async fn raise(world: Path<Id<World>>) -> Result<Response> {
    transaction(async || {
        let mut world = World::objects().get_or_404(*world).await?;
        world.random_number += 1;
        world.save().await
    })
    .await?;
    Ok(Response::text("raised"))
}

/// Fills the table once.
#[post("/fill/")]
async fn fill() -> Result<Response> {
    if World::objects().exists().await? {
        return Ok(Response::text("filled before"));
    }
    for block in 0..ROWS / AT_ONCE {
        let rows = (0..AT_ONCE).map(|at| NewWorld { random_number: (block * AT_ONCE + at) * 7_919 % ROWS });
        World::objects().bulk_create(rows).await?;
    }
    // TechEmpower's number of sayings; one of them would be a script, were it not escaped.
    let fortunes = (0..12).map(|at| NewFortune {
        world: Id::new(at % 2 + 1),
        message: if at == 7 { "<script>alert(\"no\")</script>".into() } else { format!("Saying {}", (at * 5) % 12) },
    });
    Fortune::objects().bulk_create(fortunes).await?;
    Ok(Response::text("filled"))
}

app! {
    name: "bench",
    models: [World, Fortune],
    routes: [hello, row, queries, rows, fortunes, fetched, numbers, worlds, stats, raise, fill],
}
