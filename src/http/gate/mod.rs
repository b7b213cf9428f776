//! The gate: a service that is there only while its flag is on.

mod body;
mod condition;
mod denial;
mod future;
mod layer;
mod response;
mod service;

pub(super) use self::condition::Condition;
pub use self::{
    body::GateBody,
    condition::Requirement,
    denial::{DenialResponse, GateDenied},
    future::GateFuture,
    layer::{ConcealedGate, FlagGate, InvalidGate},
    service::{Concealed, Gated},
};
