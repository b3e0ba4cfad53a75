//! Processor time of one request, counted from outside by whoever polls it and read from inside by the epoch callback.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the process began, never 0.
fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Processor time of the current thread in nanoseconds, never 0.
fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    (seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()).max(1)
}

/// Time on a thread. Whoever polls calls [`Meter::on`] and [`Meter::off`]; meanwhile only code on that thread asks.
///
/// On the fast lane the wall clock stands in for processor time: asking the kernel twice for each poll would cost more
/// than many a request. On the slow lane, whose threads often wait for a processor, the kernel is asked.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: AtomicU64,
    /// When the current poll began, by the clock of its lane; 0 between polls.
    since: AtomicU64,
    slow: AtomicBool,
}

impl Meter {
    fn now(&self) -> u64 {
        if self.slow.load(Relaxed) { thread_time() } else { now() }
    }

    fn current(&self) -> u64 {
        match self.since.load(Relaxed) {
            0 => 0,
            since => self.now().saturating_sub(since),
        }
    }

    /// From the next poll on, the work is on the slow lane.
    pub(crate) fn go_slow(&self) {
        self.slow.store(true, Relaxed);
    }

    pub(crate) fn on(&self) {
        self.since.store(self.now(), Relaxed);
    }

    /// Ends a poll.
    pub(crate) fn off(&self) {
        let spent = self.current();
        self.since.store(0, Relaxed);
        self.used.fetch_add(spent, Relaxed);
    }

    /// Adds time that was measured elsewhere.
    pub(crate) fn add(&self, time: Duration) {
        self.used.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// All time so far, the current poll's included.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Relaxed) + self.current())
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
        meter.off();
        let used = meter.used();
        assert!(used >= Duration::from_millis(2));
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(meter.used(), used);
    }

    #[test]
    fn on_the_slow_lane_waiting_for_a_processor_costs_nothing() {
        let meter = Meter::default();
        meter.go_slow();
        meter.on();
        std::thread::sleep(Duration::from_millis(50));
        meter.off();
        assert!(meter.used() < Duration::from_millis(25), "{:?}", meter.used());
        meter.on();
        let begun = Instant::now();
        while thread_time() > 0 && begun.elapsed() < Duration::from_secs(5) && meter.used() < Duration::from_millis(5) {
        }
        assert!(meter.used() >= Duration::from_millis(5));
    }
}
