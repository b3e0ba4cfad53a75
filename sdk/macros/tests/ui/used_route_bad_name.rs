use bandstand::prelude::*;

#[get("/{question}/", name = "Detail")]
async fn detail(question: Path<i64>) -> Result<Response> {
    redirect(url!("other:question", question))
}

#[get("/", name = "index")]
async fn index() -> Result<Response> {
    redirect(url!(detail, 1))
}

app! {
    name: "polls",
    routes: [index, detail],
}

fn main() {}
