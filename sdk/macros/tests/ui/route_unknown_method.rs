use bandstand::prelude::*;

#[route("/ask/", methods = [GET, PST])]
async fn ask() -> Response {
    Response::text("")
}

fn main() {}
