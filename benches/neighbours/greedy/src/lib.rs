//! An app that asks the database for all that it may, with a route for each kind of trouble.

use bandstand::prelude::*;

#[derive(Model)]
struct Note {
    id: Id<Self>,
    #[field(default = 0)]
    n: i64,
    body: String,
}

/// Occurs in no note, and nearly in each place of it.
const NOWHERE: &str = "ababababac";

/// Each row with each.
#[get("/join/")]
async fn join() -> Result<Response> {
    let larger = Note::objects().filter((Note::N + outer(Note::N)).gt(1_000_000_000));
    Ok(Response::text(Note::objects().filter(exists(larger)).count().await?.to_string()))
}

#[get("/search/")]
async fn search() -> Result<Response> {
    Ok(Response::text(Note::objects().filter(Note::BODY.icontains(NOWHERE)).count().await?.to_string()))
}

#[post("/slow/")]
async fn slow() -> Result<Response> {
    Note::objects().filter(Note::BODY.icontains(NOWHERE)).update(Note::N.set(1)).await?;
    Ok(Response::text("changed"))
}

/// A transaction that goes on until it may no longer.
#[post("/hold/")]
async fn hold() -> Result<Response> {
    transaction(async || {
        loop {
            Note::objects().filter(Note::ID.eq(Id::new(1))).update(Note::N.set(Note::N + 1)).await?;
        }
    })
    .await
}

#[post("/write/")]
async fn write() -> Result<Response> {
    Note::objects().create(NewNote { body: "b".into() }).await?;
    Ok(Response::text("written"))
}

/// A text of 1 MiB, another one each time: the same again would leave the pages as they are.
#[post("/large/{number}/")]
async fn large(number: Path<i64>) -> Result<Response> {
    let words = format!("{:08}", *number);
    Note::objects()
        .filter(Note::ID.eq(Id::new(1)))
        .update(Note::BODY.set(words.repeat((1 << 20) / words.len())))
        .await?;
    Ok(Response::text("written"))
}

/// All rows, as fast as the visitor reads.
#[get("/all/")]
async fn all() -> Response {
    Response::stream("text/plain", async |mut out| {
        let mut notes = Note::objects().iterator().await?;
        while let Some(note) = notes.next().await? {
            out.write(note.body).await?;
        }
        Ok(())
    })
}

/// A hundred rows more, each with a number of its own: what was found for one mustn't do for another.
#[post("/fill/")]
async fn fill() -> Result<Response> {
    let there = i64::try_from(Note::objects().count().await?).unwrap_or_default();
    let notes = (there..there + 100).map(|n| NewNote { body: "ab".repeat(1_000) }.n(n));
    Note::objects().bulk_create(notes).await?;
    Ok(Response::text("filled"))
}

app! {
    name: "greedy",
    models: [Note],
    routes: [join, search, slow, hold, write, large, all, fill],
}
