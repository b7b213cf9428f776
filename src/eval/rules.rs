//! The rules of a flag, compiled.
//!
//! All conditions are one flat array of comparisons, each with the place to go on at when it holds
//! and when it does not. Negations are moved down to the comparisons; then a condition that nobody
//! can know needs no third value, since a rule matches only when its condition is true: a
//! comparison that cannot be made does not hold, negated or not.

use std::sync::Arc;

use super::{
    attribute, bucket,
    evaluation::Verdict,
    share::Share,
    variants::Variants,
    visitor::{Draw, Visitor},
};
use crate::model::{
    Attribute, Cause, Comparison, Condition, Context, Definition, Matcher, Rule, Serve,
};

#[derive(Debug)]
pub(super) struct Rules {
    steps: Box<[Step]>,
    /// Where the first rule begins.
    start: Target,
    outcomes: Box<[Share]>,
}

#[derive(Debug)]
struct Step {
    attribute: Attribute,
    matcher: Arc<Matcher>,
    /// What the attribute has to do for the comparison to hold: to match, or not to.
    wanted: bool,
    /// Where to go on when the attribute does not match, when it does, and when nobody can know.
    next: [Target; 3],
}

/// A step; or, counted on from the last step, the rule that matches; or, after these, no rule.
type Target = u32;

impl Rules {
    /// Compiles the rules of a flag, if it has any. What they answer is `matched`, but for whether
    /// it is on, and for the cause.
    pub(super) fn compile(
        rules: &[Rule],
        salt: &str,
        definition: &Definition,
        matched: Verdict,
    ) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let mut compiler = Compiler::default();
        let mut start = Place::NoRule;
        for (index, rule) in rules.iter().enumerate().rev() {
            start = compiler.compile(&rule.when, true, Place::Rule(index), start);
        }
        let outcomes = rules.iter().enumerate().map(|(index, rule)| {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            outcome(rule, index, salt, definition, matched)
        });
        let outcomes = outcomes.collect();
        Some(compiler.finish(start, outcomes))
    }

    /// What the first rule serves that matches.
    #[inline]
    pub(super) fn evaluate(
        &self,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<&Verdict> {
        let mut at = self.start as usize;
        while let Some(step) = self.steps.get(at) {
            let matches = attribute::test(&step.attribute, &step.matcher, context);
            visitor.compared(at, matches.map(|matches| matches == step.wanted));
            at = step.next[matches.map_or(2, usize::from)] as usize;
        }
        let rule = at - self.steps.len();
        let outcome = self.outcomes.get(rule)?;
        visitor.matched(rule);
        Some(outcome.draw(context, Draw::Rule, visitor))
    }
}

fn outcome(
    rule: &Rule,
    index: u16,
    salt: &str,
    definition: &Definition,
    matched: Verdict,
) -> Share {
    let variants = definition.rare().variants.value();
    let has_content = Variants::has_content(definition);
    let fixed = |on, cause| Verdict { rule: Some(index), ..matched.with(on, cause) };
    let (matches, splits) = (Cause::Rule(index), Cause::RuleSplit(index));
    // A variant that the flag does not have is off, as it is in all sources.
    let is_known = |name: &str| variants.is_some_and(|known| known.variant(name).is_some());
    match &rule.serve {
        Serve::On => Share::Fixed(fixed(true, matches).insisting()),
        Serve::Off => Share::Fixed(fixed(false, matches)),
        Serve::Variant(name) => Share::Fixed(fixed(is_known(name), matches)),
        // Off is what the off flag serves. What is served decides here, so the verdict leaves it to that.
        Serve::Default => Share::Fixed(fixed(has_content, matches)),
        Serve::Split(split) => match split.iter().all(|(name, _)| is_known(name)) {
            true => Share::Fixed(fixed(true, splits)),
            false => Share::Fixed(fixed(false, matches)),
        },
        Serve::Percentage(percentage) => {
            let (seed, unit) = (bucket::rule_seed(salt, rule), Attribute::unit(&rule.bucket_by));
            let fixed_shares = [false, true].map(|on| fixed(on, matches));
            Share::new(*percentage, seed, unit, fixed_shares, fixed(true, splits))
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
            (Condition::Not(not), _) => self.compile(not.condition(), !wanted, holds, fails),
            (Condition::Segment(segment), _) => self.compile(segment.when(), wanted, holds, fails),
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

    fn finish(self, start: Place, outcomes: Box<[Share]>) -> Rules {
        let steps = self.steps.len();
        let target = |place| {
            let index = match place {
                Place::Step(from_last) => steps - 1 - from_last,
                Place::Rule(rule) => steps + rule,
                Place::NoRule => steps + outcomes.len(),
            };
            Target::try_from(index).expect("less than 2^32 comparisons")
        };
        let step = |(comparison, wanted, holds, fails): (&Comparison, _, _, _)| {
            let (holds, fails) = (target(holds), target(fails));
            let wanted = comparison.operator().is_negation() != wanted;
            Step {
                attribute: comparison.place().clone(),
                matcher: Arc::clone(comparison.matcher()),
                wanted,
                next: if wanted { [fails, holds, fails] } else { [holds, fails, fails] },
            }
        };
        let start = target(start);
        let steps = self.steps.into_iter().rev().map(step).collect();
        Rules { steps, start, outcomes }
    }
}
