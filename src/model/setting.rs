//! One setting of one source: left alone, taken away or set.

use std::{
    collections::HashSet,
    fmt,
    time::{Duration, SystemTime},
};

use super::{
    Active, BucketBy, Constant, Definition, Field, Metadata, OnStale, Percentage, Prerequisite,
    Rollout, Rules, Variants,
};

/// One field of a [`Definition`], as a member of a JSON merge patch (RFC 7396) is: absent, null or
/// a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// Says nothing: the lower sources decide.
    #[default]
    Inherit,
    /// Takes away what lower sources say, so that the field has its default again.
    Remove,
    /// Replaces what lower sources say.
    Set(T),
}

impl<T> Setting<T> {
    /// The value, if this sets one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Inherit | Self::Remove => None,
        }
    }

    /// Returns `true` if lower sources decide.
    pub fn is_inherit(&self) -> bool {
        matches!(self, Self::Inherit)
    }

    /// Does what `patch` says, if it says anything.
    pub(crate) fn replace(&mut self, patch: &Self)
    where
        T: Clone,
    {
        if !patch.is_inherit() {
            self.clone_from(patch);
        }
    }
}

/// Applies a patch: it replaces the value, or is a patch of the value itself.
pub(super) fn merge<T: SettingType>(below: &mut Setting<T>, patch: &Setting<T>) {
    match (below, patch) {
        (Setting::Set(below), Setting::Set(patch)) => below.merge(patch),
        (below, patch) => below.replace(patch),
    }
}

/// Applies what a stronger source has: lists of both count.
pub(super) fn add_up<T: SettingType>(below: &mut Setting<T>, stronger: &Setting<T>) {
    match (below, stronger) {
        (Setting::Set(below), Setting::Set(stronger)) => below.add(stronger),
        (below, stronger) => below.replace(stronger),
    }
}

/// A type that a setting can have, as the model needs it.
///
/// `definition` adds how the type is decoded, encoded and described to editors.
pub(crate) trait SettingType: Clone + PartialEq + fmt::Debug {
    /// `true` if a value is one date.
    const IS_DATE: bool = false;

    /// Applies `patch` on top of this. A table is patched member by member (RFC 7396).
    fn merge(&mut self, patch: &Self) {
        self.clone_from(patch);
    }

    /// Adds the entries of a list to this one. Anything else is patched.
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }

    /// The date, if a value is one.
    fn date(&self) -> Option<SystemTime> {
        None
    }

    /// The number of entries of a list; 1 for what is not a list.
    fn entries(&self) -> usize {
        1
    }
}

impl SettingType for bool {}
impl SettingType for String {}
impl SettingType for Duration {}
impl SettingType for Percentage {}
impl SettingType for BucketBy {}
impl SettingType for OnStale {}
/// Replaced whole, as the value of a variant is.
impl SettingType for Constant {}

impl SettingType for SystemTime {
    const IS_DATE: bool = true;

    fn date(&self) -> Option<SystemTime> {
        Some(*self)
    }
}

impl SettingType for Vec<String> {
    fn add(&mut self, other: &Self) {
        // By hash, since lists can have thousands of entries.
        let known: HashSet<&str> = self.iter().map(String::as_str).collect();
        let new: Vec<_> =
            other.iter().filter(|entry| !known.contains(entry.as_str())).cloned().collect();
        self.extend(new);
    }

    fn entries(&self) -> usize {
        self.len()
    }
}

impl SettingType for Vec<Prerequisite> {
    fn entries(&self) -> usize {
        self.len()
    }
}

impl SettingType for Rules {
    fn entries(&self) -> usize {
        self.len()
    }
}

impl SettingType for Rollout {
    fn merge(&mut self, patch: &Self) {
        Self::merge(self, patch);
    }
}

impl SettingType for Active {
    fn merge(&mut self, patch: &Self) {
        Self::merge(self, patch);
    }
}

impl SettingType for Variants {
    fn merge(&mut self, patch: &Self) {
        Self::merge(self, patch);
    }

    fn entries(&self) -> usize {
        self.len()
    }
}

impl SettingType for Metadata {
    fn merge(&mut self, patch: &Self) {
        Self::merge(self, patch);
    }
}

/// A setting of any type.
pub(super) trait AnySetting {
    /// Returns `true` if the setting sets or removes something.
    fn says_something(&self) -> bool;

    /// Returns `true` if the setting removes what is below it.
    fn is_removed(&self) -> bool;

    /// The date that is set, if the setting is one.
    fn date(&self) -> Option<SystemTime>;

    /// The number of entries of the list that is set; of anything else, 1 if it is set.
    fn entries(&self) -> usize;

    fn inherit(&mut self);

    fn remove(&mut self);
}

impl<T: SettingType> AnySetting for Setting<T> {
    fn says_something(&self) -> bool {
        !self.is_inherit()
    }

    fn is_removed(&self) -> bool {
        matches!(self, Self::Remove)
    }

    fn date(&self) -> Option<SystemTime> {
        self.value().and_then(SettingType::date)
    }

    fn entries(&self) -> usize {
        self.value().map_or(0, SettingType::entries)
    }

    fn inherit(&mut self) {
        *self = Self::Inherit;
    }

    fn remove(&mut self) {
        *self = Self::Remove;
    }
}

/// A row of the registry, as a type: how code that is generic over the type of a setting gets at it.
pub(crate) trait Row {
    type Type: SettingType;
    const FIELD: Field;

    /// The value while no source sets one.
    #[cfg_attr(not(feature = "definition"), expect(dead_code, reason = "for the schema"))]
    fn default() -> Option<Self::Type>;

    fn of(definition: &Definition) -> &Setting<Self::Type>;

    fn of_mut(definition: &mut Definition) -> &mut Setting<Self::Type>;
}
