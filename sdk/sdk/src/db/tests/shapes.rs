//! Query sets as documents.

use serde_json::json;

use super::*;

#[test]
fn a_query_is_written_as_the_contract_says() {
    let at = DateTime::from_microsecond(1_000_000).expect("a moment");
    let statement = Choice::objects()
        .filter(Choice::QUESTION.pub_date().le(at) & (Choice::VOTES.gt(3) | !Choice::CHOICE_TEXT.icontains("x")))
        .exclude(Choice::QUESTION.eq(Id::new(7)))
        .filter(Choice::VOTES.range(1, 9))
        .filter(Choice::ID.is_in([1, 2]) & Choice::REPLACES.is_null() & Choice::VOTES.ne(Choice::VOTES))
        .order_by([Choice::VOTES.desc(), Choice::QUESTION.pub_date().asc()])
        .limit(5)
        .offset(10)
        .distinct()
        .select()
        .expect("a query");
    assert_eq!(
        document(&statement),
        json!({
            "v": 1,
            "from": "choice",
            "filter": [
                ["and",
                    ["lte", ["question", "pub_date"], {"$": 0}],
                    ["or", ["gt", "votes", {"$": 1}], ["not", ["icontains", "choice_text", {"$": 2}]]]],
                ["not", ["exact", "question", {"$": 3}]],
                ["range", "votes", [{"$": 4}, {"$": 5}]],
                ["and", ["in", "id", {"$": 6}], ["isnull", "replaces", true], ["not", ["exact", "votes", {"f": "votes"}]]],
            ],
            "order": ["-votes", "question.pub_date"],
            "distinct": true,
            "limit": {"$": 7},
            "offset": {"$": 8},
        })
    );
    assert_eq!(
        texts(&statement.params),
        [
            "Param::One(Value::Integer(1000000))",
            "Param::One(Value::Integer(3))",
            "Param::One(Value::Text(\"x\"))",
            "Param::One(Value::Integer(7))",
            "Param::One(Value::Integer(1))",
            "Param::One(Value::Integer(9))",
            "Param::Many([Value::Integer(1), Value::Integer(2)])",
            "Param::One(Value::Integer(5))",
            "Param::One(Value::Integer(10))",
        ]
    );
}

#[test]
fn one_place_in_an_app_sends_the_same_bytes_whatever_the_values() {
    let query = |votes: i32, text: &str, page: u64| {
        Choice::objects()
            .filter(Choice::VOTES.gt(votes) & Choice::CHOICE_TEXT.eq(text))
            .limit(10)
            .offset(page)
            .select()
            .expect("a query")
            .shape
    };
    assert_eq!(query(1, "a", 0), query(-5, "\"}]", 900));
    let keys = |count: i64| {
        let keys: Vec<_> = (0..count).map(crate::db::key::RawKey::Integer).collect();
        QuerySet::<Question>::with_keys(&keys).select().expect("a query").shape
    };
    assert_eq!(keys(1), keys(1_000));
}

#[test]
fn reverse_relations_reach_the_other_models_fields() {
    let statement = Question::objects().filter(Question::CHOICES.votes().gt(3)).select().expect("a query");
    let expected = json!({"v": 1, "from": "question", "filter": [["gt", ["choices", "votes"], {"$": 0}]]});
    assert_eq!(document(&statement), expected);
    let statement = Choice::objects()
        .filter(Choice::REPLACES.replaces().question().question_text().eq("x"))
        .select()
        .expect("a query");
    assert_eq!(document(&statement)["filter"][0][1], json!(["replaces", "replaces", "question", "question_text"]));
    let question = Question { id: Id::new(4), question_text: String::new(), pub_date: DateTime::UNIX_EPOCH };
    assert_eq!(
        document(&question.choices().select().expect("a query"))["filter"],
        json!([["exact", "question", {"$": 0}]])
    );
}

#[test]
fn orders_are_fields_or_expressions() {
    let order = |set: QuerySet<Choice>| asked(set)["order"].clone();
    assert_eq!(order(Choice::objects().order_by(Choice::QUESTION.pub_date())), json!(["question.pub_date"]));
    assert_eq!(
        order(Choice::objects().order_by([Choice::CHOICE_TEXT.lower().asc(), Choice::WEIGHT.desc().nulls_first()])),
        json!([{"e": ["lower", {"f": "choice_text"}]}, {"e": {"f": "weight"}, "desc": true, "nulls": "first"}])
    );
    assert_eq!(order(Choice::objects().reverse()), json!(["-pk"]));
    assert_eq!(asked(Question::objects().reverse())["order"], json!(["pub_date"]));
    let reversed = Choice::objects().order_by(Choice::WEIGHT.asc().nulls_last()).reverse();
    assert_eq!(order(reversed), json!([{"e": {"f": "weight"}, "desc": true, "nulls": "first"}]));
    assert_eq!(order(Choice::objects().order_by([])), json!([]));
}

#[test]
fn sets_are_united_locked_and_explained() {
    let few = Choice::objects().filter(Choice::VOTES.lt(3));
    assert_eq!(
        asked(few.clone().union(Choice::objects().filter(Choice::VOTES.gt(9))).difference(Choice::objects()).limit(5)),
        json!({"v":1,"from":"choice","filter":[["lt","votes",{"$":0}]],
            "combine":[["union",{"v":1,"from":"choice","filter":[["gt","votes",{"$":1}]]}], ["except",{"v":1,"from":"choice"}]],
            "limit":{"$":2}})
    );
    let texts =
        Choice::objects().values(Choice::CHOICE_TEXT).union_all(Question::objects().values(Question::QUESTION_TEXT));
    assert_eq!(
        asked_values(texts)["combine"],
        json!([["union_all", {"v":1,"from":"question","fields":["question_text"]}]])
    );
    let lock = Lock::skip_locked().of_self().of(Choice::QUESTION).no_key();
    assert_eq!(
        asked(few.clone().select_related(Choice::QUESTION).select_for_update(lock))["lock"],
        json!({"wait":"skip_locked","of":["self","question"],"no_key":true})
    );
    assert_eq!(asked(few.clone().select_for_update(Lock::wait()))["lock"], json!({"wait":"block"}));
    assert_eq!(
        asked(few.clone().distinct_on((Choice::QUESTION, Choice::SIZE)))["distinct"],
        json!(["question", "size"])
    );
    assert_eq!(asked(few.none())["filter"][1], json!(["in", "pk", {"$": 1}]));
}

#[test]
fn related_rows_come_along_each_after_those_it_is_reached_by() {
    let set = Choice::objects().select_related((Choice::REPLACES, Choice::REPLACES.question(), Choice::QUESTION));
    assert_eq!(asked(set)["related"], json!(["replaces", ["replaces", "question"], "question"]));
    let error = Choice::objects().select_related(Choice::REPLACES.question()).select().expect_err("without the first");
    assert!(error.to_string().contains("before replaces.question comes"), "{error}");
}

#[test]
fn trees_are_followed_both_ways() {
    let row = Id::<Choice>::new(7);
    assert_eq!(
        asked(Choice::objects().ancestors_of(row, Choice::REPLACES)),
        json!({"v":1,"from":"choice",
            "with":[["ancestors",{"recursive":{"start":[["exact","pk",{"$":0}]],"follow":"replaces","max_depth":100}}]],
            "filter":[["in","pk",{"with":"ancestors"}]]})
    );
    let below = asked(Choice::objects().descendants_of(row, Choice::CHOICE_SET).exclude(Choice::ID.eq(row)));
    assert_eq!(below["with"][0][1]["recursive"]["follow"], "choice_set");
    assert_eq!(below["filter"][1], json!(["not", ["exact", "id", {"$": 1}]]));
}

#[test]
fn all_of_none_is_true_and_one_of_none_is_not() {
    assert_eq!(
        asked(Choice::objects().filter(Q::all([])).filter(Q::any([])))["filter"],
        json!([["isnull", "pk", false], ["isnull", "pk", true]])
    );
}

#[test]
fn what_only_the_outermost_query_has_stays_out_of_those_inside() {
    let inside = Choice::objects().select_related(Choice::QUESTION).select_for_update(Lock::nowait());
    let document = asked(Choice::objects().union(inside));
    assert_eq!(document["combine"], json!([["union", {"v": 1, "from": "choice"}]]));
    let tree = Choice::objects().ancestors_of(Id::<Choice>::new(1), Choice::REPLACES);
    assert!(Choice::objects().union(tree).select().is_err());
}
