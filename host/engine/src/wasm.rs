//! wasmtime's settings, and the clock that ends what spins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant};

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::config::EngineConfig;
use crate::inspect::{MAX_CORE_INSTANCES, MAX_MEMORIES};

/// Pages that a reused slot keeps: resetting what is resident is cheaper than faulting it in again, and the memory of
/// an SDK app fits.
const KEEP_RESIDENT: usize = 1 << 20;

/// Stacks that come with one place in the pool. They are address space until they are used.
const STACKS_PER_SEAT: u32 = 4;

/// What decides about the machine code: the same in the compiler's process and in the host, or the host would refuse
/// the code.
fn base_config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config.cranelift_opt_level(OptLevel::Speed);
    // More to attack and nothing that an app needs.
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    // The guard region lets the compiler leave out bounds checks; on 64 bits address space is free.
    config.memory_reservation(4 << 30);
    config.max_wasm_stack(512 << 10);
    config
}

/// For the compiler's process, which never runs a guest and must do with little address space.
pub(crate) fn compile_config() -> Config {
    let mut config = base_config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}

/// For the host: every instance takes slots of a pool that exists from the start.
pub(crate) fn run_config(engine: &EngineConfig) -> Config {
    let count = engine.core_instances.max(MAX_CORE_INSTANCES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(count)
        .total_component_instances(count)
        .total_memories(count)
        .total_tables(count)
        // One for each request, and one for each of its component's inner instances that waits: see `Inspected::weight`.
        .total_stacks(count.saturating_mul(STACKS_PER_SEAT))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_CORE_INSTANCES)
        .max_memory_size(usize::try_from(engine.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(100_000)
        .max_unused_warm_slots(count)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        // It has had ways to leave dirty pages of one guest to the next. Memory protection keys aren't built in.
        .pagemap_scan(Enabled::No);
    let mut config = base_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The thread that moves the epoch on, once a millisecond while requests are under way.
///
/// tokio looks at its timers every 61 polls, so a guest that yields only every 10 ms makes a 300 ms timer fire at
/// 600 ms; at 1 ms it doesn't matter.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    /// Requests under way; [`STOP`] ends the thread.
    active: AtomicUsize,
}

const STOP: usize = usize::MAX / 2;
const TICK: Duration = Duration::from_millis(1);
/// Ticks on for that long after the last request: waking the thread costs more than some ticks.
const LINGER: Duration = Duration::from_millis(200);

/// Keeps the ticker going.
pub(crate) struct Ticking(Arc<Shared>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

impl Ticker {
    pub(crate) fn start(engine: wasmtime::EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { active: AtomicUsize::new(0) });
        let theirs = shared.clone();
        let handle = std::thread::Builder::new().name("epoch-ticker".into()).spawn(move || {
            let mut last_active = Instant::now();
            loop {
                let active = theirs.active.load(Relaxed);
                if active >= STOP {
                    return;
                }
                if active > 0 {
                    last_active = Instant::now();
                } else if last_active.elapsed() > LINGER {
                    std::thread::park();
                    last_active = Instant::now();
                    continue;
                }
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Holds the ticker awake for as long as the value lives.
    pub(crate) fn tick(&self) -> Ticking {
        if self.shared.active.fetch_add(1, Relaxed) == 0 {
            // A token left for a thread that isn't parked costs one turn of its loop.
            self.thread.unpark();
        }
        Ticking(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.active.fetch_add(STOP, Relaxed);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_runs_what_the_compiler_makes() {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let hash = |config: &Config| {
            let engine = wasmtime::Engine::new(config).expect("an engine");
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&compile_config()), hash(&run_config(&EngineConfig::default())));
    }
}
