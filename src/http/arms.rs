//! Two services, one of which is called for each request.

use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::{
    arm::{Arm, CallFuture},
    ask::Question,
};
use crate::flags::Wake;

/// The two services of a switch or a concealed gate.
#[derive(Debug)]
pub(super) struct Arms<A, B> {
    on: Arm<A>,
    off: Arm<B>,
    wake: Option<Wake>,
}

impl<A, B> Arms<A, B> {
    pub(super) fn new(on: A, off: B) -> Self {
        Self { on: Arm::new(on), off: Arm::new(off), wake: None }
    }

    pub(super) fn get_ref(&self) -> (&A, &B) {
        (self.on.get_ref(), self.off.get_ref())
    }

    pub(super) fn get_mut(&mut self) -> (&mut A, &mut B) {
        (self.on.get_mut(), self.off.get_mut())
    }

    pub(super) fn into_inner(self) -> (A, B) {
        (self.on.into_inner(), self.off.into_inner())
    }

    /// Waits for the service that will be called, or for both while that depends on the request.
    #[inline]
    pub(super) fn poll_ready<X, Q, E>(
        &mut self,
        question: &Question<X>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), E>>
    where
        A: Service<Q, Error = E> + Clone,
        B: Service<Q, Error = E> + Clone,
    {
        let settled = question.settled();
        let poll = self.poll(settled, cx);
        if poll.is_ready() {
            return poll;
        }
        // First, so that no change of the flag is missed in between.
        self.wake = question.wake(cx.waker());
        match question.settled() {
            now if now == settled => Poll::Pending,
            now => self.poll(now, cx),
        }
    }

    fn poll<Q, E>(&mut self, settled: Option<bool>, cx: &mut Context<'_>) -> Poll<Result<(), E>>
    where
        A: Service<Q, Error = E> + Clone,
        B: Service<Q, Error = E> + Clone,
    {
        match settled {
            Some(true) => {
                self.off.release();
                self.on.poll_ready(cx)
            }
            Some(false) => {
                self.on.release();
                self.off.poll_ready(cx)
            }
            None => {
                ready!(self.on.poll_ready(cx))?;
                self.off.poll_ready(cx)
            }
        }
    }

    #[inline]
    pub(super) fn call_on<Q>(&mut self, request: Q) -> CallFuture<A, Q, A::Future>
    where
        A: Service<Q> + Clone,
        B: Clone,
    {
        self.off.release();
        self.on.call(request)
    }

    #[inline]
    pub(super) fn call_off<Q>(&mut self, request: Q) -> CallFuture<B, Q, B::Future>
    where
        A: Clone,
        B: Service<Q> + Clone,
    {
        self.on.release();
        self.off.call(request)
    }

    /// Releases both services, of which none is called.
    pub(super) fn release(&mut self)
    where
        A: Clone,
        B: Clone,
    {
        self.on.release();
        self.off.release();
    }
}

/// Clones the services. A clone registers its own waker.
impl<A: Clone, B: Clone> Clone for Arms<A, B> {
    fn clone(&self) -> Self {
        Self { on: self.on.clone(), off: self.off.clone(), wake: None }
    }
}
