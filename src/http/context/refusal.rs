//! Responses to requests that an extractor refuses.

use std::convert::Infallible;

use http::{Response, StatusCode};

use crate::http::{EitherBody, caching};

/// The response of an extractor to a request that it refuses.
///
/// A refusal is a [`StatusCode`], whose response has no body, or a [`Response`] with any body. A
/// boxed response is one, too, since Clippy warns of errors as large as a response. [`Infallible`]
/// is the refusal of extractors that refuse nothing, whose layers leave the type of the response
/// unchanged. The trait is sealed: only these types implement it.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use flagstaff::{context::Refusal, gate::EitherBody};
/// use http::Response;
///
/// let same: Response<&str> = Infallible::pass(Response::new("the service's"));
/// let either: Response<EitherBody<&str, String>> = Response::<String>::pass(same);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a request that an extractor refuses",
    note = "an extractor refuses a request with an `http::StatusCode` or an `http::Response`"
)]
pub trait Refusal: sealed::Sealed + Sized {
    /// The body of a response of a layer around a service whose responses have the body `R`.
    type Body<R>;

    /// Wraps a response of the inner service.
    fn pass<R>(response: Response<R>) -> Response<Self::Body<R>>;

    /// Converts this refusal into the layer's response.
    fn refuse<R>(self) -> Response<Self::Body<R>>;
}

impl Refusal for Infallible {
    type Body<R> = R;

    #[inline]
    fn pass<R>(response: Response<R>) -> Response<R> {
        response
    }

    fn refuse<R>(self) -> Response<R> {
        match self {}
    }
}

impl<B> Refusal for Response<B> {
    type Body<R> = EitherBody<R, B>;

    #[inline]
    fn pass<R>(response: Response<R>) -> Response<EitherBody<R, B>> {
        response.map(EitherBody::new)
    }

    fn refuse<R>(mut self) -> Response<EitherBody<R, B>> {
        caching::keep_out(self.headers_mut());
        self.map(|body| EitherBody::own(Some(body)))
    }
}

impl<B> Refusal for Box<Response<B>> {
    type Body<R> = EitherBody<R, B>;

    #[inline]
    fn pass<R>(response: Response<R>) -> Response<EitherBody<R, B>> {
        Response::<B>::pass(response)
    }

    fn refuse<R>(self) -> Response<EitherBody<R, B>> {
        (*self).refuse()
    }
}

impl Refusal for StatusCode {
    type Body<R> = EitherBody<R>;

    #[inline]
    fn pass<R>(response: Response<R>) -> Response<EitherBody<R>> {
        response.map(EitherBody::new)
    }

    fn refuse<R>(self) -> Response<EitherBody<R>> {
        let mut response = Response::new(EitherBody::own(None));
        *response.status_mut() = self;
        caching::keep_out(response.headers_mut());
        response
    }
}

mod sealed {
    use super::{Infallible, Response, StatusCode};

    pub trait Sealed {}

    impl Sealed for Infallible {}
    impl<B> Sealed for Response<B> {}
    impl<B> Sealed for Box<Response<B>> {}
    impl Sealed for StatusCode {}
}
