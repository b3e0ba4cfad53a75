use bandstand::prelude::*;

#[get("/{question}/")]
async fn detail(question: Path<i64>, page: Path<i64>) -> Response {
    Response::text(format!("{question} {page}"))
}

fn main() {}
