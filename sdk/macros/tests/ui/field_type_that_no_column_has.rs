use bandstand::prelude::*;

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    pub votes: std::collections::BTreeMap<String, i32>,
}

app! {
    name: "tests",
}

fn main() {}
