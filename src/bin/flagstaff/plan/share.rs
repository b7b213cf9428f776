//! The share of its users that a draw gives to each outcome.

use std::time::SystemTime;

use flagstaff::{
    Percentage,
    answer::Draw,
    definition::{Rule, Serve, SharedDefinition, Variants},
};

use crate::number;

/// The tolerance within which two shares are equal.
const NOTHING: f64 = 1e-9;

/// One outcome of a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// The flag is on, or off.
    On(bool),
    /// The flag serves the variant of this name.
    Variant(&'a str),
}

/// The shares that the draws of a flag give at one instant.
#[derive(Debug)]
pub(super) struct Shares {
    percentage: Percentage,
    definition: SharedDefinition,
}

impl Shares {
    pub(super) fn new(definition: &SharedDefinition, at: SystemTime) -> Self {
        let stage = definition.rare().rollout.value().and_then(|rollout| rollout.at(at));
        let percentage = stage.map(|stage| stage.percentage);
        let percentage = percentage.or(definition.percentage.value().copied());
        Self { percentage: percentage.unwrap_or_default(), definition: definition.clone() }
    }

    /// Returns `true` if both are one draw for the same users. Rules are the same if they have the same
    /// name or the same condition: either may be edited.
    pub(super) fn is_same_draw(&self, draw: Draw, other: &Self, other_draw: Draw) -> bool {
        let (Draw::Rule(a), Draw::Rule(b)) = (draw, other_draw) else { return draw == other_draw };
        match (self.rule(a), other.rule(b)) {
            (Some(a), Some(b)) => a.when == b.when || (a.name.is_some() && a.name == b.name),
            _ => false,
        }
    }

    /// Returns `true` if the shares alone explain that a user moves from one outcome to the other: the
    /// first became smaller and the second larger. Another draw than these may have moved the user, too.
    pub(super) fn explain(
        before: (&Self, Draw),
        after: (&Self, Draw),
        from: Outcome<'_>,
        to: Outcome<'_>,
    ) -> bool {
        let growth = |outcome| {
            let share = |(shares, draw): (&Self, Draw)| shares.of(draw, outcome);
            Some(share(after)? - share(before)?)
        };
        let (Some(from), Some(to)) = (growth(from), growth(to)) else { return true };
        from < -NOTHING && to > NOTHING
    }

    /// Returns the share of users, from 0 to 1, that a draw has this outcome for; `None` if it does not decide
    /// on such outcomes.
    fn of(&self, draw: Draw, outcome: Outcome<'_>) -> Option<f64> {
        match draw {
            Draw::Percentage => gate(self.percentage, outcome),
            Draw::Variants => Some(self.variants(outcome)),
            Draw::Rule(rule) => match &self.rule(rule)?.serve {
                Serve::Percentage(percentage) => gate(*percentage, outcome),
                Serve::Split(split) => Some(self.weighed(
                    split.iter().map(|(name, weight)| (name.as_str(), weight.ten_thousandths())),
                    outcome,
                )),
                _ => None,
            },
            _ => None,
        }
    }

    fn variants(&self, outcome: Outcome<'_>) -> f64 {
        let rare = self.definition.rare();
        let weights = rare.variants.value().into_iter().flat_map(Variants::iter);
        let weights = weights.map(|(name, variant)| {
            (name, variant.weight.value().copied().unwrap_or_default().ten_thousandths())
        });
        let traffic = rare.traffic.value().map_or(1.0, |&traffic| number::share(traffic));
        let is_kept_out = match outcome {
            Outcome::On(on) => !on,
            Outcome::Variant(name) => self.definition.off_variant() == Some(name),
        };
        let kept_out = if is_kept_out { 1.0 - traffic } else { 0.0 };
        kept_out + traffic * self.weighed(weights, outcome)
    }

    /// Returns the share of an outcome by its weight.
    fn weighed<'a>(
        &self,
        weights: impl Iterator<Item = (&'a str, u64)>,
        outcome: Outcome<'_>,
    ) -> f64 {
        let variants = self.definition.rare().variants.value();
        let is_off = |name| variants.is_some_and(|variants| variants.counts_as_off(name));
        let (mut own, mut total) = (0.0, 0.0);
        for (name, weight) in weights {
            let weight = weight as f64;
            let is_own = match outcome {
                Outcome::On(on) => on != is_off(name),
                Outcome::Variant(variant) => name == variant,
            };
            total += weight;
            own += if is_own { weight } else { 0.0 };
        }
        if total > 0.0 { own / total } else { 0.0 }
    }

    fn rule(&self, index: u16) -> Option<&Rule> {
        self.definition.rare().rules.value()?.get(usize::from(index))
    }
}

/// Returns the share of users inside of a percentage, or outside.
fn gate(percentage: Percentage, outcome: Outcome<'_>) -> Option<f64> {
    match outcome {
        Outcome::On(true) => Some(number::share(percentage)),
        Outcome::On(false) => Some(1.0 - number::share(percentage)),
        Outcome::Variant(_) => None,
    }
}
