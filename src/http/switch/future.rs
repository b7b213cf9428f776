//! The future of one of two services.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::http::{GateDenied, caching::Audience, context::Refusal};

pin_project! {
    /// The response future of one of two services: of a [`Switched`](super::Switched) or a
    /// [`Concealed`](crate::gate::Concealed) service.
    ///
    /// `X` is the extractor's refusal.
    pub struct SwitchFuture<A, B, X> {
        #[pin]
        arm: Arm<A, B, X>,
        edit: Edit,
    }
}

pin_project! {
    #[project = ArmProjection]
    enum Arm<A, B, X> {
        On {
            #[pin]
            future: A,
        },
        Off {
            #[pin]
            future: B,
        },
        Refused {
            // `None` once it was returned.
            refusal: Option<X>,
        },
    }
}

/// A change of the response.
pub(in crate::http) enum Edit {
    /// The response is that of the service.
    Served(Audience),
    /// The response is that of a closed gate. Only the layers around the gate can read this, in the
    /// extensions.
    Denied(GateDenied, Audience),
}

impl<A, B, X> SwitchFuture<A, B, X> {
    pub(in crate::http) fn on(future: A, edit: Edit) -> Self {
        Self { arm: Arm::On { future }, edit }
    }

    pub(in crate::http) fn off(future: B, edit: Edit) -> Self {
        Self { arm: Arm::Off { future }, edit }
    }

    pub(in crate::http) fn refused(refusal: X) -> Self {
        Self { arm: Arm::Refused { refusal: Some(refusal) }, edit: Edit::Served(Audience::All) }
    }
}

impl<A, B, X, R, E> Future for SwitchFuture<A, B, X>
where
    A: Future<Output = Result<Response<R>, E>>,
    B: Future<Output = Result<Response<R>, E>>,
    X: Refusal,
{
    type Output = Result<Response<X::Body<R>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(match this.arm.project() {
            ArmProjection::On { future } => future.poll(cx),
            ArmProjection::Off { future } => future.poll(cx),
            ArmProjection::Refused { refusal } => {
                let refusal = refusal.take().expect("a future is not polled when it is done");
                return Poll::Ready(Ok(refusal.refuse()));
            }
        })?;
        match std::mem::replace(this.edit, Edit::Served(Audience::All)) {
            Edit::Served(audience) => audience.limit(response.headers_mut()),
            Edit::Denied(denied, audience) => {
                audience.hide(response.headers_mut());
                response.extensions_mut().insert(denied);
            }
        }
        Poll::Ready(Ok(X::pass(response)))
    }
}

impl<A, B, X> fmt::Debug for SwitchFuture<A, B, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchFuture").finish_non_exhaustive()
    }
}
