//! Transactions, and the one place where statements leave the app.

use core::cell::RefCell;
use core::pin::Pin;
use std::rc::Rc;

use super::{Outcome, Statement, current, scope};
use crate::bindings::bandstand::db::queries::{self, Transaction};
use crate::error::{Error, Result};

/// A transaction that is open.
struct Active {
    host: Transaction,
    /// What is to happen once it is final.
    hooks: RefCell<Vec<Hook>>,
}

type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<()>>>>>;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Active>>> = const { RefCell::new(None) };
}

fn current() -> Option<Rc<Active>> {
    current::get(&CURRENT)
}

/// Runs `work` so that all it writes takes effect together or not at all.
///
/// Every query inside, also in functions that it calls, is part of the transaction. It is committed when `work` ends with `Ok` and rolled
/// back when it ends with `Err`, is dropped, or panics. Inside another transaction it is a savepoint: an error undoes its own
/// part alone.
///
/// What `work` reads is still true when it writes. Where the app's data changed between its first read and its first write, the host
/// answers `conflict-retry`; all is undone and `work` runs once more, this time alone from its beginning. So it must have no other effects
/// than those in the database, and it borrows or clones what it needs from outside.
///
/// It holds the site's only write lease from its first write on, so keep it short: by default the host rolls it back after 50 ms between
/// two statements or 500 ms in all. Fetch what you need from elsewhere before.
///
/// ```ignore
/// transaction(async || {
///     let mut book = Book::objects().get_or_404(id).await?;
///     book.copies -= 1;
///     book.save().await
/// })
/// .await?;
/// ```
///
/// Errors: that of `work`, and those of opening and committing.
pub async fn transaction<T>(work: impl AsyncFn() -> Result<T>) -> Result<T> {
    if let Some(outer) = current() {
        return within(&outer, work()).await;
    }
    match attempt(work(), false).await {
        Err(error) if error.code() == CONFLICT => attempt(work(), true).await,
        result => result,
    }
}

/// The host's word for data that changed under a transaction which had only read so far.
const CONFLICT: &str = "conflict-retry";

/// As [`transaction`], and never inside another one: when it returns `Ok`, it is on disk.
///
/// Errors: a 500 inside of another one, before `work` begins.
pub async fn durable_transaction<T>(work: impl AsyncFn() -> Result<T>) -> Result<T> {
    if current().is_some() {
        return Err(Error::internal("a durable transaction inside of another one, which decides whether it lasts"));
    }
    transaction(work).await
}

/// Runs `work` once the current transaction is final: after the commit of the outermost one, in the order of these calls, and never where it
/// was rolled back, be it in whole or up to a savepoint before the call. Outside of a transaction it runs now.
///
/// What it returns as an error goes to the log: what was committed stays so. Inside, `work` owns what it needs:
///
/// ```ignore
/// let id = order.id;
/// on_commit(async move || notify(id).await).await?;
/// ```
///
/// Errors: outside of a transaction that of `work`.
pub async fn on_commit(work: impl AsyncFnOnce() -> Result<()> + 'static) -> Result<()> {
    match current() {
        Some(transaction) => {
            let hook: Hook = Box::new(move || Box::pin(work()));
            transaction.hooks.borrow_mut().push(hook);
            Ok(())
        }
        None => work().await,
    }
}

/// Whether a transaction is open.
pub(super) fn is_open() -> bool {
    current().is_some()
}

/// One run of a transaction's work; `alone` from the beginning or from its first write on.
pub(super) async fn attempt<T>(work: impl Future<Output = Result<T>>, alone: bool) -> Result<T> {
    // What the transaction reads must be read in it.
    scope::written(None);
    let transaction = Rc::new(Active { host: Transaction::begin().await?, hooks: RefCell::default() });
    if alone {
        // A savepoint takes the write lease, and nothing changes while somebody has it.
        transaction.host.savepoint().await?;
    }
    let result = current::run(&CURRENT, Rc::clone(&transaction), work).await;
    scope::written(None);
    match result {
        Ok(value) => {
            transaction.host.commit().await?;
            let hooks = transaction.hooks.take();
            drop(transaction);
            for hook in hooks {
                if let Err(error) = hook().await {
                    crate::log::write(crate::log::Level::Error, format_args!("on_commit: {error:?}"));
                }
            }
            Ok(value)
        }
        Err(error) => {
            // The first error is the one to tell; the host rolls back in any case when the transaction is dropped.
            let _ = transaction.host.rollback().await;
            Err(error)
        }
    }
}

/// Work whose errors undo its own part of the transaction alone.
async fn within<T>(outer: &Active, work: impl Future<Output = Result<T>>) -> Result<T> {
    let hooks = outer.hooks.borrow().len();
    let savepoint = outer.host.savepoint().await?;
    let result = work.await;
    if result.is_err() {
        scope::written(None);
        outer.hooks.borrow_mut().truncate(hooks);
        outer.host.rollback_to(savepoint).await?;
    }
    outer.host.release(savepoint).await?;
    result
}

/// Runs work whose error must not end the transaction around it, where there is one.
pub(crate) async fn savepoint<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match current() {
        Some(outer) => within(&outer, work).await,
        None => work.await,
    }
}

pub(crate) async fn fetch_packed(statement: Statement) -> Result<Vec<u8>> {
    #[cfg(test)]
    return Ok(fake::fetch(statement));
    #[cfg(not(test))]
    match current() {
        Some(transaction) => transaction.host.fetch_packed(statement).await,
        None => queries::fetch_packed(statement).await,
    }
    .map_err(Error::from)
}

/// Reads piece by piece.
pub(crate) async fn open(statement: Statement) -> Result<queries::Cursor> {
    match current() {
        Some(transaction) => transaction.host.open(statement).await,
        None => queries::open(statement).await,
    }
    .map_err(Error::from)
}

/// Writes. `model` is the one whose rows change; none where they may be of any.
pub(crate) async fn execute(statement: Statement, model: Option<&str>) -> Result<Outcome> {
    #[cfg(test)]
    let result = fake::execute(statement);
    #[cfg(not(test))]
    let result = match current() {
        Some(transaction) => transaction.host.execute(statement).await,
        None => queries::execute(statement).await,
    };
    scope::written(model);
    result.map_err(Error::from)
}

/// All or none, in one call; within a transaction behind a savepoint.
pub(crate) async fn batch(statements: Vec<Statement>, model: &'static str) -> Result<Vec<Outcome>> {
    let Some(outer) = current() else {
        let result = queries::batch(statements).await;
        scope::written(Some(model));
        return result.map_err(Error::from);
    };
    within(&outer, async {
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            outcomes.push(execute(statement, Some(model)).await?);
        }
        Ok(outcomes)
    })
    .await
}

/// The host, in unit tests: what was asked is noted, and what was said before is answered.
#[cfg(test)]
pub(crate) mod fake {
    use super::{Outcome, RefCell, Statement};
    use crate::bindings::bandstand::db::types::Error;

    thread_local! {
        static ASKED: RefCell<Vec<Statement>> = const { RefCell::new(Vec::new()) };
        static ANSWERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }

    /// The next reading statement is answered with this.
    pub(crate) fn answer(packed: Vec<u8>) {
        ANSWERS.with_borrow_mut(|answers| answers.insert(0, packed));
    }

    /// What was asked since the last call.
    pub(crate) fn asked() -> Vec<Statement> {
        ASKED.take()
    }

    pub(super) fn fetch(statement: Statement) -> Vec<u8> {
        ASKED.with_borrow_mut(|asked| asked.push(statement));
        ANSWERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; 8])
    }

    pub(super) fn execute(statement: Statement) -> Result<Outcome, Error> {
        ASKED.with_borrow_mut(|asked| asked.push(statement));
        Ok(Outcome { affected: 1, returned: super::super::Rows { width: 0, cells: Vec::new() } })
    }
}
