//! A circuit breaker for one app: when it keeps running out of its budget, its requests are refused for a while
//! instead of being tried, and the machine goes to its neighbours.

use std::sync::Arc;
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

/// The leave to go on. Whoever has it tells how the request ended; dropped without a word, as where the client goes away, it
/// decides nothing, and the next request takes its place.
pub(crate) struct Pass {
    breaker: Arc<Breaker>,
    /// Whether the breaker is open and this request shall show if it may close.
    probe: bool,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.0.lock().probing = false;
        }
    }
}

impl Pass {
    /// Tells the outcome. Returns whether the breaker opened just now.
    pub(crate) fn tell(mut self, failed: bool, now: Instant) -> bool {
        let mut state = self.breaker.0.lock();
        if self.probe {
            state.probing = false;
            state.open_since = failed.then_some(now);
            (state.window, state.all, state.failed) = (now, 0, 0);
            drop(state);
            self.probe = false;
            return false;
        }
        // Requests from before it opened come in late; only the probe counts.
        if state.open_since.is_some() {
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

impl Breaker {
    /// Asks before a request. Where it is refused: the seconds after which to try again.
    pub(crate) fn ask(self: &Arc<Self>, now: Instant) -> Result<Pass, u64> {
        let mut state = self.0.lock();
        let probe = match state.open_since {
            None => false,
            Some(since) => {
                let rested = now.saturating_duration_since(since);
                if rested < REST || state.probing {
                    return Err(REST.saturating_sub(rested).as_secs().max(1));
                }
                state.probing = true;
                true
            }
        };
        Ok(Pass { breaker: self.clone(), probe })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(breaker: &Arc<Breaker>, failed: bool, now: Instant) -> bool {
        breaker.ask(now).expect("it is closed").tell(failed, now)
    }

    #[test]
    fn one_bad_address_does_not_open_it_and_many_failures_do() {
        let breaker = Arc::new(Breaker::default());
        let now = Instant::now();
        for i in 0..100 {
            assert!(!tell(&breaker, i % 3 == 0, now), "a third of failures is not half");
        }
        let breaker = Arc::new(Breaker::default());
        let late = breaker.ask(now).expect("it is closed");
        for _ in 0..FEWEST - 1 {
            assert!(!tell(&breaker, true, now));
        }
        assert!(tell(&breaker, true, now), "the twentieth opens it");
        assert_eq!(breaker.ask(now).err(), Some(5));
        let later = now + REST;
        let probe = breaker.ask(later).expect("a probe");
        assert_eq!(breaker.ask(later).err(), Some(1), "one probe at a time");
        assert!(!late.tell(false, later), "one from before decides nothing");
        assert!(breaker.ask(later).is_err());
        probe.tell(true, later);
        assert!(breaker.ask(later).is_err(), "the probe failed");
        let much_later = later + REST;
        breaker.ask(much_later).expect("a probe").tell(false, much_later);
        assert!(!breaker.ask(much_later).expect("it is closed").probe);
    }

    #[test]
    fn a_probe_whose_client_goes_away_leaves_its_place_to_the_next() {
        let breaker = Arc::new(Breaker::default());
        let now = Instant::now();
        for _ in 0..FEWEST {
            tell(&breaker, true, now);
        }
        let later = now + REST;
        for _ in 0..3 {
            drop(breaker.ask(later).expect("a probe"));
        }
        breaker.ask(later).expect("a probe").tell(false, later);
        assert!(!breaker.ask(later).expect("it is closed").probe);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let breaker = Arc::new(Breaker::default());
        let now = Instant::now();
        for _ in 0..FEWEST - 1 {
            tell(&breaker, true, now);
        }
        assert!(!tell(&breaker, true, now + WINDOW * 2));
    }
}
