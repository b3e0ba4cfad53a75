//! How long an app may keep others from writing.
//!
//! SQLite has one writer. A short write or transaction is in nobody's way; what is longer than that is, while other apps write
//! as well, whether or not one of them waits at that moment: most of the time it will. Each app has some time a minute for
//! that. While it has some left, its writes and transactions may take as long as their own limits say. Without, they are
//! undone as soon as somebody waits, and it rests until it has paid its debt.
//!
//! What is short depends on the disk: twice what a commit takes on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// The longest rest at once: what its own visitors may have to wait for a write because of what it did.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Commits that are in nobody's way. Whoever comes meanwhile waits for as long and for the commit of both, so three times what
/// it has alone at worst, and rarely that.
const SHORT_COMMITS: u32 = 2;

/// What a commit may take that is as good as any, in those that a fast one takes: disks have their moods.
const USUAL_COMMIT: u32 = 4;

/// What is short however fast the disk is: waking up those who wait takes its time as well.
const LEAST_SHORT: Duration = Duration::from_micros(500);

/// What a group lasts beside others however fast the disk is: with shorter ones there would be more commits than work.
const LEAST_COMMIT: Duration = Duration::from_micros(125);

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
    /// Seconds that are left, less than none for a debt, as of a moment. Who isn't in it has all.
    left: HashMap<u64, (f64, Instant)>,
    /// The shortest commit lately.
    commit: Duration,
    most_short: Duration,
}

impl Allowances {
    /// So much in a minute. Nothing that takes longer than `most_short` is short.
    pub(crate) fn new(a_minute: Duration, most_short: Duration) -> Self {
        Self { a_minute, left: HashMap::new(), commit: most_short, most_short }
    }

    /// A commit took so long.
    pub(crate) fn committed(&mut self, time: Duration) {
        // It rises slowly, however long the commits are that somebody makes: the disk may have become slower.
        self.commit = time.min(self.commit + self.commit / 64);
    }

    /// What is in nobody's way here.
    pub(crate) fn short(&self) -> Duration {
        self.commits(SHORT_COMMITS).min(self.most_short)
    }

    /// What so many commits take.
    fn commits(&self, count: u32) -> Duration {
        (self.commit * count).max(LEAST_SHORT)
    }

    /// About what a commit takes here: as much may be added to it without anybody's noticing much.
    pub(crate) fn commit_time(&self) -> Duration {
        self.commit.clamp(LEAST_COMMIT.min(self.most_short), self.most_short)
    }

    /// How much of such a time counts: what is longer than short. Whoever comes in that part waits longer than for a short one, and
    /// in no other part.
    pub(crate) fn counting(&self, time: Duration) -> Duration {
        time.saturating_sub(self.short())
    }

    /// The same of a commit. What the disk takes for any isn't the app's doing, however slow it is.
    pub(crate) fn counting_of_commit(&self, time: Duration) -> Duration {
        time.saturating_sub(self.commits(USUAL_COMMIT))
    }

    /// What `lane` has left at `now`.
    pub(crate) fn left(&self, lane: u64, now: Instant) -> Duration {
        Duration::try_from_secs_f64(self.balance(lane, now)).unwrap_or_default()
    }

    /// The same, or its debt. It comes back evenly.
    fn balance(&self, lane: u64, now: Instant) -> f64 {
        let all = self.a_minute.as_secs_f64();
        let Some((left, at)) = self.left.get(&lane) else { return all };
        (left + self.back_in(now.duration_since(*at))).min(all)
    }

    /// The seconds that come back in such a time.
    fn back_in(&self, time: Duration) -> f64 {
        self.a_minute.as_secs_f64() * time.as_secs_f64() / MINUTE.as_secs_f64()
    }

    /// Takes `time`, which `lane` was in others' way until `now`, from what it has left, and returns how long it has to rest
    /// before it may write again, where it has a debt then.
    pub(crate) fn spend(&mut self, lane: u64, time: Duration, now: Instant) -> Option<Duration> {
        let most = self.a_minute.as_secs_f64();
        // Whoever begins with nothing left has a debt from then on, however little comes back in a minute.
        let balance = (self.balance(lane, now) - time.as_secs_f64()).max(-most);
        self.left.insert(lane, (balance, now));
        (balance < 0.0 || most == 0.0).then(|| {
            let rest = -balance / self.back_in(Duration::from_secs(1));
            Duration::try_from_secs_f64(rest).map_or(LONGEST_REST, |rest| rest.min(LONGEST_REST))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn what_is_spent_comes_back_within_a_minute() {
        let (mut all, now) = (Allowances::new(ms(600), ms(5)), Instant::now());
        let left = |all: &Allowances, seconds| all.left(1, now + Duration::from_secs(seconds)).as_secs_f64() * 1e3;
        let is = |left: f64, expected: f64| assert!((left - expected).abs() < 0.001, "{left} and not {expected}");
        is(left(&all, 0), 600.0);
        assert_eq!(all.spend(1, ms(500), now), None);
        is(left(&all, 0), 100.0);
        is(left(&all, 10), 200.0);
        is(left(&all, 60), 600.0);
        assert_eq!(all.left(2, now), ms(600), "another one's is its own");
    }

    #[test]
    fn who_has_a_debt_rests_until_it_is_paid() {
        let (mut all, begin) = (Allowances::new(ms(600), ms(5)), Instant::now());
        let mut spend = |took, at| all.spend(1, ms(took), begin + ms(at)).map(|rest| rest.as_secs_f64());
        let is = |rest: Option<f64>, expected: f64| {
            let rest = rest.expect("a rest");
            assert!((rest - expected).abs() < 0.001, "{rest} and not {expected}");
        };
        assert_eq!(spend(590, 0), None);
        // A hundredth comes back: ten milliseconds are left, and as many came back.
        is(spend(30, 1_000), 1.0);
        assert_eq!(spend(10, 4_000), None, "it has rested, and for longer than it had to");
        is(spend(5_000, 4_000), 5.0);
        is(spend(1, 9_000), 5.0);
        // No debt is larger than what a minute brings.
        assert_eq!(spend(599, 9_000 + 120_000), None);
        let mut none = Allowances::new(Duration::ZERO, ms(5));
        assert_eq!(none.spend(1, ms(1), begin), Some(LONGEST_REST));
    }

    #[test]
    fn what_is_longer_than_short_counts() {
        let mut all = Allowances::new(ms(600), ms(5));
        assert_eq!(all.counting(ms(5)), Duration::ZERO);
        assert_eq!(all.counting(ms(6)), ms(1));
        all.committed(Duration::from_micros(10));
        for (micros, expected) in [(500, 0), (501, 1), (1_000, 500), (50_000, 49_500)] {
            assert_eq!(all.counting(Duration::from_micros(micros)), Duration::from_micros(expected), "{micros} µs");
        }
    }

    #[test]
    fn what_is_short_follows_the_disk() {
        let mut all = Allowances::new(ms(600), ms(5));
        assert_eq!(all.short(), ms(5), "nothing is known yet");
        all.committed(Duration::from_micros(400));
        assert_eq!(all.short(), Duration::from_micros(800));
        for _ in 0..8 {
            all.committed(ms(900));
        }
        assert!(all.short() < ms(1), "somebody's large commits make nothing short");
        for _ in 0..1_000 {
            all.committed(ms(4));
        }
        assert_eq!((all.short(), all.commit_time()), (ms(5), ms(4)), "it is a slower one now");
        for _ in 0..1_000 {
            all.committed(ms(30));
        }
        let counting = (all.counting_of_commit(ms(50)), all.counting(ms(50)), all.counting_of_commit(ms(500)));
        assert_eq!(counting, (Duration::ZERO, ms(45), ms(380)), "its commits are nobody's doing");
        all.committed(Duration::from_micros(10));
        assert_eq!(all.short(), LEAST_SHORT);
        assert_eq!(Allowances::new(ms(600), Duration::from_micros(250)).short(), Duration::from_micros(250));
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
