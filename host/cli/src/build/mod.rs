//! `bandstand build`: from an app's folder to one `.wasm` file.

pub(crate) mod files;
pub(crate) mod pack;
