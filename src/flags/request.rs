//! One request's view of the flags, also where no request is in sight.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Once},
    task::{self, Poll},
};

use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tracing::warn;

use super::{FlagKey, Flags, Snapshot, testing::Overrides};
use crate::model::{Answer, Cause, Context};

/// The flags as one request sees them: one snapshot, one context.
///
/// Everything that a request asks is answered from it, so its answers fit together even when a
/// reload lands in the middle. The request layer puts it into the request's extensions and around
/// the code that handles the request; [`Flags::pin`] makes one for anything else, such as a job.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new().with("a", true)).start().await?;
/// let job = flags.pin(Context::user("ana"));
///
/// flags.disable("a").await?;
///
/// assert!(job.is_enabled("a"));
/// assert!(job.scope(async { flagstaff::is_enabled("a") }).await);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RequestFlags {
    pub(super) pinned: Arc<Pinned>,
}

pub(super) struct Pinned {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) context: Context<'static>,
    /// The request headers that the context was drawn from, as `Vary` lists them.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "for HTTP services"))]
    pub(super) headers: Option<Arc<str>>,
}

/// What is in force around the code that runs.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) flags: Option<RequestFlags>,
    pub(super) overrides: Overrides,
}

tokio::task_local! {
    pub(super) static SCOPE: Scope;
}

impl Scope {
    fn current() -> Self {
        SCOPE.try_with(Clone::clone).unwrap_or_default()
    }

    /// What is in force once this is added to what is around it.
    fn within_current(self) -> Self {
        let outer = Self::current();
        Self {
            flags: self.flags.or(outer.flags),
            overrides: self.overrides.within(outer.overrides),
        }
    }
}

impl Flags {
    /// Pins the current generation and a context.
    #[must_use]
    pub fn pin(&self, context: Context<'_>) -> RequestFlags {
        let (snapshot, context) = (self.snapshot(), context.into_owned());
        let pinned = Pinned { snapshot, context, headers: None };
        RequestFlags { pinned: Arc::new(pinned) }
    }
}

impl RequestFlags {
    /// Returns whether the flag is on for this request; `false` if no source has it.
    #[inline]
    pub fn is_enabled(&self, key: impl FlagKey) -> bool {
        self.pinned.snapshot.is_enabled(key, &self.pinned.context)
    }

    /// Who asks.
    #[must_use]
    pub fn context(&self) -> &Context<'static> {
        &self.pinned.context
    }

    /// The generation that the request sees.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.pinned.snapshot
    }

    /// Makes these the flags in scope while `future` runs: those that the functions
    /// [`is_enabled`], [`boolean`] and [`current`] of this crate find.
    pub fn scope<F: Future>(&self, future: F) -> WithFlags<F> {
        WithFlags::within(Scope { flags: Some(self.clone()), ..Scope::default() }, future)
    }

    /// Makes these the flags in scope while `f` runs.
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let scope = Scope { flags: Some(self.clone()), ..Scope::default() };
        SCOPE.sync_scope(scope.within_current(), f)
    }
}

impl fmt::Debug for RequestFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The context may hold personal data.
        f.debug_tuple("RequestFlags").field(&self.pinned.snapshot).finish()
    }
}

/// The flags of the request that is being handled, if the code runs within one.
#[must_use]
pub fn current() -> Option<RequestFlags> {
    SCOPE.try_with(|scope| scope.flags.clone()).ok().flatten()
}

/// Returns whether the flag is on for the request that is being handled.
///
/// Outside a request it is off, with one warning per process: see [`boolean`].
#[inline]
pub fn is_enabled(key: impl FlagKey) -> bool {
    with_current(&key, |flags| flags.is_enabled(&key)).unwrap_or(false)
}

/// Returns whether the flag is on for the request that is being handled, with the reason and the
/// source. See [`Snapshot::boolean`].
///
/// Outside a request, which is also a spawned task without
/// [`with_current_flags`](WithCurrentFlags::with_current_flags), the value is `default`, the reason
/// `ERROR` and the error code `PROVIDER_NOT_READY`.
#[inline]
pub fn boolean(key: impl FlagKey, default: bool) -> Answer<bool> {
    let answer = with_current(&key, |flags| flags.boolean(&key, default));
    answer.unwrap_or_else(|| Answer::new(default, Cause::NoFlags, None))
}

/// Asks the flags of the request that is being handled; without a request, warns and returns `None`.
#[inline]
fn with_current<T>(key: &impl FlagKey, ask: impl FnOnce(&RequestFlags) -> T) -> Option<T> {
    let answer = SCOPE.try_with(|scope| scope.flags.as_ref().map(ask)).ok().flatten();
    if answer.is_none() {
        warn_outside(key.as_str());
    }
    answer
}

#[cold]
pub(super) fn warn_outside(name: &str) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        warn!(
            name,
            "asked for a flag, or tracked an event, outside a request: add a request layer, or spawn the task with \
             `.with_current_flags()`"
        );
    });
}

/// Carries the flags in scope into tasks.
pub trait WithCurrentFlags: Future + Sized {
    /// Runs the future with the flags that are in scope now, wherever it is polled.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, WithCurrentFlags};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let flags = Flags::builder().source(Memory::new().with("a", true)).start().await?;
    /// # let request = flags.pin(Context::anonymous());
    /// # let handler = async {
    /// let report = async { flagstaff::is_enabled("a") };
    /// let report = tokio::spawn(report.with_current_flags());
    /// # report.await
    /// # };
    /// # assert!(request.scope(handler).await?);
    /// # Ok(())
    /// # }
    /// ```
    fn with_current_flags(self) -> WithFlags<Self> {
        WithFlags { state: State::Running { scoped: SCOPE.scope(Scope::current(), self) } }
    }
}

impl<F: Future> WithCurrentFlags for F {}

pin_project! {
    /// A future that runs with flags in scope.
    pub struct WithFlags<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[project_replace = StateReplaced]
    enum State<F> {
        /// Not polled yet: what is around it is what is around its first poll.
        Waiting { scope: Scope, future: F },
        Running {
            #[pin]
            scoped: TaskLocalFuture<Scope, F>,
        },
        /// For the moment between the two.
        Starting,
    }
}

impl<F: Future> WithFlags<F> {
    pub(super) fn within(scope: Scope, future: F) -> Self {
        Self { state: State::Waiting { scope, future } }
    }
}

impl<F: Future> Future for WithFlags<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let mut state = self.project().state;
        if matches!(*state, State::Waiting { .. })
            && let StateReplaced::Waiting { scope, future } =
                state.as_mut().project_replace(State::Starting)
        {
            let scoped = SCOPE.scope(scope.within_current(), future);
            state.set(State::Running { scoped });
        }
        match state.project() {
            StateProjection::Running { scoped } => scoped.poll(cx),
            StateProjection::Waiting { .. } | StateProjection::Starting => {
                unreachable!("it runs from its first poll on")
            }
        }
    }
}

impl<F> fmt::Debug for WithFlags<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithFlags").finish_non_exhaustive()
    }
}
