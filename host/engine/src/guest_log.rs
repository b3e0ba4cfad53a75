//! Lines that guests write to the site's log.

use host_core::context::RequestContext;
use tracing::Level;

/// The longest line in bytes.
const MAX_LINE: usize = 8 << 10;
/// The most that one request may write in bytes.
const MAX_REQUEST: u64 = 64 << 10;

/// Writes one line in the name of `ctx`'s app, unless its request has written its share.
pub(crate) fn line(ctx: &RequestContext, level: Level, message: &str) {
    let text = clean(message);
    if level == Level::ERROR {
        ctx.complain(&text);
    }
    let before = ctx.budget.count_log(text.len().max(1) as u64);
    let (app, id) = (&ctx.app, ctx.id);
    if before > MAX_REQUEST {
        return;
    }
    if before + text.len() as u64 > MAX_REQUEST {
        // Counted once more, so that this is said only once.
        ctx.budget.count_log(MAX_REQUEST);
        tracing::warn!(target: "app", %app, %id, "the request has written {MAX_REQUEST} bytes to the log; the rest is dropped");
        return;
    }
    match level {
        Level::ERROR => tracing::error!(target: "app", %app, %id, "{text}"),
        Level::WARN => tracing::warn!(target: "app", %app, %id, "{text}"),
        Level::INFO => tracing::info!(target: "app", %app, %id, "{text}"),
        Level::DEBUG => tracing::debug!(target: "app", %app, %id, "{text}"),
        Level::TRACE => tracing::trace!(target: "app", %app, %id, "{text}"),
    }
}

/// The message on one line, without what a terminal or a log reader would take for a command, and cut to the limit.
pub(crate) fn clean(message: &str) -> String {
    host_core::text::one_line(message, MAX_LINE)
}
