//! How much of the processors each app takes, and which one gives way.
//!
//! A runtime takes its tasks in their order, and a database server its statements. So an app with a thousand requests that each
//! need little would make its neighbours' wait for the thousand. Each app may have a part of the processors' time, and a little
//! more at once; what asks for more gives way, as whoever asks sees to it, for as long as there are others. The host's own
//! processors are counted so, and a server's.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// The part of all processors that an app may have and be served first.
const PART: u64 = 4;

/// What it may have at once, as the time in which it gets as much.
const AT_ONCE: Duration = Duration::from_millis(8);

/// However much it had, it is served first again when it had nothing for so long.
const LONGEST: Duration = Duration::from_millis(100);

/// Time for which another app is about after a request of it.
const ABOUT: u64 = Duration::from_secs(5).as_nanos() as u64;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the process began, never 0.
fn now() -> u64 {
    nanos(START.elapsed()).max(1)
}

/// Who is about: what all apps share.
#[derive(Debug, Default)]
pub struct Presence {
    count: AtomicU32,
    /// Who ran last.
    latest: AtomicU32,
    /// When that was another one than before.
    changed: AtomicU64,
}

/// One app's, for all of its versions together.
#[derive(Debug)]
pub struct Usage {
    presence: Arc<Presence>,
    number: u32,
    /// How much an app has to take to have the processors' part for a nanosecond.
    rate: u64,
    /// Until when the time that it took is more than its part.
    until: AtomicU64,
}

impl Usage {
    /// A new app's, among so many processors.
    pub fn new(presence: &Arc<Presence>, processors: usize) -> Arc<Self> {
        let number = presence.count.fetch_add(1, Relaxed) + 1;
        let rate = u64::try_from(processors).unwrap_or(1).max(1);
        Arc::new(Self { presence: presence.clone(), number, rate, until: AtomicU64::new(0) })
    }

    /// It had a processor for so long, until now.
    pub fn charge(&self, time: Duration) {
        self.charge_at(nanos(time), now());
    }

    fn charge_at(&self, time: u64, now: u64) {
        let presence = &self.presence;
        if presence.latest.load(Relaxed) != self.number && presence.latest.swap(self.number, Relaxed) != 0 {
            presence.changed.store(now, Relaxed);
        }
        let longer = time.saturating_mul(PART) / self.rate;
        let most = now.saturating_add(nanos(LONGEST));
        // Two threads at once may lose one's time; it is a measure, not a bill.
        let until = self.until.load(Relaxed).max(now).saturating_add(longer);
        self.until.store(until.min(most), Relaxed);
    }

    /// Whether it has had more than its part, and there are others who may want theirs.
    pub fn gives_way(&self) -> bool {
        // Most apps have none, and needn't ask for the time.
        let until = self.until.load(Relaxed);
        until != 0 && self.gives_way_at(now())
    }

    fn gives_way_at(&self, now: u64) -> bool {
        let changed = self.presence.changed.load(Relaxed);
        let others = changed != 0 && now.saturating_sub(changed) < ABOUT;
        others && self.until.load(Relaxed) > now.saturating_add(nanos(AT_ONCE))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn two() -> (Arc<Usage>, Arc<Usage>) {
        let presence = Arc::new(Presence::default());
        (Usage::new(&presence, 2), Usage::new(&presence, 2))
    }

    #[test]
    fn who_takes_more_than_a_part_gives_way_until_it_is_paid() {
        let (greedy, modest) = two();
        modest.charge_at(MS, MS);
        // Four milliseconds of two processors are half of all in eight.
        greedy.charge_at(4 * MS, 10 * MS);
        assert!(!greedy.gives_way_at(10 * MS), "that much at once is no harm");
        greedy.charge_at(2 * MS, 10 * MS);
        assert!(greedy.gives_way_at(10 * MS));
        assert!(!modest.gives_way_at(10 * MS));
        assert!(greedy.gives_way_at(13 * MS));
        assert!(!greedy.gives_way_at(14 * MS));
        // However much: a tenth of a second later it is paid.
        greedy.charge_at(5_000 * MS, 20 * MS);
        assert!(greedy.gives_way_at(111 * MS));
        assert!(!greedy.gives_way_at(112 * MS));
    }

    #[test]
    fn a_quarter_of_the_processors_for_ever_is_nobodys_harm() {
        let (app, other) = two();
        other.charge_at(MS, MS);
        for at in 1..1_000 {
            app.charge_at(MS / 2, at * MS);
            assert!(!app.gives_way_at(at * MS), "after {at} ms");
        }
        for at in 1_000..1_100 {
            app.charge_at(MS, at * MS);
        }
        assert!(app.gives_way_at(1_100 * MS), "half of them is more");
    }

    #[test]
    fn who_is_alone_gives_way_to_nobody() {
        let (app, other) = two();
        app.charge_at(500 * MS, 500 * MS);
        assert!(!app.gives_way_at(500 * MS));
        other.charge_at(1, 501 * MS);
        assert!(app.gives_way_at(501 * MS));
        app.charge_at(500 * MS, 600 * MS);
        assert!(app.gives_way_at(650 * MS));
        app.charge_at(500 * MS, 5_599 * MS);
        assert!(app.gives_way_at(5_599 * MS), "the other one was there five seconds ago");
        app.charge_at(500 * MS, 5_700 * MS);
        assert!(!app.gives_way_at(5_700 * MS), "and now it isn't any more");
    }
}
