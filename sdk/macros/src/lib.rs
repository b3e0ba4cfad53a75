//! bandstand-macros.
