use bandstand::prelude::*;

#[get("polls/")]
async fn index() -> Response {
    Response::text("")
}

fn main() {}
