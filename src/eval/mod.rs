//! Compiled flags and their evaluation. This module is pure: time and context are arguments, and
//! nothing is read, written or spawned here.

mod attribute;
pub(crate) mod bucket;
mod evaluation;
mod gate;
mod linked;
mod lists;
mod plan;
mod requirements;
mod rule_variants;
mod rules;
mod share;
#[cfg(feature = "definition")]
mod standalone;
mod unit;
mod variants;
mod visitor;

#[cfg(all(test, feature = "http"))]
pub(crate) use self::plan::EVALUATIONS;
#[cfg(feature = "definition")]
pub(crate) use self::standalone::Standalone;
pub(crate) use self::{
    attribute::{compare, seen},
    evaluation::{Decision, Evaluation, Ground, Served, Verdict},
    linked::{Need, Others},
    plan::Plan,
    requirements::{Needs, Requirements, Step},
    rules::asked_once,
    variants::{Arm, Variants},
    visitor::{Draw, Visitor},
};
