use bandstand::prelude::*;

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    #[field(max_length = 3)]
    pub votes: i32,
}

app! {
    name: "tests",
}

fn main() {}
