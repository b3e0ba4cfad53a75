//! The engine's compiler process: `compile-worker compile-worker MEMORY_BYTES CPU_S`, as the engine calls it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(2).filter_map(|argument| argument.parse().ok()).collect();
    match numbers[..] {
        [memory_bytes, cpu_s] => host_engine::compile_worker(memory_bytes, cpu_s),
        _ => ExitCode::FAILURE,
    }
}
