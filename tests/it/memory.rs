//! The host's memory after everything that eats it.

use host_core::budget::Limits;

use crate::site::{TestSite, in_its_own_process, tight};

/// Pages of the hostile guest that take memory of the host's in one way or another.
const EATERS: &[&str] = &[
    "/grow/",
    "/grow-and-trap/",
    "/streams/",
    "/subtasks/",
    "/transactions/",
    "/giant/",
    "/giant-header/",
    "/many-headers/",
    "/endless/",
    "/half/then-trap/",
    "/half/then-wait/",
    "/wait/",
    "/recurse/",
    "/flood/log/",
    "/flood/random/",
];

/// In a process of its own, since the other tests of this one take memory as well.
#[test]
fn the_hosts_memory_returns_to_where_it_was() {
    in_its_own_process("memory::rounds");
}

#[ignore = "the test above runs it in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds() {
    // A place of the pool keeps what it was last used for: with few of them, all are in use after the first rounds.
    let site = TestSite::with_few_places().await;
    site.load_guest("good", Limits::default()).await;
    stops_growing("loading", async || {
        for _ in 0..20 {
            load(&site).await;
        }
    })
    .await;
    stops_growing("requests", async || {
        for path in EATERS {
            let path = format!("/hostile{path}");
            futures::future::join_all((0..3).map(|_| site.get(&path))).await;
        }
    })
    .await;
    assert_eq!(site.get("/good/").await.status, 200);
}

async fn load(site: &TestSite) {
    site.load_guest("hostile", Limits { response_bytes: 8 << 20, wall_ms: 600, ..tight() }).await;
}

/// Does `round` again and again. The first ones fill caches and pools; what grows with each further one is a leak.
async fn stops_growing(what: &str, round: impl AsyncFn()) {
    let mut after = Vec::new();
    for _ in 0..10 {
        round().await;
        after.push(resident_mib());
    }
    println!("after rounds of {what}: {after:?} MiB");
    let growth = after[9].saturating_sub(after[4]);
    assert!(growth < 10, "{growth} MiB more after five more rounds of {what}: {after:?}");
}

/// Memory of this process that is in use, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1_024
}
