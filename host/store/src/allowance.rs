//! How long an app may keep others from writing.
//!
//! SQLite has one writer. A short write or transaction is in nobody's way; one that takes longer than a group of writes may
//! is, if somebody waits. Each app has some time a minute for that. While it has some left, its writes and transactions may
//! take as long as their own limits say. Without, they are undone as soon as somebody waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Who has used up its time rests for so many times as long as it keeps others waiting from then on: less than half a hundredth of
/// the time is its, as long as that isn't bounded by the longest rest.
const REST: u32 = 240;

/// The longest rest: what its own visitors may have to wait for a write because of what it did.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Whether anybody waits behind the one who has the writing connection.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    lane: AtomicU64,
    waits: AtomicBool,
}

impl Crowd {
    /// From now on `lane` has the connection, and `others` wait already.
    pub(crate) fn begin(&self, lane: u64, others: bool) {
        self.lane.store(lane, Relaxed);
        self.waits.store(others, Relaxed);
    }

    /// One more waits.
    pub(crate) fn join(&self, lane: u64) {
        if self.lane.load(Relaxed) != lane {
            self.waits.store(true, Relaxed);
        }
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Relaxed)
    }
}

/// The time that each app has left.
#[derive(Debug)]
pub(crate) struct Allowances {
    a_minute: Duration,
    /// What is left, as of a moment. Who isn't in it has all.
    left: HashMap<u64, (Duration, Instant)>,
}

impl Allowances {
    pub(crate) fn new(a_minute: Duration) -> Self {
        Self { a_minute, left: HashMap::new() }
    }

    /// What `lane` has left at `now`. It comes back evenly.
    pub(crate) fn left(&self, lane: u64, now: Instant) -> Duration {
        let Some((left, at)) = self.left.get(&lane) else { return self.a_minute };
        let back = now.duration_since(*at).as_secs_f64() / MINUTE.as_secs_f64();
        (*left + self.a_minute.mul_f64(back.min(1.0))).min(self.a_minute)
    }

    pub(crate) fn spend(&mut self, lane: u64, time: Duration, now: Instant) {
        let left = self.left(lane, now).saturating_sub(time);
        self.left.insert(lane, (left, now));
    }

    /// Takes what `lane` kept others waiting for, `took` until `now`, from its time, and returns how long it has to rest for
    /// that. What takes no longer than `free` costs nothing, and what is `short` of its end is in nobody's way.
    pub(crate) fn kept_waiting(
        &mut self,
        lane: u64,
        took: Duration,
        now: Instant,
        (free, short): (Duration, Duration),
    ) -> Option<Duration> {
        let (long, left) = (took.saturating_sub(free), self.left(lane, now - took));
        if !long.is_zero() {
            self.spend(lane, long, now);
        }
        // Once nothing is left, all of it was too much.
        let beyond = if left < short { took } else { long.saturating_sub(left) };
        (beyond >= short).then(|| (beyond * REST).min(LONGEST_REST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_within_a_minute() {
        let (mut all, now) = (Allowances::new(Duration::from_millis(600)), Instant::now());
        let left = |all: &Allowances, seconds| all.left(1, now + Duration::from_secs(seconds)).as_millis();
        assert_eq!(left(&all, 0), 600);
        all.spend(1, Duration::from_millis(500), now);
        assert_eq!((left(&all, 0), left(&all, 10), left(&all, 60)), (100, 200, 600));
        all.spend(1, Duration::from_secs(9), now + Duration::from_secs(1));
        assert_eq!((left(&all, 1), left(&all, 31), left(&all, 600)), (0, 300, 600));
        assert_eq!(all.left(2, now), Duration::from_millis(600), "another one's is its own");
    }

    #[test]
    fn who_has_no_time_left_rests() {
        let ms = Duration::from_millis;
        let (mut all, begin) = (Allowances::new(ms(600)), Instant::now());
        let mut kept = |took, at| all.kept_waiting(1, ms(took), begin + ms(at), (ms(20), ms(5)));
        assert_eq!(kept(20, 1_000), None, "that is free");
        assert_eq!(kept(320, 2_000), None, "half of it");
        assert_eq!(kept(320, 2_320), None, "what came back within a second is enough for the rest");
        assert_eq!(kept(34, 2_360), Some(ms(240 * 34)).map(|rest| rest.min(LONGEST_REST)), "nothing is left");
        assert_eq!(kept(4, 2_370), None, "that is in nobody's way");
        assert_eq!(kept(10, 2_380), Some(ms(240 * 10)));
        assert_eq!(kept(5_000, 9_000), Some(LONGEST_REST));
    }

    #[test]
    fn only_others_are_a_crowd() {
        let crowd = Crowd::default();
        crowd.begin(1, false);
        crowd.join(1);
        assert!(!crowd.waits());
        crowd.join(2);
        assert!(crowd.waits());
        crowd.begin(2, false);
        assert!(!crowd.waits());
    }
}
