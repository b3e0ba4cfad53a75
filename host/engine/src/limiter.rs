//! Memory of one store: all its linear memories and tables together.

use host_core::budget::{Exhausted, Resource};
use wasmtime::ResourceLimiter;

/// Bytes that one table element takes in the host.
const ELEMENT: usize = 16;

/// Sums what the store's memories and tables grow to. wasmtime's own limits are for each memory, so a component with
/// many would get many times its share.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// Set when growth was refused: a guest that traps after it did so for want of memory.
    pub(crate) refused: bool,
}

impl Limiter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), used: 0, refused: false }
    }

    pub(crate) fn exhausted(&self) -> Exhausted {
        Exhausted { resource: Resource::Memory, limit: self.limit as u64 }
    }

    fn grow(&mut self, current: usize, desired: usize, unit: usize) -> bool {
        let more = desired.saturating_sub(current).saturating_mul(unit);
        match self.used.checked_add(more) {
            Some(used) if used <= self.limit => {
                self.used = used;
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 1))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, ELEMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_are_summed() {
        let mut limiter = Limiter::new(1 << 20);
        assert!(limiter.memory_growing(0, 1 << 19, None).expect("an answer"));
        assert!(limiter.memory_growing(0, 1 << 18, None).expect("an answer"));
        assert!(limiter.table_growing(0, 1_000, None).expect("an answer"));
        assert!(!limiter.memory_growing(0, 1 << 18, None).expect("an answer"));
        assert!(limiter.refused);
        assert!(!limiter.table_growing(0, usize::MAX, None).expect("an answer"));
    }
}
