//! The request layer: one generation and one context per request.

mod body;
mod future;
mod layer;
mod service;

#[cfg(feature = "cookie")]
pub(super) use self::layer::{Identify, Visitor};
pub use self::{future::RequestFuture, layer::RequestLayer, service::RequestService};
