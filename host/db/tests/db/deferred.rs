//! Queries that a request leaves for its page.

use host_core::budget::Limits;
use host_core::grants::Grants;
use host_core::rows::{Need, Node};
use host_db::{DbConfig, PageRows, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::json;

use super::site::{Ask, Site, code, int, text};

/// The rows of one query, called `rows`, with what can be followed from them.
async fn page(db: &RequestDb, number: u32, ways: &[&[&str]]) -> (serde_json::Value, Vec<Node>) {
    let mut page = PageRows::default();
    assert!(db.run_deferred("rows", number, &mut page).await.expect("rows"));
    for way in ways {
        let way: Vec<String> = std::iter::once(&"rows").chain(*way).map(|step| (*step).to_owned()).collect();
        assert!(page.follow(db, &way).await.expect("a relation"), "{way:?}");
    }
    let mut out = b"{".to_vec();
    let nodes = page.write(db, &mut out, 1 << 20).expect("few rows");
    out.push(b'}');
    let mut json: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    (json["rows"].take(), nodes)
}

fn node(one: &[&str], many: &[&str]) -> Node {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Node { one: names(one), many: names(many) }
}

fn defer(db: &RequestDb, shape: serde_json::Value, params: Vec<host_db::Param>) -> u32 {
    db.defer(shape.to_string().as_bytes(), params).expect("a number")
}

#[tokio::test]
async fn rows_are_those_of_the_time_when_the_page_is_made() {
    let site = Site::polls();
    let db = site.request();
    let author = db.add("author", json!({"name": "Ann"})).await;
    let all = defer(&db, json!({"v":1,"from":"question","fields":["text",["author","name"],"pub_date"]}), vec![]);
    let none = defer(&db, json!({"v":1,"from":"author","filter":[["exact","name",{"$":0}]]}), vec![text("Bob")]);
    assert_eq!((all, none), (0, 1));
    db.add("question", json!({"text": "What's \"new\"?", "author": author, "pub_date": 1_000_000})).await;
    db.add("question", json!({"text": "Ω", "pub_date": 0})).await;
    // The request's own part is over.
    db.close();
    let (rows, _) = page(&db, all, &[]).await;
    assert_eq!(
        rows,
        json!([
            {"\u{0}": 0, "text": "What's \"new\"?", "author": {"name": "Ann"}, "pub_date": "1970-01-01T00:00:01Z"},
            {"\u{0}": 0, "text": "Ω", "author": null, "pub_date": "1970-01-01T00:00:00Z"},
        ])
    );
    assert_eq!(page(&db, none, &[]).await.0, json!([]));
    assert_eq!(db.run_deferred("rows", 2, &mut PageRows::default()).await, Ok(false));
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once() {
    let site = Site::polls();
    let db = site.request();
    let tell = |shape: serde_json::Value, params| code(db.defer(shape.to_string().as_bytes(), params));
    assert_eq!(tell(json!({"v":1,"from":"nothing"}), vec![]), "unknown-model");
    assert_eq!(tell(json!({"v":1,"op":"count","from":"author"}), vec![]), "invalid-shape");
    assert_eq!(tell(json!({"v":1,"op":"delete","from":"author"}), vec![]), "invalid-shape");
    assert_eq!(tell(json!({"v":1,"from":"author","limit":{"$":0}}), vec![text("x")]), "invalid-value");
    for _ in 0..16 {
        defer(&db, json!({"v":1,"from":"author"}), vec![]);
    }
    assert_eq!(tell(json!({"v":1,"from":"author"}), vec![]), "unsupported");
    let denied = site.app.for_request(site.context(Limits::default(), Grants::default()));
    assert_eq!(code(denied.defer(br#"{"v":1,"from":"author"}"#, vec![])), "access-denied");
}

#[tokio::test]
async fn a_page_takes_from_the_requests_budget() {
    let site = Site::polls();
    let db = site.request_with(Limits { db_rows: 6, ..Limits::default() });
    for name in ["a", "b", "c"] {
        db.add("author", json!({"name": name})).await;
    }
    let three = defer(&db, json!({"v":1,"from":"author"}), vec![]);
    page(&db, three, &[]).await;
    assert_eq!(code(db.run_deferred("rows", three, &mut PageRows::default()).await), "budget");
    let counted = site
        .request()
        .one(json!({"v":1,"op":"count","from":"author","filter":[["gt","id",{"$":0}]]}), vec![int(0)])
        .await;
    assert_eq!(counted, Value::Integer(3));
}

#[tokio::test]
async fn relations_are_fetched_for_all_rows_at_once() {
    let site = Site::polls();
    let db = site.request();
    let ann = db.add("author", json!({"name": "Ann"})).await;
    let first = db.add("question", json!({"text": "first", "author": ann})).await;
    let second = db.add("question", json!({"text": "second"})).await;
    for (question, text) in [(first, "a"), (first, "b"), (second, "c")] {
        db.add("choice", json!({"question": question, "text": text})).await;
    }
    let number = defer(&db, json!({"v":1,"from":"question","order":["id"]}), vec![]);
    let (rows, nodes) = page(&db, number, &[]).await;
    assert_eq!(
        rows[0],
        json!({"\u{0}": 0, "id": first, "text": "first", "pub_date": "1970-01-01T00:00:00Z", "author_id": ann})
    );
    assert_eq!(nodes, [node(&["author"], &["choices", "comment_set"])]);

    let before = db.context().budget.statements();
    let (rows, nodes) = page(&db, number, &[&["author"], &["choices"], &["choices", "question"]]).await;
    assert_eq!(db.context().budget.statements() - before, 4, "the query and one for each relation");
    assert_eq!(rows[0]["author"]["name"], "Ann");
    assert_eq!(rows[1]["author"], json!(null));
    let texts =
        |row: usize| rows[row]["choices"].as_array().expect("a list").iter().map(|choice| choice["text"].clone());
    assert_eq!(texts(0).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(texts(1).collect::<Vec<_>>(), ["c"]);
    assert_eq!(rows[0]["choices"][1]["question"]["text"], "first");
    assert_eq!(
        nodes,
        [
            node(&[], &["comment_set"]),
            node(&[], &["questions"]),
            node(&[], &[]),
            node(&["author"], &["choices", "comment_set"]),
        ]
    );
}

#[tokio::test]
async fn a_templates_needs_are_ways_from_the_queries() {
    let site = Site::polls();
    let db = site.request();
    let question = db.add("question", json!({"text": "q"})).await;
    db.add("choice", json!({"question": question, "text": "c"})).await;
    let number = defer(&db, json!({"v":1,"from":"choice"}), vec![]);
    let mut page = PageRows::default();
    db.run_deferred("choices", number, &mut page).await.expect("rows");
    let ways = |page: &PageRows, node: usize, relation: &str| {
        page.ways(&[Need { node, relation: relation.to_owned() }]).into_iter().next()
    };
    let way = ways(&page, 0, "question").expect("a way");
    assert_eq!(way, ["choices", "question"]);
    assert_eq!(page.follow(&db, &way).await, Ok(true));
    assert_eq!(page.follow(&db, &way).await, Ok(false), "it is there already");
    assert_eq!(ways(&page, 1, "author").expect("a way"), ["choices", "question", "author"]);
    for odd in [&["choices"][..], &["other", "question"], &["choices", "text"], &["choices", "nothing", "author"], &[]]
    {
        let odd: Vec<String> = odd.iter().map(|step| (*step).to_owned()).collect();
        assert_eq!(page.follow(&db, &odd).await, Ok(false), "{odd:?}");
    }
    assert_eq!(ways(&page, 7, "question"), None);
    // Rows that stand in many places may not make a page larger than it can be.
    assert_eq!(page.write(&db, &mut Vec::new(), 10), None);
}

#[tokio::test]
async fn relations_over_a_table_of_pairs_are_fetched_with_the_rows_of_the_other_side() {
    let manifest = json!({"v": 1, "name": "blog", "models": [
        {"name": "tag", "ordering": ["-word"], "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "word", "kind": "char", "max_length": 20},
        ]},
        {"name": "post", "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "title", "kind": "char", "max_length": 20},
            {"name": "tags", "kind": "many_to_many", "to": "tag", "related_name": "posts"},
        ]},
    ]});
    let site = Site::with(manifest, StoreConfig::temporary(), DbConfig::default());
    let db = site.request();
    let mut tags = Vec::new();
    for word in ["a", "b", "c"] {
        tags.push(db.add("tag", json!({"word": word})).await);
    }
    let first = db.add("post", json!({"title": "first"})).await;
    let second = db.add("post", json!({"title": "second"})).await;
    db.add("post", json!({"title": "third"})).await;
    for (post, tag) in [(first, tags[0]), (first, tags[2]), (second, tags[2])] {
        db.add("post_tags", json!({"post": post, "tag": tag})).await;
    }
    let number = defer(&db, json!({"v":1,"from":"post","order":["id"]}), vec![]);
    let (rows, nodes) = page(&db, number, &[&["tags"], &["tags", "posts"]]).await;
    let words = |row: usize| {
        rows[row]["tags"].as_array().expect("a list").iter().map(|tag| tag["word"].clone()).collect::<Vec<_>>()
    };
    assert_eq!([words(0), words(1), words(2)], [vec![json!("c"), json!("a")], vec![json!("c")], vec![]]);
    assert_eq!(rows[0]["tags"][0]["posts"].as_array().expect("a list").len(), 2);
    assert_eq!(nodes, [node(&[], &[]), node(&[], &[]), node(&[], &["tags"])]);
    let keys: Vec<&String> = rows[0]["tags"][1].as_object().expect("a row").keys().collect();
    assert_eq!(keys, ["\u{0}", "id", "posts", "word"], "the key of the pair isn't part of the row");
}
