use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_lenght = 200)]
    pub question_text: String,
    #[field(uniqe)]
    pub slug: String,
}

app! {
    name: "tests",
}

fn main() {}
