//! bandstand.
