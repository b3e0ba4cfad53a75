use bandstand::prelude::*;

#[get("/")]
async fn index() -> Response {
    Response::text("")
}

app! {
    routes: [index],
}

fn main() {}
