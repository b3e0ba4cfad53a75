//! host-db.
