//! The layer that puts a gate in front of a service.

use std::{convert::Infallible, fmt, sync::Arc};

use http::{HeaderValue, Response, StatusCode, Uri, request::Parts};
use tower_layer::Layer;

use super::{
    DefaultDenial, DenialResponse, GateDenied, Gated, GrpcStatus,
    response::{Form, Wording},
};
use crate::{
    flags::Flags,
    http::{
        ConcealedGate, IntoRequirement, RequestHead, TryContextExtractor, ask::Question,
        condition::Mode,
    },
    text::line,
};

/// A layer that closes a service while its flag is off.
///
/// The gate evaluates the flags that an outer [request layer](Flags::request_layer) has pinned for
/// the request, so that all gates and handlers of one request agree. A gate made by [`Flags::gate`]
/// needs no request layer. Without either, every flag has its [default](Self::default_value), which
/// is off. One warning names the line of code that made the gate.
///
/// A closed gate responds with `404` unless another status is set. The JSON body has the message
/// that the feature is not available, and the response has `Cache-Control: no-store`. The response
/// to a gRPC request, which has the content type `application/grpc`, has the status `UNIMPLEMENTED`
/// instead. The inner service is not called, and the request's body is not read.
///
/// An open gate allocates nothing and leaves the response unchanged. A cache does not evaluate the
/// flag. So make sure that no shared cache keeps the response of the service while the flag is on
/// for some users only.
///
/// # With axum
///
/// `Router::layer` and `MethodRouter::layer` put a layer inside the method router. So axum adds an
/// `Allow` header to the response of the gate for a wrong method, which reveals the route. To close
/// the route as a whole, put the gate around the method router:
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
///     .status(StatusCode::FORBIDDEN)
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
///
/// # Types
///
/// `D` builds the response of the closed gate, and `X` is the response with which an extractor may
/// refuse a request. A gate with neither is a `FlagGate`.
#[must_use]
pub struct FlagGate<D = DefaultDenial, X = Infallible> {
    pub(super) question: Question<X>,
    pub(super) wording: Wording,
    // Shared, so that the layer can be cloned with any `D`.
    pub(super) denial: Arc<D>,
}

/// The word for the layer in warnings.
const KIND: &str = "gate";

impl FlagGate {
    /// Creates a gate that is open while the flag is on for the user who makes the request.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::Requirement, FlagGate, FlagName};
    ///
    /// const NEW_CHECKOUT: FlagName = FlagName::new("new_checkout"); // or a constant from `codegen`
    ///
    /// let gate = FlagGate::new(NEW_CHECKOUT);
    /// let by_name = FlagGate::new("new_checkout");
    /// let while_off = FlagGate::new(Requirement::off("maintenance"));
    /// ```
    #[track_caller]
    pub fn new(flag: impl IntoRequirement) -> Self {
        Self::of(Question::one(KIND, flag.into_requirement()))
    }

    /// Creates a gate that is open while every flag is on, or in the state of its
    /// [`Requirement`](crate::gate::Requirement).
    ///
    /// An empty array does not compile. Use [`try_all`](Self::try_all) for a list that is only
    /// known at run time.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::Requirement, FlagGate};
    ///
    /// let gate = FlagGate::all([Requirement::on("new_checkout"), Requirement::off("maintenance")]);
    /// ```
    ///
    /// ```compile_fail
    /// let gate = flagstaff::FlagGate::all::<&str, 0>([]);
    /// ```
    #[track_caller]
    pub fn all<R: IntoRequirement, const N: usize>(flags: [R; N]) -> Self {
        Self::several(flags, Mode::All)
    }

    /// Creates a gate that is open while at least one flag is on, or in the state of its
    /// [`Requirement`](crate::gate::Requirement).
    ///
    /// An empty array does not compile. Use [`try_any`](Self::try_any) for a list that is only
    /// known at run time.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let gate = FlagGate::any(["beta", "employees_only"]);
    /// ```
    #[track_caller]
    pub fn any<R: IntoRequirement, const N: usize>(flags: [R; N]) -> Self {
        Self::several(flags, Mode::Any)
    }

    /// Creates a gate like [`all`](Self::all) from a list that is only known at run time.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidGate::NoFlags`] if the list is empty.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::InvalidGate, FlagGate};
    ///
    /// let configured = vec![String::from("beta"), String::from("new_checkout")];
    ///
    /// assert!(FlagGate::try_all(configured).is_ok());
    /// assert_eq!(FlagGate::try_all(Vec::<String>::new()).unwrap_err(), InvalidGate::NoFlags);
    /// ```
    #[track_caller]
    pub fn try_all<R: IntoRequirement>(
        flags: impl IntoIterator<Item = R>,
    ) -> Result<Self, InvalidGate> {
        Self::try_several(flags, Mode::All)
    }

    /// Creates a gate like [`any`](Self::any) from a list that is only known at run time.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidGate::NoFlags`] if the list is empty.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::InvalidGate, FlagGate};
    ///
    /// assert_eq!(FlagGate::try_any(Vec::<String>::new()).unwrap_err(), InvalidGate::NoFlags);
    /// ```
    #[track_caller]
    pub fn try_any<R: IntoRequirement>(
        flags: impl IntoIterator<Item = R>,
    ) -> Result<Self, InvalidGate> {
        Self::try_several(flags, Mode::Any)
    }

    #[track_caller]
    fn several<R: IntoRequirement, const N: usize>(flags: [R; N], mode: Mode) -> Self {
        const { assert!(N > 0, "a gate needs at least one flag") };
        let requirements = flags.into_iter().map(R::into_requirement);
        let question = Question::several(KIND, requirements, mode);
        Self::of(question.expect("the array is not empty, or this does not compile"))
    }

    #[track_caller]
    fn try_several<R: IntoRequirement>(
        flags: impl IntoIterator<Item = R>,
        mode: Mode,
    ) -> Result<Self, InvalidGate> {
        let requirements = flags.into_iter().map(R::into_requirement);
        Question::several(KIND, requirements, mode).map(Self::of).ok_or(InvalidGate::NoFlags)
    }

    fn of(question: Question) -> Self {
        Self { question, wording: Wording::default(), denial: Arc::new(DefaultDenial) }
    }
}

/// Settings of a gate's default response.
impl<X> FlagGate<DefaultDenial, X> {
    /// Sets the status of the closed gate; 404 unless set.
    ///
    /// The status is that of JSON responses; a redirect has its own. Any status is sent unchanged.
    /// With one that is not an error, such as 200, clients take the response for that of the
    /// service.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    /// use http::StatusCode;
    ///
    /// let gate = FlagGate::new("beta").status(StatusCode::FORBIDDEN);
    /// ```
    pub fn status(mut self, status: StatusCode) -> Self {
        self.wording.status = status;
        self
    }

    /// Sets the code for programs in the JSON of the closed gate; `FEATURE_DISABLED` unless set.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    /// use http::{Request, Response};
    /// use http_body_util::BodyExt;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let gate = FlagGate::new("beta").code("BETA_ONLY");
    ///
    /// # let service = gate.layer(service_fn(async |_: Request<()>| {
    /// #     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    /// # }));
    /// let response = service.oneshot(Request::new(())).await?;
    ///
    /// let json = response.into_body().collect().await?.to_bytes();
    /// assert!(json.starts_with(br#"{"detail":"Feature not available","code":"BETA_ONLY""#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.wording.code = code.into();
        self
    }

    /// Responds with problem details (RFC 9457) while closed: `application/problem+json` of the
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

    /// Redirects clients while closed, with `303 See Other`.
    ///
    /// Clients fetch the target with GET (or HEAD), whatever the method was. So the target should
    /// be a page that explains or replaces this one. It should not be one that takes a form meant
    /// for another page.
    ///
    /// # Errors
    ///
    /// Returns an error if `target` is neither an absolute path nor a URL of the scheme `http` or
    /// `https`, in printable ASCII. Other relative references are rejected: `checkout` is another
    /// page on each path, and `//host` looks like a path and is a host.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let gate = FlagGate::new("new_checkout").redirect("/checkout?from=new#top")?;
    ///
    /// for bad in ["", "checkout", "//evil.example", "/a b", "javascript:alert(1)"] {
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

    /// Sets a closure that builds the whole response of the closed gate: status, headers and body.
    ///
    /// Any body of bytes is possible. The body of the gate's responses is then an
    /// [`EitherBody`](crate::gate::EitherBody) of the inner service's and this one.
    ///
    /// `Cache-Control: no-store` is added unless the response has a `Cache-Control`. gRPC requests
    /// still get the gRPC response.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    /// use http::{Response, StatusCode};
    ///
    /// let gate = FlagGate::new("beta").respond_with(|denied, request| {
    ///     let mut page = Response::new(format!("{}: no {}", request.uri.path(), denied.key()));
    ///     *page.status_mut() = StatusCode::GONE;
    ///     page
    /// });
    /// ```
    pub fn respond_with<F, B>(self, respond: F) -> FlagGate<F, X>
    where
        // Not `DenialResponse`: the compiler infers the types of the arguments from this bound alone.
        F: Fn(&GateDenied, &Parts) -> Response<B>,
    {
        self.response(respond)
    }

    /// Sets a type that builds the whole response of the closed gate. See
    /// [`respond_with`](Self::respond_with), and [`DenialResponse`] for an example.
    pub fn response<D: DenialResponse>(self, response: D) -> FlagGate<D, X> {
        let Self { question, wording, denial: _ } = self;
        FlagGate { question, wording, denial: Arc::new(response) }
    }
}

/// Settings of every gate.
impl<D, X> FlagGate<D, X> {
    /// Evaluates these flags, so that no request layer is needed.
    ///
    /// If a request layer has pinned a generation of the same flags for the request, the gate uses
    /// that generation. So all gates of the request agree. Without a request layer, each gate uses
    /// the generation that is current when the request reaches it.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{FlagGate, Flags, Memory};
    /// use http::{Request, Response, StatusCode};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let gate = FlagGate::new("beta").flags(&flags);
    ///
    /// # let service = gate.layer(service_fn(async |_: Request<()>| {
    /// #     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    /// # }));
    /// let response = service.oneshot(Request::new(())).await?;
    ///
    /// assert_eq!(response.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// ```
    pub fn flags(self, flags: &Flags) -> Self {
        Self { question: self.question.flags(flags), ..self }
    }

    /// Sets the extractor that reads the context of requests that no request layer has pinned.
    /// Without an extractor, these requests are anonymous.
    ///
    /// The extractor is for gates that have [flags](Self::flags) of their own. If the extractor
    /// refuses a request, its refusal is the response instead of the gate's. A string of more than
    /// 8 KiB counts as missing, as in a [request layer](Flags::request_layer).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{context::context_fn, Context, Flags, Memory, TrustedHeaders};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let gate = flags.gate("new_checkout").context(TrustedHeaders::default());
    /// let by_path = flags.gate("beta").context(context_fn(|head| Context::user(head.uri.path())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn context<E>(self, extractor: E) -> FlagGate<D, E::Refusal>
    where
        E: TryContextExtractor + Send + Sync + 'static,
    {
        let Self { question, wording, denial } = self;
        FlagGate { question: question.extractor(extractor), wording, denial }
    }

    /// Applies the gate only to requests for which `predicate` returns true. All others pass
    /// unchanged, and no flag is evaluated for them.
    ///
    /// A further call narrows the condition.
    ///
    /// # Example
    ///
    /// One method of a gRPC service:
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let watch = FlagGate::new("health_watch")
    ///     .only(|head| head.uri.path() == "/grpc.health.v1.Health/Watch");
    /// ```
    pub fn only(
        self,
        predicate: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { question: self.question.only(predicate), ..self }
    }

    /// Opens the gate exactly when it would be closed: while the flag is off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    ///
    /// let legacy = FlagGate::new("legacy_checkout_removed").inverted();
    /// ```
    pub fn inverted(self) -> Self {
        Self { question: self.question.inverted(), ..self }
    }

    /// Sets the state of flags that no source has, and of all flags if no flags are in scope; off
    /// unless set.
    ///
    /// A flag whose definition is rejected has no default: the gate stays closed.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{FlagGate, Flags, Memory};
    /// use http::{Request, Response, StatusCode};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let gate = flags.gate("no_such_flag").default_value(true);
    ///
    /// # let service = gate.layer(service_fn(async |_: Request<()>| {
    /// #     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    /// # }));
    /// let response = service.oneshot(Request::new(())).await?;
    ///
    /// assert_eq!(response.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// ```
    pub fn default_value(mut self, on: bool) -> Self {
        self.question.condition.default = on;
        self
    }

    /// Sets the message for people, in JSON and as the gRPC message of the closed gate;
    /// `Feature not available` unless set.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagGate;
    /// use http::{Request, Response};
    /// use http_body_util::BodyExt;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let gate = FlagGate::new("beta").detail("Ask your admin for the beta");
    ///
    /// # let service = gate.layer(service_fn(async |_: Request<()>| {
    /// #     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    /// # }));
    /// let response = service.oneshot(Request::new(())).await?;
    ///
    /// let json = response.into_body().collect().await?.to_bytes();
    /// assert!(json.starts_with(br#"{"detail":"Ask your admin for the beta""#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.wording.detail = detail.into();
        self
    }

    /// Sets the status of responses to gRPC requests while closed; `UNIMPLEMENTED` unless set.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{gate::GrpcStatus, FlagGate};
    ///
    /// let gate = FlagGate::new("beta").grpc_status(GrpcStatus::PermissionDenied);
    /// ```
    pub fn grpc_status(mut self, status: GrpcStatus) -> Self {
        self.wording.grpc_status = status;
        self
    }

    /// Hides the service while closed: requests go to `not_found`, the service that responds if
    /// there is no route.
    ///
    /// `not_found` gets the request unchanged, so that its response, to any method, does not
    /// distinguish the hidden route from a missing one. While the flag depends on the context, this
    /// requires a not-found service whose responses no cache keeps: see [`ConcealedGate`].
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
    pub fn conceal<N>(self, not_found: N) -> ConcealedGate<N, X> {
        ConcealedGate::new(self.question, not_found)
    }
}

impl Flags {
    /// Creates a gate that evaluates these flags, so that it needs no request layer.
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
    #[track_caller]
    pub fn gate(&self, flag: impl IntoRequirement) -> FlagGate {
        FlagGate::new(flag).flags(self)
    }
}

impl<S, D, X> Layer<S> for FlagGate<D, X> {
    type Service = Gated<S, D, X>;

    fn layer(&self, inner: S) -> Gated<S, D, X> {
        Gated::new(inner, self.clone())
    }
}

impl<D, X> Clone for FlagGate<D, X> {
    fn clone(&self) -> Self {
        let Self { question, wording, denial } = self;
        Self { question: question.clone(), wording: wording.clone(), denial: Arc::clone(denial) }
    }
}

impl<D, X> fmt::Debug for FlagGate<D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagGate")
            .field("question", &self.question)
            .field("wording", &self.wording)
            .finish_non_exhaustive()
    }
}

/// Returns the value of `Location`, if clients interpret `target` as it is written.
fn location(target: &str) -> Option<HeaderValue> {
    // `Uri` has no fragment, and takes more than ASCII.
    let uri = target.split('#').next().unwrap_or_default().parse::<Uri>().ok()?;
    // No other schemes: a client may run `javascript://host/%0aalert(1)`, and opens `data:` and
    // `file:`.
    let is_web =
        |scheme: &str| ["http", "https"].iter().any(|web| web.eq_ignore_ascii_case(scheme));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let absolute = uri.scheme_str().is_some_and(is_web) && has_host;
    // Browsers take `//` and `/\` for the start of a host.
    let path = target.starts_with('/') && !target[1..].starts_with(['/', '\\']);
    if !(absolute || path) || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    HeaderValue::try_from(target).ok()
}

/// The error of a gate's settings. It occurs when a gate is created, never while it serves.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::InvalidGate, FlagGate};
///
/// let error = FlagGate::new("beta").redirect("checkout").unwrap_err();
///
/// assert!(matches!(error, InvalidGate::RedirectTarget { .. }));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGate {
    /// The number is not that of a gRPC error.
    #[error("a gRPC error has a status of 1 to 16")]
    GrpcStatus,
    /// Clients cannot be redirected to the target.
    #[error(
        "`{}` is neither an absolute path nor an http or https URL to redirect to",
        line(target)
    )]
    RedirectTarget {
        /// The rejected target.
        target: String,
    },
    /// The list of flags is empty.
    #[error("a gate needs at least one flag")]
    NoFlags,
}

crate::error::debug_is_message!(InvalidGate);
