//! The flags and overrides in scope of the code that runs, and their transfer to other code.

use std::{
    cell::RefCell,
    fmt, mem,
    pin::Pin,
    task::{self, Poll},
};

use pin_project_lite::pin_project;

use super::{
    RequestFlags,
    testing::{self, ScopedOverrides},
};

/// The flags, the context and the overrides that are in scope of the code that runs.
///
/// All of these read one scope: the functions [`is_enabled`](crate::is_enabled),
/// [`boolean`](crate::boolean), [`current`](crate::current) and [`track`](crate::track), and, for
/// the overrides of a test, all methods of [`Flags`](crate::Flags). The request layer puts it
/// around handlers and response bodies.
/// [`with_current_flags`](WithCurrentFlags::with_current_flags) carries it into a spawned task. A
/// `Scope` carries it into anything else, such as a closure that runs on another thread.
///
/// Clones are cheap and share everything. [`current_scope`] returns an empty scope outside a
/// request, which changes nothing.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory, request::current_scope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let flags = Flags::builder().source(Memory::new().with("new_report", true)).start().await?;
/// # let request = flags.pin(Context::anonymous());
/// # let handler = async {
/// let scope = current_scope();
/// let report = tokio::task::spawn_blocking(move || {
///     scope.in_scope(|| if flagstaff::is_enabled("new_report") { "new" } else { "old" })
/// });
///
/// assert_eq!(report.await?, "new");
/// # Ok(())
/// # };
/// # request.scope(handler).await
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Scope {
    pub(super) flags: Option<RequestFlags>,
    /// The overrides, including those of `flags`.
    pub(super) overrides: ScopedOverrides,
}

thread_local! {
    // Not tokio's task-local, whose value would have to be cloned for each frame of a body. A scope
    // is moved in and out around each poll.
    static CURRENT: RefCell<Scope> = const {
        RefCell::new(Scope { flags: None, overrides: ScopedOverrides::NONE })
    };
}

/// Returns the scope of the code that runs, to carry it elsewhere: see [`Scope`].
pub fn current_scope() -> Scope {
    Scope::with(Scope::clone).unwrap_or_default()
}

impl Scope {
    /// Runs a closure with this scope, on the current thread.
    ///
    /// This scope is added to that of the caller: an empty scope removes nothing.
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.clone().within_current().enter(f)
    }

    /// Reads the scope of the code that runs; `None` in the destructors of a thread that ends.
    #[inline]
    pub(super) fn with<R>(read: impl FnOnce(&Self) -> R) -> Option<R> {
        CURRENT.try_with(|current| current.try_borrow().ok().map(|scope| read(&scope))).ok()?
    }

    /// Adds this scope to that of the code that runs.
    pub(super) fn within_current(self) -> Self {
        let outer = current_scope();
        let overrides = self.overrides.within(outer.overrides);
        let flags = self.flags.or(outer.flags);
        // Overrides of a test without `Flags` in scope: all other flags panic.
        Self { flags: flags.or_else(|| testing::without_flags(&overrides)), overrides }
    }

    /// Runs `f` with exactly this scope.
    #[inline]
    pub(super) fn enter<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let _entered = Entered::new(self);
        f()
    }
}

/// Takes a scope out of force when it is dropped, also by a panic.
struct Entered<'a> {
    scope: &'a mut Scope,
    is_in_force: bool,
}

impl<'a> Entered<'a> {
    #[inline]
    fn new(scope: &'a mut Scope) -> Self {
        let is_in_force = Self::swap(scope);
        Self { scope, is_in_force }
    }

    /// Exchanges a scope for that of the code that runs.
    ///
    /// The exchange fails in the destructors of a thread that ends. It also fails in code that runs
    /// in the middle of an evaluation, such as a subscriber of the log.
    #[inline]
    fn swap(scope: &mut Scope) -> bool {
        let swapped = CURRENT.try_with(|current| {
            current.try_borrow_mut().map(|mut current| mem::swap(&mut *current, scope)).is_ok()
        });
        swapped.unwrap_or(false)
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_in_force {
            Self::swap(self.scope);
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// An extension of futures, to carry the flags in scope into tasks.
pub trait WithCurrentFlags: Future + Sized {
    /// Wraps the future so that it runs with the flags that are in scope now, wherever it is
    /// polled.
    ///
    /// Use [`Scope::in_scope`] for a closure, such as that of `spawn_blocking`.
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
        WithFlags::exactly(current_scope(), self)
    }
}

impl<F: Future> WithCurrentFlags for F {}

pin_project! {
    /// A future or a response body that is polled, and dropped, with flags in scope.
    ///
    /// Futures are made by [`WithCurrentFlags`] and [`RequestFlags::scope`], bodies by the
    /// [request layer](crate::Flags::request_layer). A future that is polled again after it has
    /// ended panics.
    #[derive(Clone)]
    pub struct WithFlags<T> {
        scope: Scope,
        // False before the first poll, for a scope that is still to be added to that of the code
        // that polls.
        is_complete: bool,
        // `None` once the future has ended.
        #[pin]
        inner: Option<T>,
    }

    impl<T> PinnedDrop for WithFlags<T> {
        fn drop(this: Pin<&mut Self>) {
            // Destructors may evaluate flags, for example to count the bytes that were sent.
            if mem::needs_drop::<T>() {
                this.end();
            }
        }
    }
}

const NOT_ENDED: &str = "a future is not used after it has ended";

impl<T> WithFlags<T> {
    /// Wraps `inner` with a scope that is added to that of the code that polls first.
    pub(super) fn within(scope: Scope, inner: T) -> Self {
        Self { scope, is_complete: false, inner: Some(inner) }
    }

    /// Wraps `inner` with a scope that replaces that of the code that polls.
    pub(crate) fn exactly(scope: Scope, inner: T) -> Self {
        Self { scope, is_complete: true, inner: Some(inner) }
    }

    /// Returns the future or body, without the flags.
    ///
    /// # Panics
    ///
    /// Panics for a future that has ended.
    pub fn into_inner(mut self) -> T {
        self.inner.take().expect(NOT_ENDED)
    }

    /// Borrows the future or body.
    ///
    /// # Panics
    ///
    /// Panics for a future that has ended.
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect(NOT_ENDED)
    }

    /// Borrows the future or body mutably.
    ///
    /// # Panics
    ///
    /// Panics for a future that has ended.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(NOT_ENDED)
    }

    /// Polls the inner future or body with its flags in scope.
    #[inline]
    pub(crate) fn poll_with<R>(self: Pin<&mut Self>, poll: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let this = self.project();
        if !*this.is_complete {
            *this.scope = mem::take(this.scope).within_current();
            *this.is_complete = true;
        }
        let inner = this.inner.as_pin_mut().expect(NOT_ENDED);
        this.scope.enter(|| poll(inner))
    }

    /// Drops the inner future or body with its flags in scope.
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.inner.is_some() {
            this.scope.enter(|| this.inner.set(None));
        }
    }

    /// Takes the scope out of a future that has ended.
    #[cfg(feature = "http")]
    pub(crate) fn take_scope(self: Pin<&mut Self>) -> Scope {
        mem::take(self.project().scope)
    }
}

impl<F: Future> Future for WithFlags<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let poll = self.as_mut().poll_with(|future| future.poll(cx));
        if poll.is_ready() {
            self.end();
        }
        poll
    }
}

impl<T: Default> Default for WithFlags<T> {
    fn default() -> Self {
        Self::exactly(Scope::default(), T::default())
    }
}

impl<T> fmt::Debug for WithFlags<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithFlags").finish_non_exhaustive()
    }
}
