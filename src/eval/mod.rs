//! Compiled flags and their evaluation. This module is pure: time and context are arguments, and
//! nothing is read, written or spawned here.

mod answers;
mod attribute;
pub(crate) mod bucket;
mod evaluation;
mod gate;
mod linked;
mod lists;
mod need;
mod plan;
mod program;
mod requirements;
mod rule_variants;
mod rules;
mod share;
#[cfg(feature = "definition")]
mod standalone;
mod unit;
mod variants;
mod verdict;
mod visitor;

#[cfg(all(test, feature = "http"))]
pub(crate) use self::plan::EVALUATIONS;
#[cfg(feature = "definition")]
pub(crate) use self::standalone::Standalone;
pub(crate) use self::{
    attribute::{compare, seen},
    evaluation::Evaluation,
    need::{Need, Step},
    plan::{Others, Plan},
    requirements::{Needs, Requirements},
    rules::asked_once,
    variants::{Arm, Served, Variants},
    verdict::{Decision, Ground, Verdict},
    visitor::{Draw, Visitor},
};
