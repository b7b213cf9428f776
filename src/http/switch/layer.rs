//! The layer that sends requests to one of two services.

use std::convert::Infallible;

use tower_layer::Layer;

use super::Switched;
use crate::{
    flags::Flags,
    http::{IntoRequirement, RequestHead, TryContextExtractor, ask::Question},
};

/// A layer that sends requests to another service while the flag is on, and to the inner service
/// while the flag is off.
///
/// The switch evaluates the flags that an outer [request layer](Flags::request_layer) has pinned
/// for the request, or those that were [set](Self::flags). Without either, every flag has its
/// [default](Self::default_value), which is off. One warning names the line of code that made the
/// switch.
///
/// While the answer depends on the context, because the flag has a percentage or lists, every
/// response gets `Cache-Control: private`. It also gets `Vary` with the headers that the context is
/// derived from, if the [extractor returns them](crate::context::ContextExtractor::headers). A
/// `no-store` or `private` of the service is unchanged, and a `public` is removed. So are the
/// fields that single caches read instead: `CDN-Cache-Control` and all others that end in
/// `-Cache-Control` (RFC 9213), `Surrogate-Control`, `Edge-Control` and `X-Accel-Expires`. Nothing
/// is changed while the flag has one answer for all users.
///
/// # Example
///
/// ```
/// use flagstaff::{FlagSwitch, Flags, Memory};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # use std::convert::Infallible;
/// let new = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("new")));
/// let old = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("old")));
///
/// let flags = Flags::builder().source(Memory::new().with("new_search", true)).start().await?;
/// let search = ServiceBuilder::new()
///     .layer(FlagSwitch::new("new_search", new).flags(&flags))
///     .service(old);
///
/// assert_eq!(search.clone().oneshot(Request::new(())).await?.into_body(), "new");
///
/// flags.disable("new_search").await?;
///
/// assert_eq!(search.oneshot(Request::new(())).await?.into_body(), "old");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct FlagSwitch<A, X = Infallible> {
    pub(super) on: A,
    pub(super) question: Question<X>,
}

impl<A> FlagSwitch<A> {
    /// Creates a switch to `on`. With a [`Requirement`](crate::gate::Requirement) that the flag is
    /// off, requests go to `on` while the flag is off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{FlagSwitch, Flags, Memory};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let new = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("new")));
    /// let old = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("old")));
    /// # use std::convert::Infallible;
    /// # let flags = Flags::builder().source(Memory::new().with("new_search", true)).start().await?;
    ///
    /// let search = FlagSwitch::new("new_search", new).flags(&flags).layer(old);
    ///
    /// assert_eq!(search.oneshot(Request::new(())).await?.into_body(), "new");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn new(flag: impl IntoRequirement, on: A) -> Self {
        Self { on, question: Question::one("switch", flag.into_requirement()) }
    }
}

impl<A, X> FlagSwitch<A, X> {
    /// Evaluates these flags, so that no request layer is needed. See
    /// [`FlagGate::flags`](crate::FlagGate::flags).
    pub fn flags(self, flags: &Flags) -> Self {
        Self { question: self.question.flags(flags), ..self }
    }

    /// Sets the extractor that reads the context of requests that no request layer has pinned.
    /// Without an extractor, these requests are anonymous. See
    /// [`FlagGate::context`](crate::FlagGate::context).
    pub fn context<E>(self, extractor: E) -> FlagSwitch<A, E::Refusal>
    where
        E: TryContextExtractor + Send + Sync + 'static,
    {
        FlagSwitch { on: self.on, question: self.question.extractor(extractor) }
    }

    /// Applies the switch only to requests for which `predicate` returns true. All others go to the
    /// inner service, and their responses are unchanged.
    ///
    /// A further call narrows the condition.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::FlagSwitch;
    ///
    /// let search = FlagSwitch::new("new_search", "the new search")
    ///     .only(|head| head.uri.path().starts_with("/search"));
    /// ```
    pub fn only(
        self,
        predicate: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { question: self.question.only(predicate), ..self }
    }

    /// Sets the state of flags that no source has, and of all flags if no flags are in scope; off
    /// unless set.
    pub fn default_value(mut self, on: bool) -> Self {
        self.question.condition.default = on;
        self
    }
}

impl Flags {
    /// Creates a switch that evaluates these flags, so that it needs no request layer.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Flags, Memory};
    /// use tower::Layer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("new_search", true)).start().await?;
    ///
    /// let search = flags.switch("new_search", "the new search").layer("the old search");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn switch<A>(&self, flag: impl IntoRequirement, on: A) -> FlagSwitch<A> {
        FlagSwitch::new(flag, on).flags(self)
    }
}

impl<A: Clone, S, X> Layer<S> for FlagSwitch<A, X> {
    type Service = Switched<A, S, X>;

    fn layer(&self, inner: S) -> Switched<A, S, X> {
        Switched::new(inner, self.clone())
    }
}

impl<A: Clone, X> Clone for FlagSwitch<A, X> {
    fn clone(&self) -> Self {
        Self { on: self.on.clone(), question: self.question.clone() }
    }
}
