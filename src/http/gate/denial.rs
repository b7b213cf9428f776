//! Builders of the response of a closed gate.

use http::{Request, Response, request::Parts};

use super::{GateDenied, response::Fixed};
use crate::http::{FixedBody, caching};

/// A builder of the response of a closed gate.
///
/// Every closure `Fn(&GateDenied, &Parts) -> Response<B>` implements it: see
/// [`FlagGate::respond_with`](super::FlagGate::respond_with). With a type of your own, the type of
/// the gate has a name, such as `FlagGate<Page>` and `Gated<S, Page>`.
///
/// The builder runs on the request path, so it must neither panic nor wait.
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

/// The response of a closed gate unless another one is set: JSON, problem details or a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefaultDenial;

/// A [`DenialResponse`], or [`DefaultDenial`], whose responses are made when the layer is built.
pub trait Deny {
    /// The body of the response.
    type Body;

    /// Builds the response to a request that is not a gRPC request.
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
        // Without the header, caches may keep a 404 or 410 for as long as they like.
        caching::keep_out(response.headers_mut());
        response
    }
}
