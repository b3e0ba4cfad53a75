//! Rows that belong to a row: what `question.choices()` and `article.tags()` are.
//!
//! The first `question.choices().all()` loads the choices of all questions that were fetched with it, in one query, so a loop over rows
//! doesn't become a query for each. What was loaded is kept until the request ends or something is written to the model; from then on each
//! row is asked for by itself.

use core::any::Any;
use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::field::Path;
use super::key::{Key, RawKey};
use super::model::Model;
use super::node::{Lookup, Node, Sorted, Tree};
use super::query::{Distinct, Query, QuerySet};
use super::rows::{Column, Reader};
use super::scope::{self, Load, Set};
use super::shape::Shape;
use super::{Statement, transaction};
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
struct Loaded<M> {
    /// The windows of the set that were asked for, by the place of their first row.
    windows: RefCell<BTreeSet<usize>>,
    blocks: RefCell<Vec<Block>>,
    rows: RefCell<BTreeMap<RawKey, Vec<Held<M>>>>,
    /// What the rows' own relations share.
    columns: RefCell<Vec<Column>>,
}

/// A result as it came.
struct Block {
    bytes: Vec<u8>,
    /// The set that its rows are.
    set: u32,
}

struct Held<M> {
    block: usize,
    at: usize,
    /// Until it is handed out; then it is read again, since rows needn't be clonable.
    row: Option<M>,
}

/// The rows of the query, loaded with those of all peers of the row that they belong to; none where they have to be asked for by
/// themselves, which gives the query back.
pub(crate) async fn all<M: Model>(query: Query) -> core::result::Result<Result<Vec<M>>, Query> {
    let Some(pointing) = query.pointing.as_deref().cloned() else { return Err(query) };
    let alone = query.limit.is_some()
        || query.offset.is_some()
        || query.tail.is_some()
        || matches!(query.distinct, Distinct::On(_));
    let set = match alone {
        true => None,
        false => scope::set_of(pointing.parent, &pointing.key, pointing.set, pointing.search),
    };
    let Some(set) = set else { return Err(query) };
    let template = match statement::<M>(query.clone(), pointing.by, &[]) {
        Ok(template) => template,
        Err(error) => return Ok(Err(error)),
    };
    // Conditions and orders may go over any relation.
    let shows = match (query.filters.is_empty() && query.order.is_none(), pointing.by) {
        (false, _) => None,
        (true, By::Field(_)) => Some([M::NAME, M::NAME]),
        (true, By::Through { through, .. }) => Some([M::NAME, through]),
    };
    let Some(load) = set.load(template.shape, template.params, shows) else { return Err(query) };
    Ok(of_set(query, &pointing, &set, &load).await)
}

async fn of_set<M: Model>(query: Query, pointing: &Pointing, set: &Set, load: &Load) -> Result<Vec<M>> {
    let known = load.rows.borrow().clone().and_then(|rows| rows.downcast::<Loaded<M>>().ok());
    let loaded = known.unwrap_or_else(|| {
        let loaded = Rc::new(Loaded::<M> {
            windows: RefCell::default(),
            blocks: RefCell::default(),
            rows: RefCell::default(),
            columns: RefCell::default(),
        });
        load.rows.replace(Some(Rc::clone(&loaded) as Rc<dyn Any>));
        loaded
    });
    let place = set.place(&pointing.key).unwrap_or_default();
    let window = place / WINDOW;
    if !loaded.windows.borrow().contains(&window) {
        let keys = set.window(place, WINDOW);
        let bytes = transaction::fetch_packed(statement::<M>(query, pointing.by, &keys)?).await?;
        loaded.keep(bytes, pointing.by)?;
        // Only what came is loaded: a query that failed is asked again.
        loaded.windows.borrow_mut().insert(window);
    }
    loaded.hand_out(&pointing.key, pointing.by)
}

/// Cells before those of the row itself.
const fn lead(by: By) -> usize {
    match by {
        By::Field(_) => 0,
        By::Through { .. } => 1,
    }
}

/// The query for the belongings of several rows. The keys' hole is its first.
fn statement<M: Model>(mut query: Query, by: By, keys: &[RawKey]) -> Result<Statement> {
    let keys = keys.iter().map(RawKey::value).collect();
    query.pointing = None;
    // Relations load for all peers anyway, and one more column would be one that no row has.
    query.related.clear();
    let lookup = Lookup::Many("in", keys);
    match by {
        By::Field(field) => {
            query.filters.insert(0, Tree::test(lookup, Path::field(field)));
            let mut shape = Shape::new("select", M::NAME);
            shape.select(query, Vec::new());
            shape.finish()
        }
        By::Through { through, source, target, .. } => {
            let mut shape = Shape::new("select", through);
            let columns = M::META.columns().map(|column| Path::field(target).then(column));
            shape.fields(core::iter::once(Path::field(source)).chain(columns));
            let order = query.order.take();
            let order = order.unwrap_or_else(|| M::META.ordering.iter().map(|word| Sorted::from_word(word)).collect());
            query.order = Some(order);
            let filters = core::mem::take(&mut query.filters);
            shape.filters_of_both(Tree::test(lookup, Path::field(source)), target, filters);
            shape.rest(query);
            shape.finish()
        }
    }
}

impl<M: Model> Loaded<M> {
    /// Reads a result, puts its rows by the key of the row that they belong to.
    fn keep(&self, bytes: Vec<u8>, by: By) -> Result<()> {
        let lead = lead(by);
        let mut blocks = self.blocks.borrow_mut();
        let mut reader = Reader::packed(M::NAME, M::META.width() + lead, &bytes)?;
        reader.share(self.columns.take(), lead);
        let set = reader.is_a_set::<M>();
        let column = match by {
            By::Field(field) => M::META.column(field).unwrap_or_default(),
            By::Through { .. } => 0,
        };
        let mut rows = self.rows.borrow_mut();
        let mut all = Vec::new();
        while reader.begin_row() {
            let key = reader.peek_key(column)?;
            reader.skip(lead);
            let at = reader.position(&bytes);
            let row = M::read(&mut reader)?;
            all.push(row.pk().raw());
            rows.entry(key).or_default().push(Held { block: blocks.len(), at, row: Some(row) });
        }
        scope::keep_keys(set, all);
        self.columns.replace(reader.into_columns());
        blocks.push(Block { bytes, set });
        Ok(())
    }

    fn hand_out(&self, key: &RawKey, by: By) -> Result<Vec<M>> {
        let mut rows = self.rows.borrow_mut();
        let blocks = self.blocks.borrow();
        let Some(held) = rows.get_mut(key) else { return Ok(Vec::new()) };
        let mut out = Vec::with_capacity(held.len());
        for held in held {
            if let Some(row) = held.row.take() {
                out.push(row);
                continue;
            }
            let Some(block) = blocks.get(held.block) else { continue };
            let mut reader = Reader::again(M::NAME, block.bytes.get(held.at..).unwrap_or_default(), lead(by));
            reader.share(self.columns.take(), lead(by));
            reader.of_set(block.set);
            let row = M::read(&mut reader);
            self.columns.replace(reader.into_columns());
            out.push(row?);
        }
        Ok(out)
    }
}

impl<M: Model> QuerySet<M> {
    /// The only row that belongs to a row by a one-to-one field: what `user.profile()` asks.
    #[doc(hidden)]
    pub async fn belonging(self) -> Result<Option<M>> {
        Ok(self.all().await?.into_iter().next())
    }
}
