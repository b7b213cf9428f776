//! The layers that put a gate in front of a service.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, Uri};
use tower_layer::Layer;

use super::{
    Concealed, DenialResponse, Gated, Requirement,
    condition::{Condition, Mode},
    response::{Form, Wording},
    service::{ConcealedParts, Gate},
};
use crate::{
    flags::Flags,
    http::{ContextExtractor, ask::Source},
};

/// Closes a service while its flag is off.
///
/// It asks the flags that a [request layer](Flags::request_layer) further out has pinned for the
/// request, so that every gate and every handler of one request agree. A gate made by
/// [`Flags::gate`] needs no request layer. Without either, every flag has its
/// [default](Self::default_value), which is off, and there is one warning per process.
///
/// A closed gate answers `404` unless told otherwise, with a JSON body that says that the feature
/// is not available, and `Cache-Control: no-store`. A gRPC request, one whose content type is
/// `application/grpc`, is answered with the status `UNIMPLEMENTED` instead. The inner service is
/// not called, nor is the request's body read.
///
/// An open gate allocates nothing and leaves the response as it is. While the flag is on for some
/// users only, see to it that no shared cache keeps what the service answers: a cache does not ask
/// the gate.
///
/// # With axum
///
/// `Router::layer` and `MethodRouter::layer` put a layer around each method's handler, so axum
/// itself still answers a wrong method, and adds an `Allow` header to whatever the gate says. To
/// close the route as a whole, put the gate around the method router:
///
/// ```
/// # use flagstaff::FlagGate;
/// use axum::{Router, routing::get};
/// use tower::Layer;
///
/// let gate = FlagGate::new("new_checkout");
/// let app: Router = Router::new().route_service("/new", gate.layer(get(|| async { "new" })));
/// ```
///
/// # Example
///
/// ```
/// use flagstaff::{FlagGate, Flags, Memory};
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
/// let gate = FlagGate::new("beta")
///     .flags(&flags)
///     .status(403)?
///     .detail("Beta only: ask your admin")
///     .code("BETA_ONLY");
///
/// let service = ServiceBuilder::new().layer(gate).service_fn(
///     async |_: Request<String>| Ok::<_, std::convert::Infallible>(Response::new(String::new())),
/// );
///
/// let response = service.oneshot(Request::default()).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct FlagGate {
    condition: Condition,
    source: Source,
    wording: Wording,
}

impl FlagGate {
    /// A gate that is open while the flag is on for whoever makes the request.
    pub fn new(flag: impl Into<Requirement>) -> Self {
        Self::of(Condition::one(flag.into()))
    }

    /// A gate that is open while all of the flags are on, or off where a [`Requirement`] says so.
    ///
    /// # Errors
    ///
    /// If there are no flags.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::Requirement, FlagGate};
    ///
    /// let gate = FlagGate::all([Requirement::on("new_checkout"), Requirement::off("maintenance")])?;
    /// # Ok::<(), flagstaff::gate::InvalidGate>(())
    /// ```
    pub fn all<R: Into<Requirement>>(
        flags: impl IntoIterator<Item = R>,
    ) -> Result<Self, InvalidGate> {
        Self::several(flags, Mode::All)
    }

    /// A gate that is open while at least one of the flags is on, or off where a [`Requirement`]
    /// says so.
    ///
    /// # Errors
    ///
    /// If there are no flags.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let gate = FlagGate::any(["beta", "employees_only"])?;
    ///
    /// assert!(FlagGate::any::<&str>([]).is_err());
    /// # Ok::<(), flagstaff::gate::InvalidGate>(())
    /// ```
    pub fn any<R: Into<Requirement>>(
        flags: impl IntoIterator<Item = R>,
    ) -> Result<Self, InvalidGate> {
        Self::several(flags, Mode::Any)
    }

    fn several<R: Into<Requirement>>(
        flags: impl IntoIterator<Item = R>,
        mode: Mode,
    ) -> Result<Self, InvalidGate> {
        let mut requirements = flags.into_iter().map(Into::into);
        let first = requirements.next().ok_or(InvalidGate::NoFlags)?;
        Ok(Self::of(Condition::of(first, requirements.collect(), mode)))
    }

    fn of(condition: Condition) -> Self {
        Self { condition, source: Source::new("gate"), wording: Wording::default() }
    }

    /// Asks these flags, so that no request layer is needed.
    ///
    /// A generation that a request layer has pinned for the request is still the one that
    /// answers, if it is of the same flags: one request, one truth. Of several gates on one
    /// request without a request layer, each asks the generation that is current when it is
    /// reached.
    pub fn flags(mut self, flags: &Flags) -> Self {
        self.source.set_flags(flags);
        self
    }

    /// Takes the context of requests that no request layer has pinned from `extractor`. Without
    /// it, they are anonymous.
    ///
    /// It is for gates that have [flags](Self::flags) of their own.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Flags, Memory, TrustedHeaders};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let gate = flags.gate("new_checkout").context(TrustedHeaders::default());
    /// # Ok(())
    /// # }
    /// ```
    pub fn context(mut self, extractor: impl ContextExtractor + Send + Sync + 'static) -> Self {
        self.source.set_extractor(Arc::new(extractor));
        self
    }

    /// Opens the gate exactly when it would be closed: while the flag is off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let legacy = FlagGate::new("legacy_checkout_removed").inverted().status(410)?;
    /// # Ok::<(), flagstaff::gate::InvalidGate>(())
    /// ```
    pub fn inverted(mut self) -> Self {
        self.condition = self.condition.inverted();
        self
    }

    /// What a flag counts as that no source knows, and every flag where there are no flags to ask;
    /// off unless set.
    pub fn default_value(mut self, on: bool) -> Self {
        self.condition.default = on;
        self
    }

    /// Answers with this status while closed; 404 unless set.
    ///
    /// It is for the JSON answers; a redirect and a closure have their own.
    ///
    /// # Errors
    ///
    /// If it is not an error: 400 to 599.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let gate = FlagGate::new("beta").status(403)?;
    /// let same = FlagGate::new("beta").status(http::StatusCode::FORBIDDEN)?;
    ///
    /// let error = FlagGate::new("beta").status(200).unwrap_err();
    /// assert_eq!(error.to_string(), "a closed gate answers with a status of 400 to 599");
    /// # Ok::<(), flagstaff::gate::InvalidGate>(())
    /// ```
    pub fn status<C>(mut self, status: C) -> Result<Self, InvalidGate>
    where
        StatusCode: TryFrom<C>,
    {
        let status = StatusCode::try_from(status).ok();
        let is_error = |status: &StatusCode| status.is_client_error() || status.is_server_error();
        self.wording.status = status.filter(is_error).ok_or(InvalidGate::Status)?;
        Ok(self)
    }

    /// Says this to people while closed, in JSON and as the gRPC message; `Feature not available`
    /// unless set.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.wording.detail = detail.into();
        self
    }

    /// Says this to programs while closed, in JSON; `FEATURE_DISABLED` unless set.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.wording.code = code.into();
        self
    }

    /// Answers gRPC requests with this status while closed; 12, `UNIMPLEMENTED`, unless set.
    ///
    /// # Errors
    ///
    /// If it is not one of the errors that gRPC has: 1 to 16.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let unavailable = FlagGate::new("beta").grpc_status(14)?;
    ///
    /// assert!(FlagGate::new("beta").grpc_status(0).is_err());
    /// # Ok::<(), flagstaff::gate::InvalidGate>(())
    /// ```
    pub fn grpc_status(mut self, status: i32) -> Result<Self, InvalidGate> {
        let status = u8::try_from(status).ok().filter(|status| (1..=16).contains(status));
        self.wording.grpc_status = status.ok_or(InvalidGate::GrpcStatus)?;
        Ok(self)
    }

    /// Answers with problem details (RFC 9457) while closed: `application/problem+json` of the
    /// type `about:blank`, with the code as an additional member.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let gate = FlagGate::new("new_checkout").problem_json();
    /// ```
    pub fn problem_json(mut self) -> Self {
        self.wording.form = Form::Problem;
        self
    }

    /// Sends clients elsewhere while closed, with `303 See Other`.
    ///
    /// They fetch the target with GET (or HEAD), whatever the method was: the target is a page
    /// that explains or replaces, not one that takes a form that was meant for another.
    ///
    /// # Errors
    ///
    /// If `target` is neither an absolute path nor a URL with a scheme and a host.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let gate = FlagGate::new("new_checkout").redirect("/checkout?from=new#top")?;
    ///
    /// for bad in ["", "checkout", "//evil.example", "/a b", "mailto:ana@example.com"] {
    ///     assert!(FlagGate::new("new_checkout").redirect(bad).is_err());
    /// }
    /// # Ok::<(), flagstaff::gate::InvalidGate>(())
    /// ```
    pub fn redirect(mut self, target: &str) -> Result<Self, InvalidGate> {
        let location = location(target);
        let location =
            location.ok_or_else(|| InvalidGate::RedirectTarget { target: target.to_owned() })?;
        self.wording.form = Form::Redirect(location);
        Ok(self)
    }

    /// Lets a closure build the whole response while closed: status, headers and body.
    ///
    /// `Cache-Control: no-store` is added unless the response has a `Cache-Control`. gRPC requests
    /// get the gRPC answer all the same.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::GateDenied, FlagGate};
    /// use http::{Response, request::Parts};
    ///
    /// let gate = FlagGate::new("beta").respond_with(|denied: &GateDenied, request: &Parts| {
    ///     let mut page = Response::new(format!("{}: no {}", request.uri.path(), denied.key()));
    ///     *page.status_mut() = http::StatusCode::GONE;
    ///     page
    /// });
    /// ```
    pub fn respond_with(mut self, response: impl DenialResponse + Send + Sync + 'static) -> Self {
        self.wording.form = Form::Custom(Arc::new(response));
        self
    }

    /// Hides the service while closed: requests go to `not_found`, which is the service that
    /// answers those for which there is no route.
    ///
    /// It gets the request as it came, so that nothing in the answer, to whatever method, tells
    /// the hidden route from a missing one. See [`ConcealedGate`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{FlagGate, Flags, Memory};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # use std::convert::Infallible;
    /// let flags = Flags::builder().source(Memory::new().with("secret", false)).start().await?;
    /// let page = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("page")));
    /// let nothing = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("nothing")));
    ///
    /// let service = flags.gate("secret").conceal(nothing).layer(page);
    ///
    /// assert_eq!(service.oneshot(Request::new(())).await?.into_body(), "nothing");
    /// # Ok(())
    /// # }
    /// ```
    pub fn conceal<N>(self, not_found: N) -> ConcealedGate<N> {
        ConcealedGate { gate: self, not_found }
    }
}

impl Flags {
    /// A gate that asks these flags, so that it needs no request layer.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    /// use tower::ServiceBuilder;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    ///
    /// let services = ServiceBuilder::new().layer(flags.gate("beta"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn gate(&self, flag: impl Into<Requirement>) -> FlagGate {
        FlagGate::new(flag).flags(self)
    }
}

impl<S> Layer<S> for FlagGate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        let Self { condition, source, wording } = self.clone();
        let gate = Gate { condition, source, denials: wording.build() };
        Gated { inner, gate: Arc::new(gate) }
    }
}

/// Hides a service while its flag is off: made by [`FlagGate::conceal`].
///
/// While closed, requests go to the not-found service with method, headers and body as they came,
/// gRPC or not; what it answers is sent as it is. The settings of the gate's own answer have no
/// effect.
///
/// Put it around everything that answers for the route. Under axum that is the method router, and
/// what answers like a missing route is a router without routes. A layer of a router or a method
/// router is not enough, since axum adds an `Allow` header around it.
///
/// ```
/// use axum::{Router, http::StatusCode, routing::get};
/// use flagstaff::FlagGate;
/// use tower::Layer;
///
/// async fn not_found() -> (StatusCode, &'static str) {
///     (StatusCode::NOT_FOUND, "nothing here")
/// }
///
/// let gate = FlagGate::new("new_checkout").conceal(Router::new().fallback(not_found));
/// let app: Router = Router::new()
///     .route_service("/checkout/new", gate.layer(get(|| async { "new" })))
///     .fallback(not_found);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConcealedGate<N> {
    gate: FlagGate,
    not_found: N,
}

impl<S, N: Clone> Layer<S> for ConcealedGate<N> {
    type Service = Concealed<S, N>;

    fn layer(&self, inner: S) -> Concealed<S, N> {
        let FlagGate { condition, source, .. } = self.gate.clone();
        let gate = Arc::new(ConcealedParts { condition, source });
        Concealed { inner, not_found: self.not_found.clone(), gate }
    }
}

/// The value of `Location`, if `target` is one that clients take for what it says.
fn location(target: &str) -> Option<HeaderValue> {
    // `Uri` has no fragment, and takes more than ASCII.
    let uri = target.split('#').next().unwrap_or_default().parse::<Uri>().ok()?;
    let absolute = uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty());
    // Browsers take `//` and `/\` for the start of a host.
    let path = target.starts_with('/') && !target[1..].starts_with(['/', '\\']);
    if !(absolute || path) || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    HeaderValue::try_from(target).ok()
}

/// A gate that cannot be. Made when a gate is set up, never while it serves.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::InvalidGate, FlagGate};
///
/// assert_eq!(FlagGate::new("beta").status(302).unwrap_err(), InvalidGate::Status);
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGate {
    /// The status is not an error.
    #[error("a closed gate answers with a status of 400 to 599")]
    Status,
    /// The gRPC status is not an error of gRPC's.
    #[error("a closed gate answers with a gRPC status of 1 to 16")]
    GrpcStatus,
    /// Clients cannot be sent there.
    #[error("`{target}` is neither an absolute path nor a URL to redirect to")]
    RedirectTarget {
        /// What was given.
        target: String,
    },
    /// There is no flag to ask.
    #[error("a gate asks at least one flag")]
    NoFlags,
}

crate::error::debug_is_message!(InvalidGate);
