//! The service behind a switch.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Edit, FlagSwitch, SwitchFuture};
use crate::http::{
    arm::CallFuture, arms::Arms, ask::Question, caching::Audience, context::Refusal,
};

/// Two services, one of which gets each request, made by a [`FlagSwitch`].
///
/// While the flag has one answer for all users, the switch is ready when the service that it calls
/// is ready. The other service need not be. Otherwise the switch is ready when both are. Requests
/// that wait when the flag changes go to the service of the new value.
///
/// Before there is a request, the switch evaluates the flags that it was given, or else those of
/// the request layer around it. A switch with neither waits for both services. If the flag changes
/// between readiness and the call, the request waits in its future.
///
/// A service that is not called keeps no reservation, such as a permit of a concurrency limit. The
/// switch replaces it with a fresh clone.
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
    arms: Arms<A, S>,
    question: Arc<Question<X>>,
}

impl<A, S, X> Switched<A, S, X> {
    /// Puts the switch's service beside `inner`, as the switch's `layer` does. `inner` gets the
    /// requests while the flag is off.
    pub fn new(inner: S, switch: FlagSwitch<A, X>) -> Self {
        let FlagSwitch { on, question } = switch;
        Self { arms: Arms::new(on, inner), question: Arc::new(question) }
    }

    /// Borrows the service for on and the inner service, which is the service for off.
    pub fn get_ref(&self) -> (&A, &S) {
        self.arms.get_ref()
    }

    /// Borrows the service for on and the inner service mutably.
    pub fn get_mut(&mut self) -> (&mut A, &mut S) {
        self.arms.get_mut()
    }

    /// Returns the service for on and the inner service, without the switch.
    pub fn into_inner(self) -> (A, S) {
        self.arms.into_inner()
    }
}

impl<A, S, X, Q, R> Service<Request<Q>> for Switched<A, S, X>
where
    A: Service<Request<Q>, Response = Response<R>> + Clone,
    S: Service<Request<Q>, Response = Response<R>, Error = A::Error> + Clone,
    X: Refusal,
{
    type Response = Response<X::Body<R>>;
    type Error = A::Error;
    type Future =
        SwitchFuture<CallFuture<A, Request<Q>, A::Future>, CallFuture<S, Request<Q>, S::Future>, X>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        self.arms.poll_ready(&self.question, cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let question = &*self.question;
        if !question.applies_to(&request) {
            let edit = Edit::Served(Audience::All);
            return SwitchFuture::off(self.arms.call_off(request), edit);
        }
        match question.choose(&request, &Cell::new(None)) {
            Ok((true, audience)) => {
                SwitchFuture::on(self.arms.call_on(request), Edit::Served(audience))
            }
            Ok((false, audience)) => {
                SwitchFuture::off(self.arms.call_off(request), Edit::Served(audience))
            }
            Err(refusal) => {
                self.arms.release();
                SwitchFuture::refused(refusal)
            }
        }
    }
}

impl<A: Clone, S: Clone, X> Clone for Switched<A, S, X> {
    fn clone(&self) -> Self {
        Self { arms: self.arms.clone(), question: Arc::clone(&self.question) }
    }
}

impl<A: fmt::Debug, S: fmt::Debug, X> fmt::Debug for Switched<A, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (on, inner) = self.get_ref();
        f.debug_struct("Switched")
            .field("on", on)
            .field("inner", inner)
            .field("condition", &self.question.condition)
            .finish_non_exhaustive()
    }
}
