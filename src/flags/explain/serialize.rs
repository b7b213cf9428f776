//! The JSON of explanations, where it differs from their fields.

use std::time::SystemTime;

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{Check, ConditionTrace, FlagTrace, RequirementTrace, Shown, Step};
use crate::{
    backend::Provenance,
    model::{Case, Field, Progress, RequiredState},
    text::exact_instant,
};

/// Serializes as `{"value": …}`, `{"missing": true}` or `{"redacted": true}`.
impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut member = serializer.serialize_struct("Shown", 1)?;
        match self {
            Self::Missing => member.serialize_field("missing", &true)?,
            Self::Value(value) => member.serialize_field("value", value)?,
            Self::Redacted => member.serialize_field("redacted", &true)?,
        }
        member.end()
    }
}

/// Serializes a comparison and a flag as objects of their fields, and others as `{"all": […]}`,
/// `{"any": […]}`, `{"not": …}`, `{"unless": …}` or `{"segment": "…", "when": …}`.
impl Serialize for ConditionTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = match self {
            Self::Compare(comparison) => return comparison.serialize(serializer),
            Self::Flag(flag) => return flag.serialize(serializer),
            _ => serializer.serialize_map(None)?,
        };
        match self {
            Self::Compare(_) | Self::Flag(_) => {}
            Self::All(parts) => members.serialize_entry("all", parts)?,
            Self::Any(parts) => members.serialize_entry("any", parts)?,
            Self::Not(part) => members.serialize_entry("not", part)?,
            Self::Unless(part) => members.serialize_entry("unless", part)?,
            Self::Segment(name, part) => {
                members.serialize_entry("segment", name)?;
                members.serialize_entry("when", part)?;
            }
        }
        members.end()
    }
}

/// Serializes the flag and its state as a flag file has them, then the rest.
impl Serialize for RequirementTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        wanted(&mut members, &self.flag, &self.state)?;
        members.serialize_entry("isMet", &self.is_met)?;
        some(&mut members, "answer", self.answer.as_ref())?;
        members.end()
    }
}

/// Serializes the flag and its state as a flag file has them, then the rest.
impl Serialize for FlagTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        wanted(&mut members, &self.flag, &self.state)?;
        some(&mut members, "answer", self.answer.as_ref())?;
        members.serialize_entry("holds", &self.holds)?;
        members.serialize_entry("wasNeeded", &self.was_needed)?;
        members.end()
    }
}

/// Serializes `flag`, and `on` or `variant` unless the flag has to be on.
fn wanted<M: SerializeMap>(
    members: &mut M,
    flag: &str,
    state: &RequiredState,
) -> Result<(), M::Error> {
    members.serialize_entry("flag", flag)?;
    match state {
        RequiredState::On => Ok(()),
        RequiredState::Off => members.serialize_entry("on", &false),
        RequiredState::Variants(names) => match &**names {
            [name] => members.serialize_entry("variant", name),
            names => members.serialize_entry("variant", names),
        },
    }
}

/// Serializes as one object: the name of the step, its outcome, and the members of the check.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        // Programs find the stage of a rollout under the name that other flags have for their
        // percentage.
        let step = match &self.check {
            Check::Percentage { .. } => Field::Percentage.as_str(),
            check => check.name(),
        };
        members.serialize_entry("step", step)?;
        members.serialize_entry("outcome", self.outcome.as_str())?;
        self.check.serialize_members(&mut members)?;
        members.end()
    }
}

impl Check {
    fn serialize_members<M: SerializeMap>(&self, members: &mut M) -> Result<(), M::Error> {
        match self {
            Self::Test => Ok(()),
            Self::Stale(on_stale) => members.serialize_entry("onStale", on_stale),
            Self::Enabled(enabled) => members.serialize_entry("enabled", enabled),
            Self::Active(is_active) => members.serialize_entry("isActive", is_active),
            Self::Requires(required) => members.serialize_entry("flags", required),
            Self::List { names, found, .. } => {
                members.serialize_entry("names", names)?;
                some(members, "found", found.as_ref())
            }
            Self::Rules(rules) => members.serialize_entry("rules", rules),
            Self::Percentage { percentage, rollout, draw } => {
                members.serialize_entry("percentage", percentage)?;
                some(members, "rollout", rollout.as_ref().map(RolloutMembers::of))?;
                some(members, "draw", draw.as_ref())
            }
            Self::Value(value) => members.serialize_entry("served", value),
            Self::Serve { variant, is_known } => {
                members.serialize_entry("served", variant)?;
                members.serialize_entry("isKnown", is_known)
            }
            Self::Variants { served, arms, traffic, traffic_draw, draw } => {
                members.serialize_entry("served", served)?;
                members.serialize_entry("arms", arms)?;
                members.serialize_entry("traffic", traffic)?;
                some(members, "trafficDraw", traffic_draw.as_ref())?;
                some(members, "draw", draw.as_ref())
            }
        }
    }
}

/// Serializes a member, if it applies.
fn some<M: SerializeMap>(
    members: &mut M,
    name: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| members.serialize_entry(name, &value))
}

/// The state of a rollout, without its percentage, which the step has already.
#[derive(Serialize)]
struct RolloutMembers {
    stage: u32,
    stages: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
}

impl RolloutMembers {
    fn of(progress: &Progress) -> Self {
        let &Progress { stage, stages, status, since, due, .. } = progress;
        let (since, due) = (since.map(exact_instant), due.map(exact_instant));
        Self { stage, stages, status: status.as_str(), since, due }
    }
}

/// Serializes attributes as one object, in their order.
pub(super) fn attributes<S: Serializer>(
    attributes: &[(String, Shown)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter().map(|(name, value)| (name, value)))
}

/// Serializes as `true`. The member is missing if case matters.
pub(super) fn ignore_case<S: Serializer>(case: &Case, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(*case == Case::Ignored)
}

/// Serializes as the string in a flag file.
pub(super) fn as_number<S: Serializer>(_: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("number")
}

pub(super) fn is_exact(case: &Case) -> bool {
    *case == Case::Exact
}

/// Serializes the author, time and reason of an override, if they are known.
pub(super) fn provenance<S: Serializer>(
    provenance: &Option<Provenance>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(None)?;
    if let Some(Provenance { author, reason, at, expires_at, forced_until }) = provenance {
        let instant = |time: &Option<SystemTime>| time.map(exact_instant);
        some(&mut members, "by", author.as_ref())?;
        some(&mut members, "reason", reason.as_ref())?;
        some(&mut members, "at", instant(at))?;
        some(&mut members, "expiresAt", instant(expires_at))?;
        some(&mut members, "forcedUntil", instant(forced_until))?;
    }
    members.end()
}
