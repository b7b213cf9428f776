//! The reasons for the answers of tests, in a few words.

use std::ops::Range;

use super::{
    declared::{FlagTests, Test},
    flags::Declared,
    result::TestResult,
};
use crate::{
    eval::Standalone,
    model::{Cause, Context, Field, Prerequisite, RequiredState, Resolved, SharedDefinition},
};

/// The reason for an answer.
pub(super) struct Because {
    pub(super) text: String,
    /// The place in the file that decided.
    pub(super) place: Option<Range<usize>>,
    pub(super) help: Option<String>,
}

impl Because {
    pub(super) fn of(
        result: &TestResult,
        test: &Test,
        tests: &FlagTests,
        declared: Declared<'_>,
    ) -> Self {
        let definition = declared.find(&result.flag);
        let asked = Asked { result, context: &test.context, definition, tests, declared };
        let (text, place) = asked.decided();
        Self { text, place, help: asked.kept() }
    }
}

struct Asked<'a> {
    result: &'a TestResult,
    context: &'a Context<'static>,
    definition: Option<&'a SharedDefinition>,
    tests: &'a FlagTests,
    declared: Declared<'a>,
}

impl Asked<'_> {
    fn decided(&self) -> (String, Option<Range<usize>>) {
        let (percentage, field) = self.percentage();
        let cause = self.result.answer.cause;
        let place = match (cause.rule(), cause.setting()) {
            (Some(index), _) => self.rule(index),
            // For `percentage`, the stage of a rollout may have decided.
            (None, Some(Field::Percentage)) => self.setting(field),
            (None, Some(setting)) => self.setting(setting),
            (None, None) => None,
        };
        (self.text(&percentage), place)
    }

    /// Returns the reason. `percentage` is the share of the users for whom no list and no rule
    /// decides.
    fn text(&self, percentage: &str) -> String {
        let user = self.context.targeting_key().unwrap_or_default();
        match self.result.answer.cause {
            Cause::Disabled => "it is disabled".to_owned(),
            Cause::Inactive => "it is not active at this time".to_owned(),
            Cause::Prerequisite => self.unmet(),
            Cause::InvalidPrerequisites => "it depends on itself, or on too many flags".to_owned(),
            Cause::DeniedUser => format!("`{user}` is denied"),
            Cause::DeniedGroup => "a group of the user is denied".to_owned(),
            Cause::AllowedUser => format!("`{user}` is allowed"),
            Cause::AllowedGroup => "a group of the user is allowed".to_owned(),
            Cause::Rule(_) => "this rule matches".to_owned(),
            Cause::RuleSplit(_) => "this rule matches, and draws".to_owned(),
            Cause::Percentage => {
                let side = if self.result.answer.value { "inside" } else { "outside" };
                format!("`{user}` is {side} of {percentage}")
            }
            Cause::NoTargetingKey => "there is no user to draw by".to_owned(),
            Cause::NoUnit(unit) => format!("there is no `{unit}` to draw by"),
            Cause::Variant => format!("`{user}` is drawn into it"),
            Cause::Traffic => format!("`{user}` is not in the traffic"),
            Cause::AllUsers => "nothing holds it back".to_owned(),
            Cause::NoUsers | Cause::Unmatched => {
                format!("no list and no rule applies, and {percentage} of the other users are in")
            }
            // These causes come from sources and requests, which tests do not have.
            Cause::Stale
            | Cause::Unavailable
            | Cause::UnknownFlag
            | Cause::Rejected
            | Cause::TypeMismatch
            | Cause::UnknownVariant
            | Cause::NoFlags
            | Cause::Test => self.result.answer.reason.to_string(),
        }
    }

    fn setting(&self, field: Field) -> Option<Range<usize>> {
        self.tests.settings.get(field.as_str()).cloned()
    }

    fn rule(&self, index: u16) -> Option<Range<usize>> {
        self.tests.rules.get(usize::from(index)).cloned()
    }

    /// Returns the share of users, and the setting that defines it: that of the file, or of the
    /// current stage.
    fn percentage(&self) -> (String, Field) {
        let mut resolved = Resolved::new(self.definition.cloned().unwrap_or_default(), 0);
        resolved.set_time(self.result.time);
        let (percentage, field) = resolved.percentage();
        (percentage.to_string(), field)
    }

    /// Names the first required flag that is not in its required state.
    fn unmet(&self) -> String {
        let is_unmet = |required: &&Prerequisite| !self.is_met(required);
        let Some(Prerequisite { flag, state }) = self.requires().iter().find(is_unmet) else {
            return "a required flag is off".to_owned();
        };
        match (self.declared.find(flag), state) {
            (None, _) => format!("there is no flag `{flag}`"),
            (Some(_), RequiredState::On) => format!("`{flag}` is off"),
            (Some(_), RequiredState::Off) => format!("`{flag}` is on"),
            (Some(_), RequiredState::Variants(names)) => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("`{flag}` does not serve {}", names.join(" or "))
            }
        }
    }

    fn requires(&self) -> &[Prerequisite] {
        let list = self.definition.and_then(|definition| definition.rare().requires.value());
        list.map_or(&[], Vec::as_slice)
    }

    fn is_met(&self, required: &Prerequisite) -> bool {
        let find = |flag: &str| self.declared.find(flag);
        let Some(definition) = find(&required.flag) else { return false };
        let flag = Standalone::compile(&required.flag, definition, self.result.time, find);
        let evaluation = flag.evaluate(self.context);
        let is_on = evaluation.is_on(self.context);
        match &required.state {
            _ if !evaluation.is_of_a_state() => false,
            RequiredState::On => is_on,
            RequiredState::Off => !is_on,
            RequiredState::Variants(names) => {
                evaluation.serves(self.context, |served| names.iter().any(|name| name == served))
            }
        }
    }

    /// Returns a help if a required flag does not have the definition of the file.
    fn kept(&self) -> Option<String> {
        let needs = self.definition.map(|it| it.needs()).unwrap_or_default();
        let mut flags = needs.into_iter().map(|required| &required.flag);
        let flag = flags.find(|flag| self.declared.rejected.contains(&***flag))?;
        Some(match self.declared.previous.contains_key(&**flag) {
            true => format!("`{flag}`, which it requires, keeps its previous definition"),
            false => format!("`{flag}`, which it requires, is rejected"),
        })
    }
}
