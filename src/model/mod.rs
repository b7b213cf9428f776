//! Keys, values, contexts and answers: data only. Nothing here does I/O or reads a clock.

mod answer;
mod attributes;
mod context;
mod decimal;
mod definition;
mod nearest;
mod percentage;
mod resolved;
mod stale;
mod state;
mod value;
mod variant;
mod weight;

pub use self::{
    answer::{Answer, Cause, ErrorCode, Reason},
    context::Context,
    definition::{Definition, Entry, Field, Setting},
    percentage::{InvalidPercentage, Percentage},
    stale::{InvalidOnStale, OnStale},
    state::FlagState,
    value::Value,
    variant::{Variant, Variants},
    weight::{InvalidWeight, Weight},
};
pub(crate) use self::{attributes::Attributes, nearest::nearest, resolved::Resolved};
