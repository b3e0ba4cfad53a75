//! Lines in the site's log: [`info!`](crate::info) and its brothers.

use core::fmt;

use crate::bindings::bandstand::app::log;
pub use crate::bindings::bandstand::app::log::Level;

/// Writes a line; the macros call it. Past 8 KiB the host cuts it.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    // On the native target, where unit tests run, there is no host to take it.
    if cfg!(target_family = "wasm") {
        match message.as_str() {
            Some(text) => log::log(level, text),
            None => log::log(level, &message.to_string()),
        }
    }
}

/// Logs every step. Arguments as those of `format!`.
#[macro_export]
macro_rules! trace {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Trace, ::core::format_args!($($argument)+))
    };
}

/// Logs something for finding faults. Arguments as those of `format!`.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($argument)+))
    };
}

/// Logs something worth knowing. Arguments as those of `format!`.
#[macro_export]
macro_rules! info {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Info, ::core::format_args!($($argument)+))
    };
}

/// Logs something to look at. Arguments as those of `format!`.
#[macro_export]
macro_rules! warn {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($argument)+))
    };
}

/// Logs that something failed. Arguments as those of `format!`.
#[macro_export]
macro_rules! error {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Error, ::core::format_args!($($argument)+))
    };
}
