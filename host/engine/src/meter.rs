//! Processor time of one request, counted from outside by whoever polls it and read from inside by the epoch callback.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the process began, never 0.
fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Time on a thread. One thread at a time calls [`Meter::on`] and [`Meter::off`].
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: AtomicU64,
    /// When the current poll began; 0 between polls.
    since: AtomicU64,
}

impl Meter {
    pub(crate) fn on(&self) {
        self.since.store(now(), Relaxed);
    }

    /// Ends a poll and returns all time so far.
    pub(crate) fn off(&self) -> Duration {
        let since = self.since.swap(0, Relaxed);
        let spent = if since == 0 { 0 } else { now().saturating_sub(since) };
        Duration::from_nanos(self.used.fetch_add(spent, Relaxed) + spent)
    }

    /// All time so far, the current poll's included.
    pub(crate) fn used(&self) -> Duration {
        let since = self.since.load(Relaxed);
        let current = if since == 0 { 0 } else { now().saturating_sub(since) };
        Duration::from_nanos(self.used.load(Relaxed) + current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_between_on_and_off_counts() {
        let meter = Meter::default();
        assert_eq!(meter.used(), Duration::ZERO);
        meter.on();
        std::thread::sleep(Duration::from_millis(2));
        let used = meter.off();
        assert!(used >= Duration::from_millis(2));
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(meter.used(), used);
    }
}
