use bandstand::prelude::*;

#[derive(Model)]
pub struct Tag {
    pub id: Id<Self>,
}

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    pub tags: Option<ManyToMany<Tag>>,
}

app! {
    name: "tests",
}

fn main() {}
