//! The services behind a gate.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tower_service::Service;
use tracing::trace;

use super::{GateBody, GateDenied, GateFuture, condition::Condition, response::Denials};
use crate::http::{
    ask::Source,
    switch::{Edit, SwitchFuture},
};

/// A service behind a [`FlagGate`](crate::FlagGate).
///
/// It is ready when the inner service is. While the gate is closed, the inner service is not
/// called and the request's body is dropped unread.
///
/// What the inner service reserves for a call when it becomes ready, such as a permit of a
/// concurrency limit, stays reserved for the next request of this clone when the gate turns out to
/// be closed. hyper, axum and tonic call a clone per request and drop it, which releases it.
#[derive(Clone)]
pub struct Gated<S> {
    pub(super) inner: S,
    pub(super) gate: Arc<Gate>,
}

/// All that the clones of a service share.
pub(super) struct Gate {
    pub(super) condition: Condition,
    pub(super) source: Source,
    pub(super) denials: Denials,
}

impl<S, B, R> Service<Request<B>> for Gated<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<GateBody<R>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Gate { condition, source, denials } = &*self.gate;
        match admit(source, condition, &request) {
            Ok(()) => GateFuture::open(self.inner.call(request)),
            Err(denied) => {
                note(&denied);
                GateFuture::closed(denials.respond(denied, request))
            }
        }
    }
}

/// A service behind a [`ConcealedGate`](super::ConcealedGate).
///
/// It is ready when both the inner service and the not-found service are.
#[derive(Clone)]
pub struct Concealed<S, N> {
    pub(super) inner: S,
    pub(super) not_found: N,
    pub(super) gate: Arc<ConcealedParts>,
}

pub(super) struct ConcealedParts {
    pub(super) condition: Condition,
    pub(super) source: Source,
}

impl<S, N, B, R> Service<Request<B>> for Concealed<S, N>
where
    S: Service<Request<B>, Response = Response<R>>,
    N: Service<Request<B>, Response = Response<R>, Error = S::Error>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = SwitchFuture<S::Future, N::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.inner.poll_ready(cx))?;
        self.not_found.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ConcealedParts { condition, source } = &*self.gate;
        match admit(source, condition, &request) {
            Ok(()) => SwitchFuture::on(self.inner.call(request), Edit::Nothing),
            Err(denied) => {
                note(&denied);
                SwitchFuture::off(self.not_found.call(request), Edit::Denied(denied))
            }
        }
    }
}

/// Whether a request may pass. Nobody wants to know why a gate is open, so that is decided first,
/// and by itself.
#[inline]
fn admit<B>(
    source: &Source,
    condition: &Condition,
    request: &Request<B>,
) -> Result<(), GateDenied> {
    if condition.is_plain() && source.ask(request, |view| condition.is_plainly_met(view)) {
        return Ok(());
    }
    explain(source, condition, request)
}

#[cold]
fn explain<B>(
    source: &Source,
    condition: &Condition,
    request: &Request<B>,
) -> Result<(), GateDenied> {
    source.ask(request, |view| condition.check(view))
}

#[cold]
fn note(denied: &GateDenied) {
    trace!(flag = denied.key(), reason = %denied.answer().reason, "gate is closed");
}

impl<S: fmt::Debug> fmt::Debug for Gated<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated")
            .field("inner", &self.inner)
            .field("condition", &self.gate.condition)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, N: fmt::Debug> fmt::Debug for Concealed<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concealed")
            .field("inner", &self.inner)
            .field("not_found", &self.not_found)
            .field("condition", &self.gate.condition)
            .finish_non_exhaustive()
    }
}
