use bandstand::prelude::*;

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    pub title: String,
    #[field(generated = Self::TITLE.lower())]
    pub pages: i32,
}

app! {
    name: "tests",
}

fn main() {}
