//! The service behind a concealed gate.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::ConcealedGate;
use crate::http::{
    arm::CallFuture,
    arms::Arms,
    ask::{self, Question},
    caching::Audience,
    context::Refusal,
    switch::{Edit, SwitchFuture},
};

/// A service behind a [`ConcealedGate`].
///
/// While the flag has one answer for all users, the service is ready when the service that it calls
/// is ready. Otherwise it is ready when both the inner service and the not-found service are. In
/// all of this it behaves like a [`Switched`](crate::gate::Switched) service.
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
    arms: Arms<S, N>,
    question: Arc<Question<X>>,
}

impl<S, N, X> Concealed<S, N, X> {
    /// Puts `inner` behind `gate`, as the gate's `layer` does.
    pub fn new(inner: S, gate: ConcealedGate<N, X>) -> Self {
        let ConcealedGate { question, not_found } = gate;
        Self { arms: Arms::new(inner, not_found), question: Arc::new(question) }
    }

    /// Borrows the inner service and the not-found service.
    pub fn get_ref(&self) -> (&S, &N) {
        self.arms.get_ref()
    }

    /// Borrows the inner service and the not-found service mutably.
    pub fn get_mut(&mut self) -> (&mut S, &mut N) {
        self.arms.get_mut()
    }

    /// Returns the inner service and the not-found service, without the gate.
    pub fn into_inner(self) -> (S, N) {
        self.arms.into_inner()
    }
}

impl<S, N, X, B, R> Service<Request<B>> for Concealed<S, N, X>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    N: Service<Request<B>, Response = Response<R>, Error = S::Error> + Clone,
    X: Refusal,
{
    type Response = Response<X::Body<R>>;
    type Error = S::Error;
    type Future =
        SwitchFuture<CallFuture<S, Request<B>, S::Future>, CallFuture<N, Request<B>, N::Future>, X>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.arms.poll_ready(&self.question, cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let question = &*self.question;
        if !question.applies_to(&request) {
            let edit = Edit::Served(Audience::All);
            return SwitchFuture::on(self.arms.call_on(request), edit);
        }
        let denied = Cell::new(None);
        match question.choose(&request, &denied) {
            Ok((true, audience)) => {
                SwitchFuture::on(self.arms.call_on(request), Edit::Served(audience))
            }
            Ok((false, audience)) => {
                let denied = ask::denied(denied);
                SwitchFuture::off(self.arms.call_off(request), Edit::Denied(denied, audience))
            }
            Err(refusal) => {
                self.arms.release();
                SwitchFuture::refused(refusal)
            }
        }
    }
}

impl<S: Clone, N: Clone, X> Clone for Concealed<S, N, X> {
    fn clone(&self) -> Self {
        Self { arms: self.arms.clone(), question: Arc::clone(&self.question) }
    }
}

impl<S: fmt::Debug, N: fmt::Debug, X> fmt::Debug for Concealed<S, N, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inner, not_found) = self.get_ref();
        f.debug_struct("Concealed")
            .field("inner", inner)
            .field("not_found", not_found)
            .field("condition", &self.question.condition)
            .finish_non_exhaustive()
    }
}
