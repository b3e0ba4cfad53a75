use bandstand::prelude::*;

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    pub choice__text: String,
}

app! {
    name: "tests",
}

fn main() {}
