//! Components that don't know us: the standard world `wasi:http`, and our own contract from another language.

use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_engine::Kind;

use crate::site::TestSite;

/// What every standard guest does, whatever it is written in.
async fn standard(name: &str, kind: Kind, language: &str) {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    let limits = Limits { wall_ms: 8_000, cpu_ms: 4_000, memory_bytes: 256 << 20, ..Limits::default() };
    let loaded = site.load_guest(name, limits).await;
    assert_eq!(loaded.kind, kind);
    let mount = loaded.mount.clone();
    let hello = site.get(&mount).await;
    assert_eq!(hello.status, 200, "{}", hello.text());
    assert!(hello.text().starts_with(&format!("Hello from {language}")), "{}", hello.text());
    assert_eq!(hello.headers["content-type"], "text/plain");
    // Any path and method below the mount is its own.
    assert_eq!(site.get(&format!("{mount}any/where?at=all")).await.status, 200);
    let body: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let echo = site.post(&mount, body.clone()).await;
    assert_eq!(echo.status, 200, "{}", echo.text());
    assert_eq!(echo.body.len(), body.len());
    assert_eq!(echo.body, body);
    let begun = Instant::now();
    let looping = site.get(&format!("{mount}loop/")).await;
    assert!([503, 504].contains(&looping.status.as_u16()), "{}", looping.status);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let trapped = site.get(&format!("{mount}trap/")).await;
    assert_eq!(trapped.status, 500, "{}", trapped.text());
    assert_eq!(site.get("/good/").await.status, 200);
    assert_eq!(site.get(&mount).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasi_http_0_2_in_rust() {
    standard("wasi-http-02", Kind::Http02, "wasi:http 0.2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasi_http_0_3_in_rust() {
    standard("wasi-http-03", Kind::Http03, "wasi:http 0.3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasi_http_0_2_in_python() {
    standard("wasi-http-py", Kind::Http02, "Python").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasi_http_0_2_in_javascript() {
    standard("wasi-http-js", Kind::Http02, "JavaScript").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_contract_in_python() {
    let site = TestSite::start().await;
    let limits = Limits { wall_ms: 8_000, cpu_ms: 4_000, memory_bytes: 256 << 20, ..Limits::default() };
    let loaded = site.load_guest("python-app", limits).await;
    assert_eq!((loaded.app.as_str(), loaded.kind), ("guestbook", Kind::App));
    let empty = site.get("/guestbook/").await;
    assert_eq!(empty.status, 200, "{}", empty.text());
    assert!(empty.text().contains("<h1>Guest book</h1>"));
    let signed = site.post("/guestbook/sign/", "name=Ada+%3Cb%3E&words=It+works").await;
    assert_eq!(signed.status, 303, "{}", signed.text());
    assert_eq!(signed.headers["location"], "/guestbook/entry/1/");
    let entry = site.get("/guestbook/entry/1/").await;
    assert!(entry.text().contains("<h2>Ada &lt;b&gt;</h2><p>It works</p>"), "{}", entry.text());
    assert!(site.get("/guestbook/").await.text().contains("/guestbook/entry/1/"));
    assert_eq!(site.get("/guestbook/entry/2/").await.status, 404);
    let long = site.post("/guestbook/sign/", format!("name={}&words=x", "a".repeat(51))).await;
    assert_eq!(long.status, 422, "{}", long.text());
    let looping = site.get("/guestbook/loop/").await;
    assert!([503, 504].contains(&looping.status.as_u16()), "{}", looping.status);
}
