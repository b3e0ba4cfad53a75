use bandstand::prelude::*;

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    #[field(default = "none")]
    pub votes: i32,
}

app! {
    name: "tests",
}

fn main() {}
