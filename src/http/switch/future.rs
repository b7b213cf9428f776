//! The future of one of two services.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::http::{GateDenied, caching};

pin_project! {
    /// The response of one of two services: of a [`FlagSwitch`](super::FlagSwitch), or of a
    /// [concealed](crate::FlagGate::conceal) one.
    pub struct SwitchFuture<A, B> {
        #[pin]
        arm: Arm<A, B>,
        edit: Edit,
    }
}

pin_project! {
    #[project = ArmProjection]
    enum Arm<A, B> {
        On {
            #[pin]
            future: A,
        },
        Off {
            #[pin]
            future: B,
        },
    }
}

/// What is done to the response.
pub(in crate::http) enum Edit {
    Nothing,
    /// It is for one user: what the context was drawn from, as `Vary` lists it.
    Private(Option<Arc<str>>),
    /// It stands for a closed gate, which nobody but the layers around it is to know.
    Denied(GateDenied),
}

impl<A, B> SwitchFuture<A, B> {
    pub(in crate::http) fn on(future: A, edit: Edit) -> Self {
        Self { arm: Arm::On { future }, edit }
    }

    pub(in crate::http) fn off(future: B, edit: Edit) -> Self {
        Self { arm: Arm::Off { future }, edit }
    }
}

impl<A, B, R, E> Future for SwitchFuture<A, B>
where
    A: Future<Output = Result<Response<R>, E>>,
    B: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(match this.arm.project() {
            ArmProjection::On { future } => future.poll(cx),
            ArmProjection::Off { future } => future.poll(cx),
        })?;
        match std::mem::replace(this.edit, Edit::Nothing) {
            Edit::Nothing => {}
            Edit::Private(vary) => {
                caching::make_private(response.headers_mut());
                if let Some(vary) = vary {
                    caching::vary_by(response.headers_mut(), &vary);
                }
            }
            Edit::Denied(denied) => {
                response.extensions_mut().insert(denied);
            }
        }
        Poll::Ready(Ok(response))
    }
}

impl<A, B> fmt::Debug for SwitchFuture<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchFuture").finish_non_exhaustive()
    }
}
