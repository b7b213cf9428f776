//! The variants that the rules of a flag serve.

use super::{
    bucket::{self, Pieces},
    unit::{self, unit},
    visitor::{Draw, Visitor},
};
use crate::model::{Attribute, Cause, Context, Rule, Serve, Weight};

/// The choice of each rule among variants; empty if no rule makes one.
#[derive(Debug, Default)]
pub(super) struct RuleVariants(Box<[Choice]>);

#[derive(Debug)]
enum Choice {
    /// No choice: the variant is drawn by the weights of the flag.
    Flag,
    One(usize),
    Other(Box<Other>),
}

/// The choices that few rules make. A type of their own keeps telling the others apart fast.
#[derive(Debug)]
enum Other {
    /// No variant, not even that of the off flag.
    Default,
    Split(Split),
}

/// Variants that lie side by side, each as wide as its weight.
#[derive(Debug)]
struct Split {
    seed: u64,
    bucket_by: Option<Attribute>,
    no_unit: Cause,
    total: u64,
    /// The end of each variant, and its index.
    ends: Vec<(u64, usize)>,
}

/// The choice of the rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    Variant(usize),
    Nothing(Nothing),
}

/// The reason why the rule that decided serves no variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nothing {
    /// The rule leaves the value to the caller's default.
    Default,
    /// The context has no unit to draw a bucket by.
    NoUnit(Cause),
}

impl RuleVariants {
    /// Compiles the choices of all rules. `place` returns the index of a variant by its name.
    pub(super) fn compile(
        rules: &[Rule],
        salt: &str,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Self {
        let choice = |rule: &Rule| match &rule.serve {
            Serve::Variant(name) => place(name).map_or(Choice::Flag, Choice::One),
            Serve::Default => Choice::Other(Other::Default.into()),
            Serve::Split(split) => {
                let mut pieces = Pieces::default();
                let end =
                    |(name, weight): &(String, Weight)| Some((pieces.add(*weight), place(name)?));
                let ends: Option<_> = split.iter().map(end).collect();
                ends.map_or(Choice::Flag, |ends| {
                    let seed = bucket::rule_seed(salt, rule);
                    let bucket_by = Attribute::unit(&rule.bucket_by);
                    let no_unit = unit::missing(bucket_by.as_ref());
                    let total = pieces.total();
                    let split = Split { seed, bucket_by, no_unit, total, ends };
                    Choice::Other(Other::Split(split).into())
                })
            }
            Serve::On | Serve::Off | Serve::Percentage(_) => Choice::Flag,
        };
        let choices: Box<[_]> = rules.iter().map(choice).collect();
        match choices.iter().all(|choice| matches!(choice, Choice::Flag)) {
            true => Self::default(),
            false => Self(choices),
        }
    }

    /// Returns the choice of `rule`, the rule that turned the flag on, if there is one and it makes
    /// a choice.
    #[inline]
    pub(super) fn chosen(
        &self,
        rule: Option<u16>,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Option<Chosen> {
        match self.0.get(usize::from(rule?))? {
            Choice::Flag => None,
            Choice::One(variant) => Some(Chosen::Variant(*variant)),
            Choice::Other(other) => Some(other.choose(context, visitor)),
        }
    }
}

impl Other {
    // A function of its own, since few rules split.
    #[inline(never)]
    fn choose(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Chosen {
        match self {
            Self::Default => Chosen::Nothing(Nothing::Default),
            Self::Split(split) => split.draw(context, visitor),
        }
    }
}

impl Split {
    #[inline]
    fn draw(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Chosen {
        let unit = unit(context, self.bucket_by.as_ref());
        let bucket = unit.map(|unit| {
            visitor.drawing_by(unit);
            bucket::draw(unit, self.seed)
        });
        visitor.drew(Draw::Split, bucket);
        let no_unit = Chosen::Nothing(Nothing::NoUnit(self.no_unit));
        let Some(bucket) = bucket else { return no_unit };
        let point = bucket::point(bucket, self.total);
        let drawn = self.ends.iter().find(|(end, _)| point < *end);
        drawn.map_or(no_unit, |&(_, variant)| Chosen::Variant(variant))
    }
}
