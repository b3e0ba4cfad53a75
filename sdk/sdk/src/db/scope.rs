//! What belongs to one request: which rows were fetched together, and what was loaded for all of them. It ends with the request.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use super::key::{KeyMap, RawKey};
use super::related::Loaded;
use super::{Param, Statement, Value, current};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Scope>>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Scope {
    sets: RefCell<Vec<Rc<Set>>>,
}

/// Rows of one model that one query brought.
pub(crate) struct Set {
    model: &'static str,
    /// In the order in which they came.
    keys: RefCell<Vec<RawKey>>,
    places: RefCell<KeyMap>,
    /// How many keys have their place.
    placed: Cell<usize>,
    loads: RefCell<Vec<Rc<Load>>>,
}

/// What one place in the app loads for the rows of a set.
pub(crate) struct Load {
    statement: Statement,
    /// The models whose rows it shows; none where it may be any.
    shows: Option<[&'static str; 2]>,
    /// Something was written since: from then on each row is asked for by itself.
    stale: Cell<bool>,
    pub(crate) rows: RefCell<Loaded>,
}

fn current() -> Option<Rc<Scope>> {
    current::get(&CURRENT)
}

/// Runs a request's work in a scope of its own.
pub(crate) async fn run<T>(work: impl Future<Output = T>) -> T {
    current::run(&CURRENT, Rc::default(), work).await
}

/// A number for rows that come together; 0 outside of a request.
pub(crate) fn new_set(model: &'static str) -> u32 {
    let Some(scope) = current() else { return 0 };
    let mut sets = scope.sets.borrow_mut();
    sets.push(Rc::new(Set {
        model,
        keys: RefCell::default(),
        places: RefCell::default(),
        placed: Cell::new(0),
        loads: RefCell::default(),
    }));
    u32::try_from(sets.len()).unwrap_or(0)
}

/// Notes which rows are in a set.
pub(crate) fn keep_keys(set: u32, keys: impl IntoIterator<Item = RawKey>) {
    if let Some(set) = numbered(set) {
        // Their places are looked up when somebody asks: most sets are never asked.
        set.keys.borrow_mut().extend(keys);
    }
}

fn numbered(set: u32) -> Option<Rc<Set>> {
    let at = usize::try_from(set).ok()?.checked_sub(1)?;
    current()?.sets.borrow().get(at).cloned()
}

/// The set that the row came with. A key that doesn't carry its set (`search`) is looked for, in the latest first.
pub(crate) fn set_of(model: &'static str, key: &RawKey, set: u32, search: bool) -> Option<Rc<Set>> {
    if search {
        let sets = current()?.sets.borrow().clone();
        return sets.into_iter().rev().find(|set| set.model == model && set.place(key).is_some());
    }
    // A row may come from elsewhere, with a number that means another set here.
    numbered(set).filter(|set| set.model == model && set.place(key).is_some())
}

impl Load {
    fn is_of(&self, statement: &Statement) -> bool {
        self.statement.shape == statement.shape && same(&self.statement.params, &statement.params)
    }
}

impl Set {
    /// Where the row is among those of the set.
    pub(crate) fn place(&self, key: &RawKey) -> Option<usize> {
        let (keys, mut places) = (self.keys.borrow(), self.places.borrow_mut());
        while let Some(key) = keys.get(self.placed.get()) {
            places.place_or(key.clone(), self.placed.get());
            self.placed.set(self.placed.get() + 1);
        }
        places.place(key)
    }

    /// The keys of so many rows from a place on.
    pub(crate) fn window(&self, from: usize, count: usize) -> Vec<RawKey> {
        self.keys.borrow().iter().skip(from).take(count).cloned().collect()
    }

    /// What was loaded by this shape with these values, or a place to load it into; none where it is stale.
    pub(crate) fn load(&self, statement: &Statement, shows: Option<[&'static str; 2]>) -> Option<Rc<Load>> {
        let mut loads = self.loads.borrow_mut();
        let known = loads.iter().find(|load| load.is_of(statement));
        match known {
            Some(load) if load.stale.get() => None,
            Some(load) => Some(Rc::clone(load)),
            None => {
                let load = Rc::new(Load {
                    statement: statement.clone(),
                    shows,
                    stale: Cell::new(false),
                    rows: RefCell::default(),
                });
                loads.push(Rc::clone(&load));
                Some(load)
            }
        }
    }
}

/// Something was written to the model, or where it isn't known to which: what was loaded may not be true any more.
pub(crate) fn written(model: Option<&str>) {
    let Some(scope) = current() else { return };
    for set in scope.sets.borrow().iter() {
        for load in set.loads.borrow().iter() {
            let concerns = match (model, load.shows) {
                (Some(model), Some(shows)) => shows.contains(&model),
                _ => true,
            };
            if concerns {
                load.stale.set(true);
                load.rows.take();
            }
        }
    }
}

pub(crate) fn same(left: &[Param], right: &[Param]) -> bool {
    fn same_value(left: &Value, right: &Value) -> bool {
        match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(left), Value::Boolean(right)) => left == right,
            (Value::Integer(left), Value::Integer(right)) => left == right,
            (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::Bytes(left), Value::Bytes(right)) => left == right,
            _ => false,
        }
    }
    left.len() == right.len()
        && left.iter().zip(right).all(|pair| match pair {
            (Param::One(left), Param::One(right)) => same_value(left, right),
            (Param::Many(left), Param::Many(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
            }
            _ => false,
        })
}
