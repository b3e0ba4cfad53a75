//! host-store.
