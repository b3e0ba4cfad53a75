//! The hostile guest's own pages: each gets its clear answer, and the app beside it keeps answering.

use std::time::{Duration, Instant};

use host_core::budget::Limits;

use crate::site::{TestSite, logged, tight};

/// A path of the hostile guest, the statuses that it may get, and words in the log.
///
/// Where both 503 and 504 are right, it depends on the machine's load which part of the budget ends first.
const PAGES: &[(&str, &[u16], &str)] = &[
    ("/spin/", &[503, 504], "the request's budget ran out"),
    ("/spin-calling/", &[503, 504], "the request's budget ran out"),
    ("/fill/", &[503, 504], "the request's budget ran out"),
    ("/copy/", &[503, 504], "the request's budget ran out"),
    ("/recurse/", &[500], "call stack exhausted"),
    ("/trap/", &[500], "unreachable"),
    ("/panic/", &[500], "trap"),
    ("/nobody/", &[200], ""),
    ("/wait/", &[504], "wall_ms"),
    ("/yield/", &[503, 504], "the request's budget ran out"),
    ("/grow/", &[200], ""),
    ("/grow-and-trap/", &[503], "memory_bytes"),
    ("/streams/", &[500, 503], ""),
    ("/transactions/", &[200], ""),
    ("/subtasks/", &[500, 503, 504], ""),
    ("/flood/log/", &[503, 504], "the rest is dropped"),
    ("/flood/header/", &[503, 504], "the request's budget ran out"),
    ("/flood/headers/", &[503, 504], "the request's budget ran out"),
    ("/flood/now/", &[503, 504], "the request's budget ran out"),
    ("/flood/random/", &[503, 504], "the request's budget ran out"),
    ("/flood/reverse/", &[503, 504], "the request's budget ran out"),
    ("/random-too-much/", &[500], ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_gets_its_answer() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    let mut wrong = Vec::new();
    for (at, (path, statuses, words)) in PAGES.iter().enumerate() {
        // Loaded again from time to time, so that the circuit breaker stays out of the way; it has a test of its own.
        if at % 10 == 0 {
            site.load_guest("hostile", tight()).await;
        }
        let begun = Instant::now();
        let answer = site.get(&format!("/hostile{path}")).await;
        let took = begun.elapsed();
        let log = crate::site::lines(&answer.id()).join("\n");
        if !statuses.contains(&answer.status.as_u16()) {
            wrong.push(format!("{path} is {}, not {statuses:?}\n{}\n{log}", answer.status, answer.text()));
        }
        if let Err(missing) = logged(&answer.id(), words).await {
            wrong.push(format!("{path}: {missing}"));
        }
        if took > Duration::from_secs(10) {
            wrong.push(format!("{path} took {took:?}"));
        }
        if answer.status.is_server_error() && !answer.text().contains(&answer.id()) {
            wrong.push(format!("{path}: the page doesn't tell the request's id"));
        }
        if answer.text().contains("wasm") {
            wrong.push(format!("{path}: the page tells a visitor about the inside: {}", answer.text()));
        }
        let neighbour = site.get("/good/").await;
        if neighbour.status != 200 {
            wrong.push(format!("{path}: the good app answers {}", neighbour.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_ends_at_the_limit() {
    let site = TestSite::start().await;
    site.load_guest("hostile", Limits { memory_bytes: 16 << 20, ..tight() }).await;
    let pages = site.get("/hostile/grow/").await.text();
    let pages: u64 = pages.trim().trim_end_matches(" pages").parse().expect("a number of pages");
    assert!((64..=256).contains(&pages), "{pages} pages of 64 KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_one_request_are_one_at_a_time() {
    let site = TestSite::start().await;
    site.load_guest("hostile", Limits::default()).await;
    let answer = site.get("/hostile/transactions/").await.text();
    assert!(answer.starts_with("1 open, refused: {\"would-deadlock\": 9999}"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_would_run_for_ever_is_ended() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    site.load_guest("hostile", Limits { db_ms: 300, wall_ms: 5_000, ..Limits::default() }).await;
    // One root with a thousand children: each step down and up again multiplies the rows by a thousand.
    let seed = r#"[
        {"do":"execute","shape":{"v":1,"op":"insert","from":"node","set":{"label":"root"}}},
        {"do":"execute","shape":{"v":1,"op":"insert","from":"node","set":{"parent":1,"label":{"$":0}}},
         "params":[{"times":1000,"value":"somewhere a long text"}]}
    ]"#;
    let seeded = site.post("/hostile/db/", seed).await.text();
    assert!(seeded.contains(r#""affected":1000"#), "{seeded}");
    let query = r#"[{"do":"fetch","shape":{"v":1,"op":"count","from":"node","filter":[["or",
        ["icontains",["parent","children","parent","children","parent","label"],"nowhere"],
        ["icontains",["children","parent","children","parent","children","label"],"nowhere"]]]}}]"#;
    let begun = Instant::now();
    let answer = site.post("/hostile/db/", query).await;
    let took = begun.elapsed();
    let text = answer.text();
    assert!(text.contains(r#""error":"budget""#) || text.contains(r#""error":"timeout""#), "{text}");
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    // The neighbour reads and writes as if nothing were.
    assert_eq!(site.post("/good/count/", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shapes_of_any_size_and_depth_are_answered() {
    let site = TestSite::start().await;
    site.load_guest("hostile", Limits::default()).await;
    let deep = |times: usize, open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let condition = r#"["exact","id",1]"#;
    let nots = |times| format!(r#"{{"v":1,"from":"row","filter":[{}]}}"#, deep(times, r#"["not","#, condition, "]"));
    let many =
        |times: usize| format!(r#"{{"v":1,"from":"row","filter":[["or",{}]]}}"#, vec![condition; times].join(","));
    let path = |steps: usize| {
        format!(r#"{{"v":1,"from":"node","filter":[["exact",[{}"label"],"x"]]}}"#, r#""parent","#.repeat(steps))
    };
    let add = |times| {
        format!(r#"{{"v":1,"op":"update","from":"row","set":{{"number":{}}}}}"#, deep(times, r#"["add",1,"#, "1", "]"))
    };
    for (shape, fetch, fine) in [
        (nots(20), true, true),
        (nots(10_000), true, false),
        (many(400), true, true),
        (many(3_000), true, false),
        (path(5), true, true),
        (path(50), true, false),
        (add(20), false, true),
        (add(5_000), false, false),
        ("[".repeat(60_000), true, false),
        (format!(r#"{{"v":1,"from":"{}"}}"#, "x".repeat(70_000)), true, false),
        (" ".repeat(500_000), true, false),
    ] {
        let step = if fetch { "fetch" } else { "execute" };
        let told = serde_json::json!([{ "do": step, "shape": shape }]).to_string();
        let answer = site.post("/hostile/db/", told).await;
        let shown: String = shape.chars().take(60).collect();
        assert_eq!(answer.status, 200, "{shown}…: {}", answer.text());
        let refused = answer.text().contains("\"error\":\"invalid-shape\"")
            || answer.text().contains("\"error\":\"unknown-model\"");
        assert_eq!(!refused, fine, "{shown}…: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_not_the_apps_fault() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits { wall_ms: 2_500, ..Limits::default() }).await;
    // As many at a time as the test's small pool has places for, and more in all than open the breaker.
    for _ in 0..2 {
        let slow = futures::future::join_all((0..12).map(|_| site.unfinished_post("/good/echo/", 10))).await;
        for answer in slow {
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }
    assert_eq!(site.get("/good/").await.status, 200, "its breaker stays closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_keeps_failing_rests_and_comes_back() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    site.load_guest("hostile", Limits { wall_ms: 100, ..tight() }).await;
    let answers = futures::future::join_all((0..24).map(|_| site.get("/hostile/wait/"))).await;
    assert!(answers.iter().all(|answer| answer.status.is_server_error()));
    let resting = site.get("/hostile/").await;
    assert_eq!(resting.status, 503);
    let seconds: u64 =
        resting.headers["retry-after"].to_str().expect("text").parse().expect("the client is told when to come back");
    assert_eq!(site.get("/good/").await.status, 200);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let begun = Instant::now();
    while site.get("/hostile/").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it doesn't come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
