use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub question_text: String,
}

app! {
    name: "tests",
}

fn main() {}
