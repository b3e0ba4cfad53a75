use bandstand::prelude::*;

#[get("/{question}/")]
async fn detail(req: &Request) -> Result<Response> {
    render(req, "polls/detail.html", context! {})
}

fn main() {}
