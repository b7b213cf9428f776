//! The rules of a flag, compiled.
//!
//! All conditions are one flat array of comparisons. Each has the index to continue at when it
//! holds, and the one when it does not. Negations are moved down to the comparisons. An unknown
//! condition then needs no third value, since a rule matches only when its condition is true. A
//! comparison that cannot be made does not hold, negated or not. `unless` exchanges the two
//! indices. So a comparison in it that cannot be made continues where one that does not hold would.

use std::{collections::HashSet, sync::Arc};

use super::{
    answers::Answers,
    attribute, bucket,
    need::Need,
    share::Share,
    variants::Variants,
    verdict::Verdict,
    visitor::{Draw, Visitor},
};
use crate::model::{
    Attribute, Cause, Comparison, Condition, Context, Definition, Matcher, Prerequisite, Rule,
    Serve, Slot,
};

/// The rules of a flag. `S` is the type of their comparisons. Flags whose conditions name no other
/// flag use [`Compared`], the only type that most evaluations need.
#[derive(Debug)]
pub(super) struct Rules<S = Compared> {
    steps: Box<[Step<S>]>,
    /// The step at which the first rule begins.
    start: Target,
    outcomes: Box<[Share]>,
}

#[derive(Debug)]
struct Step<S> {
    subject: S,
    /// The outcome with which the comparison holds: true if the subject has to match, false if it
    /// must not.
    wanted: bool,
    /// The targets when the subject does not match, when it does, and when that is unknown.
    next: [Target; 3],
}

/// The subject of a step's comparison.
pub(crate) trait Subject {
    /// The answers of other flags, if they are needed.
    type Others<'o>: Copy;

    fn test(&self, context: &Context<'_>, others: Self::Others<'_>) -> Option<bool>;
}

/// An attribute with its operand.
#[derive(Debug)]
pub(crate) struct Compared {
    attribute: Attribute,
    matcher: Arc<Matcher>,
}

impl Compared {
    fn of(comparison: &Comparison) -> Self {
        Self { attribute: comparison.place().clone(), matcher: Arc::clone(comparison.matcher()) }
    }
}

impl Subject for Compared {
    type Others<'o> = ();

    #[inline(always)]
    fn test(&self, context: &Context<'_>, (): ()) -> Option<bool> {
        attribute::test(&self.attribute, &self.matcher, context)
    }
}

/// A comparison, or a condition on another flag.
#[derive(Debug)]
pub(super) enum Linked {
    Compare(Compared),
    Flag(Need),
    /// True if the flag is in a state, and else unknown.
    Known(Slot),
}

impl Subject for Linked {
    type Others<'o> = Answers<'o>;

    fn test(&self, context: &Context<'_>, others: Answers<'_>) -> Option<bool> {
        match self {
            Self::Compare(compared) => compared.test(context, ()),
            Self::Flag(need) => need.holds(others, context),
            Self::Known(slot) => others.of(*slot).map(|_| true),
        }
    }
}

/// The index of a step. Behind the last step come the rules that match, and behind these the end
/// without a match.
type Target = u32;

impl Rules {
    /// Compiles the rules of a flag, if it has any. Their answers are `matched`, with on or off and
    /// the cause filled in.
    ///
    /// A condition on another flag is unknown here: a flag with such conditions is compiled by
    /// [`compile_linked`](Rules::compile_linked), unless it is on a cycle and off.
    pub(super) fn compile(
        rules: &[Rule],
        salt: &str,
        definition: &Definition,
        matched: Verdict,
    ) -> Option<Self> {
        if rules.iter().any(|rule| !rule.flags().is_empty()) {
            return None;
        }
        Self::compile_with(rules, salt, definition, matched, |leaf| match leaf {
            Leaf::Compare(comparison) => Compared::of(comparison),
            Leaf::Flag(_) | Leaf::Known(_) => unreachable!("no rule asks for a flag"),
        })
    }
}

impl Rules<Linked> {
    /// Compiles rules of which some depend on other flags. `need` resolves their prerequisites.
    pub(super) fn compile_linked(
        rules: &[Rule],
        salt: &str,
        definition: &Definition,
        matched: Verdict,
        need: impl Fn(&Prerequisite) -> Need,
    ) -> Option<Self> {
        Self::compile_with(rules, salt, definition, matched, |leaf| match leaf {
            Leaf::Compare(comparison) => Linked::Compare(Compared::of(comparison)),
            Leaf::Flag(prerequisite) => Linked::Flag(need(prerequisite)),
            Leaf::Known(prerequisite) => Linked::Known(need(prerequisite).slot),
        })
    }
}

impl<S: Subject> Rules<S> {
    fn compile_with(
        rules: &[Rule],
        salt: &str,
        definition: &Definition,
        matched: Verdict,
        subject: impl Fn(Leaf<'_>) -> S,
    ) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let mut compiler = Compiler::default();
        let mut start = Place::NoRule;
        for (index, rule) in rules.iter().enumerate().rev() {
            let matches = match &rule.unless {
                None => Place::Rule(index),
                Some(unless) => compiler.unless(unless, true, Place::Rule(index), start),
            };
            start = compiler.compile(&rule.when, true, matches, start);
        }
        let outcomes = rules.iter().enumerate().map(|(index, rule)| {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            outcome(rule, index, salt, definition, matched)
        });
        let outcomes = outcomes.collect();
        Some(compiler.finish(start, outcomes, subject))
    }

    /// Returns the answer of the first rule that matches.
    #[inline]
    pub(super) fn evaluate(
        &self,
        context: &Context<'_>,
        others: S::Others<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<&Verdict> {
        let mut at = self.start as usize;
        while let Some(step) = self.steps.get(at) {
            let matches = step.subject.test(context, others);
            visitor.compared(at, matches.map(|matches| matches == step.wanted));
            at = step.next[matches.map_or(2, usize::from)] as usize;
        }
        let rule = at - self.steps.len();
        let outcome = self.outcomes.get(rule)?;
        visitor.matched(rule);
        Some(outcome.draw(context, Draw::Rule, visitor))
    }
}

#[cfg(feature = "http")]
impl Rules<Linked> {
    /// Returns true if the rules may answer two contexts differently, while the answers of other
    /// flags are constant.
    pub(super) fn depend_on_context(&self) -> bool {
        let compares = |step: &Step<Linked>| matches!(step.subject, Linked::Compare(_));
        self.steps.iter().any(compares)
            || self.outcomes.iter().any(|outcome| matches!(outcome, Share::Drawn(_)))
    }

    /// Returns true if the rules depend on the variant that another flag serves.
    pub(super) fn ask_for_variants(&self) -> bool {
        let asks = |step: &Step<Linked>| match &step.subject {
            Linked::Flag(need) => matches!(need.state, super::need::State::Variants(_)),
            Linked::Compare(_) | Linked::Known(_) => false,
        };
        self.steps.iter().any(asks)
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
    // An unknown variant turns the flag off, as it does in the setting `serve`.
    let is_known = |name: &str| variants.is_some_and(|known| known.variant(name).is_some());
    match &rule.serve {
        Serve::On => Share::Fixed(fixed(true, matches).insisting()),
        Serve::Off => Share::Fixed(fixed(false, matches)),
        Serve::Variant(name) => Share::Fixed(fixed(is_known(name), matches)),
        // An off verdict would serve the variant of the off flag. So the verdict is on, and the
        // choice of no variant turns the flag off.
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

/// The comparison of a step, as in the definition.
#[derive(Debug, Clone, Copy)]
enum Leaf<'r> {
    Compare(&'r Comparison),
    Flag(&'r Prerequisite),
    /// A flag that an `unless` depends on has to be in a state.
    Known(&'r Prerequisite),
}

impl Leaf<'_> {
    fn is_negation(self) -> bool {
        matches!(self, Self::Compare(comparison) if comparison.operator().is_negation())
    }
}

/// Compiles steps from the last to the first, so that the targets of every step exist before it.
#[derive(Default)]
struct Compiler<'r> {
    steps: Vec<(Leaf<'r>, bool, Place, Place)>,
    /// Set inside of an `unless`.
    in_unless: bool,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// An index, counted from the last step.
    Step(usize),
    Rule(usize),
    NoRule,
}

impl<'r> Compiler<'r> {
    /// Returns the place to begin at in order to arrive at `holds` when the condition is `wanted`,
    /// and else at `fails`.
    fn compile(
        &mut self,
        condition: &'r Condition,
        wanted: bool,
        holds: Place,
        fails: Place,
    ) -> Place {
        match (condition, wanted) {
            (Condition::Compare(comparison), _) => {
                self.push(Leaf::Compare(comparison), wanted, holds, fails)
            }
            (Condition::Flag(flag), _) => self.push(Leaf::Flag(flag), wanted, holds, fails),
            (Condition::Not(not), _) => self.compile(not.condition(), !wanted, holds, fails),
            (Condition::Unless(unless), _) => self.unless(unless.condition(), wanted, holds, fails),
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

    /// Returns the place to begin at in order to arrive at `holds` where the condition is not true; or, unless
    /// `wanted`, where it is true.
    fn unless(
        &mut self,
        condition: &'r Condition,
        wanted: bool,
        holds: Place,
        fails: Place,
    ) -> Place {
        let is_outermost = !std::mem::replace(&mut self.in_unless, true);
        let mut next = match wanted {
            true => self.compile(condition, true, fails, holds),
            false => self.compile(condition, true, holds, fails),
        };
        if is_outermost {
            self.in_unless = false;
            // Before all comparisons: their outcomes must not decide whether a lost flag counts.
            for flag in asked_once(condition).into_iter().rev() {
                next = self.push(Leaf::Known(flag), true, next, fails);
            }
        }
        next
    }

    fn push(&mut self, leaf: Leaf<'r>, wanted: bool, holds: Place, fails: Place) -> Place {
        self.steps.push((leaf, wanted, holds, fails));
        Place::Step(self.steps.len() - 1)
    }

    fn finish<S>(
        self,
        start: Place,
        outcomes: Box<[Share]>,
        subject: impl Fn(Leaf<'_>) -> S,
    ) -> Rules<S> {
        let steps = self.steps.len();
        let target = |place| {
            let index = match place {
                Place::Step(from_last) => steps - 1 - from_last,
                Place::Rule(rule) => steps + rule,
                Place::NoRule => steps + outcomes.len(),
            };
            Target::try_from(index).expect("less than 2^32 comparisons")
        };
        let step = |(leaf, wanted, holds, fails): (Leaf<'_>, _, _, _)| {
            let (holds, fails) = (target(holds), target(fails));
            let wanted = leaf.is_negation() != wanted;
            Step {
                subject: subject(leaf),
                wanted,
                next: if wanted { [fails, holds, fails] } else { [holds, fails, fails] },
            }
        };
        let start = target(start);
        let steps = self.steps.into_iter().rev().map(step).collect();
        Rules { steps, start, outcomes }
    }
}

/// Returns the flags that a condition depends on, each once. As many steps come before the
/// comparisons of an outermost `unless`.
pub(crate) fn asked_once(condition: &Condition) -> Vec<&Prerequisite> {
    let mut known = HashSet::new();
    let mut flags = condition.flags();
    flags.retain(|flag| known.insert(&flag.flag));
    flags
}
