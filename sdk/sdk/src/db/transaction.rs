//! Transactions, and the one place where statements leave the app.
//!
//! The current transaction is set around each poll of the work inside it, so it belongs to that work alone: other tasks of the
//! same instance, which run while this one waits, don't see it.

use core::cell::RefCell;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::rc::Rc;

use super::{Outcome, Statement};
use crate::bindings::bandstand::db::queries::{self, Transaction};
use crate::error::{Error, Result};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Transaction>>> = const { RefCell::new(None) };
}

fn current() -> Option<Rc<Transaction>> {
    CURRENT.with_borrow(Clone::clone)
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

/// One run of a transaction's work; `alone` from the beginning or from its first write on.
async fn attempt<T>(work: impl Future<Output = Result<T>>, alone: bool) -> Result<T> {
    let transaction = Rc::new(Transaction::begin().await?);
    if alone {
        // A savepoint takes the write lease, and nothing changes while somebody has it.
        transaction.savepoint().await?;
    }
    match (Inside { transaction: Rc::clone(&transaction), work: pin!(work) }).await {
        Ok(value) => {
            transaction.commit().await?;
            Ok(value)
        }
        Err(error) => {
            // The first error is the one to tell; the host rolls back in any case when the transaction is dropped.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

/// Work whose errors undo its own part of the transaction alone.
async fn within<T>(outer: &Transaction, work: impl Future<Output = Result<T>>) -> Result<T> {
    let savepoint = outer.savepoint().await?;
    let result = work.await;
    if result.is_err() {
        outer.rollback_to(savepoint).await?;
    }
    outer.release(savepoint).await?;
    result
}

struct Inside<'a, F> {
    transaction: Rc<Transaction>,
    work: Pin<&'a mut F>,
}

/// Puts back what was there before, also when the work panics.
struct Restore(Option<Rc<Transaction>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl<F: Future> Future for Inside<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _restore = Restore(CURRENT.replace(Some(Rc::clone(&self.transaction))));
        self.work.as_mut().poll(context)
    }
}

pub(crate) async fn fetch_packed(statement: Statement) -> Result<Vec<u8>> {
    match current() {
        Some(transaction) => transaction.fetch_packed(statement).await,
        None => queries::fetch_packed(statement).await,
    }
    .map_err(Error::from)
}

pub(crate) async fn execute(statement: Statement) -> Result<Outcome> {
    match current() {
        Some(transaction) => transaction.execute(statement).await,
        None => queries::execute(statement).await,
    }
    .map_err(Error::from)
}

/// All or none, in one call; within a transaction behind a savepoint.
pub(crate) async fn batch(statements: Vec<Statement>) -> Result<Vec<Outcome>> {
    let Some(outer) = current() else {
        return queries::batch(statements).await.map_err(Error::from);
    };
    within(&outer, async {
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            outcomes.push(execute(statement).await?);
        }
        Ok(outcomes)
    })
    .await
}
