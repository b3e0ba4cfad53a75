use bandstand::prelude::*;

#[route("/ask/")]
async fn ask() -> Response {
    Response::text("")
}

fn main() {}
