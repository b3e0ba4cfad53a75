//! polls.
