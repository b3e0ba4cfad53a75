//! bandstand-benches.
