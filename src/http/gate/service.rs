//! The service behind a gate.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{DefaultDenial, FlagGate, GateFuture, denial::Deny, response::Denials};
use crate::http::{
    EitherBody,
    ask::{Asked, Question},
    context::Refusal,
};

/// A service behind a [`FlagGate`].
///
/// It is ready when the inner service is. While the gate is closed, the inner service is not
/// called and the request's body is dropped unread.
///
/// What the inner service reserves for a call when it becomes ready, such as a permit of a
/// concurrency limit, stays reserved for the next request of this clone when the gate turns out to
/// be closed. hyper, axum and tonic call a clone per request and drop it, which releases it.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::Gated, FlagGate};
///
/// let gated = Gated::new("a service", FlagGate::new("beta"));
///
/// assert_eq!(gated.into_inner(), "a service");
/// ```
pub struct Gated<S, D = DefaultDenial, X = Infallible> {
    inner: S,
    gate: Arc<Gate<D, X>>,
}

/// All that the clones of a service share.
struct Gate<D, X> {
    question: Question<X>,
    denials: Denials,
    denial: Arc<D>,
}

impl<S, D, X> Gated<S, D, X> {
    /// Puts `inner` behind `gate`, as the gate's `layer` does.
    pub fn new(inner: S, gate: FlagGate<D, X>) -> Self {
        let FlagGate { question, wording, denial } = gate;
        let gate = Gate { question, denials: wording.build(), denial };
        Self { inner, gate: Arc::new(gate) }
    }

    /// Borrows the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Borrows the inner service mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service, without the gate.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, D, X, B, R> Service<Request<B>> for Gated<S, D, X>
where
    S: Service<Request<B>, Response = Response<R>>,
    D: Deny,
    X: Refusal,
{
    type Response = Response<X::Body<EitherBody<R, D::Body>>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future, D::Body, X>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Gate { question, denials, denial } = &*self.gate;
        match question.admit(&request) {
            Asked::Yes => GateFuture::open(self.inner.call(request)),
            Asked::No(denied) => GateFuture::closed(denials.respond(&**denial, denied, request)),
            Asked::Refused(refusal) => GateFuture::refused(refusal),
        }
    }
}

impl<S: Clone, D, X> Clone for Gated<S, D, X> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: Arc::clone(&self.gate) }
    }
}

impl<S: fmt::Debug, D, X> fmt::Debug for Gated<S, D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated")
            .field("inner", &self.inner)
            .field("condition", &self.gate.question.condition)
            .finish_non_exhaustive()
    }
}
