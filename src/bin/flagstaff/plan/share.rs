//! Which share of its users a draw gives to each outcome.

use std::time::SystemTime;

use flagstaff::{
    Percentage,
    answer::Cause,
    definition::{Rule, Serve, SharedDefinition},
};

/// Beyond what a share of users can differ by.
const NOTHING: f64 = 1e-9;

/// A draw that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    /// In or out of the percentage of the flag.
    Percentage,
    /// A variant by the weights of the flag, those kept out by `traffic` included.
    Variant,
    /// In or out of the percentage of the rule with this index.
    RulePercentage(u16),
    /// A variant by the weights of the rule with this index.
    RuleVariant(u16),
}

impl Draw {
    /// The draw that turned a flag on or off, if one did.
    pub(super) fn of_gate(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Percentage => Some(Self::Percentage),
            Cause::RuleSplit(rule) => Some(Self::RulePercentage(rule)),
            _ => None,
        }
    }

    /// The draw that chose a variant, if one did.
    pub(super) fn of_variant(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Variant | Cause::Traffic => Some(Self::Variant),
            Cause::RuleSplit(rule) => Some(Self::RuleVariant(rule)),
            _ => None,
        }
    }
}

/// What the draws of a flag give at one instant.
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

    /// Whether the same thing is drawn for the same users. Rules are the same if they have the same
    /// name or the same condition: either may be edited.
    pub(super) fn is_same_draw(&self, draw: Draw, other: &Self, other_draw: Draw) -> bool {
        let same = |a: u16, b: u16| match (self.rule(a), other.rule(b)) {
            (Some(a), Some(b)) => a.when == b.when || (a.name.is_some() && a.name == b.name),
            _ => false,
        };
        match (draw, other_draw) {
            (Draw::RulePercentage(a), Draw::RulePercentage(b))
            | (Draw::RuleVariant(a), Draw::RuleVariant(b)) => same(a, b),
            (draw, other_draw) => draw == other_draw,
        }
    }

    /// Whether the shares alone explain that a user moves from one outcome to the other: the first
    /// became smaller and the second larger.
    pub(super) fn explain(
        before: (&Self, Draw),
        after: (&Self, Draw),
        from: &str,
        to: &str,
    ) -> bool {
        let growth = |outcome| {
            let share = |(shares, draw): (&Self, Draw)| shares.of(draw, outcome);
            share(after) - share(before)
        };
        growth(from) < -NOTHING && growth(to) > NOTHING
    }

    /// The share of users, from 0 to 1, that a draw has this outcome for.
    fn of(&self, draw: Draw, outcome: &str) -> f64 {
        let gate = |percentage: Percentage| match outcome {
            "on" => part(percentage),
            _ => 1.0 - part(percentage),
        };
        match (draw, draw.rule().and_then(|rule| self.rule(rule)).map(|rule| &rule.serve)) {
            (Draw::Percentage, _) => gate(self.percentage),
            (Draw::RulePercentage(_), Some(Serve::Percentage(percentage))) => gate(*percentage),
            (Draw::RuleVariant(_), Some(Serve::Split(split))) => weighed(
                split.iter().map(|(name, weight)| (name.as_str(), weight.ten_thousandths())),
                outcome,
            ),
            (Draw::Variant, _) => self.variant(outcome),
            _ => 0.0,
        }
    }

    fn variant(&self, name: &str) -> f64 {
        let Some(variants) = self.definition.rare().variants.value() else { return 0.0 };
        let weights = variants.iter().map(|(name, variant)| {
            (name, variant.weight.value().copied().unwrap_or_default().ten_thousandths())
        });
        let traffic = self.definition.rare().traffic.value().map_or(1.0, |&traffic| part(traffic));
        let kept_out =
            if self.definition.off_variant() == Some(name) { 1.0 - traffic } else { 0.0 };
        kept_out + traffic * weighed(weights, name)
    }

    fn rule(&self, index: u16) -> Option<&Rule> {
        self.definition.rare().rules.value()?.get(usize::from(index))
    }
}

impl Draw {
    fn rule(self) -> Option<u16> {
        match self {
            Self::RulePercentage(rule) | Self::RuleVariant(rule) => Some(rule),
            Self::Percentage | Self::Variant => None,
        }
    }
}

fn part(percentage: Percentage) -> f64 {
    f64::from(percentage.ten_thousandths()) / 1e6
}

/// The part of one name in all weights.
fn weighed<'a>(weights: impl Iterator<Item = (&'a str, u64)>, name: &str) -> f64 {
    let (mut own, mut total) = (0.0, 0.0);
    for (known, weight) in weights {
        let weight = weight as f64;
        total += weight;
        own += if known == name { weight } else { 0.0 };
    }
    if total > 0.0 { own / total } else { 0.0 }
}
