//! Polls one request's work from outside the sandbox's event loop.
//!
//! Deadlines must hold even if the guest never yields or waits for ever, so they live here and in the epoch callback,
//! not inside `run_concurrent`: the callback ends what spins, the timer ends what waits. Work that has used up its
//! slice of processor time is moved to the slow lane in the middle of whatever it is doing.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use host_core::budget::{Exhausted, Resource};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::failure::Failure;
use crate::lanes::Task;
use crate::meter::Meter;

/// The work itself; it owns the store.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// What bounds it.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(crate) meter: Arc<Meter>,
    pub(crate) deadline: Instant,
    pub(crate) wall_ms: u64,
    pub(crate) slice: Duration,
    pub(crate) slow: Handle,
    /// Set when the work was moved to the slow lane, so that the next request like it begins there.
    pub(crate) offended: Arc<AtomicBool>,
}

impl Bounds {
    fn out_of_time(&self) -> Failure {
        Failure::Budget(Exhausted { resource: Resource::Wall, limit: self.wall_ms })
    }
}

/// A future that runs the work within its bounds. Dropping it cancels the work and drops its store.
pub(crate) struct Driver<T> {
    state: State<T>,
}

enum State<T> {
    Fast(Metered<T>),
    Slow(Task<Result<T, Failure>>),
    /// On a task of its own that a drop doesn't cancel.
    Detached(JoinHandle<Result<T, Failure>>),
    /// Work that runs elsewhere, or has ended.
    Elsewhere(Work<T>),
    Done,
}

impl<T: Send + 'static> Driver<T> {
    /// Runs on the caller's task until its slice is used up, or on the slow lane at once.
    pub(crate) fn new(work: Work<T>, bounds: Bounds, slow_at_once: bool) -> Self {
        let metered = Metered { work, bounds, timer: None };
        let state = if slow_at_once { State::Slow(metered.demote()) } else { State::Fast(metered) };
        Self { state }
    }

    /// Goes on even if it is dropped, on a task of its own.
    pub(crate) fn detach(self) -> Self {
        Self { state: State::Detached(tokio::spawn(self)) }
    }

    /// Goes on by itself on a task of its own, still to be ended by a drop: for work whose result somebody else's pace
    /// decides about, such as a client that reads a stream. Its deadline must not depend on being polled.
    pub(crate) fn apart(self) -> Self {
        match self.state {
            State::Fast(_) | State::Elsewhere(_) => {
                let task = tokio::spawn(Self { state: self.state });
                Self { state: State::Slow(Task(task)) }
            }
            state => Self { state },
        }
    }

    /// Waits for what runs elsewhere, within bounds of its own.
    pub(crate) fn elsewhere(work: Work<T>) -> Self {
        Self { state: State::Elsewhere(work) }
    }
}

impl<T: Send + 'static> Future for Driver<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.state {
                State::Fast(metered) => match metered.poll_once(cx) {
                    Poll::Ready(result) => {
                        self.state = State::Done;
                        return Poll::Ready(result);
                    }
                    Poll::Pending => {
                        if metered.bounds.meter.used() < metered.bounds.slice {
                            return Poll::Pending;
                        }
                        let State::Fast(metered) = std::mem::replace(&mut self.state, State::Done) else {
                            return Poll::Pending;
                        };
                        metered.bounds.offended.store(true, Relaxed);
                        self.state = State::Slow(metered.demote());
                    }
                },
                State::Slow(Task(handle)) | State::Detached(handle) => {
                    let result = std::task::ready!(Pin::new(handle).poll(cx));
                    self.state = State::Done;
                    return Poll::Ready(
                        result.unwrap_or_else(|error| Err(Failure::Host(format!("its task ended early: {error}")))),
                    );
                }
                State::Elsewhere(work) => return work.as_mut().poll(cx),
                State::Done => return Poll::Ready(Err(Failure::Host("polled after its end".into()))),
            }
        }
    }
}

/// Polls `work` once, on the meter's time; a panic is its failure.
pub(crate) fn poll_metered<T>(meter: &Meter, work: &mut Work<T>, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
    meter.on();
    let poll = std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
    meter.off();
    // The panic's message is in the log already, by the panic hook.
    poll.unwrap_or_else(|_| Poll::Ready(Err(Failure::Host("a panic while serving the request".into()))))
}

struct Metered<T> {
    work: Work<T>,
    bounds: Bounds,
    // Made at the first wait: most requests end without one.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T: Send + 'static> Metered<T> {
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        match poll_metered(&self.bounds.meter, &mut self.work, cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                if Instant::now() >= self.bounds.deadline {
                    return Poll::Ready(Err(self.bounds.out_of_time()));
                }
                let deadline = self.bounds.deadline.into();
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(self.bounds.out_of_time())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn demote(mut self) -> Task<Result<T, Failure>> {
        let slow = self.bounds.slow.clone();
        // A timer belongs to the runtime on which it was made.
        self.timer = None;
        Task(slow.spawn(async move { std::future::poll_fn(|cx| self.poll_once(cx)).await }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(slow: &Handle, wall: Duration) -> Bounds {
        Bounds {
            meter: Arc::new(Meter::default()),
            deadline: Instant::now() + wall,
            wall_ms: 50,
            slice: Duration::from_millis(2),
            slow: slow.clone(),
            offended: Arc::new(AtomicBool::new(false)),
        }
    }

    fn lane() -> crate::lanes::Lane {
        crate::lanes::Lane::slow(1).expect("threads")
    }

    /// Work that waits for ever, and whether it was dropped.
    fn endless() -> (Work<()>, Arc<AtomicBool>) {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Flag(dropped.clone());
        let work: Work<()> = Box::pin(async move {
            let _flag = flag;
            std::future::pending().await
        });
        (work, dropped)
    }

    /// Whether it turns true within two seconds.
    async fn soon(flag: &AtomicBool) -> bool {
        for _ in 0..200 {
            if flag.load(Relaxed) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn what_waits_for_ever_is_ended() {
        let lane = lane();
        let slow = lane.handle().expect("running").clone();
        let work: Work<()> = Box::pin(std::future::pending());
        let result = Driver::new(work, bounds(&slow, Duration::from_millis(30)), false).await;
        assert!(matches!(result, Err(Failure::Budget(Exhausted { resource: Resource::Wall, limit: 50 }))));
    }

    #[tokio::test]
    async fn what_uses_its_slice_goes_on_in_the_slow_lane() {
        let lane = lane();
        let slow = lane.handle().expect("running").clone();
        let bounds = bounds(&slow, Duration::from_secs(20));
        let offended = bounds.offended.clone();
        let work: Work<String> = Box::pin(async {
            std::thread::sleep(Duration::from_millis(5));
            tokio::task::yield_now().await;
            Ok(std::thread::current().name().unwrap_or_default().to_owned())
        });
        let thread = Driver::new(work, bounds, false).await.expect("it ends");
        assert!(thread.starts_with("slow-lane"), "{thread}");
        assert!(offended.load(Relaxed));
    }

    #[tokio::test]
    async fn what_stands_apart_ends_at_its_deadline_although_nobody_asks() {
        let lane = lane();
        let slow = lane.handle().expect("running").clone();
        let (work, dropped) = endless();
        let apart = Driver::new(work, bounds(&slow, Duration::from_millis(30)), false).apart();
        assert!(soon(&dropped).await, "its store is still there");
        assert!(matches!(apart.await, Err(Failure::Budget(Exhausted { resource: Resource::Wall, .. }))));
    }

    #[tokio::test]
    async fn a_panic_is_this_requests_failure() {
        let lane = lane();
        let slow = lane.handle().expect("running").clone();
        let work: Work<()> = Box::pin(async { panic!("a test's own panic") });
        let result = Driver::new(work, bounds(&slow, Duration::from_secs(1)), false).await;
        assert!(matches!(result, Err(Failure::Host(_))));
    }

    #[tokio::test]
    async fn a_drop_cancels_demoted_work() {
        let lane = lane();
        let slow = lane.handle().expect("running").clone();
        let (work, dropped) = endless();
        drop(Driver::new(work, bounds(&slow, Duration::from_secs(60)), true));
        assert!(soon(&dropped).await, "the work is still there");
    }
}
