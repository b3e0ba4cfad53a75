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

async fn create(question: Question) -> Result<Choice> {
    Choice::objects().create(NewChoice { question: question.id }.votes("three")).await
}

app! {
    name: "tests",
}

fn main() {}
