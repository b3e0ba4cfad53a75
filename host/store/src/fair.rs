//! A queue in which nobody's crowd keeps others waiting: each owner has a lane, and lanes take turns.

use std::collections::{HashMap, VecDeque};

use parking_lot::{Condvar, Mutex};

/// A bounded queue with a lane for each owner.
pub(crate) struct FairQueue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    most: usize,
}

struct State<T> {
    /// Lanes with something in them, the next one to serve first.
    lanes: VecDeque<(u64, VecDeque<T>)>,
    running: HashMap<u64, usize>,
    len: usize,
    closed: bool,
}

impl<T> FairQueue<T> {
    /// At most `most` entries, half of that in a lane.
    pub(crate) fn new(most: usize) -> Self {
        let state = State { lanes: VecDeque::new(), running: HashMap::new(), len: 0, closed: false };
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
            None => state.lanes.push_back((lane, VecDeque::from([entry]))),
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

    /// As [`FairQueue::pop`], without waiting.
    pub(crate) fn try_pop(&self) -> Option<(u64, T)> {
        self.state.lock().take(usize::MAX)
    }

    /// Puts an entry back at the front, to be the next.
    pub(crate) fn push_front(&self, lane: u64, entry: T) {
        let mut state = self.state.lock();
        state.len += 1;
        let at = state.lanes.iter().position(|(of, _)| *of == lane);
        let mut entries = at.and_then(|at| state.lanes.remove(at)).map(|(_, entries)| entries).unwrap_or_default();
        entries.push_front(entry);
        state.lanes.push_front((lane, entries));
        drop(state);
        self.ready.notify_one();
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
    fn take(&mut self, abreast: usize) -> Option<(u64, T)> {
        let at = self.lanes.iter().position(|(lane, _)| self.running.get(lane).copied().unwrap_or(0) < abreast)?;
        let (lane, mut entries) = self.lanes.remove(at)?;
        let entry = entries.pop_front()?;
        if !entries.is_empty() {
            self.lanes.push_back((lane, entries));
        }
        self.len -= 1;
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
        let order: Vec<i32> = std::iter::from_fn(|| queue.try_pop().map(|(_, n)| n)).collect();
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
}
