use bandstand::prelude::*;

#[derive(Model)]
pub struct Author {
    pub id: Id<Self>,
    pub books: i32,
}

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    #[field(on_delete = Cascade, related_name = "books")]
    pub author: ForeignKey<Author>,
}

app! {
    name: "library",
    models: [Author, Book],
}

fn main() {}
