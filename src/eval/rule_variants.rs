//! Which variants the rules of a flag serve.

use super::{
    bucket,
    unit::{self, unit},
    visitor::{Draw, Visitor},
};
use crate::model::{Attribute, Cause, Context, Rule, Serve};

/// What each rule says about variants; empty if none says anything.
#[derive(Debug, Default)]
pub(super) struct RuleVariants(Box<[Choice]>);

#[derive(Debug)]
enum Choice {
    /// Nothing: the variant is drawn by the weights of the flag.
    Flag,
    One(usize),
    Split(Box<Split>),
}

/// Variants side by side, each as wide as its weight.
#[derive(Debug)]
struct Split {
    seed: u64,
    bucket_by: Option<Attribute>,
    no_unit: Cause,
    total: u64,
    /// Where each ends, and which variant it is.
    ends: Vec<(u64, usize)>,
}

/// What the rule that decided chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    Variant(usize),
    /// There is nothing to draw a bucket by.
    NoUnit(Cause),
}

impl RuleVariants {
    /// `place` has the index of a variant by its name.
    pub(super) fn compile(
        rules: &[Rule],
        salt: &str,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Self {
        let choice = |rule: &Rule| match &rule.serve {
            Serve::Variant(name) => place(name).map_or(Choice::Flag, Choice::One),
            Serve::Split(split) => {
                let mut total = 0_u64;
                let end = |(name, weight): &(String, crate::model::Weight)| {
                    total = total.saturating_add(weight.ten_thousandths());
                    Some((total, place(name)?))
                };
                let ends: Option<_> = split.iter().map(end).collect();
                ends.map_or(Choice::Flag, |ends| {
                    let seed = bucket::rule_seed(salt, rule);
                    let bucket_by = Attribute::unit(&rule.bucket_by);
                    let no_unit = unit::missing(bucket_by.as_ref());
                    Choice::Split(Split { seed, bucket_by, no_unit, total, ends }.into())
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

    /// Returns what `rule`, the one that turned the flag on, chose, if there is one and it chose.
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
            Choice::Split(split) => Some(split.draw(context, visitor)),
        }
    }
}

impl Split {
    // Apart, since few rules split.
    #[inline(never)]
    fn draw(&self, context: &Context<'_>, visitor: &mut impl Visitor) -> Chosen {
        let unit = unit(context, self.bucket_by.as_ref());
        let bucket = unit.map(|unit| bucket::draw(unit, self.seed));
        visitor.drew(Draw::Split, bucket);
        let Some(bucket) = bucket else { return Chosen::NoUnit(self.no_unit) };
        let point = bucket::point(bucket, self.total);
        let drawn = self.ends.iter().find(|(end, _)| point < *end);
        drawn.map_or(Chosen::NoUnit(self.no_unit), |&(_, variant)| Chosen::Variant(variant))
    }
}
