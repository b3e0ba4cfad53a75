use bandstand::prelude::*;

pub struct Question {
    pub id: Id<Self>,
    pub question_text: String,
}

#[derive(Model)]
pub struct Choice {
    pub id: Id<Self>,
    #[field(on_delete = Cascade)]
    pub question: ForeignKey<Question>,
}

#[get("/{question}/", name = "detail")]
async fn detail(question: Path<Id<Question>>) -> Result<Response> {
    let choices = Choice::objects().all().await?;
    for choice in &choices {
        info!("{} of {}: {}", choice.id, choice.question.id(), choice.question().await?.question_text);
    }
    redirect(url!(detail, question))
}

app! {
    name: "polls",
    models: [Question, Choice],
    routes: [detail],
}

fn main() {}
