//! The future of a gated service.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::http::{EitherBody, arm::Waiting, context::Refusal};

pin_project! {
    /// The response of a [`Gated`](super::Gated) service.
    ///
    /// `S` is the inner service, `Q` its request and `F` its future. `D` is the body of a closed gate's
    /// response, and `X` the extractor's refusal.
    pub struct GateFuture<S, Q, F, D, X> {
        #[pin]
        state: State<S, Q, F, D, X>,
    }
}

pin_project! {
    // Not around a `CallFuture`: a nested state is moved, checked and dropped separately.
    #[project = StateProjection]
    enum State<S, Q, F, D, X> {
        Open {
            #[pin]
            future: F,
        },
        Waiting {
            waiting: Waiting<S, Q>,
        },
        Answered {
            // `None` once it was returned. One state for both answers: an extractor that refuses nothing needs
            // no state for refusals.
            answer: Option<Result<Response<Option<D>>, X>>,
        },
    }
}

impl<S, Q, F, D, X> GateFuture<S, Q, F, D, X> {
    #[inline]
    pub(super) fn open(future: F) -> Self {
        Self { state: State::Open { future } }
    }

    pub(super) fn waiting(waiting: Waiting<S, Q>) -> Self {
        Self { state: State::Waiting { waiting } }
    }

    pub(super) fn closed(response: Response<Option<D>>) -> Self {
        Self { state: State::Answered { answer: Some(Ok(response)) } }
    }

    pub(super) fn refused(refusal: X) -> Self {
        Self { state: State::Answered { answer: Some(Err(refusal)) } }
    }
}

impl<S, Q, D, X, R> Future for GateFuture<S, Q, S::Future, D, X>
where
    S: Service<Q, Response = Response<R>>,
    X: Refusal,
{
    type Output = Result<Response<X::Body<EitherBody<R, D>>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProjection::Open { future } => {
                    let response = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(X::pass(response.map(EitherBody::new))));
                }
                StateProjection::Waiting { waiting } => ready!(waiting.poll_call(cx))?,
                StateProjection::Answered { answer } => {
                    let answer = answer.take().expect("a future is not polled when it is done");
                    return Poll::Ready(Ok(match answer {
                        Ok(response) => X::pass(response.map(EitherBody::own)),
                        Err(refusal) => refusal.refuse(),
                    }));
                }
            };
            state.set(State::Open { future });
        }
    }
}

impl<S, Q, F, D, X> fmt::Debug for GateFuture<S, Q, F, D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
