//! Flags for HTTP services: anything that is a [`tower_service::Service`] of [`http::Request`]s,
//! such as those of hyper, axum and tonic.
//!
//! - [`RequestLayer`] gives each request one generation of the flags and one context.
//! - [`FlagGate`] closes a service while its flag is off.
//! - [`FlagSwitch`] sends a request to one of two services.
//! - [`ContextExtractor`] reads the context of a request. [`TrustedHeaders`] is an extractor, and
//!   [`context_fn`] makes one from a closure.
//!
//! # Example
//!
//! ```
//! use flagstaff::{FlagGate, Flags, Memory, TrustedHeaders};
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let flags = Flags::builder().source(Memory::new().with("new_checkout", false)).start().await?;
//!
//! let service = ServiceBuilder::new()
//!     .layer(flags.request_layer(TrustedHeaders::default()))
//!     .layer(FlagGate::new("new_checkout"))
//!     .service_fn(async |_: Request<String>| {
//!         Ok::<_, std::convert::Infallible>(Response::new(String::from("checkout")))
//!     });
//!
//! let closed = service.clone().oneshot(Request::default()).await?;
//! assert_eq!(closed.status(), StatusCode::NOT_FOUND);
//!
//! flags.enable("new_checkout").await?;
//!
//! let open = service.oneshot(Request::default()).await?;
//! assert_eq!(open.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```

mod arm;
mod arms;
mod ask;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod caching;
mod conceal;
mod condition;
mod context;
#[cfg(feature = "cookie")]
mod cookie;
mod denied;
mod gate;
mod request;
mod requirement;
mod switch;

#[cfg(feature = "axum")]
pub use self::axum::MissingRequestFlags;
#[cfg(feature = "cookie")]
pub use self::cookie::{InvalidCookie, StickyCookie};
pub use self::{
    arm::CallFuture,
    body::{BodyError, EitherBody, FixedBody},
    conceal::{Concealed, ConcealedGate},
    context::{
        Anonymous, ContextExtractor, ContextFn, InvalidHeader, Refusal, RequestHead,
        TrustedHeaders, TryContextExtractor, TryContextFn, context_fn, try_context_fn,
    },
    denied::GateDenied,
    gate::{DefaultDenial, DenialResponse, FlagGate, GateFuture, Gated, GrpcStatus, InvalidGate},
    request::{RequestFuture, RequestLayer, RequestService},
    requirement::{IntoRequirement, Requirement},
    switch::{FlagSwitch, SwitchFuture, Switched},
};
