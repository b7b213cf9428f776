//! `RequestFlags` as an argument of axum handlers.

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    flags::{RequestFlags, current},
    foreign,
};

/// Extracts the flags that a [request layer](crate::Flags::request_layer) has pinned.
///
/// Without a request layer the response is a 500 with the reason. Use `Option<RequestFlags>` to
/// handle the request anyway.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::get};
/// use flagstaff::{Flags, Memory, RequestFlags, TrustedHeaders};
///
/// async fn search(flags: RequestFlags) -> &'static str {
///     if flags.is_enabled("new_search") { "new" } else { "old" }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let flags = Flags::builder().source(Memory::new().with("new_search", true)).start().await?;
/// let app: Router = Router::new()
///     .route("/search", get(search))
///     .layer(flags.request_layer(TrustedHeaders::default()));
/// # Ok(())
/// # }
/// ```
impl<S: Sync> FromRequestParts<S> for RequestFlags {
    type Rejection = MissingRequestFlags;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Self, MissingRequestFlags> {
        find(parts).ok_or(MissingRequestFlags)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestFlags {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(find(parts))
    }
}

fn find(parts: &Parts) -> Option<RequestFlags> {
    let pinned = parts.extensions.get::<RequestFlags>().cloned();
    pinned.map(RequestFlags::with_current_overrides).or_else(current)
}

/// The rejection of a handler that takes [`RequestFlags`] without a request layer around it: a 500.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no flags are pinned for this request: add a request layer")]
pub struct MissingRequestFlags;

crate::error::debug_is_message!(MissingRequestFlags);

impl IntoResponse for MissingRequestFlags {
    fn into_response(self) -> Response {
        foreign::error!("a handler takes `RequestFlags`, and there is no request layer around it");
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
