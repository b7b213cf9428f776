//! The gate, which closes a service while its flag is off.

mod denial;
mod future;
mod grpc;
mod layer;
mod response;
mod service;

pub use self::{
    denial::{DefaultDenial, DenialResponse},
    future::GateFuture,
    grpc::GrpcStatus,
    layer::{FlagGate, InvalidGate},
    service::Gated,
};
use super::GateDenied;
