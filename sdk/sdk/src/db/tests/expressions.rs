//! Expressions, aggregates and windows as documents.

use serde_json::json;

use super::*;
use crate::db::functions::{now as db_now, random, uuid7};

#[derive(Model, Debug)]
struct Product {
    id: Id<Self>,
    #[field(max_length = 100)]
    name: String,
    nick: Option<String>,
    #[field(max_digits = 10, decimal_places = 2)]
    price: Decimal,
    stock: i16,
    on_sale: bool,
    made: Date,
    sold: Option<DateTime>,
    data: Json<serde_json::Value>,
    weight: f64,
}

fn expression<T: Kind>(expression: Expr<Product, T>) -> serde_json::Value {
    asked_values(Product::objects().values(expression))["annotate"][0][1].clone()
}

fn condition(condition: Q<Product>) -> serde_json::Value {
    asked(Product::objects().filter(condition))["filter"][0].clone()
}

/// The type that it is read as.
fn kind<R, T: Kind>(_: &Expr<R, T>) -> &'static str {
    core::any::type_name::<T>()
}

#[test]
fn functions_are_written_with_their_arguments_in_order() {
    for (found, expected) in [
        (expression(Product::NAME.lower()), json!(["lower", {"f": "name"}])),
        (expression(Product::NAME.trim().upper().length()), json!(["length", ["upper", ["trim", {"f": "name"}]]])),
        (
            expression(Product::NAME.concat(" (").concat(Product::NICK).concat(")")),
            json!(["concat", {"f": "name"}, {"$": 0}, {"f": "nick"}, {"$": 1}]),
        ),
        (expression(Product::NAME.substr(2, 3)), json!(["substr", {"f": "name"}, {"$": 0}, {"$": 1}])),
        (expression(Product::NICK.coalesce(Product::NAME)), json!(["coalesce", {"f": "nick"}, {"f": "name"}])),
        (expression(Product::NICK.coalesce("")), json!(["coalesce", {"f": "nick"}, {"$": 0, "as": "text"}])),
        (expression(Product::WEIGHT.round(2)), json!(["round", {"f": "weight"}, 2])),
        (expression(Product::STOCK.log(10)), json!(["log", {"$": 0}, {"f": "stock"}])),
        (expression(Product::MADE.month()), json!(["extract", "month", {"f": "made"}])),
        (expression(Product::SOLD.trunc(Unit::Month)), json!(["trunc", "month", {"f": "sold"}])),
        (
            expression(Product::SOLD.in_zone("Europe/Berlin").trunc(Unit::Day)),
            json!(["trunc", "day", {"f": "sold"}, {"tz": "Europe/Berlin"}]),
        ),
        (expression(Product::SOLD.date()), json!(["date", {"f": "sold"}])),
        (expression(Product::STOCK.to_text()), json!(["cast", {"f": "stock"}, "text"])),
        (
            expression(Product::NAME.cast_decimal(8, 3)),
            json!(["cast", {"f": "name"}, {"kind": "decimal", "max_digits": 8, "decimal_places": 3}]),
        ),
        (expression(Product::DATA.json("tags").json(0)), json!(["json", {"f": "data"}, "tags", 0])),
        (
            expression(Product::DATA.json("a \"quoted\" name").json_text("x")),
            json!(["json_text", {"f": "data"}, "a \"quoted\" name", "x"]),
        ),
        (expression(db_now()), json!(["now"])),
        (expression(uuid7()), json!(["uuid7"])),
        (expression(random()), json!(["random"])),
        (expression(Product::STOCK * 2 + 1), json!(["add", ["mul", {"f": "stock"}, {"$": 0}], {"$": 1}])),
        (expression(Product::PRICE / 3), json!(["div", {"f": "price"}, {"$": 0}])),
        (expression(Product::MADE + 7), json!(["add", {"f": "made"}, {"$": 0}])),
        (
            expression(value(1) - Product::STOCK.cast::<i32>()),
            json!(["sub", {"$": 0}, ["cast", {"f": "stock"}, "integer"]]),
        ),
        (
            expression(
                case()
                    .when(Product::STOCK.gt(9), "many")
                    .when(Product::ON_SALE.is_true(), Product::NAME)
                    .otherwise("few"),
            ),
            json!(["case", [
                [["gt", "stock", {"$": 0}], {"$": 1, "as": "text"}],
                [["exact", "on_sale", true], {"f": "name"}],
            ], {"$": 2, "as": "text"}]),
        ),
        (
            expression(Product::ON_SALE.is_true().as_value()),
            json!(["case", [[["exact", "on_sale", true], true]], false]),
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn what_may_be_null_is_read_as_an_option() {
    assert_eq!(kind(&Product::NAME.lower()), "alloc::string::String");
    assert!(kind(&Product::NICK.lower()).starts_with("core::option::Option<"));
    assert_eq!(kind(&Product::NICK.coalesce("")), "alloc::string::String");
    assert!(kind(&Product::NICK.coalesce(Product::NICK)).starts_with("core::option::Option<"));
    assert_eq!(kind(&Product::NICK.concat("x")), "alloc::string::String");
    assert_eq!(kind(&(Product::STOCK + 1)), "i16");
    assert_eq!(kind(&(Product::PRICE / 3)), "core::option::Option<f64>");
    assert_eq!(kind(&Product::SOLD.year()), "core::option::Option<i32>");
    assert_eq!(kind(&Product::MADE.days_since(Product::MADE)), "i64");
    assert_eq!(kind(&case().when(Product::STOCK.gt(1), 1).end()), "core::option::Option<i32>");
    // Over a relation that may lead nowhere, too.
    let values =
        Choice::objects().values((Choice::QUESTION.question_text(), Choice::REPLACES.votes(), Choice::REPLACES));
    #[expect(clippy::type_complexity, reason = "it is what is tested")]
    fn reads_as<N>(_: &Values<Choice, (String, Option<i32>, Option<Id<Choice>>), N>) {}
    reads_as(&values);
    assert_eq!(
        asked_values(values)["fields"],
        json!([["question", "question_text"], ["replaces", "votes"], "replaces"])
    );
}

#[test]
fn conditions_take_expressions_on_both_sides() {
    for (found, expected) in [
        (condition(Product::NAME.length().gt(3)), json!(["gt", {"e": ["length", {"f": "name"}]}, {"$": 0}])),
        (condition(Product::STOCK.gt(Product::STOCK * 2)), json!(["gt", "stock", ["mul", {"f": "stock"}, {"$": 0}]])),
        (
            condition(Product::NAME.eq("a") ^ Product::NICK.eq("b") ^ Product::STOCK.eq(3)),
            json!(["xor", ["exact", "name", {"$": 0}], ["exact", "nick", {"$": 1}], ["exact", "stock", {"$": 2}]]),
        ),
        (condition(Product::NAME.regex("^a")), json!(["regex", "name", {"$": 0}])),
        (condition(Product::DATA.has_key("a")), json!(["has_key", "data", {"$": 0}])),
        (condition(Product::DATA.has_any_keys(["a", "b"])), json!(["has_any_keys", "data", {"$": 0}])),
        (condition(Product::DATA.json_contains(json!({"a": 1}))), json!(["json_contains", "data", {"$": 0}])),
        (
            condition(Product::DATA.json_text("a").eq("x")),
            json!(["exact", {"e": ["json_text", {"f": "data"}, "a"]}, {"$": 0}]),
        ),
        (condition(Product::PRICE.ge(Decimal::new(999, 2))), json!(["gte", "price", {"$": 0}])),
        (condition(Product::NICK.eq(None::<&str>)), json!(["exact", "nick", {"$": 0}])),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_year_is_a_range() {
    let params = |q: Q<Product>| texts(&Product::objects().filter(q).select().expect("a query").params);
    for (q, expected) in [
        (Product::MADE.year().eq(1970), json!(["range", "made", [{"$": 0}, {"$": 1}]])),
        (Product::MADE.year().gt(1970), json!(["gte", "made", {"$": 0}])),
        (Product::MADE.year().ge(1970), json!(["gte", "made", {"$": 0}])),
        (Product::MADE.year().lt(1970), json!(["lt", "made", {"$": 0}])),
        (Product::MADE.year().le(1970), json!(["lt", "made", {"$": 0}])),
        (Product::SOLD.year().ne(1970), json!(["not", ["range", "sold", [{"$": 0}, {"$": 1}]]])),
        // What is no range stays a part.
        (
            Product::SOLD.in_zone("Asia/Tokyo").year().eq(1970),
            json!(["exact", {"e": ["extract", "year", {"f": "sold"}, {"tz": "Asia/Tokyo"}]}, {"$": 0}]),
        ),
        (Product::MADE.year().eq(123_456), json!(["exact", {"e": ["extract", "year", {"f": "made"}]}, {"$": 0}])),
    ] {
        assert_eq!(condition(q), expected);
    }
    assert_eq!(
        params(Product::MADE.year().eq(1970)),
        ["Param::One(Value::Integer(0))", "Param::One(Value::Integer(364))"]
    );
    assert_eq!(params(Product::SOLD.year().gt(1969)), ["Param::One(Value::Integer(0))"]);
}

#[test]
fn queries_stand_in_queries() {
    let popular = Choice::objects().filter(Choice::QUESTION.eq(outer(Question::ID)) & Choice::VOTES.gt(9));
    assert_eq!(
        asked(Question::objects().filter(Question::ID.gt(1)).filter(exists(popular.clone()))),
        json!({"v": 1, "from": "question", "filter": [
            ["gt", "id", {"$": 0}],
            ["exists", {"v": 1, "from": "choice", "filter": [
                ["and", ["exact", "question", {"outer": "id"}], ["gt", "votes", {"$": 1}]]]}]]})
    );
    // The row outside is one of another model.
    let error = Choice::objects().filter(exists(popular.clone())).select().expect_err("of the wrong model");
    assert!(error.to_string().contains("a field of question"), "{error}");
    let error = popular.clone().select().expect_err("nothing outside");
    assert!(error.to_string().contains("of nothing"), "{error}");
    assert_eq!(
        asked(Question::objects().filter(Question::ID.is_in(Choice::objects().values(Choice::QUESTION))))["filter"],
        json!([["in", "id", {"v": 1, "from": "choice", "fields": ["question"]}]])
    );
    // Two levels out.
    let replaced =
        exists(Choice::objects().filter(
            Choice::CHOICE_TEXT.eq(outer(Question::QUESTION_TEXT)) & Choice::ID.eq(outer(Choice::REPLACES.key())),
        ));
    assert_eq!(
        asked(Question::objects().filter(exists(Choice::objects().filter(replaced))))["filter"][0][1]["filter"][0][1]["filter"]
            [0][1],
        json!(["exact", "choice_text", {"outer": {"outer": "question_text"}}])
    );
    let best = popular.order_by(Choice::VOTES.desc()).limit(1).values(Choice::CHOICE_TEXT);
    let annotated = Question::objects().annotate(subquery(best)).statement().expect("a query");
    assert_eq!(document(&annotated)["annotate"][0][1][1]["limit"], 1);
}

#[test]
fn aggregates_are_written_as_the_contract_says() {
    let votes = Question::CHOICES.votes();
    let aggregates = (
        votes.sum(),
        votes.count().distinct().filter(Question::CHOICES.size().eq("s")).filter(!votes.gt(3)),
        Question::CHOICES.count(),
        votes.sum().coalesce(0),
        Question::CHOICES.choice_text().string_agg(", ").order_by(Question::CHOICES.votes().desc()),
        votes.stddev().of_sample(),
        votes.sum() / votes.count().cast::<i64>(),
    );
    let statement = Question::objects().annotate(aggregates).statement().expect("a query");
    assert_eq!(
        document(&statement),
        json!({"v":1,"from":"question","annotate":[
            ["annotation_0", ["sum", {"f":["choices","votes"]}]],
            ["annotation_1", ["count", {"f":["choices","votes"]}, {"distinct":true,"filter":[
                ["exact",["choices","size"],{"$":0}], ["not",["gt",["choices","votes"],{"$":1}]]]}]],
            ["annotation_2", ["count", {"f":["choices","pk"]}]],
            ["annotation_3", ["coalesce", ["sum", {"f":["choices","votes"]}], {"$":2,"as":"big_integer"}]],
            ["annotation_4", ["string_agg", {"f":["choices","choice_text"]}, ", ",
                {"distinct":false,"order":["-choices.votes"]}]],
            ["annotation_5", ["stddev", {"f":["choices","votes"]}, {"distinct":false,"sample":true}]],
            ["annotation_6", ["div", ["sum", {"f":["choices","votes"]}],
                ["cast", ["count", {"f":["choices","votes"]}], "big_integer"]]],
        ]})
    );
    let all = annotate::aggregated(
        Choice::objects().filter(Choice::VOTES.gt(0)),
        values::nodes((count(), Choice::VOTES.sum())),
    );
    assert_eq!(
        document(&all.expect("a query")),
        json!({"v":1,"op":"aggregate","from":"choice","annotate":[
            ["annotation_0", ["count"]], ["annotation_1", ["sum", {"f":"votes"}]]], "filter":[["gt","votes",{"$":0}]]})
    );
    assert!(annotate::aggregated(Choice::objects().limit(1), values::nodes(count::<Choice>())).is_err());
}

#[test]
fn rows_are_narrowed_and_put_in_order_by_what_is_computed() {
    let annotated = Question::objects()
        .annotate((Question::CHOICES.votes().sum(), Question::QUESTION_TEXT.length()))
        .filter(Question::ID.gt(0))
        .having(|(votes, length)| votes.gt(10) & length.lt(20))
        .order_with(|(votes, _)| votes.desc().nulls_last())
        .limit(3);
    assert_eq!(
        document(&annotated.statement().expect("a query")),
        json!({"v":1,"from":"question","annotate":[
            ["annotation_0", ["sum", {"f":["choices","votes"]}]], ["annotation_1", ["length", {"f":"question_text"}]]],
            "filter":[["gt","id",{"$":0}], ["and",["gt","annotation_0",{"$":1}],["lt","annotation_1",{"$":2}]]],
            "order":[{"e":{"f":"annotation_0"},"desc":true,"nulls":"last"}], "limit":{"$":3}})
    );
    let groups = Choice::objects()
        .group_by((Choice::QUESTION, Choice::QUESTION.pub_date().month()))
        .annotate((count(), Choice::VOTES.avg()))
        .having(|(n, _)| n.gt(2))
        .order_with(|(n, _)| n.desc());
    assert_eq!(
        document(&groups.statement().expect("a query")),
        json!({"v":1,"from":"choice","group":["question","group_1"],"annotate":[
            ["group_1", ["extract","month",{"f":["question","pub_date"]}]],
            ["annotation_0", ["count"]], ["annotation_1", ["avg", {"f":"votes"}]]],
            "filter":[["gt","annotation_0",{"$":0}]], "order":["-annotation_0"]})
    );
}

#[test]
fn windows_are_written_as_the_contract_says() {
    let best = rank().over(partition_by(Choice::QUESTION).order_by(Choice::VOTES.desc()));
    let running = Choice::VOTES.sum().over(window().order_by(Choice::ID.asc()).rows(Edge::Unbounded, Edge::Current));
    let near =
        Choice::VOTES.avg().over(window().order_by(Choice::ID.asc()).range(Edge::Preceding(2), Edge::Following(3)));
    let document = asked_values(Choice::objects().values((
        Choice::ID,
        best,
        running,
        near,
        Choice::VOTES.lag(1).over(Choice::WEIGHT.desc().nulls_last()),
    )));
    assert_eq!(document["fields"], json!(["id", "annotation_1", "annotation_2", "annotation_3", "annotation_4"]));
    assert_eq!(
        document["annotate"],
        json!([
            ["annotation_1", ["window", ["rank"], {"partition": [{"f":"question"}], "order": ["-votes"]}]],
            ["annotation_2", ["window", ["sum", {"f":"votes"}], {"order": ["id"], "frame": ["rows", "unbounded", 0]}]],
            ["annotation_3", ["window", ["avg", {"f":"votes"}], {"order": ["id"], "frame": ["range", -2, 3]}]],
            ["annotation_4", ["window", ["lag", {"f":"votes"}, 1],
                {"order": [{"e": {"f": "weight"}, "desc": true, "nulls": "last"}]}]],
        ])
    );
}

#[test]
fn dates_are_those_that_occur() {
    assert_eq!(
        asked_values(Question::objects().datetimes(Question::PUB_DATE, Unit::Month)),
        json!({"v":1,"from":"question","fields":["annotation_0"],
            "annotate":[["annotation_0",["trunc","month",{"f":"pub_date"}]]],
            "filter":[["isnull","pub_date",false]], "order":["annotation_0"], "distinct":true})
    );
    let days = asked_values(Question::objects().dates(Question::PUB_DATE.date(), Unit::Day));
    assert_eq!(days["filter"], json!([["isnull", {"e": ["date", {"f": "pub_date"}]}, false]]));
}

#[test]
fn what_is_between_two_days_is_days() {
    let days = Product::MADE - today_is();
    assert_eq!(kind(&days), "i64");
    assert_eq!(expression(days), json!(["sub", {"f": "made"}, {"$": 0, "as": "date"}]));
    assert_eq!(kind(&(Product::SOLD.date() - Product::MADE)), "core::option::Option<i64>");
    assert_eq!(kind(&(Product::MADE - 3)), core::any::type_name::<Date>());
    assert_eq!(kind(&(Product::SOLD - Product::SOLD)), core::any::type_name::<Option<Duration>>());
    assert_eq!(kind(&(Product::SOLD - Duration::from_hours(1))), core::any::type_name::<Option<DateTime>>());
}

fn today_is() -> Date {
    Date::constant(2026, 1, 31)
}

#[test]
fn a_count_of_related_rows_is_a_value_of_each_row() {
    let choices = || Choice::objects().filter(Choice::QUESTION.eq(outer(Question::ID)));
    let of = |expression: Expr<Question, Option<i64>>| {
        asked_values(Question::objects().values(expression))["annotate"][0][1].clone()
    };
    let count = subquery(choices().aggregate(count()));
    assert_eq!(core::any::type_name_of_val(&count), core::any::type_name::<Expr<Question, u64>>());
    let is_outer = json!(["exact", "question", {"outer": "id"}]);
    assert_eq!(
        of(count.cast::<i64>())[1],
        json!(["subquery", {"v":1,"from":"choice","group":[],"annotate":[["annotation_0",["count"]]],"filter":[is_outer]}])
    );
    // As Django has it.
    assert_eq!(
        of(subquery(choices().order_by(Choice::ID).values(Choice::VOTES.sum()))),
        json!(["subquery", {"v":1,"from":"choice","group":[],"annotate":[["annotation_0",["sum",{"f":"votes"}]]],"filter":[is_outer]}])
    );
    // What is made of the rows that each is related to is a value of each row.
    assert_eq!(
        of(subquery(Question::objects().values(Question::CHOICES.votes().sum())))[1]["fields"],
        json!(["annotation_0"])
    );
    let limited =
        Question::objects().annotate(subquery::<Question, _>(choices().limit(3).aggregate(Choice::VOTES.max())));
    let error = limited.statement().expect_err("a limit").to_string();
    assert!(error.contains("aggregate of choice"), "{error}");
    let own = Question::objects().values(crate::db::count()).statement().expect_err("one row of several").to_string();
    assert!(own.contains("`aggregate(…)`"), "{own}");
}
