use bandstand::prelude::*;

#[derive(Model)]
#[model(ordering = ["-pub_dat", "id"])]
pub struct Question {
    pub id: Id<Self>,
    pub pub_date: DateTime,
}

app! {
    name: "tests",
}

fn main() {}
