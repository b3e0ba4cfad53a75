//! The tutorial's finished app: questions, their choices, and votes.

#![allow(unreachable_pub, reason = "nobody imports an app; `pub` says what its modules are for")]

mod models;
mod views;

use bandstand::app;
use models::{Choice, Question};

app! {
    name: "polls",
    label: "Polls",
    models: [Question, Choice],
    routes: [views::index, views::ask_form, views::ask, views::detail, views::vote, views::results],
}
