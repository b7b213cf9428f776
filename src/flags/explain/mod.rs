//! Explanations: the whole trace of one evaluation.
//!
//! [`Flags::explain`] makes an [`Explanation`], which is data. Its `Display` form is for people, the
//! answer first. Serialized, it is the JSON of `flagstaff explain`, for programs.
//!
//! [`Flags::explain`]: crate::Flags::explain

mod condition;
mod record;
mod redact;
mod serialize;
mod summary;
mod text;
mod trace;

use std::ops::Deref;

use serde::Serialize;

use crate::{
    backend::Provenance,
    model::{
        Answer, Case, Entry, Field, Metadata, OnStale, Operator, Percentage, Progress,
        RequiredState, Serve, Value, Weight,
    },
};

/// An explanation of the answer of one flag for one context. Made by [`Flags::explain`].
///
/// An explanation contains values of the context. [`redact`](Self::redact) and [`redact_all`](Self::redact_all) remove
/// them. An explanation serializes as an object with these members in camel case. The member of the flag key is `flag`.
/// A member that does not apply is missing. A value of the context is `{"value": …}`, `{"missing": true}` or
/// `{"redacted": true}`, and percentages are numbers from 0 to 100.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Definition, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let beta = Definition::new().allowed_users(["ana"]);
/// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
///
/// let json = serde_json::to_value(flags.explain("beta", &Context::user("bob")))?;
///
/// assert_eq!(json["answer"]["value"], true);
/// assert_eq!(json["answer"]["reason"], "DEFAULT");
/// assert_eq!(json["steps"][0]["step"], "enabled");
/// # Ok(())
/// # }
/// ```
///
/// [`Flags::explain`]: crate::Flags::explain
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// The flag key.
    #[serde(rename = "flag")]
    pub key: String,
    /// The generation of the flags that was evaluated.
    pub generation: u64,
    /// The answer: on or off, and the reason.
    pub answer: Answer<bool>,
    /// The reason in a sentence: `rule 2 "german pros" matches and serves off`.
    pub because: String,
    /// The location of the setting that decided, if its source has locations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The value that is served, and the reason for it: the constant, or the value of the variant. A variant
    /// without a value has its name as value. `None` for a flag without a constant and without variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Answer<Value<'static>>>,
    /// The first rule that failed on exactly one comparison, before the step that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<NearMiss>,
    /// A flag with a similar name, if no source has this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similar: Option<String>,
    /// The context of the evaluation.
    pub asked_by: Asker,
    /// The sources, strongest first.
    pub sources: Vec<SourceTrace>,
    /// The settings merged from all sources, each with the source that it comes from.
    pub settings: Vec<SettingTrace>,
    /// The facts about the flag for people and other tools.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The steps of the evaluation that apply to the flag, in their order.
    pub steps: Vec<Step>,
}

/// A value of the context, as an [`Explanation`] shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shown {
    /// The context lacks the value.
    Missing,
    /// The value.
    Value(Value<'static>),
    /// A value that was removed.
    Redacted,
}

/// The context of the evaluation, as an [`Explanation`] shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Asker {
    /// The targeting key.
    pub targeting_key: Shown,
    /// The groups: a list of strings.
    pub groups: Shown,
    /// The attributes, in the order in which they were given.
    #[serde(serialize_with = "serialize::attributes")]
    pub attributes: Vec<(String, Shown)>,
}

/// One source, and the settings that it has for the flag.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SourceTrace {
    /// The name of the source.
    pub source: &'static str,
    /// The entry of the source, if there is one and it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryTrace>,
    /// The reason why the stored value cannot be read. Then `entry` is the last good entry, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// A warning if the entry is neither on nor off, which its writer may not expect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The location of the entry: a line of a file, a key in Redis, the name of a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The author, the time and the reason of an override, if they are known.
    #[serde(serialize_with = "serialize::provenance", skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// The entry of a source, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EntryTrace {
    /// Forced on or off.
    Forced(bool),
    /// A forced string: the name of a variant, or else off.
    #[serde(rename = "forced")]
    Text(String),
    /// A definition of these settings.
    Settings(Vec<Field>),
}

impl From<&Entry> for EntryTrace {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Forced(on) => Self::Forced(*on),
            Entry::Text(_) if entry.forces() == Some(true) => Self::Forced(true),
            Entry::Text(text) => Self::Text(text.to_string()),
            Entry::Definition(definition) => Self::Settings(definition.fields().collect()),
        }
    }
}

/// One setting of the flag, merged from all sources. A list that adds up has one for each source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SettingTrace {
    /// The setting.
    pub field: Field,
    /// The value, in short. Names in lists are only counted. `None` if a source removed the setting of the
    /// sources below it.
    pub value: Option<String>,
    /// The strongest source that has the setting.
    pub source: &'static str,
    /// The location of the setting in that source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// One step of the evaluation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The part of the flag that was looked at.
    pub check: Check,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The step left the decision to the next one.
    Passed,
    /// The step decided on or off.
    Decided,
    /// An earlier step decided.
    NotReached,
    /// The step chose the variant, after an earlier step decided on or off.
    Served,
}

impl Outcome {
    /// Returns the word for the outcome, such as `not_reached`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Decided => "decided",
            Self::NotReached => "not_reached",
            Self::Served => "served",
        }
    }
}

/// The part of a flag that a step of the evaluation looks at.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Check {
    /// The override of the running test.
    Test,
    /// The policy while a source is lost.
    Stale(OnStale),
    /// The kill switch.
    Enabled(bool),
    /// The active window: `true` if the time is inside.
    Active(bool),
    /// The flags that are required, up to the first that is not as required. If all of them have to be on or to
    /// serve one variant, the list also has the flags that they require in turn.
    Requires(Vec<RequirementTrace>),
    /// A list of users or groups.
    #[non_exhaustive]
    List {
        /// The setting of the list.
        field: Field,
        /// The number of names on the list.
        names: usize,
        /// The targeting key or the group that is on the list.
        found: Option<Shown>,
    },
    /// The rules.
    Rules(Vec<RuleTrace>),
    /// The percentage, or that of the rollout's stage.
    #[non_exhaustive]
    Percentage {
        /// The share of users.
        percentage: Percentage,
        /// The state of the rollout, if there is one.
        rollout: Option<Progress>,
        /// The draw, if there was one.
        draw: Option<DrawTrace>,
    },
    /// The value that is served to all users.
    Value(Value<'static>),
    /// The variant that is served to all users, without a draw.
    #[non_exhaustive]
    Serve {
        /// The name.
        variant: String,
        /// `false` if the flag has no such variant. Then the flag is off.
        is_known: bool,
    },
    /// The variants.
    #[non_exhaustive]
    Variants {
        /// The variant that is served, if one is.
        served: Option<&'static str>,
        /// All variants.
        arms: Vec<ArmTrace>,
        /// The share of users who are drawn into variants.
        traffic: Percentage,
        /// The draw for that share, if there was one.
        traffic_draw: Option<DrawTrace>,
        /// The draw for the variant, if there was one.
        draw: Option<DrawTrace>,
    },
}

/// A flag that is required.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RequirementTrace {
    /// The flag.
    pub flag: String,
    /// The state that it has to be in.
    pub state: RequiredState,
    /// `true` if the flag is as required.
    pub is_met: bool,
    /// The answer of that flag; `None` if no source has it. If the flags that it requires are in the list
    /// themselves, this answer ignores them.
    pub answer: Option<Answer<bool>>,
}

/// A flag that a condition depends on, and its answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FlagTrace {
    /// The flag.
    pub flag: String,
    /// The state that it has to be in.
    pub state: RequiredState,
    /// The answer of that flag for the same context; `None` if no source has it.
    pub answer: Option<Answer<bool>>,
    /// `true` if the flag is in that state; `None` if it is in no state.
    pub holds: Option<bool>,
    /// `true` if the evaluation needed it. The others are looked at for the explanation only.
    pub was_needed: bool,
}

/// A rule, and the result of its condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RuleTrace {
    /// The index of the rule, 0 being the first.
    #[serde(rename = "rule")]
    pub index: usize,
    /// The name of the rule, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The location of the rule, if it is not that of the flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The value, variant or share that the rule serves.
    pub serve: Serve,
    /// `true` if the rule matches; `None` if an earlier rule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<bool>,
    /// The condition, and the values that it was compared with; `None` if an earlier rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionTrace>,
    /// The condition that must not be true, if the rule has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<ConditionTrace>,
    /// The draw, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draw: Option<DrawTrace>,
}

/// A condition, and the values that it was compared with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ConditionTrace {
    /// One comparison.
    Compare(ComparisonTrace),
    /// All of these have to hold.
    All(Vec<ConditionTrace>),
    /// One of these has to hold.
    Any(Vec<ConditionTrace>),
    /// This has to be false.
    Not(NestedTrace),
    /// This must not be true.
    Unless(NestedTrace),
    /// Another flag.
    Flag(FlagTrace),
    /// The condition of the segment of this name.
    Segment(String, NestedTrace),
}

/// A condition within another one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct NestedTrace(Box<ConditionTrace>);

impl Deref for NestedTrace {
    type Target = ConditionTrace;

    fn deref(&self) -> &ConditionTrace {
        &self.0
    }
}

/// One comparison, and the value that it was made with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ComparisonTrace {
    /// The path of the attribute.
    pub attribute: String,
    /// The operator.
    pub operator: Operator,
    /// The operand. If the attribute is redacted, so is the operand: an equal operand would reveal the value.
    pub operand: Shown,
    /// The treatment of upper and lower case.
    #[serde(
        rename = "ignoreCase",
        serialize_with = "serialize::ignore_case",
        skip_serializing_if = "serialize::is_exact"
    )]
    pub case: Case,
    /// `true` if strings are compared as numbers.
    #[serde(
        rename = "as",
        serialize_with = "serialize::as_number",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub reads_numbers: bool,
    /// The value in the context.
    pub seen: Shown,
    /// `true` if the comparison holds; `None` if the attribute is missing or has a type that cannot be compared.
    pub holds: Option<bool>,
    /// `true` if the evaluation needed it. The others are compared for the explanation only.
    pub was_needed: bool,
}

/// A bucket, and the attribute that it was drawn by.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DrawTrace {
    /// The path of the attribute that the bucket is drawn by.
    pub by: String,
    /// The value in the context.
    pub seen: Shown,
    /// The position of the bucket, rounded down to four decimals; `None` if the context lacks the attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Percentage>,
    /// The threshold: buckets below it are inside. For variants, all buckets are.
    pub threshold: Percentage,
    /// `true` if the bucket is inside.
    pub is_inside: bool,
}

/// A variant, and the range of buckets that it is served to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArmTrace {
    /// The name of the variant.
    pub name: String,
    /// The weight, compared with those of the others.
    pub weight: Weight,
    /// The start of the range, rounded down to four decimals.
    pub from: Percentage,
    /// The end of the range.
    pub until: Percentage,
}

/// A rule that would have matched with another outcome of one comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NearMiss {
    /// The index of the rule, 0 being the first.
    pub rule: usize,
    /// The name of the rule, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value, variant or share that the rule would have served.
    pub serve: Serve,
    /// The comparison or the condition on another flag that failed: [`ConditionTrace::Compare`] or
    /// [`ConditionTrace::Flag`].
    pub comparison: ConditionTrace,
}
