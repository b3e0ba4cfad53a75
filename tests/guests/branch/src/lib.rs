//! A branch that lends the books of the app `queries`: it has marks of its own, and of the rest what it was granted.

#![allow(missing_docs, reason = "a test's app")]

use bandstand::prelude::*;
use serde_json::{Value, json};

type Answer = Result<Json<Value>>;

/// Who writes.
#[derive(Model)]
#[model(of = "queries.author")]
pub struct Writer {
    pub id: Id<Self>,
    #[field(max_length = 100)]
    pub last_name: String,
}

/// What is lent.
#[derive(Model)]
#[model(of = "queries.book", actions = ["view", "change"], ordering = ["id"])]
pub struct Volume {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub title: String,
    #[field(slug)]
    pub slug: String,
    #[field(on_delete = Protect, related_name = "volumes")]
    pub author: ForeignKey<Writer>,
    pub copies: i32,
}

/// What a reader left in a book.
#[derive(Model)]
pub struct Mark {
    pub id: Id<Self>,
    #[field(on_delete = DoNothing, db_constraint = false, related_name = "marks")]
    pub volume: ForeignKey<Volume>,
    #[field(max_length = 50)]
    pub note: String,
}

/// An error that a test may read.
fn told<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| Error::new(403, format!("{error:?}")))
}

#[get("/")]
async fn index() -> Answer {
    let all = told(Volume::objects().select_related(Volume::AUTHOR).all().await)?;
    let mut lines = Vec::new();
    for volume in &all {
        lines.push(format!("{} by {}: {}", volume.title, volume.author().await?.last_name, volume.copies));
    }
    Ok(Json(json!(lines)))
}

#[post("/lend/{slug}/")]
async fn lend(slug: Path<String>) -> Answer {
    let of = Volume::objects().filter(Volume::SLUG.eq(slug.as_str()) & Volume::COPIES.gt(0));
    let lent = told(of.update(Volume::COPIES.set(Volume::COPIES - 1)).await)?;
    Ok(Json(json!(lent)))
}

#[post("/call/{slug}/{name}/")]
async fn call(slug: Path<String>, name: Path<String>) -> Answer {
    let of = Volume::objects().filter(Volume::SLUG.eq(slug.as_str()));
    Ok(Json(json!(told(of.update(Volume::SLUG.set(name.as_str())).await)?)))
}

#[post("/rename/")]
async fn rename() -> Answer {
    Ok(Json(json!(told(Volume::objects().update(Volume::TITLE.set("Mine")).await)?)))
}

#[post("/remove/")]
async fn remove() -> Answer {
    Ok(Json(json!(told(Volume::objects().delete().await)?)))
}

#[post("/mark/{slug}/")]
async fn mark(slug: Path<String>) -> Answer {
    let volume = told(Volume::objects().filter(Volume::SLUG.eq(slug.as_str())).one().await)?;
    Mark::objects().create(NewMark { volume: volume.id, note: format!("in {}", volume.title) }).await?;
    let marked = Mark::objects().filter(Mark::VOLUME.author().last_name().startswith("A"));
    let notes: Vec<String> = marked.all().await?.iter().map(|mark| mark.note.clone()).collect();
    let counts = Volume::objects().annotate(Volume::MARKS.count()).filter(Volume::MARKS.note().contains("in")).all();
    Ok(Json(json!([notes, told(counts.await)?.len()])))
}

app! {
    name: "branch",
    models: [Writer, Volume, Mark],
    routes: [index, lend, call, rename, remove, mark],
}
