//! The access log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::harness::Running;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn each_request_is_one_line_that_a_client_can_not_break() {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Running::start(|_| {});
    let id = server.ask("GET /served?secret=1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let id = id.header("x-request-id").expect("an id").to_owned();
    server.ask("GET /chunks HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.ask("GET /%0aFORGED HTTP/1.1\r\nHost: evil.com\r\n\r\n").await;
    server.ask(&format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(5_000))).await;
    let mut leaver = server.connect().await;
    leaver.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    leaver.stream.readable().await.expect("a beginning");
    drop(leaver);
    server.stop().await;
    let log = String::from_utf8(sink.0.lock().expect("no panic").clone()).expect("text");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("access")).collect();
    assert_eq!(lines.len(), 5, "{log}");
    for word in [
        &id,
        "method=GET",
        "path=\"/served\"",
        "status=200",
        "bytes=6",
        "app=\"polls\"",
        "route=\"index\"",
        "statements=2",
    ] {
        assert!(lines[0].contains(word), "{word} is missing in {}", lines[0]);
    }
    assert!(!log.contains("secret"), "queries may hold what nobody should read");
    assert!(lines[1].contains("bytes=12") && lines[1].contains("complete=true"), "{}", lines[1]);
    assert!(lines[2].contains("status=400"), "{}", lines[2]);
    assert!(lines[3].len() < 1_000, "a long path is cut");
    assert!(lines[4].contains("path=\"/large\"") && lines[4].contains("complete=false"), "{}", lines[4]);
}
