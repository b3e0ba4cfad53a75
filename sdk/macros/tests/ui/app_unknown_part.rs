use bandstand::prelude::*;

app! {
    name: "polls",
    route: [],
}

fn main() {}
