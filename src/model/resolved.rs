//! A flag as all sources together define it.

use std::time::SystemTime;

use super::{Definition, Field, FlagState, Moment, OnStale, Percentage, SharedDefinition};

/// The definition of one flag merged from all sources, with the source of each field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) definition: SharedDefinition,
    origins: [u8; Field::ALL.len()],
    /// The weaker sources of lists that add up, the weakest first.
    weaker: Vec<Weaker>,
    /// The strongest source that has the flag.
    strongest: u8,
    /// Set if a source forces the flag on, and no stronger one changes its variants.
    forced_on: bool,
    /// Set if the flag is off only because a stored value cannot be read.
    pub(crate) is_unknown: bool,
    /// Set while a source that the flag depends on has been unreachable for too long.
    pub(crate) stale: Option<OnStale>,
    /// The state of the definition at the current time. Most flags do not depend on the time.
    moment: Option<Box<Moment>>,
}

/// The part of a list that adds up which a source other than the strongest one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weaker {
    field: Field,
    source: u8,
    /// The number of entries of this source and those below it, which come first.
    entries: usize,
}

/// Marks a field that no source sets.
const NONE: u8 = u8::MAX;

impl Resolved {
    /// Creates it from the definition in the weakest source that has the flag.
    pub(crate) fn new(definition: SharedDefinition, source: u8) -> Self {
        let mut resolved = Self {
            forced_on: definition.is_forced_on(),
            definition,
            origins: [NONE; Field::ALL.len()],
            weaker: Vec::new(),
            strongest: source,
            is_unknown: false,
            stale: None,
            moment: None,
        };
        let definition = resolved.definition.clone();
        resolved.claim(&definition, source);
        resolved
    }

    /// Applies the definition of a stronger source.
    pub(crate) fn merge(&mut self, patch: &Definition, source: u8) {
        for field in patch.fields().filter(|field| field.adds_up()) {
            match self.claimed(field) {
                _ if patch.removes(field) => self.weaker.retain(|weaker| weaker.field != field),
                Some(_) if self.definition.removes(field) => {}
                Some(below) => {
                    let entries = self.definition.entries(field);
                    self.weaker.push(Weaker { field, source: below, entries });
                }
                None => {}
            }
        }
        self.definition.make_mut().overlay(patch);
        self.strongest = source;
        let chooses = [Field::Serve, Field::Variants, Field::Traffic];
        self.forced_on &= !chooses.into_iter().any(|it| patch.has(it));
        self.forced_on |= patch.is_forced_on();
        self.claim(patch, source);
    }

    /// Records that the source that was merged last forces the flag on.
    pub(crate) fn set_forced_on(&mut self) {
        self.forced_on = true;
    }

    /// Returns true if the flag is on without a variant where there is no unit to draw one by.
    pub(crate) fn is_forced_on(&self) -> bool {
        self.forced_on
    }

    fn claim(&mut self, definition: &Definition, source: u8) {
        for field in definition.fields() {
            self.origins[field as usize] = source;
        }
        for field in definition.ends() {
            self.origins[field as usize] = source;
        }
    }

    /// Sets the instant `now`, after all sources were merged.
    pub(crate) fn set_time(&mut self, now: SystemTime) {
        self.moment = self.moment_at(now).map(Box::new);
    }

    pub(crate) fn moment_at(&self, now: SystemTime) -> Option<Moment> {
        Moment::of(&self.definition, now)
    }

    /// Returns true if the flag can change without any source: with the time, or because a source
    /// is lost.
    pub(crate) fn depends_on_time(&self) -> bool {
        self.moment.is_some() || self.definition.rare().stale_after.value().is_some()
    }

    /// Returns the state at the current time, if the flag depends on the time.
    pub(crate) fn moment(&self) -> Option<&Moment> {
        self.moment.as_deref()
    }

    /// Returns true inside the flag's active window.
    pub(crate) fn is_active(&self) -> bool {
        self.moment().is_none_or(|moment| moment.is_active)
    }

    /// Returns the share of users that no list names, and the field that it comes from.
    pub(crate) fn percentage(&self) -> (Percentage, Field) {
        let field = match self.moment().and_then(|moment| moment.progress) {
            Some(_) => Field::Rollout,
            None => Field::Percentage,
        };
        (Moment::percentage(self.moment(), &self.definition), field)
    }

    /// Returns the source that a field comes from, or the strongest source for a field that has its
    /// default.
    pub(crate) fn origin(&self, field: Field) -> u8 {
        self.strongest_of(&[field])
    }

    /// Returns the setting through which other flags decide about this one.
    pub(crate) fn needing(&self) -> Field {
        let requires = self.definition.rare().requires.value();
        match requires.is_some_and(|requires| !requires.is_empty()) {
            true => Field::Requires,
            false => Field::Rules,
        }
    }

    /// Returns the strongest source that one of the fields comes from.
    pub(crate) fn strongest_of(&self, fields: &[Field]) -> u8 {
        let claimed = fields.iter().filter_map(|&field| self.claimed(field));
        claimed.min().unwrap_or(self.strongest)
    }

    /// Returns the source that sets or removes a field, if any does.
    pub(crate) fn claimed(&self, field: Field) -> Option<u8> {
        Some(self.origins[field as usize]).filter(|&source| source != NONE)
    }

    /// Returns the sources that a field comes from, the weakest first, each with the end of its
    /// entries. Only lists that add up have several.
    pub(crate) fn parts(&self, field: Field) -> impl Iterator<Item = (u8, usize)> {
        let weaker = self.weaker.iter().filter(move |weaker| weaker.field == field);
        let strongest = self.claimed(field).map(|source| (source, self.definition.entries(field)));
        weaker.map(|weaker| (weaker.source, weaker.entries)).chain(strongest)
    }

    /// Returns the sources that a field comes from, the weakest first. Only lists that add up have
    /// several.
    pub(crate) fn sources_of(&self, field: Field) -> impl Iterator<Item = u8> {
        self.parts(field).map(|(source, _)| source)
    }

    pub(crate) fn state(&self) -> FlagState {
        match self.stale {
            Some(OnStale::On) => FlagState::On,
            Some(OnStale::Off | OnStale::Unavailable) => FlagState::Off,
            Some(OnStale::Keep | OnStale::Declared) | None => {
                FlagState::of(&self.definition, self.moment())
            }
        }
    }
}
