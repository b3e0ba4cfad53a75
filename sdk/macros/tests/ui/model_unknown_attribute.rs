use bandstand::prelude::*;

#[derive(Model)]
#[model(order = "-id")]
pub struct Question {
    pub id: Id<Self>,
}

app! {
    name: "tests",
}

fn main() {}
