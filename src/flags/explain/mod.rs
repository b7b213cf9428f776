//! Explanations: the whole trace of one evaluation.
//!
//! [`Flags::explain`] makes an [`Explanation`], which is data. Printed, it is for people, the
//! answer first. Serialized, it is the same for programs, in the JSON of `flagstaff explain`.
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
/// It names values of the context: [`redact`](Self::redact) and [`redact_all`](Self::redact_all)
/// take them out.
///
/// It serializes as an object with these members in camel case, `flag` being the key. A member that does
/// not apply is missing. A value of the context is `{"value": …}`, `{"missing": true}` or
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
    /// The generation that was asked.
    pub generation: u64,
    /// The answer: on or off, and the reason.
    pub answer: Answer<bool>,
    /// The reason in a sentence: `rule 2 "german pros" matches and serves off`.
    pub because: String,
    /// The location of what decided, if its source has locations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The constant that is served, or the value, or else the name, of the variant, and the reason for that
    /// one. `None` for a flag without either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Answer<Value<'static>>>,
    /// The first rule before what decided that failed on exactly one comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<NearMiss>,
    /// A flag with a similar name, if no source has this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similar: Option<String>,
    /// The context that asked.
    pub asked_by: Asker,
    /// The sources, strongest first.
    pub sources: Vec<SourceTrace>,
    /// The settings merged from all sources, each with the source that it comes from.
    pub settings: Vec<SettingTrace>,
    /// The facts that the flag carries along.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The steps of the evaluation that the flag has, in their order.
    pub steps: Vec<Step>,
}

/// A value of the context, as an [`Explanation`] shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shown {
    /// The context lacks it.
    Missing,
    /// The value.
    Value(Value<'static>),
    /// A value that was taken out.
    Redacted,
}

/// The context that asked, as an [`Explanation`] shows it.
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
    /// The entry of the source, if it has one that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<Said>,
    /// The reason why the stored value cannot be read. The entry above is then the last good one, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The effect of the entry, if it is another one than its writer may expect: it is neither on nor off.
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
pub enum Said {
    /// Forced on or off.
    Forced(bool),
    /// A forced string: the name of a variant, or else off.
    #[serde(rename = "forced")]
    Text(String),
    /// A definition of these settings.
    Settings(Vec<Field>),
}

impl From<&Entry> for Said {
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
    /// The value, in short, with the names in lists only counted. `None` if a source removed the setting of
    /// those below it.
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
    /// It left the decision to the next one.
    Passed,
    /// It decided on or off.
    Decided,
    /// It was decided before.
    NotReached,
    /// It chose the variant, which is another question than on or off.
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
    /// The flags that it requires, up to the first that is not met. Where all of them have to be on or to
    /// serve one variant, these are also the flags that those require.
    Requires(Vec<RequirementTrace>),
    /// A list of users or groups.
    #[non_exhaustive]
    List {
        /// The setting of the list.
        field: Field,
        /// The number of names on it.
        names: usize,
        /// The targeting key, or the group, that is on it.
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
    /// The value that is served to all.
    Value(Value<'static>),
    /// The variant that is served to all, without a draw.
    #[non_exhaustive]
    Serve {
        /// The name.
        variant: String,
        /// `false` if the flag has no such variant, which is off.
        is_known: bool,
    },
    /// The variants.
    #[non_exhaustive]
    Variants {
        /// The variant that is served, if one is.
        served: Option<&'static str>,
        /// All of them.
        arms: Vec<ArmTrace>,
        /// The share of users who are drawn into them.
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
    /// The answer of that flag; `None` if no source has it. What that flag requires is left out where it is
    /// in the list itself.
    pub answer: Option<Answer<bool>>,
}

/// A flag that a condition asks for, and its answer.
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
    /// `true` if it matches; `None` if an earlier rule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<bool>,
    /// The condition, and what was seen; `None` if an earlier rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionTrace>,
    /// The condition that must not be true, if the rule has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<ConditionTrace>,
    /// The draw, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draw: Option<DrawTrace>,
}

/// A condition, and what was seen.
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

/// One comparison, and what was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ComparisonTrace {
    /// The path of the attribute.
    pub attribute: String,
    /// The operator.
    pub operator: Operator,
    /// The operand. It is redacted with the attribute: if the two are equal, it says as much.
    pub operand: Shown,
    /// The treatment of upper and lower case.
    #[serde(
        rename = "ignoreCase",
        serialize_with = "serialize::ignore_case",
        skip_serializing_if = "serialize::is_exact"
    )]
    pub case: Case,
    /// `true` if strings are compared as the numbers that they are.
    #[serde(
        rename = "as",
        serialize_with = "serialize::as_number",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub reads_numbers: bool,
    /// The value in the context.
    pub seen: Shown,
    /// `true` if it holds; `None` if the attribute is missing or of a type that cannot be compared.
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
    /// The position of the bucket, rounded down to four decimals; `None` if there is nothing to draw it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Percentage>,
    /// Buckets below this are inside; for variants, everything is.
    pub threshold: Percentage,
    /// `true` if the bucket is inside.
    pub is_inside: bool,
}

/// A variant, and the buckets that it is served to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArmTrace {
    /// The name of the variant.
    pub name: String,
    /// The weight, compared with those of the others.
    pub weight: Weight,
    /// The start of its buckets, rounded down to four decimals.
    pub from: Percentage,
    /// The end of its buckets.
    pub until: Percentage,
}

/// A rule that would have matched if one comparison had come out the other way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NearMiss {
    /// The index of the rule, 0 being the first.
    pub rule: usize,
    /// The name of the rule, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value, variant or share that it would have served.
    pub serve: Serve,
    /// The comparison, or the flag that is asked for: [`ConditionTrace::Compare`] or
    /// [`ConditionTrace::Flag`].
    pub comparison: ConditionTrace,
}
