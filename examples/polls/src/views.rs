//! What the app shows and takes.

use bandstand::prelude::*;
use serde::{Deserialize, Serialize};

use crate::models::{Choice, NewChoice, NewQuestion, Question};

/// The longest question and answer, as in the models.
const MAX_TEXT: usize = 200;
/// How many answers a question can have.
const CHOICES: core::ops::RangeInclusive<usize> = 2..=8;

/// The latest questions that are published.
#[get("/", name = "index")]
pub async fn index(req: &Request) -> Result<Response> {
    let latest = Question::objects().filter(Question::PUB_DATE.le(now())).limit(5).all().await?;
    render(req, "polls/index.html", context! { latest })
}

/// A question that is published, or a 404: what is dated into the future isn't there yet.
async fn published(question: Path<Id<Question>>) -> Result<Question> {
    Question::objects().filter(Question::PUB_DATE.le(now())).get_or_404(question).await
}

#[get("/{question}/", name = "detail")]
pub async fn detail(req: &Request, question: Path<Id<Question>>) -> Result<Response> {
    let question = published(question).await?;
    let choices = question.choices().all().await?;
    render(req, "polls/detail.html", context! { question, choices })
}

#[derive(Deserialize)]
pub struct Vote {
    /// None where the visitor chose nothing.
    choice: Option<Id<Choice>>,
}

#[post("/{question}/vote/", name = "vote")]
pub async fn vote(req: &Request, question: Path<Id<Question>>, form: Form<Vote>) -> Result<Response> {
    let question = published(question).await?;
    let counted = match form.choice {
        // The database adds, so two votes at the same moment both count.
        Some(choice) => {
            question.choices().filter(Choice::ID.eq(choice)).update(Choice::VOTES.set(Choice::VOTES + 1)).await?
        }
        None => 0,
    };
    if counted == 0 {
        let choices = question.choices().all().await?;
        let error = "You didn’t choose an answer.";
        return Ok(render(req, "polls/detail.html", context! { question, choices, error })?.status(422));
    }
    // After a successful POST always another page, so that going back doesn't vote again.
    redirect(url!("polls:results", question.id))
}

/// An answer with its share, for the bars.
#[derive(Serialize)]
struct Share<'a> {
    choice_text: &'a str,
    votes: i32,
    percent: i32,
}

#[get("/{question}/results/", name = "results")]
pub async fn results(req: &Request, question: Path<Id<Question>>) -> Result<Response> {
    let question = published(question).await?;
    let choices = question.choices().order_by([Choice::VOTES.desc(), Choice::ID.asc()]).all().await?;
    let total: i64 = choices.iter().map(|choice| i64::from(choice.votes)).sum();
    let shares: Vec<Share<'_>> = choices
        .iter()
        .map(|choice| Share {
            choice_text: &choice.choice_text,
            votes: choice.votes,
            percent: percent(choice.votes, total),
        })
        .collect();
    render(req, "polls/results.html", context! { question, shares, total })
}

/// A share in percent, rounded to the nearest.
fn percent(votes: i32, total: i64) -> i32 {
    if total <= 0 {
        return 0;
    }
    i32::try_from((i64::from(votes) * 200 + total) / (total * 2)).unwrap_or(100)
}

/// A new question, as the form sends it.
#[derive(Default, Deserialize, Serialize)]
pub struct Ask {
    #[serde(default)]
    question_text: String,
    #[serde(default)]
    choice: Vec<String>,
}

/// What is wrong with a form, by field.
#[derive(Default, Serialize)]
struct AskErrors {
    question_text: Option<String>,
    choice: Option<String>,
}

impl Ask {
    /// The form without spaces around the texts and without empty answers.
    fn cleaned(&self) -> Ask {
        let choice = self.choice.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ask { question_text: self.question_text.trim().to_owned(), choice: choice.collect() }
    }

    fn errors(&self) -> AskErrors {
        let mut errors = AskErrors::default();
        let too_long = |text: &str| text.chars().count() > MAX_TEXT;
        if self.question_text.is_empty() {
            errors.question_text = Some("Please write a question.".into());
        } else if too_long(&self.question_text) {
            errors.question_text = Some(format!("A question has at most {MAX_TEXT} characters."));
        }
        if !CHOICES.contains(&self.choice.len()) {
            errors.choice = Some(format!("Please give {} to {} answers.", CHOICES.start(), CHOICES.end()));
        } else if self.choice.iter().any(|text| too_long(text)) {
            errors.choice = Some(format!("An answer has at most {MAX_TEXT} characters."));
        } else if self.choice.iter().enumerate().any(|(at, text)| self.choice[..at].contains(text)) {
            errors.choice = Some("Two answers are the same.".into());
        }
        errors
    }
}

fn ask_page(req: &Request, form: &Ask, errors: &AskErrors) -> Result<Response> {
    let mut choices: Vec<&str> = form.choice.iter().take(*CHOICES.end()).map(String::as_str).collect();
    choices.resize(*CHOICES.end(), "");
    let required = CHOICES.start();
    render(
        req,
        "polls/ask.html",
        context! { question_text: form.question_text, choices, required, errors, max_length: MAX_TEXT },
    )
}

#[get("/ask/", name = "ask")]
pub async fn ask_form(req: &Request) -> Result<Response> {
    ask_page(req, &Ask::default(), &AskErrors::default())
}

#[post("/ask/")]
pub async fn ask(req: &Request, form: Form<Ask>) -> Result<Response> {
    let form = form.cleaned();
    let errors = form.errors();
    if errors.question_text.is_some() || errors.choice.is_some() {
        return Ok(ask_page(req, &form, &errors)?.status(422));
    }
    // A question without its answers would be no poll: both or none.
    let question = transaction(async || {
        let question_text = form.question_text.clone();
        let question = Question::objects().create(NewQuestion { question_text, pub_date: now() }).await?;
        let choices = form.choice.iter().cloned().map(|choice_text| NewChoice { question: question.id, choice_text });
        Choice::objects().bulk_create(choices).await?;
        Ok(question)
    })
    .await?;
    redirect(url!(detail, question.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(question: &str, choice: &[&str]) -> AskErrors {
        Ask { question_text: question.into(), choice: choice.iter().map(|text| (*text).into()).collect() }
            .cleaned()
            .errors()
    }

    #[test]
    fn a_poll_needs_a_question_and_two_different_answers() {
        let fine = ask(" What's new? ", &["Nothing", " ", "Much"]);
        assert!(fine.question_text.is_none() && fine.choice.is_none());
        assert!(ask("  ", &["a", "b"]).question_text.is_some());
        for choices in [&["a", ""][..], &["a", " a"], &["x"; 9], &["a", &"b".repeat(201)]] {
            assert!(ask("Why?", choices).choice.is_some(), "{choices:?}");
        }
        assert!(ask(&"ü".repeat(200), &["a", "b"]).question_text.is_none());
        assert!(ask(&"ü".repeat(201), &["a", "b"]).question_text.is_some());
    }

    #[test]
    fn shares_are_rounded_and_never_divide_by_nothing() {
        assert_eq!(
            (percent(0, 0), percent(1, 3), percent(2, 3), percent(i32::MAX, i64::from(i32::MAX))),
            (0, 33, 67, 100)
        );
    }
}
