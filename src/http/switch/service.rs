//! The service that is two.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Edit, FlagSwitch, SwitchFuture};
use crate::http::{ask::Question, context::Refusal};

/// Two services, one of which gets each request: made by a [`FlagSwitch`].
///
/// It is ready when both are. What the one that is not called has reserved for the call stays
/// reserved for the next request of this clone; hyper, axum and tonic call a clone per request and
/// drop it, which releases it.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::Switched, FlagSwitch};
///
/// let search = Switched::new("old", FlagSwitch::new("new_search", "new"));
///
/// assert_eq!(search.get_ref(), (&"new", &"old"));
/// ```
pub struct Switched<A, S, X = Infallible> {
    on: A,
    inner: S,
    question: Arc<Question<X>>,
}

impl<A, S, X> Switched<A, S, X> {
    /// Puts the switch's service beside `inner`, as the switch's `layer` does: `inner` gets the
    /// requests while the flag is off.
    pub fn new(inner: S, switch: FlagSwitch<A, X>) -> Self {
        let FlagSwitch { on, question } = switch;
        Self { on, inner, question: Arc::new(question) }
    }

    /// Borrows the service for on and the inner service, which is the one for off.
    pub fn get_ref(&self) -> (&A, &S) {
        (&self.on, &self.inner)
    }

    /// Borrows the service for on and the inner service mutably.
    pub fn get_mut(&mut self) -> (&mut A, &mut S) {
        (&mut self.on, &mut self.inner)
    }

    /// Returns the service for on and the inner service, without the switch.
    pub fn into_inner(self) -> (A, S) {
        (self.on, self.inner)
    }
}

impl<A, S, X, Q, R> Service<Request<Q>> for Switched<A, S, X>
where
    A: Service<Request<Q>, Response = Response<R>>,
    S: Service<Request<Q>, Response = Response<R>, Error = A::Error>,
    X: Refusal,
{
    type Response = Response<X::Body<R>>;
    type Error = A::Error;
    type Future = SwitchFuture<A::Future, S::Future, X>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        ready!(self.on.poll_ready(cx))?;
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let question = &*self.question;
        if !question.applies_to(&request) {
            return SwitchFuture::off(self.inner.call(request), Edit::Nothing);
        }
        let chosen = question.ask(&request, |view| {
            let edit = match question.condition.depends_on_context(view) {
                true => Edit::Private(view.headers().cloned()),
                false => Edit::Nothing,
            };
            (question.condition.check(view).is_ok(), edit)
        });
        match chosen {
            Ok((true, edit)) => SwitchFuture::on(self.on.call(request), edit),
            Ok((false, edit)) => SwitchFuture::off(self.inner.call(request), edit),
            Err(refusal) => SwitchFuture::refused(refusal),
        }
    }
}

impl<A: Clone, S: Clone, X> Clone for Switched<A, S, X> {
    fn clone(&self) -> Self {
        let (on, inner) = (self.on.clone(), self.inner.clone());
        Self { on, inner, question: Arc::clone(&self.question) }
    }
}

impl<A: fmt::Debug, S: fmt::Debug, X> fmt::Debug for Switched<A, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switched")
            .field("on", &self.on)
            .field("inner", &self.inner)
            .field("condition", &self.question.condition)
            .finish_non_exhaustive()
    }
}
