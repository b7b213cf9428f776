//! The concealed gate: a service that looks like a missing one while its flag is off.

mod layer;
mod service;

pub use self::{layer::ConcealedGate, service::Concealed};
