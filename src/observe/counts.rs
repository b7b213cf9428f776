//! The counts of evaluations, as callers get them.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::{
    model::{ErrorCode, FlagKey, Reason},
    serialize::object,
    text::instant,
};

/// The key under which evaluations of unknown flags are counted.
pub(crate) const UNKNOWN: &str = "(unknown)";

/// The counts of all evaluations, by flag. Made by [`Flags::counts`](crate::Flags::counts).
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory, Reason};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let source = Memory::new().with("beta", true).with("search", false);
/// let flags = Flags::builder().source(source).counts().start().await?;
///
/// flags.is_enabled("beta", &Context::user("ana"));
/// flags.is_enabled("beta", &Context::user("bob"));
///
/// let counts = flags.counts().expect("they are on");
/// let beta = counts.flag("beta").expect("it was evaluated");
/// assert_eq!((beta.total(), beta.on()), (2, 2));
/// assert_eq!(beta.outcomes[0].reason, Reason::Static);
/// assert!(counts.flag("search").is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// The start of the flags, since when evaluations are counted.
    pub since: SystemTime,
    /// The flags that were evaluated, sorted by key. Evaluations of keys that no source has had
    /// are counted together, under the key `(unknown)`.
    pub flags: Vec<FlagCounts>,
    /// The evaluations that were not counted. This is 0 unless more than 1,024 threads evaluate
    /// flags at once, or a flag has more than 250 different outcomes.
    pub dropped: u64,
}

/// The counts of one flag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagCounts {
    /// The flag key.
    pub key: String,
    /// The outcomes that occurred, the most frequent first.
    pub outcomes: Vec<OutcomeCount>,
    /// The time of the last evaluation, to within ten seconds.
    pub last_evaluated: Option<SystemTime>,
    /// An estimate of how many different units the flag has drawn a bucket for: users, or values of
    /// the attribute that `bucket_by` names. Its standard error is 3.25 %.
    ///
    /// Answers without a draw are not included, such as those of an allow-list.
    pub distinct_units: u64,
}

/// The count of one outcome: on or off, a variant, a reason and an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OutcomeCount {
    /// True if the flag was on. It is false if the caller's default was served.
    pub on: bool,
    /// The variant that was served, if the flag has variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<&'static str>,
    /// The reason, as one of OpenFeature's.
    pub reason: Reason,
    /// The error, if one occurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// The number of evaluations with this outcome.
    pub count: u64,
}

impl Counts {
    /// Returns the counts of one flag; `None` if it was not evaluated.
    ///
    /// # Example
    ///
    /// ```
    /// # use flagstaff::{Context, Flags, Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("beta", true);
    /// let flags = Flags::builder().source(source).counts().start().await?;
    ///
    /// flags.is_enabled("baeta", &Context::anonymous());
    ///
    /// let counts = flags.counts().expect("they are on");
    /// assert_eq!(counts.flag("(unknown)").map(|unknown| unknown.total()), Some(1));
    /// assert!(counts.flag("baeta").is_none(), "no source has it");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn flag(&self, key: impl FlagKey) -> Option<&FlagCounts> {
        self.flags.iter().find(|flag| flag.key == key.as_str())
    }
}

impl FlagCounts {
    /// Returns the number of evaluations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.outcomes.iter().map(|outcome| outcome.count).sum()
    }

    /// Returns the number of evaluations for which the flag was on.
    #[must_use]
    pub fn on(&self) -> u64 {
        self.outcomes.iter().filter(|outcome| outcome.on).map(|outcome| outcome.count).sum()
    }

    /// Returns the variants that were served, each with the number of evaluations, in the order of
    /// their names.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let page = Definition::new().variants([("control", 1), ("higher_price", 0)]);
    /// let source = Memory::new().with("pricing_page", page);
    /// let flags = Flags::builder().source(source).counts().start().await?;
    ///
    /// flags.variant("pricing_page", &Context::user("ana"), "none");
    ///
    /// let counts = flags.counts().expect("they are on");
    /// assert_eq!(counts.flags[0].variants(), [("control", 1)]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn variants(&self) -> Vec<(&'static str, u64)> {
        let mut variants = std::collections::BTreeMap::new();
        for outcome in &self.outcomes {
            if let Some(variant) = outcome.variant {
                *variants.entry(variant).or_default() += outcome.count;
            }
        }
        variants.into_iter().collect()
    }
}

/// Serializes the fields. Times are RFC 3339 strings.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { since, flags, dropped } = self;
        object!(serializer, "Counts", {
            "since": instant(*since),
            "flags": flags,
            "dropped": dropped,
        })
    }
}

/// Serializes the fields, and the sums of the outcomes as `total` and `on`. Times are RFC 3339
/// strings.
impl Serialize for FlagCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { key, outcomes, last_evaluated, distinct_units } = self;
        object!(serializer, "FlagCounts", {
            "key": key,
            "total": self.total(),
            "on": self.on(),
            "lastEvaluated": last_evaluated.map(instant),
            "distinctUnits": distinct_units,
            "outcomes": outcomes,
        })
    }
}
