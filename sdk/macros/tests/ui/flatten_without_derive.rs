use bandstand::prelude::*;

pub struct Timestamps {
    pub created: DateTime,
}

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    #[field(flatten)]
    pub times: Timestamps,
}

app! {
    name: "tests",
}

fn main() {}
