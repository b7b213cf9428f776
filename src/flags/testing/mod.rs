//! Helpers for the tests of services that use flags.
//!
//! - [`Flags::for_test`] makes flags that need no files and no runtime. They panic when the code
//!   evaluates a flag that the test did not set. [`TestFlags::file`] adds the flags that a
//!   flags.toml declares, at a [time](TestFlags::at) that the test chooses.
//! - [`with_overrides`] changes flags for one future, and [`Overrides::run`] for one closure.
//! - [`both`] runs a test with a flag on, and again with the flag off.
//! - [`assert_evaluated`] fails a test whose code never evaluated a flag.
//!
//! Tests that run at the same time do not affect each other: nothing is set for the process.
//! Overrides hold for the futures and closures that they are put around. They also hold for tasks
//! that these spawn with [`with_current_flags`](crate::WithCurrentFlags::with_current_flags), and
//! for closures that a [`Scope`](crate::request::Scope) carries to other threads.
//!
//! # Flags for one test
//!
//! ```
//! use flagstaff::{Context, Flags};
//!
//! fn shipping(flags: &Flags, user: &str) -> u32 {
//!     if flags.is_enabled("free_shipping", &Context::user(user)) { 0 } else { 499 }
//! }
//!
//! let flags = Flags::for_test().on_for("free_shipping", "ana").start();
//!
//! assert_eq!(shipping(&flags, "ana"), 0);
//! assert_eq!(shipping(&flags, "bob"), 499);
//! flags.assert_evaluated("free_shipping");
//! ```
//!
//! # Code that uses the flags in scope
//!
//! Within overrides, the functions of this crate need no request layer. A flag that the test did
//! not override panics with its name, unless flags of a service are in scope.
//!
//! ```
//! use flagstaff::testing::{Overrides, assert_evaluated, both, with_overrides};
//!
//! async fn total() -> u32 {
//!     let shipping = if flagstaff::is_enabled("free_shipping") { 0 } else { 499 };
//!     1_000 + shipping
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let free = async {
//!     assert_eq!(total().await, 1_000);
//!     assert_evaluated("free_shipping");
//! };
//! with_overrides([("free_shipping", true)], free).await;
//!
//! let sides = both("free_shipping").run_async(async || total().await).await;
//! assert_eq!((sides.on, sides.off), (1_000, 1_499));
//!
//! Overrides::new().off("free_shipping").run(|| assert!(!flagstaff::is_enabled("free_shipping")));
//! # }
//! ```

mod both;
mod evaluated;
mod flags;
mod overrides;
mod scoped;

pub use self::{
    both::{Both, Sides, both},
    evaluated::assert_evaluated,
    flags::TestFlags,
    overrides::{Override, Overrides, with_overrides},
};
pub(crate) use self::{
    evaluated::Evaluated,
    scoped::{ScopedOverrides, overridden, without_flags},
};
#[allow(unused_imports, reason = "the documentation links to it")]
use super::Flags;
