//! Files that are no apps, and apps that are not to be loaded.

use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_engine::{CompileConfig, Reuse, Step};
use wit_parser::Resolve;

use crate::bombs;
use crate::forge::{MANIFEST, component, component_of, root};
use crate::site::{Mounted, TestSite, guest, tight};

/// Loads `bytes`, which must be refused at `step` with `words`.
async fn refused(site: &TestSite, what: &str, bytes: impl Into<bytes::Bytes>, step: Step, words: &str) {
    match site.load("wrong", bytes, tight()).await {
        Ok(_) => panic!("{what} was loaded"),
        Err(error) => {
            let text = error.to_string();
            assert_eq!(error.step, step, "{what}: {text}");
            assert!(text.contains(words), "{what}: `{text}` doesn't say `{words}`");
            assert!(text.starts_with("wrong.wasm"), "{what}: `{text}` doesn't name the file");
            assert!(text.len() < 2_000, "{what}: {} bytes of message", text.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_no_components_are_refused_by_name() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    let good = guest("good");
    refused(&site, "an empty file", &b""[..], Step::File, "not WebAssembly").await;
    refused(&site, "a text", &b"#!/bin/sh\nrm -rf /\n"[..], Step::File, "not WebAssembly").await;
    refused(&site, "an archive", &b"PK\x03\x04rest"[..], Step::File, "not WebAssembly").await;
    refused(&site, "four bytes", &b"\0asm"[..], Step::File, "cut off").await;
    refused(&site, "a core module", wat::parse_str("(module)").expect("a module"), Step::File, "core module").await;
    refused(&site, "native code", &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"[..], Step::File, "precompiled").await;
    refused(&site, "a file of 65 MiB", vec![0_u8; 65 << 20], Step::File, "the most is 64 MiB").await;
    let empty = wat::parse_str("(component)").expect("a component");
    refused(&site, "an empty component", empty, Step::Link, "export").await;
    for part in 1..20 {
        let cut = good.slice(..good.len() * part / 20);
        let error = site.load("wrong", cut, tight()).await.expect_err("half a file");
        assert!(matches!(error.step, Step::File | Step::Compile), "{error}");
    }
    assert_eq!(site.get("/good/").await.status, 200);
    assert_eq!(site.site.apps().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_flipped_bit_never_harms_the_host() {
    let site = TestSite::start().await;
    let good = guest("good");
    let mut refusals = 0;
    for n in 0..40_usize {
        let mut bytes = good.to_vec();
        // Spread over the file by a step that shares no factor with its size.
        let at = (n * 7_919 * 13) % bytes.len();
        bytes[at] ^= 1 << (n % 8);
        match site.load("wrong", bytes, tight()).await {
            Ok(loaded) => {
                // Some bits don't matter to the form. The app may do what it likes, but it answers in time.
                let answer = site.get(&loaded.mount).await;
                assert!(answer.status.as_u16() >= 200);
                site.site.remove(&loaded.app).await;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0, "40 flipped bits and none was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_that_are_larger_than_their_file_are_refused() {
    let site = TestSite::start().await;
    refused(&site, "many instances", bombs::instances(50), Step::File, "core instances").await;
    refused(&site, "doubling instances", bombs::doubling(10), Step::File, "core instances").await;
    refused(&site, "doubling types", bombs::types(60), Step::Compile, "size").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_one_line_whatever_the_file_says() {
    let site = TestSite::start().await;
    let text = r#"(component (core module (func) (export "a\0aERROR forged \1b[31mred" (func 0)) (export "a\0aERROR forged \1b[31mred" (func 0))))"#;
    let bytes = wat::parse_str(text).expect("a component");
    let error = site.load("wrong", bytes, tight()).await.expect_err("a name twice").to_string();
    assert!(!error.contains('\n') && !error.contains('\u{1b}'), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_compiles_for_ever_is_given_up() {
    let compile = CompileConfig { cpu_s: 2, wall_s: 30, ..CompileConfig::default() };
    let site = TestSite::with(compile).await;
    site.load_guest("good", Limits::default()).await;
    let begun = Instant::now();
    let loading = async {
        refused(&site, "11 KB of loops", bombs::loops(500, 500), Step::Compile, "processor time").await;
        refused(&site, "60,000 branches", bombs::branches(60_000), Step::Compile, "processor time").await;
    };
    let serving = async {
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(site.get("/good/").await.status, 200);
            assert!(begun.elapsed() < Duration::from_secs(1), "the good app took {:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(loading, serving);
    assert!(begun.elapsed() < Duration::from_secs(40), "it took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_whose_compiler_eats_all_memory_is_given_up() {
    let compile = CompileConfig { memory_bytes: 300 << 20, cpu_s: 120, wall_s: 120 };
    let site = TestSite::with(compile).await;
    refused(&site, "28 KB of loops", bombs::loops(2_000, 1_000), Step::Compile, "memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_with_another_contract_is_refused() {
    let site = TestSite::start().await;
    // What is changed in `wit/routing`, the version that it has then, the parameters of `handle`, and the complaint.
    for (what, from, to, version, parameters, words) in [
        (
            "a request with another field",
            "    route: u32,\n",
            "    route: u32,\n    more: u32,\n",
            "0.1.0",
            10,
            "record of 5 fields",
        ),
        ("a body of another kind", "    empty,\n", "    empty,\n    nothing,\n", "0.1.0", 9, "variant"),
        (
            "a newer package",
            "package bandstand:routing@0.1.0;",
            "package bandstand:routing@0.2.0;",
            "0.2.0",
            9,
            "bandstand:routing",
        ),
    ] {
        let mut resolve = Resolve::default();
        let mut package = None;
        for room in ["db", "routing", "templates", "app"] {
            let path = root().join("wit").join(room).join(format!("{room}.wit"));
            let text = std::fs::read_to_string(&path).expect("the contract");
            let text = match room {
                "routing" => {
                    assert!(text.contains(from), "the contract has no `{from}` any more");
                    text.replace(from, to)
                }
                "app" => routing_at(&text, version),
                _ => text,
            };
            package = Some(resolve.push_str(&path, &text).expect("the changed contract is one"));
        }
        let world = resolve.select_world(&[package.expect("there are rooms")], Some("app")).expect("a world");
        let bytes = component_of(&resolve, world, &minimal(version, parameters)).expect("a component of that contract");
        let error = site.load("wrong", bytes, tight()).await.expect_err(what);
        // The form of an export is compared when it is first used, at the latest.
        assert!([Step::Link, Step::Describe].contains(&error.step), "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: `{error}` doesn't say `{words}`");
    }
}

/// A world's text with another version of `bandstand:routing` in it.
fn routing_at(world: &str, version: &str) -> String {
    let line = |line: &str| {
        if line.contains("bandstand:routing/") {
            line.replace("@0.1.0", &format!("@{version}"))
        } else {
            line.to_owned()
        }
    };
    world.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A module that exports what a world like ours asks for and does nothing.
fn minimal(version: &str, parameters: usize) -> String {
    let parameters = "i32 ".repeat(parameters);
    format!(
        r#"(module
            (import "[export]bandstand:routing/handler@{version}" "[task-return]handle"
                (func (param i32 i32 i32 i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "bandstand:app/manifest@0.1.0#describe") (result i32) unreachable)
            (func (export "[async-lift]bandstand:routing/handler@{version}#handle")
                (param {parameters}) (result i32) unreachable)
            (func (export "[callback][async-lift]bandstand:routing/handler@{version}#handle")
                (param i32 i32 i32) (result i32) unreachable))"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_takes_anothers_name_or_place_is_refused() {
    let site = TestSite::start().await;
    site.load_guest("good", Limits::default()).await;
    let named_good = MANIFEST.replace("\"forged\"", "\"good\"");
    let bytes = component("", &named_good).expect("a component");
    let error = site.load("forged", bytes, tight()).await.expect_err("the name is taken").to_string();
    assert!(error.contains("good.wasm") && error.contains("`good`"), "{error}");
    let bytes = component("", MANIFEST).expect("a component");
    let error = site.load_as("forged", bytes, Mounted::at("/good/", tight())).await.expect_err("the place is taken");
    assert_eq!(error.step, Step::Routes, "{error}");
    assert!(error.to_string().contains("[apps.forged]"), "{error}");
    assert_eq!(site.get("/good/").await.text(), "Hello from a good app.\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_compiled_once_is_not_compiled_again() {
    // Nothing that any run before has compiled.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let bytes = component(&format!("(data (i32.const 64) \"{:x}\")", now.as_nanos()), MANIFEST).expect("a component");
    for cached in [false, true] {
        let site = TestSite::start().await;
        let loaded = site.load("forged", bytes.clone(), tight()).await.expect("it loads");
        assert_eq!(loaded.cached, cached);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_make_no_sense_are_refused() {
    let site = TestSite::start().await;
    let reuse = |count, concurrency| Reuse { count, concurrency, ..Reuse::default() };
    for (name, reuse, words) in [
        ("good", reuse(1, 4), "reuse.count = 1"),
        ("good", reuse(0, 1), "count is at least 1"),
        ("good", reuse(9, 0), "concurrency from 1 to 256"),
        ("good", reuse(9_999, 300), "concurrency from 1 to 256"),
        ("wasi-http-02", reuse(100, 1), "is a standard component"),
        ("wasi-http-03", reuse(100, 2), "is a standard component"),
    ] {
        let mounted = Mounted { reuse, ..Mounted::at("/it/", Limits::default()) };
        let error = site.load_as(name, guest(name), mounted).await.expect_err(words);
        assert_eq!(error.step, Step::Config, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let none = Limits { wall_ms: 0, ..Limits::default() };
    let error = site.load("good", guest("good"), none).await.expect_err("no time at all");
    assert!(error.to_string().contains("limits.wall_ms = 0"), "{error}");
    let greedy = Limits { memory_bytes: 1 << 40, ..Limits::default() };
    let error = site.load("good", guest("good"), greedy).await.expect_err("more memory than the engine has");
    assert!(error.to_string().contains("limits.memory_bytes"), "{error}");
    assert_eq!(site.get("/good/").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_only_granted_is_not_changed() {
    let site = TestSite::start().await;
    let manifest = MANIFEST.replace(r#""name":"row""#, r#""name":"row","table":"Album""#);
    let bytes = component("", &manifest).expect("a component");
    let tables = || vec!["Album".to_owned()];
    let granted = || Mounted { tables: tables(), ..Mounted::at("/forged/", tight()) };
    let error = site.load_as("forged", bytes.clone(), granted()).await.expect_err("it would be made or changed");
    let words = format!("{error:#}");
    assert!(
        error.step == Step::Grant && words.contains("`Album`") && words.contains("manage = [\"Album\"]"),
        "{words}"
    );
    site.load_as("forged", bytes, Mounted { manage: tables(), ..granted() }).await.expect("the operator lets it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_that_is_broken_leaves_the_old_one_running() {
    let site = TestSite::start().await;
    let first = component("", MANIFEST).expect("a component");
    site.load("forged", first, tight()).await.expect("it loads");
    assert_eq!(site.get("/forged/").await.text(), "hello\n");
    let broken = component("(func $describe (result i32) unreachable)", MANIFEST).expect("a component");
    site.load("forged", broken, tight()).await.expect_err("it can't describe itself");
    assert_eq!(site.get("/forged/").await.text(), "hello\n");
    let second = component("(data (i32.const 64) \"HELLO\\n\")", MANIFEST).expect("a component");
    let loaded = site.load("forged", second, tight()).await.expect("it loads");
    assert!(loaded.replaced);
    assert!(site.site.remove(&loaded.app).await);
    assert_eq!(site.get("/forged/").await.status, 404);
    assert!(!site.site.remove(&loaded.app).await);
}
