//! Builders of the response of a closed gate.

use http::{Request, Response, request::Parts};

use super::{GateDenied, response::Fixed};
use crate::http::{FixedBody, caching};

/// Builds the response of a closed gate.
///
/// Every closure `Fn(&GateDenied, &Parts) -> Response<B>` is one: see
/// [`FlagGate::respond_with`](super::FlagGate::respond_with). A type of its own lets the type of the
/// gate be named, as `FlagGate<Page>` and `Gated<S, Page>`.
///
/// It must not panic, and it is on the request path: it must not wait.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::{DenialResponse, GateDenied}, FlagGate};
/// use http::{Response, request::Parts};
///
/// struct Page(String);
///
/// impl DenialResponse for Page {
///     type Body = String;
///
///     fn respond(&self, _denied: &GateDenied, _request: &Parts) -> Response<String> {
///         Response::new(self.0.clone())
///     }
/// }
///
/// let gate: FlagGate<Page> = FlagGate::new("beta").response(Page("<h1>Soon</h1>".into()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not build the response of a closed gate",
    label = "not a builder of responses",
    note = "call `.respond_with(|denied, request| Response::new(..))`, or implement `DenialResponse`"
)]
pub trait DenialResponse {
    /// The body of the response.
    type Body;

    /// Builds the response to `request`, whose body is dropped unread.
    fn respond(&self, denied: &GateDenied, request: &Parts) -> Response<Self::Body>;
}

impl<F, B> DenialResponse for F
where
    F: Fn(&GateDenied, &Parts) -> Response<B>,
{
    type Body = B;

    fn respond(&self, denied: &GateDenied, request: &Parts) -> Response<B> {
        self(denied, request)
    }
}

/// The answer of a closed gate unless another one is set: JSON, problem details or a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefaultDenial;

/// A builder, or [`DefaultDenial`], whose answers were made when the layer was built.
pub trait Deny {
    /// The body of the response.
    type Body;

    /// Answers a request that is not gRPC's.
    fn deny<B>(
        &self,
        fixed: &Fixed,
        denied: &GateDenied,
        request: Request<B>,
    ) -> Response<Self::Body>;
}

impl Deny for DefaultDenial {
    type Body = FixedBody;

    fn deny<B>(&self, fixed: &Fixed, _: &GateDenied, _: Request<B>) -> Response<FixedBody> {
        fixed.respond()
    }
}

impl<D: DenialResponse> Deny for D {
    type Body = D::Body;

    fn deny<B>(&self, _: &Fixed, denied: &GateDenied, request: Request<B>) -> Response<D::Body> {
        let (parts, _) = request.into_parts();
        let mut response = self.respond(denied, &parts);
        // Otherwise caches may keep a 404 or 410 for as long as they like.
        caching::keep_out(response.headers_mut());
        response
    }
}
