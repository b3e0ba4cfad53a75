//! What the app keeps.

use bandstand::prelude::*;

/// Something to vote on.
#[derive(Model)]
#[model(ordering = ["-pub_date", "-id"])]
pub struct Question {
    pub id: Id<Self>,
    #[field(max_length = 200)]
    pub question_text: String,
    #[field(label = "date published", index)]
    pub pub_date: DateTime,
}

/// One of a question's answers.
#[derive(Model)]
#[model(ordering = "id")]
pub struct Choice {
    pub id: Id<Self>,
    #[field(on_delete = Cascade, related_name = "choices")]
    pub question: ForeignKey<Question>,
    #[field(max_length = 200)]
    pub choice_text: String,
    #[field(default = 0)]
    pub votes: i32,
}
