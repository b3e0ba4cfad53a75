//! Several requests in one instance, where the operator chose so: everyone stays who they are, and one request's end is
//! not another's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use host_core::budget::Limits;
use host_engine::Reuse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{Mounted, TestSite, guest, logged, tight};

/// A request whose body is still to come.
struct Unfinished(TcpStream);

impl Unfinished {
    async fn send(site: &TestSite, path: &str, user: &str, length: usize) -> Self {
        let mut stream = TcpStream::connect(site.address()).await.expect("the server listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-user: {user}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        Self(stream)
    }

    /// Sends the body and returns the response with its head.
    async fn finish(mut self, body: &str) -> String {
        self.0.write_all(body.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.expect("an answer");
        answer
    }
}

async fn site(reuse: Reuse, limits: Limits) -> TestSite {
    let site = TestSite::start().await;
    let mounted = Mounted { reuse, ..Mounted::at("/hostile/", limits) };
    site.load_as("hostile", guest("hostile"), mounted).await.unwrap_or_else(|error| panic!("{error}"));
    site
}

fn together() -> Reuse {
    Reuse { count: 10_000, concurrency: 16, ..Reuse::default() }
}

/// Requests that are under way one after the other, until one instance has several.
async fn crowd(site: &TestSite, path: &str, count: usize) -> Vec<Unfinished> {
    let mut all = Vec::new();
    for n in 0..count {
        all.push(Unfinished::send(site, path, &format!("user-{n}"), 2).await);
    }
    // Time for all of them to begin.
    tokio::time::sleep(Duration::from_millis(300)).await;
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_visitors_in_one_instance_stay_apart() {
    let site = site(together(), Limits::default()).await;
    let all = crowd(&site, "/hostile/who/", 12).await;
    // The last to come is the first to go on.
    let answers = join_all(all.into_iter().rev().map(|one| one.finish("ok"))).await;
    for (at, answer) in answers.iter().rev().enumerate() {
        assert!(answer.ends_with(&format!("user-{at} user-{at} ok")), "user-{at} got:\n{answer}");
    }
    let most = site.get("/hostile/most/").await.text();
    assert!(most.parse::<u32>().expect("a number") >= 2, "they were alone: {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_belongs_to_the_request_that_opened_it() {
    let site = site(together(), Limits::default()).await;
    // More than there are instances, so that each has somebody who keeps one.
    let keepers = crowd(&site, "/hostile/keep/", 8).await;
    let thief = site.post("/hostile/steal/", Bytes::new()).await;
    assert_eq!(thief.text(), "access-denied access-denied access-denied");
    for keeper in keepers {
        let _ = keeper.finish("ok").await;
    }
    assert_eq!(site.get("/hostile/found/stolen/").await.text(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_nothing_is_served_although_the_instance_is_lost() {
    for (harm, statuses, words) in [
        ("/hostile/trap/", &[500][..], "trap"),
        ("/hostile/spin/", &[503, 504], "budget ran out"),
        ("/hostile/spin-calling/", &[503, 504], "budget ran out"),
        ("/hostile/fill/", &[503, 504], "budget ran out"),
        ("/hostile/grow-and-trap/", &[503, 504], "budget ran out"),
        ("/hostile/panic/", &[500], "trap"),
        ("/hostile/recurse/", &[500], "stack"),
        ("/hostile/wait/", &[504], "wall_ms"),
    ] {
        let site = site(together(), Limits { wall_ms: 8_000, db_ms: 8_000, ..tight() }).await;
        let begun = Instant::now();
        let good = join_all((0..12).map(|_| site.get("/hostile/hold/")));
        let bad = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            site.get(harm).await
        };
        let (good, bad) = futures::join!(good, bad);
        assert!(statuses.contains(&bad.status.as_u16()), "{harm} is {}: {}", bad.status, bad.text());
        logged(&bad.id(), words).await.unwrap_or_else(|missing| panic!("{harm}: {missing}"));
        for answer in good {
            assert_eq!(answer.status, 200, "beside {harm}: {}", answer.text());
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "{harm} held them up");
        assert_eq!(site.get("/hostile/").await.status, 200, "after {harm}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_had_an_effect_is_not_done_twice() {
    let site = site(together(), Limits { wall_ms: 8_000, db_ms: 8_000, ..tight() }).await;
    for (at, harm) in ["/hostile/trap/", "/hostile/spin/", "/hostile/trap/"].into_iter().enumerate() {
        let word = |n: usize| format!("word-{at}-{n}-");
        let paths: Vec<String> = (0..10).map(|n| format!("/hostile/write-and-hold/{}/", word(n))).collect();
        let writers = join_all(paths.iter().enumerate().map(|(n, path)| {
            let site = &site;
            async move { if n % 2 == 0 { site.get(path).await } else { site.post(path, Bytes::new()).await } }
        }));
        let bad = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            site.get(harm).await
        };
        let (writers, _) = futures::join!(writers, bad);
        for (n, answer) in writers.into_iter().enumerate() {
            let found = site.get(&format!("/hostile/found/{}/", word(n))).await.text();
            match answer.status.as_u16() {
                200 => assert_eq!(found, "1", "{} was acknowledged", word(n)),
                500 | 503 | 504 => assert!(["0", "1"].contains(&found.as_str()), "{}: {found}", word(n)),
                other => panic!("{other}: {}", answer.text()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_end_takes_its_instance_out_of_service() {
    let site = site(together(), Limits { wall_ms: 3_000, ..tight() }).await;
    let bad = join_all((0..6).map(|_| site.get("/hostile/wait/"))).await;
    assert!(bad.iter().all(|answer| answer.status == 504));
    let good = join_all((0..6).map(|_| site.get("/hostile/hold/"))).await;
    assert!(good.iter().all(|answer| answer.status == 200));
    // Of the instances that waited none is left: the new ones remember little.
    let most = site.get("/hostile/most/").await.text();
    assert!(most.parse::<u32>().expect("a number") <= 6, "{most}");
}
