//! The overrides in force around the code that runs, and their effect on a flag.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use super::{Evaluated, Override, Overrides};
use crate::{
    backend::SourceId,
    eval::{Decision, Evaluation, Ground, Variants, Verdict},
    flags::{Flags, RequestFlags, Scope},
    model::{Cause, Context, Value},
};

/// All overrides in force, the innermost last.
#[derive(Clone, Default)]
pub(crate) struct ScopedOverrides(Option<Arc<[Arc<Group>]>>);

/// The overrides that were put in force together.
struct Group {
    overrides: Overrides,
    evaluated: Evaluated,
}

impl ScopedOverrides {
    pub(crate) const NONE: Self = Self(None);

    pub(super) fn new(overrides: Overrides) -> Self {
        let group = Group { overrides, evaluated: Evaluated::recorded() };
        Self(Some([Arc::new(group)].into()))
    }

    /// Returns the overrides in force around the code that runs.
    pub(crate) fn current() -> Self {
        Scope::with(|scope| scope.overrides.clone()).unwrap_or_default()
    }

    /// Adds these overrides to those around them. Those that are among them already keep their
    /// place, so that an override that was added later, further in, still takes precedence.
    pub(crate) fn within(self, outer: Self) -> Self {
        match (&self.0, &outer.0) {
            (_, None) => self,
            (None, _) => outer,
            _ if self.are_among(&outer) => outer,
            (Some(inner), Some(around)) => {
                let is_new = |group: &&Arc<Group>| !outer.has(group);
                Self(Some(around.iter().chain(inner.iter().filter(is_new)).cloned().collect()))
            }
        }
    }

    /// Returns true if the code that runs is within all of these overrides.
    #[inline]
    pub(crate) fn are_in_force(&self) -> bool {
        self.0.is_none() || Scope::with(|scope| self.are_among(&scope.overrides)).unwrap_or(true)
    }

    fn are_among(&self, others: &Self) -> bool {
        self.groups().all(|group| others.has(group))
    }

    fn has(&self, group: &Arc<Group>) -> bool {
        self.groups().any(|other| Arc::ptr_eq(other, group))
    }

    fn groups(&self) -> impl DoubleEndedIterator<Item = &Arc<Group>> {
        self.0.iter().flat_map(|groups| groups.iter())
    }

    /// Returns the innermost override of a flag, and records the evaluation in all scopes.
    fn asked(&self, name: &str) -> Option<&Override> {
        let mut found = None;
        for group in self.groups().rev() {
            group.evaluated.note(name);
            found = found.or_else(|| group.overrides.find(name));
        }
        found
    }

    /// Returns the record of the innermost scope.
    pub(super) fn evaluated(&self) -> Option<&Evaluated> {
        self.groups().next_back().map(|group| &group.evaluated)
    }
}

impl fmt::Debug for ScopedOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.groups().map(|group| &group.overrides)).finish()
    }
}

/// Returns the evaluation of a flag that the running test overrides. `declared` are the variants of
/// the flag.
#[inline]
pub(crate) fn overridden<'a>(
    name: &str,
    evaluated: &Evaluated,
    declared: Option<&'a Variants>,
) -> Option<Evaluation<'a>> {
    static OFF: Verdict = verdict(false);
    static ON: Verdict = verdict(true);

    evaluated.note(name);
    let asked = |scope: &Scope| {
        let value = scope.overrides.asked(name)?;
        let verdict = if *value == Override::Off { &OFF } else { &ON };
        Some(Evaluation::new(verdict, variants(name, value, declared)))
    };
    Scope::with(asked).flatten()
}

const fn verdict(on: bool) -> Verdict {
    Verdict::new(on, Decision { cause: Cause::Test, source: SourceId::MAX, stale: false })
        .insisting()
        .on_ground(Ground::Test)
}

/// Returns the variants of a flag that a test overrides. That is a single one if the test chose it.
fn variants<'a>(
    name: &str,
    value: &Override,
    declared: Option<&'a Variants>,
) -> Option<&'a Variants> {
    match value {
        Override::On | Override::Off => declared,
        Override::Variant(variant) => {
            let mut arms = declared.into_iter().flat_map(Variants::arms);
            let value = arms.find(|arm| *arm.name == **variant).map(|arm| &arm.value);
            if let (None, Some(declared)) = (value, declared) {
                let names: Vec<_> = declared.arms().iter().map(|arm| arm.name).collect();
                panic!(
                    "the test overrides flag `{name}` with the variant `{variant}`, which it does \
                     not have: its variants are `{}`",
                    names.join("`, `")
                );
            }
            Some(Variants::only(Some(variant), value.and_then(Option::as_ref)))
        }
        Override::Value(value) => {
            let mut arms = declared.into_iter().flat_map(Variants::arms);
            let arm = arms.find(|arm| arm.value.as_ref() == Some(value));
            let is_constant = declared.is_some_and(|declared| declared.constant().is_some());
            let name = match arm {
                Some(arm) => Some(arm.name),
                None if is_constant && !matches!(value, Value::Bool(_)) => None,
                None => Some("test"),
            };
            Some(Variants::only(name, Some(value)))
        }
    }
}

/// Returns the flags in scope of overrides where there are no others: none. Evaluating a flag that
/// is not overridden panics, as for all flags of tests.
pub(crate) fn without_flags(overrides: &ScopedOverrides) -> Option<RequestFlags> {
    // Pinned outside of overrides: a scope with overrides has flags already.
    static NONE: LazyLock<RequestFlags> =
        LazyLock::new(|| Flags::for_test().start().pin(Context::anonymous()));
    overrides.0.is_some().then(|| NONE.clone())
}
