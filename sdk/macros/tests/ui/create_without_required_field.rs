use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub question_text: String,
    pub pub_date: DateTime,
}

async fn create() -> Result<Question> {
    Question::objects().create(NewQuestion { question_text: "Why?".into() }).await
}

app! {
    name: "tests",
}

fn main() {}
