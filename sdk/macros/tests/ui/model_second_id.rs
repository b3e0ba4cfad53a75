use bandstand::prelude::*;

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    pub question: Id<Self>,
}

app! {
    name: "tests",
}

fn main() {}
