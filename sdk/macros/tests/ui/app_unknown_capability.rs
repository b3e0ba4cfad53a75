use bandstand::prelude::*;

app! {
    name: "polls",
    capabilities: [template],
}

fn main() {}
