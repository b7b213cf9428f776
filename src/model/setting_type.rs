//! The types that a setting can have, and how a stronger source changes a value of each.

use std::{
    collections::HashSet,
    fmt,
    time::{Duration, SystemTime},
};

use super::{
    Active, BucketBy, Constant, Metadata, OnStale, Percentage, Prerequisite, Rollout, Rules,
    Setting, Variants,
};

/// Applies a patch, which replaces the value or changes parts of it.
pub(super) fn merge<T: SettingType>(below: &mut Setting<T>, patch: &Setting<T>) {
    match (below, patch) {
        (Setting::Set(below), Setting::Set(patch)) => below.merge(patch),
        (below, patch) => below.replace(patch),
    }
}

/// Applies the setting of a stronger source: lists of both add up.
pub(super) fn add_up<T: SettingType>(below: &mut Setting<T>, stronger: &Setting<T>) {
    match (below, stronger) {
        (Setting::Set(below), Setting::Set(stronger)) => below.add(stronger),
        (below, stronger) => below.replace(stronger),
    }
}

/// A type that a setting can have.
///
/// `definition` adds decoding, encoding and a description for editors.
pub(crate) trait SettingType: Clone + PartialEq + fmt::Debug {
    /// `true` if a value is one date.
    const IS_DATE: bool = false;

    /// Applies `patch` on top of this value. A table is patched member by member (RFC 7396).
    fn merge(&mut self, patch: &Self) {
        self.clone_from(patch);
    }

    /// Adds the entries of a list to this one. A value of any other type is patched.
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }

    /// Returns the date, if the value is one.
    fn date(&self) -> Option<SystemTime> {
        None
    }

    /// Returns the number of entries of a list; 1 for any other type.
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
/// Replaces a constant whole, as the value of a variant is replaced.
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
    /// Returns `true` if the setting sets or removes a value.
    fn says_something(&self) -> bool;

    /// Returns `true` if the setting removes the value of the sources below.
    fn is_removed(&self) -> bool;

    /// Returns the date that is set, if the setting is a date.
    fn date(&self) -> Option<SystemTime>;

    /// Returns the number of entries of the list that is set; of any other type, 1 if it is set.
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
