//! host-routing.
