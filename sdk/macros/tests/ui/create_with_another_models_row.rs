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
    #[field(default = 0)]
    pub votes: i32,
}

async fn create() -> Result<Question> {
    Question::objects().create(NewChoice {}).await
}

app! {
    name: "tests",
}

fn main() {}
