//! The service that is two, and its layer.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{Edit, SwitchFuture};
use crate::{
    flags::Flags,
    http::{ContextExtractor, Requirement, ask::Source, gate::Condition},
};

/// Sends a request to one of two services: one while the flag is on, the other while it is off.
///
/// It asks the flags that a [request layer](Flags::request_layer) further out has pinned for the
/// request, or those that it was [given](Self::flags). Without either, every flag has its
/// [default](Self::default_value), which is off, with one warning.
///
/// While the answer depends on who asks, because the flag has a percentage or lists, every
/// response gets `Cache-Control: private`, and `Vary` with the headers that the context is drawn
/// from, as far as the [extractor names them](ContextExtractor::headers). A `no-store` or `private`
/// of the service's own stays as it is; a `public` gives way. Nothing is added while the flag is
/// the same for everybody.
///
/// The switch is ready when both services are. What the one that is not called has reserved for
/// the call stays reserved for the next request of this clone; hyper, axum and tonic call a clone
/// per request and drop it, which releases it.
///
/// # Example
///
/// ```
/// use flagstaff::{FlagSwitch, Flags, Memory};
/// use http::{Request, Response};
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # use std::convert::Infallible;
/// let new = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("new")));
/// let old = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("old")));
///
/// let flags = Flags::builder().source(Memory::new().with("new_search", true)).start().await?;
/// let search = FlagSwitch::new("new_search", new, old).flags(&flags);
///
/// assert_eq!(search.clone().oneshot(Request::new(())).await?.into_body(), "new");
///
/// flags.disable("new_search").await?;
///
/// assert_eq!(search.oneshot(Request::new(())).await?.into_body(), "old");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct FlagSwitch<A, B> {
    on: A,
    off: B,
    switch: Arc<Switch>,
}

#[derive(Debug, Clone)]
struct Switch {
    condition: Condition,
    source: Source,
}

impl FlagSwitch<(), ()> {
    /// A layer that puts `on` beside the inner service, which gets the requests while the flag is
    /// off.
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
    /// # let new = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("new")));
    /// # let old = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("old")));
    /// # let flags = Flags::builder().source(Memory::new().with("new_search", true)).start().await?;
    /// let search = ServiceBuilder::new()
    ///     .layer(FlagSwitch::layer("new_search", new).flags(&flags))
    ///     .service(old);
    ///
    /// assert_eq!(search.oneshot(Request::new(())).await?.into_body(), "new");
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer<A>(flag: impl Into<Requirement>, on: A) -> FlagSwitchLayer<A> {
        let switch = Switch::new(flag.into());
        FlagSwitchLayer { on, switch }
    }
}

impl<A, B> FlagSwitch<A, B> {
    /// A switch between `on` and `off`. With a [`Requirement`] that the flag be off, `on` is the
    /// service for that.
    pub fn new(flag: impl Into<Requirement>, on: A, off: B) -> Self {
        Self { on, off, switch: Arc::new(Switch::new(flag.into())) }
    }

    /// Asks these flags, so that no request layer is needed. See
    /// [`FlagGate::flags`](crate::FlagGate::flags).
    pub fn flags(mut self, flags: &Flags) -> Self {
        Arc::make_mut(&mut self.switch).source.set_flags(flags);
        self
    }

    /// Takes the context of requests that no request layer has pinned from `extractor`. Without
    /// it, they are anonymous.
    pub fn context(mut self, extractor: impl ContextExtractor + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.switch).source.set_extractor(Arc::new(extractor));
        self
    }

    /// What a flag counts as that no source knows, and every flag where there are no flags to ask;
    /// off unless set.
    pub fn default_value(mut self, on: bool) -> Self {
        Arc::make_mut(&mut self.switch).condition.default = on;
        self
    }
}

impl Switch {
    fn new(flag: Requirement) -> Self {
        Self { condition: Condition::one(flag), source: Source::new("switch") }
    }
}

impl<A, B, Q, R> Service<Request<Q>> for FlagSwitch<A, B>
where
    A: Service<Request<Q>, Response = Response<R>>,
    B: Service<Request<Q>, Response = Response<R>, Error = A::Error>,
{
    type Response = Response<R>;
    type Error = A::Error;
    type Future = SwitchFuture<A::Future, B::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        ready!(self.on.poll_ready(cx))?;
        self.off.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let Switch { condition, source } = &*self.switch;
        let (on, edit) = source.ask(&request, |view| {
            let edit = match condition.depends_on_context(view) {
                true => Edit::Private(view.headers().cloned()),
                false => Edit::Nothing,
            };
            (condition.check(view).is_ok(), edit)
        });
        if on {
            SwitchFuture::on(self.on.call(request), edit)
        } else {
            SwitchFuture::off(self.off.call(request), edit)
        }
    }
}

impl<A: fmt::Debug, B: fmt::Debug> fmt::Debug for FlagSwitch<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagSwitch")
            .field("on", &self.on)
            .field("off", &self.off)
            .field("condition", &self.switch.condition)
            .finish_non_exhaustive()
    }
}

/// Puts a service beside another: made by [`FlagSwitch::layer`].
#[derive(Debug, Clone)]
#[must_use]
pub struct FlagSwitchLayer<A> {
    on: A,
    switch: Switch,
}

impl<A> FlagSwitchLayer<A> {
    /// Asks these flags, so that no request layer is needed. See
    /// [`FlagGate::flags`](crate::FlagGate::flags).
    pub fn flags(mut self, flags: &Flags) -> Self {
        self.switch.source.set_flags(flags);
        self
    }

    /// Takes the context of requests that no request layer has pinned from `extractor`. Without
    /// it, they are anonymous.
    pub fn context(mut self, extractor: impl ContextExtractor + Send + Sync + 'static) -> Self {
        self.switch.source.set_extractor(Arc::new(extractor));
        self
    }

    /// What a flag counts as that no source knows, and every flag where there are no flags to ask;
    /// off unless set.
    pub fn default_value(mut self, on: bool) -> Self {
        self.switch.condition.default = on;
        self
    }
}

impl<A: Clone, S> Layer<S> for FlagSwitchLayer<A> {
    type Service = FlagSwitch<A, S>;

    fn layer(&self, inner: S) -> FlagSwitch<A, S> {
        let switch = Arc::new(self.switch.clone());
        FlagSwitch { on: self.on.clone(), off: inner, switch }
    }
}
