//! The gate: a service that is there only while its flag is on.

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
