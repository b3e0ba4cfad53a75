//! Bodies across the wall: a request's into the guest, a response's out of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::mpsc;
use host_core::context::RequestContext;
use host_core::http::{Body, BodyError};
use http_body::{Body as _, Frame};
use http_body_util::Limited;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult};

use crate::data::Data;
use crate::driver::Driver;
use crate::failure::Failure;

/// A request's body that ends with an error past `limit` bytes.
pub(crate) fn bounded(body: Body, limit: usize) -> Body {
    if body.is_empty() { body } else { Body::stream(Limited::new(body, limit)) }
}

/// A request's body as a guest's stream.
pub(crate) struct BodyProducer {
    body: Body,
    ctx: Arc<RequestContext>,
}

impl BodyProducer {
    pub(crate) fn new(body: Body, ctx: Arc<RequestContext>) -> Self {
        Self { body, ctx }
    }
}

impl StreamProducer<Data> for BodyProducer {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, Data>,
        mut destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        loop {
            let frame = Pin::new(&mut self.body).poll_frame(cx);
            self.ctx.set_awaits_body(frame.is_pending());
            return match frame {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        self.ctx.budget.charge_hostcall(bytes.len() as u64)?;
                        destination.set_buffer(bytes);
                        Poll::Ready(Ok(StreamResult::Completed))
                    }
                    // Trailers and empty frames carry nothing for the guest.
                    _ => continue,
                },
                // A broken or oversized body ends the guest's stream; a guest that must tell the difference
                // compares with the content-length.
                Poll::Ready(Some(Err(_)) | None) => Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

/// The most that is taken from a guest's stream at once, in bytes.
const CHUNK: usize = 64 << 10;

/// A guest's stream on its way to the client. When it ends, `done` is dropped.
pub(crate) struct BodyConsumer {
    ctx: Arc<RequestContext>,
    to: mpsc::Sender<Bytes>,
    _done: futures::channel::oneshot::Sender<()>,
}

impl BodyConsumer {
    pub(crate) fn new(
        ctx: Arc<RequestContext>,
        to: mpsc::Sender<Bytes>,
        done: futures::channel::oneshot::Sender<()>,
    ) -> Self {
        Self { ctx, to, _done: done }
    }
}

impl StreamConsumer<Data> for BodyConsumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, Data>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.to.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            // The client is gone.
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let waiting = source.remaining();
        if waiting.is_empty() {
            // A write of nothing asks whether there is room, and there is.
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let bytes = Bytes::copy_from_slice(&waiting[..waiting.len().min(CHUNK)]);
        self.ctx.budget.charge_response(bytes.len() as u64)?;
        let taken = bytes.len();
        if self.to.start_send(bytes).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        source.mark_read(taken);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// A streamed response: the chunks, and the driver that makes the guest produce them. Dropping it ends the guest.
pub(crate) struct Streamed<B> {
    driver: Option<Driver<()>>,
    chunks: B,
    chunks_ended: bool,
    failure: Option<BodyError>,
    ctx: Arc<RequestContext>,
    report: Option<Report>,
}

/// Is told how a streamed response's guest ended: with a failure, or well. Where the client has gone it is told nothing.
type Report = Box<dyn FnOnce(Option<&Failure>) + Send>;

impl<B> Streamed<B> {
    /// `report` is called once, when the guest has ended; never where the client has gone before.
    pub(crate) fn new(
        driver: Driver<()>,
        chunks: B,
        ctx: Arc<RequestContext>,
        report: impl FnOnce(Option<&Failure>) + Send + 'static,
    ) -> Self {
        Self { driver: Some(driver), chunks, chunks_ended: false, failure: None, ctx, report: Some(Box::new(report)) }
    }
}

impl<B> http_body::Body for Streamed<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(driver) = &mut this.driver
            && let Poll::Ready(result) = Pin::new(driver).poll(cx)
        {
            this.driver = None;
            if let Some(report) = this.report.take() {
                report(result.as_ref().err());
            }
            this.failure = match result {
                Err(failure) => Some(failure.to_string().into()),
                Ok(()) if this.ctx.is_broken_off() => Some("the app broke it off".into()),
                Ok(()) => None,
            };
        }
        if !this.chunks_ended {
            match Pin::new(&mut this.chunks).poll_frame(cx) {
                Poll::Ready(Some(frame)) => return Poll::Ready(Some(frame.map_err(Into::into))),
                Poll::Ready(None) => this.chunks_ended = true,
                // A guest that has failed will send nothing more, even if its stream was never closed.
                Poll::Pending if this.failure.is_some() => this.chunks_ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
        if this.driver.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(this.failure.take().map(Err))
    }
}

/// Chunks from a channel as a body.
pub(crate) struct Chunks(pub(crate) mpsc::Receiver<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        use futures::Stream;
        Pin::new(&mut self.0).poll_next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
