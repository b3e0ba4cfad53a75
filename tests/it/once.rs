//! Writes that count once, on all three databases, also where the connection is cut at the commit.

use host_core::budget::Limits;
use host_store::{ServerConfig, StoreConfig, Target};
use serde_json::{Value, json};
use test_servers::{Cut, Kind, Proxy};

use crate::site::TestSite;

/// A site with the guest `once`, whose transactions may take as long as a busy machine makes them.
async fn site(store: StoreConfig) -> TestSite {
    let store = StoreConfig { transaction_idle_ms: 10_000, transaction_total_ms: 10_000, ..store };
    let site = TestSite::with_store(store).await;
    site.load_guest("once", Limits { wall_ms: 30_000, cpu_ms: 30_000, db_ms: 30_000, ..Limits::default() }).await;
    site
}

async fn behind(proxy: &Proxy, kind: Kind) -> TestSite {
    let target = Target::parse(&proxy.url(&kind.shared().database())).expect("an address");
    site(StoreConfig::server(ServerConfig { connections: 16, ..ServerConfig::new(target) })).await
}

async fn post(site: &TestSite, path: &str) -> Value {
    let answer = site.post(&format!("/once/{path}/"), "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_str(&answer.text()).expect("JSON")
}

/// Orders, keys.
async fn count(site: &TestSite) -> (u64, u64) {
    let text = site.get("/once/count/").await.text();
    let all: Vec<u64> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(all[2], 32, "a new key has 128 bits in hexadecimal digits");
    (all[0], all[1])
}

/// Whether a client's bytes end a transaction. `READ COMMITTED` in other commands isn't that.
fn commits(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|part| part == b"COMMIT\0") || bytes.ends_with(b"COMMIT")
}

async fn counts_once(site: &TestSite) {
    assert_eq!(post(site, "buy/k1/ann").await, json!(["ann", 1]));
    // Whoever asks again gets the first answer.
    for _ in 0..3 {
        assert_eq!(post(site, "buy/k1/bob").await, json!(["ann", 0]));
    }
    assert_eq!(post(site, "buy/K1/bob").await, json!(["bob", 1]), "another key");
    assert_eq!(count(site).await, (4, 2));
    // What fails leaves nothing behind, its key neither.
    for _ in 0..2 {
        assert_eq!(post(site, "fail/k2").await, json!([409, "", "sold out"]));
    }
    assert_eq!(count(site).await, (4, 2));
    assert_eq!(post(site, "buy/k2/eve").await, json!(["eve", 1]));
    let wrong = post(site, "number/k2").await;
    assert!(
        wrong[0] == 500 && wrong[2].as_str().is_some_and(|text| text.contains("returned something else")),
        "{wrong}"
    );
    let nested = post(site, "nested").await;
    assert!(
        nested[0] == 500 && nested[2].as_str().is_some_and(|text| text.contains("inside of a transaction")),
        "{nested}"
    );
    let long = post(site, &format!("buy/{}/x", "k".repeat(201))).await;
    assert_eq!(long, json!([400, "", "A key has 1 to 200 characters."]));
    assert_eq!(count(site).await, (6, 3));
    // Of several at the same moment one does it.
    for round in 0..3 {
        let path = format!("buy/race{round}/ann");
        let all = futures::future::join_all((0..6).map(|_| post(site, &path))).await;
        assert!(all.iter().all(|answer| answer[0] == "ann"), "{all:?}");
        assert_eq!(count(site).await, (8 + 2 * round, 4 + round));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_counts_once_on_sqlite() {
    counts_once(&site(StoreConfig::temporary()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_counts_once_on_postgres() {
    counts_once(&behind(&Proxy::to(Kind::Postgres.shared()), Kind::Postgres).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_counts_once_on_mariadb() {
    counts_once(&behind(&Proxy::to(Kind::Mariadb.shared()), Kind::Mariadb).await).await;
}

async fn cut_at_the_commit(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let site = behind(&proxy, kind).await;
    let mut there = 0;
    for (at, cut) in [Cut::Before, Cut::After, Cut::Before, Cut::After].into_iter().enumerate() {
        // Without a key the app is told that nobody knows, and so it is.
        for path in [format!("transaction/name{at}"), format!("write/name{at}")] {
            if path.starts_with("write") {
                let mark = format!("name{at}").into_bytes();
                proxy.cut(cut, move |bytes| bytes.windows(mark.len()).any(|part| part == mark));
            } else {
                proxy.cut(cut, commits);
            }
            let answer = post(&site, &path).await;
            assert!(!proxy.waits());
            assert_eq!((&answer[0], &answer[1]), (&json!(500), &json!("unknown-outcome")), "{cut:?} {path}: {answer}");
            there += u64::from(cut == Cut::After);
            assert_eq!(count(&site).await.0, there, "{cut:?} {path}");
        }
        // With one it is looked for, and done where it wasn't.
        proxy.cut(cut, commits);
        let runs = if cut == Cut::After { 1 } else { 2 };
        assert_eq!(post(&site, &format!("buy/key{at}/ann")).await, json!(["ann", runs]), "{cut:?}");
        assert!(!proxy.waits());
        there += 2;
        assert_eq!(count(&site).await, (there, at as u64 + 1), "{cut:?}");
    }
}

/// What the how-to shows for a single statement: the same again says what is.
async fn cut_in_a_statement(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let site = behind(&proxy, kind).await;
    for (at, cut) in [Cut::Before, Cut::After].into_iter().enumerate() {
        let done = cut == Cut::After;
        let mark = |mark: String| move |bytes: &[u8]| bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
        let path = format!("by-key/key{at}/name{at}");
        // The question for the row has the key alone; who it is stands in the insert.
        proxy.cut(cut, mark(format!("name{at}")));
        assert_eq!(post(&site, &path).await[1], "unknown-outcome", "{cut:?}");
        assert_eq!(post(&site, &path).await, json!([format!("name{at}"), !done]), "{cut:?}");
        assert_eq!(post(&site, &path).await, json!([format!("name{at}"), false]), "{cut:?}");
        assert_eq!(count(&site).await.0, at as u64 + 1, "{cut:?}");
        let path = format!("ship/name{at}");
        proxy.cut(cut, mark("shipped".into()));
        assert_eq!(post(&site, &path).await[1], "unknown-outcome", "{cut:?}");
        assert_eq!(post(&site, &path).await, json!(u8::from(!done)), "{cut:?}");
        assert_eq!(post(&site, &path).await, json!(0), "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_cut_off_on_postgres() {
    cut_in_a_statement(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_cut_off_on_mariadb() {
    cut_in_a_statement(Kind::Mariadb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_cut_off_on_postgres() {
    cut_at_the_commit(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_cut_off_on_mariadb() {
    cut_at_the_commit(Kind::Mariadb).await;
}

/// What is in doubt stays in doubt where it can't be looked for: `busy` would say that nothing was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_at_the_commit_leaves_the_doubt() {
    let own = test_servers::Server::start(Kind::Postgres);
    let proxy = Proxy::to(&own);
    let target = Target::parse(&proxy.url(&own.database())).expect("an address");
    let site = site(StoreConfig::server(ServerConfig::new(target))).await;
    assert_eq!(post(&site, "buy/before/ann").await, json!(["ann", 1]));
    proxy.cut_and_refuse(Cut::After, commits);
    let answer = post(&site, "buy/key/ann").await;
    assert_eq!((&answer[0], &answer[1]), (&json!(500), &json!("unknown-outcome")), "{answer}");
    let away = post(&site, "buy/other/ann").await;
    assert_eq!((&away[0], &away[1]), (&json!(503), &json!("busy")), "{away}");
    proxy.forward();
    let mut answer = Value::Null;
    for _ in 0..200 {
        // The same request again, as a visitor or a browser repeats it.
        answer = post(&site, "buy/key/bob").await;
        if answer[0] != 503 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(answer, json!(["ann", 0]), "it was done the first time");
    assert_eq!(count(&site).await, (4, 2));
}
