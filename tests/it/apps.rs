//! The example apps, built with the SDK, as a visitor and an operator meet them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use host_core::budget::Limits;

use crate::site::{TestSite, guest};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_from_the_first_question_to_the_results() {
    let site = TestSite::start().await;
    site.load_guest("polls", Limits::default()).await;
    assert!(site.get("/polls/").await.text().contains("No questions yet"));
    let asked = site.post("/polls/ask/", "question_text=What+is+%3Cb%3Enew%3F&choice=Much&choice=Nothing").await;
    assert_eq!((asked.status.as_u16(), &asked.headers["location"]), (303, &"/polls/1/".parse().unwrap()));
    let detail = site.get("/polls/1/").await.text();
    assert!(detail.contains("What is &lt;b&gt;new?") && detail.contains("Nothing"), "{detail}");
    for choice in [2, 2, 1] {
        let voted = site.post("/polls/1/vote/", format!("choice={choice}")).await;
        assert_eq!(voted.headers["location"], "/polls/1/results/");
    }
    let results = site.get("/polls/1/results/").await.text();
    assert!(results.contains("67") && results.contains("33") && results.contains("3 votes"), "{results}");
    for nothing_chosen in ["", "choice=99"] {
        let again = site.post("/polls/1/vote/", nothing_chosen).await;
        assert_eq!(again.status, 422);
        assert!(again.text().contains("You didn’t choose an answer."));
    }
    assert_eq!(site.post("/polls/1/vote/", "choice=%00").await.status, 422);
    assert_eq!(site.post("/polls/ask/", "question_text=&choice=a").await.status, 422);
    let gone = site.get("/polls/77/").await;
    assert_eq!(gone.status, 404);
    assert!(gone.text().contains("There is no such poll"), "the app's own page");
    let wrong = site.get("/polls/1/vote/").await;
    assert_eq!((wrong.status.as_u16(), &wrong.headers["allow"]), (405, &"POST, OPTIONS".parse().unwrap()));
    let redirected = site.get("/polls/1?a=b").await;
    assert_eq!((redirected.status.as_u16(), &redirected.headers["location"]), (301, &"/polls/1/?a=b".parse().unwrap()));
    let style = site.get("/static/polls/style.css").await;
    assert_eq!(
        (style.status.as_u16(), &style.headers["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );
}

#[test]
fn apps_of_the_sdk_are_small_and_import_no_wasi() {
    for (name, most) in [("hello", 150 << 10), ("polls", 400 << 10)] {
        let bytes = guest(name);
        assert!(bytes.len() <= most, "{name} has {} bytes; the most is {most}", bytes.len());
        let wasi = bytes.windows(5).any(|window| window == b"wasi:");
        assert!(!wasi, "{name} names a WASI interface");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_greets_without_trusting_a_name() {
    let site = TestSite::start().await;
    site.load_guest("hello", Limits::default()).await;
    assert!(site.get("/hello/").await.text().contains("<h1>Hello, world!</h1>"));
    assert!(site.get("/hello/%3Cb%3E/").await.text().contains("<h1>Hello, &lt;b&gt;!</h1>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_and_then_writes_in_a_transaction_loses_nothing_and_is_not_turned_away() {
    let site = TestSite::with_patient_transactions().await;
    let patient = Limits { wall_ms: 30_000, db_ms: 30_000, ..Limits::default() };
    site.load_guest("bench", patient).await;
    assert_eq!(site.post("/bench/fill/", "").await.status, 200);
    let number = async || {
        let row: serde_json::Value = serde_json::from_slice(&site.get("/bench/row/7/").await.body).expect("JSON");
        row["random_number"].as_i64().expect("a number")
    };
    let stats = site.get("/bench/stats/").await;
    assert_eq!(stats.text(), "[10000,49995000,9999,10,[[1,0],[2,7919],[3,5838]]]");
    let before = number().await;
    let answers = futures::future::join_all((0..20).map(|_| site.post("/bench/raise/7/", ""))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(number().await, before + 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_gets_its_rows_from_the_database_and_follows_relations() {
    let site = TestSite::start().await;
    let limits = Limits { db_statements: 40, ..Limits::default() };
    site.load_guest("bench", limits).await;
    assert_eq!(site.post("/bench/fill/", "").await.status, 200);
    let page = site.get("/bench/fortunes/").await.text();
    assert!(page.contains("&lt;script&gt;alert(&quot;no&quot;)&lt;/script&gt;</td><td></td>"), "{page}");
    assert_eq!(page.matches("<tr>").count(), 13);
    assert_eq!(page, site.get("/bench/fortunes/fetched/").await.text());
    // What a template followed once it gets at once the next time; both pages are the same.
    for _ in 0..2 {
        let page = site.get("/bench/fortunes/numbers/").await.text();
        assert_eq!(page.matches("<td>7919</td>").count() + page.matches("<td>0</td>").count(), 12, "{page}");
        let page = site.get("/bench/worlds/").await.text();
        assert!(page.starts_with("1: Saying 0 (1) Saying 10 (1) Saying 2 (1)"), "{page}");
        assert!(page.contains("\n2: &lt;script&gt;"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_takes_over_and_no_request_is_lost() {
    let site = Arc::new(TestSite::start().await);
    site.load_guest("hello", Limits::default()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (site, stop, answered) = (site.clone(), stop.clone(), answered.clone());
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    let answer = site.get("/hello/").await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answered.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let before = answered.load(Relaxed);
        assert!(site.load_guest("hello", Limits::default()).await.replaced);
        while answered.load(Relaxed) < before + 4 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Relaxed);
    for visitor in visitors {
        visitor.await.expect("no visitor met an error");
    }
    let app = site.site.apps()[0].app.clone();
    assert!(site.site.remove(&app).await);
    assert_eq!(site.get("/hello/").await.status, 404);
    assert!(!site.site.remove(&app).await, "it is gone");
}
