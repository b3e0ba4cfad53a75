//! Forms that other sites' pages send.

use std::sync::atomic::Ordering;

use super::harness::Running;
use super::http2;

fn post(host: &str, headers: &str) -> String {
    format!("POST /count HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n{headers}\r\nab")
}

#[tokio::test]
async fn a_form_from_another_site_is_refused_and_says_what_to_do() {
    let server = Running::start(|config| config.trusted_origins = vec!["https://other.example".into()]);
    for (headers, status) in [
        ("", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n", 200),
        ("Sec-Fetch-Site: none\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\nOrigin: http://localhost\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: https://other.example\r\n", 200),
        ("Origin: https://other.example\r\n", 200),
        ("Origin: http://localhost\r\n", 200),
        ("Origin: http://localhost:8000\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: http://localhost@evil.example\r\n", 403),
        ("Origin: http://localhost\r\nOrigin: http://evil.example\r\n", 403),
        ("Origin: http://\u{f6}\r\n", 403),
    ] {
        let before = server.site.reached.load(Ordering::SeqCst);
        let answer = server.ask(&post("localhost", headers)).await;
        assert_eq!(answer.status, status, "{headers:?}");
        let reached = server.site.reached.load(Ordering::SeqCst) - before;
        assert_eq!(reached, usize::from(status == 200), "{headers:?}");
        if status == 403 {
            assert!(answer.body.contains("sent from another site") && answer.body.contains("send it again"));
            assert!(!answer.body.contains("evil"), "{}", answer.body);
        }
    }
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://evil.example\r\n\r\n";
    assert_eq!(server.ask(get).await.status, 200, "links from elsewhere work");
}

/// What counts is the host that was checked, not a header beside it.
#[tokio::test]
async fn the_host_is_the_one_that_was_asked_for() {
    let server = Running::start(|config| config.allowed_hosts = vec!["localhost".into(), "other.example".into()]);
    let proxied = post("other.example", "Origin: http://other.example\r\n");
    let absolute = proxied.replace("POST /count", "POST http://localhost/count");
    assert_eq!(server.ask(&proxied).await.status, 200);
    assert_eq!(server.ask(&absolute).await.status, 403);
    let forwarded = post("localhost", "X-Forwarded-Host: evil.example\r\nOrigin: http://evil.example\r\n");
    assert_eq!(server.ask(&forwarded).await.status, 403);
    let mut sender = http2::connect(&server).await;
    for (origin, status) in [("http://localhost", 200), ("http://other.example", 403)] {
        let mut request = http2::request("POST", "http://localhost/count", "ab");
        request.headers_mut().insert("origin", http::HeaderValue::from_static(origin));
        assert_eq!(sender.send_request(request).await.expect("an answer").status(), status, "{origin}");
    }
}
