//! Facts about a flag, for people and other tools.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};

use super::{Setting, Value};
use crate::text::line;

/// Facts about a flag for people and other tools: strings, numbers and booleans by name.
///
/// Metadata is shown and exported, and evaluation does not look at it. As a part of a
/// [`Definition`](super::Definition) it is a JSON merge patch (RFC 7396). It changes the facts that
/// it names, and leaves the rest to the sources below.
///
/// # Example
///
/// ```
/// use flagstaff::{Definition, definition::{Metadata, MetadataValue}};
///
/// let mut flag = Definition::new().metadata([("issue", "PAY-412"), ("team", "payments")]);
/// flag.merge(&Definition::new().metadata(Metadata::new().with("tier", 1).without("team")));
///
/// let metadata = flag.rare().metadata.value().expect("it is set");
/// assert_eq!(metadata.get("issue"), Some(&MetadataValue::from("PAY-412")));
/// assert_eq!(metadata.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["issue", "tier"]);
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Metadata {
    facts: BTreeMap<Box<str>, Setting<MetadataValue>>,
}

/// A value of [`Metadata`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetadataValue {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number that may have a fraction.
    Float(f64),
    /// A string.
    String(String),
}

impl Metadata {
    /// Creates metadata without facts.
    #[must_use]
    pub const fn new() -> Self {
        Self { facts: BTreeMap::new() }
    }

    /// Sets a fact.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<MetadataValue>) -> Self {
        self.facts.insert(name.into().into(), Setting::Set(value.into()));
        self
    }

    /// Removes a fact, also from the sources below.
    #[must_use]
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.facts.insert(name.into().into(), Setting::Remove);
        self
    }

    /// Returns a fact by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&MetadataValue> {
        self.facts.get(name)?.value()
    }

    /// Returns the facts in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.facts.iter().filter_map(|(name, value)| Some((&**name, value.value()?)))
    }

    /// Returns `true` if there are no facts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns the facts that are set and removed, by name.
    #[cfg(feature = "definition")]
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &Setting<MetadataValue>)> {
        self.facts.iter().map(|(name, value)| (&**name, value))
    }

    /// Applies `patch` on top of these facts, name by name (RFC 7396).
    pub(crate) fn merge(&mut self, patch: &Self) {
        for (name, change) in &patch.facts {
            self.facts.entry(name.clone()).or_default().replace(change);
        }
    }
}

impl<N: Into<String>, V: Into<MetadataValue>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(facts: I) -> Self {
        facts.into_iter().fold(Self::new(), |all, (name, value)| all.with(name, value))
    }
}

impl<N: Into<String>, V: Into<MetadataValue>, const LEN: usize> From<[(N, V); LEN]> for Metadata {
    fn from(facts: [(N, V); LEN]) -> Self {
        facts.into_iter().collect()
    }
}

/// Serializes as an object of the facts that are set.
impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Serializes as the plain value.
impl Serialize for MetadataValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
        }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.facts).finish()
    }
}

impl MetadataValue {
    /// Converts into the value that attributes and variants have.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{answer::Value, definition::MetadataValue};
    ///
    /// assert_eq!(MetadataValue::from(3).into_value(), Value::Integer(3));
    /// ```
    #[must_use]
    pub fn into_value(self) -> Value<'static> {
        match self {
            Self::Bool(value) => value.into(),
            Self::Integer(value) => value.into(),
            Self::Float(value) => value.into(),
            Self::String(value) => value.into(),
        }
    }
}

/// Writes a string without quotes. Characters that a terminal would obey are escaped.
impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::String(value) => f.write_str(&line(value)),
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident,)+) => {
        $(
            impl From<$type> for MetadataValue {
                fn from(value: $type) -> Self {
                    Self::$variant(value.into())
                }
            }
        )+
    };
}

from! {
    bool => Bool,
    i32 => Integer,
    i64 => Integer,
    u32 => Integer,
    f64 => Float,
    &str => String,
    String => String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_the_facts_that_it_names_and_records_removals() {
        let mut patch = Metadata::from([("a", "1"), ("b", "2")]);
        patch.merge(&Metadata::new().without("a").with("c", true));
        let mut below = Metadata::from([("a", 9), ("d", 4)]);

        below.merge(&patch);

        let facts: Vec<_> = below.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(facts, ["b=2", "c=true", "d=4"]);
        assert_eq!((below.get("a"), below.is_empty()), (None, false));
        assert!(Metadata::new().without("a").is_empty());
    }
}
