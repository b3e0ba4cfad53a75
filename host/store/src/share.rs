//! Who may have how many of the places that all apps share: reading threads, or a server's connections.
//!
//! An app may have half of what the others leave, so that however many are greedy, the next one finds a place; and whoever
//! has fewest gets the next one that is free. What keeps a place for as long as its request wants (a cursor) leaves a
//! quarter of them to what is soon done, and gives its own back where it doesn't use it while others wait.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::error::StoreError;

/// The lane of the host itself.
pub(crate) const HOST_LANE: u64 = 0;

/// Whoever keeps a place for as long as somebody else wants.
pub trait Keeper: Send + Sync {
    /// Since when it has had its place without using it; `None` while it uses it, and where it has none.
    fn idle_since(&self) -> Option<Instant>;

    /// Gives the place back, if it still doesn't use it.
    fn give_back(&self);
}

/// Who wants a place.
#[derive(Clone)]
pub(crate) struct Taker {
    pub(crate) lane: u64,
    /// The most places that the operator lets the app have.
    pub(crate) most: usize,
    /// The one who decides how long it is kept, where that isn't the database alone.
    pub(crate) keeper: Option<Weak<dyn Keeper>>,
}

impl Taker {
    #[cfg(test)]
    pub(crate) fn of(lane: u64) -> Self {
        Self { lane, most: usize::MAX, keeper: None }
    }

    pub(crate) fn host() -> Self {
        Self { lane: HOST_LANE, most: usize::MAX, keeper: None }
    }
}

/// Which places are taken.
pub(crate) struct Shares {
    places: usize,
    taken: HashMap<u64, usize>,
    total: usize,
    kept: usize,
    keepers: Vec<(u64, Weak<dyn Keeper>)>,
}

impl Shares {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, taken: HashMap::new(), total: 0, kept: 0, keepers: Vec::new() }
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// How many a lane has.
    pub(crate) fn of(&self, lane: u64) -> usize {
        self.taken.get(&lane).copied().unwrap_or(0)
    }

    pub(crate) fn has_room(&self, taker: &Taker) -> bool {
        if self.total >= self.places {
            return false;
        }
        let mine = self.of(taker.lane);
        let left = self.places - (self.total - mine);
        // The host's own work is rare and short.
        let share = if taker.lane == HOST_LANE { self.places } else { left.div_ceil(2) };
        mine < share.min(taker.most) && (taker.keeper.is_none() || self.kept < self.most_kept())
    }

    /// Why there is no room.
    pub(crate) fn why_not(&self, taker: &Taker) -> StoreError {
        if self.of(taker.lane) >= taker.most {
            return StoreError::Busy("the app has all connections that its quota lets it have at once (`connections`)");
        }
        StoreError::Busy("no connection was free in time")
    }

    /// The most places that may be kept. A pool of one has nothing to set apart.
    fn most_kept(&self) -> usize {
        (self.places - self.places.div_ceil(4)).max(1)
    }

    pub(crate) fn take(&mut self, taker: &Taker) {
        self.total += 1;
        *self.taken.entry(taker.lane).or_default() += 1;
        if let Some(keeper) = &taker.keeper {
            self.kept += 1;
            self.keepers.push((taker.lane, keeper.clone()));
        }
    }

    pub(crate) fn leave(&mut self, taker: &Taker) {
        self.total -= 1;
        if let Some(taken) = self.taken.get_mut(&taker.lane) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&taker.lane);
            }
        }
        if let Some(left) = &taker.keeper {
            self.kept -= 1;
            self.keepers.retain(|(_, keeper)| !Weak::ptr_eq(keeper, left));
        }
    }

    /// Who may have to make room for one of `lane`: keepers of its own, and of lanes that have more places.
    pub(crate) fn keepers_for(&self, lane: u64) -> Keepers {
        let mine = self.of(lane);
        let all = self.keepers.iter().map(|(of, keeper)| (*of, self.of(*of), keeper));
        Keepers(
            all.filter(|(of, has, _)| *of == lane || *has > mine).map(|(_, has, kept)| (has, kept.clone())).collect(),
        )
    }

    /// All keepers.
    pub(crate) fn keepers(&self) -> Keepers {
        Keepers(self.keepers.iter().map(|(_, keeper)| (0, keeper.clone())).collect())
    }
}

/// Keepers, and how many places the lane of each has. Ask them for nothing while the places are locked: who lets go of a
/// keeper last gives back its place.
pub(crate) struct Keepers(Vec<(usize, Weak<dyn Keeper>)>);

impl Keepers {
    /// Those that don't use their places: since when, and how many places their lanes have.
    fn idle(self) -> impl Iterator<Item = (usize, Instant, Arc<dyn Keeper>)> {
        self.0.into_iter().filter_map(|(has, keeper)| {
            let keeper = keeper.upgrade()?;
            Some((has, keeper.idle_since()?, keeper))
        })
    }

    /// The one that has to make room: of the lane with most places the one that has been idle for longest. Where none has been
    /// for `patience`, when to ask again.
    fn dispensable(self, patience: Duration) -> Result<Arc<dyn Keeper>, Instant> {
        let now = Instant::now();
        let (ripe, green): (Vec<_>, Vec<_>) = self.idle().partition(|(_, since, _)| *since + patience <= now);
        match ripe.into_iter().max_by_key(|(has, since, _)| (*has, now.duration_since(*since))) {
            Some((.., keeper)) => Ok(keeper),
            None => Err(green.into_iter().map(|(_, since, _)| since + patience).min().unwrap_or(now + patience)),
        }
    }

    /// Makes one of them give back its place. Returns when to look again.
    pub(crate) fn make_room(self, patience: Duration) -> Instant {
        self.dispensable(patience).map_or_else(
            |at| at,
            |keeper| {
                keeper.give_back();
                Instant::now() + patience
            },
        )
    }

    /// Makes all that are idle give back their places.
    pub(crate) fn give_back(self) {
        self.idle().for_each(|(.., keeper)| keeper.give_back());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Idle(Option<Instant>);

    impl Keeper for Idle {
        fn idle_since(&self) -> Option<Instant> {
            self.0
        }

        fn give_back(&self) {}
    }

    fn keeper(lane: u64, idle: Duration) -> (Taker, Arc<dyn Keeper>) {
        let keeper: Arc<dyn Keeper> = Arc::new(Idle(Instant::now().checked_sub(idle)));
        (Taker { keeper: Some(Arc::downgrade(&keeper)), ..Taker::of(lane) }, keeper)
    }

    /// How many places each of `lanes` gets that takes all it can.
    fn greedy(places: usize, lanes: u64) -> Vec<usize> {
        let mut shares = Shares::new(places);
        for lane in 1..=lanes {
            while shares.has_room(&Taker::of(lane)) {
                shares.take(&Taker::of(lane));
            }
        }
        (1..=lanes).map(|lane| shares.of(lane)).collect()
    }

    #[test]
    fn each_gets_half_of_what_the_others_leave() {
        assert_eq!(greedy(4, 3), [2, 1, 1]);
        assert_eq!(greedy(16, 5), [8, 4, 2, 1, 1]);
        assert_eq!(greedy(1, 2), [1, 0]);
    }

    #[test]
    fn the_operators_number_holds_as_well() {
        let mut shares = Shares::new(16);
        let taker = Taker { most: 2, ..Taker::of(1) };
        shares.take(&taker);
        assert!(shares.has_room(&taker));
        shares.take(&taker);
        assert!(!shares.has_room(&taker));
        assert!(shares.has_room(&Taker::of(2)));
    }

    #[test]
    fn a_quarter_is_never_kept() {
        for (places, most) in [(1, 1), (2, 1), (4, 3), (8, 6), (16, 12)] {
            let (mut shares, mut kept) = (Shares::new(places), Vec::new());
            for lane in 1..100 {
                let (taker, keeper) = keeper(lane, Duration::ZERO);
                if shares.has_room(&taker) {
                    shares.take(&taker);
                    kept.push((taker, keeper));
                }
            }
            assert_eq!(kept.len(), most, "of {places}");
            assert_eq!(shares.has_room(&Taker::of(200)), places > 1);
            for (taker, _) in &kept {
                shares.leave(taker);
            }
            assert_eq!((shares.total(), shares.keepers().0.len()), (0, 0));
        }
    }

    #[test]
    fn who_has_most_and_is_idle_for_longest_makes_room() {
        let mut shares = Shares::new(16);
        let seconds = Duration::from_secs;
        let takers = [(1, 3), (1, 5), (2, 9)].map(|(lane, idle)| keeper(lane, seconds(idle)));
        for (taker, _) in &takers {
            shares.take(taker);
        }
        let chosen = |lane, patience| {
            let keeper = shares.keepers_for(lane).dispensable(seconds(patience)).ok()?;
            takers.iter().position(|(_, other)| Arc::ptr_eq(other, &keeper))
        };
        assert_eq!(chosen(3, 1), Some(1));
        assert_eq!(chosen(3, 4), Some(1));
        assert_eq!(chosen(3, 7), Some(2));
        assert_eq!(chosen(3, 20), None);
        // Nobody drives away those who have no more than himself.
        assert_eq!(chosen(2, 7), Some(2));
        assert_eq!(chosen(1, 1), Some(1));
        assert_eq!(chosen(1, 7), None);
    }
}
