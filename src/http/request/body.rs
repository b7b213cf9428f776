//! Response bodies that are polled with the request's flags in scope.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

use crate::flags::WithFlags;

/// Forwards data, trailers, errors and the length of the inner body.
impl<B: Body> Body for WithFlags<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.poll_with(|body| body.poll_frame(cx))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.get_ref().is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.get_ref().size_hint()
    }
}
