//! A queue in which nobody's crowd keeps others waiting: each owner has a lane, and lanes take turns. Where turns differ
//! much in length, their time counts instead of their number ([`FairQueue::charge`]).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A bounded queue with a lane for each owner.
pub(crate) struct FairQueue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    most: usize,
}

struct State<T> {
    /// Lanes with something in them. Of those that have spent the same, the next one to serve comes first.
    lanes: VecDeque<(u64, VecDeque<T>)>,
    running: HashMap<u64, usize>,
    /// The time charged to each lane.
    spent: HashMap<u64, Duration>,
    /// What the lane whose turn it was last had spent before it.
    level: Duration,
    len: usize,
    closed: bool,
}

impl<T> FairQueue<T> {
    /// At most `most` entries, half of that in a lane.
    pub(crate) fn new(most: usize) -> Self {
        let state = State {
            lanes: VecDeque::new(),
            running: HashMap::new(),
            spent: HashMap::new(),
            level: Duration::ZERO,
            len: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), ready: Condvar::new(), most }
    }

    /// Adds to a lane; gives the entry back where there is no room or the queue is closed.
    pub(crate) fn push(&self, lane: u64, entry: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed || state.len >= self.most {
            return Err(entry);
        }
        match state.lanes.iter_mut().find(|(of, _)| *of == lane) {
            Some((_, entries)) if entries.len() >= self.most / 2 => return Err(entry),
            Some((_, entries)) => entries.push_back(entry),
            None => {
                state.lanes.push_back((lane, VecDeque::from([entry])));
                // Nobody saves up turns by staying away.
                let level = state.level;
                let spent = state.spent.entry(lane).or_default();
                *spent = level.max(*spent);
            }
        }
        state.len += 1;
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for an entry of a lane that has fewer than `abreast` running and counts it as running until
    /// [`FairQueue::done`]. `None` once the queue is closed and empty.
    pub(crate) fn pop(&self, abreast: usize) -> Option<(u64, T)> {
        let mut state = self.state.lock();
        loop {
            if let Some(taken) = state.take(abreast) {
                return Some(taken);
            }
            if state.closed && state.len == 0 {
                return None;
            }
            self.ready.wait(&mut state);
        }
    }

    /// As [`FairQueue::pop`], without waiting, and only if the next one `fits`.
    pub(crate) fn pop_if(&self, fits: impl FnOnce(u64, &T) -> bool) -> Option<(u64, T)> {
        let mut state = self.state.lock();
        let (lane, entries) = &state.lanes[state.next(usize::MAX)?];
        if !entries.front().is_some_and(|entry| fits(*lane, entry)) {
            return None;
        }
        state.take(usize::MAX)
    }

    /// Says how long an entry of this lane had what all lanes share. The lanes that have spent less come first from now
    /// on, so that one with short entries waits for one long entry of each other lane at most.
    pub(crate) fn charge(&self, lane: u64, time: Duration) {
        *self.state.lock().spent.entry(lane).or_default() += time;
    }

    /// Ends one that ran.
    pub(crate) fn done(&self, lane: u64) {
        let mut state = self.state.lock();
        if let Some(running) = state.running.get_mut(&lane) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(&lane);
            }
        }
        drop(state);
        // Another thread may have passed over this lane.
        self.ready.notify_one();
    }

    /// Lets nothing in any more; what waits is still served.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.ready.notify_all();
    }
}

impl<T> State<T> {
    /// Where the lane stands whose turn it is.
    fn next(&self, abreast: usize) -> Option<usize> {
        let lanes = self.lanes.iter().map(|(lane, _)| lane).enumerate();
        let ready = lanes.filter(|(_, lane)| self.running.get(lane).copied().unwrap_or(0) < abreast);
        ready.min_by_key(|(_, lane)| self.spent(lane)).map(|(at, _)| at)
    }

    fn spent(&self, lane: &u64) -> Duration {
        self.spent.get(lane).copied().unwrap_or_default()
    }

    fn take(&mut self, abreast: usize) -> Option<(u64, T)> {
        let at = self.next(abreast)?;
        let (lane, mut entries) = self.lanes.remove(at)?;
        let entry = entries.pop_front()?;
        if !entries.is_empty() {
            self.lanes.push_back((lane, entries));
        }
        self.len -= 1;
        self.level = self.spent(&lane).max(self.level);
        *self.running.entry(lane).or_default() += 1;
        Some((lane, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns_and_a_lane_has_half() {
        let queue = FairQueue::new(10);
        for n in 0..5 {
            assert_eq!(queue.push(1, n), Ok(()));
        }
        assert_eq!(queue.push(1, 5), Err(5), "half is full");
        assert_eq!(queue.push(2, 100), Ok(()));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop_if(|_, _| true).map(|(_, n)| n)).collect();
        assert_eq!(order, [0, 100, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lane_that_runs_enough_is_passed_over() {
        let queue = FairQueue::new(10);
        queue.push(1, "a1").expect("room");
        queue.push(1, "a2").expect("room");
        queue.push(2, "b1").expect("room");
        assert_eq!(queue.pop(1), Some((1, "a1")));
        assert_eq!(queue.pop(1), Some((2, "b1")));
        queue.done(1);
        assert_eq!(queue.pop(1), Some((1, "a2")));
        queue.close();
        assert_eq!(queue.pop(1), None);
        assert_eq!(queue.push(1, "late"), Err("late"));
    }

    #[test]
    fn a_long_turn_counts_as_many_short_ones() {
        let queue = FairQueue::new(20);
        let next = |milliseconds| {
            let (lane, entry) = queue.pop_if(|_, _| true)?;
            queue.charge(lane, Duration::from_millis(milliseconds));
            Some(entry)
        };
        for n in 0..3 {
            queue.push(1, n).expect("room");
        }
        assert_eq!(next(100), Some(0));
        for n in 10..15 {
            queue.push(2, n).expect("room");
        }
        // It stayed away before: that gives it the next turns, not more time than the other.
        let order: Vec<i32> = std::iter::from_fn(|| next(40)).collect();
        assert_eq!(order, [10, 11, 12, 1, 13, 2, 14]);
        queue.push(3, 100).expect("room");
        queue.push(1, 3).expect("room");
        assert_eq!(queue.pop_if(|lane, _| lane == 1), None, "it isn't its turn");
        assert_eq!(next(0), Some(100));
    }
}
