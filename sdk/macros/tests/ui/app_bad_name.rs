use bandstand::prelude::*;

app! {
    name: "My-Polls",
}

fn main() {}
