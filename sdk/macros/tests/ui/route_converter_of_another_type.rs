use bandstand::prelude::*;

#[get("/{question:int}/")]
async fn detail(question: Path<Slug>) -> Response {
    Response::text(question.to_string())
}

fn main() {}
