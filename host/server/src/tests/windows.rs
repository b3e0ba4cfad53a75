//! HTTP/2 clients that open no window for what they asked for, or a small one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::harness::Running;
use super::http2::{body, request};

/// A client whose streams have windows of `bytes`.
async fn connect(server: &Running, bytes: u32) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let mut client = Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(bytes).initial_connection_window_size(16 << 20);
    let (sender, connection) = client.handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut SendRequest<Full<Bytes>>, path: &str) -> http::Response<hyper::body::Incoming> {
    sender.send_request(request("GET", &format!("http://localhost{path}"), "")).await.expect("an answer")
}

/// Waits, with a request now and then, until nobody holds a byte of `/held`. That is far beyond all limits here.
async fn until_let_go(server: &Running, sender: &mut SendRequest<Full<Bytes>>) {
    for _ in 0..600 {
        if server.site.held.load(Ordering::SeqCst) == 0 {
            return;
        }
        let _ = sender.send_request(request("GET", "http://localhost/empty", "")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} responses are held for ever", server.site.held.load(Ordering::SeqCst));
}

/// Other requests on the connection, and answers to pings, must not keep them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_does_not_take_is_given_up_and_the_rest_goes_on() {
    // 0: nothing fits. 65,535: a part fits and the rest waits.
    for window in [0, 65_535] {
        let server = Running::start(|config| config.body_idle_ms = 1_000);
        let mut sender = connect(&server, window).await;
        let mut answers = Vec::new();
        for _ in 0..20 {
            for path in ["/held/stream", "/held/large"] {
                answers.push(get(&mut sender, path).await);
            }
        }
        assert!(server.site.held.load(Ordering::SeqCst) > 0, "they have begun");
        until_let_go(&server, &mut sender).await;
        assert!(!sender.is_closed(), "window {window}: the connection serves others");
        assert_eq!(get(&mut sender, "/empty").await.status(), 204);
        for answer in answers {
            assert!(answer.into_body().collect().await.is_err(), "half a body must not look whole");
        }
        if window > 0 {
            let hello = get(&mut sender, "/").await;
            assert_eq!(body(hello).await, "hello");
        }
        assert!(!server.stop().await.cut, "nothing runs any more");
    }
}

/// A small response is out of hyper's hands with its end: no stream can be reset then.
#[tokio::test]
async fn what_can_not_be_taken_back_goes_with_its_connection() {
    let server = Running::start(|config| config.body_idle_ms = 1_000);
    let mut sender = connect(&server, 10).await;
    let answer = get(&mut sender, "/held/small").await;
    until_let_go(&server, &mut sender).await;
    assert!(answer.into_body().collect().await.is_err(), "half a body must not look whole");
}

#[tokio::test]
async fn a_small_response_that_fits_no_window_at_all_is_reset() {
    let server = Running::start(|config| config.body_idle_ms = 1_000);
    let mut sender = connect(&server, 0).await;
    let answer = get(&mut sender, "/held/small").await;
    until_let_go(&server, &mut sender).await;
    assert!(answer.into_body().collect().await.is_err(), "half a body must not look whole");
    assert_eq!(get(&mut sender, "/empty").await.status(), 204);
}

/// Longer than any limit in all, but never without taking something within one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_that_reads_gets_all_of_it() {
    let server = Running::start(|config| {
        config.keep_alive_ms = 200;
        config.header_timeout_ms = 200;
        config.body_idle_ms = 3_000;
    });
    let mut sender = connect(&server, 128 << 10).await;
    let mut body = get(&mut sender, "/held/large").await.into_body();
    let mut total = 0;
    let begun = tokio::time::Instant::now();
    while let Some(frame) = body.frame().await {
        total += frame.expect("a part").data_ref().map_or(0, Bytes::len);
        // The first half slowly, for longer than all limits; the second as fast as it comes.
        if begun.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    assert_eq!(total, 4 << 20);
    assert!(begun.elapsed() > Duration::from_secs(3), "that was not slow");
}

#[tokio::test]
async fn a_body_that_is_long_in_coming_is_not_the_clients_fault() {
    let server = Running::start(|config| {
        config.keep_alive_ms = 100;
        config.header_timeout_ms = 100;
        config.body_idle_ms = 100;
    });
    let mut sender = connect(&server, 65_535).await;
    let mut hangs = get(&mut sender, "/hangs").await.into_body();
    assert!(hangs.frame().await.expect("a part").is_ok());
    assert!(tokio::time::timeout(Duration::from_millis(1_000), hangs.frame()).await.is_err(), "it waits for the site");
    assert_eq!(body(get(&mut sender, "/").await).await, "hello");
}

/// Many pieces, one after the other, also where one frame of the site's is many pieces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_responses_arrive_side_by_side() {
    let server = Running::start(|_| {});
    let mut sender = connect(&server, 65_535).await;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(get(&mut sender, "/held/large").await);
    }
    let lengths = answers.into_iter().map(|answer| async {
        assert_eq!(answer.headers()["content-length"], (4 << 20).to_string());
        answer.into_body().collect().await.expect("whole").to_bytes().len()
    });
    assert!(futures::future::join_all(lengths).await.into_iter().all(|length| length == 4 << 20));
    assert_eq!(body(get(&mut sender, "/chunks").await).await, "x".repeat(12));
}
