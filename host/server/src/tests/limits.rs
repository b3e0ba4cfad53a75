//! Slow, large and many.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::harness::Running;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn large_targets_and_headers_are_refused_and_harm_nobody() {
    let server = Running::start(|_| {});
    let long = "a".repeat(9_000);
    let many: String = (0..150).map(|n| format!("X-{n}: y\r\n")).collect();
    let big = format!("X-Big: {}\r\n", "b".repeat(20_000));
    let huge = format!("X-Huge: {}\r\n", "c".repeat(1 << 20));
    for (request, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414),
        (format!("GET /?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{big}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{huge}\r\n"), 431),
    ] {
        assert_eq!(server.ask(&request).await.status, status, "{}", &request[..60]);
    }
    assert_eq!(server.site.reached.load(Ordering::SeqCst), 0);
    assert_eq!(server.ask(GET).await.status, 200);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_by_their_length_or_on_the_way() {
    let server = Running::start(|config| config.max_body_bytes = 10);
    let said = server.ask("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n").await;
    assert_eq!(said.status, 413);
    let chunked = "POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n0\r\n\r\n";
    assert_eq!(server.ask(chunked).await.body.split(' ').next(), Some("TooLarge"));
    let fits = "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabcdefghij";
    assert_eq!(server.ask(fits).await.body, "10 bytes");
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_cut() {
    let server = Running::start(|config| config.header_timeout_ms = 300);
    for start in ["", "G", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut client = server.connect().await;
        client.send(start).await;
        let begun = Instant::now();
        // A byte now and then must not help.
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if start.starts_with("GET") {
                client.send("x").await;
            }
        }
        assert!(client.closes_within(Duration::from_millis(800)).await, "{start:?} holds a connection");
        assert!(begun.elapsed() < Duration::from_millis(1_400));
    }
    assert_eq!(server.site.reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_next_head_is_cut() {
    let server = Running::start(|config| config.header_timeout_ms = 300);
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    // Idle is allowed for longer than a head may take …
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200, "an idle connection is no slow head");
    // … but half a head isn't.
    client.send("GET / HT").await;
    assert!(client.closes_within(Duration::from_millis(1_000)).await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Running::start(|config| config.keep_alive_ms = 300);
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    assert!(client.closes_within(Duration::from_millis(1_500)).await);
}

#[tokio::test]
async fn a_request_that_runs_long_is_not_idle() {
    let server = Running::start(|config| {
        config.keep_alive_ms = 100;
        config.header_timeout_ms = 100;
        config.body_idle_ms = 100;
    });
    assert_eq!(server.ask("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.body, "at last");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_timeout_for_the_site() {
    let server = Running::start(|config| config.body_idle_ms = 200);
    let begun = Instant::now();
    let answer = server.ask("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc").await;
    assert_eq!(answer.body, "Timeout after 3");
    assert!((150..2_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_is_gone_for_the_site() {
    let server = Running::start(|_| {});
    let mut client = server.connect().await;
    client.send("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc").await;
    until(|| server.site.running.load(Ordering::SeqCst) == 1).await;
    drop(client);
    until(|| server.site.running.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_cut_and_one_that_leaves_ends_its_request() {
    let server = Running::start(|config| config.body_idle_ms = 300);
    let mut client = server.connect().await;
    client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    // The server has closed; what lies in the buffers comes, then the end.
    assert!(client.closes_within(Duration::from_secs(3)).await, "a client that doesn't read holds a stream open");
    let mut leaver = server.connect().await;
    leaver.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    until(|| server.site.running.load(Ordering::SeqCst) == 1).await;
    drop(leaver);
    until(|| server.site.running.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Running::start(|config| config.max_connections = 1);
    let mut first = server.connect().await;
    first.send(GET).await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = server.connect().await;
    second.send(GET).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), second.answer()).await.is_err(), "there is no slot");
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn a_slow_reader_that_reads_gets_all_of_it() {
    let server = Running::start(|config| {
        config.keep_alive_ms = 200;
        config.header_timeout_ms = 200;
        config.body_idle_ms = 400;
    });
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut total = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        match tokio::io::AsyncReadExt::read(&mut client.stream, &mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => total += read,
        }
    }
    assert!(total > 32 << 20, "{total} bytes of 32 MiB came");
}

/// Waits for something that happens soon.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..300 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within 3 s");
}
