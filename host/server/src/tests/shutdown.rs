//! Ending without losing a request.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::harness::Running;

async fn until_running(server: &Running, count: usize) {
    while server.site.running.load(Ordering::SeqCst) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn running_requests_end_and_new_ones_find_nobody() {
    let mut server = Running::start(|_| {});
    let address = server.address;
    let mut idle = server.connect().await;
    idle.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    until_running(&server, 1).await;
    server.begin_stop();
    assert!(idle.closes_within(Duration::from_millis(200)).await, "an idle connection has nothing to wait for");
    let answer = client.answer().await;
    assert_eq!(answer.body, "at last");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(!server.stop().await.cut);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_runs_too_long_is_cut() {
    let server = Running::start(|config| config.drain_ms = 200);
    let mut client = server.connect().await;
    client.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut hanging = server.connect().await;
    hanging.send("GET /hangs HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    until_running(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let site = server.site.clone();
    let begun = Instant::now();
    assert!(server.stop().await.cut);
    assert!((150..2_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(site.running.load(Ordering::SeqCst), 0, "a cut request's future is dropped");
    assert!(client.closes_within(Duration::from_secs(1)).await && hanging.closes_within(Duration::from_secs(1)).await);
}
