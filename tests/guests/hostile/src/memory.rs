//! Memory and handles without end.

use std::sync::atomic::{AtomicU64, Ordering};

use glue::{Response, queries, text};

const PAGE: usize = 65_536;

#[cfg(target_arch = "wasm32")]
fn grow_by(pages: usize) -> Option<usize> {
    match core::arch::wasm32::memory_grow::<0>(pages) {
        usize::MAX => None,
        before => Some(before),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn grow_by(_pages: usize) -> Option<usize> {
    None
}

/// Takes all memory that it gets and touches each page of it. Answers how many pages it had.
pub fn grow() -> Response {
    let mut pages = 0;
    while let Some(before) = grow_by(16) {
        pages = before + 16;
        for page in before..pages {
            // SAFETY: the pages were added right above, and nothing else knows of them.
            unsafe { std::ptr::write_volatile((page * PAGE) as *mut u8, 0xff) };
        }
    }
    text(200, format!("{pages} pages\n"))
}

/// The same by the allocator, which gives up with a trap.
pub fn grow_and_trap() -> Response {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(vec![0xff; 1 << 20]);
    }
}

/// Opens streams and keeps both ends of each.
pub fn streams() -> Response {
    let mut all = Vec::new();
    for _ in 0..1_000_000 {
        all.push(glue::wit_stream::new::<u8>());
    }
    text(200, format!("{} streams\n", all.len()))
}

/// Begins transactions and keeps them.
pub async fn transactions() -> Response {
    let mut all = Vec::new();
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..10_000 {
        match queries::Transaction::begin().await {
            Ok(transaction) => all.push(transaction),
            Err(error) => *codes.entry(error.code).or_default() += 1,
        }
    }
    text(200, format!("{} open, refused: {codes:?}\n", all.len()))
}

/// Starts calls of the host's without waiting for one of them.
pub async fn subtasks() -> Response {
    let mut all = Vec::new();
    for _ in 0..100_000 {
        let shape = br#"{"v":1,"op":"count","from":"row"}"#.to_vec();
        let mut call = Box::pin(queries::fetch(glue::db::Statement { shape, params: vec![] }));
        // Polled once, a call is under way.
        let waker = std::task::Waker::noop();
        let _ = call.as_mut().poll(&mut std::task::Context::from_waker(waker));
        all.push(call);
    }
    glue::wait_for_ever().await;
    text(200, format!("{} calls\n", all.len()))
}

/// Counts its own calls in memory, and writes a mark all over a page. A visitor must never see what another left.
pub fn remember() -> Response {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    text(200, format!("{}\n", CALLS.fetch_add(1, Ordering::Relaxed)))
}
