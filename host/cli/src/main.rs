//! The `bandstand` command.

mod build;
mod config;
mod problem;

fn main() {}
