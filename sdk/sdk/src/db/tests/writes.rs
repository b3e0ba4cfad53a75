//! What is written.

use serde_json::json;

use super::super::transaction::fake;
use super::super::writing::{bulk_inserts, bulk_updated};
use super::*;

#[test]
fn a_new_row_sets_what_was_given_in_the_fields_order() {
    let bare = New::<Choice>::columns(NewChoice { question: Id::new(1), choice_text: "a".into() });
    assert_eq!(bare.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["question", "choice_text"]);
    let more =
        NewChoice { question: Id::new(1), choice_text: "a".into() }.weight(2.5).votes(3).replaces(None).size("l");
    let more: Vec<String> =
        New::<Choice>::columns(more).iter().map(|(name, value)| format!("{name} {value:?}")).collect();
    assert_eq!(
        more,
        [
            "question Value::Integer(1)",
            "choice_text Value::Text(\"a\")",
            "votes Value::Integer(3)",
            "replaces Value::Null",
            "size Value::Text(\"l\")",
            "weight Value::Float(2.5)",
        ]
    );
}

#[test]
fn many_new_rows_are_columns_of_a_thousand() {
    let new = |n: i64| NewChoice { question: Id::new(n), choice_text: n.to_string() };
    let statements =
        bulk_inserts(Choice::META, &mut (0..1_001).map(|n| New::<Choice>::columns(new(n))), None).expect("statements");
    assert_eq!(statements.len(), 2);
    let expected =
        json!({"v": 1, "op": "insert", "from": "choice", "set": {"question": {"$": 0}, "choice_text": {"$": 1}}});
    assert_eq!(document(&statements[0]), expected);
    assert!(
        matches!(&statements[0].params[..], [Param::Many(a), Param::Many(b)] if a.len() == 1_000 && b.len() == 1_000)
    );
    assert!(matches!(&statements[1].params[..], [Param::Many(a), _] if a.len() == 1));
    assert!(bulk_inserts(Choice::META, &mut std::iter::empty(), None).expect("statements").is_empty());
}

#[test]
fn new_rows_that_set_different_fields_go_together() {
    let new = |n: i64| NewChoice { question: Id::new(n), choice_text: "a".into() };
    let rows = (0..4).map(|n| {
        New::<Choice>::columns(match n {
            0 => new(n).weight(0.5),
            1 => new(n).votes(9),
            _ => NewChoiceWith::from(new(n)),
        })
    });
    let statements = bulk_inserts(Choice::META, &mut rows.into_iter(), None).expect("statements");
    assert_eq!(statements.len(), 1);
    assert_eq!(
        document(&statements[0])["set"],
        json!({"question": {"$": 0}, "choice_text": {"$": 1}, "votes": {"$": 2}, "weight": {"$": 3}})
    );
    assert_eq!(
        texts(&statements[0].params)[2..],
        [
            "Param::Many([Value::Integer(0), Value::Integer(9), Value::Integer(0), Value::Integer(0)])",
            "Param::Many([Value::Float(0.5), Value::Null, Value::Null, Value::Null])",
        ]
    );
    // What only the database knows is left to it.
    #[derive(Model)]
    struct Visit {
        id: Id<Self>,
        #[field(db_default = functions::now())]
        seen: DateTime,
        note: Option<String>,
    }
    let visits = (0..2_500).map(|n| {
        let new = NewVisitWith::default();
        New::<Visit>::columns(if n % 2 == 0 { new.seen(DateTime::UNIX_EPOCH) } else { new.note("x") })
    });
    let statements = bulk_inserts(Visit::META, &mut visits.into_iter(), None).expect("statements");
    let asked: Vec<_> = statements
        .iter()
        .map(|statement| match &statement.params[0] {
            Param::Many(values) => (document(statement)["set"].as_object().expect("fields").len(), values.len()),
            Param::One(_) => unreachable!("columns"),
        })
        .collect();
    assert_eq!(asked, [(2, 1_000), (1, 1_000), (2, 250), (1, 250)]);
}

#[test]
fn an_update_computes_in_the_database() {
    let mut shape = crate::db::shape::Shape::new("update", "choice");
    let assignments = Choice::VOTES.set((Choice::VOTES + 1) * 2).into_assignments();
    shape.assignments(assignments.into_iter().map(|assignment| (assignment.path.steps()[0], assignment.node)));
    let expected = json!({"v": 1, "op": "update", "from": "choice", "set": {"votes": ["mul", ["add", {"f": "votes"}, {"$": 0}], {"$": 1}]}});
    assert_eq!(document(&shape.finish().expect("an update")), expected);
}

#[test]
fn rows_that_meet_others_do_as_they_are_told() {
    let asked = |conflict: OnConflict<Choice>| {
        let new = NewChoice { question: Id::new(1), choice_text: "a".into() };
        let written = run(Choice::objects().bulk_create_with([new], conflict));
        written.map(|_| document(&fake::asked()[0])["on_conflict"].clone())
    };
    assert_eq!(asked(OnConflict::ignore()).expect("written"), json!({"do": "ignore"}));
    let conflict = OnConflict::update(
        (Choice::QUESTION, Choice::SIZE),
        [Choice::CHOICE_TEXT.set_new(), Choice::VOTES.set(Choice::VOTES + 1)],
    );
    assert_eq!(
        asked(conflict).expect("written"),
        json!({"do": "update", "target": ["question", "size"],
            "set": {"choice_text": {"new": "choice_text"}, "votes": ["add", {"f": "votes"}, {"$": 2}]}})
    );
    let foreign = OnConflict::update(Choice::SIZE, Choice::QUESTION.question_text().set("x"));
    assert!(asked(foreign).is_err(), "a field of another model");
}

#[test]
fn many_rows_get_values_of_their_own() {
    let choice = |id: i64, votes: i32| Choice {
        id: Id::new(id),
        question: Id::new(1).into(),
        choice_text: "a".into(),
        votes,
        replaces: None,
        size: "s".into(),
        weight: None,
    };
    let statement = bulk_updated(&[choice(1, 5), choice(2, 6)], &["votes", "weight"]).expect("a statement");
    assert_eq!(
        document(&statement),
        json!({"v":1,"op":"update_many","from":"choice","set":{"votes":{"$":0},"weight":{"$":1}},"key":["id"],"key_values":[{"$":2}]})
    );
    assert_eq!(
        texts(&statement.params),
        [
            "Param::Many([Value::Integer(5), Value::Integer(6)])",
            "Param::Many([Value::Null, Value::Null])",
            "Param::Many([Value::Integer(1), Value::Integer(2)])",
        ]
    );
    assert!(bulk_updated(&[choice(1, 5)], &["id"]).is_err(), "the key isn't written");
}

#[test]
fn a_new_row_takes_borrowed_texts_and_options() {
    let given = NewChoice { question: Id::new(1), choice_text: "a".into() }.size("l").weight(None::<f64>);
    assert_eq!(New::<Choice>::columns(given).len(), 4);
}
