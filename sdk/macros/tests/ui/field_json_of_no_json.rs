use bandstand::prelude::*;

pub struct Tags(pub Vec<String>);

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    pub tags: Json<Tags>,
}

async fn add() -> Result<usize> {
    let book = Book::objects().create(NewBook { tags: Json(Tags(vec![])) }).await?;
    Ok(book.tags.0.0.len())
}

app! {
    name: "tests",
}

fn main() {}
