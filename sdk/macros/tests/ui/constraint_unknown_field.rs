use bandstand::prelude::*;

#[derive(Model)]
#[model(constraints = [Constraint::check("votes_positive", Self::VOTE.ge(0))])]
pub struct Choice {
    pub id: Id<Self>,
    pub votes: i32,
}

app! {
    name: "tests",
}

fn main() {}
