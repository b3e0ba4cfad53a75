//! A circuit breaker for one app: when it keeps running out of its budget, its requests are refused for a while
//! instead of being tried, and the machine goes to its neighbours.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time that is looked at.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer requests than that decide nothing: no visitor may switch an app off with one bad address.
const FEWEST: u32 = 20;
/// How long it stays open before one request is let through as a probe.
const REST: Duration = Duration::from_secs(5);

/// Opens when at least half of at least 20 requests within 10 s ran out of budget or could not be instantiated.
#[derive(Default)]
pub(crate) struct Breaker(Mutex<State>);

struct State {
    window: Instant,
    all: u32,
    failed: u32,
    open_since: Option<Instant>,
    probing: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { window: Instant::now(), all: 0, failed: 0, open_since: None, probing: false }
    }
}

/// What the breaker says to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Closed,
    /// Go on; the outcome decides.
    Probe,
    /// Refused; try again after that many seconds.
    Open(u64),
}

impl Breaker {
    /// Asks before a request.
    pub(crate) fn ask(&self, now: Instant) -> Verdict {
        let mut state = self.0.lock();
        let Some(since) = state.open_since else { return Verdict::Closed };
        let rested = now.saturating_duration_since(since);
        if rested >= REST && !state.probing {
            state.probing = true;
            return Verdict::Probe;
        }
        Verdict::Open(REST.saturating_sub(rested).as_secs().max(1))
    }

    /// Tells the outcome of a request that was let through. Returns whether the breaker opened just now.
    pub(crate) fn tell(&self, failed: bool, now: Instant) -> bool {
        let mut state = self.0.lock();
        if state.open_since.is_some() {
            // Requests from before it opened come in late; only the probe counts.
            if state.probing {
                state.probing = false;
                state.open_since = failed.then_some(now);
                (state.window, state.all, state.failed) = (now, 0, 0);
            }
            return false;
        }
        if now.saturating_duration_since(state.window) > WINDOW {
            (state.window, state.all, state.failed) = (now, 0, 0);
        }
        state.all += 1;
        state.failed += u32::from(failed);
        let opens = state.all >= FEWEST && state.failed * 2 >= state.all;
        if opens {
            state.open_since = Some(now);
        }
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_address_does_not_open_it_and_many_failures_do() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for i in 0..100 {
            assert!(!breaker.tell(i % 3 == 0, now), "a third of failures is not half");
        }
        let breaker = Breaker::default();
        for _ in 0..FEWEST - 1 {
            assert!(!breaker.tell(true, now));
        }
        assert!(breaker.tell(true, now), "the twentieth opens it");
        assert_eq!(breaker.ask(now), Verdict::Open(5));
        let later = now + REST;
        assert_eq!(breaker.ask(later), Verdict::Probe);
        assert!(matches!(breaker.ask(later), Verdict::Open(_)), "one probe at a time");
        breaker.tell(true, later);
        assert!(matches!(breaker.ask(later), Verdict::Open(_)), "the probe failed");
        let much_later = later + REST;
        assert_eq!(breaker.ask(much_later), Verdict::Probe);
        breaker.tell(false, much_later);
        assert_eq!(breaker.ask(much_later), Verdict::Closed);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..FEWEST - 1 {
            breaker.tell(true, now);
        }
        assert!(!breaker.tell(true, now + WINDOW * 2));
    }
}
