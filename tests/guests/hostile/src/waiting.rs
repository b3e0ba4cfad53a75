//! Waits that don't end.

use glue::{Response, request, text};

/// Waits for a stream that nobody writes to.
pub async fn wait() -> Response {
    glue::wait_for_ever().await;
    text(200, "waited for ever\n")
}

/// Waits for a body that the client doesn't send.
pub async fn wait_for_body() -> Response {
    match request::body(u64::MAX).await {
        Ok(body) => text(200, format!("{} bytes\n", body.len())),
        Err(error) => text(400, format!("{}\n", error.code)),
    }
}

/// Is always about to go on: each turn ends by letting others run.
pub async fn yield_for_ever() -> Response {
    loop {
        glue::yield_async().await;
    }
}
