//! The future of a request that has flags.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Response, header::SET_COOKIE};
use pin_project_lite::pin_project;

use crate::{
    flags::WithFlags,
    http::{caching, context::Refusal},
};

pin_project! {
    /// The response future of a [`RequestService`](super::RequestService). It runs with the
    /// request's flags in scope, and so does the body of the response.
    ///
    /// `X` is the extractor's refusal.
    pub struct RequestFuture<F, X> {
        #[pin]
        state: State<F, X>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, X> {
        Running {
            #[pin]
            inner: WithFlags<F>,
            set_cookie: Option<HeaderValue>,
        },
        Refused {
            // `None` once it was returned.
            refusal: Option<X>,
        },
    }
}

impl<F, X> RequestFuture<F, X> {
    pub(super) fn new(inner: WithFlags<F>, set_cookie: Option<HeaderValue>) -> Self {
        Self { state: State::Running { inner, set_cookie } }
    }

    pub(super) fn refused(refusal: X) -> Self {
        Self { state: State::Refused { refusal: Some(refusal) } }
    }
}

impl<F, X, B, E> Future for RequestFuture<F, X>
where
    F: Future<Output = Result<Response<B>, E>>,
    X: Refusal,
{
    type Output = Result<Response<X::Body<WithFlags<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut inner, set_cookie) = match self.project().state.project() {
            StateProjection::Running { inner, set_cookie } => (inner, set_cookie),
            StateProjection::Refused { refusal } => {
                let refusal = refusal.take().expect("a future is not polled when it is done");
                return Poll::Ready(Ok(refusal.refuse()));
            }
        };
        let response = ready!(inner.as_mut().poll(cx))?;
        let scope = inner.take_scope();
        let mut response = response.map(|body| WithFlags::exactly(scope, body));
        if let Some(cookie) = set_cookie.take() {
            response.headers_mut().append(SET_COOKIE, cookie);
            // A cache that gives the id to other visitors would merge them into one user.
            caching::make_private(response.headers_mut());
        }
        Poll::Ready(Ok(X::pass(response)))
    }
}

impl<F, X> fmt::Debug for RequestFuture<F, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFuture").finish_non_exhaustive()
    }
}
