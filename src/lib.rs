//! Feature flags for any tower or hyper stack.

#[cfg(feature = "file")]
pub mod definition;
pub mod model;

pub use model::*;
