//! The draws of a flag, and the share of users that an edit moves.
//!
//! A draw cuts the buckets from 0 to 2^64 into pieces, one for each outcome. Two draws with the
//! same seed and unit see the same bucket. So their common share is the overlap of their pieces,
//! exact to the last bucket. Two draws with another seed or unit are independent, so their common
//! share is the product.

use std::collections::BTreeMap;

use crate::{
    eval::bucket::{Pieces, Reach},
    model::{BucketBy, Definition, Field, Percentage, Rule, Serve, Weight},
};

/// The answer that a user gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome<'d> {
    on: bool,
    variant: Option<&'d str>,
}

/// The result of a draw, or of a step before it.
#[derive(Debug, Clone, Copy)]
enum Next<'d> {
    Served(Outcome<'d>),
    /// The next step decides.
    GoOn,
}

/// The inputs of a bucket.
#[derive(Debug, PartialEq, Eq)]
struct Bucket<'d> {
    salt: &'d str,
    /// The name of the rule that draws, if a rule does.
    rule: Option<&'d str>,
    unit: &'d str,
}

/// One draw: the end of each piece, and its result.
#[derive(Debug)]
struct Draw<'d> {
    bucket: Bucket<'d>,
    pieces: Vec<(u128, Next<'d>)>,
}

/// The steps of an evaluation, in their order: the percentage or the rule, the traffic, and the
/// variants.
#[derive(Debug)]
pub(super) struct Steps<'d>([Draw<'d>; 3]);

/// The number of buckets.
const ALL: u128 = 1 << 64;

impl<'d> Steps<'d> {
    /// Returns the steps for users whom no list names and no rule matches. `percentage` is the one
    /// in force.
    pub(super) fn of_flag(
        key: &'d str,
        definition: &'d Definition,
        percentage: Percentage,
    ) -> Self {
        let flag = Flag::new(key, definition);
        let first = Draw { bucket: flag.bucket(), pieces: flag.share(percentage) };
        flag.steps(first)
    }

    /// Returns the steps for users whom a rule of a flag matches.
    pub(super) fn of_rule(key: &'d str, definition: &'d Definition, rule: &'d Rule) -> Self {
        let flag = Flag::new(key, definition);
        let on = |variant: &'d str| flag.serve(variant);
        let pieces = match &rule.serve {
            Serve::On => vec![(ALL, Next::GoOn)],
            Serve::Off => vec![(ALL, flag.off())],
            Serve::Variant(name) => vec![(ALL, on(name))],
            Serve::Default => vec![(ALL, Next::Served(Outcome { on: false, variant: None }))],
            Serve::Percentage(percentage) => flag.share(*percentage),
            Serve::Split(split) => {
                pieces(split.iter().map(|(name, weight)| (on(name), *weight))).collect()
            }
        };
        let bucket = Bucket {
            salt: flag.salt,
            rule: Some(rule.name.as_deref().unwrap_or_default()),
            unit: rule.bucket_by.as_str(),
        };
        flag.steps(Draw { bucket, pieces })
    }
}

/// The inputs that all steps of a flag have in common.
struct Flag<'d> {
    definition: &'d Definition,
    salt: &'d str,
    unit: &'d str,
    /// The variant that the flag serves while it is off.
    off: Option<&'d str>,
}

impl<'d> Flag<'d> {
    fn new(key: &'d str, definition: &'d Definition) -> Self {
        Self {
            definition,
            salt: definition.rare().salt.value().map_or(key, String::as_str),
            unit: definition.rare().bucket_by.value().unwrap_or(&BucketBy::TargetingKey).as_str(),
            off: definition.off_variant(),
        }
    }

    fn bucket(&self) -> Bucket<'d> {
        Bucket { salt: self.salt, rule: None, unit: self.unit }
    }

    /// Returns the result for users who are out.
    fn off(&self) -> Next<'d> {
        Next::Served(Outcome { on: false, variant: self.off })
    }

    /// Returns the result of a flag that serves all users alike, without a draw.
    fn served(&self) -> Option<Next<'d>> {
        let rare = self.definition.rare();
        let constant = rare.value.value();
        let constant = constant.map(|_| Next::Served(Outcome { on: true, variant: None }));
        constant.or_else(|| rare.serve.value().map(|name| self.serve(name)))
    }

    fn serve(&self, variant: &'d str) -> Next<'d> {
        let variants = self.definition.rare().variants.value();
        let counts_as_off = variants.is_some_and(|variants| variants.counts_as_off(variant));
        Next::Served(Outcome { on: !counts_as_off, variant: Some(variant) })
    }

    /// Returns pieces in which this share of users goes on, and all others are out.
    fn share(&self, percentage: Percentage) -> Vec<(u128, Next<'d>)> {
        vec![(threshold(percentage), Next::GoOn), (ALL, self.off())]
    }

    fn steps(&self, first: Draw<'d>) -> Steps<'d> {
        let traffic = self.definition.rare().traffic.value().copied().unwrap_or_default();
        let served = self.served();
        let has_variants = self.definition.entries(Field::Variants) > 0;
        let traffic = match has_variants && served.is_none() {
            true => vec![(threshold(traffic), Next::GoOn), (ALL, self.off())],
            false => vec![(ALL, Next::GoOn)],
        };
        let variants = self.definition.rare().variants.value().into_iter().flat_map(|variants| {
            variants.iter().map(|(name, variant)| {
                (self.serve(name), variant.weight.value().copied().unwrap_or_default())
            })
        });
        // Without weights no variant is drawn, and all users are out. A flag without variants is
        // on.
        let rest = match has_variants {
            true => self.off(),
            false => Next::Served(Outcome { on: true, variant: None }),
        };
        let variants = match served {
            Some(served) => vec![(ALL, served)],
            None => pieces(variants).chain([(ALL, rest)]).collect(),
        };
        let draw = |pieces| Draw { bucket: self.bucket(), pieces };
        Steps([first, draw(traffic), draw(variants)])
    }
}

/// Returns the first bucket that is outside of a percentage.
fn threshold(percentage: Percentage) -> u128 {
    match Reach::of(percentage) {
        Reach::Below(threshold) => threshold.into(),
        Reach::All => ALL,
    }
}

/// Returns outcomes by the first bucket behind each of them.
fn pieces<'d>(
    arms: impl Iterator<Item = (Next<'d>, Weight)>,
) -> impl Iterator<Item = (u128, Next<'d>)> {
    let mut pieces = Pieces::default();
    let arms: Vec<_> = arms.map(|(next, weight)| (pieces.add(weight), next)).collect();
    let total = u128::from(pieces.total());
    let bucket = move |end: u64| (u128::from(end) << 64).div_ceil(total);
    arms.into_iter().filter(move |_| total > 0).map(move |(end, next)| (bucket(end), next))
}

/// Shares of users, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moved {
    /// The share of users who get another answer.
    pub(super) share: f64,
    /// The share of users who have to get another answer, because the edit changes the size of an
    /// outcome.
    pub(super) needed: f64,
}

impl Moved {
    /// Returns the share of users who get another answer after an edit.
    pub(super) fn between(before: &Steps<'_>, after: &Steps<'_>) -> Self {
        let mut count = Count::default();
        count.go(1.0, 0, (before, Next::GoOn), (after, Next::GoOn));
        let gained = count.differences.values().filter(|&&difference| difference > 0.0);
        Self { share: count.moved, needed: gained.sum() }
    }
}

#[derive(Debug, Default)]
struct Count<'d> {
    moved: f64,
    /// The growth of each outcome, as a share of users.
    differences: BTreeMap<Outcome<'d>, f64>,
}

impl<'d> Count<'d> {
    /// Follows `share` of the users from one step on.
    fn go(
        &mut self,
        share: f64,
        step: usize,
        before: (&Steps<'d>, Next<'d>),
        after: (&Steps<'d>, Next<'d>),
    ) {
        if let (Next::Served(was), Next::Served(is)) = (before.1, after.1) {
            if was != is {
                self.moved += share;
                *self.differences.entry(was).or_default() -= share;
                *self.differences.entry(is).or_default() += share;
            }
            return;
        }
        let (Some(was), Some(is)) = (before.0.0.get(step), after.0.0.get(step)) else { return };
        let same = was.bucket == is.bucket;
        let pieces = |draw: &Draw<'d>, next| match next {
            Next::GoOn => draw.pieces.clone(),
            Next::Served(_) => vec![(ALL, next)],
        };
        let mut start = 0;
        for (end, was) in pieces(was, before.1) {
            let mut other_start = 0;
            for (other_end, is) in pieces(is, after.1) {
                let both = match same {
                    true => part(start.max(other_start), end.min(other_end)),
                    false => part(start, end) * part(other_start, other_end),
                };
                if both > 0.0 {
                    self.go(share * both, step + 1, (before.0, was), (after.0, is));
                }
                other_start = other_end;
            }
            start = end;
        }
    }
}

/// Returns the share of all buckets between `start` and `end`.
#[expect(clippy::cast_precision_loss, reason = "a share is a float")]
fn part(start: u128, end: u128) -> f64 {
    end.saturating_sub(start) as f64 / ALL as f64
}
