//! What the store of one request holds.

use std::sync::Arc;

use host_core::budget::{Exhausted, Resource};
use host_core::context::RequestContext;
use host_core::http::{Arrival, Body};
use host_core::reverse::Reverse;
use wasmtime::component::ResourceTable;

use crate::limiter::Limiter;
use crate::meter::Meter;
use crate::tasks::{self, ByTask};
use crate::version::Version;
use crate::wasi::Wasi;

/// Everything that host functions find of the request that they serve.
pub(crate) struct Data {
    /// The request of a store that serves one at a time; in a shared store nobody, who may do nothing.
    own: Serving,
    /// Whose task is whose, in a store that serves several requests at a time.
    shared: Option<Box<ByTask>>,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    /// Only for components that import WASI: making one costs more than instantiating a small app.
    pub(crate) wasi: Option<Box<Wasi>>,
}

/// One request in a store.
pub(crate) struct Serving {
    pub(crate) ctx: Arc<RequestContext>,
    pub(crate) meter: Arc<Meter>,
    /// None in `describe`, and for tasks that outlive their request: every import is denied.
    pub(crate) current: Option<Current>,
}

/// The request under way.
pub(crate) struct Current {
    pub(crate) version: Arc<Version>,
    pub(crate) urls: Arc<dyn Reverse>,
    pub(crate) db: Option<Arc<host_db::RequestDb>>,
    pub(crate) parts: Arc<http::request::Parts>,
    pub(crate) arrival: Arrival,
    /// Taken by whoever reads it first.
    pub(crate) body: Option<Body>,
}

impl Serving {
    pub(crate) fn new(ctx: Arc<RequestContext>, meter: Arc<Meter>, current: Option<Current>) -> Self {
        Self { ctx, meter, current }
    }
}

impl Data {
    /// For one request at a time.
    pub(crate) fn new(own: Serving, wasi: bool) -> Self {
        let limits = own.ctx.budget.limits();
        let handles = usize::try_from(limits.handles).unwrap_or(usize::MAX);
        let limiter = Limiter::new(limits.memory_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let wasi = wasi.then(|| Box::new(Wasi::new(&own.ctx, own.current.is_none())));
        Self { own, shared: None, limiter, table, wasi }
    }

    /// For several requests at a time, told apart by their tasks. Calls of tasks that serve none go by `nobody`.
    pub(crate) fn shared(nobody: Serving, tasks: ByTask, wasi: bool) -> Self {
        let mut data = Self::new(nobody, false);
        data.wasi = wasi.then(|| Box::new(Wasi::new(&data.own.ctx, false)));
        data.shared = Some(Box::new(tasks));
        data
    }

    /// Makes an idle instance's data those of its next request. Memory goes on from where it is.
    pub(crate) fn renew(&mut self, serving: Serving) {
        if let Some(wasi) = &mut self.wasi {
            **wasi = Wasi::new(&serving.ctx, false);
        }
        self.own = serving;
    }

    /// The request whose task is calling.
    ///
    /// To be asked before a host function's first await: afterwards other tasks may have called.
    pub(crate) fn serving(&self) -> &Serving {
        match &self.shared {
            None => &self.own,
            Some(shared) => shared.calling().unwrap_or(&self.own),
        }
    }

    /// The same, to be changed.
    pub(crate) fn serving_mut(&mut self) -> &mut Serving {
        match &mut self.shared {
            None => &mut self.own,
            Some(shared) => shared.calling_mut().unwrap_or(&mut self.own),
        }
    }

    /// The calling request's context.
    pub(crate) fn ctx(&self) -> &Arc<RequestContext> {
        &self.serving().ctx
    }

    /// The calling request, unless the app is being described.
    pub(crate) fn current(&self) -> Option<&Current> {
        self.serving().current.as_ref()
    }

    /// Who shares the store, and the meter of nobody.
    pub(crate) fn tasks(&mut self) -> Option<(&mut ByTask, &Meter)> {
        Some((self.shared.as_deref_mut()?, &self.own.meter))
    }

    /// The request of a store that serves one at a time, whose time is over.
    pub(crate) fn end(&mut self) -> Option<Current> {
        self.own.current.take()
    }

    /// The first part of the budget that has run out, processor and wall-clock time among them.
    pub(crate) fn check(&self) -> Result<(), Exhausted> {
        let Serving { ctx, meter, .. } = self.serving();
        let limits = ctx.budget.limits();
        if meter.used().as_millis() >= u128::from(limits.cpu_ms) {
            return Err(Exhausted { resource: Resource::Cpu, limit: limits.cpu_ms });
        }
        if ctx.time_left().is_zero() {
            return Err(Exhausted { resource: Resource::Wall, limit: limits.wall_ms });
        }
        Ok(())
    }
}

/// In-flight bytes of one host call: what wasmtime may copy out of a guest at a time.
const FUEL_PER_CALL: usize = 4 << 20;

/// A store for `data`, bounded on all sides before any code of the guest runs.
pub(crate) fn bounded_store(engine: &wasmtime::Engine, data: Data) -> wasmtime::Store<Data> {
    let handles = usize::try_from(data.own.ctx.budget.limits().handles).unwrap_or(usize::MAX);
    let shared = data.shared.is_some();
    let mut store = wasmtime::Store::new(engine, data);
    store.limiter(|data| &mut data.limiter);
    store.set_hostcall_fuel(FUEL_PER_CALL);
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(handles.saturating_mul(4));
    }
    if shared {
        store.call_hook(tasks::on_call);
        store.epoch_deadline_callback(|store| {
            tasks::on_tick(store)?;
            Ok(wasmtime::UpdateDeadline::Yield(1))
        });
    } else {
        store.epoch_deadline_callback(|store| {
            store.data().check()?;
            Ok(wasmtime::UpdateDeadline::Yield(1))
        });
    }
    store.set_epoch_deadline(1);
    store
}
