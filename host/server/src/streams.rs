//! HTTP/2's streams as tasks that can be ended from outside: hyper offers no other way to give one up while it waits for
//! its client to make room.

use std::future::Future;

use futures::future::{AbortHandle, Abortable};

tokio::task_local! {
    /// What ends the stream whose task runs.
    static STREAM: AbortHandle;
}

/// Runs what hyper spawns: the streams of HTTP/2 connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Streams;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (handle, registration) = AbortHandle::new_pair();
        tokio::spawn(STREAM.scope(handle, Abortable::new(stream, registration)));
    }
}

/// What ends the stream that the caller runs in; none in an HTTP/1 connection.
pub(crate) fn current() -> Option<AbortHandle> {
    STREAM.try_with(Clone::clone).ok()
}
