//! The connections to one server: a bounded number, shared fairly, each with one borrower at a time.
//!
//! A place in the pool comes first, a connection second: whoever has a place takes an idle connection or makes one. An app
//! may have half of the places; those who wait get theirs in the order in which they came, apps that have their half passed over.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::StoreError;

/// Places and the idle connections that belong to them.
pub(crate) struct Places<C> {
    state: Mutex<State<C>>,
    most: usize,
    most_waiting: usize,
}

struct State<C> {
    /// Connections that nobody uses, the one used last at the end, with the lane that used it.
    idle: Vec<(u64, C)>,
    /// Places that are taken, by lane.
    taken: HashMap<u64, usize>,
    total: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Place<C>>)>,
    closed: bool,
}

/// A place in the pool. Dropped, the next one gets it.
pub(crate) struct Place<C> {
    places: Arc<Places<C>>,
    lane: u64,
}

impl<C> Drop for Place<C> {
    fn drop(&mut self) {
        self.places.leave(self.lane);
    }
}

impl<C> Places<C> {
    pub(crate) fn new(most: usize, most_waiting: usize) -> Arc<Self> {
        let state =
            State { idle: Vec::new(), taken: HashMap::new(), total: 0, waiting: VecDeque::new(), closed: false };
        Arc::new(Self { state: Mutex::new(state), most, most_waiting })
    }

    /// Waits for a place until `deadline`.
    pub(crate) async fn enter(self: &Arc<Self>, lane: u64, deadline: Instant) -> Result<Place<C>, StoreError> {
        let receiver = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(StoreError::Busy("the site is stopping"));
            }
            if self.has_room(&state, lane) {
                state.take(lane);
                return Ok(Place { places: self.clone(), lane });
            }
            let mine = state.waiting.iter().filter(|(other, _)| *other == lane).count();
            if state.waiting.len() >= self.most_waiting || mine >= self.most_waiting / 2 {
                return Err(StoreError::Busy("too many statements wait for a connection"));
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back((lane, sender));
            receiver
        };
        match tokio::time::timeout_at(deadline.into(), receiver).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(StoreError::Busy("the site is stopping")),
            Err(_) => Err(StoreError::Busy("no connection was free in time")),
        }
    }

    fn has_room(&self, state: &State<C>, lane: u64) -> bool {
        let mine = state.taken.get(&lane).copied().unwrap_or(0);
        // The host's own work is rare and short.
        let most = if lane == 0 { self.most } else { self.most.div_ceil(2) };
        state.total < self.most && mine < most
    }

    fn leave(self: &Arc<Self>, lane: u64) {
        let mut granted = Vec::new();
        {
            let mut state = self.state.lock();
            state.total -= 1;
            if let Some(taken) = state.taken.get_mut(&lane) {
                *taken -= 1;
                if *taken == 0 {
                    state.taken.remove(&lane);
                }
            }
            let mut at = 0;
            while at < state.waiting.len() {
                let lane = state.waiting[at].0;
                if state.waiting[at].1.is_closed() {
                    state.waiting.remove(at);
                } else if self.has_room(&state, lane) {
                    state.take(lane);
                    let Some((lane, sender)) = state.waiting.remove(at) else { break };
                    granted.push((lane, sender));
                } else {
                    at += 1;
                }
            }
        }
        for (lane, sender) in granted {
            // Where nobody waits any more, the place comes back and goes to the next one.
            let _ = sender.send(Place { places: self.clone(), lane });
        }
    }

    /// An idle connection: one that worked for `lane` before where there is one.
    pub(crate) fn take_idle(&self, lane: u64) -> Option<C> {
        let mut state = self.state.lock();
        let own = state.idle.iter().rposition(|(of, _)| *of == lane);
        let at = own.or(state.idle.len().checked_sub(1))?;
        Some(state.idle.remove(at).1)
    }

    /// An idle connection that worked for `lane`; where there is none but the pool is full, one of others' is given to be
    /// closed.
    pub(crate) fn take_own(&self, lane: u64) -> (Option<C>, Option<C>) {
        let mut state = self.state.lock();
        if let Some(at) = state.idle.iter().rposition(|(of, _)| *of == lane) {
            return (Some(state.idle.remove(at).1), None);
        }
        if state.idle.len() + state.total > self.most && !state.idle.is_empty() {
            return (None, Some(state.idle.remove(0).1));
        }
        (None, None)
    }

    /// Keeps a connection for the next one. Give it back before its place.
    pub(crate) fn give_back(&self, lane: u64, connection: C) {
        let mut state = self.state.lock();
        if !state.closed && state.idle.len() < self.most {
            state.idle.push((lane, connection));
        }
    }

    /// Forgets all idle connections, as after a server's restart.
    pub(crate) fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.state.lock().idle);
        drop(idle);
    }

    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let (idle, waiting) = (std::mem::take(&mut state.idle), std::mem::take(&mut state.waiting));
        drop(state);
        drop((idle, waiting));
    }
}

impl<C> State<C> {
    fn take(&mut self, lane: u64) {
        self.total += 1;
        *self.taken.entry(lane).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn an_app_has_half_and_the_next_one_waits() {
        let places = Places::<u8>::new(4, 10);
        let first = places.enter(1, soon()).await.expect("free");
        let _second = places.enter(1, soon()).await.expect("free");
        let late = places.enter(1, Instant::now() + Duration::from_millis(20)).await;
        assert_eq!(late.map(drop), Err(StoreError::Busy("no connection was free in time")));
        let _other = places.enter(2, soon()).await.expect("the other half");
        let (waited, ()) = tokio::join!(places.enter(1, soon()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(first);
        });
        waited.expect("the first one's place");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_loses_nobody_a_place() {
        let places = Places::<u8>::new(2, 10);
        let first = places.enter(1, soon()).await.expect("free");
        {
            let waiting = places.enter(1, soon());
            tokio::pin!(waiting);
            assert!(futures::poll!(&mut waiting).is_pending());
            // The place is on its way when the one who waits for it goes.
            drop(first);
        }
        let _again = places.enter(1, soon()).await.expect("free again");
        assert!(places.enter(2, soon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_crowd_is_refused_and_leaves_room_for_others() {
        let places = Places::<u8>::new(1, 4);
        let held = places.enter(1, soon()).await.expect("free");
        let crowd: Vec<_> = (0..2).map(|_| Box::pin(places.enter(1, soon()))).collect();
        let mut crowd = crowd;
        for waiting in &mut crowd {
            assert!(futures::poll!(waiting).is_pending());
        }
        let refused = places.enter(1, soon()).await.map(drop);
        assert_eq!(refused, Err(StoreError::Busy("too many statements wait for a connection")));
        let mut other = Box::pin(places.enter(2, soon()));
        assert!(futures::poll!(&mut other).is_pending());
        drop((crowd, held));
        other.await.expect("its turn");
    }

    #[test]
    fn a_connection_is_kept_for_the_lane_that_used_it() {
        let places = Places::new(4, 4);
        places.give_back(1, "a");
        places.give_back(2, "b");
        assert_eq!(places.take_idle(1), Some("a"));
        assert_eq!(places.take_idle(1), Some("b"));
        assert_eq!(places.take_idle(1), None);
    }
}
