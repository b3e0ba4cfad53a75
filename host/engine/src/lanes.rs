//! The lanes on which work runs that the neighbours of its app must not wait behind.
//!
//! The slow one is for requests that have used up their slice, the busy one for apps that take more than their part of the
//! processors ([`host_core::usage`]). The threads of both have the scheduler's idle class: they get a processor only when nobody else
//! wants it, and the threads that serve the neighbours never wait behind them. A smaller share of the processors wouldn't do:
//! who wakes up would still wait for the scheduler's next tick now and then.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use host_core::priority;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

use crate::meter::{self, Gets};

/// Time after which what a lane hasn't begun is run by whoever waits for it: another program may leave the lane no processor
/// at all, and an app that takes much is not to stand still for that.
const BEHIND: Duration = Duration::from_millis(100);

/// A runtime of its own.
pub(crate) struct Lane {
    // Taken on drop only: a runtime may not be dropped inside another one, but shut down in the background.
    runtime: Option<Runtime>,
}

impl Lane {
    pub(crate) fn slow(threads: usize) -> std::io::Result<Self> {
        Self::start("slow-lane", threads, || meter::this_thread(Gets::Leftovers))
    }

    pub(crate) fn busy(threads: usize) -> std::io::Result<Self> {
        Self::start("busy-lane", threads, || meter::this_thread(Gets::Less))
    }

    fn start(name: &str, threads: usize, begin: fn()) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name(name)
            .enable_time()
            .on_thread_start(move || {
                priority::idle();
                begin();
            })
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::ZERO);
        }
    }
}

/// Runs `work` on a lane, or here where the lane doesn't come to it. A panic goes on here; `None` where the lane has ended.
pub(crate) async fn run<T: Send + 'static>(lane: &Handle, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let waiting = Arc::new(Mutex::new(Some(Box::pin(work))));
    let theirs = waiting.clone();
    let mut task = Task(lane.spawn(async move {
        let work = theirs.lock().take();
        match work {
            Some(work) => Some(work.await),
            None => None,
        }
    }));
    let ended = match tokio::time::timeout(BEHIND, &mut task).await {
        Ok(ended) => ended,
        Err(_) => {
            let own = waiting.lock().take();
            match own {
                Some(work) => return Some(work.await),
                None => task.await,
            }
        }
    };
    match ended.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => None,
    }
}

/// A task that ends when nobody waits for it any more.
pub(crate) struct Task<T>(pub(crate) JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A lane with one thread.
    fn lane() -> (Lane, Handle) {
        let lane = Lane::busy(1).expect("threads");
        let handle = lane.handle().expect("running").clone();
        (lane, handle)
    }

    async fn name() -> String {
        tokio::task::yield_now().await;
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn work_runs_on_the_lane() {
        let (_lane, handle) = lane();
        assert_eq!(run(&handle, name()).await.as_deref(), Some("busy-lane"));
    }

    #[tokio::test]
    async fn what_the_lane_does_not_come_to_runs_where_it_is_waited_for() {
        let (_lane, handle) = lane();
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        handle.spawn(async move {
            let _ = begin.send(());
            let _ = ended.recv_timeout(Duration::from_secs(20));
        });
        begun.recv().expect("it has the only thread");
        let here = run(&handle, name()).await.expect("it ran");
        assert_ne!(here, "busy-lane");
        drop(end);
        // What was taken back is taken once, and the lane goes on.
        assert_eq!(run(&handle, name()).await.as_deref(), Some("busy-lane"));
    }

    #[tokio::test]
    async fn what_the_lane_has_begun_stays_there() {
        let (_lane, handle) = lane();
        let work = async {
            tokio::time::sleep(2 * BEHIND).await;
            name().await
        };
        assert_eq!(run(&handle, work).await.as_deref(), Some("busy-lane"));
    }

    #[tokio::test]
    async fn who_goes_away_ends_it() {
        let (_lane, handle) = lane();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            std::future::pending::<()>().await
        };
        let waited = tokio::time::timeout(Duration::from_millis(20), run(&handle, work)).await;
        assert!(waited.is_err());
        let ended = tokio::time::timeout(Duration::from_secs(20), dropped).await;
        assert!(ended.expect("it was dropped").is_err());
    }

    #[tokio::test]
    async fn a_panic_goes_on_where_it_is_waited_for() {
        let (_lane, handle) = lane();
        let waiting = tokio::spawn(async move { run(&handle, async { panic!("a test's own panic") }).await });
        let error = waiting.await.map(|_: Option<()>| ()).expect_err("it panicked");
        assert!(error.is_panic());
    }

    #[tokio::test]
    async fn a_lane_that_has_ended_says_so() {
        let (ended, handle) = lane();
        drop(ended);
        assert_eq!(run(&handle, async {}).await, None);
    }
}
