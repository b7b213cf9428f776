//! Observation of evaluations: counts and hooks.
//!
//! [`FlagsBuilder::counts`] turns the counts on, and [`Flags::counts`] returns them.
//! [`FlagsBuilder::hook`] adds a [`Hook`].
//!
//! [`Flags::counts`]: crate::Flags::counts
//! [`FlagsBuilder::counts`]: crate::source::FlagsBuilder::counts
//! [`FlagsBuilder::hook`]: crate::source::FlagsBuilder::hook

mod cells;
mod counting;
mod counts;
mod hook;
mod observer;
mod outcome;
mod thread;
mod units;

pub(crate) use self::{
    counting::{Counting, More},
    counts::UNKNOWN,
    hook::{Hints, Hooks},
    observer::{Observed, Observer},
    outcome::Outcome,
    units::Unit,
};
pub use self::{
    counts::{Counts, FlagCounts, OutcomeCount},
    hook::{FlagType, Hook, HookAnswer, HookContext},
};
