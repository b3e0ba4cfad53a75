//! HTTP/1.1: forms of requests, and what comes back.

use super::harness::Running;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[tokio::test]
async fn a_page_has_an_id_and_the_security_headers() {
    let server = Running::start(|_| {});
    let answer = server.ask(&get("/")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'self'")));
    assert!(answer.header("date").is_some());
    let own = server.ask(&get("/policy")).await;
    assert_eq!(own.header("content-security-policy"), Some("default-src 'none'"), "the site's own policy stays");
    assert!(!server.stop().await.cut);
}

#[tokio::test]
async fn a_connection_serves_many_requests_also_pipelined() {
    let server = Running::start(|_| {});
    let mut client = server.connect().await;
    client.send(get("/") + &get("/about?x=1") + &get("/nothing")).await;
    assert_eq!(client.answer().await.body, "hello");
    assert_eq!(client.answer().await.body, "GET /about?x=1 \"localhost\"");
    assert_eq!(client.answer().await.status, 404);
    client.send(get("/")).await;
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = Running::start(|_| {});
    let sized = server.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde").await;
    assert!(sized.body.contains("abcde"), "{sized:?}");
    let chunked = server.ask(
        "POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    assert_eq!(chunked.await.body, "5 bytes");
    let answer = server.ask(&get("/chunks")).await;
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.body.matches("xxxx").count(), 3);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = Running::start(|_| {});
    let mut client = server.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("5")));
    client.send("HEAD /chunks HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.answer_to("HEAD").await.status, 200);
    // If a body had been sent, it would stand where the next status line should.
    client.send(get("/")).await;
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn what_the_site_says_about_framing_is_not_believed() {
    let server = Running::start(|_| {});
    let mut client = server.connect().await;
    client.send(get("/framing") + &get("/empty") + &get("/early") + &get("/")).await;
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("content-length")), ("true length", Some("11")));
    for name in ["transfer-encoding", "upgrade", "keep-alive", "connection"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(client.answer().await.status, 204);
    assert_eq!(client.answer().await.status, 500, "1xx ends no request");
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn a_panic_is_that_requests_500_and_no_one_elses() {
    let server = Running::start(|_| {});
    let mut client = server.connect().await;
    client.send(get("/panics") + &get("/")).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("on our side") && !answer.body.contains("told to"), "{}", answer.body);
    let id = answer.header("x-request-id").expect("an id");
    assert!(answer.body.contains(id), "a visitor can quote the id");
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn a_response_that_breaks_off_is_not_taken_for_a_whole_one() {
    let server = Running::start(|_| {});
    let answer = server.ask(&get("/breaks")).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.ends_with("0\r\n\r\n"), "the last chunk must be missing: {:?}", answer.body);
}

#[tokio::test]
async fn only_known_hosts_are_answered() {
    let server = Running::start(|config| config.allowed_hosts = vec!["localhost".into(), ".example.com".into()]);
    for (head, status) in [
        ("GET /about HTTP/1.1\r\nHost: localhost:1234\r\n\r\n", 200),
        ("GET /about HTTP/1.1\r\nHost: Shop.Example.com\r\n\r\n", 200),
        ("GET http://localhost/about HTTP/1.1\r\nHost: evil.com\r\n\r\n", 200),
        ("GET /about HTTP/1.1\r\nHost: evil.com\r\n\r\n", 400),
        ("GET http://evil.com/about HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /about HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        ("GET /about HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n", 400),
        ("GET /about HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET /about HTTP/1.1\r\n\r\n", 400),
        ("GET /about HTTP/1.0\r\n\r\n", 400),
        ("GET /about HTTP/1.1\r\nHost: localhost@evil.com\r\n\r\n", 400),
        ("GET /about HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.com\r\n\r\n", 200),
    ] {
        let answer = server.ask(head).await;
        assert_eq!(answer.status, status, "{head}");
        assert!(!answer.body.contains("evil"), "the site sees the host that was checked: {}", answer.body);
    }
    assert_eq!(
        server.ask("GET http://localhost/about HTTP/1.1\r\nHost: evil.com\r\n\r\n").await.body,
        "GET /about \"localhost\""
    );
}

#[tokio::test]
async fn odd_methods_and_targets_get_sensible_answers() {
    let server = Running::start(|_| {});
    for (head, status) in [
        ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nHost: localhost\r\nCookie: secret\r\n\r\n", 501),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204),
        ("OPTIONS * HTTP/1.1\r\nHost: evil.com\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("BREW /about HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 400),
        ("\u{1}\u{2}\u{3}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nA B: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n", 400),
    ] {
        let answer = server.ask(head).await;
        assert_eq!(answer.status, status, "{head:?} got {}", answer.body);
        assert!(!answer.body.contains("secret"));
    }
}

/// Where two readers of a request could disagree about where it ends, a second one hides in the first.
#[tokio::test]
async fn a_request_can_not_be_smuggled_in_another() {
    let hidden = "GET /panics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "Content-Length: +44\r\n\r\n",
        "Content-Length: 0x2c\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
    ] {
        let server = Running::start(|_| {});
        let mut client = server.connect().await;
        client.send(format!("POST /count HTTP/1.1\r\nHost: localhost\r\n{framing}{hidden}")).await;
        let answer = client.answer().await;
        let refused = (400..=501).contains(&answer.status) || answer.body.starts_with("Closed");
        // Where the framing has one meaning by the standard, the connection must at least not go on.
        let ends = client.closes_within(std::time::Duration::from_millis(500)).await;
        assert!(refused || ends, "{framing:?}: {answer:?}");
        assert!(
            server.site.reached.load(std::sync::atomic::Ordering::SeqCst) <= 1,
            "{framing:?} reached the site twice"
        );
    }
}
