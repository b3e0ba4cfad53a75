//! Whose request a host call belongs to, where several requests share one instance.
//!
//! The sandbox tells which task calls; its root is the call of `handle` that one request made. That is known at each
//! crossing between guest and host, and only there: a host function that has awaited something must not ask again, so the
//! answer is taken away as soon as the function has returned to the guest or given up its turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures::channel::oneshot;
use wasmtime::component::GuestTaskId;
use wasmtime::{CallHook, StoreContextMut};

use crate::data::{Data, Serving};
use crate::failure::Failure;
use crate::meter::Meter;

/// The requests in one store.
pub(crate) struct ByTask {
    members: HashMap<GuestTaskId, Member>,
    /// Who is calling the host at this moment.
    calling: Option<GuestTaskId>,
    /// Who runs, or ran last: if the store traps, it was them.
    running: Option<GuestTaskId>,
    /// Time of the whole instance.
    meter: Arc<Meter>,
    /// What of it has been charged to somebody.
    mark: Duration,
    slice: Duration,
    /// Set when one of them has used up its slice.
    overrun: Arc<AtomicBool>,
}

/// One request in a shared store.
pub(crate) struct Member {
    pub(crate) serving: Serving,
    /// Set when it has used up its slice, so that the next request like it begins elsewhere.
    pub(crate) offended: Arc<AtomicBool>,
    /// Is told how it ended.
    pub(crate) done: oneshot::Sender<Result<(), Failure>>,
}

impl ByTask {
    pub(crate) fn new(meter: Arc<Meter>, slice: Duration, overrun: Arc<AtomicBool>) -> Self {
        let mark = Duration::ZERO;
        Self { members: HashMap::new(), calling: None, running: None, meter, mark, slice, overrun }
    }

    /// Tasks' names are used again: what one that ended left behind is overwritten.
    pub(crate) fn enter(&mut self, task: GuestTaskId, member: Member) {
        self.members.insert(task, member);
    }

    /// From now on calls of the task are nobody's.
    pub(crate) fn leave(&mut self, task: GuestTaskId) -> Option<Member> {
        self.members.remove(&task)
    }

    /// The whole store has failed: whoever ran is told why, the others that they were in bad company.
    pub(crate) fn fail(&mut self, failure: Failure) {
        if let Some(Member { done, .. }) = self.running.and_then(|task| self.members.remove(&task)) {
            // Who doesn't wait any more needn't know.
            let _ = done.send(Err(failure));
        }
        self.members.clear();
    }

    pub(crate) fn calling(&self) -> Option<&Serving> {
        Some(&self.members.get(&self.calling?)?.serving)
    }

    pub(crate) fn calling_mut(&mut self) -> Option<&mut Serving> {
        Some(&mut self.members.get_mut(&self.calling?)?.serving)
    }

    /// Charges whoever runs for what they used since they were entered or last charged; `nobody` pays for tasks that
    /// serve no request.
    fn charge(&mut self, nobody: &Meter) {
        let now = self.meter.used();
        let spent = now.saturating_sub(std::mem::replace(&mut self.mark, now));
        let member = self.running.and_then(|task| self.members.get(&task));
        let meter = member.map_or(nobody, |member| &member.serving.meter);
        meter.add(spent);
        if meter.used() >= self.slice {
            self.overrun.store(true, Relaxed);
            if let Some(member) = member {
                member.offended.store(true, Relaxed);
            }
        }
    }
}

/// At each crossing between guest and host.
pub(crate) fn on_call(mut store: StoreContextMut<'_, Data>, hook: CallHook) -> wasmtime::Result<()> {
    let root = match hook {
        CallHook::ReturningFromWasm => None,
        // The call at whose root the running task stands.
        _ => store.async_call_stack()?.last(),
    };
    let data = store.data_mut();
    let Some((tasks, nobody)) = data.tasks() else { return Ok(()) };
    match hook {
        CallHook::CallingWasm => {
            // What passed since the last crossing was the event loop's.
            tasks.mark = tasks.meter.used();
            (tasks.running, tasks.calling) = (root, None);
        }
        CallHook::CallingHost => {
            (tasks.running, tasks.calling) = (root, root);
            tasks.charge(nobody);
            if let Some(wasi) = &data.wasi {
                wasi.log_for(data.ctx());
            }
        }
        CallHook::ReturningFromHost => {
            (tasks.running, tasks.calling) = (root, None);
            tasks.charge(nobody);
        }
        CallHook::ReturningFromWasm => {
            tasks.calling = None;
            tasks.charge(nobody);
        }
    }
    Ok(())
}

/// At each tick of the epoch, in the middle of whatever runs: charges it, and tells whether it may go on.
pub(crate) fn on_tick(mut store: StoreContextMut<'_, Data>) -> wasmtime::Result<()> {
    let root = store.async_call_stack()?.last();
    let data = store.data_mut();
    let Some((tasks, nobody)) = data.tasks() else { return Ok(()) };
    (tasks.running, tasks.calling) = (root, root);
    tasks.charge(nobody);
    let verdict = data.check();
    if let Some((tasks, _)) = data.tasks() {
        tasks.calling = None;
    }
    Ok(verdict?)
}
