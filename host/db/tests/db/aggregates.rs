//! Annotations, aggregates and groups, each against numbers that were added up by hand or in Rust.

use host_db::{RequestDb, Value};
use serde_json::json;

use super::site::{Ask, Site, code, int};

/// Question, text, votes and rank of each choice; question 3 has none, question 4 nothing but a comment.
const CHOICES: [(i64, &str, i64, Option<i64>); 5] =
    [(1, "x", 3, None), (1, "y", 5, Some(2)), (1, "z", 0, Some(4)), (2, "x", 7, None), (2, "y", 7, Some(1))];

async fn fill(db: &RequestDb) {
    let ann = db.add("author", json!({"name": "ann"})).await;
    for (at, author) in [Some(ann), Some(ann), None, None].into_iter().enumerate() {
        db.add("question", json!({"text": format!("q{at}"), "pub_date": at as i64 * 10, "author": author})).await;
    }
    for (question, text, votes, rank) in CHOICES {
        db.add("choice", json!({"question": question, "text": text, "votes": votes, "rank": rank})).await;
    }
    for question in [1, 1, 4] {
        db.add("comment", json!({"question": question, "body": "so"})).await;
    }
}

fn cells(rows: host_db::Rows) -> Vec<Vec<Value>> {
    rows.iter().map(<[Value]>::to_vec).collect()
}

fn integer(number: i64) -> Value {
    Value::Integer(number)
}

#[tokio::test]
async fn a_whole_table_becomes_one_row() {
    let site = Site::polls();
    let db = site.request();
    let all = json!({"v":1,"op":"aggregate","from":"choice","annotate":[
        ["n", ["count"]], ["ranked", ["count", {"f":"rank"}]], ["texts", ["count", {"f":"text"}, {"distinct": true}]],
        ["total", ["sum", {"f":"votes"}]], ["mean", ["avg", {"f":"votes"}]], ["least", ["min", {"f":"votes"}]],
        ["last", ["max", {"f":"text"}]], ["sure", ["coalesce", ["sum", {"f":"rank"}], 0]],
        ["many", ["count", null, {"filter": [["gte", "votes", {"$":0}]]}]],
        ["per", ["div", ["sum", {"f":"votes"}], ["count"]]] ]});
    let empty = cells(db.get(all.clone(), vec![int(5)]).await.unwrap());
    let (none, zero) = (Value::Null, integer(0));
    let of_nothing = [&zero, &zero, &zero, &none, &none, &none, &none, &zero, &zero, &none];
    assert_eq!(empty, [of_nothing.map(Clone::clone).to_vec()]);
    fill(&db).await;
    let full = cells(db.get(all, vec![int(5)]).await.unwrap());
    let text = Value::Text("z".into());
    let total: i64 = CHOICES.iter().map(|choice| choice.2).sum();
    let expected =
        [integer(5), integer(3), integer(3), integer(total), Value::Float(4.4), integer(0), text, integer(7)];
    assert_eq!(full[0][..8], expected);
    assert_eq!(full[0][8..], [integer(3), integer(total / 5)]);
    // Conditions, also over relations, say which rows are aggregated.
    let of_ann = json!({"v":1,"op":"aggregate","from":"choice","annotate":[["n", ["sum",{"f":"votes"}]]],
        "filter":[["exact",["question","author","name"],"ann"],["gt","votes",0]]});
    assert_eq!(db.one(of_ann, vec![]).await, integer(22));
}

#[tokio::test]
async fn rows_carry_what_is_counted_of_their_relations() {
    let site = Site::polls();
    let db = site.request();
    fill(&db).await;
    // Two relations at once: each is counted by itself, where a join would multiply them.
    let counted = json!({"v":1,"from":"question","order":["id"],"annotate":[
        ["choices_n", ["count", {"f":"choices"}]], ["comments", ["count", {"f":"comment_set"}]],
        ["votes", ["sum", {"f":["choices","votes"]}]],
        ["liked", ["count", {"f":"choices"}, {"filter": [["gt", ["choices","votes"], {"$":0}]]}]],
        ["not_x", ["count", {"f":"choices"}, {"filter": [["not", ["exact", ["choices","text"], "x"]]]}]],
        ["kinds", ["count", {"f":["choices","votes"]}, {"distinct": true}]] ]});
    let rows = cells(db.get(counted, vec![int(2)]).await.unwrap());
    let annotated: Vec<&[Value]> = rows.iter().map(|row| &row[4..]).collect();
    let (i, none) = (integer, Value::Null);
    assert_eq!(annotated[0], [i(3), i(2), i(8), i(2), i(2), i(3)]);
    assert_eq!(annotated[1], [i(2), i(0), i(14), i(2), i(1), i(1)]);
    assert_eq!(annotated[2], [i(0), i(0), none.clone(), i(0), i(0), i(0)]);
    assert_eq!(annotated[3], [i(0), i(1), none, i(0), i(0), i(0)]);
}

#[tokio::test]
async fn annotations_have_names_for_filters_and_orders() {
    let site = Site::polls();
    let db = site.request();
    fill(&db).await;
    let annotate = json!([["n", ["count", {"f":"choices"}]], ["later", ["add", {"f":"pub_date"}, {"$":1}]]]);
    let ids = |filter: serde_json::Value, order: serde_json::Value| json!({"v":1,"from":"question","fields":["id"],"annotate":annotate,"filter":filter,"order":order});
    let took = || vec![int(2), int(5)];
    assert_eq!(db.ids(ids(json!([["gte", "n", {"$":0}]]), json!(["-n"])), took()).await, [1, 2]);
    assert_eq!(
        db.ids(ids(json!([["exact", "n", 0], ["gt", "later", {"$":0}]]), json!(["-later"])), took()).await,
        [4, 3]
    );
    assert_eq!(db.ids(ids(json!([["not", ["lt", "n", {"$":0}]]]), json!(["n", "id"])), took()).await, [2, 1]);
    let both = json!([["or", ["gt", "n", {"$":0}], ["exact", ["choices", "votes"], 7]]]);
    assert_eq!(db.ids(ids(both, json!(["id"])), took()).await, [1, 2]);
    let many = json!([["gt", "n", 1]]);
    let count = json!({"v":1,"op":"count","from":"question","annotate":annotate,"filter":many});
    assert_eq!(db.one(count, took()).await, integer(2));
    let exists = json!({"v":1,"op":"exists","from":"question","annotate":annotate,"filter":[["gt", "n", 3]]});
    assert_eq!(db.one(exists, took()).await, Value::Boolean(false));
    // As a column of its own, in the place that `fields` gives it.
    let shown = json!({"v":1,"from":"question","fields":["n","id"],"annotate":[["n", ["count", {"f":"choices"}]]],"order":["id"]});
    assert_eq!(cells(db.get(shown, vec![]).await.unwrap())[0], [integer(3), integer(1)]);
}

#[tokio::test]
async fn rows_are_put_together_by_what_they_share() {
    let site = Site::polls();
    let db = site.request();
    fill(&db).await;
    let by_question = |rest: serde_json::Value| {
        let mut shape = json!({"v":1,"from":"choice","group":["question"],"annotate":[
            ["n", ["count"]], ["sum", ["sum", {"f":"votes"}]] ]});
        shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        shape
    };
    let rows = cells(db.get(by_question(json!({"order":["-sum"]})), vec![]).await.unwrap());
    assert_eq!(rows, [vec![integer(2), integer(2), integer(14)], vec![integer(1), integer(3), integer(8)]]);
    // Before the grouping, and after it.
    let shape = |filter: serde_json::Value| json!({"v":1,"from":"choice","group":["question"],"annotate":[["total", ["sum",{"f":"votes"}]]],"filter":filter,"order":["question"]});
    assert_eq!(cells(db.get(shape(json!([["gt", "votes", 3]])), vec![]).await.unwrap())[0], [integer(1), integer(5)]);
    assert_eq!(db.ids(shape(json!([["gt","total",{"$":0}]])), vec![int(8)]).await, [2]);
    assert_eq!(db.ids(shape(json!([["gt", "votes", 3], ["lt", "total", 10]])), vec![]).await, [1]);
    // Over a relation, by an annotation, and how many groups there are.
    let by_author = json!({"v":1,"from":"choice","group":[["question","author","name"]],"annotate":[["n", ["count"]]]});
    assert_eq!(cells(db.get(by_author, vec![]).await.unwrap()), [[Value::Text("ann".into()), integer(5)]]);
    let by_parity = json!({"v":1,"from":"choice","group":["odd"],"order":["odd"],
        "annotate":[["odd", ["mod",{"f":"votes"},2]],["n", ["count"]]]});
    assert_eq!(cells(db.get(by_parity, vec![]).await.unwrap()), [[integer(0), integer(1)], [integer(1), integer(4)]]);
    let groups = json!({"v":1,"op":"count","from":"choice","group":["question"]});
    assert_eq!(db.one(groups, vec![]).await, integer(2));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let site = Site::polls();
    let db = site.request();
    for (from, rest, words) in [
        ("choice", json!({"annotate":[["n", ["sum",{"f":"votes"}]]]}), "use the op `aggregate`, or `group`"),
        ("choice", json!({"annotate":[["votes", ["count"]]]}), "means something else"),
        ("choice", json!({"annotate":[["N", ["count"]]]}), "the name has other than"),
        ("choice", json!({"op":"aggregate"}), "is missing"),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["sum",{"f":"text"}]]]}), "takes numbers"),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["sum"]]]}), "takes an expression"),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["summ",{"f":"votes"}]]]}), "did you mean `sum`"),
        ("choice", json!({"op":"aggregate","annotate":[["n", {"f":"votes"}]]}), "differs from row to row"),
        (
            "choice",
            json!({"op":"aggregate","annotate":[["n", ["count"]]],"filter":[["gt","n",1]]}),
            "can't ask for the result",
        ),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["count"]]],"limit":3}), "takes all rows"),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["max",["sum",{"f":"votes"}]]]]}), "inside of another"),
        (
            "choice",
            json!({"op":"aggregate","annotate":[["n", ["count",null,{"distinct":true}]]]}),
            "needs an expression",
        ),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["count",null,{"order":1}]]]}), "the options are"),
        (
            "choice",
            json!({"op":"aggregate","annotate":[["n", ["add",{"f":"votes"},{"f":"text"}]]]}),
            "don't fit together",
        ),
        ("choice", json!({"op":"aggregate","annotate":[["n", ["coalesce",null,null]]]}), "what kind of value"),
        ("choice", json!({"group":["question"],"annotate":[["v", {"f":"votes"}]]}), "add it to `group`"),
        ("choice", json!({"group":["n"],"annotate":[["n", ["count"]]]}), "can't make the group"),
        (
            "choice",
            json!({"group":["question"],"order":["votes"],"annotate":[["n", ["count"]]]}),
            "`votes` isn't there",
        ),
        ("choice", json!({"group":["question"],"fields":["votes"]}), "no `fields`"),
        (
            "choice",
            json!({"group":["question"],"annotate":[["n", ["count"]]],"filter":[["or",["gt","n",1],["gt","votes",1]]]}),
            "a filter of its own",
        ),
        ("question", json!({"op":"aggregate","annotate":[["n", ["count",{"f":"choices"}]]]}), "ask the model behind"),
        (
            "question",
            json!({"annotate":[["n", ["count",["add",{"f":["choices","votes"]},{"f":["comment_set","id"]}]]]]}),
            "one many-valued relation",
        ),
        (
            "question",
            json!({"annotate":[["n", ["count",{"f":"choices"},{"filter":[["exact",["comment_set","body"],"x"]]}]]]}),
            "about the relation that is aggregated",
        ),
    ] {
        let mut shape = json!({"v":1,"from":from});
        shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let error = db.get(shape.clone(), vec![]).await.expect_err(words);
        assert!(error.message.contains(words), "{shape} is answered: {error}");
    }
    let deep = (0..40).fold(json!({"f":"votes"}), |inner, _| json!(["add", inner, 1]));
    let deep = json!({"v":1,"op":"aggregate","from":"choice","annotate":[["n", ["sum",deep]]]});
    assert_eq!(code(db.get(deep, vec![]).await), "invalid-shape");
    let wide = (0..30).fold(json!({"f":"votes"}), |inner, _| json!(["coalesce", inner, 0, {"$":0}]));
    let wide = json!({"v":1,"from":"choice","fields":["n"],"annotate":[["n", wide]]});
    assert!(db.get(wide, vec![int(1)]).await.is_ok());
    let many: Vec<_> = (0..40).map(|at| json!([format!("n{at}"), ["count"]])).collect();
    let many = json!({"v":1,"op":"aggregate","from":"choice","annotate":many});
    assert_eq!(code(db.get(many, vec![]).await), "invalid-shape");
}

#[tokio::test]
async fn a_sum_past_the_largest_integer_is_an_error_and_not_a_wrong_number() {
    let site = Site::polls();
    let db = site.request();
    for _ in 0..2 {
        db.add("sample", json!({"big": i64::MAX})).await;
    }
    let sum = json!({"v":1,"op":"aggregate","from":"sample","annotate":[["n", ["sum",{"f":"big"}]]]});
    assert_eq!(code(db.get(sum, vec![]).await), "invalid-value");
}
