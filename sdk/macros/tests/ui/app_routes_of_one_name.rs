use bandstand::prelude::*;

#[get("/", name = "index")]
async fn index() -> Response {
    Response::text("")
}

#[get("/all/", name = "index")]
async fn all() -> Response {
    Response::text("")
}

app! {
    name: "polls",
    routes: [index, all],
}

fn main() {}
