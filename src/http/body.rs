//! The body of a response that a layer may have made itself.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: that of the inner service, or that of a layer that responded itself.
    ///
    /// The layer's own body `D` is that of
    /// [`FlagGate::respond_with`](crate::FlagGate::respond_with) or of an extractor's
    /// [refusal](crate::context::Refusal). A gate without either has [`FixedBody`], which cannot
    /// fail, so the errors are those of the inner body. Otherwise errors are [`BodyError`]s.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::gate::EitherBody;
    /// use http_body::Body;
    ///
    /// let inner: EitherBody<String> = EitherBody::new(String::from("hello"));
    ///
    /// assert_eq!(inner.size_hint().exact(), Some(5));
    /// ```
    #[derive(Debug, Clone)]
    pub struct EitherBody<B, D = FixedBody> {
        #[pin]
        kind: Kind<B, D>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug, Clone)]
    enum Kind<B, D> {
        Inner {
            #[pin]
            body: B,
        },
        Own {
            #[pin]
            body: D,
        },
        Empty,
    }
}

/// The bytes of a closed gate's response, unless another one is set.
#[derive(Debug, Clone)]
pub struct FixedBody(Bytes);

impl FixedBody {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl<B, D> EitherBody<B, D> {
    /// Wraps the body of the inner service.
    pub fn new(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    /// Wraps the layer's own body; `None` is an empty one.
    pub(super) fn own(body: Option<D>) -> Self {
        Self { kind: body.map_or(Kind::Empty, |body| Kind::Own { body }) }
    }
}

impl<B: Default, D> Default for EitherBody<B, D> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

// Separate from the one below, so that a gate with fixed responses keeps the inner body's type of
// error.
impl<B: Body<Data = Bytes>> Body for EitherBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::Own { mut body } if !body.0.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut body.0)))))
            }
            KindProjection::Own { .. } | KindProjection::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { body } => body.0.is_empty(),
            Kind::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Own { body } => SizeHint::with_exact(body.0.len() as u64),
            Kind::Empty => SizeHint::with_exact(0),
        }
    }
}

impl<B, D> Body for EitherBody<B, D>
where
    B: Body<Data = Bytes>,
    D: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = BodyError<B::Error, D::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match self.project().kind.project() {
            KindProjection::Inner { body } => {
                ready!(body.poll_frame(cx)).map(|frame| frame.map_err(BodyError::Inner))
            }
            KindProjection::Own { body } => {
                ready!(body.poll_frame(cx)).map(|frame| frame.map_err(BodyError::Own))
            }
            KindProjection::Empty => None,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { body } => body.is_end_stream(),
            Kind::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Own { body } => body.size_hint(),
            Kind::Empty => SizeHint::with_exact(0),
        }
    }
}

/// An error of one of the two bodies that an [`EitherBody`] may be.
///
/// A `BodyError` converts into a boxed error if both errors do, which is all that hyper, axum and
/// tonic require of the error of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError<B, D> {
    /// An error of the inner service's body.
    Inner(B),
    /// An error of the layer's own body.
    Own(D),
}

impl<B: fmt::Display, D: fmt::Display> fmt::Display for BodyError<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(error) => error.fmt(f),
            Self::Own(error) => error.fmt(f),
        }
    }
}

// Instead of `Error`, which boxed errors do not implement although they are the errors of many
// bodies.
impl<B, D> From<BodyError<B, D>> for Box<dyn Error + Send + Sync>
where
    B: Into<Box<dyn Error + Send + Sync>>,
    D: Into<Box<dyn Error + Send + Sync>>,
{
    fn from(error: BodyError<B, D>) -> Self {
        match error {
            BodyError::Inner(error) => error.into(),
            BodyError::Own(error) => error.into(),
        }
    }
}
