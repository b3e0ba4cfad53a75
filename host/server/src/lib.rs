//! host-server.
