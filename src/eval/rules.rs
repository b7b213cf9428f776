//! The rules of a flag, compiled.
//!
//! All conditions are one flat array of comparisons, each with the place to go on at when it holds
//! and when it does not. Negations are moved down to the comparisons; then a condition that nobody
//! can know needs no third value, since a rule matches only when its condition is true: a
//! comparison that cannot be made does not hold, negated or not.

use std::sync::Arc;

use super::{
    attribute,
    bucket::{self, Reach},
    unit::unit,
    visitor::{Draw, Visitor},
};
use crate::model::{Attribute, Comparison, Condition, Context, Matcher, Rule, Serve, Variants};

#[derive(Debug)]
pub(crate) struct Rules {
    steps: Box<[Step]>,
    /// Where the first rule begins.
    start: Target,
    outcomes: Box<[Outcome]>,
}

#[derive(Debug)]
struct Step {
    attribute: Attribute,
    matcher: Arc<Matcher>,
    negated: bool,
    holds: Target,
    fails: Target,
}

/// A step; or, counted on from the last step, the rule that matches; or, after these, no rule.
type Target = u32;

/// What a rule serves.
#[derive(Debug)]
pub(crate) enum Outcome {
    Fixed(bool),
    /// On, with a variant that is drawn.
    Split,
    Drawn {
        bucket_by: Option<Attribute>,
        seed: u64,
        threshold: u64,
    },
}

/// What a rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    On,
    Off,
    /// In or out by bucket; in, if a variant is drawn.
    Drawn(bool),
    /// There is nothing to draw a bucket by.
    NoUnit,
}

impl Rules {
    /// Compiles the rules of a flag, if it has any.
    pub(crate) fn compile(rules: &[Rule], salt: &str, variants: Option<&Variants>) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let mut compiler = Compiler::default();
        let mut start = Place::NoRule;
        for (index, rule) in rules.iter().enumerate().rev() {
            start = compiler.compile(&rule.when, true, Place::Rule(index), start);
        }
        let outcomes = rules.iter().map(|rule| Outcome::compile(rule, salt, variants)).collect();
        Some(compiler.finish(start, outcomes))
    }

    /// The first rule that matches, and what it serves.
    #[inline]
    pub(crate) fn evaluate(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<(usize, Served)> {
        let mut at = self.start as usize;
        while let Some(step) = self.steps.get(at) {
            let outcome = attribute::test(&step.attribute, &step.matcher, context);
            let outcome = outcome.map(|matches| matches != step.negated);
            visitor.compared(at, outcome);
            at = if outcome == Some(true) { step.holds } else { step.fails } as usize;
        }
        let rule = at - self.steps.len();
        let outcome = self.outcomes.get(rule)?;
        visitor.matched(rule);
        Some((rule, outcome.serve(context, visitor)))
    }
}

impl Outcome {
    fn compile(rule: &Rule, salt: &str, variants: Option<&Variants>) -> Self {
        // A variant that the flag does not have is off, as it is in all layers.
        let is_known = |name: &str| variants.is_some_and(|known| known.variant(name).is_some());
        match &rule.serve {
            Serve::On => Self::Fixed(true),
            Serve::Off => Self::Fixed(false),
            Serve::Variant(name) => Self::Fixed(is_known(name)),
            Serve::Split(split) => match split.iter().all(|(name, _)| is_known(name)) {
                true => Self::Split,
                false => Self::Fixed(false),
            },
            Serve::Percentage(percentage) => match Reach::of(*percentage) {
                Reach::Everybody => Self::Fixed(true),
                Reach::Below(threshold) => {
                    let bucket_by = rule.bucket_by.clone().map(Attribute::unit);
                    Self::Drawn { bucket_by, seed: bucket::rule_seed(salt, rule), threshold }
                }
            },
        }
    }

    #[inline]
    fn serve(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Served {
        match self {
            Self::Fixed(true) => Served::On,
            Self::Fixed(false) => Served::Off,
            Self::Split => Served::Drawn(true),
            Self::Drawn { bucket_by, seed, threshold } => {
                let unit = unit(context, bucket_by.as_ref());
                let bucket = unit.map(|unit| bucket::draw(unit, *seed));
                visitor.drew(Draw::Rule, bucket);
                bucket.map_or(Served::NoUnit, |bucket| Served::Drawn(bucket < *threshold))
            }
        }
    }
}

/// Steps from the last to the first, so that every step knows where to go on.
#[derive(Default)]
struct Compiler<'r> {
    steps: Vec<(&'r Comparison, bool, Place, Place)>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Counted from the last step.
    Step(usize),
    Rule(usize),
    NoRule,
}

impl<'r> Compiler<'r> {
    /// Where to begin in order to arrive at `holds` when the condition is `wanted`, and else at
    /// `fails`.
    fn compile(
        &mut self,
        condition: &'r Condition,
        wanted: bool,
        holds: Place,
        fails: Place,
    ) -> Place {
        match (condition, wanted) {
            (Condition::Compare(comparison), _) => {
                self.steps.push((comparison, wanted, holds, fails));
                Place::Step(self.steps.len() - 1)
            }
            (Condition::Not(condition), _) => self.compile(condition, !wanted, holds, fails),
            (Condition::Segment(segment), _) => self.compile(&segment.when, wanted, holds, fails),
            (Condition::All(all), true) | (Condition::Any(all), false) => {
                let mut next = holds;
                for condition in all.iter().rev() {
                    next = self.compile(condition, wanted, next, fails);
                }
                next
            }
            (Condition::Any(any), true) | (Condition::All(any), false) => {
                let mut next = fails;
                for condition in any.iter().rev() {
                    next = self.compile(condition, wanted, holds, next);
                }
                next
            }
        }
    }

    fn finish(self, start: Place, outcomes: Box<[Outcome]>) -> Rules {
        let steps = self.steps.len();
        let target = |place| {
            let index = match place {
                Place::Step(from_last) => steps - 1 - from_last,
                Place::Rule(rule) => steps + rule,
                Place::NoRule => steps + outcomes.len(),
            };
            Target::try_from(index).expect("less than 2^32 comparisons")
        };
        let step = |(comparison, wanted, holds, fails): (&Comparison, _, _, _)| Step {
            attribute: comparison.place().clone(),
            matcher: Arc::clone(comparison.matcher()),
            negated: comparison.operator().is_negation() == wanted,
            holds: target(holds),
            fails: target(fails),
        };
        let start = target(start);
        let steps = self.steps.into_iter().rev().map(step).collect();
        Rules { steps, start, outcomes }
    }
}
