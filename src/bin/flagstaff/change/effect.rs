//! The effects of a change on a flag.

use std::time::SystemTime;

use flagstaff::{
    answer::FlagState,
    definition::{Entry, Progress, RolloutStatus},
    write::NoEffect,
};
use serde_json::{Value, json};

use super::{ending::Ending, side::Side, wider::is_wider};
use crate::{
    difference::{self, Difference, differences},
    output::{Output, Row},
    paste,
    place::Place,
    style,
    text::{self, clean, count},
    time, unreadable,
};

/// A flag before and after.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    pub(super) flag: String,
    pub(super) before: Side,
    pub(super) after: Side,
    /// The entry that the changed source had before, if any.
    pub(super) replaces: Option<Entry>,
    /// The end of the override, if it has or had one.
    pub(super) ending: Option<Ending>,
    /// The flag without the store, if that matters.
    pub(super) below: Option<Side>,
    /// True if a plain value was stored.
    pub(super) was_plain: bool,
    /// True if JSON is stored after the change.
    pub(super) is_json: bool,
    /// True if the stored value could not be read.
    pub(super) was_unreadable: bool,
    /// True if the source has to be written to.
    pub(super) writes: bool,
    /// The reason why the change changes no answer, if it changes none.
    pub(super) no_effect: Option<NoEffect>,
}

impl Effect {
    /// Returns `true` if the change switches the flag off for all users.
    pub(super) fn is_switched_off(&self) -> bool {
        let may_be_on = self.was_unreadable || self.before.state != FlagState::Off;
        self.after.state == FlagState::Off && may_be_on
    }

    /// Returns `true` if no source had the flag before.
    pub(super) fn makes_a_flag(&self) -> bool {
        self.before.state == FlagState::Unknown && self.after.state != FlagState::Unknown
    }

    /// Returns `true` if the flag may be on for a user for whom it is off now.
    pub(super) fn is_wider(&self) -> bool {
        is_wider(&self.after, &self.before)
    }

    /// Returns true if the flag may be off for a user for whom it is on now.
    pub(super) fn is_narrower(&self) -> bool {
        is_wider(&self.before, &self.after)
    }

    /// Returns a warning if the flag may be on for more users than now once the override has ended.
    pub(super) fn widens_at_its_end(&self) -> Option<String> {
        let ending = self.ending.as_ref()?;
        let (flag, now) = (clean(&self.flag), self.state_before());
        ending.then().filter(|then| is_wider(then, &self.before)).map(|then| {
            let then = then.state;
            format!(
                "at its end `{flag}` may be on for more users than now: now `{now}`, then `{then}`"
            )
        })
    }

    /// Returns a warning if the change ends a rollout.
    pub(super) fn ends_a_rollout(&self) -> Option<String> {
        let was = self.before.rollout?;
        let is_over = self.after.rollout.is_none() && self.after.state != FlagState::Unknown;
        (self.writes && is_over).then(|| {
            let flag = clean(&self.flag);
            format!("this ends the rollout of `{flag}`, which is at {was}")
        })
    }

    /// Warns that the change changes no answer, if it changes none: neither now nor at the start of a rollout.
    pub(super) fn warn_of_no_effect(&self, output: &Output) {
        let flag = clean(&self.flag);
        if let Some(at) = self.cancelled_start() {
            let at = time::rfc3339(at);
            output.warning(format!("the rollout of `{flag}` will not begin at {at}"));
            let start = paste::command("rollout start", &text::word(&self.flag));
            return output.hint(format!("{start} starts it"));
        }
        let Some(no_effect) = &self.no_effect else { return };
        let why = no_effect.to_string();
        output.warning(format!("this changes no answer of `{flag}`: {}", clean(&why)));
        if let Some(help) = &no_effect.help {
            output.hint(clean(help));
        }
    }

    /// Returns a hint with the command that brings back what a forced flag replaces or hides. `revision` is that of
    /// the change.
    pub(super) fn way_back(&self, place: &Place, revision: u64) -> Option<String> {
        let (flag, after) = (clean(&self.flag), self.after.state);
        if !self.writes || matches!(self.ending, Some(Ending::Ends(_))) {
            return None;
        }
        let before = self.before.state;
        if matches!(self.replaces, Some(Entry::Definition(_))) && before != FlagState::Off {
            return Some(format!(
                "`{flag}` is {after} now; {} restores the former override: {before}",
                paste::command("undo", &revision.to_string()),
            ));
        }
        let is_partial = |side: &&Side| matches!(side.state, FlagState::Partial { .. });
        let below = self.below.as_ref().filter(is_partial)?.state;
        // With an equal state below, nothing is hidden: `enable` may only have removed a switch.
        if after == FlagState::Off || after == below {
            return None;
        }
        let weaker = place.path().map(|path| format!("`{}`", path.display()));
        let weaker = weaker.unwrap_or_else(|| "the environment".to_owned());
        Some(format!(
            "`{flag}` is {after} now; {} restores the state of {weaker}: {below}",
            paste::command("unset", &text::word(&self.flag))
        ))
    }

    /// Returns the state before in words. That of a value that cannot be read is not known here.
    pub(super) fn state_before(&self) -> String {
        match self.was_unreadable {
            true => unreadable::NOT_KNOWN.to_owned(),
            false => self.before.state.to_string(),
        }
    }

    /// Returns the time at which a rollout would have begun by itself, if it does not any more.
    fn cancelled_start(&self) -> Option<SystemTime> {
        let (before, after) = (self.before.rollout?, self.after.rollout?);
        let is_waiting = |it: &Progress| it.status == RolloutStatus::NotStarted;
        let is_cancelled = is_waiting(&before) && is_waiting(&after) && after.due.is_none();
        before.due.filter(|_| is_cancelled)
    }

    /// Returns the settings that differ; none if the settings before are not known.
    fn differences(&self) -> Vec<Difference> {
        if self.was_unreadable {
            return Vec::new();
        }
        differences(&self.before.definition, &self.after.definition)
    }

    /// Returns a line about the flag, a line for each changed setting, and a line about the end. `elsewhere` is the number of environments in
    /// which the state becomes another.
    pub(super) fn text(&self, elsewhere: usize) -> String {
        let name = clean(&self.flag);
        let [before, after] = [self.before.state, self.after.state].map(style::state);
        if !self.writes {
            return format!("{name}: {after}, as before: nothing to change\n");
        }
        let differences = self.differences();
        let mut text = match (differences.is_empty(), before == after) {
            _ if self.was_unreadable => format!("{name}: {} -> {after}\n", unreadable::before()),
            (true, _) if elsewhere > 0 => {
                let changed = count(elsewhere, "environment");
                format!("{name}: changes in {changed}; {after} outside of these, as before\n")
            }
            (true, _) => format!("{name}: {after}, as before\n"),
            (_, true) => format!("{name}: {after}\n"),
            _ => format!("{name}: {before} -> {after}\n"),
        };
        text += &difference::text(&differences);
        if let Some(ending) = &self.ending {
            text += &format!("  {ending}\n");
        }
        text
    }

    /// Returns the flag after the change, as a row of the output.
    pub(super) fn row(&self, revision: Option<u64>, is_dry_run: bool) -> Row {
        let Self { flag, before, after, .. } = self;
        let state = match after.state {
            FlagState::Unknown => "unset".to_owned(),
            state => state.to_string(),
        };
        let fields: Vec<_> = self.differences().iter().map(Difference::json).collect();
        let then = self.ending.as_ref().and_then(Ending::then);
        let json = json!({
            "flag": flag,
            "state": after.state.as_str(),
            "summary": after.state.to_string(),
            "before": (!self.was_unreadable).then(|| before.state.to_string()),
            "changed": self.writes,
            "fields": fields,
            "ends": self.ending.as_ref().and_then(Ending::at).map(time::rfc3339),
            "then": then.map(|then| then.state.to_string()),
            "revision": revision,
            "noEffect": self.no_effect.as_ref().filter(|_| self.cancelled_start().is_none()),
        });
        Row { cells: vec![clean(flag).into_owned(), state], json: mark(json, is_dry_run) }
    }
}

/// Returns a dry run or not, in JSON.
fn mark(mut json: Value, is_dry_run: bool) -> Value {
    json["dryRun"] = json!(is_dry_run);
    json
}
