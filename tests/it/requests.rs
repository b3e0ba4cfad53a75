//! What a plain app gets and sends: the good guest.

use host_core::budget::Limits;

use crate::site::{Mounted, TestSite, guest};

async fn good() -> TestSite {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_answers_from_its_mount() {
    let site = good().await;
    assert_eq!(site.get("/good/").await.text(), "Hello from a good app.\n");
    assert_eq!(site.get("/good").await.status, 301);
    assert_eq!(site.get("/").await.status, 404);
    assert_eq!(site.get("/good/nothing/").await.status, 404);
    assert_eq!(site.post("/good/", "").await.status, 405);
    assert_eq!(site.get("/good/links/").await.text(), "/good/row/7/");
    let missing = site.get("/good/missing/").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("There is no such thing."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_may_be_the_whole_site() {
    let site = TestSite::start().await;
    site.load_as("good", guest("good"), Mounted::at("/", Limits::default())).await.expect("it loads");
    assert_eq!(site.get("/").await.status, 200);
    assert_eq!(site.get("/links/").await.text(), "/row/7/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_go_in_and_out_whole_and_streamed() {
    let site = good().await;
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    assert_eq!(site.post("/good/echo/", body.clone()).await.body, body);
    assert_eq!(site.post("/good/echo-stream/", body.clone()).await.body, body);
    assert_eq!(site.get("/good/stream/").await.text(), "one two three\n");
    assert_eq!(site.post("/good/echo/", "").await.status, 200);
    let too_large = vec![b'x'; (1 << 20) + 1];
    assert_eq!(site.post("/good/echo/", too_large).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_asks_for_headers_and_facts_where_it_wants_them() {
    let site = good().await;
    assert!(site.get("/good/headers/").await.text().contains("host: localhost\n"));
    let facts: serde_json::Value = serde_json::from_str(&site.get("/good/facts/").await.text()).expect("an object");
    assert_eq!(facts["mount"], "/good/");
    assert_eq!(facts["path"], "/good/facts/");
    assert_eq!(facts["remote"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_app_keeps_rows_and_no_write_is_lost() {
    let site = good().await;
    assert_eq!(site.get("/good/row/1/").await.status, 404);
    assert_eq!(site.post("/good/rows/", "").await.text(), "1000\n");
    assert_eq!(site.get("/good/rows/").await.text(), "1000\n");
    assert_eq!(site.get("/good/row/1/").await.text(), "This is message number 0.");
    assert_eq!(site.get("/good/row/9999999999/").await.status, 404);
    let visits = futures::future::join_all((0..40).map(|_| site.post("/good/count/", ""))).await;
    assert!(visits.iter().all(|visit| visit.status == 200));
    assert_eq!(site.get("/good/count/").await.text(), "40\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_without_the_grant_is_refused_where_it_needs_it() {
    let site = TestSite::start().await;
    let mut mounted = Mounted::at("/good/", Limits::default());
    mounted.grants = host_core::grants::Grants::none();
    let error = site.load_as("good", guest("good"), mounted).await.expect_err("it requires `db`").to_string();
    assert!(error.contains("db") && error.contains("grants = [\"db\"]"), "{error}");
    // The hostile app does without: its calls are answered by error values.
    let mut mounted = Mounted::at("/hostile/", Limits::default());
    mounted.grants = host_core::grants::Grants::none();
    site.load_as("hostile", guest("hostile"), mounted).await.expect("it loads");
    let told = r#"[{"do":"fetch","shape":{"v":1,"from":"row"}},{"do":"execute","shape":{"v":1,"op":"delete","from":"row"}},{"do":"begin"}]"#;
    let answer = site.post("/hostile/db/", told).await;
    assert_eq!(answer.text().matches("access-denied").count(), 3, "{}", answer.text());
    let rendered = site.post("/hostile/render/", r#"{"name":"base.html","context":"{}"}"#).await;
    assert!(rendered.text().starts_with("access-denied"), "{}", rendered.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_from_one_visitor_to_the_next_unless_the_operator_says_so() {
    let site = TestSite::start().await;
    site.load_guest("hostile", Limits::default()).await;
    for _ in 0..3 {
        assert_eq!(site.get("/hostile/remember/").await.text(), "0\n");
    }
    let mut mounted = Mounted::at("/hostile/", Limits::default());
    mounted.reuse = host_engine::Reuse { count: 3, ..Default::default() };
    site.load_as("hostile", guest("hostile"), mounted).await.expect("it loads again");
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(site.get("/hostile/remember/").await.text());
    }
    assert_eq!(seen, ["0\n", "1\n", "2\n", "0\n", "1\n", "2\n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_failed_serves_nobody_else() {
    let site = TestSite::start().await;
    let mut mounted = Mounted::at("/hostile/", crate::site::tight());
    mounted.reuse = host_engine::Reuse { count: 1_000, ..Default::default() };
    site.load_as("hostile", guest("hostile"), mounted).await.expect("it loads");
    for (path, status) in [
        ("/hostile/trap/", 500),
        ("/hostile/panic/", 500),
        ("/hostile/recurse/", 500),
        ("/hostile/grow-and-trap/", 503),
        ("/hostile/open-transaction/", 500),
        ("/hostile/wait/", 504),
    ] {
        assert_eq!(site.get("/hostile/remember/").await.text(), "0\n", "before {path}");
        assert_eq!(site.get("/hostile/remember/").await.text(), "1\n", "before {path}");
        assert_eq!(site.get(path).await.status, status, "{path}");
    }
    assert_eq!(site.get("/hostile/remember/").await.text(), "0\n");
}
