//! The flags of one request, also for code without the request at hand.

use std::{fmt, panic::Location, sync::Arc};

use super::{Flags, Scope, Snapshot, WithFlags, outside, testing::ScopedOverrides};
use crate::model::{Answer, Cause, Context, FlagKey};

/// The flags of one request: one snapshot and one context.
///
/// All evaluations of a request use them, so its answers are consistent even when a reload happens
/// in between. The request layer puts them into the request's extensions, and in scope of the code
/// that handles the request. [`Flags::pin`] makes them for anything else, such as a job.
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
    /// The overrides of a test that hold for this request, wherever its flags are evaluated.
    overrides: ScopedOverrides,
}

pub(super) struct Pinned {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) context: Context<'static>,
    /// The request headers that the context was derived from, as `Vary` lists them.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "for HTTP services"))]
    pub(super) headers: Option<Arc<str>>,
}

impl Flags {
    /// Pins the current generation and a context.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let job = flags.pin(Context::user("ana"));
    ///
    /// flags.disable("beta").await?;
    ///
    /// assert!(job.is_enabled("beta"), "the job keeps its generation");
    /// assert_eq!(job.context().targeting_key(), Some("ana"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pin(&self, context: Context<'_>) -> RequestFlags {
        let (snapshot, context) = (self.snapshot(), context.into_owned());
        RequestFlags::new(Pinned { snapshot, context, headers: None })
    }
}

impl RequestFlags {
    pub(super) fn new(pinned: Pinned) -> Self {
        Self { pinned: Arc::new(pinned), overrides: ScopedOverrides::current() }
    }

    /// Adds the overrides in scope to those of the request.
    #[must_use]
    pub(crate) fn with_current_overrides(mut self) -> Self {
        self.overrides = self.overrides.within(ScopedOverrides::current());
        self
    }

    /// Calls `ask` with the pinned generation and context, and with the overrides of the request in
    /// force.
    #[inline]
    pub(super) fn ask<'a, R>(
        &'a self,
        ask: impl FnOnce(&'a Snapshot, &'a Context<'static>) -> R,
    ) -> R {
        self.with_overrides(|| ask(&self.pinned.snapshot, &self.pinned.context))
    }

    /// Runs `ask` with the overrides of the request in force, also outside its scope.
    #[inline]
    pub(super) fn with_overrides<R>(&self, ask: impl FnOnce() -> R) -> R {
        match self.overrides.are_in_force() {
            true => ask(),
            false => self.sync_scope(ask),
        }
    }

    /// Puts these flags in scope while `make` runs, and while the future that it returns runs.
    #[cfg(feature = "http")]
    pub(crate) fn scope_with<F: Future>(self, make: impl FnOnce() -> F) -> WithFlags<F> {
        let overrides = self.overrides.clone();
        let mut scope = Scope { flags: Some(self), overrides }.within_current();
        let future = scope.enter(make);
        WithFlags::within(scope, future)
    }

    fn to_scope(&self) -> Scope {
        Scope { flags: Some(self.clone()), overrides: self.overrides.clone() }
    }

    /// Returns `true` if the flag is on for this request.
    ///
    /// A flag that no source has is off, with one warning per name.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert!(request.is_enabled("beta"));
    /// assert!(!request.is_enabled("no_such_flag"));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn is_enabled(&self, key: impl FlagKey) -> bool {
        self.ask(|snapshot, context| snapshot.is_enabled(key, context))
    }

    /// Returns the evaluation context of the request.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let request = flags.pin(Context::user("ana").group("beta"));
    ///
    /// assert_eq!(request.context().targeting_key(), Some("ana"));
    /// assert!(request.context().iter_groups().eq(["beta"]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn context(&self) -> &Context<'static> {
        &self.pinned.context
    }

    /// Returns the generation that the request is pinned to.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// // The flags of the request, for another user.
    /// assert!(request.snapshot().is_enabled("beta", &Context::user("bob")));
    /// assert_eq!(request.snapshot().generation(), flags.snapshot().generation());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.pinned.snapshot
    }

    /// Puts these flags in scope while `future` runs, where the functions [`is_enabled`],
    /// [`boolean`] and [`current`] of this crate find them.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// let is_on = request.scope(async { flagstaff::is_enabled("beta") }).await;
    ///
    /// assert!(is_on);
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> WithFlags<F> {
        WithFlags::within(self.to_scope(), future)
    }

    /// Puts these flags in scope while `f` runs.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert!(request.sync_scope(|| flagstaff::is_enabled("beta")));
    /// assert!(flagstaff::current().is_none(), "the scope has ended");
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.to_scope().in_scope(f)
    }
}

impl fmt::Debug for RequestFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The context may hold personal data.
        f.debug_tuple("RequestFlags").field(&self.pinned.snapshot).finish()
    }
}

/// Returns the flags of the request that is being handled; `None` outside a request.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
/// let request = flags.pin(Context::user("ana"));
///
/// request.sync_scope(|| {
///     let flags = flagstaff::current().expect("a request is being handled");
///     assert_eq!(flags.context().targeting_key(), Some("ana"));
/// });
///
/// assert!(flagstaff::current().is_none());
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn current() -> Option<RequestFlags> {
    Scope::with(|scope| scope.flags.clone().map(RequestFlags::with_current_overrides)).flatten()
}

/// Returns `true` if the flag is on for the request that is being handled.
///
/// Outside a request the flag is off, with a warning for each flag and line of code: see
/// [`boolean`].
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
/// let request = flags.pin(Context::user("ana"));
///
/// assert!(request.sync_scope(|| flagstaff::is_enabled("beta")));
/// assert!(!flagstaff::is_enabled("beta"), "there is no request here");
/// # Ok(())
/// # }
/// ```
#[inline]
#[track_caller]
pub fn is_enabled(key: impl FlagKey) -> bool {
    let on = ask_current(&key, Location::caller(), |flags| flags.is_enabled(&key));
    on.unwrap_or(false)
}

/// Evaluates the flag as a boolean for the request that is being handled, with the reason and the
/// source. See [`Snapshot::boolean`].
///
/// Outside a request the value is `default`, the reason `ERROR` and the error code
/// `PROVIDER_NOT_READY`. A spawned task without
/// [`with_current_flags`](crate::WithCurrentFlags::with_current_flags) is outside, too. One warning
/// for each flag and line of code names the remedy.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory, Reason, answer::ErrorCode};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// # let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
/// let request = flags.pin(Context::user("ana"));
///
/// let inside = request.sync_scope(|| flagstaff::boolean("beta", false));
/// let outside = flagstaff::boolean("beta", false);
///
/// assert_eq!((inside.value, inside.reason), (true, Reason::Static));
/// assert_eq!((outside.value, outside.error_code), (false, Some(ErrorCode::ProviderNotReady)));
/// # Ok(())
/// # }
/// ```
#[inline]
#[track_caller]
pub fn boolean(key: impl FlagKey, default: bool) -> Answer<bool> {
    let answer = ask_current(&key, Location::caller(), |flags| flags.boolean(&key, default));
    answer.unwrap_or_else(|| Answer::new(default, Cause::NoFlags, None))
}

/// Calls `ask` with the flags of the request that is being handled. Without a request, returns
/// `None` and logs a warning with the line of code.
#[inline]
fn ask_current<T>(
    key: &impl FlagKey,
    place: &'static Location<'static>,
    ask: impl FnOnce(&RequestFlags) -> T,
) -> Option<T> {
    let answer = Scope::with(|scope| scope.flags.as_ref().map(ask)).flatten();
    if answer.is_none() {
        outside::asked(key.as_str(), place);
    }
    answer
}
