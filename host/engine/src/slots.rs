//! The queue in front of the instance pool.
//!
//! wasmtime's pool answers an error when it is full; here a request waits instead, for a bounded time and in a bounded
//! crowd, and takes as many places as its component has core instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;

/// All places.
pub(crate) struct Slots {
    all: Arc<Semaphore>,
    /// Places that only apps with few of their own may take: two greedy apps, each with its half, leave these to the
    /// others.
    reserve: Arc<Semaphore>,
    total: u32,
    waiting: AtomicU32,
    most_waiting: u32,
    wait: Duration,
}

/// One app's part of them, for all of its versions together: at most half, so that no app can take the pool.
#[derive(Clone)]
pub(crate) struct Share(Arc<Semaphore>);

/// Places taken by one instance; free again on drop.
pub(crate) struct Seat {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// The reserve is one of so many parts of all places; an app that has less than half of that may take from it.
const RESERVE: u32 = 8;

impl Slots {
    pub(crate) fn new(total: u32, most_waiting: u32, wait: Duration) -> Self {
        let reserve = total / RESERVE;
        Self {
            all: Arc::new(Semaphore::new((total - reserve) as usize)),
            reserve: Arc::new(Semaphore::new(reserve as usize)),
            total,
            waiting: AtomicU32::new(0),
            most_waiting,
            wait,
        }
    }

    fn half(&self) -> u32 {
        (self.total / 2).max(1)
    }

    /// The heaviest instance that can ever have its places.
    pub(crate) fn largest(&self) -> u32 {
        self.half().min(self.total - self.total / RESERVE)
    }

    /// A new app's part.
    pub(crate) fn share(&self) -> Share {
        Share(Arc::new(Semaphore::new(self.half() as usize)))
    }

    /// Whether the app behind `share`, whose places count those that it is about to take, has few.
    fn is_modest(&self, share: &Share) -> bool {
        let taken = (self.half() as usize).saturating_sub(share.0.available_permits());
        taken <= (self.total / RESERVE / 2) as usize
    }

    /// Takes `weight` places, waiting for them if it must.
    pub(crate) async fn take(&self, share: &Share, weight: u32) -> Result<Seat, Failure> {
        if let Ok(mine) = share.0.clone().try_acquire_many_owned(weight) {
            let all = self.all.clone().try_acquire_many_owned(weight).or_else(|full| match self.is_modest(share) {
                true => self.reserve.clone().try_acquire_many_owned(weight),
                false => Err(full),
            });
            if let Ok(all) = all {
                return Ok(Seat { _share: mine, _all: all });
            }
        }
        let _waiting = Waiting::enter(self)?;
        let both = async {
            let mine = share.0.clone().acquire_many_owned(weight).await?;
            let modest = self.is_modest(share);
            let all = tokio::select! {
                biased;
                all = self.all.clone().acquire_many_owned(weight) => all?,
                reserved = self.reserve.clone().acquire_many_owned(weight), if modest => reserved?,
            };
            Ok::<_, tokio::sync::AcquireError>(Seat { _share: mine, _all: all })
        };
        match tokio::time::timeout(self.wait, both).await {
            Ok(Ok(seat)) => Ok(seat),
            // The semaphores are never closed; a time-out is the only way here.
            Ok(Err(_)) | Err(_) => Err(Failure::Busy),
        }
    }
}

struct Waiting<'a>(&'a Slots);

impl<'a> Waiting<'a> {
    fn enter(slots: &'a Slots) -> Result<Self, Failure> {
        let guard = Waiting(slots);
        if slots.waiting.fetch_add(1, Relaxed) >= slots.most_waiting { Err(Failure::Busy) } else { Ok(guard) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_app_gets_half_and_the_rest_waits_or_is_turned_away() {
        let slots = Slots::new(16, 1, Duration::from_millis(20));
        let (greedy, modest) = (slots.share(), slots.share());
        let mut taken = Vec::new();
        for _ in 0..8 {
            taken.push(slots.take(&greedy, 1).await.expect("within its half"));
        }
        assert!(matches!(slots.take(&greedy, 1).await, Err(Failure::Busy)), "past its half it waits in vain");
        let neighbour = slots.take(&modest, 6).await.expect("the other half is free");
        let (first, second) = tokio::join!(slots.take(&greedy, 1), slots.take(&greedy, 1));
        assert!(first.is_err() && second.is_err());
        assert_eq!(slots.waiting.load(Relaxed), 0);
        drop((taken, neighbour));
        assert!(slots.take(&greedy, 8).await.is_ok());
        assert_eq!(slots.largest(), 8);
    }

    #[tokio::test]
    async fn two_greedy_apps_leave_something_to_a_modest_one() {
        let slots = Slots::new(64, 10, Duration::from_millis(20));
        let (first, second, modest) = (slots.share(), slots.share(), slots.share());
        let mut taken = Vec::new();
        for share in [&first, &second] {
            while let Ok(seat) = slots.take(share, 4).await {
                taken.push(seat);
            }
        }
        assert_eq!(taken.len(), 14, "all but the reserve");
        let seat = slots.take(&modest, 4).await.expect("the reserve is for it");
        assert!(slots.take(&modest, 4).await.is_err(), "having some, it waits like the others");
        drop(seat);
        assert!(slots.take(&modest, 4).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_becomes_free() {
        let slots = Slots::new(2, 10, Duration::from_secs(5));
        let share = slots.share();
        let seat = slots.take(&share, 1).await.expect("the first");
        let (next, ()) = tokio::join!(slots.take(&share, 1), async { drop(seat) });
        assert!(next.is_ok());
    }
}
