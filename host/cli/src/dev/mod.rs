//! `bandstand dev`: builds, serves, and starts over at every save.

mod live;
mod sources;
