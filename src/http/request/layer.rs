//! The layer that pins flags for each request.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use tower_layer::Layer;

use super::RequestService;
use crate::{
    flags::Flags,
    http::{ContextExtractor, RequestHead, ask},
};

impl Flags {
    /// A layer that pins one generation of these flags and one context for each request.
    ///
    /// Everything that a request asks is answered from them. Gates and switches further in and code
    /// that takes [`RequestFlags`](crate::RequestFlags) find them in the request's extensions. The
    /// functions [`is_enabled`](crate::is_enabled) and [`boolean`](crate::boolean) of this crate
    /// find them in scope while the handler runs, and while the response's body is streamed
    /// later. A task that the handler spawns is in that scope when it is spawned with
    /// [`with_current_flags`](crate::WithCurrentFlags::with_current_flags), and a closure on another
    /// thread when a [`Scope`](crate::request::Scope) carries it there.
    ///
    /// `extractor` says who makes the request: [`TrustedHeaders`](crate::TrustedHeaders), a
    /// closure, or [`Anonymous`](crate::context::Anonymous).
    ///
    /// Of two request layers around one service, the inner one says who makes the request, but the
    /// generation that the outer one pinned stays if it is of the same flags.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory, RequestFlags, TrustedHeaders};
    /// use http::{Request, Response};
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("a", true)).start().await?;
    ///
    /// let service = ServiceBuilder::new()
    ///     .layer(flags.request_layer(TrustedHeaders::default()))
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
    pub fn request_layer(
        &self,
        extractor: impl ContextExtractor + Send + Sync + 'static,
    ) -> RequestLayer {
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

/// Pins flags for each request: made by [`Flags::request_layer`], which has an example.
#[derive(Debug, Clone)]
#[must_use]
pub struct RequestLayer {
    shared: Shared,
}

/// All that the clones of a service share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) flags: Flags,
    pub(super) extractor: Arc<dyn ContextExtractor + Send + Sync>,
    pub(super) headers: Option<Arc<str>>,
    pub(super) visitors: Option<Arc<dyn Identify>>,
}

/// Knows visitors again whom the extractor does not know.
pub(in crate::http) trait Identify: Send + Sync {
    fn identify(&self, request: &RequestHead<'_>) -> Visitor;
}

/// A visitor without an account.
pub(in crate::http) struct Visitor {
    pub(in crate::http) id: String,
    /// What makes the client send the id with later requests, if it does not yet.
    pub(in crate::http) set_cookie: Option<HeaderValue>,
}

impl RequestLayer {
    /// Has `visitors` identify those whom the extractor does not, by the cookies they send.
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

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService::new(inner, self.shared.clone())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("flags", &self.flags).finish_non_exhaustive()
    }
}
