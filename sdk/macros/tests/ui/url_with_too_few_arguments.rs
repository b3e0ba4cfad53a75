use bandstand::prelude::*;

#[get("/{question}/", name = "detail")]
async fn detail(question: Path<i64>) -> Response {
    Response::text(question.to_string())
}

fn link() -> Result<String> {
    url!(detail)
}

fn main() {}
