use bandstand::prelude::*;

app! {
    name: "My-Polls",
    capabilities: [template],
}

fn main() {}
