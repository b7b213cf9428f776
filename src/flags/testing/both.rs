//! Tests that run with a flag on, and with the flag off.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll},
};

use super::{Overrides, with_overrides};
use crate::model::FlagKey;

/// Runs a test twice: with the flag on for all users, then with the flag off.
///
/// Both sides run, even if the first one fails. The panic names the side that failed.
///
/// # Example
///
/// ```
/// use flagstaff::testing::both;
///
/// fn total() -> u32 {
///     if flagstaff::is_enabled("new_rounding") { 1_000 } else { 999 + 1 }
/// }
///
/// both("new_rounding").run(|| assert_eq!(total(), 1_000));
/// ```
///
/// The panic of a test that fails on one side names the side:
///
/// ```should_panic
/// # use flagstaff::testing::both;
/// // The test fails while flag `beta` is off, and passes while it is on.
/// both("beta").run(|| assert!(flagstaff::is_enabled("beta")));
/// ```
#[must_use = "it runs nothing before `run` or `run_async`"]
pub fn both(key: impl FlagKey) -> Both {
    Both { key: key.as_str().into() }
}

/// A test of both sides of a flag. Made by [`both`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it runs nothing before `run` or `run_async`"]
pub struct Both {
    key: Box<str>,
}

/// The values that a test returned on both sides of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides<R> {
    /// While the flag was on.
    pub on: R,
    /// While the flag was off.
    pub off: R,
}

impl Both {
    /// Runs a closure with the flag on, then with the flag off. Calls may be nested, for all
    /// combinations of several flags.
    ///
    /// # Panics
    ///
    /// Panics if the closure panics, and names the side.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::both;
    ///
    /// let sides = both("beta").run(|| flagstaff::is_enabled("beta"));
    ///
    /// assert_eq!((sides.on, sides.off), (true, false));
    /// ```
    #[track_caller]
    pub fn run<R>(self, mut test: impl FnMut() -> R) -> Sides<R> {
        let mut run =
            |overrides: Overrides| catch_unwind(AssertUnwindSafe(|| overrides.run(&mut test)));
        let on = run(self.on());
        let off = run(self.off());
        self.report(on, off)
    }

    /// Runs a future with the flag on, then another one with the flag off.
    ///
    /// # Panics
    ///
    /// The future panics if one of the two panics, and names the side.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::testing::both;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let greeting = async || if flagstaff::is_enabled("beta") { "hi" } else { "hello" };
    ///
    /// let sides = both("beta").run_async(greeting).await;
    ///
    /// assert_eq!((sides.on, sides.off), ("hi", "hello"));
    /// # }
    /// ```
    pub async fn run_async<R>(self, mut test: impl AsyncFnMut() -> R) -> Sides<R> {
        let on = catch(with_overrides(self.on(), test())).await;
        let off = catch(with_overrides(self.off(), test())).await;
        self.report(on, off)
    }

    fn on(&self) -> Overrides {
        Overrides::new().on(&*self.key)
    }

    fn off(&self) -> Overrides {
        Overrides::new().off(&*self.key)
    }

    #[track_caller]
    fn report<R>(&self, on: Result<R, Panic>, off: Result<R, Panic>) -> Sides<R> {
        let key = &self.key;
        match (on, off) {
            (Ok(on), Ok(off)) => Sides { on, off },
            (Err(on), Ok(_)) => panic!(
                "the test fails while flag `{key}` is on, and passes while it is off: {}",
                message(&*on)
            ),
            (Ok(_), Err(off)) => panic!(
                "the test fails while flag `{key}` is off, and passes while it is on: {}",
                message(&*off)
            ),
            (Err(on), Err(off)) => panic!(
                "the test fails while flag `{key}` is on, and while it is off: {}; {}",
                message(&*on),
                message(&*off)
            ),
        }
    }
}

type Panic = Box<dyn Any + Send>;

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}

/// Runs a future up to its end or its panic.
///
/// Unwind safety is the test's concern, as with a panic that ends the test.
async fn catch<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx: &mut Context<'_>| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}
