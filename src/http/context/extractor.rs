//! The traits of extractors, and the part of a request that they read.

use std::convert::Infallible;

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri};

use super::Refusal;
use crate::model::Context;

/// The head of a request, borrowed: everything but the body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The extensions that outer layers have put into the request.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// Borrows the head of `request`.
    #[inline]
    #[must_use]
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

/// An extractor: reads the evaluation context of a request.
/// An extractor cannot fail: a request without usable data is anonymous. An extractor that refuses
/// such requests implements [`TryContextExtractor`] instead. Both run on the request path, for
/// every request, so they must not wait.
///
/// [`TrustedHeaders`](super::TrustedHeaders) and [`Anonymous`] are extractors, and
/// [`context_fn`](super::context_fn) makes one from a closure.
///
/// # Example
///
/// A type can borrow from the request, and name the headers that it reads:
///
/// ```
/// use flagstaff::{context::{ContextExtractor, RequestHead}, Context};
/// use http::{HeaderName, Request};
///
/// struct ByTenant([HeaderName; 1]);
///
/// impl ContextExtractor for ByTenant {
///     fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a> {
///         let tenant = request.headers.get(&self.0[0]).and_then(|value| value.to_str().ok());
///         tenant.map_or_else(Context::anonymous, Context::user)
///     }
///
///     fn headers(&self) -> &[HeaderName] {
///         &self.0
///     }
/// }
///
/// let by_tenant = ByTenant([HeaderName::from_static("x-tenant")]);
/// let request = Request::get("/").header("X-Tenant", "acme").body(()).unwrap();
/// let context = by_tenant.context(&RequestHead::of(&request));
/// assert_eq!(context.targeting_key(), Some("acme"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor of evaluation contexts",
    label = "not an extractor",
    note = "pass a closure as `context_fn(|head| Context::user(..))`, or as `try_context_fn(|head| ..)` if it may refuse a request",
    note = "or pass `TrustedHeaders::default()`, `Anonymous`, or a type that implements `ContextExtractor`"
)]
// There is no impl for all closures: its errors would be about `Fn`, and not about extractors.
pub trait ContextExtractor {
    /// Returns the evaluation context of a request.
    fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a>;

    /// Returns the request headers that the context is derived from.
    ///
    /// Responses that depend on the context list them in `Vary`, so that a cache in between does
    /// not give one user's response to another. Empty unless implemented.
    fn headers(&self) -> &[HeaderName] {
        &[]
    }
}

/// An extractor that may refuse a request with a response of its own, such as a 401.
///
/// Request layers, gates and switches take extractors of both kinds. Every [`ContextExtractor`] is
/// also a [`TryContextExtractor`] that refuses nothing, as every `From` is a `TryFrom`.
/// [`try_context_fn`](super::try_context_fn) makes one from a closure.
///
/// A refused request reaches neither the service nor the gate's own response. Its body is dropped
/// unread, and the refusal is sent unchanged.
///
/// # Example
///
/// ```
/// use flagstaff::{context::{RequestHead, TryContextExtractor}, Context, Flags, Memory};
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// struct SignedIn;
///
/// impl TryContextExtractor for SignedIn {
///     type Refusal = Response<String>;
///
///     fn try_context<'a>(&self, head: &RequestHead<'a>) -> Result<Context<'a>, Response<String>> {
///         if let Some(account) = head.headers.get("x-account").and_then(|id| id.to_str().ok()) {
///             return Ok(Context::user(account));
///         }
///         let mut response = Response::new(String::from("sign in first"));
///         *response.status_mut() = StatusCode::UNAUTHORIZED;
///         Err(response)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new()).start().await?;
/// let service = ServiceBuilder::new().layer(flags.request_layer(SignedIn)).service_fn(
///     async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(String::new())),
/// );
///
/// let response = service.oneshot(Request::new(())).await?;
///
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor of evaluation contexts",
    label = "not an extractor",
    note = "pass a closure as `context_fn(|head| Context::user(..))`, or as `try_context_fn(|head| ..)` if it may refuse a request",
    note = "or pass `TrustedHeaders::default()`, `Anonymous`, or a type that implements `ContextExtractor`"
)]
pub trait TryContextExtractor {
    /// The response to a refused request, or [`Infallible`] if none is refused.
    type Refusal: Refusal;

    /// Returns the evaluation context of a request.
    ///
    /// # Errors
    ///
    /// Returns the response to a request that is refused.
    fn try_context<'a>(&self, request: &RequestHead<'a>) -> Result<Context<'a>, Self::Refusal>;

    /// Returns the request headers that the context is derived from. See
    /// [`ContextExtractor::headers`].
    fn headers(&self) -> &[HeaderName] {
        &[]
    }
}

impl<E: ContextExtractor> TryContextExtractor for E {
    type Refusal = Infallible;

    #[inline]
    fn try_context<'a>(&self, request: &RequestHead<'a>) -> Result<Context<'a>, Infallible> {
        Ok(self.context(request))
    }

    fn headers(&self) -> &[HeaderName] {
        ContextExtractor::headers(self)
    }
}

/// An extractor for which all users are anonymous: for flags that have one answer for all.
///
/// # Example
///
/// ```
/// use flagstaff::context::{Anonymous, ContextExtractor, RequestHead};
///
/// let request = http::Request::new(());
///
/// assert_eq!(Anonymous.context(&RequestHead::of(&request)).targeting_key(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anonymous;

impl ContextExtractor for Anonymous {
    fn context<'a>(&self, _request: &RequestHead<'a>) -> Context<'a> {
        Context::anonymous()
    }
}
