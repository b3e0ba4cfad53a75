//! What holds while some work runs: a request's scope, a transaction.
//!
//! It is set around each poll of the work, so it belongs to that work alone: others of the same instance, which run while this one waits, don't
//! see it, and it ends with the work.

use core::cell::RefCell;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::rc::Rc;
use std::thread::LocalKey;

/// The place of something that holds.
pub(super) type Current<T> = LocalKey<RefCell<Option<Rc<T>>>>;

pub(super) fn get<T>(current: &'static Current<T>) -> Option<Rc<T>> {
    current.with_borrow(Clone::clone)
}

/// Runs `work` while `value` holds.
pub(super) async fn run<T, R>(current: &'static Current<T>, value: Rc<T>, work: impl Future<Output = R>) -> R {
    Inside { current, value, work: pin!(work) }.await
}

struct Inside<'a, T: 'static, F> {
    current: &'static Current<T>,
    value: Rc<T>,
    work: Pin<&'a mut F>,
}

/// Puts back what was there before, also when the work panics.
struct Restore<T: 'static>(&'static Current<T>, Option<Rc<T>>);

impl<T> Drop for Restore<T> {
    fn drop(&mut self) {
        self.0.set(self.1.take());
    }
}

impl<T, F: Future> Future for Inside<'_, T, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _restore = Restore(self.current, self.current.replace(Some(Rc::clone(&self.value))));
        self.work.as_mut().poll(context)
    }
}
