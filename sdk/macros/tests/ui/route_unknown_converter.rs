use bandstand::prelude::*;

#[get("/{question:integer}/")]
async fn detail(question: Path<i64>) -> Response {
    Response::text(question.to_string())
}

fn main() {}
