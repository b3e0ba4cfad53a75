//! Loops that don't end, in the ways in which a processor can be kept busy.

use std::hint::black_box;

use glue::{Response, environment, text};

/// A loop without a call.
pub fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// A loop that calls the host every time.
pub fn spin_calling() -> ! {
    loop {
        black_box(environment::now());
    }
}

const BLOCK: usize = 24 << 20;

/// Bulk operations, each long and without a call in between.
pub fn fill() -> Response {
    let mut block = vec![1_u8; BLOCK];
    let mut byte = 0_u8;
    loop {
        block.fill(black_box(byte));
        byte = byte.wrapping_add(block[BLOCK / 2]).wrapping_add(1);
        black_box(&mut block);
    }
}

/// The same by copying, overlapping.
pub fn copy() -> Response {
    let mut block = vec![1_u8; BLOCK];
    loop {
        block.copy_within(0..BLOCK - 1, 1);
        black_box(&mut block);
    }
}

/// Calls itself until the stack ends. The frames are real: each holds an array that is used after the call.
pub fn recurse() -> Response {
    fn down(depth: u64) -> u64 {
        let frame = black_box([depth; 8]);
        if frame[0] == u64::MAX {
            return 0;
        }
        down(depth + 1).wrapping_add(frame[black_box(3)])
    }
    text(200, format!("{}", down(0)))
}

/// Executes `unreachable`.
pub fn trap() -> Response {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

/// Answers, then goes on spinning in the background.
pub fn answer_without_end() -> Response {
    let body = glue::stream(|mut writer| async move {
        writer.write_all(b"all there is\n".to_vec()).await;
        drop(writer);
        spin()
    });
    Response { status: 200, headers: vec![], body }
}
