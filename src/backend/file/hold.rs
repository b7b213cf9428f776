//! Flags and settings that are gone from a file and stay in force for a moment.
//!
//! A half-written file is a beginning of the new one. So what may be missing because of that are flags, and parts of
//! the flag that ends the text. All else in it is what the author wrote, and a kill among it must not wait.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    definition::{End, Parts, to_json},
    model::{Definition, Definitions, Field},
};

/// The time for which an item stays, from its first absence.
const HOLD: Duration = Duration::from_secs(1);

/// A flag, or a setting of a flag.
type Item = (Arc<str>, Option<Field>);

/// The items that are gone and stay.
#[derive(Debug, Default)]
pub(super) struct Hold {
    gone: BTreeMap<Item, Instant>,
    /// The file in which it is gone, which counts as it is once the time is over.
    file: Option<Parts>,
}

impl Hold {
    /// Returns the definitions in `good`, what is in force, that stay although the file no longer has all of
    /// them.
    pub(super) fn hold(&mut self, good: &Definitions, file: &Parts, now: Instant) -> Definitions {
        let mut held = Definitions::new();
        let mut gone = BTreeMap::new();
        // A later edit does not start the time again, or a series of them would delay a removal for ever.
        let mut is_held = |item: Item| {
            let since = self.gone.get(&item).copied().unwrap_or(now);
            let is_held = now < since + HOLD;
            if is_held {
                gone.insert(item, since);
            }
            is_held
        };
        for (key, good) in &good.0 {
            match file.flags.0.get(key) {
                None if file.rejected.0.contains(key) => {}
                None => {
                    if is_held((Arc::clone(key), None)) {
                        held.0.insert(Arc::clone(key), good.clone());
                    }
                }
                Some(new) if new != good && ends(&file.end, key) => {
                    let lost = lost(good, new).into_iter();
                    let lost: Vec<_> =
                        lost.filter(|&field| is_held((Arc::clone(key), Some(field)))).collect();
                    if !lost.is_empty() {
                        held.0.insert(Arc::clone(key), with(new, good, &lost).into());
                    }
                }
                Some(_) => {}
            }
        }
        self.gone = gone;
        self.file = (!held.is_empty()).then(|| file.clone());
        held
    }

    /// Returns when the first of what is held counts as gone.
    pub(super) fn until(&self) -> Option<Instant> {
        self.file.as_ref()?;
        self.gone.values().min().map(|&since| since + HOLD)
    }

    /// Takes the file in which it is gone.
    pub(super) fn take(&mut self) -> Option<Parts> {
        self.file.take()
    }

    /// Removes nothing until there is a file again that can be used.
    pub(super) fn suspend(&mut self) {
        self.file = None;
    }
}

/// Returns true if a flag may go on where the text ends.
fn ends(end: &End, key: &str) -> bool {
    match end {
        End::Flag(last) => **last == *key,
        // It may be a part of any flag.
        End::Segment => true,
        End::Other => false,
    }
}

/// The settings of a flag of which something is gone.
fn lost(good: &Definition, new: &Definition) -> Vec<Field> {
    let (good_json, new_json) = (to_json(good), to_json(new));
    let lost = good.fields().filter(|field| {
        let Some(good) = good_json.get(field.as_str()) else { return false };
        new_json.get(field.as_str()).is_none_or(|new| is_less(good, new))
    });
    lost.collect()
}

/// Returns true if a member, or an element that is a table of its own, is in `good` and not in `new`.
fn is_less(good: &Value, new: &Value) -> bool {
    match (good, new) {
        (Value::Object(good), Value::Object(new)) => {
            good.iter().any(|(name, good)| new.get(name).is_none_or(|new| is_less(good, new)))
        }
        // `{ weight = 50, value = 200 }` may be `50` for now.
        (Value::Object(_), _) => true,
        // A list of strings has its closing bracket, so it is whole.
        (Value::Array(good), Value::Array(new)) => {
            let is_of_tables = good.iter().all(Value::is_object);
            (is_of_tables && new.len() < good.len())
                || good.iter().zip(new).any(|(good, new)| is_less(good, new))
        }
        _ => false,
    }
}

/// The new definition with some settings as they were.
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

    /// A file that is edited at instants of its own.
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

        /// Saves the file after so many milliseconds. Returns the states of the flags then.
        fn save(&mut self, millis: u64, text: &str) -> String {
            let file = FlagsFile::parse("flags.toml", text).into_parts().unwrap();
            self.read(millis, &file)
        }

        /// Lets time pass until so many milliseconds are over.
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
    fn what_else_the_same_text_says_counts_at_once() {
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
    fn later_edits_do_not_start_the_second_again() {
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
    fn each_absence_has_a_second_of_its_own() {
        let mut scene = Scene::new("[flags]\na = true\nb = true\nc = true");

        scene.save(0, "[flags]\nb = true\nc = true");
        assert_eq!(scene.save(400, "[flags]\nc = true"), "a: on, b: on, c: on");

        assert_eq!(scene.until(), Some(1000));
        assert_eq!(scene.pass(1000), "b: on, c: on");
        assert_eq!(scene.until(), Some(1400));
        assert_eq!(scene.pass(1400), "c: on");
    }

    #[test]
    fn a_flag_that_was_back_meanwhile_has_another_second() {
        let mut scene = Scene::new("[flags]\na = true\nb = true");

        scene.save(0, "[flags]\nb = true");
        scene.save(500, "[flags]\na = true\nb = true");
        assert_eq!(scene.until(), None);

        assert_eq!(scene.save(1200, "[flags]\nb = true"), "a: on, b: on");
        assert_eq!(scene.until(), Some(2200));
    }

    #[test]
    fn a_text_that_cannot_be_used_removes_nothing_and_does_not_start_the_second_again() {
        let mut scene = Scene::new("[flags]\na = true\nb = true");
        scene.save(0, "[flags]\nb = true");

        scene.hold.suspend();

        assert_eq!(scene.until(), None);
        assert_eq!(scene.save(1100, "[flags]\nb = true # again"), "b: on");
    }

    #[test]
    fn of_the_flag_that_ends_the_text_the_rest_may_be_missing() {
        let mut scene = Scene::new("[flags]\nlast = \"25%\"");

        assert_eq!(scene.save(0, "[flags]\nlast = true"), "last: 25%");
        assert_eq!(scene.pass(1000), "last: on");
        scene.save(1100, "[flags]\nlast = \"25%\"");
        // A kill is not held.
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
    fn a_list_that_is_shorter_is_whole() {
        let mut scene =
            Scene::new("[flags.last]\nallowed_users = [\"ana\", \"eve\"]\npercentage = 0");

        scene.save(0, "[flags.last]\nallowed_users = [\"ana\"]\npercentage = 0");

        assert_eq!(scene.good.0["last"].allowed_users.value(), Some(&vec!["ana".to_owned()]));
        assert_eq!(scene.until(), None);
    }

    #[test]
    fn the_rest_of_a_segment_that_ends_the_text_may_be_missing() {
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
}
