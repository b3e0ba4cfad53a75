use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub question_text: String,
    pub pub_date: DateTime,
}

async fn shout() -> Result<u64> {
    Question::objects().update(Question::QUESTION_TEXT.set(Question::QUESTION_TEXT + "!")).await
}

fn main() {}
