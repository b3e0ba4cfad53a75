use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    pub text: String,
}

fn main() {}
