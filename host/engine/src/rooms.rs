//! What each interface room sees of a request's store.

use host_core::grants::Capability;

use std::sync::Arc;

use host_core::http::Arrival;
use host_core::reverse::Reverse;

use crate::data::{Data, Serving};
use crate::version::Version;

/// For `bandstand:routing/urls`.
pub(crate) fn urls(data: &mut Data) -> Option<host_routing::View<'_>> {
    let Serving { ctx, current, .. } = data.serving();
    Some(host_routing::View { table: &current.as_ref()?.urls, app: &ctx.app, budget: &ctx.budget })
}

/// For `bandstand:db`: without a grant there is no database behind the view, and all calls are denied. Each interface asks for its own
/// besides.
pub(crate) fn db(data: &mut Data) -> host_db::DbView<'_> {
    let ctx = data.ctx();
    let granted = ctx.may(Capability::Db) || ctx.may(Capability::DbRaw);
    let request = data.current().and_then(|current| current.db.as_ref()).filter(|_| granted).cloned();
    host_db::DbView { request, table: &mut data.table }
}

/// For `bandstand:templates/render`.
pub(crate) fn render(data: &mut Data) -> host_templates::RenderView<'_> {
    let Serving { ctx, current, .. } = data.serving();
    let current = current.as_ref();
    host_templates::RenderView {
        templates: current.map(|current| &current.version.templates),
        page: current.map(|current| page(&current.urls, &current.version, &current.arrival, &current.parts.uri)),
        ctx,
    }
}

/// What a page knows besides its context.
pub(crate) fn page(
    urls: &Arc<dyn Reverse>,
    version: &Arc<Version>,
    arrival: &Arrival,
    uri: &http::Uri,
) -> host_templates::Page {
    host_templates::Page {
        app: version.id.clone(),
        id: arrival.id,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        reverse: urls.clone(),
        statics: Some(version.clone()),
        now: None,
    }
}

impl host_templates::Statics for Version {
    fn version_of(&self, path: &str) -> Option<String> {
        self.assets.version_of(path)
    }
}
