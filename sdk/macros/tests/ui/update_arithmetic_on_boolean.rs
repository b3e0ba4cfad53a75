use bandstand::prelude::*;

#[derive(Model)]
pub struct Question {
    pub id: Id<Self>,
    pub published: bool,
}

async fn publish() -> Result<u64> {
    Question::objects().update(Question::PUBLISHED.set(Question::PUBLISHED + 1)).await
}

app! {
    name: "tests",
}

fn main() {}
