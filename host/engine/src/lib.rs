//! host-engine.
