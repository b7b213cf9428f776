//! Keys, values, contexts and answers: data only. Nothing here does I/O or reads a clock.

mod answer;
mod context;
mod definition;
mod percentage;
mod resolved;
mod state;

pub(crate) use self::resolved::Resolved;
pub use self::{
    answer::{Answer, Cause, ErrorCode, Reason},
    context::Context,
    definition::{Definition, Entry, Field, Setting},
    percentage::{InvalidPercentage, Percentage},
    state::FlagState,
};
