//! Connections that die without a word, and a server that can't be reached.

use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use host_store::{ServerConfig, Statement, StoreError, Target};
use test_servers::{Kind, Proxy};

use crate::{as_app, config, count, open, run, sleep, soon};

/// So long that a connection is asked before it is used.
const IDLE: Duration = Duration::from_millis(1_200);

/// What all stores of this process have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Ears;

impl std::io::Write for Ears {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listen_to_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).with_writer(|| Ears).init();
    });
}

/// The log's lines about the server at `address`.
fn lines(address: &str) -> Vec<String> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&log).lines().filter(|line| line.contains(address)).map(str::to_owned).collect()
}

fn end_all(kind: Kind, database: &str) {
    match kind {
        Kind::Postgres => {
            let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
            kind.shared().administer(&end);
        }
        Kind::Mariadb => {
            let ask = format!("SELECT id FROM information_schema.processlist WHERE db = '{database}'");
            for id in kind.shared().administer(&ask).split_whitespace() {
                kind.shared().administer(&format!("KILL {id}"));
            }
        }
    }
}

pub(crate) async fn connections_that_died_while_they_were_idle(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let (store, a, b) = open(config(&proxy.url(&kind.shared().database()))).await;
    let server = store.server().unwrap();
    let database = server.server().target.database().to_owned();
    let mut id = 0;
    let mut insert = async || {
        id += 1;
        as_app(server, &a, &format!("INSERT INTO a__t (id, n) VALUES ({id}, 1)")).await
    };
    for round in 0..3 {
        for _ in 0..3 {
            let (a, b) = tokio::join!(count(server, &a), count(server, &b));
            assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
        }
        // A read runs again where it met a connection that had died.
        end_all(kind, &database);
        assert_eq!(count(server, &a).await, Ok(round * 3));
        proxy.close_all();
        assert_eq!(count(server, &a).await, Ok(round * 3));
        // A write does where it can't have been sent: its statement wasn't even prepared.
        proxy.close_all();
        assert_eq!(insert().await, Ok(1));
        // Otherwise it doesn't, but an idle connection is asked before it gets one.
        assert_eq!(count(server, &b).await, Ok(0));
        end_all(kind, &database);
        tokio::time::sleep(IDLE).await;
        assert_eq!(insert().await, Ok(1));
        proxy.close_all();
        tokio::time::sleep(IDLE).await;
        assert_eq!(insert().await, Ok(1));
    }
}

pub(crate) async fn connections_that_a_firewall_forgot(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let url = proxy.url(&kind.shared().database());
    let (store, a, b) = open(ServerConfig { connections: 12, ..config(&url) }).await;
    let server = store.server().unwrap();
    for at in 0..3 {
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut connection = server.connection(&a, soon()).await.unwrap();
            run(&mut connection, &Statement::of_app(&a, "SELECT n FROM a__t")).await.unwrap();
            held.push(connection);
        }
        drop(held);
        proxy.swallow(false);
        tokio::time::sleep(IDLE).await;
        let began = Instant::now();
        let write = as_app(server, &a, &format!("INSERT INTO a__t (id, n) VALUES ({at}, 1)")).await;
        assert_eq!(write, Ok(1));
        assert_eq!(count(server, &b).await, Ok(0));
        // One question that stays without an answer, not one for each connection.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
}

pub(crate) async fn a_server_that_is_silent_costs_few_requests_their_time(kind: Kind) {
    listen_to_the_log();
    let proxy = Proxy::to(kind.shared());
    let url = proxy.url(&kind.shared().database());
    let address = url.split(['@', '/']).nth(3).unwrap().to_owned();
    let (store, a, _) = open(ServerConfig { connect_ms: 500, ..config(&url) }).await;
    let server = store.server().unwrap();
    assert_eq!(count(server, &a).await, Ok(0));
    proxy.swallow(true);
    tokio::time::sleep(IDLE).await;
    let first = count(server, &a).await;
    assert!(matches!(first, Err(StoreError::Busy(_))), "{first:?}");
    let (began, before) = (Instant::now(), proxy.connections());
    for _ in 0..500 {
        let away = count(server, &a).await;
        assert!(matches!(away, Err(StoreError::Busy(why)) if why.contains("can't be reached")), "{away:?}");
    }
    let tried = proxy.connections() - before;
    assert!(began.elapsed() < Duration::from_secs(5), "500 requests wait for nothing: {:?}", began.elapsed());
    assert!(tried <= 10, "one looks for it, not {tried}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.forward();
    let back = Instant::now();
    while count(server, &a).await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(5), "it recovers by itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (one, two) = tokio::join!(count(server, &a), as_app(server, &a, "INSERT INTO a__t (id, n) VALUES (1, 1)"));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    let said = lines(&address);
    let with = |words: &str| said.iter().filter(|line| line.contains(words)).count();
    assert_eq!((with("can't be reached"), with("is back")), (1, 1), "{said:#?}");
    assert!(said.len() < 6, "{said:#?}");
}

/// Who only reads is served by the server itself where its copies are away.
pub(crate) async fn replicas_that_are_away_are_passed_over(kind: Kind) {
    let (good, bad) = (Proxy::to(kind.shared()), Proxy::to(kind.shared()));
    let url = kind.shared().database();
    let at = |proxy: &Proxy| Target::parse(&proxy.url(&url)).unwrap();
    let replicas = vec![at(&bad), at(&good), Target::parse(&url.replace("?socket=", "?socket=/nowhere")).unwrap()];
    let (store, a, _) = open(ServerConfig { replicas, connect_ms: 500, ..config(&url) }).await;
    let server = store.server().unwrap();
    let ask = Statement::of_app(&a, "SELECT n FROM a__t");
    let read = async || run(&mut server.reader(&a, soon()).await?, &ask).await.map(drop);
    bad.swallow(true);
    assert_eq!(read().await, Ok(()));
    let began = Instant::now();
    for _ in 0..300 {
        assert_eq!(read().await, Ok(()));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "the wait for a silent one isn't repeated");
    assert!(good.turns() > 100, "the one that answers has its share");
    good.close_all();
    assert_eq!(read().await, Ok(()));
    bad.forward();
    let (before, end) = (bad.turns(), Instant::now() + Duration::from_secs(10));
    while bad.turns() < before + 20 {
        assert!(Instant::now() < end, "the one that is back has its share again");
        assert_eq!(read().await, Ok(()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn an_old_connection_is_replaced(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let url = proxy.url(&kind.shared().database());
    let (store, a, _) = open(ServerConfig { lifetime_s: 2, ..config(&url) }).await;
    let server = store.server().unwrap();
    let began = Instant::now();
    assert_eq!(count(server, &a).await, Ok(0));
    let before = proxy.connections();
    let mut asked = 0;
    while proxy.connections() == before {
        assert!(began.elapsed() < Duration::from_secs(10), "after two seconds it has to go");
        assert_eq!(count(server, &a).await, Ok(0));
        asked += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(asked > 5, "it is kept until then");
}

/// What nobody hears of any more must not take up the app's share of the pool.
pub(crate) async fn a_statement_that_goes_unheard_gives_its_place_back(kind: Kind) {
    let proxy = Proxy::to(kind.shared());
    let url = proxy.url(&kind.shared().database());
    let (store, a, _) = open(ServerConfig { connect_ms: 500, ..config(&url) }).await;
    let server = store.server().unwrap();
    assert_eq!(count(server, &a).await, Ok(0));
    let hangs = async || {
        let mut connection = server.connection(&a, soon()).await.unwrap();
        connection.until(Instant::now() + Duration::from_millis(300));
        run(&mut connection, &Statement::of_app(&a, sleep(kind))).await
    };
    let cut = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.swallow(true);
    };
    let (one, two, ()) = tokio::join!(hangs(), hangs(), cut);
    assert_eq!((one, two), (Err(StoreError::Timeout), Err(StoreError::Timeout)));
    proxy.forward();
    let end = Instant::now() + Duration::from_secs(20);
    while count(server, &a).await.is_err() {
        assert!(Instant::now() < end, "both places are still taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
