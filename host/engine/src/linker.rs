//! The only list of interfaces: what an app's imports are answered by.
//!
//! Every interface that the host knows is linked, granted or not: what isn't granted answers `access-denied` as a
//! value. Python and JavaScript components import what they never call.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::bindings::bandstand;
use crate::data::Data;

/// Prepares components for instantiation.
pub(crate) struct Linkers {
    lean: Linker<Data>,
    with_wasi: Linker<Data>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut lean = Linker::new(engine);
        bandstand::routing::types::add_to_linker::<_, HasSelf<Data>>(&mut lean, |data| data)?;
        bandstand::routing::request::add_to_linker::<_, HasSelf<Data>>(&mut lean, |data| data)?;
        bandstand::app::log::add_to_linker::<_, HasSelf<Data>>(&mut lean, |data| data)?;
        bandstand::app::environment::add_to_linker::<_, HasSelf<Data>>(&mut lean, |data| data)?;
        host_routing::add_to_linker(&mut lean, crate::rooms::urls)?;
        host_db::add_to_linker(&mut lean, crate::rooms::db)?;
        host_templates::add_to_linker(&mut lean, crate::rooms::render)?;
        let mut with_wasi = lean.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut with_wasi)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut with_wasi)?;
        wasmtime_wasi::p3::add_to_linker(&mut with_wasi)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut with_wasi)?;
        Ok(Self { lean, with_wasi })
    }

    /// Resolves the imports of `component`. The error is a sentence for the operator.
    pub(crate) fn link(&self, component: &Component, wasi: bool) -> Result<InstancePre<Data>, String> {
        let linker = if wasi { &self.with_wasi } else { &self.lean };
        linker
            .instantiate_pre(component)
            .map_err(|e| format!("imports something that this host doesn't have, or has in another form: {e:#}"))
    }
}
