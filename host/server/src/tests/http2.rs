//! HTTP/2 with prior knowledge.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::Running;

pub(super) async fn connect(server: &Running) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

pub(super) fn request(method: &str, uri: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    http::Request::builder().method(method).uri(uri).body(Full::from(body)).expect("a request")
}

pub(super) async fn body(response: http::Response<hyper::body::Incoming>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn requests_share_a_connection() {
    let server = Running::start(|_| {});
    let mut sender = connect(&server).await;
    let mut answers = Vec::new();
    for n in 0..20 {
        answers.push(sender.send_request(request("GET", &format!("http://localhost/about?n={n}"), "")));
    }
    for (n, answer) in futures::future::join_all(answers).await.into_iter().enumerate() {
        let answer = answer.expect("an answer");
        assert!(answer.headers().contains_key("x-request-id"));
        assert_eq!(body(answer).await, format!("GET /about?n={n} \"localhost\""), "the same form as over HTTP/1.1");
    }
    let echo = sender.send_request(request("POST", "http://localhost/echo", "abc")).await.expect("an answer");
    assert_eq!(body(echo).await, "abc");
}

/// Pings and windows pass between requests; they are no head that takes too long.
#[tokio::test]
async fn an_idle_connection_stays_for_its_time() {
    let server = Running::start(|config| {
        config.header_timeout_ms = 100;
        config.keep_alive_ms = 600;
    });
    let mut sender = connect(&server).await;
    for _ in 0..3 {
        let answer = sender.send_request(request("POST", "http://localhost/echo", "abc")).await.expect("an answer");
        assert_eq!(body(answer).await, "abc");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert!(sender.is_closed(), "in the end it is closed");
}

#[tokio::test]
async fn head_has_no_body_here_either() {
    let server = Running::start(|_| {});
    let mut sender = connect(&server).await;
    let head = sender.send_request(request("HEAD", "http://localhost/", "")).await.expect("an answer");
    assert_eq!(head.headers()["content-length"], "5");
    assert_eq!(body(head).await, "");
    let streamed = sender.send_request(request("HEAD", "http://localhost/chunks", "")).await.expect("an answer");
    assert_eq!(body(streamed).await, "");
}

#[tokio::test]
async fn hosts_are_checked_here_too() {
    let server = Running::start(|_| {});
    let mut sender = connect(&server).await;
    let evil = sender.send_request(request("GET", "http://evil.com/", "")).await.expect("an answer");
    assert_eq!(evil.status(), 400);
    let mut two = request("GET", "http://localhost/", "");
    two.headers_mut().insert("host", http::HeaderValue::from_static("evil.com"));
    assert_eq!(sender.send_request(two).await.expect("an answer").status(), 400);
    assert_eq!(sender.send_request(request("GET", "http://localhost/", "")).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_panic_and_a_broken_stream_leave_the_others_alone() {
    let server = Running::start(|_| {});
    let mut sender = connect(&server).await;
    let panics = sender.send_request(request("GET", "http://localhost/panics", "")).await.expect("an answer");
    assert_eq!(panics.status(), 500);
    let breaks = sender.send_request(request("GET", "http://localhost/breaks", "")).await.expect("a head");
    assert!(breaks.into_body().collect().await.is_err(), "half a body must not look whole");
    let after = sender.send_request(request("GET", "http://localhost/", "")).await.expect("an answer");
    assert_eq!(body(after).await, "hello");
}

#[tokio::test]
async fn large_headers_are_refused() {
    let server = Running::start(|_| {});
    let mut sender = connect(&server).await;
    let mut large = request("GET", "http://localhost/", "");
    large.headers_mut().insert("x-big", http::HeaderValue::from_str(&"b".repeat(60_000)).expect("a value"));
    match sender.send_request(large).await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(error.is_user() || error.is_canceled() || !error.to_string().is_empty()),
    }
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let (mut other, connection) =
        handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let plain = http::Request::get("http://localhost/").body(Empty::new()).expect("a request");
    assert_eq!(other.send_request(plain).await.expect("an answer").status(), 200);
}

/// CVE-2023-44487: streams that are opened and reset at once cost the client nothing.
#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let server = Running::start(|_| {});
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    // :method GET, :scheme http, :path /never, :authority localhost, as HPACK literals and indices.
    let mut block = vec![0x82, 0x86, 0x04, 6];
    block.extend_from_slice(b"/never");
    block.extend_from_slice(&[0x41, 9]);
    block.extend_from_slice(b"localhost");
    let mut closed = false;
    'flood: for burst in 0..200_u32 {
        let mut frames = Vec::new();
        for n in 0..50 {
            let id = ((burst * 50 + n) * 2 + 1).to_be_bytes();
            frames.extend_from_slice(&[0, 0, u8::try_from(block.len()).expect("short"), 1, 0x05]);
            frames.extend_from_slice(&id);
            frames.extend_from_slice(&block);
            frames.extend_from_slice(&[0, 0, 4, 3, 0]);
            frames.extend_from_slice(&id);
            frames.extend_from_slice(&8_u32.to_be_bytes());
        }
        if stream.write_all(&frames).await.is_err() {
            closed = true;
            break 'flood;
        }
    }
    let mut rest = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed || read.is_ok(), "10,000 resets and the connection still stands");
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.body, "hello");
}
