use bandstand::prelude::*;

async fn index() -> Response {
    Response::text("")
}

app! {
    name: "polls",
    routes: [index],
}

fn main() {}
