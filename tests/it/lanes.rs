//! The busy lane: an app that takes much is served there, as well as anywhere else, for as long as others are about.

use std::time::{Duration, Instant};

use host_core::budget::Limits;

use crate::site::{TestSite, in_its_own_process, tight};

/// Processor time from which the lane has done something; threads that only wait take less.
const SOMETHING: Duration = Duration::from_millis(200);

/// In a process of its own, since the sites of other tests have lanes as well.
#[test]
fn who_takes_much_is_served_on_a_lane_while_others_are_about() {
    in_its_own_process("lanes::floods");
}

#[ignore = "the test above runs it in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    site.load_guest("hostile", tight()).await;
    for _ in 0..20 {
        flood(&site).await;
    }
    let alone = on_the_lane();
    assert!(alone < SOMETHING / 4, "nobody else was about, and yet it did {alone:?} on the lane");
    let begun = Instant::now();
    let mut rounds = 0;
    while on_the_lane() < SOMETHING {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?} on the lane after {rounds} floods", on_the_lane());
        assert_eq!(site.get("/hostile/").await.status, 200);
        flood(&site).await;
        rounds += 1;
    }
}

/// Many requests at once, with bodies of all kinds.
async fn flood(site: &TestSite) {
    let body: Vec<u8> = (0..50_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let requests = (0..40).map(|n| {
        let body = body.clone();
        async move {
            match n % 5 {
                0 => assert_eq!(site.post("/good/echo/", body.clone()).await.body, body),
                1 => assert_eq!(site.post("/good/echo-stream/", body.clone()).await.body, body),
                2 => assert_eq!(site.get("/good/stream/").await.text(), "one two three\n"),
                3 => assert_eq!(site.post("/good/count/", "").await.status, 200),
                _ => assert_eq!(site.get("/good/missing/").await.status, 404),
            }
        }
    });
    futures::future::join_all(requests).await;
}

/// Processor time of the lane's threads.
fn on_the_lane() -> Duration {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |file| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        if read("comm").trim() == "busy-lane" {
            // The first number is the time on a processor (Documentation/scheduler/sched-stats.rst).
            let stat = read("schedstat");
            nanos += stat.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0);
        }
    }
    Duration::from_nanos(nanos)
}
