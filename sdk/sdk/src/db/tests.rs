//! The derive and the shapes that its models send, as the host reads them.

use serde_json::json;

use super::query::bulk_inserts;
use super::*;
use crate::prelude::*;

#[derive(Model, Debug)]
#[model(ordering = "-pub_date", unique_together = [["question_text", "pub_date"]])]
struct Question {
    id: Id<Self>,
    #[field(max_length = 200, help_text = "Ends with a \"?\"")]
    question_text: String,
    #[field(label = "date published", index)]
    pub_date: DateTime,
}

#[derive(Model, Debug)]
struct Choice {
    id: Id<Self>,
    #[field(on_delete = Cascade, related_name = "choices")]
    question: ForeignKey<Question>,
    choice_text: String,
    #[field(default = 0)]
    votes: i32,
    #[field(on_delete = SetNull)]
    replaces: Option<ForeignKey<Self>>,
    #[field(choices = [("s", "Small"), ("l", "Large")], default = "s")]
    size: String,
    weight: Option<f64>,
}

#[derive(Model, Debug, PartialEq)]
#[model(name = "everything")]
struct All {
    key: Id<Self>,
    small: i32,
    big: i64,
    float: f64,
    yes: bool,
    text: String,
    bytes: Vec<u8>,
    day: Date,
    time: Time,
    moment: DateTime,
    span: Duration,
    uuid: Uuid,
    json: Json<Vec<i32>>,
    #[field(default = -1)]
    negative: i64,
    #[field(default = 1.5)]
    half: f64,
    #[field(default = true)]
    on: bool,
    #[field(auto_now_add)]
    created: DateTime,
}

fn document(statement: &Statement) -> serde_json::Value {
    serde_json::from_slice(&statement.shape).expect("a shape is JSON")
}

fn texts(params: &[Param]) -> Vec<String> {
    params.iter().map(|param| format!("{param:?}")).collect()
}

#[test]
fn aggregates_are_written_as_the_contract_says() {
    let mut shape = super::shape::Shape::new("select", "question");
    let votes = Question::CHOICES.votes();
    let aggregates = (
        votes.sum(),
        votes.count().distinct().filter(Question::CHOICES.size().eq("s")).filter(!votes.gt(3)),
        count::<Question>().filter(Question::ID.ge(2)),
    );
    Aggregates::<Question>::write(aggregates, &mut shape);
    shape.end_list();
    let statement = shape.finish();
    assert_eq!(
        document(&statement),
        json!({"v":1,"from":"question","annotate":[
            ["annotation_0", ["sum", {"f":["choices","votes"]}]],
            ["annotation_1", ["count", {"f":["choices","votes"]}, {"distinct":true,"filter":[
                ["exact",["choices","size"],{"$":0}], ["not",["gt",["choices","votes"],{"$":1}]]]}]],
            ["annotation_2", ["count", null, {"distinct":false,"filter":[["gte","id",{"$":2}]]}]]]})
    );
    assert_eq!(statement.params.len(), 3);
    let mut shape = super::shape::Shape::new("select", "choice");
    Keys::<Choice>::write((Choice::SIZE, Choice::QUESTION.pub_date()), &mut shape);
    shape.end_list();
    assert_eq!(document(&shape.finish())["group"], json!(["size", ["question", "pub_date"]]));
}

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
        .select(None);
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
            .select(None)
            .shape
    };
    assert_eq!(query(1, "a", 0), query(-5, "\"}]", 900));
    let keys = |count: i64| QuerySet::<Question>::with_keys(&(0..count).collect::<Vec<_>>()).select(None).shape;
    assert_eq!(keys(1), keys(1_000));
}

#[test]
fn reverse_relations_reach_the_other_models_fields() {
    let statement = Question::objects().filter(Question::CHOICES.votes().gt(3)).select(Some(1));
    let expected = json!({"v": 1, "from": "question", "filter": [["gt", ["choices", "votes"], {"$": 0}]], "limit": 1});
    assert_eq!(document(&statement), expected);
    let statement =
        Choice::objects().filter(Choice::REPLACES.replaces().question().question_text().eq("x")).select(None);
    assert_eq!(document(&statement)["filter"][0][1], json!(["replaces", "replaces", "question", "question_text"]));
    let question = Question { id: Id::new(4), question_text: String::new(), pub_date: DateTime::UNIX_EPOCH };
    assert_eq!(document(&question.choices().select(None))["filter"], json!([["exact", "question", {"$": 0}]]));
}

#[test]
fn an_update_computes_in_the_database() {
    let mut shape = super::shape::Shape::new("update", "choice");
    let assignments = Choice::VOTES.set((Choice::VOTES + 1) * 2).into_assignments();
    shape.assignments(assignments.into_iter().map(|assignment| (assignment.path.steps()[0], assignment.node)));
    let expected = json!({"v": 1, "op": "update", "from": "choice", "set": {"votes": ["mul", ["add", {"f": "votes"}, {"$": 0}], {"$": 1}]}});
    assert_eq!(document(&shape.finish()), expected);
}

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
    let statements = bulk_inserts::<Choice>((0..1_001).map(|n| New::<Choice>::columns(new(n))));
    assert_eq!(statements.len(), 2);
    let expected =
        json!({"v": 1, "op": "insert", "from": "choice", "set": {"question": {"$": 0}, "choice_text": {"$": 1}}});
    assert_eq!(document(&statements[0]), expected);
    assert!(
        matches!(&statements[0].params[..], [Param::Many(a), Param::Many(b)] if a.len() == 1_000 && b.len() == 1_000)
    );
    assert!(matches!(&statements[1].params[..], [Param::Many(a), _] if a.len() == 1));
    let mixed =
        [New::<Choice>::columns(new(1)), New::<Choice>::columns(new(2).votes(1)), New::<Choice>::columns(new(3))];
    assert_eq!(bulk_inserts::<Choice>(mixed.into_iter()).len(), 3);
    assert!(bulk_inserts::<Choice>(std::iter::empty()).is_empty());
}

#[test]
fn what_a_row_sends_it_reads_back() {
    let row = All {
        key: Id::new(1),
        small: i32::MIN,
        big: i64::MAX,
        float: -0.5,
        yes: true,
        text: "ü\0".into(),
        bytes: vec![0, 255],
        day: Date::constant(1969, 7, 20),
        time: Time::constant(20, 17, 40, 1_000),
        moment: DateTime::from_microsecond(-1).expect("a moment"),
        span: Duration::from_micros(-1_500_000),
        uuid: Uuid::from_u128(7),
        json: Json(vec![1, 2]),
        negative: -1,
        half: 1.5,
        on: false,
        created: DateTime::UNIX_EPOCH,
    };
    let mut cells = vec![Value::Integer(1)];
    cells.extend(Model::columns(&row).into_iter().map(|(_, value)| value));
    let rows = Rows { width: u32::try_from(cells.len()).expect("a width"), cells };
    let read = Reader::typed("everything", All::META.fields.len(), &rows).expect("rows").all::<All>().expect("a row");
    assert_eq!(read, [row]);
}

#[test]
fn rows_of_one_result_share_their_relations() {
    let row = |id: i64, question: i64| {
        let text = || Value::Text("x".into());
        [Value::Integer(id), Value::Integer(question), text(), Value::Integer(0), Value::Null, text(), Value::Null]
    };
    let rows = Rows { width: 7, cells: [row(1, 10), row(2, 11)].concat() };
    let choices = Reader::typed("choice", 7, &rows).expect("rows").all::<Choice>().expect("choices");
    assert_eq!(choices[1].question.id(), Id::new(11));
    assert!(choices[0].question.same_peers(&choices[1].question));
    assert!(choices[0].replaces.is_none());
    assert_eq!(serde_json::to_value(&choices[0]).expect("json")["question"], 10);
}

#[test]
fn the_manifest_is_what_the_structs_say() {
    let manifest = crate::app::describe(&crate::app::Description {
        name: "polls",
        label: "",
        version: "1.2.3",
        models: &[Question::META, Choice::META],
        routes: &[],
        capabilities: &["templates"],
    });
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("json");
    assert_eq!(
        manifest["models"],
        json!([
            {"name": "question", "fields": [
                {"name": "id", "kind": "auto"},
                {"name": "question_text", "kind": "char", "max_length": 200, "help_text": "Ends with a \"?\""},
                {"name": "pub_date", "kind": "datetime", "index": true, "label": "date published"},
            ], "ordering": ["-pub_date"], "unique_together": [["question_text", "pub_date"]]},
            {"name": "choice", "fields": [
                {"name": "id", "kind": "auto"},
                {"name": "question", "kind": "foreign_key", "to": "question", "on_delete": "cascade", "related_name": "choices"},
                {"name": "choice_text", "kind": "text"},
                {"name": "votes", "kind": "integer", "default": 0},
                {"name": "replaces", "kind": "foreign_key", "to": "choice", "on_delete": "set_null", "null": true},
                {"name": "size", "kind": "text", "default": "s",
                    "choices": [{"value": "s", "label": "Small"}, {"value": "l", "label": "Large"}]},
                {"name": "weight", "kind": "float", "null": true},
            ]},
        ])
    );
    let asked = json!([{"name": "db", "required": true}, {"name": "templates", "required": true}]);
    assert_eq!(manifest["capabilities"], asked);
    assert_eq!((&manifest["v"], &manifest["version"]), (&json!(1), &json!("1.2.3")));
    assert!(relations_stay_inside(&[Question::META, Choice::META]) && !relations_stay_inside(&[Choice::META]));
}
