//! What the store of one request holds.

use std::sync::Arc;

use host_core::budget::{Exhausted, Resource};
use host_core::context::RequestContext;
use host_core::http::{Arrival, Body};
use host_core::reverse::Reverse;
use wasmtime::component::ResourceTable;

use crate::limiter::Limiter;
use crate::meter::Meter;
use crate::version::Version;
use crate::wasi::Wasi;

/// Everything that host functions find of the request that they serve.
pub(crate) struct Data {
    pub(crate) ctx: Arc<RequestContext>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    /// None in `describe`, where there is no request and every import is denied.
    pub(crate) current: Option<Current>,
    /// Bytes of log lines so far.
    pub(crate) logged: usize,
    /// Only for components that import WASI: making one costs more than instantiating a small app.
    pub(crate) wasi: Option<Box<Wasi>>,
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

impl Data {
    pub(crate) fn new(ctx: Arc<RequestContext>, meter: Arc<Meter>, current: Option<Current>, wasi: bool) -> Self {
        let limits = ctx.budget.limits();
        let handles = usize::try_from(limits.handles).unwrap_or(usize::MAX);
        let limiter = Limiter::new(limits.memory_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let wasi = wasi.then(|| Box::new(Wasi::new(&ctx, current.is_none())));
        Self { ctx, meter, limiter, table, current, logged: 0, wasi }
    }

    /// Makes an idle instance's data those of its next request. Memory goes on from where it is.
    pub(crate) fn renew(&mut self, ctx: Arc<RequestContext>, meter: Arc<Meter>, current: Current) {
        if let Some(wasi) = &mut self.wasi {
            **wasi = Wasi::new(&ctx, false);
        }
        (self.ctx, self.meter, self.current, self.logged) = (ctx, meter, Some(current), 0);
    }

    /// The first part of the budget that has run out, processor and wall-clock time among them.
    pub(crate) fn check(&self) -> Result<(), Exhausted> {
        let limits = self.ctx.budget.limits();
        if self.meter.used().as_millis() >= u128::from(limits.cpu_ms) {
            return Err(Exhausted { resource: Resource::Cpu, limit: limits.cpu_ms });
        }
        if self.ctx.time_left().is_zero() {
            return Err(Exhausted { resource: Resource::Wall, limit: limits.wall_ms });
        }
        Ok(())
    }
}

/// In-flight bytes of one host call: what wasmtime may copy out of a guest at a time.
const FUEL_PER_CALL: usize = 4 << 20;

/// A store for `data`, bounded on all sides before any code of the guest runs.
pub(crate) fn bounded_store(engine: &wasmtime::Engine, data: Data) -> wasmtime::Store<Data> {
    let handles = usize::try_from(data.ctx.budget.limits().handles).unwrap_or(usize::MAX);
    let mut store = wasmtime::Store::new(engine, data);
    store.limiter(|data| &mut data.limiter);
    store.set_hostcall_fuel(FUEL_PER_CALL);
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(handles.saturating_mul(4));
    }
    store.epoch_deadline_callback(|store| {
        store.data().check()?;
        Ok(wasmtime::UpdateDeadline::Yield(1))
    });
    store.set_epoch_deadline(1);
    store
}
