//! Keys, values, contexts and answers: data only. Nothing here does I/O or reads a clock.

mod answer;
mod attributes;
mod context;
mod definition;
mod nearest;
mod percentage;
mod resolved;
mod stale;
mod state;
mod value;

pub use self::{
    answer::{Answer, Cause, ErrorCode, Reason},
    context::Context,
    definition::{Definition, Entry, Field, Setting},
    percentage::{InvalidPercentage, Percentage},
    stale::{InvalidOnStale, OnStale},
    state::FlagState,
    value::Value,
};
pub(crate) use self::{attributes::Attributes, nearest::nearest, resolved::Resolved};
