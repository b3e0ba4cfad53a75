//! How long an engine may compute: processor time, so that a busy machine doesn't make good pages fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// The limits of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Processor time.
    pub(crate) limit: Duration,
    /// Set where nobody waits for the result any more.
    pub(crate) abandoned: Arc<AtomicBool>,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Run {
    pace: Pace,
    /// The thread's time at the first question: most calls end before it and save the system call.
    begun: Option<Duration>,
}

/// Sets the flag when it is dropped: the caller's future is gone.
pub(crate) struct Abandon(pub(crate) Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Pace {
    pub(crate) fn of(limit: Duration) -> Self {
        Self { limit, abandoned: Arc::default() }
    }
}

impl Run {
    /// Begins one.
    pub(crate) fn begin(pace: Pace) -> Self {
        Self { pace, begun: None }
    }

    /// Whether it must end. To be asked now and then, on the thread on which it began.
    pub(crate) fn is_over(&mut self) -> bool {
        let now = thread_time();
        let begun = *self.begun.get_or_insert(now);
        self.pace.abandoned.load(Relaxed) || now.saturating_sub(begun) >= self.pace.limit
    }
}

/// Processor time that this thread has used.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, which writes one `timespec`.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed {
        // A kernel without that clock: time on the wall is the next best.
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        return START.get_or_init(std::time::Instant::now).elapsed();
    }
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
