//! Asks a component for its manifest, before it may do anything else.

use std::sync::Arc;

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::Grants;
use host_core::manifest::{MAX_BYTES, Manifest};
use host_core::name::AppId;

use crate::bindings::EnginePre;
use crate::core::Core;
use crate::data::{Data, Serving, bounded_store};
use crate::driver::{Driver, Work};
use crate::failure::Failure;
use crate::meter::Meter;
use crate::run::{call_failure, instantiation_failure};

/// Runs `describe` on the slow lane, denied everything, and reads what it returns. `name` is for the log until the
/// app has told its own. The error is a sentence for the operator.
pub(crate) async fn describe(
    core: &Arc<Core>,
    pre: &EnginePre<Data>,
    name: &AppId,
    wasi: bool,
) -> Result<Manifest, String> {
    // A Python component needs a good part of a second to start.
    let limits = Limits { wall_ms: 5_000, cpu_ms: 2_000, memory_bytes: core.memory_bytes, ..Limits::default() };
    let ctx = Arc::new(RequestContext::new(RequestId(0), name.clone(), Arc::new(Grants::none()), limits));
    let meter = Arc::new(Meter::default());
    // It belongs to no route, so nobody asks afterwards whether it was slow.
    let bounds = core.bounds(&ctx, &meter, &Arc::default());
    let work: Work<String> = {
        let (core, pre) = (core.clone(), pre.clone());
        Box::pin(async move {
            let _ticking = core.ticker.tick();
            let mut store = bounded_store(&core.engine, Data::new(Serving::new(ctx, meter, None), wasi));
            let instance = match pre.instantiate_async(&mut store).await {
                Ok(instance) => instance,
                Err(error) => return Err(instantiation_failure(error, store.data())),
            };
            let described = store
                .run_concurrent(async |accessor| instance.bandstand_app_manifest().call_describe(accessor).await)
                .await;
            described.and_then(|result| result).map_err(|error| call_failure(error, store.data()))
        })
    };
    let json = Driver::new(work, bounds, true).await.map_err(|failure| match failure {
        Failure::Budget(exhausted) => format!("could not describe itself: {exhausted}"),
        other => format!("could not describe itself: {other}"),
    })?;
    if json.len() > MAX_BYTES {
        return Err(format!("describes itself with {} bytes; the most is {MAX_BYTES}", json.len()));
    }
    Manifest::parse(&json).map_err(|e| e.to_string())
}
