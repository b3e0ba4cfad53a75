use bandstand::prelude::*;

#[get("/{price}/")]
async fn cheap(price: Path<f64>) -> Response {
    Response::text(price.to_string())
}

fn main() {}
