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
    #[field(on_delete = Cascade, related_name = "choices")]
    pub question: ForeignKey<Question>,
    #[field(default = 0)]
    pub votes: i32,
}

async fn popular() -> Result<Vec<(Question, u64)>> {
    Question::objects().annotate(Question::CHOICES.count()).having(|n| n.gt("three")).all().await
}

app! {
    name: "tests",
}

fn main() {}
