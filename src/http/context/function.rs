//! Closures as extractors.

use std::{fmt, marker::PhantomData};

use super::{ContextExtractor, Refusal, RequestHead, TryContextExtractor};
use crate::model::Context;

// Closures need a function around them, like those of `tower::service_fn`. The compiler infers the
// type of `head` only from a bound on `Fn` itself, and a method with that bound would take no other
// extractors.

/// Makes an extractor from a closure or a function, which may borrow from the request.
///
/// The layer that authenticates requests identifies the user, and the closure reads the user from
/// the request's extensions. Use [`try_context_fn`] for a closure that may refuse a request.
///
/// # Example
///
/// ```
/// use flagstaff::{
///     context::{context_fn, ContextExtractor, RequestHead},
///     Context,
/// };
/// use http::Request;
///
/// #[derive(Clone)]
/// struct Account {
///     id: String,
/// }
///
/// let by_account = context_fn(|head| match head.extensions.get::<Account>() {
///     Some(account) => Context::user(&account.id),
///     None => Context::anonymous(),
/// });
///
/// let mut request = Request::new(());
/// assert_eq!(by_account.context(&RequestHead::of(&request)), Context::anonymous());
///
/// request.extensions_mut().insert(Account { id: "ana".to_owned() });
/// assert_eq!(by_account.context(&RequestHead::of(&request)), Context::user("ana"));
/// ```
///
/// A context that is kept somewhere has to be [shortened](Context::shorten) to the request's
/// lifetime:
///
/// ```
/// use flagstaff::{context::context_fn, Context};
///
/// let kept = context_fn(|head| match head.extensions.get::<Context<'static>>() {
///     Some(context) => context.clone().shorten(),
///     None => Context::anonymous(),
/// });
/// ```
pub fn context_fn<F>(f: F) -> ContextFn<F>
where
    F: for<'a> Fn(&RequestHead<'a>) -> Context<'a>,
{
    ContextFn { f }
}

/// An extractor that calls a closure, made by [`context_fn`].
#[derive(Clone, Copy)]
pub struct ContextFn<F> {
    f: F,
}

impl<F> ContextExtractor for ContextFn<F>
where
    F: for<'a> Fn(&RequestHead<'a>) -> Context<'a>,
{
    #[inline]
    fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a> {
        (self.f)(request)
    }
}

/// Makes an extractor from a closure that may refuse a request with a response of its own.
///
/// The refusal is a status, or a response with any body of bytes: see [`Refusal`].
///
/// # Example
///
/// ```
/// use flagstaff::{context::try_context_fn, Context, Flags, Memory};
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new()).start().await?;
/// let signed_in = try_context_fn(|head| match head.headers.get("x-account").map(|id| id.to_str()) {
///     Some(Ok(id)) => Ok(Context::user(id)),
///     _ => Err(StatusCode::UNAUTHORIZED),
/// });
/// let service = ServiceBuilder::new().layer(flags.request_layer(signed_in)).service_fn(
///     async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(String::new())),
/// );
///
/// let response = service.oneshot(Request::new(())).await?;
///
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
pub fn try_context_fn<F, X>(f: F) -> TryContextFn<F, X>
where
    F: for<'a> Fn(&RequestHead<'a>) -> Result<Context<'a>, X>,
    X: Refusal,
{
    TryContextFn { f, refusal: PhantomData }
}

/// An extractor that calls a closure that may refuse a request, made by [`try_context_fn`].
pub struct TryContextFn<F, X> {
    f: F,
    refusal: PhantomData<fn() -> X>,
}

impl<F, X> TryContextExtractor for TryContextFn<F, X>
where
    F: for<'a> Fn(&RequestHead<'a>) -> Result<Context<'a>, X>,
    X: Refusal,
{
    type Refusal = X;

    #[inline]
    fn try_context<'a>(&self, request: &RequestHead<'a>) -> Result<Context<'a>, X> {
        (self.f)(request)
    }
}

impl<F: Clone, X> Clone for TryContextFn<F, X> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), refusal: PhantomData }
    }
}

impl<F> fmt::Debug for ContextFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextFn").finish_non_exhaustive()
    }
}

impl<F, X> fmt::Debug for TryContextFn<F, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryContextFn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use super::*;

    #[test]
    fn closures_need_no_annotation_and_may_borrow_from_the_head() {
        let borrowing =
            context_fn(|head| match head.headers.get("x-tenant").map(|id| id.to_str()) {
                Some(Ok(id)) => Context::user(id).group(head.method.as_str()),
                _ => Context::anonymous(),
            });
        let refusing = try_context_fn(|head| match head.extensions.get::<String>() {
            Some(id) => Ok(Context::user(id.as_str())),
            None => Err(StatusCode::UNAUTHORIZED),
        });
        let stranger = Request::get("/").header("x-tenant", "acme").body(()).unwrap();
        let ana = Request::get("/").extension(String::from("ana")).body(()).unwrap();

        let context = borrowing.context(&RequestHead::of(&stranger));
        assert_eq!(context, Context::user("acme").group("GET"));
        let refusal = refusing.try_context(&RequestHead::of(&stranger)).unwrap_err();
        assert_eq!(refusal, StatusCode::UNAUTHORIZED);
        let context = refusing.try_context(&RequestHead::of(&ana)).unwrap();
        assert_eq!(context, Context::user("ana"));
    }
}
