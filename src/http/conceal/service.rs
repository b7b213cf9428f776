//! The service that is hidden.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tower_service::Service;

use super::ConcealedGate;
use crate::http::{
    ask::{Asked, Question},
    context::Refusal,
    switch::{Edit, SwitchFuture},
};

/// A service behind a [`ConcealedGate`].
///
/// It is ready when both the inner service and the not-found service are.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::Concealed, FlagGate};
///
/// let concealed = Concealed::new("secret", FlagGate::new("beta").conceal("not found"));
///
/// assert_eq!(concealed.get_ref(), (&"secret", &"not found"));
/// ```
pub struct Concealed<S, N, X = Infallible> {
    inner: S,
    not_found: N,
    question: Arc<Question<X>>,
}

impl<S, N, X> Concealed<S, N, X> {
    /// Hides `inner` behind `gate`, as the gate's `layer` does.
    pub fn new(inner: S, gate: ConcealedGate<N, X>) -> Self {
        let ConcealedGate { question, not_found } = gate;
        Self { inner, not_found, question: Arc::new(question) }
    }

    /// Borrows the inner service and the not-found service.
    pub fn get_ref(&self) -> (&S, &N) {
        (&self.inner, &self.not_found)
    }

    /// Borrows the inner service and the not-found service mutably.
    pub fn get_mut(&mut self) -> (&mut S, &mut N) {
        (&mut self.inner, &mut self.not_found)
    }

    /// Returns the inner service and the not-found service, without the gate.
    pub fn into_inner(self) -> (S, N) {
        (self.inner, self.not_found)
    }
}

impl<S, N, X, B, R> Service<Request<B>> for Concealed<S, N, X>
where
    S: Service<Request<B>, Response = Response<R>>,
    N: Service<Request<B>, Response = Response<R>, Error = S::Error>,
    X: Refusal,
{
    type Response = Response<X::Body<R>>;
    type Error = S::Error;
    type Future = SwitchFuture<S::Future, N::Future, X>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.inner.poll_ready(cx))?;
        self.not_found.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.question.admit(&request) {
            Asked::Yes => SwitchFuture::on(self.inner.call(request), Edit::Nothing),
            Asked::No(denied) => {
                SwitchFuture::off(self.not_found.call(request), Edit::Denied(denied))
            }
            Asked::Refused(refusal) => SwitchFuture::refused(refusal),
        }
    }
}

impl<S: Clone, N: Clone, X> Clone for Concealed<S, N, X> {
    fn clone(&self) -> Self {
        let (inner, not_found) = (self.inner.clone(), self.not_found.clone());
        Self { inner, not_found, question: Arc::clone(&self.question) }
    }
}

impl<S: fmt::Debug, N: fmt::Debug, X> fmt::Debug for Concealed<S, N, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concealed")
            .field("inner", &self.inner)
            .field("not_found", &self.not_found)
            .field("condition", &self.question.condition)
            .finish_non_exhaustive()
    }
}
