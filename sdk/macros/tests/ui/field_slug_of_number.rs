use bandstand::prelude::*;

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    #[field(slug)]
    pub number: i32,
}

app! {
    name: "tests",
}

fn main() {}
