use bandstand::prelude::*;

#[get("/{rest}/edit/")]
async fn edit(rest: Path<PathTail>) -> Response {
    Response::text(rest.to_string())
}

fn main() {}
