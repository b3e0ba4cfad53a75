//! Connections, limits and the chain of checks in front of a site.
//!
//! A [`Server`] accepts connections, speaks HTTP/1.1 and HTTP/2 (with prior knowledge), and hands each request that
//! passed its checks to a [`host_core::http::Site`]. It knows nothing of apps, databases or wasm. It guarantees:
//!
//! - every wait on a client has an end: for the head, between parts of a body in both directions (in HTTP/2 for each
//!   stream), between requests;
//! - every size has an end: connections, streams, header fields, the target, the body;
//! - a request that reaches the site has one host, which is an allowed one, a target that is a path, and an id;
//! - a request that changes something was not sent by another site's page, unless the operator trusts that site;
//! - a response that leaves has an id and the security headers, and framing that HTTP allows;
//! - a panic is that request's 500;
//! - at shutdown no request is lost that ends within the drain time.
//!
//! The checks stand in order in `chain.rs`: begin to read there.

mod access;
mod chain;
mod config;
mod connection;
mod hosts;
mod id;
mod incoming;
mod origin;
mod outgoing;
mod server;
mod streams;
mod underway;

#[cfg(test)]
mod tests;

pub use config::{ConfigError, ServerConfig};
pub use server::{Drained, Server};
