//! The layer that pins flags for each request.

use std::{convert::Infallible, fmt, sync::Arc};

use http::HeaderValue;
use tower_layer::Layer;

use super::RequestService;
use crate::{
    flags::Flags,
    http::{
        RequestHead, TryContextExtractor,
        ask::{self, Extractor},
    },
};

impl Flags {
    /// Returns a layer that pins one generation of these flags and one context for each request.
    ///
    /// Every evaluation of a request uses them. Gates and switches further in and code
    /// that takes [`RequestFlags`](crate::RequestFlags) find them in the request's extensions. The
    /// functions [`is_enabled`](crate::is_enabled) and [`boolean`](crate::boolean) of this crate
    /// find them in scope while the handler runs, and while the response's body is streamed
    /// later. A task that the handler spawns is in that scope when it is spawned with
    /// [`with_current_flags`](crate::WithCurrentFlags::with_current_flags), and a closure on another
    /// thread when a [`Scope`](crate::request::Scope) carries it there.
    ///
    /// `extractor` reads the context from the request: [`TrustedHeaders`](crate::TrustedHeaders), a
    /// closure in [`context_fn`](crate::context::context_fn), or
    /// [`Anonymous`](crate::context::Anonymous). One that
    /// [may refuse a request](crate::context::TryContextExtractor) responds instead of the service.
    ///
    /// A string of more than 8 KiB in the context counts as missing, with one warning for each attribute.
    /// Clients choose the strings in headers, and each evaluation may go through them. Without the
    /// targeting key, the groups are missing, too.
    ///
    /// Of two request layers around one service, the context of the inner one counts. The generation that
    /// the outer one pinned stays if it is of the same flags.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{context::Anonymous, Flags, Memory, RequestFlags};
    /// use http::{Request, Response};
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("a", true)).start().await?;
    ///
    /// let service = ServiceBuilder::new()
    ///     .layer(flags.request_layer(Anonymous))
    ///     .service_fn(async |request: Request<()>| {
    ///         let pinned = request.extensions().get::<RequestFlags>().expect("the layer did it");
    ///         let same = pinned.is_enabled("a") && flagstaff::is_enabled("a");
    ///         Ok::<_, std::convert::Infallible>(Response::new(same))
    ///     });
    ///
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(response.into_body().into_inner(), true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn request_layer<E>(&self, extractor: E) -> RequestLayer<E::Refusal>
    where
        E: TryContextExtractor + Send + Sync + 'static,
    {
        let headers = ask::list(extractor.headers());
        RequestLayer {
            shared: Shared {
                flags: self.clone(),
                extractor: Arc::new(extractor),
                headers,
                visitors: None,
            },
        }
    }
}

/// A layer that pins flags for each request, made by [`Flags::request_layer`], which has an example.
///
/// `X` is the response with which the extractor may refuse a request.
#[derive(Debug)]
#[must_use]
pub struct RequestLayer<X = Infallible> {
    shared: Shared<X>,
}

/// The data that the clones of a service share.
pub(super) struct Shared<X> {
    pub(super) flags: Flags,
    pub(super) extractor: Arc<Extractor<X>>,
    pub(super) headers: Option<Arc<str>>,
    pub(super) visitors: Option<Arc<dyn Identify>>,
}

/// Recognises returning visitors for whom the extractor finds no user.
pub(in crate::http) trait Identify: Send + Sync {
    /// Returns the visitor who makes the request: a returning one, else a new one.
    fn identify(&self, request: &RequestHead<'_>) -> Visitor;

    /// Returns the visitor whose id the client has sent, if it has one.
    fn known(&self, request: &RequestHead<'_>) -> Option<Visitor>;
}

/// A visitor without an account.
pub(in crate::http) struct Visitor {
    pub(in crate::http) id: String,
    /// The cookie to set, if the client does not send the current one yet.
    pub(in crate::http) set_cookie: Option<HeaderValue>,
}

impl<X> RequestLayer<X> {
    /// Identifies visitors by their cookies if the extractor finds no user.
    #[cfg(feature = "cookie")]
    pub(in crate::http) fn identified_by(mut self, visitors: Arc<dyn Identify>) -> Self {
        let headers = self.shared.headers.as_deref();
        let headers =
            headers.map_or("cookie".into(), |headers| format!("{headers}, cookie").into());
        self.shared.headers = Some(headers);
        self.shared.visitors = Some(visitors);
        self
    }
}

impl<S, X> Layer<S> for RequestLayer<X> {
    type Service = RequestService<S, X>;

    fn layer(&self, inner: S) -> RequestService<S, X> {
        RequestService::new(inner, self.shared.clone())
    }
}

impl<X> Clone for RequestLayer<X> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<X> Clone for Shared<X> {
    fn clone(&self) -> Self {
        let Self { flags, extractor, headers, visitors } = self;
        Self {
            flags: flags.clone(),
            extractor: Arc::clone(extractor),
            headers: headers.clone(),
            visitors: visitors.clone(),
        }
    }
}

impl<X> fmt::Debug for Shared<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("flags", &self.flags).finish_non_exhaustive()
    }
}
