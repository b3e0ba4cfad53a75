//! What clients and operators notice of the server.

// Tests are the clients: they call.
#![allow(clippy::disallowed_methods)]

mod harness;
mod http1;
mod http2;
mod limits;
mod log;
mod origin;
mod shutdown;
mod windows;
