//! Standard components: `wasi:http` 0.2 and 0.3, from any language, mounted and bounded like any app.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::oneshot;
use host_core::context::RequestContext;
use host_core::http::{Body, BodyError};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error, WasiHttpView};

use crate::data::Data;
use crate::failure::Failure;
use crate::response;
use crate::run::{Answer, Slot, call_failure, instantiation_failure};

fn incoming(request: http::Request<Body>) -> http::Request<impl http_body::Body<Data = Bytes, Error = Error> + Send> {
    // A broken or oversized body is all that can go wrong here.
    request.map(|body| body.map_err(|_| Error::ConnectionTerminated))
}

/// Leaves a standard component's response in `slot`.
fn put<B>(slot: &Slot, ctx: Arc<RequestContext>, response: http::Response<B>, done: Option<oneshot::Sender<()>>)
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let (mut parts, body) = response.into_parts();
    response::strip(&mut parts.headers);
    let body = Counted { body: Box::pin(body), ctx, _done: done };
    slot.put(Answer::Streaming(parts.status, parts.headers, Body::stream(body)));
}

/// A body whose bytes are charged; its end drops `done`.
struct Counted<B> {
    body: Pin<Box<B>>,
    ctx: Arc<RequestContext>,
    _done: Option<oneshot::Sender<()>>,
}

impl<B> http_body::Body for Counted<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match std::task::ready!(self.body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match self.ctx.budget.charge_response(bytes) {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(exhausted) => Poll::Ready(Some(Err(exhausted.into()))),
                }
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                self._done = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// `wasi:http/incoming-handler` 0.2.
pub(crate) async fn serve_02(
    pre: &ProxyPre<Data>,
    mut store: Store<Data>,
    request: http::Request<Body>,
    slot: &Arc<Slot>,
) -> Result<(), Failure> {
    let ctx = store.data().ctx().clone();
    let scheme = if request.uri().scheme() == Some(&http::uri::Scheme::HTTPS) { Scheme::Https } else { Scheme::Http };
    let host = |error: wasmtime::Error| Failure::Host(format!("{error:#}"));
    let request = store.data_mut().http().new_incoming_request(scheme, incoming(request)).map_err(host)?;
    let out = {
        let (slot, ctx) = (slot.clone(), ctx.clone());
        store
            .data_mut()
            .http()
            .new_response_outparam_from_callback(move |answer| match answer {
                Ok(response) => put(&slot, ctx, response, None),
                Err(code) => {
                    tracing::warn!(app = %ctx.app, id = %ctx.id, "the component answered with the error {code:?}")
                }
            })
            .map_err(host)?
    };
    let instance = match pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(error) => return Err(instantiation_failure(error, store.data())),
    };
    match instance.wasi_http_incoming_handler().call_handle(&mut store, request, out).await {
        Ok(()) => Ok(()),
        Err(error) => Err(call_failure(error, store.data())),
    }
}

/// `wasi:http/handler` 0.3.
pub(crate) async fn serve_03(
    pre: &ServicePre<Data>,
    mut store: Store<Data>,
    request: http::Request<Body>,
    slot: &Arc<Slot>,
) -> Result<(), Failure> {
    let ctx = store.data().ctx().clone();
    let instance = match pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(error) => return Err(instantiation_failure(error, store.data())),
    };
    let (request, sent) = Request::from_http(store.data_mut().http().hooks, incoming(request));
    let called = store
        .run_concurrent(async |accessor| -> wasmtime::Result<Result<(), Failure>> {
            let handle = async {
                let response = match instance.handle(accessor, request).await? {
                    Ok(response) => response,
                    Err(code) => {
                        return Ok(Err(Failure::BadResponse(format!("it answered with the error {code:?}"))));
                    }
                };
                let (done, ended) = oneshot::channel();
                let response = accessor.with(|store| response.into_http(store, async { Ok(()) }))?;
                put(slot, ctx, response, Some(done));
                // The sender is dropped at the body's end.
                let _ = ended.await;
                Ok(Ok(()))
            };
            // The outcome of sending the request's body matters to nobody but the guest, which sees it itself.
            let sent = async {
                let _ = sent.await;
                std::future::pending().await
            };
            match futures::future::select(std::pin::pin!(handle), std::pin::pin!(sent)).await {
                futures::future::Either::Left((result, _)) => result,
                futures::future::Either::Right((never, _)) => never,
            }
        })
        .await;
    match called.and_then(|result| result) {
        Ok(result) => result,
        Err(error) => Err(call_failure(error, store.data())),
    }
}
