//! Reading: on the asking thread where it is short, on threads of its own where it may take long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use host_core::priority;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::claim::{self, Claim};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::fair::FairQueue;
use crate::session::{Mode, Session};
use crate::share::Taker;

/// Time that a read waits before it asks whether somebody keeps a thread for nothing.
pub(crate) const FIRST_LOOK: Duration = Duration::from_millis(2);

pub(crate) type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// The connections for short reads. Each thread prefers one, so that it finds its statements prepared.
pub(crate) struct Inline {
    slots: Box<[Mutex<Option<Session>>]>,
    path: PathBuf,
    durable: bool,
    config: StoreConfig,
}

impl Inline {
    pub(crate) fn new(path: PathBuf, durable: bool, config: &StoreConfig) -> Self {
        let slots = (0..config.inline_readers).map(|_| Mutex::new(None)).collect();
        Self { slots, path, durable, config: config.clone() }
    }

    /// Runs `read` on a free connection, on this thread. `None` where all are in use.
    pub(crate) fn with<R>(&self, read: impl FnOnce(&mut Session) -> R) -> Option<Result<R, StoreError>> {
        let mut slot = self.free()?;
        let session = match &mut *slot {
            Some(session) => session,
            empty => match Session::open(&self.path, Mode::Read, self.durable, &self.config) {
                Ok(session) => empty.insert(session),
                Err(error) => return Some(Err(error)),
            },
        };
        Some(Ok(read(session)))
    }

    fn free(&self) -> Option<MutexGuard<'_, Option<Session>>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        std::thread_local! {
            static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        let first = THREAD.with(|thread| *thread) % self.slots.len();
        let (before, after) = self.slots.split_at(first);
        after.iter().chain(before).find_map(Mutex::try_lock)
    }
}

/// How nice the threads for reads that may take long are, of 19.
const NICE: i32 = 10;

/// The threads for reads that may take long.
pub(crate) struct Readers {
    queue: Arc<FairQueue<Job>>,
    threads: Vec<std::thread::JoinHandle<()>>,
    patience: Duration,
}

impl Readers {
    pub(crate) fn start(path: &std::path::Path, durable: bool, config: &StoreConfig) -> Result<Self, StoreError> {
        let queue = Arc::new(FairQueue::<Job>::new(config.max_waiting, config.readers));
        let patience = Duration::from_millis(config.cursor_idle_ms);
        let mut readers = Self { queue, threads: Vec::new(), patience };
        for number in 0..config.readers {
            let mut session = Session::open(path, Mode::Read, durable, config)?;
            let queue = readers.queue.clone();
            let thread = std::thread::Builder::new().name(format!("db-read-{number}")).spawn(move || {
                priority::patient(NICE);
                priority::leave_one_processor();
                while let Some((taker, job)) = queue.pop() {
                    if catch_unwind(AssertUnwindSafe(|| job(&mut session))).is_err() {
                        tracing::error!("a database read panicked");
                    }
                    queue.done(&taker);
                }
            });
            readers.threads.push(thread.map_err(|e| StoreError::Internal(format!("starting a thread: {e}")))?);
        }
        Ok(readers)
    }

    /// What the threads take their work from.
    pub(crate) fn queue(&self) -> &Arc<FairQueue<Job>> {
        &self.queue
    }

    pub(crate) async fn read<T, E>(
        &self,
        taker: Taker,
        deadline: Instant,
        read: impl FnOnce(&mut Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let claim = Claim::new();
        let job = {
            let claim = claim.clone();
            Box::new(move |session: &mut Session| {
                let control = session.control().clone();
                if claim.begin_stoppable(&control) {
                    let _ = reply.send(read(session));
                }
                control.begin_job(0);
            })
        };
        if self.queue.push(&taker, job).is_err() {
            return Err(StoreError::Busy("too many statements wait for a connection").into());
        }
        let answer = claim::answer(claim.clone(), answer, deadline, || self.queue.why_not(&taker));
        tokio::pin!(answer);
        // At first it is given time to begin. The answer ends the wait by itself.
        let mut look = Instant::now() + FIRST_LOOK;
        loop {
            match tokio::time::timeout_at(look.into(), &mut answer).await {
                Ok(answer) => return answer,
                Err(_) if claim.waits() => look = self.queue.make_room(taker.lane, self.patience),
                Err(_) => return answer.await,
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // The last owner of the store may be a job on one of these threads.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
