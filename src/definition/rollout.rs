//! The settings `rollout` and `active`: changes over time.

use std::{ops::Range, time::Duration};

use toml::de::{DeInteger, DeTable, DeValue};

use super::{
    Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    unknown::{Owner, unknown_key},
    value::{Decode, Place, wrong_type},
};
use crate::model::{Active, Definition, Field, Rollout, Setting, Stage};

impl Decode for Active {
    const NULLS: usize = 1;

    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let table = table(value, at, "with `from` and `until`", decoder)?;
        let errors = decoder.errors;
        let mut active = Self::new();
        for (key, member) in table {
            match key.get_ref().as_ref() {
                "from" => set(&mut active.from, member, at.member("from"), decoder),
                "until" => set(&mut active.until, member, at.member("until"), decoder),
                _ => {
                    let owner = Owner::setting(at, value, &["from", "until"]);
                    unknown_key(&owner, key, member, decoder);
                }
            }
        }
        Whole { flag: at.flag, value, table }.check_window(&active, decoder);
        (decoder.errors == errors).then_some(active)
    }
}

const ROLLOUT: &[&str] = &["start", "stages", "stage", "stage_started", "paused_at"];

impl Decode for Rollout {
    const NULLS: usize = 1;

    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let table = table(value, at, "with `start` and `stages`", decoder)?;
        let errors = decoder.errors;
        let mut rollout = Self::default();
        for (key, member) in table {
            let place = |name| at.member(name);
            match key.get_ref().as_ref() {
                "start" => set(&mut rollout.start, member, place("start"), decoder),
                "stages" => set(&mut rollout.stages, member, place("stages"), decoder),
                "stage" => set(&mut rollout.stage, member, place("stage"), decoder),
                "stage_started" => {
                    set(&mut rollout.stage_started, member, place("stage_started"), decoder);
                }
                "paused_at" => set(&mut rollout.paused_at, member, place("paused_at"), decoder),
                _ => unknown_key(&Owner::setting(at, value, ROLLOUT), key, member, decoder),
            }
        }
        // In JSON, the stages are those of the file, and may have been started by hand. In an
        // environment, they are those of `[flags]`.
        if !decoder.is_partial() {
            Whole { flag: at.flag, value, table }.check_rollout(&rollout, decoder);
        }
        (decoder.errors == errors).then_some(rollout)
    }
}

/// A setting of a flag that is a table, for the checks of its members together.
struct Whole<'a, 't> {
    flag: &'a str,
    value: &'a Value<'t>,
    table: &'a DeTable<'t>,
}

impl Whole<'_, '_> {
    /// Checks that a window does not end before it begins.
    fn check_window(&self, active: &Active, decoder: &mut Decoder<'_>) {
        let (Some(from), Some(until)) = (active.from.value(), active.until.value()) else { return };
        if until > from {
            return;
        }
        let message = format!("flag `{}` is never active", self.flag);
        decoder.report(
            Diagnostic::new(Code::NeverActive, self.span_of("until"), message)
                .label("ends at or before the beginning")
                .related(self.span_of("from"), "begins here")
                .flag(self.flag),
        );
    }

    /// Checks a rollout that no other source completes: it needs stages, and has a single
    /// beginning.
    fn check_rollout(&self, rollout: &Rollout, decoder: &mut Decoder<'_>) {
        let flag = self.flag;
        let dated = rollout.stages.value().is_some_and(|stages| stages.iter().any(is_dated));
        if dated && rollout.start.value().is_some() {
            let message = format!("the rollout of flag `{flag}` has two start times");
            decoder.report(
                Diagnostic::new(Code::RolloutTimes, self.span_of("start"), message)
                    .label("the stages have dates of their own")
                    .help("remove `start`, or write `for` instead of `at` in the stages")
                    .flag(flag),
            );
        }
        if !self.table.contains_key("stages") {
            let message = format!("the rollout of flag `{flag}` has no stages");
            let problem = Diagnostic::new(Code::RolloutWithoutStages, self.value.span(), message)
                .label("no `stages`")
                .help("write `stages = [{ percentage = 10, for = \"2h\" }, { percentage = 100 }]`");
            decoder.report(problem.flag(flag));
        }
    }

    /// Returns the location of a member; of the whole setting for a member that is not written.
    fn span_of(&self, member: &str) -> Range<usize> {
        self.table.get(member).unwrap_or(self.value).span()
    }
}

/// Checks the window and the rollout that `[flags]` and an environment define together.
pub(super) fn check_merged(
    flag: &str,
    settings: &DeTable<'_>,
    definition: &Definition,
    decoder: &mut Decoder<'_>,
) {
    let written = |field: Field| {
        let value = settings.get(field.as_str())?;
        Some(Whole { flag, value, table: value.get_ref().as_table()? })
    };
    let rare = definition.rare();
    if let (Some(written), Some(active)) = (written(Field::Active), rare.active.value()) {
        written.check_window(active, decoder);
    }
    if let (Some(written), Some(rollout)) = (written(Field::Rollout), rare.rollout.value()) {
        written.check_rollout(rollout, decoder);
    }
}

impl Decode for Vec<Stage> {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            return wrong_type(decoder, value, at, "a list of stages", None);
        };
        let errors = decoder.errors;
        let stages: Self =
            array.iter().filter_map(|stage| decode_stage(stage, at, decoder)).collect();
        if array.is_empty() {
            let message = format!("the rollout of flag `{}` has no stages", at.flag);
            let problem = Diagnostic::new(Code::StageWithoutEnd, value.span(), message)
                .label("expected at least one stage");
            let help = "write `stages = [{ percentage = 100 }]`".to_owned();
            decoder.report_with(problem, Some(help), at.flag);
        }
        if stages.len() == array.len() {
            let spans: Vec<_> = array.iter().map(|stage| stage.span()).collect();
            check_times(&stages, &spans, at, decoder);
            check_growth(&stages, &spans, at, decoder);
        }
        (decoder.errors == errors).then_some(stages)
    }
}

const STAGE: &[&str] = &["percentage", "for", "at", "auto"];

fn decode_stage(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Stage> {
    let DeValue::Table(table) = value.get_ref() else {
        let message = format!("wrong type in list `{}` of flag `{}`", at.setting, at.flag);
        let problem = Diagnostic::new(Code::InvalidElement, value.span(), message).label(format!(
            "expected {}, found {}",
            decoder.format.table(),
            decoder.kind(value.get_ref())
        ));
        let help = "write `{ percentage = 10, for = \"2h\" }`".to_owned();
        decoder.report_with(problem, Some(help), at.flag);
        return None;
    };
    let errors = decoder.errors;
    let mut percentage = Setting::Inherit;
    let (mut duration, mut begins) = (Setting::<Duration>::Inherit, Setting::Inherit);
    let mut auto = Setting::Inherit;
    for (key, member) in table {
        match key.get_ref().as_ref() {
            "percentage" => set(&mut percentage, member, at.member("percentage"), decoder),
            "for" => set(&mut duration, member, at.member("for"), decoder),
            "at" => set(&mut begins, member, at.member("at"), decoder),
            "auto" => set(&mut auto, member, at.member("auto"), decoder),
            _ => unknown_key(&Owner::setting(at, value, STAGE), key, member, decoder),
        }
    }
    if decoder.errors > errors {
        return None;
    }
    let Some(&percentage) = percentage.value() else {
        let message = format!("a stage of flag `{}` has no percentage", at.flag);
        let problem = Diagnostic::new(Code::StageWithoutPercentage, value.span(), message)
            .label("has no `percentage`");
        decoder.report_with(problem, Some("write `percentage = 10`".to_owned()), at.flag);
        return None;
    };
    Some(Stage {
        percentage,
        duration: duration.value().copied(),
        at: begins.value().copied(),
        auto: auto.value().copied().unwrap_or(true),
    })
}

fn is_dated(stage: &Stage) -> bool {
    stage.at.is_some()
}

/// Checks that all stages use either lengths of time or dates, and that each stage but the last has
/// an end.
fn check_times(stages: &[Stage], spans: &[Range<usize>], at: Place<'_>, decoder: &mut Decoder<'_>) {
    let dated = stages.iter().any(is_dated);
    for (n, (stage, span)) in stages.iter().zip(spans).enumerate() {
        let is_last = n + 1 == stages.len();
        let before = n.checked_sub(1).map(|before| (&stages[before], &spans[before]));
        let times = |label: &str, help: &str| {
            let message = format!("the stages of flag `{}` contradict each other", at.flag);
            let problem = Diagnostic::new(Code::RolloutTimes, span.clone(), message).label(label);
            problem.help(help).flag(at.flag)
        };
        let problem = match (stage.at, stage.duration) {
            (Some(_), Some(_)) => {
                times("both `for` and `at`", "write `for` in all stages, or `at` in all stages")
            }
            (None, _) if dated => {
                times("no `at`, unlike other stages", "write `at` in all stages, or in none")
            }
            (None, Some(Duration::ZERO)) => {
                times("has no length", "remove the stage, or make it longer")
            }
            (Some(begins), None) => match before {
                Some((before, place)) if before.at.is_some_and(|before| begins <= before) => {
                    times("does not begin after the stage before", "put the stages in order")
                        .related(place.clone(), "the stage before")
                }
                _ => continue,
            },
            (None, None) if !is_last && stage.auto => {
                let message = format!("a stage of flag `{}` never ends", at.flag);
                let problem = Diagnostic::new(Code::StageWithoutEnd, span.clone(), message)
                    .label("the stages after it are never reached");
                let help = "add a length, `for = \"2h\"`, or `auto = false` to advance the rollout by hand";
                decoder.report_with(problem, Some(help.to_owned()), at.flag);
                continue;
            }
            (None, _) => continue,
        };
        decoder.report(problem);
    }
}

fn check_growth(
    stages: &[Stage],
    spans: &[Range<usize>],
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) {
    for (pair, places) in stages.windows(2).zip(spans.windows(2)) {
        let ([before, stage], [related, span]) = (pair, places) else { continue };
        if stage.percentage < before.percentage {
            let message = format!("the rollout of flag `{}` goes backwards", at.flag);
            decoder.report(
                Diagnostic::new(Code::RolloutBackwards, span.clone(), message)
                    .label(format!("lower than in the stage before: {}", stage.percentage))
                    .related(related.clone(), before.percentage.to_string())
                    .flag(at.flag),
            );
        }
    }
}

impl Decode for u32 {
    fn decode(value: &Value<'_>, at: Place<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => whole(number),
            _ => None,
        };
        number.or_else(|| wrong_type(decoder, value, at, "a whole number from 0", None))
    }
}

fn whole(number: &DeInteger<'_>) -> Option<u32> {
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Sets or removes a member of a table.
fn set<T: Decode>(
    member: &mut Setting<T>,
    value: &Value<'_>,
    at: Place<'_>,
    decoder: &mut Decoder<'_>,
) {
    if decoder.is_null(value) {
        *member = Setting::Remove;
    } else if let Some(value) = T::decode(value, at, decoder) {
        *member = Setting::Set(value);
    }
}

fn table<'v, 't>(
    value: &'v Value<'t>,
    at: Place<'_>,
    members: &str,
    decoder: &mut Decoder<'_>,
) -> Option<&'v DeTable<'t>> {
    if let DeValue::Table(table) = value.get_ref() {
        return Some(table);
    }
    let expected = format!("{} {members}", decoder.format.table());
    wrong_type(decoder, value, at, &expected, None)
}
