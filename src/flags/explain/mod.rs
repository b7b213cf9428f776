//! Why a flag has the value that it has: the whole trace of one evaluation.
//!
//! [`Flags::explain`] makes an [`Explanation`], which is data. Printed, it is a text for people, the
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

use serde::Serialize;

use crate::{
    backend::Provenance,
    model::{
        Answer, Case, Entry, Field, OnStale, Operator, Percentage, Progress, Serve, Value, Weight,
    },
};

/// Why a flag has the value that it has, for one context. Made by [`Flags::explain`].
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
/// assert_eq!(json["answer"]["reason"], "STATIC");
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
    /// Whether the flag is on, and why.
    pub answer: Answer<bool>,
    /// Why, in a sentence: `rule 2 "german pros" matches and serves off`.
    pub because: String,
    /// Where what decided is written, if its source says that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The value or else the name of the variant that is served, and why it is that one, if the
    /// flag has variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Answer<Value<'static>>>,
    /// The first rule before what decided that failed on exactly one comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<NearMiss>,
    /// A flag with a similar name, if no source has this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similar: Option<String>,
    /// Who asked.
    pub asked_by: Asker,
    /// The sources, strongest first.
    pub sources: Vec<SourceTrace>,
    /// What the sources together say, setting by setting, and which of them said it.
    pub settings: Vec<SettingTrace>,
    /// The steps of the evaluation that the flag has, in their order.
    pub steps: Vec<Step>,
}

/// A value of the context, as an [`Explanation`] shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shown {
    /// The context lacks it.
    Missing,
    /// It is this.
    Value(Value<'static>),
    /// It is not for everybody to see.
    Redacted,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Asker {
    /// The user.
    pub targeting_key: Shown,
    /// A list of texts.
    pub groups: Shown,
    /// The attributes, in the order in which they were given.
    #[serde(serialize_with = "serialize::attributes")]
    pub attributes: Vec<(String, Shown)>,
}

/// What one source says about the flag.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SourceTrace {
    /// What the source is called.
    pub source: &'static str,
    /// What it says, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<Said>,
    /// Where: a line of a file, a key in Redis, the name of a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Who said it, when and why, if that is known.
    #[serde(serialize_with = "serialize::provenance", skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// What a source says about a flag, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Said {
    /// On or off for everybody.
    Forced(bool),
    /// A string for everybody, which is the name of a variant or else off.
    #[serde(rename = "forced")]
    Text(String),
    /// Something about these settings.
    Settings(Vec<Field>),
}

impl From<&Entry> for Said {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Forced(on) => Self::Forced(*on),
            Entry::Text(text) => Self::Text(text.to_string()),
            Entry::Definition(definition) => Self::Settings(definition.fields().collect()),
        }
    }
}

/// One setting of the flag, merged from all sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SettingTrace {
    /// The setting.
    pub field: Field,
    /// What it says, in short; `None` if a source took away what those below it say. The names in
    /// lists are only counted.
    pub value: Option<String>,
    /// The strongest source that says something about it.
    pub source: &'static str,
    /// Where that source says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// One step of the evaluation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// What was looked at.
    pub check: Check,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It left the decision to the next one.
    Passed,
    /// It decided whether the flag is on.
    Decided,
    /// It was decided before.
    NotReached,
    /// It said which variant is served, which is another question than on or off.
    Served,
}

impl Outcome {
    /// A word for it, such as `not_reached`.
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

/// What a step of the evaluation looks at.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Check {
    /// Whether the running test overrides the flag.
    Test,
    /// What the flag does while a source is lost.
    Stale(OnStale),
    /// The kill switch.
    Enabled(bool),
    /// The active window: whether the time is inside.
    Active(bool),
    /// The flags that it requires, over any number of steps, up to the first that is not met.
    Requires(Vec<RequirementTrace>),
    /// A list of users or groups.
    #[non_exhaustive]
    List {
        /// Which list.
        field: Field,
        /// How many names are on it.
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
        /// Where the rollout stands, if there is one.
        rollout: Option<Progress>,
        /// What was drawn, if it had to be.
        draw: Option<DrawTrace>,
    },
    /// The variants.
    #[non_exhaustive]
    Variants {
        /// The variant that is served.
        served: &'static str,
        /// All of them.
        arms: Vec<ArmTrace>,
        /// The share of users who are drawn into them.
        traffic: Percentage,
        /// Whether this user is, if it had to be drawn.
        traffic_draw: Option<DrawTrace>,
        /// What was drawn for the variant, if it had to be.
        draw: Option<DrawTrace>,
    },
}

/// A flag that is required.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RequirementTrace {
    /// The flag.
    pub flag: String,
    /// The variant that it has to serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Whether it is what it has to be.
    pub is_met: bool,
    /// What it is by itself, without what it requires; `None` if no source has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer<bool>>,
}

/// A rule, and whether it matches.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RuleTrace {
    /// Its place, 0 being the first.
    #[serde(rename = "rule")]
    pub index: usize,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is written, if its source knows more than where the flag is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What it serves.
    pub serve: Serve,
    /// Whether it matches; `None` if an earlier one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<bool>,
    /// What it asks of the context; `None` if an earlier one matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionTrace>,
    /// What was drawn for it, if it had to be.
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
    Not(Box<ConditionTrace>),
    /// What the segment of this name says.
    Segment(String, Box<ConditionTrace>),
}

/// One comparison, and what was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ComparisonTrace {
    /// The path of the attribute.
    pub attribute: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with. It is redacted with the attribute: if the two are equal, it says
    /// as much.
    pub operand: Shown,
    /// Whether upper and lower case are told apart.
    #[serde(
        rename = "ignoreCase",
        serialize_with = "serialize::ignore_case",
        skip_serializing_if = "serialize::is_exact"
    )]
    pub case: Case,
    /// What the context has.
    pub seen: Shown,
    /// Whether it holds; `None` if nobody can know, because the attribute is missing or of a type
    /// that cannot be compared.
    pub holds: Option<bool>,
    /// Whether the evaluation needed it. The others are compared for the explanation only.
    pub was_needed: bool,
}

/// A bucket, and what it was drawn by.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DrawTrace {
    /// The path of what it is drawn by.
    pub by: String,
    /// What the context has there.
    pub seen: Shown,
    /// Where the bucket lies, rounded down to four decimals; `None` if there is nothing to draw it
    /// by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Percentage>,
    /// Buckets below this are inside; for variants, everything is.
    pub threshold: Percentage,
    /// Whether the bucket is inside.
    pub is_inside: bool,
}

/// A variant, and the buckets that it is served to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArmTrace {
    /// What it is called.
    pub name: String,
    /// How often it is drawn, compared with the others.
    pub weight: Weight,
    /// Where its buckets begin, rounded down to four decimals.
    pub from: Percentage,
    /// Where they end.
    pub until: Percentage,
}

/// A rule that would have matched if one comparison had come out the other way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NearMiss {
    /// The place of the rule, 0 being the first.
    pub rule: usize,
    /// What the rule is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it would have served.
    pub serve: Serve,
    /// The comparison.
    pub comparison: ComparisonTrace,
}
