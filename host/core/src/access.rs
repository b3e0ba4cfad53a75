//! What an app may do with another app's models: the operator's grants, and what they say of rows and fields.
//!
//! ```toml
//! [apps.reports.models."polls.question"]
//! actions = ["view", "change"]
//! fields = ["id", "question_text", "votes"]
//! writes = ["votes"]
//! rows = { site = "$host" }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use crate::name::check_name;

/// Most fields of one grant's `rows`, and most values of each.
const MAX_ROWS: usize = 16;
/// Most fields that a grant lists.
const MAX_FIELDS: usize = 300;
/// The longest text in a grant, in bytes; that of all of `filter`.
const MAX_TEXT: usize = 4 << 10;

/// Something that is done with a model's rows, in Django's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Reading them.
    View,
    /// Inserting.
    Add,
    /// Updating.
    Change,
    /// Deleting.
    Delete,
}

impl Action {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::View => "view",
            Action::Add => "add",
            Action::Change => "change",
            Action::Delete => "delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that the host knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `$host`: the name under which the site is asked, in lower case, without a port.
    Host,
    /// `$user`: the key of the user who is logged in.
    User,
}

impl Fact {
    /// All of them.
    pub const ALL: [Fact; 2] = [Fact::Host, Fact::User];

    /// How `rows` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Fact::Host => "$host",
            Fact::User => "$user",
        }
    }
}

/// What the host knows of one request, for the rules about rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The name under which the site is asked.
    pub host: Option<Box<str>>,
    /// The key of the user who is logged in.
    pub user: Option<i64>,
}

/// The value that a field must have.
#[derive(Debug, Clone, PartialEq)]
pub enum Must {
    /// One of these: each a boolean, a number or a string.
    Be(Vec<Json>),
    /// What the request says.
    Fact(Fact),
}

impl<'de> Deserialize<'de> for Must {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMust;

        fn plain<E: serde::de::Error>(value: Json) -> Result<Json, E> {
            match &value {
                Json::String(text) if text.starts_with("$$") => Ok(Json::String(text[1..].to_owned())),
                Json::String(text) if text.starts_with('$') => {
                    let shown: String = text.chars().take(40).flat_map(char::escape_default).collect();
                    Err(E::custom(format!(
                        "`{shown}` stands for nothing that the host knows of a request; known are `$host` and `$user`, each \
                         alone; a text that begins with a dollar begins with two here"
                    )))
                }
                Json::Null | Json::Object(_) | Json::Array(_) => {
                    Err(E::custom("a boolean, a number or a string goes here"))
                }
                _ => Ok(value),
            }
        }

        impl<'de> Visitor<'de> for OfMust {
            type Value = Must;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean, a number, a string, `$host`, `$user` or a list of values")
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Must, E> {
                Ok(Must::Be(vec![value.into()]))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Must, E> {
                Ok(Must::Be(vec![value.into()]))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Must, E> {
                Ok(Must::Be(vec![value.into()]))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Must, E> {
                Ok(Must::Be(vec![value.into()]))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Must, E> {
                match Fact::ALL.into_iter().find(|fact| fact.as_str() == value) {
                    Some(fact) => Ok(Must::Fact(fact)),
                    None => plain(value.into()).map(|value| Must::Be(vec![value])),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Must, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element::<Json>()? {
                    values.push(plain(value)?);
                    if values.len() > MAX_ROWS {
                        return Err(A::Error::custom(format!("more than {MAX_ROWS} values")));
                    }
                }
                if values.is_empty() {
                    return Err(A::Error::custom("a list of no values, which no row has; list at least one"));
                }
                Ok(Must::Be(values))
            }
        }

        deserializer.deserialize_any(OfMust)
    }
}

/// What the operator lets an app do with one model of another app.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelGrant {
    /// What it may do with the rows.
    pub actions: BTreeSet<Action>,
    /// The fields that it may see; all where nothing stands here.
    pub fields: Option<Vec<String>>,
    /// The fields that it may set; those that it may see where nothing stands here.
    pub writes: Option<Vec<String>>,
    /// The rows that there are for it: those whose fields have these values. A row that it adds gets them.
    pub rows: BTreeMap<String, Must>,
    /// More about the rows that there are for it: conditions of the query shape over the model's own fields.
    pub filter: Vec<Json>,
    /// Whether it may find out by a `unique` error which values rows have that it doesn't see.
    pub reveals_unique: bool,
}

/// The grants of an app, by `app.model`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct ModelGrants(BTreeMap<String, ModelGrant>);

impl ModelGrants {
    /// The grant for a model, by `app.model`.
    pub fn get(&self, of: &str) -> Option<&ModelGrant> {
        self.0.get(of)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some say which rows there are.
    pub fn have_rules(&self) -> bool {
        self.0.values().any(ModelGrant::has_rule)
    }

    /// The grants with what they are for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModelGrant)> {
        self.0.iter().map(|(of, grant)| (of.as_str(), grant))
    }

    /// What is wrong with them by themselves: the model, and the problem as a sentence without its subject.
    pub fn problems(&self) -> Vec<(String, String)> {
        let of = |(of, grant): (&str, &ModelGrant)| grant.problem(of).map(|problem| (of.to_owned(), problem));
        self.iter().filter_map(of).collect()
    }
}

impl FromIterator<(String, ModelGrant)> for ModelGrants {
    fn from_iter<I: IntoIterator<Item = (String, ModelGrant)>>(grants: I) -> Self {
        Self(grants.into_iter().collect())
    }
}

impl ModelGrant {
    /// A grant of these actions on all fields of all rows.
    pub fn of(actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect(), ..Self::default() }
    }

    /// Whether it says which rows there are.
    pub fn has_rule(&self) -> bool {
        !self.rows.is_empty() || !self.filter.is_empty()
    }

    /// Whether rows are added or changed by it.
    pub fn writes_rows(&self) -> bool {
        self.actions.contains(&Action::Add) || self.actions.contains(&Action::Change)
    }

    fn problem(&self, of: &str) -> Option<String> {
        let named = of.split_once('.').is_some_and(|(app, model)| check_name(app).is_ok() && check_name(model).is_ok());
        if !named {
            return Some(
                "isn't called like a model; write the app and the model in lower case, words joined by underscores, such as \
                 \"polls.question\" or \"shop.invoice_line\""
                    .into(),
            );
        }
        if self.actions.is_empty() {
            return Some("grants nothing; list `actions`: \"view\", \"add\", \"change\", \"delete\"".into());
        }
        let has = |action| self.actions.contains(&action);
        if !has(Action::View)
            && let Some(other) = [Action::Change, Action::Delete].into_iter().find(|action| has(*action))
        {
            // Whether rows were found tells what they hold.
            return Some(format!("grants `{other}` without `view`, which one needs to say which rows"));
        }
        let filling = [Action::Add, Action::Change].into_iter().find(|action| has(*action));
        if let (Some(action), false) = (filling, self.filter.is_empty()) {
            return Some(format!(
                "has a `filter` and grants `{action}`; what is written must stay among the rows that there are, and only \
                 `rows` can see to that"
            ));
        }
        if has(Action::Add)
            && let Some((field, _)) =
                self.rows.iter().find(|(_, must)| matches!(must, Must::Be(values) if values.len() > 1))
        {
            return Some(format!(
                "grants `add`, and `rows` has several values for `{field}`; a new row gets one, so list one"
            ));
        }
        if self.rows.len() > MAX_ROWS {
            return Some(format!("has rules about more than {MAX_ROWS} fields"));
        }
        let listed = self.fields.iter().chain(&self.writes).map(Vec::len).max().unwrap_or(0);
        if listed > MAX_FIELDS {
            return Some(format!("lists {listed} fields; a model has {MAX_FIELDS} at most"));
        }
        let text = |json: &Json| json.to_string().len();
        let long = |must: &Must| matches!(must, Must::Be(values) if values.iter().any(|value| text(value) > MAX_TEXT));
        if self.filter.iter().map(text).sum::<usize>() > MAX_TEXT || self.rows.values().any(long) {
            return Some(format!("has a text of more than {MAX_TEXT} bytes"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Result<ModelGrants, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn problem(json: &str) -> String {
        let grants = read(&format!(r#"{{"polls.question":{json}}}"#)).expect("it can be read");
        grants.problems().into_iter().map(|(_, problem)| problem).collect()
    }

    #[test]
    fn a_rule_is_a_value_or_several_or_what_the_request_says() {
        let grants = read(
            r#"{"polls.question":{"actions":["view"],"rows":{"a":1,"b":[true,"x"],"c":"$host","d":"$user","e":"$$1"}}}"#,
        )
        .expect("grants");
        let rows = &grants.get("polls.question").expect("it").rows;
        assert_eq!(rows["a"], Must::Be(vec![1.into()]));
        assert_eq!(rows["b"], Must::Be(vec![true.into(), "x".into()]));
        assert_eq!((&rows["c"], &rows["d"]), (&Must::Fact(Fact::Host), &Must::Fact(Fact::User)));
        assert_eq!(rows["e"], Must::Be(vec!["$1".into()]));
        assert_eq!(grants.problems(), []);
    }

    #[test]
    fn what_cant_be_meant_is_refused_when_it_is_read() {
        for (json, says) in [
            (r#"{"rows":{"a":"$tenant"}}"#, "`$tenant` stands for nothing"),
            (r#"{"rows":{"a":["$host"]}}"#, "each alone"),
            (r#"{"rows":{"a":[]}}"#, "no values"),
            (r#"{"rows":{"a":{"b":1}}}"#, "expected a boolean, a number"),
            (r#"{"rows":{"a":[[1]]}}"#, "a boolean, a number or a string"),
            (r#"{"rows":{"a":[1,null]}}"#, "a boolean, a number or a string"),
            (r#"{"rows":{"a":null}}"#, "expected a boolean, a number"),
            (r#"{"actions":["read"]}"#, "unknown variant `read`"),
            (r#"{"column":["a"]}"#, "unknown field `column`"),
        ] {
            let error = read(&format!(r#"{{"polls.question":{json}}}"#)).expect_err(json);
            assert!(error.contains(says), "{json}: {error}");
        }
        let many = json!({"polls.question": {"rows": {"a": vec![1; 17]}}}).to_string();
        assert!(read(&many).expect_err("too many").contains("more than 16"));
    }

    #[test]
    fn what_is_longer_than_anybody_means_is_a_problem() {
        let names = |most: usize| (0..most).map(|at| format!("f{at}")).collect::<Vec<_>>();
        let rows = |most: usize| -> Json { names(most).into_iter().map(|name| (name, 1)).collect() };
        let texts = |last: usize| json!(["x".repeat(2_046), "y".repeat(last)]);
        for (key, most, more, says) in [
            ("rows", rows(16), rows(17), "more than 16 fields"),
            ("fields", json!(names(300)), json!(names(301)), "lists 301 fields"),
            ("writes", json!(names(300)), json!(names(301)), "lists 301 fields"),
            // With the quotes of its JSON.
            ("rows", json!({"a": "x".repeat(4_094)}), json!({"a": "x".repeat(4_095)}), "4096 bytes"),
            // All conditions together, each with its quotes.
            ("filter", texts(2_046), texts(2_047), "4096 bytes"),
        ] {
            let of = |value: Json| problem(&json!({"actions": ["view"], key: value}).to_string());
            assert_eq!(of(most), "", "{key}");
            let said = of(more);
            assert!(said.contains(says), "{key}: {said}");
        }
    }

    #[test]
    fn what_a_grant_cant_hold_to_is_a_problem() {
        assert!(problem("{}").contains("grants nothing"));
        assert!(problem(r#"{"actions":["delete"]}"#).contains("`delete` without `view`"));
        assert!(problem(r#"{"actions":["view","change"],"filter":[["gt","a",1]]}"#).contains("only `rows`"));
        assert!(problem(r#"{"actions":["add"],"rows":{"a":[1,2]}}"#).contains("list one"));
        assert_eq!(problem(r#"{"actions":["add"]}"#), "");
        for name in ["question", "polls.", ".question", "Polls.question", "a.b.c", "polls.question\n"] {
            let grants = ModelGrants::from_iter([(name.to_owned(), ModelGrant::of([Action::View]))]);
            let problems = grants.problems();
            assert!(matches!(&problems[..], [(_, why)] if why.contains("in lower case")), "{name:?}: {problems:?}");
        }
    }
}
