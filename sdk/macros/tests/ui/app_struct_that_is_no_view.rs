use bandstand::prelude::*;

struct Index;

app! {
    name: "polls",
    routes: [Index],
}

fn main() {}
