//! What the fuzz targets share: a small world of models with rows, an app that may see some of them, and a way to change JSON
//! so that it mostly stays JSON.

mod json;
mod params;
mod world;

pub use json::mutate;
pub use params::params;
pub use world::{MANIFEST, Marks, USER, World, grants};
