//! What a connection keeps prepared, by a statement's identity.

use std::collections::HashMap;

/// At most so many; the ones used longest ago go first.
pub(crate) struct Prepared<S> {
    kept: HashMap<u64, (S, u64)>,
    clock: u64,
    most: usize,
}

impl<S> Prepared<S> {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: HashMap::new(), clock: 0, most }
    }

    pub(crate) fn get(&mut self, id: u64) -> Option<&S> {
        self.clock += 1;
        let (statement, used) = self.kept.get_mut(&id)?;
        *used = self.clock;
        Some(statement)
    }

    /// Keeps one and gives those that have to go.
    pub(crate) fn keep(&mut self, id: u64, statement: S) -> Vec<S> {
        let mut gone = Vec::new();
        if self.kept.len() >= self.most {
            // Rare, so a look at all of them costs less than keeping an order on every use.
            let mut ages: Vec<(u64, u64)> = self.kept.iter().map(|(id, (_, used))| (*used, *id)).collect();
            ages.sort_unstable();
            let oldest = ages.into_iter().take(self.most / 4 + 1);
            gone = oldest.filter_map(|(_, id)| self.kept.remove(&id)).map(|(statement, _)| statement).collect();
        }
        self.kept.insert(id, (statement, self.clock));
        gone
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    pub(crate) fn forget(&mut self, id: u64) {
        self.kept.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut prepared = Prepared::new(4);
        for id in 0..4 {
            assert!(prepared.keep(id, id).is_empty());
            prepared.get(0);
        }
        let mut gone = prepared.keep(9, 9);
        gone.sort_unstable();
        assert_eq!(gone, [1, 2]);
        assert_eq!(prepared.get(0), Some(&0));
        assert_eq!(prepared.get(1), None);
    }
}
