use bandstand::prelude::*;

#[get("/")]
async fn index() {}

fn main() {}
