use bandstand::prelude::*;

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    #[field(primary_key)]
    pub isbn: String,
}

#[derive(Model)]
pub struct Place {
    #[field(primary_key)]
    pub shelf: i32,
    #[field(primary_key)]
    pub number: i32,
}

app! {
    name: "tests",
}

fn main() {}
