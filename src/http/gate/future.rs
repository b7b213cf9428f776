//! The future of a gated service.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::http::{EitherBody, context::Refusal};

pin_project! {
    /// The response of a [`Gated`](super::Gated) service.
    ///
    /// `D` is the body of a closed gate's response, and `X` the extractor's refusal.
    pub struct GateFuture<F, D, X> {
        #[pin]
        state: State<F, D, X>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, D, X> {
        Open {
            #[pin]
            future: F,
        },
        Answered {
            // Taken when it is done. One state for both answers, so that there is none for refusals where an
            // extractor refuses nothing.
            answer: Option<Result<Response<Option<D>>, X>>,
        },
    }
}

impl<F, D, X> GateFuture<F, D, X> {
    #[inline]
    pub(super) fn open(future: F) -> Self {
        Self { state: State::Open { future } }
    }

    pub(super) fn closed(response: Response<Option<D>>) -> Self {
        Self { state: State::Answered { answer: Some(Ok(response)) } }
    }

    pub(super) fn refused(refusal: X) -> Self {
        Self { state: State::Answered { answer: Some(Err(refusal)) } }
    }
}

impl<F, R, D, X, E> Future for GateFuture<F, D, X>
where
    F: Future<Output = Result<Response<R>, E>>,
    X: Refusal,
{
    type Output = Result<Response<X::Body<EitherBody<R, D>>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProjection::Open { future } => {
                X::pass(ready!(future.poll(cx))?.map(EitherBody::new))
            }
            StateProjection::Answered { answer } => {
                match answer.take().expect("a future is not polled when it is done") {
                    Ok(response) => X::pass(response.map(EitherBody::own)),
                    Err(refusal) => refusal.refuse(),
                }
            }
        }))
    }
}

impl<F, D, X> fmt::Debug for GateFuture<F, D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
