//! A service that is called for some requests only.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

/// A service behind a gate, or one of the two behind a switch.
#[derive(Debug)]
pub(super) struct Arm<S> {
    service: S,
    readiness: Readiness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// It was not polled since it was called or made, so it has reserved nothing.
    Unasked,
    /// It was polled, and was not ready. It may have a place in a queue.
    Waiting,
    /// It may be called, and may have a permit for that.
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

    /// Calls the service, once it is ready.
    #[inline]
    pub(super) fn call<Q>(&mut self, request: Q) -> CallFuture<S, Q, S::Future>
    where
        S: Service<Q> + Clone,
    {
        if self.readiness == Readiness::Ready {
            self.readiness = Readiness::Unasked;
            return CallFuture { state: State::Called { future: self.service.call(request) } };
        }
        self.call_later(request)
    }

    #[cold]
    fn call_later<Q>(&mut self, request: Q) -> CallFuture<S, Q, S::Future>
    where
        S: Service<Q> + Clone,
    {
        let fresh = self.service.clone();
        // The old one goes along, since it may have a place in a queue.
        let service = mem::replace(&mut self.service, fresh);
        self.readiness = Readiness::Unasked;
        CallFuture { state: State::Waiting { service, request: Some(request) } }
    }

    /// Gives back what the service has reserved for a call, such as a permit.
    #[inline]
    pub(super) fn release(&mut self)
    where
        S: Clone,
    {
        // There is no other way to give it back (tower, "Be careful when cloning inner services").
        if self.readiness != Readiness::Unasked {
            self.service = self.service.clone();
            self.readiness = Readiness::Unasked;
        }
    }
}

/// A clone reserves for itself.
impl<S: Clone> Clone for Arm<S> {
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}

pin_project! {
    /// The response of a service that is called as soon as it is ready.
    ///
    /// A gate or switch does not wait for a service that it is not going to call. If its flag changes
    /// before the request arrives, the request waits here, on a clone of the service.
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
            service: S,
            // Taken when the service is called.
            request: Option<Q>,
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
            let called = match state.as_mut().project() {
                StateProjection::Called { future } => return future.poll(cx),
                StateProjection::Waiting { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    let request = request.take().expect("a service is called once");
                    service.call(request)
                }
            };
            state.set(State::Called { future: called });
        }
    }
}

impl<S, Q, F> fmt::Debug for CallFuture<S, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
