//! Keys, values, contexts and answers: data only. Nothing here does I/O or reads a clock.

mod active;
mod answer;
mod attributes;
mod condition;
mod context;
mod decimal;
mod definition;
mod deserialize;
mod entry;
mod id;
mod matcher;
mod moment;
mod nearest;
mod operator;
mod percentage;
mod prerequisite;
mod print;
mod resolved;
mod rollout;
mod rule;
mod serialize;
mod stale;
mod state;
mod value;
mod variant;
mod weight;

pub use self::{
    active::Active,
    answer::{Answer, Cause, ErrorCode, Reason},
    condition::{Comparison, Condition, InvalidOperand, Segment},
    context::Context,
    definition::{Definition, Field, RareSettings, Setting},
    entry::{Entry, Part},
    id::IntoId,
    matcher::Case,
    operator::{OperandKind, Operator, OperatorExample},
    percentage::{InvalidPercentage, Percentage},
    prerequisite::Prerequisite,
    rollout::{Progress, Rollout, RolloutStatus, Stage},
    rule::{Rule, Serve},
    stale::{InvalidOnStale, OnStale},
    state::FlagState,
    value::{IntoAttribute, Value},
    variant::{Variant, Variants},
    weight::{InvalidWeight, Weight},
};
/// The parts of definitions, which the public module `definition` has with and without parsers.
pub(crate) mod parts {
    #[doc(inline)]
    pub use super::{
        Active, Case, Comparison, Condition, Definition, Entry, Field, InvalidOnStale,
        InvalidOperand, InvalidPercentage, InvalidWeight, OnStale, OperandKind, Operator,
        OperatorExample, Part, Percentage, Prerequisite, Progress, RareSettings, Rollout,
        RolloutStatus, Rule, Segment, Serve, Setting, Stage, Variant, Variants, Weight,
    };
}

pub(crate) use self::{
    attributes::Attributes,
    condition::Attribute,
    matcher::{Matcher, NameSet, Scalar, hash_text},
    moment::Moment,
    nearest::nearest,
    prerequisite::MOST_PREREQUISITES,
    print::{Print, Printed},
    resolved::Resolved,
    serialize::rfc3339,
};
