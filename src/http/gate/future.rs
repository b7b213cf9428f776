//! The future of a gated service.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::GateBody;

pin_project! {
    /// The response of a [`Gated`](super::Gated) service.
    pub struct GateFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Open {
            #[pin]
            future: F,
        },
        Closed {
            // Taken when it is done.
            response: Option<Response<Bytes>>,
        },
    }
}

impl<F> GateFuture<F> {
    pub(super) fn open(future: F) -> Self {
        Self { state: State::Open { future } }
    }

    pub(super) fn closed(response: Response<Bytes>) -> Self {
        Self { state: State::Closed { response: Some(response) } }
    }
}

impl<F, B, E> Future for GateFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Open { future } => {
                future.poll(cx).map_ok(|response| response.map(GateBody::new))
            }
            StateProjection::Closed { response } => {
                let response = response.take().expect("a future is not polled when it is done");
                Poll::Ready(Ok(response.map(GateBody::own)))
            }
        }
    }
}

impl<F> fmt::Debug for GateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
