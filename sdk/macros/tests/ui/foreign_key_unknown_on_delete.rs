use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub question_text: String,
    pub pub_date: DateTime,
}

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    #[field(on_delete = Cascad)]
    pub question: ForeignKey<Question>,
}

app! {
    name: "tests",
}

fn main() {}
