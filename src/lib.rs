//! Feature flags for any tower or hyper stack.

pub mod model;

pub use model::*;
