//! The access log: one line for each request, when its response is through.

use std::time::Instant;

use host_core::context::RequestId;
use host_core::http::Served;
use http::{Method, StatusCode};

/// What a line says. The path is cut; what could break a line is escaped by the log's writer, since it is a field.
pub(crate) struct Line {
    pub(crate) id: RequestId,
    pub(crate) method: Method,
    pub(crate) path: Box<str>,
    pub(crate) status: StatusCode,
    pub(crate) start: Instant,
    pub(crate) served: Option<Served>,
}

/// The longest path in a line, in bytes.
const MAX_PATH: usize = 500;

/// Whether anybody listens; else a line need not be made.
pub(crate) fn enabled() -> bool {
    tracing::enabled!(target: "access", tracing::Level::INFO)
}

/// The path of a target, cut at a character's border.
pub(crate) fn path(target: &str) -> Box<str> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default().into()
}

impl Line {
    /// Writes it. `complete` is false where the client went away or the response broke off.
    pub(crate) fn write(&self, bytes: u64, complete: bool) {
        let served = self.served.as_ref();
        tracing::info!(
            target: "access",
            id = %self.id,
            method = %self.method,
            path = ?self.path,
            status = self.status.as_u16(),
            micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes,
            app = served.and_then(|served| served.app.as_ref()).map(host_core::name::AppId::as_str),
            route = served.and_then(|served| served.route.as_deref()),
            statements = served.map(Served::statements),
            db_micros = served.map(Served::db_micros),
            complete,
        );
    }
}
