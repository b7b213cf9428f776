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
/// It asks the flags that a [request layer](Flags::request_layer) further out has pinned for the
/// request, so that every gate and every handler of one request agree. A gate made by
/// [`Flags::gate`] needs no request layer. Without either, every flag has its
/// [default](Self::default_value), which is off, with one warning that names the line where the gate
/// was made.
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
/// `D` answers while the gate is closed, and `X` is the answer with which an extractor may refuse
/// a request. A gate with neither is a `FlagGate`.
#[must_use]
pub struct FlagGate<D = DefaultDenial, X = Infallible> {
    pub(super) question: Question<X>,
    pub(super) wording: Wording,
    // Shared, so that the layer can be cloned whatever answers.
    pub(super) denial: Arc<D>,
}

/// The word for the layer in warnings.
const KIND: &str = "gate";

impl FlagGate {
    /// Makes a gate that is open while the flag is on for the user who makes the request.
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

    /// Makes a gate that is open while every flag is on, or in the state of its
    /// [`Requirement`](crate::gate::Requirement).
    ///
    /// An empty array does not compile. For a list that is only known at run time, see
    /// [`try_all`](Self::try_all).
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

    /// Makes a gate that is open while at least one flag is on, or in the state of its
    /// [`Requirement`](crate::gate::Requirement).
    ///
    /// An empty array does not compile. For a list that is only known at run time, see
    /// [`try_any`](Self::try_any).
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

    /// Makes a gate like [`all`](Self::all) of a list that is only known at run time.
    ///
    /// # Errors
    ///
    /// [`InvalidGate::NoFlags`] if the list is empty.
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

    /// Makes a gate like [`any`](Self::any) of a list that is only known at run time.
    ///
    /// # Errors
    ///
    /// [`InvalidGate::NoFlags`] if the list is empty.
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
        const { assert!(N > 0, "a gate asks at least one flag") };
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

/// Settings of the answer that a gate has unless another one is set.
impl<X> FlagGate<DefaultDenial, X> {
    /// Answers with this status while closed; 404 unless set.
    ///
    /// It is for the JSON answers; a redirect has its own. Any status is sent as it is. One that is
    /// not an error, such as 200, lets clients take the answer for the service's.
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

    /// Says this to programs while closed, in JSON; `FEATURE_DISABLED` unless set.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.wording.code = code.into();
        self
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
    /// If `target` is neither an absolute path nor a URL of the scheme `http` or `https`, in printable ASCII.
    /// Other relative references are not taken: `checkout` is another page on each path, and
    /// `//host` looks like a path and is a host.
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

    /// Lets a closure build the whole response while closed: status, headers and body.
    ///
    /// The body may be of any type that is a body of bytes. The body of the gate's responses is
    /// then an [`EitherBody`](crate::gate::EitherBody) of the inner service's and this one.
    ///
    /// `Cache-Control: no-store` is added unless the response has a `Cache-Control`. gRPC requests
    /// get the gRPC answer all the same.
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

    /// Lets a type of its own build the whole response while closed. See
    /// [`respond_with`](Self::respond_with), and [`DenialResponse`] for an example.
    pub fn response<D: DenialResponse>(self, response: D) -> FlagGate<D, X> {
        let Self { question, wording, denial: _ } = self;
        FlagGate { question, wording, denial: Arc::new(response) }
    }
}

/// Settings of every gate.
impl<D, X> FlagGate<D, X> {
    /// Asks these flags, so that no request layer is needed.
    ///
    /// A generation that a request layer has pinned for the request is still the one that
    /// answers, if it is of the same flags: one request, one truth. Of several gates on one
    /// request without a request layer, each asks the generation that is current when it is
    /// reached.
    pub fn flags(self, flags: &Flags) -> Self {
        Self { question: self.question.flags(flags), ..self }
    }

    /// Takes the context of requests that no request layer has pinned from `extractor`. Without
    /// it, they are anonymous.
    ///
    /// It is for gates that have [flags](Self::flags) of their own. An extractor that refuses a
    /// request answers it instead of the gate. A string of more than 8 KiB counts as missing, as it does
    /// in a [request layer](Flags::request_layer).
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
    /// untouched, without a question.
    ///
    /// Called again, it narrows further.
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

    /// Sets the state of flags that no source has, and of every flag where there are no flags to
    /// ask; off unless set.
    pub fn default_value(mut self, on: bool) -> Self {
        self.question.condition.default = on;
        self
    }

    /// Says this to people while closed, in JSON and as the gRPC message; `Feature not available`
    /// unless set.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.wording.detail = detail.into();
        self
    }

    /// Answers gRPC requests with this status while closed; `UNIMPLEMENTED` unless set.
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

    /// Hides the service while closed: requests go to `not_found`, which is the service that
    /// answers those for which there is no route.
    ///
    /// It gets the request as it came, so that nothing in the answer, to whatever method, tells
    /// the hidden route from a missing one. While the flag depends on who asks, this takes a not-found
    /// service whose answers no cache keeps: see [`ConcealedGate`].
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
    /// Makes a gate that asks these flags, so that it needs no request layer.
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

/// The value of `Location`, if `target` is one that clients take for what it says.
fn location(target: &str) -> Option<HeaderValue> {
    // `Uri` has no fragment, and takes more than ASCII.
    let uri = target.split('#').next().unwrap_or_default().parse::<Uri>().ok()?;
    // No others: a client may run `javascript://host/%0aalert(1)`, and opens what `data:` and `file:` name.
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

/// An error of a gate's settings. It occurs when a gate is set up, never while it serves.
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
    /// The number is not that of an error of gRPC.
    #[error("a gRPC error has a status of 1 to 16")]
    GrpcStatus,
    /// Clients cannot be sent there.
    #[error(
        "`{}` is neither an absolute path nor an http or https URL to redirect to",
        line(target)
    )]
    RedirectTarget {
        /// The target as given.
        target: String,
    },
    /// There is no flag to ask.
    #[error("a gate asks at least one flag")]
    NoFlags,
}

crate::error::debug_is_message!(InvalidGate);
