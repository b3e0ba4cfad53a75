//! What clients and operators notice of the server.

mod harness;
mod http1;
mod http2;
mod limits;
mod log;
mod shutdown;
