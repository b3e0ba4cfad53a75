//! Runs one request in one instance.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::task::AtomicWaker;
use host_core::context::RequestContext;
use host_core::http::Body;
use host_db::RequestDb;
use http::header::HeaderMap;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use wasmtime::component::Accessor;

use crate::bindings::bandstand::routing::types;
use crate::bindings::{Engine, EnginePre};
use crate::body::{BodyConsumer, Chunks};
use crate::core::Core;
use crate::data::{Current, Data, Serving, bounded_store};
use crate::driver::{Bounds, Driver, Work};
use crate::failure::Failure;
use crate::meter::Meter;
use crate::response;
use crate::reuse::Idle;
use crate::shared;
use crate::slots::Seat;
use crate::version::{Entry, Version};

/// What a guest answered.
pub(crate) enum Answer {
    /// A whole body.
    Whole(StatusCode, HeaderMap, Bytes),
    /// A document that says what the host shall make, and where its queries wait.
    Described(StatusCode, HeaderMap, Vec<u8>, Option<Arc<RequestDb>>),
    /// A body that is still being made: its store lives in the driver.
    Streaming(StatusCode, HeaderMap, Body),
}

/// Where the work leaves its answer. A streamed answer is there before the work ends.
#[derive(Default)]
pub(crate) struct Slot {
    answer: Mutex<Option<Answer>>,
    answered: AtomicBool,
    waker: AtomicWaker,
}

impl Slot {
    pub(crate) fn put(&self, answer: Answer) {
        *self.answer.lock() = Some(answer);
        self.answered.store(true, Relaxed);
        self.waker.wake();
    }

    /// Whether there is an answer, or was until somebody took it.
    pub(crate) fn has_answer(&self) -> bool {
        self.answered.load(Relaxed)
    }

    fn take(&self) -> Option<Answer> {
        self.answer.lock().take()
    }

    fn take_streaming(&self) -> Option<Answer> {
        let mut answer = self.answer.lock();
        if matches!(*answer, Some(Answer::Streaming(..))) { answer.take() } else { None }
    }
}

/// One request, ready to run.
pub(crate) struct Job {
    pub(crate) version: Arc<Version>,
    pub(crate) ctx: Arc<RequestContext>,
    pub(crate) current: Current,
    pub(crate) call: Call,
    /// The route's place in the manifest; 0 for a standard component.
    pub(crate) route: usize,
}

/// What is handed to the guest.
pub(crate) enum Call {
    /// To an app of our world.
    App(types::Request),
    /// To a standard component: the whole request.
    Http(http::Request<Body>),
}

/// What came of it: the answer, and the driver where it must go on.
pub(crate) type Outcome = Result<(Answer, Option<Driver<()>>), Failure>;

impl Job {
    /// Whether requests like it were moved to the slow lane lately.
    pub(crate) fn offended(&self) -> Arc<AtomicBool> {
        self.version.offenders.get(self.route).cloned().unwrap_or_default()
    }
}

/// Runs `job` until there is an answer: in an instance of its own, or beside others where the operator chose so.
pub(crate) async fn run(core: &Arc<Core>, job: Job, method: &Method) -> Outcome {
    // What has been slow would only be thrown out of the company.
    if job.version.company.is_on() && !job.offended().load(Relaxed) {
        shared::run(core, job, method).await
    } else {
        alone(core, job, method).await
    }
}

/// Runs `job` in an instance that serves nobody else meanwhile.
///
/// Dropping the future ends the guest for GET and HEAD. Other methods have effects that a client who hangs up must not
/// cut in half, so they go on under their budget.
pub(crate) async fn alone(core: &Arc<Core>, job: Job, method: &Method) -> Outcome {
    let offended = job.offended();
    let Job { version, ctx, current, call, .. } = job;
    let idle = if version.warm.is_on() { version.warm.take() } else { None };
    let (idle, seat) = match idle {
        Some(idle) => (Some(idle), None),
        None => (None, Some(core.slots.take(&version.share, version.weight).await?)),
    };
    let ticking = core.ticker.tick();
    let meter = Arc::new(Meter::of(&version.usage));
    let slow_at_once = offended.load(Relaxed);
    let bounds = core.bounds(&ctx, &meter, &offended);
    let slot = Arc::new(Slot::default());
    let work: Work<()> = {
        let (core, slot, meter) = (core.clone(), slot.clone(), meter.clone());
        let (slice, offended) = (core.slice, offended.clone());
        Box::pin(async move {
            let _ticking = ticking;
            let result = serve(&core, version, ctx, current, call, &slot, &meter, idle, seat).await;
            if slow_at_once && meter.used() < slice {
                offended.store(false, Relaxed);
            }
            result
        })
    };
    let driver = Driver::new(work, bounds, slow_at_once);
    let driver = if is_safe(method) { driver } else { driver.detach() };
    Running { driver: Some(driver), slot }.await
}

/// Whether a client who hangs up ends the request.
pub(crate) fn is_safe(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Waits for an answer.
pub(crate) struct Running {
    pub(crate) driver: Option<Driver<()>>,
    pub(crate) slot: Arc<Slot>,
}

impl Future for Running {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        let Some(driver) = &mut this.driver else {
            return Poll::Ready(Err(Failure::Host("polled after its end".into())));
        };
        // On another thread the answer may come between two polls of the driver.
        this.slot.waker.register(cx.waker());
        match Pin::new(driver).poll(cx) {
            Poll::Ready(Ok(())) => {
                this.driver = None;
                let answer = this.slot.take().ok_or_else(|| Failure::BadResponse("it ended without a response".into()));
                Poll::Ready(answer.map(|answer| (answer, None)))
            }
            Poll::Ready(Err(failure)) => {
                this.driver = None;
                // A guest that began to answer and then failed has a client who sees a broken body. Who was only in bad
                // company is tried anew.
                let begun = this.slot.take_streaming().filter(|_| !matches!(failure, Failure::Company));
                match begun {
                    Some(answer) => {
                        let failed: Work<()> = Box::pin(async move { Err(failure) });
                        Poll::Ready(Ok((answer, Some(Driver::elsewhere(failed)))))
                    }
                    None => Poll::Ready(Err(failure)),
                }
            }
            Poll::Pending => match this.slot.take_streaming() {
                Some(answer) => Poll::Ready(Ok((answer, this.driver.take().map(Driver::apart)))),
                None => Poll::Pending,
            },
        }
    }
}

#[allow(clippy::too_many_arguments)] // One call site; a struct would only name them twice.
async fn serve(
    core: &Core,
    version: Arc<Version>,
    ctx: Arc<RequestContext>,
    current: Current,
    call: Call,
    slot: &Arc<Slot>,
    meter: &Arc<Meter>,
    idle: Option<Idle>,
    seat: Option<Seat>,
) -> Result<(), Failure> {
    match (&version.entry, call) {
        (Entry::App(pre), Call::App(request)) => {
            let reuse = version.warm.is_on();
            let (mut store, instance, served, seat) = match (idle, seat) {
                (Some(mut idle), _) => {
                    idle.store.data_mut().renew(Serving::new(ctx.clone(), meter.clone(), Some(current)));
                    idle.store.set_epoch_deadline(1);
                    let Idle { store, instance, served, seat, .. } = idle;
                    (store, instance, served, seat)
                }
                (None, Some(seat)) => {
                    let data = Data::new(Serving::new(ctx.clone(), meter.clone(), Some(current)), version.wasi);
                    let mut store = bounded_store(&core.engine, data);
                    let instance = instantiate(pre, &mut store).await?;
                    (store, instance, 0, seat)
                }
                (None, None) => return Err(Failure::Host("neither an instance nor a place for one".into())),
            };
            let clean = call_app(&mut store, &instance, request, &ctx, slot).await?;
            if let Some(current) = store.data_mut().end() {
                close(&current, slot)?;
            }
            if reuse && clean {
                version.warm.give(Idle::new(store, instance, served + 1, seat));
            }
            Ok(())
        }
        (Entry::Http02(pre), Call::Http(request)) => {
            let data = Data::new(Serving::new(ctx, meter.clone(), Some(current)), version.wasi);
            let store = bounded_store(&core.engine, data);
            let result = crate::standard::serve_02(pre, store, request, slot).await;
            drop(seat);
            result
        }
        (Entry::Http03(pre), Call::Http(request)) => {
            let data = Data::new(Serving::new(ctx, meter.clone(), Some(current)), version.wasi);
            let store = bounded_store(&core.engine, data);
            let result = crate::standard::serve_03(pre, store, request, slot).await;
            drop(seat);
            result
        }
        _ => Err(Failure::Host("a call that doesn't fit the component".into())),
    }
}

/// Ends the database's part of a request. A transaction that is still open is a mistake, whatever it answered.
pub(crate) fn close(current: &Current, slot: &Slot) -> Result<(), Failure> {
    if current.db.as_ref().is_some_and(|db| db.close()) {
        let _ = slot.take();
        return Err(Failure::BadResponse("it left a transaction open; commit or roll back before returning".into()));
    }
    Ok(())
}

pub(crate) async fn instantiate(pre: &EnginePre<Data>, store: &mut wasmtime::Store<Data>) -> Result<Engine, Failure> {
    pre.instantiate_async(&mut *store).await.map_err(|error| instantiation_failure(error, store.data()))
}

/// Why an instance could not be made: out of budget, or a start function that trapped.
pub(crate) fn instantiation_failure(error: wasmtime::Error, data: &Data) -> Failure {
    if data.limiter.refused {
        return Failure::Budget(data.limiter.exhausted());
    }
    match Failure::from_wasm(error) {
        Failure::Trap(text) => Failure::Instantiate(text),
        other => other,
    }
}

/// Why a call failed: a guest that was refused memory and then trapped did so for want of it.
pub(crate) fn call_failure(error: wasmtime::Error, data: &Data) -> Failure {
    match Failure::from_wasm(error) {
        Failure::Trap(_) if data.limiter.refused => Failure::Budget(data.limiter.exhausted()),
        other => other,
    }
}

/// Calls `handle` and leaves the answer in `slot`. Returns whether the instance may serve again.
async fn call_app(
    store: &mut wasmtime::Store<Data>,
    instance: &Engine,
    request: types::Request,
    ctx: &Arc<RequestContext>,
    slot: &Arc<Slot>,
) -> Result<bool, Failure> {
    let db = store.data().current().and_then(|current| current.db.clone());
    let called = store
        .run_concurrent(async |accessor| -> wasmtime::Result<Result<bool, Failure>> {
            let answer = instance.bandstand_routing_handler().call_handle(accessor, request).await?;
            match accept(accessor, answer, ctx, db, slot).await {
                Ok(()) => {}
                Err(failure) => return Ok(Err(failure)),
            }
            // What the guest left running would go on in somebody else's request.
            let idle = poll_fn(|cx| Poll::Ready(accessor.poll_no_interesting_tasks(cx).is_ready())).await;
            Ok(Ok(idle))
        })
        .await;
    match called.and_then(|result| result) {
        Ok(result) => result,
        Err(error) => Err(call_failure(error, store.data())),
    }
}

pub(crate) async fn accept(
    accessor: &Accessor<Data>,
    answer: types::Response,
    ctx: &Arc<RequestContext>,
    db: Option<Arc<RequestDb>>,
    slot: &Arc<Slot>,
) -> Result<(), Failure> {
    let status = response::status(answer.status).map_err(Failure::BadResponse)?;
    let headers = response::headers(answer.headers).map_err(Failure::BadResponse)?;
    match answer.body {
        types::Body::Empty => slot.put(Answer::Whole(status, headers, Bytes::new())),
        types::Body::Bytes(bytes) => {
            if bytes.len() > response::MAX_BYTES {
                return Err(Failure::BadResponse(format!(
                    "its body has {} bytes; the most is {}: send more as a stream",
                    bytes.len(),
                    response::MAX_BYTES
                )));
            }
            ctx.budget.charge_response(bytes.len() as u64).map_err(Failure::Budget)?;
            slot.put(Answer::Whole(status, headers, bytes.into()));
        }
        types::Body::Described(document) => slot.put(Answer::Described(status, headers, document, db)),
        types::Body::Stream(reader) => {
            let (chunks, receiver) = mpsc::channel(1);
            let (done, ended) = oneshot::channel();
            accessor
                .with(|store| reader.pipe(store, BodyConsumer::new(ctx.clone(), chunks, done)))
                .map_err(Failure::from_wasm)?;
            slot.put(Answer::Streaming(status, headers, Body::stream(Chunks(receiver))));
            // The consumer never sends; its end drops the sender.
            let _ = ended.await;
        }
    }
    Ok(())
}

impl Core {
    /// The bounds of work for `ctx`.
    pub(crate) fn bounds(&self, ctx: &RequestContext, meter: &Arc<Meter>, offended: &Arc<AtomicBool>) -> Bounds {
        Bounds {
            meter: meter.clone(),
            deadline: ctx.deadline,
            wall_ms: ctx.budget.limits().wall_ms,
            slice: self.slice,
            slow: self.slow.clone(),
            offended: offended.clone(),
        }
    }
}
