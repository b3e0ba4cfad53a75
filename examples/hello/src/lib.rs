//! hello.
