//! One version of a loaded app: everything that its requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use host_core::context::RequestContext;
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::assets::Assets;
use crate::bindings::EnginePre;
use crate::breaker::Breaker;
use crate::config::AppConfig;
use crate::data::Data;
use crate::page::Followed;
use crate::reuse::Warm;
use crate::shared::Company;
use crate::slots::Share;
use host_core::usage::Usage;

/// What a component exports.
#[derive(Clone)]
pub(crate) enum Entry {
    /// Our own world.
    App(EnginePre<Data>),
    /// `wasi:http/incoming-handler` 0.2.
    Http02(ProxyPre<Data>),
    /// `wasi:http/handler` 0.3.
    Http03(ServicePre<Data>),
}

/// What kind of component an app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of the world `bandstand:app/app`.
    App,
    /// Standard `wasi:http` 0.2.
    Http02,
    /// Standard `wasi:http` 0.3.
    Http03,
}

impl Entry {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Entry::App(_) => Kind::App,
            Entry::Http02(_) => Kind::Http02,
            Entry::Http03(_) => Kind::Http03,
        }
    }
}

/// One version of an app. The old one lives on in its requests until the last of them ends.
pub(crate) struct Version {
    pub(crate) id: AppId,
    pub(crate) manifest: Manifest,
    pub(crate) config: AppConfig,
    pub(crate) grants: Arc<Grants>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub(crate) digest: String,
    /// The file, as the operator knows it.
    pub(crate) origin: String,
    pub(crate) entry: Entry,
    pub(crate) wasi: bool,
    pub(crate) weight: u32,
    pub(crate) share: Share,
    pub(crate) usage: Arc<Usage>,
    /// Replaced when an app whose models this one uses has changed.
    pub(crate) db: Option<ArcSwap<host_db::AppDb>>,
    pub(crate) templates: Arc<host_templates::AppTemplates>,
    /// The relations that its templates followed.
    pub(crate) followed: Followed,
    pub(crate) assets: Assets,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) warm: Warm,
    pub(crate) company: Company,
    /// For each route, whether a request to it was moved to the slow lane lately.
    pub(crate) offenders: Vec<Arc<AtomicBool>>,
}

impl Version {
    /// Its database for one request, where it was granted any.
    pub(crate) fn request_db(&self, ctx: &Arc<RequestContext>) -> Option<Arc<host_db::RequestDb>> {
        let granted = ctx.may(Capability::Db) || ctx.may(Capability::DbRaw);
        let db = self.db.as_ref().filter(|_| granted)?;
        Some(Arc::new(db.load().for_request(ctx.clone())))
    }

    /// Reads other apps' models anew. Blocks on the database.
    pub(crate) fn refresh(&self, site: &Arc<host_db::Db>) -> Result<(), host_db::SchemaError> {
        if let Some(db) = &self.db {
            db.store(site.for_granted(&self.manifest, &self.config.grants, &self.config.models)?);
        }
        Ok(())
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        tracing::debug!(app = %self.id, digest = &self.digest[..12.min(self.digest.len())], "a version has drained");
    }
}
