use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub question_text: String,
    pub pub_date: DateTime,
}

async fn all() -> Result<Option<i64>> {
    Question::objects().aggregate(Question::QUESTION_TEXT.sum()).await
}

app! {
    name: "tests",
}

fn main() {}
