//! Instances that serve several requests at the same time, where the operator chose so.
//!
//! Each is an actor: a task that owns the store and starts a call of `handle` for every request that it is sent. Whose a
//! host call is, [`crate::tasks`] tells. What the requests share is their luck: a trap, or a guest that spins, takes
//! the whole instance. Then whoever did it is answered what they deserve, and the others begin anew in instances of
//! their own, as long as nothing that they did could show twice.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use host_core::budget::{Exhausted, Limits, Resource};
use host_core::context::{RequestContext, RequestId};
use host_core::grants::Grants;
use host_core::http::Body;
use http::Method;
use parking_lot::Mutex;
use tokio::sync::watch;
use wasmtime::component::Accessor;

use crate::bindings::Engine;
use crate::config::Reuse;
use crate::core::Core;
use crate::data::{Current, Data, Serving, bounded_store};
use crate::driver::{Driver, Work, poll_metered};
use crate::failure::Failure;
use crate::meter::Meter;
use crate::run::{Call, Job, Outcome, Running, Slot, accept, alone, call_failure, close, instantiate, is_safe};
use crate::slots::Seat;
use crate::tasks::{ByTask, Member};
use crate::version::{Entry, Version};
use crate::wasm::Ticking;

/// Most requests that one instance may serve at the same time.
pub(crate) const MOST: u32 = 256;

/// The instances of one version that take requests.
pub(crate) struct Company {
    open: Mutex<Vec<Open>>,
    /// Requests at a time in one instance; 1 where nothing is shared.
    concurrency: u32,
    /// Requests in all.
    count: u32,
    rest: Duration,
    /// Instances that are made before any is shared: one for each thread that could run it.
    spread: usize,
}

/// An instance from outside. When it is dropped, the instance ends after its last request.
struct Open {
    to: mpsc::UnboundedSender<Ticket>,
    load: Arc<Load>,
    taken: u32,
    used: Instant,
}

/// What an instance and those who use it know of one another.
struct Load {
    /// Requests in it, from being sent to being answered.
    members: AtomicU32,
    /// Whether it takes no more.
    closed: AtomicBool,
    /// Turns true when one of its requests has used up its slice, and the instance goes to the slow lane with it.
    slow: watch::Sender<bool>,
}

/// A request on its way into an instance.
struct Ticket {
    /// Taken by the instance when it begins; what wasn't begun can be run elsewhere, whatever its method.
    job: Arc<Mutex<Option<Job>>>,
    slot: Arc<Slot>,
    meter: Arc<Meter>,
    offended: Arc<AtomicBool>,
    done: oneshot::Sender<Result<(), Failure>>,
    /// Ends when nobody waits any more.
    gone: oneshot::Receiver<()>,
    place: Place,
    _ticking: Ticking,
}

/// A request's place in an instance.
struct Place(Arc<Load>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.members.fetch_sub(1, Relaxed);
    }
}

impl Company {
    pub(crate) fn new(reuse: &Reuse) -> Self {
        Self {
            open: Mutex::new(Vec::new()),
            concurrency: reuse.concurrency.clamp(1, MOST),
            count: reuse.count.max(1),
            rest: Duration::from_millis(reuse.idle_ms),
            spread: host_core::priority::processors(),
        }
    }

    /// Whether instances are shared at all.
    pub(crate) fn is_on(&self) -> bool {
        self.concurrency > 1
    }

    /// Lets go of instances that have been idle for too long.
    pub(crate) fn sweep(&self) {
        self.open.lock().retain(|open| open.load.members.load(Relaxed) > 0 || open.used.elapsed() <= self.rest);
    }

    /// A place in an instance that is there; `None` where another one shall be made.
    fn place(&self) -> Option<(mpsc::UnboundedSender<Ticket>, Place)> {
        let mut open = self.open.lock();
        open.retain(|open| !open.load.closed.load(Relaxed));
        let wide = open.len() >= self.spread;
        let (at, members) = open
            .iter()
            .enumerate()
            .map(|(at, open)| (at, open.load.members.load(Relaxed)))
            .min_by_key(|(_, members)| *members)?;
        if members >= self.concurrency || (members > 0 && !wide) {
            return None;
        }
        Some(self.enter(&mut open, at))
    }

    fn add(&self, to: mpsc::UnboundedSender<Ticket>, load: Arc<Load>) -> (mpsc::UnboundedSender<Ticket>, Place) {
        let mut open = self.open.lock();
        open.push(Open { to, load, taken: 0, used: Instant::now() });
        let at = open.len() - 1;
        self.enter(&mut open, at)
    }

    fn enter(&self, open: &mut Vec<Open>, at: usize) -> (mpsc::UnboundedSender<Ticket>, Place) {
        let chosen = &mut open[at];
        chosen.load.members.fetch_add(1, Relaxed);
        chosen.taken += 1;
        chosen.used = Instant::now();
        let place = (chosen.to.clone(), Place(chosen.load.clone()));
        if chosen.taken >= self.count {
            open.swap_remove(at);
        }
        place
    }
}

/// Runs `job` beside others.
pub(crate) async fn run(core: &Arc<Core>, job: Job, method: &Method) -> Outcome {
    let version = job.version.clone();
    let (to, place) = match version.company.place() {
        Some(found) => found,
        None => {
            let seat = core.slots.take(&version.share, version.weight).await?;
            let (to, load) = start(core, &version, seat)?;
            version.company.add(to, load)
        }
    };
    let slow = place.0.slow.subscribe();
    let (deadline, wall_ms) = (job.ctx.deadline, job.ctx.budget.limits().wall_ms);
    let (slot, meter) = (Arc::new(Slot::default()), Arc::new(Meter::default()));
    let (done, mut ended) = oneshot::channel();
    let (here, gone) = oneshot::channel();
    let again = Again::of(&job, method);
    let ticket = Ticket {
        offended: job.offended(),
        job: Arc::new(Mutex::new(Some(job))),
        slot: slot.clone(),
        meter: meter.clone(),
        done,
        gone,
        place,
        _ticking: core.ticker.tick(),
    };
    let unbegun = ticket.job.clone();
    // An instance that has just ended hands the ticket back by dropping it.
    let _ = to.unbounded_send(ticket);
    drop(to);
    let leaving = Leaving {
        slow,
        slot: slot.clone(),
        meter,
        slice: core.slice,
        unbegun: unbegun.clone(),
        first: again.as_ref().map(|again| again.first.clone()),
    };
    let work: Work<()> = Box::pin(async move {
        let _here = here;
        let answered = async {
            match select(&mut ended, pin!(leaving.due())).await {
                Either::Left((result, _)) => result.unwrap_or(Err(Failure::Company)),
                Either::Right(((), _)) => Err(Failure::Company),
            }
        };
        let late = Err(Failure::Budget(Exhausted { resource: Resource::Wall, limit: wall_ms }));
        tokio::time::timeout_at(deadline.into(), answered).await.unwrap_or(late)
    });
    let driver = Driver::elsewhere(work);
    let driver = if is_safe(method) { driver } else { driver.detach() };
    match (Running { driver: Some(driver), slot }).await {
        Err(Failure::Company) => {
            let unbegun = unbegun.lock().take();
            match unbegun.or_else(|| again.filter(|again| again.first.abandon()).map(|again| again.job)) {
                Some(job) => alone(core, job, method).await,
                None => Err(Failure::Company),
            }
        }
        outcome => outcome,
    }
}

/// When a request leaves an instance that goes to the slow lane, to begin anew elsewhere.
struct Leaving {
    slow: watch::Receiver<bool>,
    slot: Arc<Slot>,
    /// The request's own time.
    meter: Arc<Meter>,
    slice: Duration,
    unbegun: Arc<Mutex<Option<Job>>>,
    /// None for what may not be tried twice.
    first: Option<First>,
}

impl Leaving {
    /// Never done for who used up the slice, nor for those who have answered or whose effects can't be taken back: they go
    /// along.
    async fn due(mut self) {
        let slow = self.slow.wait_for(|slow| *slow).await.is_ok();
        let innocent = self.meter.used() < self.slice && !self.slot.has_answer();
        let free = || self.unbegun.lock().is_some() || self.first.as_ref().is_some_and(First::abandon);
        if !(slow && innocent && free()) {
            std::future::pending().await
        }
    }
}

/// What it takes to try a request once more.
struct Again {
    job: Job,
    first: First,
}

/// The first try's database, if it had one.
#[derive(Clone)]
struct First(Option<Arc<host_db::RequestDb>>);

impl First {
    /// Cuts the first try off. Returns whether it had no effect.
    fn abandon(&self) -> bool {
        self.0.as_ref().is_none_or(|db| db.abandon())
    }
}

impl Again {
    /// For what has no effects by its method, and no body, which may be read only once.
    fn of(job: &Job, method: &Method) -> Option<Self> {
        let Call::App(request) = &job.call else { return None };
        if !is_safe(method) || !job.current.body.as_ref().is_some_and(Body::is_empty) {
            return None;
        }
        let Current { version, urls, db, parts, arrival, .. } = &job.current;
        let again = db.as_ref().and_then(|_| version.request_db(&job.ctx));
        let current = Current {
            version: version.clone(),
            urls: urls.clone(),
            db: again,
            parts: parts.clone(),
            arrival: *arrival,
            body: Some(Body::empty()),
        };
        Some(Self {
            job: Job {
                version: job.version.clone(),
                ctx: job.ctx.clone(),
                current,
                call: Call::App(request.clone()),
                route: job.route,
            },
            first: First(db.clone()),
        })
    }
}

/// Starts an instance on a task of its own.
fn start(
    core: &Arc<Core>,
    version: &Version,
    seat: Seat,
) -> Result<(mpsc::UnboundedSender<Ticket>, Arc<Load>), Failure> {
    let Entry::App(pre) = &version.entry else {
        return Err(Failure::Host("only apps share instances".into()));
    };
    let (to, inbox) = mpsc::unbounded();
    let (slow, _) = watch::channel(false);
    let load = Arc::new(Load { members: AtomicU32::new(0), closed: AtomicBool::new(false), slow });
    let (meter, overrun) = (Arc::new(Meter::of(&version.usage)), Arc::new(AtomicBool::new(false)));
    // For tasks that outlive their request: they may do nothing, and their time is summed over the instance's life.
    let limits = Limits { wall_ms: u64::from(u32::MAX), ..version.config.limits.clone() };
    let nobody = RequestContext::new(RequestId(0), version.id.clone(), Arc::new(Grants::none()), limits);
    let nobody = Serving::new(Arc::new(nobody), Arc::new(Meter::default()), None);
    let tasks = ByTask::new(meter.clone(), core.slice, overrun.clone());
    let mut store = bounded_store(&core.engine, Data::shared(nobody, tasks, version.wasi));
    let (pre, theirs) = (pre.clone(), load.clone());
    let mut work: Work<()> = Box::pin(async move {
        let _seat = seat;
        let instance = instantiate(&pre, &mut store).await?;
        let called = store.run_concurrent(async |accessor| serve_all(accessor, &instance, inbox, &theirs).await).await;
        let failure = match called {
            Ok(()) => return Ok(()),
            Err(error) => call_failure(error, store.data()),
        };
        theirs.closed.store(true, Relaxed);
        if let Some((tasks, _)) = store.data_mut().tasks() {
            tasks.fail(failure);
        }
        Ok(())
    });
    let (core, shared) = (core.clone(), load.clone());
    tokio::spawn(async move {
        let fast = std::future::poll_fn(|cx| match poll_metered(&meter, &mut work, cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if overrun.load(Relaxed) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        });
        let ended = fast.await;
        shared.closed.store(true, Relaxed);
        if !ended {
            shared.slow.send_replace(true);
            core.slow.spawn(async move { std::future::poll_fn(|cx| poll_metered(&meter, &mut work, cx)).await });
        }
    });
    Ok((to, load))
}

/// The instance's life: serves whatever comes until nothing more can come.
async fn serve_all(accessor: &Accessor<Data>, instance: &Engine, inbox: mpsc::UnboundedReceiver<Ticket>, load: &Load) {
    let mut inbox = inbox.fuse();
    let mut running = FuturesUnordered::new();
    loop {
        futures::select_biased! {
            clean = running.select_next_some() => {
                let clean: bool = clean;
                if !clean {
                    load.closed.store(true, Relaxed);
                }
            }
            ticket = inbox.next() => match ticket {
                Some(ticket) => running.push(serve(accessor, instance, load, ticket)),
                None if running.is_empty() => return,
                None => {}
            },
            complete => return,
        }
        let closed = load.closed.load(Relaxed);
        if closed {
            // What is still to come is handed back.
            inbox.get_mut().close();
        }
        if running.is_empty() {
            // What a request left running goes on without one: that instance gets no other.
            let idle = std::future::poll_fn(|cx| Poll::Ready(accessor.poll_no_interesting_tasks(cx).is_ready())).await;
            if closed || !idle {
                load.closed.store(true, Relaxed);
                return;
            }
        }
    }
}

/// Serves one request. Returns whether the instance may serve others after it.
async fn serve(accessor: &Accessor<Data>, instance: &Engine, load: &Load, ticket: Ticket) -> bool {
    let Ticket { job, slot, meter, offended, done, mut gone, place: _place, _ticking } = ticket;
    if load.closed.load(Relaxed) {
        // Left where it is, so that whoever waits for it finds that it wasn't begun.
        return true;
    }
    let Some(Job { ctx, current, call: Call::App(request), .. }) = job.lock().take() else { return true };
    let handle = instance.bandstand_routing_handler().func_handle();
    let db = current.db.clone();
    let serving = Serving::new(ctx.clone(), meter, Some(current));
    let started = accessor.with(|mut store| {
        let call = handle.start_call_concurrent(&mut store, (request,))?;
        let task = call.task();
        if let Some((tasks, _)) = store.data_mut().tasks() {
            tasks.enter(task, Member { serving, offended, done });
        }
        wasmtime::error::Ok((call, task))
    });
    let (call, task) = match started {
        Ok(started) => started,
        // Its `done` is dropped, and the request tried elsewhere.
        Err(_) => return false,
    };
    let answered = async {
        let (answer,) = match handle.finish_call_concurrent(accessor, call).await {
            Ok(answer) => answer,
            Err(error) => return Err(Failure::from_wasm(error)),
        };
        accept(accessor, answer, &ctx, db, &slot).await
    };
    let result = {
        let mut answered = pin!(answered.fuse());
        futures::select_biased! {
            result = answered => Some(result),
            // Nobody waits: the guest can't be stopped without the others, but it can do nothing more.
            _ = gone => None,
        }
    };
    let member = accessor.with(|mut store| store.data_mut().tasks().and_then(|(tasks, _)| tasks.leave(task)));
    let (Some(result), Some(Member { serving, done, .. })) = (result, member) else { return false };
    let result = match (result, serving.current) {
        (Ok(()), Some(current)) => close(&current, &slot),
        (result, _) => result,
    };
    let clean = result.is_ok();
    // Who doesn't wait any more needn't know.
    let _ = done.send(result);
    clean
}
