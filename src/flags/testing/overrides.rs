//! Overrides of a running test.

use super::ScopedOverrides;
use crate::{
    flags::{Scope, WithFlags},
    model::{FlagKey, Value},
};

/// The state or value that a test overrides a flag with.
///
/// An override is made from a boolean, from the name of a variant, or from a value of another type.
///
/// # Example
///
/// ```
/// use flagstaff::{answer::Value, testing::Override};
///
/// assert_eq!(Override::from(true), Override::On);
/// assert_eq!(Override::from("control"), Override::Variant("control".into()));
/// assert_eq!(Override::from(200), Override::Value(Value::Integer(200)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Override {
    /// On for all users. Variants are drawn by their weights.
    On,
    /// Off for all users.
    Off,
    /// On for all users, with this variant.
    ///
    /// Evaluating the flag panics if it has variants and none has this name. A flag without
    /// variants serves the name.
    Variant(String),
    /// On for all users, with this value, whatever values the flag has. The variant is the one that
    /// has the value, or else `test`.
    Value(Value<'static>),
}

impl From<bool> for Override {
    fn from(on: bool) -> Self {
        match on {
            true => Self::On,
            false => Self::Off,
        }
    }
}

impl From<&str> for Override {
    fn from(variant: &str) -> Self {
        Self::Variant(variant.to_owned())
    }
}

impl From<String> for Override {
    fn from(variant: String) -> Self {
        Self::Variant(variant)
    }
}

impl From<i32> for Override {
    fn from(value: i32) -> Self {
        Self::Value(value.into())
    }
}

impl From<i64> for Override {
    fn from(value: i64) -> Self {
        Self::Value(value.into())
    }
}

impl From<f64> for Override {
    fn from(value: f64) -> Self {
        Self::Value(value.into())
    }
}

impl From<Value<'_>> for Override {
    fn from(value: Value<'_>) -> Self {
        Self::Value(value.into_owned())
    }
}

/// Flags that a test overrides, whatever their sources have.
///
/// [`with_overrides`] and [`run`](Self::run) put them in force. An array of pairs is a short form
/// for overrides of one kind.
///
/// # Example
///
/// ```
/// use flagstaff::testing::{Overrides, with_overrides};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let overrides = Overrides::new()
///     .on("new_checkout")
///     .off("beta")
///     .variant("pricing_page", "higher_price")
///     .value("search_timeout_ms", 200);
///
/// let test = async {
///     let flags = flagstaff::current().expect("overrides are in force");
///     assert!(flags.is_enabled("new_checkout") && !flags.is_enabled("beta"));
///     assert_eq!(flags.variant("pricing_page", "control").value, "higher_price");
///     assert_eq!(flags.integer("search_timeout_ms", 800).value, 200);
/// };
/// with_overrides(overrides, test).await;
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Overrides {
    /// The overrides. The last one of a flag counts.
    flags: Vec<(Box<str>, Override)>,
}

impl Overrides {
    /// Creates overrides of no flags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flag that is on for all users.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::Overrides;
    ///
    /// assert!(Overrides::new().on("beta").run(|| flagstaff::is_enabled("beta")));
    /// ```
    pub fn on(self, key: impl FlagKey) -> Self {
        self.with(key, Override::On)
    }

    /// Adds a flag that is off for all users.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, testing::Overrides};
    ///
    /// let flags = Flags::for_test().on("beta").start();
    ///
    /// let is_on = || flags.is_enabled("beta", &Context::anonymous());
    ///
    /// assert!(!Overrides::new().off("beta").run(is_on));
    /// assert!(is_on());
    /// ```
    pub fn off(self, key: impl FlagKey) -> Self {
        self.with(key, Override::Off)
    }

    /// Adds a flag that serves a variant to all users.
    ///
    /// Evaluating the flag panics if it has variants and none has this name.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::Overrides;
    ///
    /// let page = Overrides::new().variant("pricing_page", "higher_price").run(|| {
    ///     flagstaff::current().map(|flags| flags.variant("pricing_page", "control").value)
    /// });
    ///
    /// assert_eq!(page, Some("higher_price"));
    /// ```
    pub fn variant(self, key: impl FlagKey, variant: &str) -> Self {
        self.with(key, Override::from(variant))
    }

    /// Adds a flag that serves a value to all users: a string, a number, a list or a table.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::Overrides;
    ///
    /// let timeout = Overrides::new().value("search_timeout_ms", 200).run(|| {
    ///     flagstaff::current().map(|flags| flags.integer("search_timeout_ms", 800).value)
    /// });
    ///
    /// assert_eq!(timeout, Some(200));
    /// ```
    pub fn value<'v>(self, key: impl FlagKey, value: impl Into<Value<'v>>) -> Self {
        self.with(key, Override::from(value.into()))
    }

    /// Adds an override. A later one of the same flag replaces an earlier one.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::{Override, Overrides};
    ///
    /// let overrides = Overrides::new().with("beta", false).with("beta", Override::On);
    ///
    /// assert!(overrides.run(|| flagstaff::is_enabled("beta")), "the later override counts");
    /// ```
    pub fn with(mut self, key: impl FlagKey, value: impl Into<Override>) -> Self {
        self.flags.push((key.as_str().into(), value.into()));
        self
    }

    /// Runs a closure with the overrides in force, on the current thread. Use [`with_overrides`]
    /// for a future.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::Overrides;
    ///
    /// let on = Overrides::new().on("beta").run(|| flagstaff::is_enabled("beta"));
    ///
    /// assert!(on);
    /// ```
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        self.into_scope().in_scope(f)
    }

    fn into_scope(self) -> Scope {
        Scope { flags: None, overrides: ScopedOverrides::new(self) }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Override> {
        self.flags.iter().rev().find(|(key, _)| **key == *name).map(|(_, value)| value)
    }
}

impl<K: FlagKey, V: Into<Override>> FromIterator<(K, V)> for Overrides {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(flags: I) -> Self {
        flags.into_iter().fold(Self::new(), |all, (key, value)| all.with(key, value))
    }
}

impl<K: FlagKey, V: Into<Override>, const N: usize> From<[(K, V); N]> for Overrides {
    fn from(flags: [(K, V); N]) -> Self {
        flags.into_iter().collect()
    }
}

/// Runs a future with some flags overridden, whatever their sources have.
///
/// Overrides hold for every evaluation in the future: through any [`Flags`](crate::Flags), for any
/// context, through the functions of this crate, and in the bodies of responses. They also hold in
/// tasks that the future spawns with
/// [`with_current_flags`](crate::WithCurrentFlags::with_current_flags). No other code is affected,
/// so tests that run at the same time do not affect each other. An inner override takes precedence
/// over an outer one.
///
/// If no flags are in scope, the future finds those of an empty test, with the overrides.
///
/// Evaluations in the `call` of a service, before its future is polled, are outside of the
/// overrides: `async { service.call(request).await }` brings them inside.
///
/// # Panics
///
/// The future panics when it evaluates a flag in scope that the test neither set nor overrode. It
/// also panics when an override names a variant that the flag does not have.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, testing::with_overrides};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let flags = Flags::for_test().off("beta").start();
///
/// let inside = with_overrides([("beta", true)], async {
///     flags.is_enabled("beta", &Context::anonymous()) && flagstaff::is_enabled("beta")
/// });
///
/// assert!(inside.await);
/// assert!(!flags.is_enabled("beta", &Context::anonymous()));
/// # }
/// ```
///
/// ```should_panic
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use flagstaff::testing::with_overrides;
/// with_overrides([("beta", true)], async { flagstaff::is_enabled("betta") }).await;
/// # }
/// ```
pub fn with_overrides<F: Future>(overrides: impl Into<Overrides>, future: F) -> WithFlags<F> {
    WithFlags::within(overrides.into().into_scope(), future)
}
