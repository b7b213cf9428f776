//! Flags and settings that are gone from a file and stay in force for a moment.
//!
//! A half-written file is the beginning of the new one. So only flags can be missing, entries of
//! the environment, and parts of the flag that ends the file. Everything else in the file is as the
//! author wrote it, and a kill switch in it must not wait.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    definition::{Declared, End, Parts, to_json},
    model::{Definition, Definitions, Entry, Field, SharedDefinition},
};

/// The time for which an item stays in force after its first absence.
const HOLD: Duration = Duration::from_secs(1);

/// A flag, or a setting of a flag.
type Item = (Level, Arc<str>, Option<Field>);

/// The table from which an item is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// In `[flags]`.
    Flags,
    /// In the environment that is in force.
    Environment,
}

/// The items that are gone and stay in force.
#[derive(Debug, Default)]
pub(super) struct Hold {
    gone: BTreeMap<Item, Instant>,
    /// The parts of the flags in force, held ones included.
    declared: Declared,
    /// The file without the items, which takes effect once the hold is over.
    file: Option<Parts>,
}

impl Hold {
    /// Returns the definitions that stay although the file no longer has all of them. `good` is
    /// what is in force.
    pub(super) fn hold(&mut self, good: &Definitions, file: &Parts, now: Instant) -> Definitions {
        let mut gone = Gone { before: &self.gone, now, items: BTreeMap::new() };
        let mut held = Definitions::new();
        let mut declared = file.declared.clone();
        if declared.entries.is_empty() && self.declared.entries.is_empty() {
            for (key, good) in &good.0 {
                held.0.extend(gone.flag(key, good, &file.flags, file));
            }
        } else {
            // A rejected flag keeps the definition that was in force.
            let is_rejected = |key: &Arc<str>| file.rejected.0.contains(key);
            for (key, good) in &self.declared.below.0 {
                let kept = is_rejected(key).then(|| (Arc::clone(key), good.clone()));
                let stays = gone.flag(key, good, &file.declared.below, file);
                held.0.extend(stays.clone());
                declared.below.0.extend(stays.or(kept));
            }
            for (key, good) in &self.declared.entries {
                let kept = is_rejected(key).then(|| (Arc::clone(key), good.clone()));
                let stays = gone.entry(key, good, file);
                held.0.extend(stays.iter().map(|(key, _)| (Arc::clone(key), Default::default())));
                declared.entries.extend(stays.or(kept));
            }
            for (key, held) in &mut held.0 {
                let below = declared.below.0.get(key);
                if let Some(entry) = declared.entries.get(key) {
                    *held = Definition::with_entry(below, entry);
                }
            }
        }
        self.gone = gone.items;
        self.declared = declared;
        self.file = (!held.is_empty()).then(|| file.clone());
        held
    }

    /// Records the first file, which cannot have lost any item.
    pub(super) fn begin(&mut self, file: &Parts) {
        self.declared = file.declared.clone();
    }

    /// Returns `true` if the entry of the environment for a flag is gone and stays in force.
    pub(super) fn has_entry(&self, key: &str) -> bool {
        self.gone.contains_key(&(Level::Environment, key.into(), None))
    }

    /// Returns the instant at which the first held item counts as gone.
    pub(super) fn until(&self) -> Option<Instant> {
        self.file.as_ref()?;
        self.gone.values().min().map(|&since| since + HOLD)
    }

    /// Takes the file that takes effect when the hold is over.
    pub(super) fn take(&mut self) -> Option<Parts> {
        self.file.take()
    }

    /// Removes nothing until the file can be used again.
    pub(super) fn suspend(&mut self) {
        self.file = None;
    }
}

/// The items that are gone from one file.
struct Gone<'h> {
    before: &'h BTreeMap<Item, Instant>,
    now: Instant,
    items: BTreeMap<Item, Instant>,
}

impl Gone<'_> {
    /// Returns `true` if an item that is gone stays in force.
    fn is_held(&mut self, item: Item) -> bool {
        // A later edit does not restart the time, or a series of edits would delay a removal for
        // ever.
        let since = self.before.get(&item).copied().unwrap_or(self.now);
        let is_held = self.now < since + HOLD;
        if is_held {
            self.items.insert(item, since);
        }
        is_held
    }

    /// Returns what stays of a flag in `[flags]`; `flags` are the new ones.
    fn flag(
        &mut self,
        key: &Arc<str>,
        good: &SharedDefinition,
        flags: &Definitions,
        file: &Parts,
    ) -> Option<(Arc<str>, SharedDefinition)> {
        match flags.0.get(key) {
            None if file.rejected.0.contains(key) => None,
            None => self
                .is_held((Level::Flags, Arc::clone(key), None))
                .then(|| (Arc::clone(key), good.clone())),
            Some(new) if new != good && ends(&file.end, Level::Flags, key) => {
                let held = self.settings(Level::Flags, key, good, new)?;
                Some((Arc::clone(key), held.into()))
            }
            Some(_) => None,
        }
    }

    /// Returns what stays of an entry of the environment.
    fn entry(&mut self, key: &Arc<str>, good: &Entry, file: &Parts) -> Option<(Arc<str>, Entry)> {
        match (file.declared.entries.get(key), good) {
            _ if file.rejected.0.contains(key) => None,
            (None, _) => self
                .is_held((Level::Environment, Arc::clone(key), None))
                .then(|| (Arc::clone(key), good.clone())),
            (Some(Entry::Definition(new)), Entry::Definition(good))
                if new != good && ends(&file.end, Level::Environment, key) =>
            {
                let held = self.settings(Level::Environment, key, good, new)?;
                Some((Arc::clone(key), held.into()))
            }
            (Some(_), _) => None,
        }
    }

    /// Returns the new definition with the held settings as they were, or `None` if nothing is
    /// held.
    fn settings(
        &mut self,
        level: Level,
        key: &Arc<str>,
        good: &Definition,
        new: &Definition,
    ) -> Option<Definition> {
        let lost = lost(good, new).into_iter();
        let lost: Vec<_> =
            lost.filter(|&field| self.is_held((level, Arc::clone(key), Some(field)))).collect();
        (!lost.is_empty()).then(|| with(new, good, &lost))
    }
}

/// Returns `true` if the file ends in a flag, or in an entry for it, so that its rest may be
/// missing.
fn ends(end: &End, level: Level, key: &str) -> bool {
    match (end, level) {
        (End::Flag(last), Level::Flags) => **last == *key,
        (End::Entry { flag, .. }, Level::Environment) => **flag == *key,
        // A segment may be a part of any flag.
        (End::Segment, _) => true,
        _ => false,
    }
}

/// Returns the settings of a flag that lost at least a part.
fn lost(good: &Definition, new: &Definition) -> Vec<Field> {
    let (good_json, new_json) = (to_json(good), to_json(new));
    let lost = good.fields().filter(|field| {
        let Some(good) = good_json.get(field.as_str()) else { return false };
        new_json.get(field.as_str()).is_none_or(|new| is_less(good, new))
    });
    lost.collect()
}

/// Returns `true` if a member, or an element that is a table of its own, is in `good` and not in
/// `new`.
fn is_less(good: &Value, new: &Value) -> bool {
    match (good, new) {
        (Value::Object(good), Value::Object(new)) => {
            good.iter().any(|(name, good)| new.get(name).is_none_or(|new| is_less(good, new)))
        }
        // `{ weight = 50, value = 200 }` may be `50` for now.
        (Value::Object(_), _) => true,
        // A list of strings has its closing bracket, so the list is whole.
        (Value::Array(good), Value::Array(new)) => {
            let is_of_tables = good.iter().all(Value::is_object);
            (is_of_tables && new.len() < good.len())
                || good.iter().zip(new).any(|(good, new)| is_less(good, new))
        }
        _ => false,
    }
}

/// Returns the new definition with some settings as they were.
fn with(new: &Definition, good: &Definition, settings: &[Field]) -> Definition {
    let mut former = good.clone();
    for field in good.fields().filter(|field| !settings.contains(field)) {
        former.inherit(field);
    }
    let mut definition = new.clone();
    for &field in settings {
        definition.inherit(field);
    }
    definition.merge(&former);
    definition
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{definition::FlagsFile, model::FlagState};

    /// A file that is edited at chosen instants.
    struct Scene {
        start: Instant,
        hold: Hold,
        good: Definitions,
    }

    impl Scene {
        fn new(text: &str) -> Self {
            let good = FlagsFile::parse("flags.toml", text).into_parts().unwrap().flags;
            Self { start: Instant::now(), hold: Hold::default(), good }
        }

        /// Saves the file after `millis` milliseconds. Returns the states of the flags then.
        fn save(&mut self, millis: u64, text: &str) -> String {
            let file = FlagsFile::parse("flags.toml", text).into_parts().unwrap();
            self.read(millis, &file)
        }

        /// Advances the time to `millis` milliseconds. Returns the states of the flags then.
        fn pass(&mut self, millis: u64) -> String {
            match self.hold.take() {
                Some(file) => self.read(millis, &file),
                None => self.states(),
            }
        }

        fn read(&mut self, millis: u64, file: &Parts) -> String {
            let now = self.start + Duration::from_millis(millis);
            let held = self.hold.hold(&self.good, file, now);
            self.good.0.retain(|key, _| file.rejected.0.contains(key));
            self.good.0.extend(file.flags.clone().0);
            self.good.0.extend(held.0);
            self.states()
        }

        fn states(&self) -> String {
            let states = self.good.iter().map(|(key, flag)| {
                let state = FlagState::at(flag, std::time::SystemTime::UNIX_EPOCH);
                format!("{key}: {state}")
            });
            states.collect::<Vec<_>>().join(", ")
        }

        fn until(&self) -> Option<u128> {
            self.hold.until().map(|until| (until - self.start).as_millis())
        }
    }

    #[test]
    fn other_edits_of_the_same_file_apply_at_once() {
        let mut scene =
            Scene::new("[flags]\ngone = true\nkill = true\nquarter = \"25%\"\nlast = true");

        let states =
            scene.save(0, "[flags]\nkill = false\nquarter = false\nlast = true\nnew = true");

        assert_eq!(states, "gone: on, kill: off, last: on, new: on, quarter: off");
        assert_eq!(scene.until(), Some(1000));
        assert_eq!(scene.pass(1000), "kill: off, last: on, new: on, quarter: off");
        assert_eq!(scene.until(), None);
    }

    #[test]
    fn later_edits_do_not_restart_the_second_of_a_removal() {
        let mut scene = Scene::new("[flags]\na = true\nb = true\nc = true");

        for n in 0..=5 {
            let text = format!("[flags]\nb = {}\nc = true # {n}", n % 2 == 0);
            let states = scene.save(900 * n, &text);

            let b = if n % 2 == 0 { "on" } else { "off" };
            let a = if n < 2 { "a: on, " } else { "" };
            assert_eq!(states, format!("{a}b: {b}, c: on"));
        }
    }

    #[test]
    fn each_removal_has_a_second_of_its_own() {
        let mut scene = Scene::new("[flags]\na = true\nb = true\nc = true");

        scene.save(0, "[flags]\nb = true\nc = true");
        assert_eq!(scene.save(400, "[flags]\nc = true"), "a: on, b: on, c: on");

        assert_eq!(scene.until(), Some(1000));
        assert_eq!(scene.pass(1000), "b: on, c: on");
        assert_eq!(scene.until(), Some(1400));
        assert_eq!(scene.pass(1400), "c: on");
    }

    #[test]
    fn a_flag_that_came_back_has_a_new_second_when_it_is_removed_again() {
        let mut scene = Scene::new("[flags]\na = true\nb = true");

        scene.save(0, "[flags]\nb = true");
        scene.save(500, "[flags]\na = true\nb = true");
        assert_eq!(scene.until(), None);

        assert_eq!(scene.save(1200, "[flags]\nb = true"), "a: on, b: on");
        assert_eq!(scene.until(), Some(2200));
    }

    #[test]
    fn an_unusable_file_removes_nothing_and_does_not_restart_the_second() {
        let mut scene = Scene::new("[flags]\na = true\nb = true");
        scene.save(0, "[flags]\nb = true");

        scene.hold.suspend();

        assert_eq!(scene.until(), None);
        assert_eq!(scene.save(1100, "[flags]\nb = true # again"), "b: on");
    }

    #[test]
    fn the_last_flag_of_a_file_may_be_cut_off() {
        let mut scene = Scene::new("[flags]\nlast = \"25%\"");

        assert_eq!(scene.save(0, "[flags]\nlast = true"), "last: 25%");
        assert_eq!(scene.pass(1000), "last: on");
        scene.save(1100, "[flags]\nlast = \"25%\"");
        // A kill switch is not held.
        assert_eq!(scene.save(1200, "[flags]\nlast = false"), "last: off");
    }

    #[test]
    fn parts_of_a_setting_that_may_be_missing_are_held_too() {
        let whole = r#"
            [flags.other]
            percentage = 10
            [flags.last]
            percentage = 50
            [[flags.last.rules]]
            serve = false
            [flags.last.rules.when]
            country = "DE"
            plan = "pro"
            [[flags.last.rules]]
            serve = true
            [flags.last.rules.when]
            country = "AT"
            [flags.last.active]
            from = 2026-01-01
            until = 2026-02-01
        "#;
        let last = |scene: &Scene| Definition::clone(&scene.good.0["last"]);

        let ends =
            ["until", "[flags.last.active]", "country = \"AT\"", "plan", "[[flags.last.rules]]"];
        for end in ends {
            let mut scene = Scene::new(whole);
            let before = last(&scene);
            let beginning = whole.split(end).next().unwrap();
            let beginning = beginning.replace("percentage = 50", "percentage = 20");

            scene.save(0, &beginning);

            let expected = before.percentage(crate::model::Percentage::whole(20).unwrap());
            assert_eq!(last(&scene), expected, "{beginning}");
            scene.pass(1000);
            assert_ne!(last(&scene), expected, "{beginning}");
        }
    }

    #[test]
    fn a_shorter_list_is_an_edit_and_not_cut_off() {
        let mut scene =
            Scene::new("[flags.last]\nallowed_users = [\"ana\", \"eve\"]\npercentage = 0");

        scene.save(0, "[flags.last]\nallowed_users = [\"ana\"]\npercentage = 0");

        assert_eq!(scene.good.0["last"].allowed_users.value(), Some(&vec!["ana".to_owned()]));
        assert_eq!(scene.until(), None);
    }

    #[test]
    fn the_last_segment_of_a_file_may_be_cut_off() {
        let text = r#"
            [flags.a]
            percentage = 0
            rules = [{ when = { segment = "staff" }, serve = true }]
            [flags.b]
            percentage = 50
            [segments.staff.when]
            country = "DE"
            plan = "pro"
        "#;
        let mut scene = Scene::new(text);
        let before = scene.good.clone();

        scene.save(0, text.split("plan").next().unwrap());

        assert_eq!(scene.good, before);
        scene.pass(1000);
        assert_ne!(scene.good, before);
    }

    /// Returns a scene in the environment `staging`.
    fn staging(text: &str) -> Scene {
        let file = in_staging(text);
        let mut scene = Scene::new("[flags]");
        scene.hold.begin(&file);
        scene.good = file.flags;
        scene
    }

    fn in_staging(text: &str) -> Parts {
        let file = FlagsFile::parse("flags.toml", text).in_environment("staging").unwrap();
        file.into_parts().unwrap()
    }

    #[test]
    fn an_entry_of_the_environment_that_is_gone_stays_for_a_second() {
        let mut scene =
            staging("[flags]\na = false\nb = false\n[environments.staging]\na = true\nb = true");

        let without_a = in_staging(
            "[flags]\na = { enabled = false, owner = \"x\" }\nb = false\n\
             [environments.staging]\nb = \"10%\"",
        );
        let states = scene.read(0, &without_a);

        // The edit of `[flags]` counts at once, and so does a kill switch.
        assert_eq!(states, "a: on, b: off");
        assert_eq!(scene.good.0["a"].owner.value().map(String::as_str), Some("x"));
        assert_eq!(scene.until(), Some(1000));
        assert_eq!(scene.pass(1000), "a: off, b: off");
    }

    #[test]
    fn a_flag_below_an_entry_that_is_gone_stays_for_a_second() {
        let mut scene = staging(
            "[flags.a]\ndenied_users = [\"mallory\"]\n[flags]\n[environments.staging]\na = \"10%\"",
        );

        scene.read(0, &in_staging("[flags]\n[environments.staging]\na = \"20%\""));

        let denied = |scene: &Scene| scene.good.0["a"].denied_users.value().is_some();
        assert!(denied(&scene));
        scene.pass(1000);
        assert!(!denied(&scene));
    }

    #[test]
    fn the_last_entry_of_a_file_may_be_cut_off() {
        let whole = "[flags]\na = true\n[environments.staging.a]\nowner = \"x\"\npercentage = 10";
        let torn = in_staging("[flags]\na = true\n[environments.staging.a]\nowner = \"y\"");
        let elsewhere = in_staging(
            "[flags]\na = true\n[environments.staging.a]\nowner = \"y\"\n[environments.x]\na = true",
        );

        let mut scene = staging(whole);
        assert_eq!(scene.read(0, &torn), "a: 10%");
        assert_eq!(scene.pass(1000), "a: on");

        let mut scene = staging(whole);
        assert_eq!(scene.read(0, &elsewhere), "a: on", "the entry is whole");
    }

    #[test]
    fn a_rejected_entry_keeps_what_was_in_force_and_is_held_when_it_is_gone() {
        let mut scene = staging("[flags]\na = false\n[environments.staging]\na = true");

        scene.read(0, &in_staging("[flags]\na = false\n[environments.staging]\na = 1"));
        assert_eq!(scene.states(), "a: on");

        let states = scene.read(500, &in_staging("[flags]\na = false\n[environments.staging]"));
        assert_eq!(states, "a: on");
        assert_eq!(scene.pass(1500), "a: off");
    }
}
