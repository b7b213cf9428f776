//! The future of a request that has flags.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Response, header::SET_COOKIE};
use pin_project_lite::pin_project;

use crate::{flags::WithFlags, http::caching};

pin_project! {
    /// The response of a [`RequestService`](super::RequestService). It runs with the request's
    /// flags in scope, and so does the body of the response.
    pub struct RequestFuture<F> {
        #[pin]
        inner: WithFlags<F>,
        set_cookie: Option<HeaderValue>,
    }
}

impl<F> RequestFuture<F> {
    pub(super) fn new(inner: WithFlags<F>, set_cookie: Option<HeaderValue>) -> Self {
        Self { inner, set_cookie }
    }
}

impl<F, B, E> Future for RequestFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<WithFlags<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let response = ready!(this.inner.as_mut().poll(cx))?;
        let scope = this.inner.take_scope();
        let mut response = response.map(|body| WithFlags::exactly(scope, body));
        if let Some(cookie) = this.set_cookie.take() {
            response.headers_mut().append(SET_COOKIE, cookie);
            // A cache that hands the id to others would make them one user.
            caching::make_private(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for RequestFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFuture").finish_non_exhaustive()
    }
}
