//! Rows that belong to rows: loaded for all peers at once, and never shown when they may be out of date.

use serde_json::json;

use super::*;
use crate::db::transaction::fake;

#[derive(Model, Debug)]
struct Article {
    id: Id<Self>,
    title: String,
    #[field(related_name = "articles")]
    tags: ManyToMany<Tag>,
    #[field(through = Authorship, related_name = "works")]
    authors: ManyToMany<Person>,
    #[field(related_name = "cited_by")]
    cites: ManyToMany<Article>,
}

#[derive(Model, Debug)]
#[model(ordering = "word")]
struct Tag {
    id: Id<Self>,
    word: String,
}

#[derive(Model, Debug)]
struct Authorship {
    id: Id<Self>,
    #[field(on_delete = Cascade)]
    person: ForeignKey<Person>,
    #[field(on_delete = Cascade)]
    article: ForeignKey<Article>,
    share: f64,
}

#[derive(Model, Debug)]
struct Person {
    #[field(primary_key, max_length = 20)]
    code: String,
    name: String,
}

#[derive(Model, Debug)]
struct Profile {
    #[field(primary_key, on_delete = Cascade)]
    person: OneToOne<Person>,
    text: String,
}

fn text(text: &str) -> Vec<u8> {
    [&[5][..], &u32::try_from(text.len()).expect("short").to_le_bytes(), text.as_bytes()].concat()
}

fn number(number: i64) -> Vec<u8> {
    [&[3][..], &number.to_le_bytes()].concat()
}

fn rows(width: u32, rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut out = [width.to_le_bytes(), u32::try_from(rows.len()).expect("few").to_le_bytes()].concat();
    out.extend(rows.iter().flatten().flatten());
    out
}

fn questions(ids: &[i64]) -> Vec<u8> {
    rows(3, &ids.iter().map(|id| vec![number(*id), text("q"), number(0)]).collect::<Vec<_>>())
}

fn choices(of: &[(i64, i64)]) -> Vec<u8> {
    let row = |(id, question): &(i64, i64)| {
        vec![number(*id), number(*question), text("c"), number(0), vec![0], text("s"), vec![0]]
    };
    rows(7, &of.iter().map(row).collect::<Vec<_>>())
}

#[test]
fn what_belongs_to_one_row_is_loaded_for_all_of_them() {
    run(async {
        fake::answer(questions(&[1, 2, 3]));
        fake::answer(choices(&[(10, 1), (20, 2), (11, 1)]));
        let all = Question::objects().all().await.expect("questions");
        let mut found = Vec::new();
        for _ in 0..2 {
            for question in &all {
                let choices = question.choices().all().await.expect("choices");
                found.push(choices.iter().map(|choice| choice.id.get()).collect::<Vec<_>>());
            }
        }
        assert_eq!(found, [vec![10, 11], vec![20], vec![], vec![10, 11], vec![20], vec![]]);
        let asked = fake::asked();
        assert_eq!(asked.len(), 2, "one query for the questions, one for all choices");
        assert_eq!(document(&asked[1])["filter"], json!([["in", "question", {"$": 0}]]));
        assert_eq!(texts(&asked[1].params), ["Param::Many([Value::Integer(1), Value::Integer(2), Value::Integer(3)])"]);
    });
}

#[test]
fn the_rows_that_were_loaded_load_theirs_together_too() {
    run(async {
        fake::answer(questions(&[1, 2]));
        fake::answer(choices(&[(10, 1), (20, 2)]));
        fake::answer(questions(&[1, 2]));
        fake::answer(choices(&[]));
        for question in Question::objects().all().await.expect("questions") {
            for choice in question.choices().all().await.expect("choices") {
                assert_eq!(choice.question().await.expect("its question").id, question.id);
                assert!(choice.choice_set().all().await.expect("those that replace it").is_empty());
            }
        }
        let asked = fake::asked();
        assert_eq!(asked.len(), 4, "one query for each relation");
        assert_eq!(document(&asked[3])["filter"], json!([["in", "replaces", {"$": 0}]]));
        assert_eq!(texts(&asked[3].params), ["Param::Many([Value::Integer(10), Value::Integer(20)])"]);
    });
}

#[test]
fn conditions_and_orders_go_along_and_a_limit_does_not() {
    run(async {
        fake::answer(questions(&[1, 2]));
        let all = Question::objects().all().await.expect("questions");
        fake::asked();
        for question in &all {
            let few = question.choices().filter(Choice::VOTES.gt(3)).order_by(Choice::VOTES.desc());
            few.clone().all().await.expect("choices");
            few.limit(1).all().await.expect("one");
        }
        let asked: Vec<_> = fake::asked().iter().map(document).collect();
        assert_eq!(
            asked[0],
            json!({"v":1,"from":"choice","filter":[["in","question",{"$":0}],["gt","votes",{"$":1}]],"order":["-votes"]})
        );
        assert_eq!(asked.len(), 3, "one for both, and one for each limit: {asked:?}");
        assert_eq!(asked[1]["filter"][0], json!(["exact", "question", {"$": 0}]));
        // Other values are another query.
        all[0].choices().filter(Choice::VOTES.gt(4)).order_by(Choice::VOTES.desc()).all().await.expect("choices");
        assert_eq!(fake::asked().len(), 1);
    });
}

#[test]
fn what_was_written_since_is_read_again_row_by_row() {
    run(async {
        fake::answer(questions(&[1, 2]));
        let all = Question::objects().all().await.expect("questions");
        all[0].choices().all().await.expect("choices");
        fake::asked();
        Question::objects().update(Question::QUESTION_TEXT.set("x")).await.expect("another model");
        all[1].choices().all().await.expect("choices");
        assert_eq!(fake::asked().len(), 1, "the choices are as they were");
        Choice::objects().update(Choice::VOTES.set(1)).await.expect("votes");
        fake::answer(choices(&[(10, 1)]));
        assert_eq!(all[0].choices().all().await.expect("choices").len(), 1);
        let asked = fake::asked();
        assert_eq!(texts(&asked[1].params), ["Param::Many([Value::Integer(1)])"], "never all of them each time");
        // A deletion may take rows of any model with it.
        all[0].choices().filter(Choice::VOTES.gt(1)).all().await.expect("choices");
        Question::objects().filter(Question::ID.eq(9)).delete().await.expect("gone");
        fake::asked();
        all[0].choices().filter(Choice::VOTES.gt(1)).all().await.expect("choices");
        assert_eq!(texts(&fake::asked()[0].params)[0], "Param::Many([Value::Integer(1)])");
    });
}

#[test]
fn rows_of_another_request_or_alone_are_asked_by_themselves() {
    let all = run(async {
        fake::answer(questions(&[1, 2]));
        Question::objects().all().await.expect("questions")
    });
    run(async {
        fake::answer(questions(&[7, 8]));
        Question::objects().all().await.expect("others, in a set of the same number");
        fake::asked();
        all[0].choices().all().await.expect("choices");
        fake::answer(questions(&[5]));
        let alone = Question::objects().first().await.expect("a question").expect("one");
        alone.choices().all().await.expect("choices");
        let asked = fake::asked();
        assert_eq!(document(&asked[0])["filter"][0][0], "exact");
        assert_eq!(document(&asked[2])["filter"][0][0], "exact");
    });
}

#[test]
fn many_to_many_rows_come_by_the_rows_between() {
    run(async {
        fake::answer(rows(2, &[vec![number(1), text("a")], vec![number(2), text("b")]]));
        // The tag `x` belongs to both.
        fake::answer(rows(
            3,
            &[
                vec![number(1), number(5), text("x")],
                vec![number(2), number(5), text("x")],
                vec![number(2), number(6), text("y")],
            ],
        ));
        let articles = Article::objects().all().await.expect("articles");
        for _ in 0..2 {
            assert_eq!(articles[0].tags().all().await.expect("tags").len(), 1);
            let words: Vec<String> =
                articles[1].tags().all().await.expect("tags").into_iter().map(|tag| tag.word).collect();
            assert_eq!(words, ["x", "y"]);
        }
        let asked = fake::asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            document(&asked[1]),
            json!({"v":1,"from":"article_tags","fields":["article",["tag","id"],["tag","word"]],
                "filter":[["in","article",{"$":0}]],"order":["tag.word"]})
        );
        articles[0].tags().filter(Tag::WORD.startswith("x")).all().await.expect("tags");
        assert_eq!(
            document(&fake::asked()[0])["filter"],
            json!([["in","article",{"$":0}], ["startswith",["tag","word"],{"$":1}]])
        );
        articles[0].tags().count().await.expect_err("the fake host counts nothing");
        articles[0].cites().filter(Article::TITLE.eq("b")).all().await.expect("articles");
        articles[0].authors().all().await.expect("people");
        let asked: Vec<_> = fake::asked().iter().map(document).collect();
        assert_eq!(asked[0], json!({"v":1,"op":"count","from":"tag","filter":[["exact","articles",{"$":0}]]}));
        assert_eq!(asked[1]["from"], "article_cites");
        assert_eq!(asked[1]["fields"], json!(["from_article", ["to_article", "id"], ["to_article", "title"]]));
        assert_eq!(asked[2]["from"], "authorship");
        assert_eq!(asked[2]["fields"], json!(["article", ["person", "code"], ["person", "name"]]));
    });
}

#[test]
fn many_to_many_rows_are_added_and_taken_out() {
    run(async {
        let article = Article {
            id: Id::new(1),
            title: String::new(),
            tags: ManyToMany::new(),
            authors: ManyToMany::new(),
            cites: ManyToMany::new(),
        };
        let tag = Tag { id: Id::new(5), word: String::new() };
        article.tags().add([&tag]).await.expect("added");
        article.tags().remove([5, 6]).await.expect("removed");
        tag.articles().clear().await.expect("cleared");
        article.cites().add([Id::new(2)]).await.expect("added");
        assert!(article.authors().add(["x"]).await.is_err(), "those are rows of the app's own");
        let asked: Vec<_> = fake::asked().iter().map(document).collect();
        assert_eq!(
            asked,
            [
                json!({"v":1,"op":"insert","from":"article_tags","set":{"article":{"$":0},"tag":{"$":1}},"on_conflict":{"do":"ignore"}}),
                json!({"v":1,"op":"delete","from":"article_tags","filter":[["exact","article",{"$":0}],["in","tag",{"$":1}]]}),
                json!({"v":1,"op":"delete","from":"article_tags","filter":[["exact","tag",{"$":0}]]}),
                json!({"v":1,"op":"insert","from":"article_cites","set":{"from_article":{"$":0},"to_article":{"$":1}},"on_conflict":{"do":"ignore"}}),
            ]
        );
        assert_eq!(
            asked_documents(
                Article::objects()
                    .filter(Article::TAGS.word().eq("x") & Article::AUTHORS.eq("abc") & Article::CITES.is_null())
            ),
            json!([["and", ["exact",["tags","word"],{"$":0}], ["exact","authors",{"$":1}], ["isnull","cites",true]]])
        );
        assert_eq!(
            asked_documents(Tag::objects().filter(Tag::ARTICLES.title().eq("x"))),
            json!([["exact",["articles","title"],{"$":0}]])
        );
    });
}

#[test]
fn relations_lead_on_from_wherever_one_is() {
    for (found, expected) in [
        (
            asked_documents(Question::objects().filter(Question::CHOICES.choice_set().votes().gt(3))),
            json!([["gt",["choices","choice_set","votes"],{"$":0}]]),
        ),
        (
            asked_documents(Choice::objects().filter(Choice::QUESTION.choices().votes().gt(3))),
            json!([["gt",["question","choices","votes"],{"$":0}]]),
        ),
        (
            asked_documents(Choice::objects().exclude(Choice::REPLACES.question().choices().is_null())),
            json!([["not", ["isnull", ["replaces", "question", "choices"], true]]]),
        ),
        (
            asked_documents(Tag::objects().filter(Tag::ARTICLES.authorship_set().share().gt(0.5))),
            json!([["gt",["articles","authorship_set","share"],{"$":0}]]),
        ),
        (
            asked_documents(Article::objects().filter(Article::AUTHORS.works().tags().articles().cited_by().eq(1))),
            json!([["exact",["authors","works","tags","articles","cited_by"],{"$":0}]]),
        ),
        (
            asked_documents(
                Person::objects().filter(Person::PROFILE.person().authorship_set().article().title().eq("x")),
            ),
            json!([["exact",["profile","person","authorship_set","article","title"],{"$":0}]]),
        ),
        (
            document(
                &Question::objects().annotate(Question::CHOICES.choice_set().count()).statement().expect("a query"),
            )["annotate"]
                .clone(),
            json!([["annotation_0",["count",{"f":["choices","choice_set","pk"]}]]]),
        ),
        (
            asked(Person::objects().order_by(Person::PROFILE.person().profile().text()))["order"].clone(),
            json!(["profile.person.profile.text"]),
        ),
    ] {
        assert_eq!(found, expected);
    }
}

fn asked_documents<M: Model>(set: QuerySet<M>) -> serde_json::Value {
    asked(set)["filter"].clone()
}

#[test]
fn own_keys_find_their_peers_as_well() {
    run(async {
        fake::answer(rows(2, &[vec![text("a"), text("Ann")], vec![text("b"), text("Ben")]]));
        fake::answer(rows(2, &[vec![text("b"), text("about Ben")]]));
        let people = Person::objects().all().await.expect("people");
        assert!(people[0].profile().await.expect("none").is_none());
        let profile = people[1].profile().await.expect("a profile").expect("one");
        assert_eq!(
            (profile.text.as_str(), profile.pk(), profile.person.id()),
            ("about Ben", "b".to_owned(), "b".to_owned())
        );
        let asked = fake::asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(document(&asked[1]), json!({"v":1,"from":"profile","filter":[["in","person",{"$":0}]]}));
        assert_eq!(texts(&asked[1].params), ["Param::Many([Value::Text(\"a\"), Value::Text(\"b\")])"]);
    });
}

#[test]
fn related_rows_that_came_along_are_not_asked_for_again() {
    run(async {
        let question = |id: i64| vec![number(id), text("q"), number(0)];
        let choice = |id: i64, of: i64| {
            [vec![number(id), number(of), text("c"), number(0), vec![0], text("s"), vec![0]], question(of)].concat()
        };
        let nothing = vec![vec![0_u8]; 7];
        let with = |row: Vec<Vec<u8>>| [row, nothing.clone()].concat();
        fake::answer(rows(17, &[with(choice(10, 1)), with(choice(20, 2))]));
        let set = Choice::objects().select_related((Choice::QUESTION, Choice::REPLACES));
        let all = set.all().await.expect("choices");
        assert_eq!(all[1].question().await.expect("it came along").id.get(), 2);
        assert!(all[1].replaces().await.expect("nothing").is_none());
        assert_eq!(fake::asked().len(), 1);
        // Those that came along are peers, too.
        all[0].question().await.expect("it came along").choices().all().await.expect("choices");
        assert_eq!(texts(&fake::asked()[0].params), ["Param::Many([Value::Integer(1), Value::Integer(2)])"]);
    });
}
