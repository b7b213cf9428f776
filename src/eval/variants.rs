//! The variants of a flag, compiled, and the choice among them.

use super::{
    bucket::{self, Pieces, Reach, TRAFFIC, VARIANT},
    rule_variants::{Chosen, Nothing, RuleVariants},
    unit::{self, unit},
    verdict::{Decision, Ground, Verdict},
    visitor::{Draw, Visitor},
};
use crate::model::{
    self, Attribute, Cause, Context, Definition, Field, Percentage, Resolved, Value, Weight,
    variant_name,
};

/// The variants of a flag. They lie side by side, each as wide as its weight.
#[derive(Debug)]
pub(crate) struct Variants {
    arms: Box<[Arm]>,
    /// The value that is served instead of a variant. No variant is chosen then. An arm without a
    /// name would cost each evaluation of a variant a comparison.
    constant: Option<Value<'static>>,
    /// The choice among all variants, within the traffic.
    drawn: Pick,
    /// The choice among those that do not count as off, for a step that turns the flag on whatever
    /// the traffic is.
    insistent: Pick,
    /// The variant that is served while the flag is off.
    off: Option<usize>,
    /// Set if every variant that is drawn turns the flag on, and the draw leaves no unit out.
    are_all_on: bool,
    seed: u64,
    source: u8,
    traffic: Reach,
    traffic_seed: u64,
    traffic_source: u8,
    bucket_by: Option<Attribute>,
    /// The cause of an answer to a context without a unit.
    no_unit: Cause,
    rules: RuleVariants,
}

/// One variant.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) value: Option<Value<'static>>,
    /// Set if a flag that serves the variant is off.
    pub(crate) counts_as_off: bool,
    /// The end of its piece among all variants, where the next one begins.
    end: u64,
    /// The end of its piece among those that do not count as off. The others have no width.
    insistent_end: u64,
}

/// The answer for one flag: on or off, and the variant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'p> {
    pub(crate) on: bool,
    /// The variant; `None` for a flag without variants, and where none of them is served. A
    /// constant is not a variant.
    pub(crate) arm: Option<&'p Arm>,
    /// The step that chose the variant.
    pub(crate) decision: Decision,
    /// The step that turned the flag on or off.
    pub(crate) gate: Decision,
}

/// A choice among variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    /// There is no variant to choose.
    Nothing,
    /// The one variant, without a draw.
    One(usize),
    /// A draw among several, whose weights have this sum.
    Drawn { total: u64 },
}

impl Variants {
    /// Compiles the variants of a flag and its constant, if it has any.
    pub(crate) fn compile(salt: &str, resolved: &Resolved) -> Option<Self> {
        let whole = &*resolved.definition;
        if !Self::has_content(whole) {
            return None;
        }
        let definition = whole.rare();
        let no_variants = model::Variants::new();
        let variants = definition.variants.value().unwrap_or(&no_variants);
        let (mut all, mut insistent) = (Pieces::default(), Pieces::default());
        let arm = |(name, variant): (&str, &model::Variant)| {
            let weight = variant.weight.value().copied().unwrap_or_default();
            let counts_as_off = variants.counts_as_off(name);
            Arm {
                name: variant_name(name),
                value: variants.value(name),
                counts_as_off,
                end: all.add(weight),
                insistent_end: insistent.add(if counts_as_off { Weight::ZERO } else { weight }),
            }
        };
        let arms: Box<[Arm]> = variants.iter().map(arm).collect();
        let constant = definition.value.value().map(|constant| constant.as_value().clone());
        let place = |name: &str| arms.iter().position(|arm| arm.name == name);
        // An unknown variant turns the flag off, as it does in rules.
        let served = match (&constant, definition.serve.value()) {
            (Some(_), _) => Some(Pick::Nothing),
            (None, serve) => serve.map(|name| place(name).map_or(Pick::Nothing, Pick::One)),
        };
        let rules = definition.rules.value().map_or(&[][..], |rules| rules);
        let rules = RuleVariants::compile(rules, salt, place);
        let traffic = definition.traffic.value().copied().unwrap_or_default();
        let bucket_by = definition.bucket_by.value().and_then(Attribute::unit);
        let drawn = match (Pick::among(&arms, all, |arm| arm.end), Reach::of(traffic)) {
            _ if traffic == Percentage::ZERO => Pick::Nothing,
            (pick, Reach::All) => pick,
            (Pick::One(_), Reach::Below(_)) => Pick::Drawn { total: all.total() },
            (pick, Reach::Below(_)) => pick,
        };
        let drawn = served.unwrap_or(drawn);
        let insistent = match Pick::among(&arms, insistent, |arm| arm.insistent_end) {
            // With one candidate, a weight makes no difference.
            Pick::Nothing => {
                let mut on = (0..arms.len()).filter(|&arm| !arms[arm].counts_as_off);
                match (on.next(), on.next()) {
                    (Some(only), None) => Pick::One(only),
                    _ => Pick::Nothing,
                }
            }
            pick => pick,
        };
        let insistent = match served {
            Some(pick) if constant.is_some() => pick,
            Some(Pick::One(arm)) if !arms[arm].counts_as_off => Pick::One(arm),
            _ => insistent,
        };
        let is_on = |(start, arm): (u64, &Arm)| start == arm.end || !arm.counts_as_off;
        let starts = std::iter::once(0).chain(arms.iter().map(|arm| arm.end));
        let are_all_on = match served {
            Some(Pick::One(arm)) => !arms[arm].counts_as_off,
            Some(_) => constant.is_some(),
            None => {
                traffic == Percentage::HUNDRED
                    && drawn != Pick::Nothing
                    && starts.zip(&arms).all(is_on)
            }
        };
        Some(Self {
            constant,
            drawn,
            insistent,
            off: whole.off_variant().and_then(place),
            are_all_on,
            seed: bucket::seed(salt, VARIANT),
            source: resolved.origin(Field::Variants),
            traffic: Reach::of(traffic),
            traffic_seed: bucket::seed(salt, TRAFFIC),
            traffic_source: resolved.origin(Field::Traffic),
            no_unit: unit::missing(bucket_by.as_ref()),
            bucket_by,
            rules,
            arms,
        })
    }

    /// Returns true if the flag serves more than on and off.
    pub(super) fn has_content(definition: &Definition) -> bool {
        let rare = definition.rare();
        rare.variants.value().is_some_and(|variants| !variants.is_empty())
            || rare.value.value().is_some()
            || rare.serve.value().is_some()
    }

    /// Returns the variants of a flag that serves one of them to all users. They are kept for the
    /// life of the process: their number is that of the values that tests override flags with.
    /// Without a name it is a constant.
    #[cfg(feature = "testing")]
    pub(crate) fn only(name: Option<&str>, value: Option<&Value<'static>>) -> &'static Self {
        use std::sync::{Mutex, PoisonError};

        static ONLY: Mutex<Vec<&'static Variants>> = Mutex::new(Vec::new());
        let mut known = ONLY.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |known: &&&Self| match (&*known.arms, name) {
            ([arm], Some(name)) => arm.name == name && arm.value.as_ref() == value,
            ([], None) => known.constant.as_ref() == value,
            _ => false,
        };
        if let Some(known) = known.iter().find(is_same) {
            return known;
        }
        let counts_as_off = match value {
            Some(Value::Bool(on)) => !on,
            _ => name == Some("off"),
        };
        let insistent_end = u64::from(!counts_as_off);
        let arm = name.map(|name| {
            let name = crate::model::keep_variant_name(name)
                .unwrap_or_else(|error| panic!("a test overrides a flag: {error}"));
            Arm { name, value: value.cloned(), counts_as_off, end: 1, insistent_end }
        });
        let pick = if arm.is_some() { Pick::One(0) } else { Pick::Nothing };
        let only: &'static Self = Box::leak(Box::new(Self {
            constant: value.filter(|_| arm.is_none()).cloned(),
            arms: arm.into_iter().collect(),
            drawn: pick,
            insistent: pick,
            off: None,
            are_all_on: !counts_as_off,
            seed: 0,
            source: 0,
            traffic: Reach::All,
            traffic_seed: 0,
            traffic_source: 0,
            bucket_by: None,
            no_unit: Cause::NoTargetingKey,
            rules: RuleVariants::default(),
        }));
        known.push(only);
        only
    }

    /// Returns the value that is served instead of a variant, if the flag has one.
    pub(crate) const fn constant(&self) -> Option<&Value<'static>> {
        self.constant.as_ref()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// Returns true if the flag is on for the context that the verdict is for.
    #[inline]
    pub(crate) fn is_on(&self, verdict: &Verdict, context: &Context<'_>) -> bool {
        if !verdict.on {
            return false;
        }
        // Most flags with variants need no draw to decide this.
        if self.are_all_on && verdict.rule.is_none() {
            return match self.drawn {
                Pick::Drawn { .. } if !verdict.insists => self.has_unit(context),
                _ => true,
            };
        }
        self.choose(verdict, context, &mut ()).on
    }

    #[inline]
    fn has_unit(&self, context: &Context<'_>) -> bool {
        match &self.bucket_by {
            None => context.targeting_key().is_some(),
            by => unit(context, by.as_ref()).is_some(),
        }
    }

    /// Returns true if the variants alone may turn the flag on for one context and off for another.
    #[cfg(feature = "http")]
    pub(crate) fn depend_on_context(&self) -> bool {
        matches!(self.drawn, Pick::Drawn { .. })
    }

    /// Returns the variant for the context that the verdict is for, and the step that chose it.
    // Always inlined, here and below, but for insistent verdicts: W3 by handle takes 222 instructions otherwise, rather
    // than 174.
    #[inline(always)]
    pub(crate) fn choose(
        &self,
        verdict: &Verdict,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Served<'_> {
        let decision = verdict.decision;
        if !verdict.on {
            return self.out(decision);
        }
        if let Some(chosen) = self.rules.chosen(verdict.rule, context, visitor) {
            return match chosen {
                Chosen::Variant(index) => self.serve(index, verdict, decision),
                // No variant is served, not even that of the off flag.
                Chosen::Nothing(Nothing::Default) => {
                    Served { on: false, arm: None, decision, gate: decision }
                }
                Chosen::Nothing(Nothing::NoUnit(cause)) => self.out(Decision { cause, ..decision }),
            };
        }
        // Split off, so that a common draw tests only once for the rare verdicts.
        match verdict.insists {
            true => self.insist(verdict, context, visitor),
            false => self.pick::<false>(self.drawn, verdict, context, visitor),
        }
    }

    #[inline(never)]
    fn insist(
        &self,
        verdict: &Verdict,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Served<'_> {
        self.pick::<true>(self.insistent, verdict, context, visitor)
    }

    /// Returns the variant of a pick. `INSISTS` is that of the verdict.
    #[inline(always)]
    fn pick<const INSISTS: bool>(
        &self,
        pick: Pick,
        verdict: &Verdict,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> Served<'_> {
        let decision = verdict.decision;
        let because = |cause| Decision { cause, ..decision };
        let total = match pick {
            Pick::Nothing if self.constant.is_some() => {
                return Served { on: true, arm: None, decision, gate: decision };
            }
            Pick::Nothing => return self.out(because(Cause::NoUsers)),
            // The variant turns the flag off, although no step holds users back.
            Pick::One(off) if self.arms[off].counts_as_off => {
                return self.serve(off, verdict, because(decision.cause.with_no_users_in()));
            }
            Pick::One(only) => return self.serve(only, verdict, decision),
            Pick::Drawn { total } => total,
        };
        let Some(unit) = unit(context, self.bucket_by.as_ref()) else {
            visitor.drew(Draw::Variant, None);
            let missing = Decision { source: self.source, ..because(self.no_unit) };
            return match INSISTS {
                true => Served { on: true, arm: None, decision: missing, gate: decision },
                false => self.out(missing),
            };
        };
        visitor.drawing_by(unit);
        if !INSISTS && self.is_spared(unit, visitor) {
            let source = self.traffic_source;
            return self.out(Decision { source, ..because(Cause::Traffic) });
        }
        let bucket = bucket::draw(unit, self.seed);
        visitor.drew(Draw::Variant, Some(bucket));
        let index = self.drawn_at::<INSISTS>(bucket::point(bucket, total));
        self.serve(index, verdict, Decision { source: self.source, ..because(Cause::Variant) })
    }

    #[inline]
    fn serve(&self, index: usize, verdict: &Verdict, decision: Decision) -> Served<'_> {
        let arm = &self.arms[index];
        let on = !arm.counts_as_off;
        // A step that holds users back decides about on and off, unless the variant turns the flag
        // off.
        let gate = if on && verdict.ground != Ground::Open { verdict.decision } else { decision };
        Served { on, arm: Some(arm), decision, gate }
    }

    /// Serves the variant of the off flag to users who are out.
    #[inline]
    fn out(&self, decision: Decision) -> Served<'_> {
        let arm = self.off.map(|off| &self.arms[off]);
        Served { on: false, arm, decision, gate: decision }
    }

    /// Returns true if the unit takes no part in the draw.
    #[inline]
    fn is_spared(&self, unit: u64, visitor: &mut impl Visitor) -> bool {
        if self.traffic == Reach::All {
            return false;
        }
        let bucket = bucket::draw(unit, self.traffic_seed);
        visitor.drew(Draw::Traffic, Some(bucket));
        !self.traffic.has(bucket)
    }

    #[inline]
    fn drawn_at<const INSISTS: bool>(&self, point: u64) -> usize {
        let end = |arm: &Arm| if INSISTS { arm.insistent_end } else { arm.end };
        let found = self.arms.iter().position(|arm| point < end(arm));
        found.unwrap_or(self.arms.len() - 1)
    }
}

impl Pick {
    /// Returns the choice among arms, by their ends.
    fn among(arms: &[Arm], pieces: Pieces, end: impl Fn(&Arm) -> u64) -> Self {
        let mut start = 0;
        let mut weighed = arms.iter().enumerate().filter_map(|(index, arm)| {
            let is_wide = start < end(arm);
            start = end(arm);
            is_wide.then_some(index)
        });
        match (weighed.next(), weighed.next()) {
            (None, _) => Self::Nothing,
            (Some(only), None) => Self::One(only),
            _ => Self::Drawn { total: pieces.total() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::Value;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::model::Weight;

    fn compile(weights: impl IntoIterator<Item = (String, Weight)>) -> Variants {
        let variants: model::Variants = weights.into_iter().collect();
        let definition = Definition::new().variants(variants);
        Variants::compile("flag", &Resolved::new(definition.into(), 0)).unwrap()
    }

    fn arm_at(variants: &Variants, bucket: u64) -> &Arm {
        let total = variants.arms.last().unwrap().end;
        &variants.arms[variants.drawn_at::<false>(bucket::point(bucket, total))]
    }

    fn weight(ten_thousandths: u64) -> Weight {
        let (whole, decimals) = (ten_thousandths / 10_000, ten_thousandths % 10_000);
        format!("{whole}.{decimals:04}").parse().unwrap()
    }

    #[test]
    fn the_variants_are_those_of_the_vectors() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/bucketing.json")).unwrap();
        let rows = vectors["variants"].as_array().unwrap();
        assert!(rows.len() >= 250);

        for row in rows {
            let weights = row["weights"].as_array().unwrap().iter().enumerate();
            let variants = compile(weights.map(|(index, text)| {
                (index.to_string(), weight(text.as_str().unwrap().parse().unwrap()))
            }));
            let bucket = row["h"].as_str().unwrap().parse().unwrap();

            assert_eq!(arm_at(&variants, bucket).name, row["index"].to_string(), "{row}");
        }
    }

    #[test]
    fn users_are_spread_by_weight() {
        const USERS: u32 = 100_000;
        let weights = [("a", 34.0), ("b", 33.0), ("c", 33.0)];
        let variants =
            compile(weights.map(|(name, weight)| (name.to_owned(), weight.try_into().unwrap())));
        let mut counts: HashMap<_, f64> = HashMap::new();

        for n in 0..USERS {
            let user = xxh3_64(format!("user-{n}").as_bytes());
            let arm = arm_at(&variants, bucket::draw(user, variants.seed));
            *counts.entry(arm.name).or_default() += 1.0;
        }

        for (name, weight) in weights {
            let expected = f64::from(USERS) * weight / 100.0;
            let bound = 5.0 * (expected * (1.0 - weight / 100.0)).sqrt();
            assert!((counts[name] - expected).abs() < bound, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn weight_moved_to_a_neighbour_moves_only_that_share(
            weights in prop::collection::vec(1_u64..1_000_000, 2..8),
            from in any::<prop::sample::Index>(),
            share in 0.0..=1.0,
            buckets in prop::collection::vec(any::<u64>(), 100),
        ) {
            let from = from.index(weights.len() - 1);
            let moved = (weights[from] as f64 * share) as u64;
            let mut after = weights.clone();
            after[from] -= moved;
            after[from + 1] += moved;
            let named = |weights: &[u64]| {
                compile(weights.iter().enumerate().map(|(n, &w)| (n.to_string(), weight(w))))
            };
            let (before, after) = (named(&weights), named(&after));
            let total: u64 = weights.iter().sum();
            let border: u64 = weights[..=from].iter().sum();

            for bucket in buckets {
                let point = bucket::point(bucket, total);
                let arm: usize = arm_at(&before, bucket).name.parse().unwrap();
                let expected = if arm == from && point >= border - moved { from + 1 } else { arm };
                prop_assert_eq!(arm_at(&after, bucket).name, expected.to_string());
            }
        }
    }
}
