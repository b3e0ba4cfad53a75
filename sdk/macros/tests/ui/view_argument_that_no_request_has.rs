use bandstand::prelude::*;

#[get("/")]
async fn index(count: u32) -> Response {
    Response::text(count.to_string())
}

fn main() {}
