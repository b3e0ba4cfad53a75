//! Where pages are made that take longer than a visitor of another app should notice: a few threads that compute when
//! nobody else wants to.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use host_core::priority;
use parking_lot::Mutex;

/// Pages that may wait. Beyond it they are refused: a queue that grows only adds waiting.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` on one of the lane's threads; false where the queue is full.
pub(crate) fn run(job: Job) -> bool {
    static LANE: OnceLock<Option<SyncSender<Job>>> = OnceLock::new();
    let lane = LANE.get_or_init(|| {
        let (sender, receiver) = sync_channel::<Job>(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let started = (0..priority::processors()).filter(|_| {
            let receiver = receiver.clone();
            std::thread::Builder::new()
                .name("slow-page".into())
                .spawn(move || {
                    priority::idle();
                    loop {
                        // The lock is held while waiting: whoever has it gets the next job.
                        let job = receiver.lock().recv();
                        match job {
                            Ok(job) => job(),
                            Err(_) => return,
                        }
                    }
                })
                .is_ok()
        });
        (started.count() > 0).then_some(sender)
    });
    match lane.as_ref().map(|lane| lane.try_send(job)) {
        Some(Ok(())) => true,
        Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => false,
    }
}
