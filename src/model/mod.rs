//! Keys, values, contexts and answers: data only. Nothing here does I/O or reads a clock.

mod answer;
mod attributes;
mod condition;
mod context;
mod decimal;
mod definition;
mod deserialize;
mod matcher;
mod nearest;
mod operator;
mod percentage;
mod resolved;
mod rule;
mod stale;
mod state;
mod value;
mod variant;
mod weight;

pub use self::{
    answer::{Answer, Cause, ErrorCode, Reason},
    condition::{Comparison, Condition, InvalidOperand, Segment},
    context::Context,
    definition::{Definition, Entry, Field, Setting},
    matcher::Case,
    operator::{OperandKind, Operator, OperatorExample},
    percentage::{InvalidPercentage, Percentage},
    rule::{Rule, Serve},
    stale::{InvalidOnStale, OnStale},
    state::FlagState,
    value::Value,
    variant::{Variant, Variants},
    weight::{InvalidWeight, Weight},
};
pub(crate) use self::{
    attributes::Attributes,
    condition::Attribute,
    matcher::{Matcher, NameSet, Scalar, hash_text},
    nearest::nearest,
    resolved::Resolved,
};
