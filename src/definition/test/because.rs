//! Why a flag answers what it does, in a few words.

use std::ops::Range;

use super::{FlagTests, Test, TestResult, run::Declared};
use crate::{
    eval::Standalone,
    model::{Cause, Context, Field, Prerequisite, Resolved, SharedDefinition},
};

/// What decided.
pub(super) struct Because {
    pub(super) text: String,
    /// Where the file says it.
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
        let setting = |field: Field| self.tests.settings.get(field.as_str()).cloned();
        let user = self.context.targeting_key().unwrap_or_default();
        match self.result.answer.cause {
            Cause::Disabled => ("it is disabled".to_owned(), setting(Field::Enabled)),
            Cause::Inactive => ("it is not active then".to_owned(), setting(Field::Active)),
            Cause::Prerequisite => (self.unmet(), setting(Field::Requires)),
            Cause::InvalidPrerequisites => {
                ("it requires itself, or too many flags".to_owned(), setting(Field::Requires))
            }
            Cause::DeniedUser => (format!("`{user}` is denied"), setting(Field::DeniedUsers)),
            Cause::DeniedGroup => {
                ("a group of the user is denied".to_owned(), setting(Field::DeniedGroups))
            }
            Cause::AllowedUser => (format!("`{user}` is allowed"), setting(Field::AllowedUsers)),
            Cause::AllowedGroup => {
                ("a group of the user is allowed".to_owned(), setting(Field::AllowedGroups))
            }
            Cause::Rule(index) => ("this rule matches".to_owned(), self.rule(index)),
            Cause::RuleSplit(index) => {
                ("this rule matches, and draws".to_owned(), self.rule(index))
            }
            Cause::Percentage => {
                let (percentage, field) = self.percentage();
                let side = if self.result.answer.value { "inside" } else { "outside" };
                (format!("`{user}` is {side} of {percentage}"), setting(field))
            }
            Cause::NoTargetingKey => ("there is no user to draw by".to_owned(), None),
            Cause::NoUnit(unit) => (format!("there is no `{unit}` to draw by"), None),
            Cause::Variant => (format!("`{user}` is drawn into it"), setting(Field::Variants)),
            Cause::Traffic => (format!("`{user}` takes no part"), setting(Field::Traffic)),
            Cause::Everybody => ("nothing holds it back".to_owned(), None),
            Cause::Nobody | Cause::Unmatched => {
                let (percentage, field) = self.percentage();
                (
                    format!("no list and no rule decides, and {percentage} of the others are in"),
                    setting(field),
                )
            }
            // These come of sources and requests, of which there are none here.
            Cause::Stale
            | Cause::Unavailable
            | Cause::UnknownFlag
            | Cause::Rejected
            | Cause::TypeMismatch
            | Cause::UnknownVariant
            | Cause::NoFlags
            | Cause::Test => (self.result.answer.reason.to_string(), None),
        }
    }

    fn rule(&self, index: u16) -> Option<Range<usize>> {
        self.tests.rules.get(usize::from(index)).cloned()
    }

    /// The share of users, and the setting that says it: that of the file, or of the stage then.
    fn percentage(&self) -> (String, Field) {
        let mut resolved = Resolved::new(self.definition.cloned().unwrap_or_default(), 0);
        resolved.set_time(self.result.time);
        let (percentage, field) = resolved.percentage();
        (percentage.to_string(), field)
    }

    /// The first flag that is required and does not answer as it has to.
    fn unmet(&self) -> String {
        let is_unmet = |required: &&Prerequisite| !self.is_met(required);
        let Some(Prerequisite { flag, variant }) = self.requires().iter().find(is_unmet) else {
            return "what it requires is off".to_owned();
        };
        match (self.declared.find(flag), variant) {
            (None, _) => format!("there is no flag `{flag}`"),
            (Some(_), None) => format!("`{flag}` is off"),
            (Some(_), Some(variant)) => format!("`{flag}` does not serve `{variant}`"),
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
        let served = evaluation.served(self.context, &mut ());
        match (&required.variant, served.arm) {
            (None, _) => served.on,
            (Some(_), None) => false,
            (Some(name), Some(arm)) => *name == arm.name && (served.on || arm.counts_as_off),
        }
    }

    /// That a flag which is required is not what the file says.
    fn kept(&self) -> Option<String> {
        let flags = self.requires().iter().map(|required| &required.flag);
        let flag = flags.into_iter().find(|flag| self.declared.rejected.contains(&***flag))?;
        Some(match self.declared.previous.contains_key(&**flag) {
            true => format!("`{flag}`, which it requires, keeps its previous definition"),
            false => format!("`{flag}`, which it requires, is rejected"),
        })
    }
}
