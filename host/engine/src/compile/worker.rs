//! The child process: a component on standard input, machine code on standard output.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::inspect::MAX_FILE;
use crate::wasm::compile_config;

/// The exit code for a component that isn't valid; standard error tells why.
pub(super) const REFUSED: i32 = 3;

/// Runs the compiler's child process: `bandstand compile-worker MEMORY_BYTES CPU_S`, started by the host alone.
///
/// The first thing that it does is to bound itself; only then does it read the foreign bytes.
pub fn compile_worker(memory_bytes: u64, cpu_s: u64) -> ExitCode {
    match run(memory_bytes, cpu_s) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Refused(text)) => {
            eprintln!("{text}");
            ExitCode::from(u8::try_from(REFUSED).unwrap_or(1))
        }
        Err(Error::Failed(text)) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

enum Error {
    Refused(String),
    Failed(String),
}

fn run(memory_bytes: u64, cpu_s: u64) -> Result<(), Error> {
    let failed = |what: &'static str| move |e: &dyn std::fmt::Display| Error::Failed(format!("{what}: {e}"));
    for (resource, limit) in [(Resource::As, memory_bytes), (Resource::Cpu, cpu_s), (Resource::Core, 0)] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })
            .map_err(|e| failed("setting its limits")(&e))?;
    }
    // Requests come first.
    host_core::priority::patient(19);
    let mut component = Vec::new();
    std::io::stdin().lock().take(MAX_FILE as u64 + 1).read_to_end(&mut component).map_err(|e| failed("reading")(&e))?;
    let engine = wasmtime::Engine::new(&compile_config()).map_err(|e| failed("starting the compiler")(&e))?;
    let code = engine.precompile_component(&component).map_err(|e| Error::Refused(format!("{e:#}")))?;
    std::io::stdout().lock().write_all(&code).map_err(|e| failed("writing")(&e))
}
