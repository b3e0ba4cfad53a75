//! The world `bandstand:app/app` for guests that are written without the SDK, so that the tests of the host depend on
//! the contract alone.

use std::future::Future;

#[allow(missing_docs)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/db", "../../../wit/routing", "../../../wit/templates", "../../../wit/app"],
        world: "bandstand:app/app",
        pub_export_macro: true,
        default_bindings_module: "glue",
        generate_all,
    });
}

pub use bindings::*;
pub use wit_bindgen::{StreamReader, StreamResult, StreamWriter, yield_async};

pub use bindings::bandstand::app::{environment, log};
pub use bindings::bandstand::db::{queries, types as db};
pub use bindings::bandstand::routing::types::{Body, Request, Response};
pub use bindings::bandstand::routing::{request, urls};
pub use bindings::bandstand::templates::render;
pub use bindings::exports::bandstand::app::manifest::Guest as Manifest;
pub use bindings::exports::bandstand::routing::handler::Guest as Handler;

/// Plain text with a status.
pub fn text(status: u16, text: impl Into<String>) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
        body: Body::Bytes(text.into().into_bytes()),
    }
}

/// A body whose bytes come from `produce`, which runs on after the handler has returned.
pub fn stream<F, P>(produce: P) -> Body
where
    P: FnOnce(StreamWriter<u8>) -> F,
    F: Future<Output = ()> + 'static,
{
    let (writer, reader) = wit_stream::new();
    drop(wit_bindgen::spawn_local(produce(writer)));
    Body::Stream(reader)
}

/// Waits for something that never comes: the stream's writer is kept and never used.
pub async fn wait_for_ever() {
    let (writer, mut reader) = wit_stream::new::<u8>();
    reader.next().await;
    drop(writer);
}
