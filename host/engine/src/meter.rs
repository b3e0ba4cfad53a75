//! Processor time of one request, counted from outside by whoever polls it and read from inside by the epoch callback.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use host_core::usage::Usage;

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

/// What a thread gets of the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gets {
    /// One whenever it wants.
    Its,
    /// Less than others.
    Less,
    /// What nobody else wants: nobody's part of the processors becomes smaller by it.
    Leftovers,
}

thread_local! {
    static THIS: Cell<Gets> = const { Cell::new(Gets::Its) };
}

/// What this thread gets from now on.
pub(crate) fn this_thread(gets: Gets) {
    THIS.set(gets);
}

/// By the clock of this thread: the processor's time where it often waits for one, elsewhere that of the wall.
fn clock() -> u64 {
    if THIS.get() == Gets::Its { now() } else { thread_time() }
}

/// Time on a thread. Whoever polls calls [`Meter::on`] and [`Meter::off`]; meanwhile only code on that thread asks.
///
/// On the fast lane the wall clock stands in for processor time: asking the kernel twice for each poll would cost more
/// than many a request. On the other lanes, whose threads often wait for a processor, the kernel is asked.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: AtomicU64,
    /// When the current poll began, by the clock of its thread; 0 between polls.
    since: AtomicU64,
    /// The app's whose time it is.
    app: Option<Arc<Usage>>,
}

impl Meter {
    /// A meter whose time is also `app`'s.
    pub(crate) fn of(app: &Arc<Usage>) -> Self {
        Self { app: Some(app.clone()), ..Self::default() }
    }

    fn current(&self) -> u64 {
        match self.since.load(Relaxed) {
            0 => 0,
            since => clock().saturating_sub(since),
        }
    }

    pub(crate) fn on(&self) {
        self.since.store(clock(), Relaxed);
    }

    /// Ends a poll.
    pub(crate) fn off(&self) {
        let spent = self.current();
        self.since.store(0, Relaxed);
        self.used.fetch_add(spent, Relaxed);
        if let Some(app) = self.app.as_ref().filter(|_| THIS.get() != Gets::Leftovers) {
            app.charge(Duration::from_nanos(spent));
        }
    }

    /// Whatever `work` computes is on the meter's time.
    pub(crate) async fn time<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.on();
            let poll = work.as_mut().poll(cx);
            self.off();
            poll
        })
        .await
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
    fn where_the_kernel_is_asked_waiting_for_a_processor_costs_nothing() {
        let thread = std::thread::spawn(|| {
            this_thread(Gets::Less);
            let meter = Meter::default();
            meter.on();
            std::thread::sleep(Duration::from_millis(50));
            meter.off();
            assert!(meter.used() < Duration::from_millis(25), "{:?}", meter.used());
            meter.on();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(5) && meter.used() < Duration::from_millis(5) {}
            assert!(meter.used() >= Duration::from_millis(5));
        });
        thread.join().expect("it holds");
    }
}
