use bandstand::prelude::*;

#[derive(Model)]
pub struct Book {
    pub id: Id<Self>,
    pub price: Decimal,
}

app! {
    name: "tests",
}

fn main() {}
