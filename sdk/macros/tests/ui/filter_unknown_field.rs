use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub question_text: String,
    pub pub_date: DateTime,
}

async fn latest() -> Result<Vec<Question>> {
    Question::objects().filter(Question::PUB_DAT.le(now())).all().await
}

app! {
    name: "tests",
}

fn main() {}
