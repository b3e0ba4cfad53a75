//! What all apps of a site run on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host_store::CodeCache;
use tokio::runtime::Handle;

use crate::compile::Compiler;
use crate::config::EngineConfig;
use crate::lanes::Lane;
use crate::linker::Linkers;
use crate::slots::Slots;
use crate::wasm::{Ticker, run_config};
use host_core::usage::Presence;

/// The engine's shared parts.
pub(crate) struct Core {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) linkers: Linkers,
    pub(crate) ticker: Ticker,
    pub(crate) slots: Slots,
    pub(crate) compiler: Compiler,
    pub(crate) cache: Arc<CodeCache>,
    pub(crate) slice: Duration,
    pub(crate) slow: Handle,
    pub(crate) memory_bytes: u64,
    /// Where apps run that take more than their part.
    pub(crate) busy: Handle,
    pub(crate) presence: Arc<Presence>,
    _lanes: [Lane; 2],
}

/// The engine could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the engine could not be started: {0}")]
pub struct EngineError(String);

impl EngineError {
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Core {
    pub(crate) fn start(config: &EngineConfig, cache: Arc<CodeCache>, worker: PathBuf) -> Result<Self, EngineError> {
        let failed = |e: &dyn std::fmt::Display| EngineError(e.to_string());
        let engine = wasmtime::Engine::new(&run_config(config)).map_err(|e| failed(&format!("{e:#}")))?;
        let linkers = Linkers::new(&engine).map_err(|e| failed(&format!("{e:#}")))?;
        let ticker = Ticker::start(engine.weak()).map_err(|e| failed(&e))?;
        let threads = host_core::priority::processors();
        let lanes = [Lane::slow(threads).map_err(|e| failed(&e))?, Lane::busy(threads).map_err(|e| failed(&e))?];
        let [Some(slow), Some(busy)] = [lanes[0].handle().cloned(), lanes[1].handle().cloned()] else {
            return Err(failed(&"a lane has no threads"));
        };
        Ok(Self {
            linkers,
            ticker,
            slots: Slots::new(config.core_instances, config.queue, Duration::from_millis(config.queue_ms)),
            compiler: Compiler::new(worker, config.compile.clone()),
            cache,
            slice: Duration::from_millis(config.cpu_slice_ms.max(1)),
            slow,
            memory_bytes: config.memory_bytes,
            engine,
            busy,
            presence: Arc::default(),
            _lanes: lanes,
        })
    }
}
