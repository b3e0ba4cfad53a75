use bandstand::prelude::*;

const INDEX: &str = "/";

#[get(INDEX)]
async fn index() -> Response {
    Response::text("")
}

fn main() {}
