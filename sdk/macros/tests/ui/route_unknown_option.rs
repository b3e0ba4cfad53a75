use bandstand::prelude::*;

#[get("/", nam = "index")]
async fn index() -> Response {
    Response::text("")
}

fn main() {}
