//! The app whose times count: it reads a row and changes one, as most apps do most of the time.

use bandstand::prelude::*;

#[derive(Model)]
struct Note {
    id: Id<Self>,
    #[field(default = 0)]
    n: i64,
    body: String,
}

#[get("/read/{note}/")]
async fn read(note: Path<Id<Note>>) -> Result<Response> {
    Ok(Response::text(Note::objects().get_or_404(*note).await?.n.to_string()))
}

#[post("/write/{note}/")]
async fn write(note: Path<Id<Note>>) -> Result<Response> {
    Note::objects().filter(Note::ID.eq(*note)).update(Note::N.set(Note::N + 1)).await?;
    Ok(Response::text("written"))
}

/// A hundred rows more.
#[post("/fill/")]
async fn fill() -> Result<Response> {
    Note::objects().bulk_create((0..100).map(|_| NewNote { body: "ab".repeat(1_000) })).await?;
    Ok(Response::text("filled"))
}

app! {
    name: "modest",
    models: [Note],
    routes: [read, write, fill],
}
