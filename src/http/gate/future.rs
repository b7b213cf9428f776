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
        Closed {
            // Taken when it is done.
            response: Option<Response<Option<D>>>,
        },
        Refused {
            refusal: Option<X>,
        },
    }
}

impl<F, D, X> GateFuture<F, D, X> {
    #[inline]
    pub(super) fn open(future: F) -> Self {
        Self { state: State::Open { future } }
    }

    pub(super) fn closed(response: Response<Option<D>>) -> Self {
        Self { state: State::Closed { response: Some(response) } }
    }

    pub(super) fn refused(refusal: X) -> Self {
        Self { state: State::Refused { refusal: Some(refusal) } }
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
        const DONE: &str = "a future is not polled when it is done";
        Poll::Ready(Ok(match self.project().state.project() {
            StateProjection::Open { future } => {
                X::pass(ready!(future.poll(cx))?.map(EitherBody::new))
            }
            StateProjection::Closed { response } => {
                X::pass(response.take().expect(DONE).map(EitherBody::own))
            }
            StateProjection::Refused { refusal } => refusal.take().expect(DONE).refuse(),
        }))
    }
}

impl<F, D, X> fmt::Debug for GateFuture<F, D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
