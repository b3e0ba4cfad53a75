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
    pub votes: i32,
}

async fn latest() -> Result<Vec<Question>> {
    Question::objects().filter(Choice::VOTES.gt(1)).all().await
}

app! {
    name: "tests",
}

fn main() {}
