//! A service that is called only for some requests.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

/// The service behind a gate, or one of the two services behind a switch.
#[derive(Debug)]
pub(super) struct Arm<S> {
    service: S,
    readiness: Readiness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// The service was not polled since it was called or made, so it has reserved nothing.
    Unasked,
    /// The service was polled, and was not ready. It may have a place in a queue.
    Waiting,
    /// The service may be called, and may have a permit for that.
    Ready,
}

impl<S> Arm<S> {
    pub(super) fn new(service: S) -> Self {
        Self { service, readiness: Readiness::Unasked }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.service
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.service
    }

    pub(super) fn into_inner(self) -> S {
        self.service
    }

    #[inline]
    pub(super) fn poll_ready<Q>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Q>,
    {
        let poll = self.service.poll_ready(cx);
        self.readiness = match poll {
            Poll::Ready(Ok(())) => Readiness::Ready,
            Poll::Pending | Poll::Ready(Err(_)) => Readiness::Waiting,
        };
        poll
    }

    /// Returns the service if it may be called now. The caller must call it, since this uses up its
    /// readiness.
    #[inline]
    pub(super) fn ready(&mut self) -> Option<&mut S> {
        if self.readiness != Readiness::Ready {
            return None;
        }
        self.readiness = Readiness::Unasked;
        Some(&mut self.service)
    }

    /// Moves the service and the request into a future that waits for the service, and continues
    /// with a clone.
    #[cold]
    pub(super) fn wait<Q>(&mut self, request: Q) -> Waiting<S, Q>
    where
        S: Clone,
    {
        let fresh = self.service.clone();
        // The old service moves along, since it may have a place in a queue.
        let service = mem::replace(&mut self.service, fresh);
        self.readiness = Readiness::Unasked;
        Waiting(Some(Box::new((service, request))))
    }

    /// Calls the service, once it is ready.
    #[inline]
    pub(super) fn call<Q>(&mut self, request: Q) -> CallFuture<S, Q, S::Future>
    where
        S: Service<Q> + Clone,
    {
        let state = match self.ready() {
            Some(service) => State::Called { future: service.call(request) },
            None => State::Waiting { waiting: self.wait(request) },
        };
        CallFuture { state }
    }

    /// Releases the resources that the service has reserved for a call, such as a permit.
    #[inline]
    pub(super) fn release(&mut self)
    where
        S: Clone,
    {
        // There is no other way to release them (tower, "Be careful when cloning inner services").
        if self.readiness != Readiness::Unasked {
            self.service = self.service.clone();
            self.readiness = Readiness::Unasked;
        }
    }
}

/// Clones the service. A clone makes its own reservation.
impl<S: Clone> Clone for Arm<S> {
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}

/// A request that waits for its service.
///
/// A gate or switch does not wait for a service that it is not going to call. If its flag changes
/// before the request arrives, the request waits in the future of its response.
// Boxed, since few requests wait, and the future of every request would have room for a service and
// a request.
// `None` once the service was called.
pub(super) struct Waiting<S, Q>(Option<Box<(S, Q)>>);

impl<S, Q> Waiting<S, Q> {
    /// Calls the service when it is ready.
    #[cold]
    pub(super) fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, S::Error>>
    where
        S: Service<Q>,
    {
        const ONCE: &str = "a service is called once";
        let (service, _) = &mut **self.0.as_mut().expect(ONCE);
        ready!(service.poll_ready(cx))?;
        let (mut service, request) = *self.0.take().expect(ONCE);
        Poll::Ready(Ok(service.call(request)))
    }
}

pin_project! {
    /// The response of a service that is called as soon as it is ready.
    pub struct CallFuture<S, Q, F> {
        #[pin]
        state: State<S, Q, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, F> {
        Called {
            #[pin]
            future: F,
        },
        Waiting {
            waiting: Waiting<S, Q>,
        },
    }
}

impl<S, Q> Future for CallFuture<S, Q, S::Future>
where
    S: Service<Q>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProjection::Called { future } => return future.poll(cx),
                StateProjection::Waiting { waiting } => ready!(waiting.poll_call(cx))?,
            };
            state.set(State::Called { future });
        }
    }
}

impl<S, Q, F> fmt::Debug for CallFuture<S, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
