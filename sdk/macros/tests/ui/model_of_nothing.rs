use bandstand::prelude::*;

#[derive(Model)]
#[model(of = "question", actions = ["read"])]
pub struct Question {
    pub id: Id<Self>,
}

app! {
    name: "tests",
}

fn main() {}
