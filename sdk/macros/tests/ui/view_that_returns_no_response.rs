use bandstand::prelude::*;

#[get("/")]
async fn index() -> u32 {
    1
}

fn main() {}
