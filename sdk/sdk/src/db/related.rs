//! Rows that belong to a row: what `question.choices()` and `article.tags()` are.
//!
//! The first `question.choices().all()` loads the choices of all questions that were fetched with it, in one query, so a loop over rows
//! doesn't become a query for each. What was loaded is kept until the request ends or something is written to the model; from then on each
//! row is asked for by itself.
//!
//! What can do without the type of the rows does, so that each model of an app adds little to it.

use core::any::Any;
use core::cell::RefCell;
use std::rc::Rc;

use super::field::Path;
use super::key::{Key, KeyMap, RawKey};
use super::meta::ModelMeta;
use super::model::Model;
use super::node::{Lookup, Node, Sorted, Tree};
use super::query::{Distinct, Query, QuerySet};
use super::rows::{Column, Reader};
use super::scope::{self, Load, Set};
use super::shape::Shape;
use super::{Param, Statement, transaction};
use crate::error::Result;

/// The row that other rows belong to, and how.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Pointing {
    pub(crate) parent: &'static str,
    pub(crate) key: RawKey,
    set: u32,
    /// Whether the key doesn't carry its set.
    search: bool,
    pub(crate) by: By,
}

/// How rows belong to a row.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub enum By {
    /// By a foreign key or one-to-one field of theirs.
    Field(&'static str),
    /// By rows of the model `through`, which point to both; `name` is what these rows call the other ones.
    Through { name: &'static str, through: &'static str, source: &'static str, target: &'static str },
}

impl Pointing {
    /// The rows that belong to this one.
    pub fn to<M: Model>(row: &M, by: By) -> Self {
        let key = row.pk();
        Self { parent: M::NAME, key: key.raw(), set: key.set(), search: !M::META.primary_key.is_empty(), by }
    }

    /// The same as a condition on the rows.
    pub(crate) fn condition(self) -> Tree {
        let path = match self.by {
            By::Field(field) => Path::field(field),
            By::Through { name, .. } => Path::field(name),
        };
        Tree::test(Lookup::One("exact", Node::value(self.key.value())), path)
    }
}

/// Rows whose belongings are loaded at once. A list on a page is shorter; of a longer one, not all may be wanted.
const WINDOW: usize = 500;

/// What was loaded for the rows of a set.
#[derive(Default)]
pub(crate) struct Loaded {
    /// The windows of the set that were asked for.
    windows: Vec<usize>,
    blocks: Vec<Block>,
    /// Where the rows of each key are, in their order.
    by_key: KeyMap,
    places: Vec<Vec<Place>>,
    /// What the rows' own relations share.
    columns: Vec<Column>,
}

/// A result as it came.
struct Block {
    bytes: Vec<u8>,
    /// The set that its rows are.
    set: u32,
    /// Its rows, a `RefCell<Vec<Option<M>>>`: each until it is handed out. Then it is read again, since rows needn't be clonable.
    rows: Rc<dyn Any>,
}

#[derive(Clone, Copy)]
struct Place {
    block: usize,
    row: usize,
    at: usize,
}

/// A query for what belongs to a row and to its peers.
pub(crate) struct Shared {
    set: Rc<Set>,
    pointing: Pointing,
    /// With no keys yet in its first hole.
    statement: Statement,
    /// None where what was loaded may be out of date: then the row is asked for by itself.
    load: Option<Rc<Load>>,
    meta: &'static ModelMeta,
}

/// The query as one that is shared by the peers of the row that its rows belong to. Gives it back where it is about the row alone.
pub(crate) fn shared(query: Query, meta: &'static ModelMeta) -> core::result::Result<Result<Shared>, Box<Query>> {
    let alone = query.limit.is_some()
        || query.offset.is_some()
        || query.tail.is_some()
        || !query.with.is_empty()
        || matches!(query.distinct, Distinct::On(_));
    let set = match &query.pointing {
        Some(pointing) if !alone => {
            scope::set_of(pointing.parent, &pointing.key, pointing.set, pointing.search).map(|set| (set, pointing))
        }
        _ => None,
    };
    let Some((set, pointing)) = set else { return Err(Box::new(query)) };
    let pointing = Pointing::clone(pointing);
    // Conditions and orders may go over any relation.
    let shows = match (query.filters.is_empty() && query.order.is_none(), pointing.by) {
        (false, _) => None,
        (true, By::Field(_)) => Some([meta.name, meta.name]),
        (true, By::Through { through, .. }) => Some([meta.name, through]),
    };
    let shared = statement(query, pointing.by, meta).map(|statement| {
        let load = set.load(&statement, shows);
        Shared { set, pointing, statement, load, meta }
    });
    Ok(shared)
}

/// The query for the belongings of several rows. The keys' hole is its first.
fn statement(mut query: Query, by: By, meta: &'static ModelMeta) -> Result<Statement> {
    query.pointing = None;
    // Relations load for all peers anyway, and one more column would be one that no row has.
    query.related.clear();
    let lookup = Lookup::Many("in", Vec::new());
    match by {
        By::Field(field) => {
            query.filters.insert(0, Tree::test(lookup, Path::field(field)));
            let mut shape = Shape::new("select", meta.name);
            shape.select(query, Vec::new());
            shape.finish()
        }
        By::Through { through, source, target, .. } => {
            let mut shape = Shape::new("select", through);
            let columns = meta.columns().map(|column| Path::field(target).then(column));
            shape.fields(core::iter::once(Path::field(source)).chain(columns));
            let order = query.order.take();
            let order = order.unwrap_or_else(|| meta.ordering.iter().map(|word| Sorted::from_word(word)).collect());
            query.order = Some(order);
            let filters = core::mem::take(&mut query.filters);
            shape.filters_of_both(Tree::test(lookup, Path::field(source)), target, filters);
            shape.rest(query);
            shape.finish()
        }
    }
}

impl Shared {
    /// Cells before those of the row itself.
    const fn lead(&self) -> usize {
        match self.pointing.by {
            By::Field(_) => 0,
            By::Through { .. } => 1,
        }
    }

    async fn fetch(&self, keys: &[RawKey]) -> Result<Vec<u8>> {
        let mut statement = self.statement.clone();
        if let Some(first) = statement.params.first_mut() {
            *first = Param::Many(keys.iter().map(RawKey::value).collect());
        }
        transaction::fetch_packed(statement).await
    }

    /// The rows that belong to the row.
    pub(crate) async fn all<M: Model>(self) -> Result<Vec<M>> {
        let Some(load) = &self.load else {
            let bytes = self.fetch(core::slice::from_ref(&self.pointing.key)).await?;
            let mut rows = Vec::new();
            self.read(&mut Loaded::default(), bytes, &mut |reader| {
                let row = M::read(reader)?;
                let key = row.pk().raw();
                rows.push(row);
                Ok(key)
            })?;
            return Ok(rows);
        };
        let place = self.set.place(&self.pointing.key).unwrap_or_default();
        let window = place / WINDOW;
        if !load.rows.borrow().windows.contains(&window) {
            let bytes = self.fetch(&self.set.window(window * WINDOW, WINDOW)).await?;
            let rows = Rc::new(RefCell::new(Vec::<Option<M>>::new()));
            let loaded = &mut *load.rows.borrow_mut();
            // Another task may have been faster.
            if loaded.windows.contains(&window) {
                return self.hand_out(loaded);
            }
            let block = self.read(loaded, bytes, &mut |reader| {
                let row = M::read(reader)?;
                let key = row.pk().raw();
                rows.borrow_mut().push(Some(row));
                Ok(key)
            })?;
            loaded.blocks.push(Block { rows: Rc::clone(&rows) as Rc<dyn Any>, ..block });
            loaded.windows.push(window);
        }
        self.hand_out(&mut load.rows.borrow_mut())
    }

    /// Reads a result and notes where its rows are. `row` reads one and tells its key.
    fn read(
        &self,
        loaded: &mut Loaded,
        bytes: Vec<u8>,
        row: &mut dyn FnMut(&mut Reader<'_>) -> Result<RawKey>,
    ) -> Result<Block> {
        let lead = self.lead();
        let mut reader = Reader::packed(self.meta.name, self.meta.width() + lead, &bytes)?;
        reader.share(core::mem::take(&mut loaded.columns), lead);
        let set = reader.begin_set(self.meta.name);
        let column = match self.pointing.by {
            By::Field(field) => self.meta.column(field).unwrap_or_default(),
            By::Through { .. } => 0,
        };
        let (block, mut count, mut keys) = (loaded.blocks.len(), 0, Vec::new());
        let mut pairs = KeyMap::default();
        while reader.begin_row() {
            let key = reader.peek_key(column)?;
            reader.skip(lead);
            let place = Place { block, row: count, at: reader.position(&bytes) };
            let found = row(&mut reader)?;
            keys.push(found.clone());
            count += 1;
            let next = loaded.places.len();
            let of_key = loaded.by_key.place_or(key, next);
            if of_key == next {
                loaded.places.push(Vec::new());
            }
            // Several rows between may lead to the same one, which belongs to the row once.
            if lead > 0 {
                let of_key = RawKey::Integer(i64::try_from(of_key).unwrap_or_default());
                if pairs.place_or(RawKey::Several(vec![of_key, found]), count) != count {
                    continue;
                }
            }
            loaded.places[of_key].push(place);
        }
        scope::keep_keys(set, keys);
        loaded.columns = reader.into_columns();
        Ok(Block { bytes, set, rows: Rc::new(()) })
    }

    fn hand_out<M: Model>(&self, loaded: &mut Loaded) -> Result<Vec<M>> {
        let Some(places) = loaded.by_key.place(&self.pointing.key).and_then(|of_key| loaded.places.get(of_key)) else {
            return Ok(Vec::new());
        };
        let mut out = Vec::with_capacity(places.len());
        for Place { block, row, at } in places {
            let Some(block) = loaded.blocks.get(*block) else { continue };
            let kept = block.rows.downcast_ref::<RefCell<Vec<Option<M>>>>();
            if let Some(row) = kept.and_then(|rows| rows.borrow_mut().get_mut(*row)?.take()) {
                out.push(row);
                continue;
            }
            let mut reader = Reader::again(self.meta.name, block.bytes.get(*at..).unwrap_or_default(), self.lead());
            reader.share(core::mem::take(&mut loaded.columns), self.lead());
            reader.of_set(block.set);
            let row = M::read(&mut reader);
            loaded.columns = reader.into_columns();
            out.push(row?);
        }
        Ok(out)
    }
}

impl<M: Model> QuerySet<M> {
    /// The only row that belongs to a row by a one-to-one field: what `user.profile()` asks.
    #[doc(hidden)]
    pub async fn belonging(self) -> Result<Option<M>> {
        Ok(self.all().await?.pop())
    }
}
