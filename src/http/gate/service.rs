//! The service behind a gate.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use tower_service::Service;

use super::{DefaultDenial, FlagGate, GateFuture, denial::Deny, response::Denials};
use crate::{
    flags::Wake,
    http::{
        EitherBody,
        arm::Arm,
        ask::{Asked, Question},
        context::Refusal,
    },
};

/// A service behind a [`FlagGate`].
///
/// While the gate is closed, the inner service is not called and the request's body is dropped
/// unread. A gate that is closed for all users is always ready, even if the inner service is not.
/// So a saturated or broken service can be switched off. Requests that wait for the inner service
/// at that moment get the response of the closed gate. Otherwise the gate is ready when the inner
/// service is.
///
/// Before there is a request, the gate evaluates the flags that it was given, or else those of the
/// request layer around it. A gate with neither waits for the inner service. If a flag changes
/// between readiness and the call, the request waits in its future.
///
/// A closed gate keeps no reservation of the inner service, such as a permit of a concurrency
/// limit. It replaces the service with a fresh clone.
///
/// Readiness ignores [`only`](FlagGate::only). While the flag closes the gate for all users,
/// requests that `only` lets pass also wait in their futures.
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
    inner: Arm<S>,
    gate: Arc<Gate<D, X>>,
    wake: Option<Wake>,
}

/// The data that the clones of a service share.
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
        Self { inner: Arm::new(inner), gate: Arc::new(gate), wake: None }
    }

    /// Borrows the inner service.
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref()
    }

    /// Borrows the inner service mutably.
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut()
    }

    /// Returns the inner service, without the gate.
    pub fn into_inner(self) -> S {
        self.inner.into_inner()
    }
}

impl<S: Clone, D, X> Gated<S, D, X> {
    /// Returns ready if the gate is closed for all users, even while the inner service is not ready.
    #[cold]
    fn unready<E>(&mut self, inner: Poll<Result<(), E>>, waker: &Waker) -> Poll<Result<(), E>> {
        let question = &self.gate.question;
        // First, so that no change of the flag is missed in between.
        self.wake = question.wake(waker);
        if question.settled() == Some(false) {
            self.inner.release();
            return Poll::Ready(Ok(()));
        }
        inner
    }
}

impl<S, D, X, B, R> Service<Request<B>> for Gated<S, D, X>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    D: Deny,
    X: Refusal,
{
    type Response = Response<X::Body<EitherBody<R, D::Body>>>;
    type Error = S::Error;
    type Future = GateFuture<S, Request<B>, S::Future, D::Body, X>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // The service first: while it has capacity, the flags are evaluated once per request, by
        // `call`.
        match self.inner.poll_ready(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            unready => self.unready(unready, cx.waker()),
        }
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Gate { question, denials, denial } = &*self.gate;
        match question.admit(&request) {
            Asked::Yes => match self.inner.ready() {
                Some(inner) => GateFuture::open(inner.call(request)),
                None => GateFuture::waiting(self.inner.wait(request)),
            },
            Asked::No(denied) => {
                self.inner.release();
                GateFuture::closed(denials.respond(&**denial, denied, request))
            }
            Asked::Refused(refusal) => {
                self.inner.release();
                GateFuture::refused(refusal)
            }
        }
    }
}

impl<S: Clone, D, X> Clone for Gated<S, D, X> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: Arc::clone(&self.gate), wake: None }
    }
}

impl<S: fmt::Debug, D, X> fmt::Debug for Gated<S, D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated")
            .field("inner", self.inner.get_ref())
            .field("condition", &self.gate.question.condition)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::{
        Flags, Memory, TrustedHeaders,
        eval::EVALUATIONS,
        model::{Condition, Definition, Entry, Percentage, Rule, Serve},
    };

    async fn answer(_: Request<()>) -> Result<Response<String>, Infallible> {
        Ok(Response::new(String::new()))
    }

    /// Sends a request of a user through a layer. Returns the status and the number of evaluations.
    async fn ask<L, B>(layer: L) -> (StatusCode, usize)
    where
        L: Layer<tower::util::ServiceFn<fn(Request<()>) -> Answer>>,
        L::Service: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    {
        let service = layer.layer(service_fn((|it| Box::pin(answer(it)) as _) as fn(_) -> Answer));
        let request = Request::get("/").header("x-user-id", "ana").body(()).unwrap();
        EVALUATIONS.set(0);
        let response = service.oneshot(request).await.unwrap();
        (response.status(), EVALUATIONS.get())
    }

    type Answer =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    #[tokio::test]
    async fn a_gate_evaluates_its_flag_once_whether_it_is_open_or_closed() {
        let all = || Condition::All(Vec::new());
        let drawn = |percent| Definition::new().percentage(Percentage::whole(percent).unwrap());
        let listed = |definition: Definition, is_on| match is_on {
            true => definition.allowed_users(["ana"]),
            false => definition.denied_users(["ana"]),
        };
        for (is_on, status) in [(true, StatusCode::OK), (false, StatusCode::NOT_FOUND)] {
            let serve = if is_on { Serve::On } else { Serve::Off };
            let shapes: [Entry; 5] = [
                is_on.into(),
                listed(drawn(50), is_on).into(),
                Definition::new().rules([Rule::new(all(), serve.clone())]).into(),
                listed(Definition::new().variants([("a", 1), ("b", 1)]), is_on).into(),
                listed(Definition::new().requires(["on"]), is_on).into(),
            ];
            for shape in shapes {
                let memory = Memory::new().with("beta", shape.clone()).with("on", true);
                let flags = Flags::builder().source(memory).start().await.unwrap();
                // The flag is looked up by its name at first, and by its slot afterwards.
                let gate = flags.gate("beta").context(TrustedHeaders::default());
                let pinned = tower::layer::util::Stack::new(
                    flags.gate("beta"),
                    flags.request_layer(TrustedHeaders::default()),
                );
                for _ in 0..2 {
                    assert_eq!(ask(gate.clone()).await, (status, 1), "{shape}");
                    assert_eq!(ask(pinned.clone()).await, (status, 1), "{shape}");
                }
            }
        }
    }
}
