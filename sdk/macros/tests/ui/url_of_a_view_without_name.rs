use bandstand::prelude::*;

#[get("/")]
async fn index() -> Response {
    Response::text("")
}

fn link() -> Result<String> {
    url!(index)
}

fn main() {}
