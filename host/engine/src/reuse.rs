//! Instances that serve more than one request, where the operator chose so.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime::Store;

use crate::bindings::Engine;
use crate::config::Reuse;
use crate::data::Data;
use crate::slots::Seat;

/// A store with its instance between two requests. It keeps its places in the pool.
pub(crate) struct Idle {
    pub(crate) store: Store<Data>,
    pub(crate) instance: Engine,
    pub(crate) served: u32,
    pub(crate) seat: Seat,
    since: Instant,
}

impl Idle {
    pub(crate) fn new(store: Store<Data>, instance: Engine, served: u32, seat: Seat) -> Self {
        Self { store, instance, served, seat, since: Instant::now() }
    }
}

/// The idle instances of one version, the last used first.
pub(crate) struct Warm {
    idle: Mutex<Vec<Idle>>,
    most: usize,
    pub(crate) count: u32,
    rest: Duration,
}

/// Most instances of one version that are kept idle.
const MOST_IDLE: usize = 64;

impl Warm {
    pub(crate) fn new(reuse: &Reuse) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            most: if reuse.count > 1 { MOST_IDLE } else { 0 },
            count: reuse.count.max(1),
            rest: Duration::from_millis(reuse.idle_ms),
        }
    }

    /// Whether instances are reused at all.
    pub(crate) fn is_on(&self) -> bool {
        self.most > 0
    }

    /// An idle instance, if there is one.
    pub(crate) fn take(&self) -> Option<Idle> {
        let mut idle = self.idle.lock();
        let last = idle.pop()?;
        (last.since.elapsed() <= self.rest).then_some(last)
    }

    /// Gives an instance back after a request that ended well.
    pub(crate) fn give(&self, instance: Idle) {
        if instance.served >= self.count {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < self.most {
            idle.push(instance);
        }
    }

    /// Throws away what has been idle for too long.
    pub(crate) fn sweep(&self) {
        let rest = self.rest;
        // The oldest stand first. They are dropped outside the lock: resetting an instance's memory takes time.
        let old: Vec<Idle> = {
            let mut idle = self.idle.lock();
            let keep_from = idle.iter().position(|instance| instance.since.elapsed() <= rest).unwrap_or(idle.len());
            idle.drain(..keep_from).collect()
        };
        drop(old);
    }
}
