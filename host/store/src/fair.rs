//! A queue in which nobody's crowd keeps others waiting: each owner has a lane, and whoever has fewest places comes first.
//! Where turns differ much in length, their time counts as well ([`FairQueue::charge`]).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::allowance::Crowd;
use crate::error::StoreError;
use crate::share::{HOST_LANE, Shares, Taker};

/// Time for which an app that wrote counts as one that is about.
const ABOUT: Duration = Duration::from_secs(1);

/// Time between two looks whether a lane has rested enough.
const REST_LOOK: Duration = Duration::from_millis(5);

/// A bounded queue with a lane for each owner, in front of a number of places.
pub(crate) struct FairQueue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    crowd: Arc<Crowd>,
}

struct State<T> {
    lanes: Lanes<T>,
    closed: bool,
    /// Whether nothing is given out at the moment.
    held: bool,
}

/// What a queue gives.
pub(crate) enum Next<T> {
    /// An entry, whose taker has a place now.
    Entry(Taker, T),
    /// None in time.
    Nothing,
    /// None any more.
    Over,
}

impl<T> FairQueue<T> {
    /// At most `most` entries, half of that in a lane.
    pub(crate) fn new(most: usize, places: usize) -> Self {
        let state = State { lanes: Lanes::new(most, places), closed: false, held: false };
        Self { state: Mutex::new(state), ready: Condvar::new(), crowd: Arc::default() }
    }

    /// Adds to a lane; gives the entry back where there is no room or the queue is closed.
    pub(crate) fn push(&self, taker: &Taker, entry: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(entry);
        }
        state.lanes.push(taker.clone(), entry)?;
        if !state.lanes.rests(taker.lane) {
            self.crowd.join(taker.lane);
        }
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for an entry whose taker may have a place, and gives it that until [`FairQueue::done`]. `None` once the queue is
    /// closed and empty.
    pub(crate) fn pop(&self) -> Option<(Taker, T)> {
        loop {
            match self.pop_within(Duration::from_secs(3_600)) {
                Next::Entry(taker, entry) => return Some((taker, entry)),
                Next::Nothing => {}
                Next::Over => return None,
            }
        }
    }

    /// As [`FairQueue::pop`], for so long.
    pub(crate) fn pop_within(&self, time: Duration) -> Next<T> {
        let end = Instant::now() + time;
        let mut state = self.state.lock();
        loop {
            if (!state.held || state.closed)
                && let Some((taker, entry)) = state.lanes.take()
            {
                return Next::Entry(taker, entry);
            }
            if state.closed && state.lanes.len == 0 {
                return Next::Over;
            }
            let until = if state.lanes.somebody_rests() { end.min(Instant::now() + REST_LOOK) } else { end };
            if self.ready.wait_until(&mut state, until).timed_out() && Instant::now() >= end {
                return Next::Nothing;
            }
        }
    }

    /// As [`FairQueue::pop`], without waiting, and only if the next one `fits`.
    pub(crate) fn pop_if(&self, fits: impl FnOnce(u64, &T) -> bool) -> Option<(Taker, T)> {
        let mut state = self.state.lock();
        // Looked for once: a moment later another one may be the next.
        let at = state.lanes.next()?;
        let (taker, entry) = state.lanes.lanes[at].1.front()?;
        if !fits(taker.lane, entry) {
            return None;
        }
        state.lanes.take_at(at)
    }

    /// Says how long an entry of this lane had what all lanes share. The lanes that have spent less come first from now
    /// on, so that one with short entries waits for one long entry of each other lane at most.
    pub(crate) fn charge(&self, lane: u64, time: Duration) {
        *self.state.lock().lanes.spent.entry(lane).or_default() += time;
    }

    /// Whether others wait behind the one who has what all share.
    pub(crate) fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// From now on `lane` has what all share; `company` says whether others wait for it to end who aren't in the queue any more.
    pub(crate) fn attend(&self, lane: u64, company: bool) {
        let state = self.state.lock();
        // Who has to rest waits for that, and not for this one.
        let waits = |of: u64| of != lane && !state.lanes.rests(of);
        self.crowd.begin(lane, company || state.lanes.lanes.iter().any(|((of, _), _)| waits(*of)));
    }

    /// Whether another app than that of `lane` waits, or did a moment ago.
    pub(crate) fn others_are_about(&self, lane: u64) -> bool {
        self.state.lock().lanes.about(lane, Instant::now()).next().is_some()
    }

    /// Serves nothing of `lane` before `until`, as long as others are about.
    pub(crate) fn rest(&self, lane: u64, until: Instant) {
        self.state.lock().lanes.rests.insert(lane, until);
    }

    /// Ends one that ran.
    pub(crate) fn done(&self, taker: &Taker) {
        self.state.lock().lanes.shares.leave(taker);
        // Another thread may have passed over this lane.
        self.ready.notify_one();
    }

    /// Makes a keeper give back its place, so that one of `lane` gets one. Returns when to look again.
    pub(crate) fn make_room(&self, lane: u64, patience: Duration) -> Instant {
        let keepers = self.state.lock().lanes.shares.keepers_for(lane);
        keepers.make_room(patience)
    }

    /// Why an entry of `taker` had to wait for too long.
    pub(crate) fn why_not(&self, taker: &Taker) -> StoreError {
        self.state.lock().lanes.shares.why_not(taker)
    }

    /// Gives nothing out while `held`, and makes all keepers that are idle give back their places.
    pub(crate) fn hold(&self, held: bool) {
        let mut state = self.state.lock();
        state.held = held;
        let keepers = state.lanes.shares.keepers();
        drop(state);
        if held {
            keepers.give_back();
        } else {
            self.ready.notify_all();
        }
    }

    /// Whether nobody has a place.
    pub(crate) fn is_unused(&self) -> bool {
        self.state.lock().lanes.shares.total() == 0
    }

    /// Lets nothing in any more; what waits is still served.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.ready.notify_all();
    }
}

/// A lane with what waits in it: whose it is, and whether it is for what is kept.
type Lane<T> = ((u64, bool), VecDeque<(Taker, T)>);

/// What waits, by lane, and the places that it waits for.
pub(crate) struct Lanes<T> {
    /// Lanes with something in them. Of those that have the same, the next one to serve comes first. What is kept stands in
    /// a lane of its own, so that it doesn't hold up its owner's other entries.
    lanes: VecDeque<Lane<T>>,
    pub(crate) shares: Shares,
    /// The time charged to each lane.
    spent: HashMap<u64, Duration>,
    /// What the lane whose turn it was last had spent before it.
    level: Duration,
    /// Lanes that aren't served before a moment, where others are about.
    rests: HashMap<u64, Instant>,
    /// When something was last added to each lane.
    added: HashMap<u64, Instant>,
    len: usize,
    most: usize,
}

impl<T> Lanes<T> {
    pub(crate) fn new(most: usize, places: usize) -> Self {
        Self {
            lanes: VecDeque::new(),
            shares: Shares::new(places),
            spent: HashMap::new(),
            level: Duration::ZERO,
            rests: HashMap::new(),
            added: HashMap::new(),
            len: 0,
            most,
        }
    }

    /// Adds to a lane; gives the entry back where there is no room.
    pub(crate) fn push(&mut self, taker: Taker, entry: T) -> Result<(), T> {
        let lane = taker.lane;
        let mine = self.lanes.iter().filter(|((of, _), _)| *of == lane).map(|(_, entries)| entries.len());
        if self.len >= self.most || mine.sum::<usize>() >= (self.most / 2).max(1) {
            return Err(entry);
        }
        let key = (lane, taker.keeper.is_some());
        match self.lanes.iter_mut().find(|(of, _)| *of == key) {
            Some((_, entries)) => entries.push_back((taker, entry)),
            None => {
                self.lanes.push_back((key, VecDeque::from([(taker, entry)])));
                // Nobody saves up turns by staying away.
                let spent = self.spent.entry(lane).or_default();
                *spent = self.level.max(*spent);
            }
        }
        self.len += 1;
        self.added.insert(lane, Instant::now());
        Ok(())
    }

    /// The next entry whose taker may have a place, which it has then.
    pub(crate) fn take(&mut self) -> Option<(Taker, T)> {
        self.take_at(self.next()?)
    }

    fn take_at(&mut self, at: usize) -> Option<(Taker, T)> {
        let (key, mut entries) = self.lanes.remove(at)?;
        let (taker, entry) = entries.pop_front()?;
        if !entries.is_empty() {
            self.lanes.push_back((key, entries));
        }
        self.len -= 1;
        self.level = self.spent(taker.lane).max(self.level);
        self.shares.take(&taker);
        Some((taker, entry))
    }

    /// Forgets entries that nobody wants any more.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        for (_, entries) in &mut self.lanes {
            entries.retain(|(_, entry)| wanted(entry));
        }
        self.lanes.retain(|(_, entries)| !entries.is_empty());
        self.len = self.lanes.iter().map(|(_, entries)| entries.len()).sum();
    }

    /// Takes out all that waits.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.len = 0;
        self.lanes.drain(..).flat_map(|(_, entries)| entries).map(|(_, entry)| entry).collect()
    }

    /// Where the lane stands whose turn it is.
    fn next(&self) -> Option<usize> {
        let first = |(at, (_, entries)): (usize, &Lane<T>)| {
            let (taker, _) = entries.front()?;
            let ready = self.shares.has_room(taker) && !self.rests(taker.lane);
            ready.then(|| (self.shares.of(taker.lane), self.spent(taker.lane), at))
        };
        self.lanes.iter().enumerate().filter_map(first).min().map(|(.., at)| at)
    }

    fn rests(&self, lane: u64) -> bool {
        let now = Instant::now();
        // Those who are in others' way themselves don't count: they take turns among each other.
        self.has_to_rest(lane, now) && self.about(lane, now).any(|other| !self.has_to_rest(other, now))
    }

    fn has_to_rest(&self, lane: u64, now: Instant) -> bool {
        self.rests.get(&lane).is_some_and(|until| now < *until)
    }

    /// Other apps than that of `lane` that wait, or did a moment ago.
    fn about(&self, lane: u64, now: Instant) -> impl Iterator<Item = u64> {
        let waiting = self.lanes.iter().map(|((of, _), _)| *of);
        let lately = self.added.iter().filter(move |(_, at)| **at + ABOUT > now).map(|(of, _)| *of);
        waiting.chain(lately).filter(move |other| *other != lane && *other != HOST_LANE)
    }

    /// Whether somebody waits who would be served if he needn't rest.
    fn somebody_rests(&self) -> bool {
        !self.rests.is_empty() && self.lanes.iter().any(|((lane, _), _)| self.rests.contains_key(lane))
    }

    fn spent(&self, lane: u64) -> Duration {
        self.spent.get(&lane).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns_and_a_lane_has_half() {
        let queue = FairQueue::new(10, usize::MAX);
        for n in 0..5 {
            assert_eq!(queue.push(&Taker::of(1), n), Ok(()));
        }
        assert_eq!(queue.push(&Taker::of(1), 5), Err(5), "half is full");
        assert_eq!(queue.push(&Taker::of(2), 100), Ok(()));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop_if(|_, _| true).map(|(_, n)| n)).collect();
        assert_eq!(order, [0, 100, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lane_that_has_enough_is_passed_over_and_who_has_fewest_comes_first() {
        let queue = FairQueue::new(20, 3);
        for (lane, entry) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1")] {
            queue.push(&Taker::of(lane), entry).expect("room");
        }
        let pop = || queue.pop().map(|(taker, entry)| (taker.lane, entry));
        assert_eq!(pop(), Some((1, "a1")));
        assert_eq!(pop(), Some((2, "b1")));
        assert_eq!(pop(), Some((3, "c1")));
        queue.done(&Taker::of(2));
        queue.push(&Taker::of(2), "b2").expect("room");
        assert_eq!(pop(), Some((2, "b2")));
        queue.done(&Taker::of(1));
        assert_eq!(pop(), Some((1, "a2")));
        queue.done(&Taker::of(1));
        queue.close();
        assert_eq!(pop(), Some((1, "a3")));
        assert_eq!(pop(), None);
        assert_eq!(queue.push(&Taker::of(1), "late"), Err("late"));
    }

    #[test]
    fn a_long_turn_counts_as_many_short_ones() {
        let queue = FairQueue::new(20, usize::MAX);
        let next = |milliseconds| {
            let (taker, entry) = queue.pop_if(|_, _| true)?;
            queue.done(&taker);
            queue.charge(taker.lane, Duration::from_millis(milliseconds));
            Some(entry)
        };
        for n in 0..3 {
            queue.push(&Taker::of(1), n).expect("room");
        }
        assert_eq!(next(100), Some(0));
        for n in 10..15 {
            queue.push(&Taker::of(2), n).expect("room");
        }
        // It stayed away before: that gives it the next turns, not more time than the other.
        let order: Vec<i32> = std::iter::from_fn(|| next(40)).collect();
        assert_eq!(order, [10, 11, 12, 1, 13, 2, 14]);
        queue.push(&Taker::of(3), 100).expect("room");
        queue.push(&Taker::of(1), 3).expect("room");
        assert!(queue.pop_if(|lane, _| lane == 1).is_none(), "it isn't its turn");
        assert_eq!(next(0), Some(100));
    }

    #[test]
    fn who_rests_is_passed_over_while_others_are_about() {
        let queue = FairQueue::new(20, usize::MAX);
        queue.rest(1, Instant::now() + Duration::from_secs(3_600));
        queue.push(&Taker::of(1), "first").expect("room");
        assert!(queue.pop_if(|_, _| true).is_some(), "nobody else is there");
        queue.push(&Taker::of(1), "second").expect("room");
        queue.push(&Taker::of(2), "other").expect("room");
        assert_eq!(queue.pop_if(|_, _| true).map(|(_, entry)| entry), Some("other"));
        assert!(queue.pop_if(|_, _| true).is_none(), "the other one was there a moment ago");
        assert!(matches!(queue.pop_within(Duration::from_millis(20)), Next::Nothing));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some("second"), "it wakes up by itself");
        queue.push(&Taker::of(2), "another").expect("room");
        queue.push(&Taker::of(1), "third").expect("room");
        queue.rest(1, Instant::now() + Duration::from_millis(20));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some("another"));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some("third"), "it has rested");
    }

    #[test]
    fn those_who_all_have_to_rest_keep_nobody_from_writing() {
        let queue = FairQueue::new(20, usize::MAX);
        let pop = || queue.pop_if(|_, _| true).map(|(_, entry)| entry);
        for lane in [1, 2] {
            queue.push(&Taker::of(lane), lane).expect("room");
            queue.rest(lane, Instant::now() + Duration::from_secs(3_600));
        }
        assert_eq!((pop(), pop()), (Some(1), Some(2)));
        assert!(queue.others_are_about(1) && queue.others_are_about(2), "each is in the other's way all the same");
        for lane in [3, 1, 2] {
            queue.push(&Taker::of(lane), lane).expect("room");
        }
        assert_eq!((pop(), pop()), (Some(3), None), "the third one is about");
    }
}
