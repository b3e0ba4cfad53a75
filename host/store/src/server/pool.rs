//! The connections to one server: a bounded number, shared fairly, each with one borrower at a time.
//!
//! A place in the pool comes first, a connection second: whoever has a place takes an idle connection or makes one. Who may
//! have how many places, and who comes next, is the same as for SQLite's reading threads ([`Lanes`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::fair::Lanes;
use crate::share::Taker;

/// Places and the idle connections that belong to them.
pub(crate) struct Places<C> {
    state: Mutex<State<C>>,
    most: usize,
    most_waiting: usize,
    patience: Duration,
}

struct State<C> {
    /// Connections that nobody uses, the one used last at the end, with the lane that used it.
    idle: Vec<(u64, C)>,
    waiting: Lanes<oneshot::Sender<Place<C>>>,
    closed: bool,
}

/// A place in the pool. Dropped, the next one gets it.
pub(crate) struct Place<C> {
    places: Arc<Places<C>>,
    taker: Taker,
}

impl<C> Drop for Place<C> {
    fn drop(&mut self) {
        self.places.leave(&self.taker);
    }
}

impl<C> Places<C> {
    /// So many places, for which so many may wait. Who keeps one without using it for `patience` makes room where others wait.
    pub(crate) fn new(most: usize, most_waiting: usize, patience: Duration) -> Arc<Self> {
        let state = State { idle: Vec::new(), waiting: Lanes::new(most_waiting, most), closed: false };
        Arc::new(Self { state: Mutex::new(state), most, most_waiting, patience })
    }

    /// Others, so many, that are waited for and kept in the same way.
    pub(crate) fn others(&self, most: usize) -> Arc<Self> {
        Self::new(most, self.most_waiting, self.patience)
    }

    /// Waits for a place until `deadline`.
    pub(crate) async fn enter(self: &Arc<Self>, taker: Taker, deadline: Instant) -> Result<Place<C>, StoreError> {
        let lane = taker.lane;
        let mut receiver = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(StoreError::Busy("the site is stopping"));
            }
            if state.waiting.shares.has_room(&taker) {
                state.waiting.shares.take(&taker);
                return Ok(Place { places: self.clone(), taker: taker.clone() });
            }
            let (sender, receiver) = oneshot::channel();
            if let Err(sender) = state.waiting.push(taker.clone(), sender) {
                // Those who went count no more.
                state.waiting.retain(|sender| !sender.is_closed());
                let again = state.waiting.push(taker.clone(), sender);
                again.map_err(|_| StoreError::Busy("too many statements wait for a connection"))?;
            }
            receiver
        };
        let mut look = Instant::now();
        loop {
            let keepers = self.state.lock().waiting.shares.keepers_for(lane);
            look = keepers.make_room(self.patience).max(look).min(deadline);
            match tokio::time::timeout_at(look.into(), &mut receiver).await {
                Ok(Ok(place)) => return Ok(place),
                Ok(Err(_)) => return Err(StoreError::Busy("the site is stopping")),
                Err(_) if look >= deadline => return Err(self.state.lock().waiting.shares.why_not(&taker)),
                Err(_) => {}
            }
        }
    }

    fn leave(self: &Arc<Self>, taker: &Taker) {
        let mut granted = Vec::new();
        {
            let mut state = self.state.lock();
            state.waiting.shares.leave(taker);
            while let Some((taker, sender)) = state.waiting.take() {
                if sender.is_closed() {
                    state.waiting.shares.leave(&taker);
                } else {
                    granted.push((taker, sender));
                }
            }
        }
        for (taker, sender) in granted {
            // Where nobody waits any more, the place comes back and goes to the next one.
            let _ = sender.send(Place { places: self.clone(), taker });
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
        if state.idle.len() + state.waiting.shares.total() > self.most && !state.idle.is_empty() {
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
        let idle = std::mem::take(&mut state.idle);
        let waiting = state.waiting.clear();
        drop(state);
        drop((idle, waiting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn an_app_has_half_and_the_next_one_waits() {
        let places = Places::<u8>::new(4, 10, PATIENCE);
        let first = places.enter(Taker::of(1), soon()).await.expect("free");
        let _second = places.enter(Taker::of(1), soon()).await.expect("free");
        let late = places.enter(Taker::of(1), Instant::now() + Duration::from_millis(20)).await;
        assert_eq!(late.map(drop), Err(StoreError::Busy("no connection was free in time")));
        let _other = places.enter(Taker::of(2), soon()).await.expect("the other half");
        let (waited, ()) = tokio::join!(places.enter(Taker::of(1), soon()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(first);
        });
        waited.expect("the first one's place");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_loses_nobody_a_place() {
        let places = Places::<u8>::new(2, 10, PATIENCE);
        let first = places.enter(Taker::of(1), soon()).await.expect("free");
        {
            let waiting = places.enter(Taker::of(1), soon());
            tokio::pin!(waiting);
            assert!(futures::poll!(&mut waiting).is_pending());
            // The place is on its way when the one who waits for it goes.
            drop(first);
        }
        let _again = places.enter(Taker::of(1), soon()).await.expect("free again");
        assert!(places.enter(Taker::of(2), soon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_crowd_is_refused_and_leaves_room_for_others() {
        let places = Places::<u8>::new(1, 4, PATIENCE);
        let held = places.enter(Taker::of(1), soon()).await.expect("free");
        let crowd: Vec<_> = (0..2).map(|_| Box::pin(places.enter(Taker::of(1), soon()))).collect();
        let mut crowd = crowd;
        for waiting in &mut crowd {
            assert!(futures::poll!(waiting).is_pending());
        }
        let refused = places.enter(Taker::of(1), soon()).await.map(drop);
        assert_eq!(refused, Err(StoreError::Busy("too many statements wait for a connection")));
        let mut other = Box::pin(places.enter(Taker::of(2), soon()));
        assert!(futures::poll!(&mut other).is_pending());
        drop((crowd, held));
        other.await.expect("its turn");
    }

    /// Its last owner lets go of it while somebody asks whether it could make room.
    struct Going {
        places: Arc<Places<u8>>,
        last: Mutex<Option<Arc<Going>>>,
    }

    impl crate::share::Keeper for Going {
        fn idle_since(&self) -> Option<Instant> {
            self.last.lock().take();
            None
        }

        fn give_back(&self) {}
    }

    impl Drop for Going {
        fn drop(&mut self) {
            self.places.give_back(1, 7);
        }
    }

    #[test]
    fn who_goes_while_he_is_asked_for_his_place_gives_it_back() {
        let (done, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            runtime.block_on(async {
                let places = Places::new(1, 4, Duration::ZERO);
                let going = Arc::new(Going { places: places.clone(), last: Mutex::default() });
                let keeper: Arc<dyn crate::share::Keeper> = going.clone();
                let taker = Taker { keeper: Some(Arc::downgrade(&keeper)), ..Taker::of(1) };
                drop(keeper);
                *going.last.lock() = Some(going.clone());
                drop(going);
                let _held = places.enter(taker, soon()).await.expect("free");
                let late = places.enter(Taker::of(1), Instant::now() + Duration::from_millis(20)).await;
                assert!(late.is_err());
                assert_eq!(places.take_idle(1), Some(7));
            });
            done.send(()).expect("somebody waits");
        });
        wait.recv_timeout(Duration::from_secs(20)).expect("it locks itself out");
    }

    #[test]
    fn a_connection_is_kept_for_the_lane_that_used_it() {
        let places = Places::new(4, 4, PATIENCE);
        places.give_back(1, "a");
        places.give_back(2, "b");
        assert_eq!(places.take_idle(1), Some("a"));
        assert_eq!(places.take_idle(1), Some("b"));
        assert_eq!(places.take_idle(1), None);
    }
}
