//! A query that was put together and is asked when it is awaited.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::error::Result;

/// A query under way: await it.
///
/// It has no type but that of its answer, so that a wrong argument is told once, where it is written, and not again for the
/// future that it would have become a part of.
#[must_use = "a query asks nothing until it is awaited"]
pub struct Pending<T>(Pin<Box<dyn Future<Output = Result<T>>>>);

impl<T> Pending<T> {
    pub(crate) fn new(work: impl Future<Output = Result<T>> + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.0.as_mut().poll(context)
    }
}
