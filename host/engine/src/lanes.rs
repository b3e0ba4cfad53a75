//! The slow lane: threads on which work runs that has used up its slice.
//!
//! They have the scheduler's idle class, so a guest that spins gets the processor only when nobody else wants it, and
//! the threads that serve its neighbours never wait behind it.

use std::time::Duration;

use host_core::priority;
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime whose threads run at idle priority.
pub(crate) struct SlowLane {
    // Taken on drop only: a runtime may not be dropped inside another one, but shut down in the background.
    runtime: Option<Runtime>,
}

impl SlowLane {
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("slow-lane")
            .enable_time()
            .on_thread_start(priority::idle)
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::ZERO);
        }
    }
}
