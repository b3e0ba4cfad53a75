//! The words that all rooms of the host share, and the traits where rooms meet.
//!
//! Nothing here knows wasmtime, hyper or a database: a type stands here because two rooms that may not know each other
//! both need it. What an app says of itself is a [`manifest::Manifest`], what its operator lets it do are
//! [`grants::Grants`], what one request may cost is a [`budget::Budget`], and the server hands requests to a
//! [`http::Site`].

pub mod access;
pub mod budget;
pub mod context;
pub mod grants;
pub mod http;
pub mod manifest;
pub mod name;
pub mod page;
pub mod priority;
pub mod queries;
pub mod quota;
pub mod reverse;
pub mod rows;
pub mod text;
pub mod usage;
