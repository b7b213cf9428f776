//! The variants of a flag, compiled, and who is served which.

use super::{
    bucket::{self, Reach, TRAFFIC, VARIANT},
    evaluation::{Decision, Verdict},
    rule_variants::{Chosen, RuleVariants},
    unit::unit,
    visitor::{Draw, Visitor},
};
use crate::model::{self, Attribute, Cause, Context, Field, Resolved, Value, Weight, variant_name};

/// The variants of a flag: they lie side by side, each as wide as its weight.
#[derive(Debug)]
pub(crate) struct Variants {
    arms: Box<[Arm]>,
    total: u64,
    /// The one that everybody is served for whom the flag is on, if there is nothing to draw.
    only: Option<usize>,
    /// The one that is served while the flag is off.
    off: usize,
    seed: u64,
    source: u8,
    traffic: Reach,
    traffic_seed: u64,
    traffic_source: u8,
    bucket_by: Option<Attribute>,
    rules: RuleVariants,
    /// Whether there is more to a variant than its name.
    pub(crate) have_values: bool,
}

/// One variant.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) value: Option<Value<'static>>,
    /// Where it ends, and the next one begins.
    end: u64,
}

impl Variants {
    /// Compiles the variants of a flag, if it has any.
    pub(crate) fn compile(salt: &str, resolved: &Resolved) -> Option<Self> {
        let definition = resolved.definition.rare();
        let variants = definition.variants.value()?;
        let mut total = 0_u64;
        let arm = |(name, variant): (&str, &model::Variant)| {
            let weight = variant.weight.value().copied().unwrap_or_default();
            total = total.saturating_add(weight.ten_thousandths());
            Arm { name: variant_name(name), value: variant.value.value().cloned(), end: total }
        };
        let arms: Box<[Arm]> = variants.iter().map(arm).collect();
        if arms.is_empty() {
            return None;
        }
        let place = |name: &str| arms.iter().position(|arm| arm.name == name);
        let off = definition.off.value().and_then(|name| place(name));
        let off = off.or_else(|| place("control")).unwrap_or(0);
        let rules = definition.rules.value().map_or(&[][..], |rules| rules);
        let rules = RuleVariants::compile(rules, salt, place);
        let mut drawn = variants.iter().enumerate().filter(|(_, (_, variant))| {
            variant.weight.value().is_some_and(|&weight| weight > Weight::ZERO)
        });
        let traffic = Reach::of(definition.traffic.value().copied().unwrap_or_default());
        let only = match (drawn.next(), drawn.next()) {
            (None, _) => Some(off),
            (Some((index, _)), None) if traffic == Reach::Everybody => Some(index),
            (Some(_), _) => None,
        };
        Some(Self {
            only,
            off,
            total,
            seed: bucket::seed(salt, VARIANT),
            source: resolved.origin(Field::Variants),
            traffic,
            traffic_seed: bucket::seed(salt, TRAFFIC),
            traffic_source: resolved.origin(Field::Traffic),
            bucket_by: definition.bucket_by.value().and_then(Attribute::unit),
            rules,
            have_values: arms.iter().any(|arm| arm.value.is_some()),
            arms,
        })
    }

    /// Returns the variants of a flag that serves one of them to all users. They are kept for the
    /// life of the process: there are as many as tests override flags with.
    #[cfg(feature = "testing")]
    pub(crate) fn only(name: &str, value: Option<&Value<'static>>) -> &'static Self {
        use std::sync::{Mutex, PoisonError};

        static ONLY: Mutex<Vec<&'static Variants>> = Mutex::new(Vec::new());
        let mut known = ONLY.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |arm: &Arm| arm.name == name && arm.value.as_ref() == value;
        if let Some(known) = known.iter().find(|known| is_same(&known.arms[0])) {
            return known;
        }
        let name = crate::model::keep_variant_name(name)
            .unwrap_or_else(|error| panic!("a test overrides a flag: {error}"));
        let arm = Arm { name, value: value.cloned(), end: 1 };
        let only: &'static Self = Box::leak(Box::new(Self {
            arms: [arm].into(),
            total: 1,
            only: Some(0),
            off: 0,
            seed: 0,
            source: 0,
            traffic: Reach::Everybody,
            traffic_seed: 0,
            traffic_source: 0,
            bucket_by: None,
            rules: RuleVariants::default(),
            have_values: value.is_some(),
        }));
        known.push(only);
        only
    }

    #[cfg(feature = "testing")]
    pub(crate) fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// Returns the variant for a context that the verdict is for, and the step that chose it.
    #[inline(always)]
    pub(crate) fn choose(
        &self,
        verdict: &Verdict,
        context: &Context<'_>,
        visitor: &mut impl Visitor,
    ) -> (&Arm, Decision) {
        let decision = verdict.decision;
        if !verdict.on {
            return (self.off(), decision);
        }
        if let Some(chosen) = self.rules.chosen(verdict.rule, context, visitor) {
            return match chosen {
                Chosen::Variant(index) => (&self.arms[index], decision),
                Chosen::NoUnit => {
                    (self.off(), Decision { cause: Cause::NoTargetingKey, ..decision })
                }
            };
        }
        if let Some(only) = self.only {
            return (&self.arms[only], decision);
        }
        let because = |cause| Decision { cause, source: self.source, ..decision };
        match unit(context, self.bucket_by.as_ref()) {
            None => {
                visitor.drew(Draw::Variant, None);
                (self.off(), because(Cause::NoTargetingKey))
            }
            Some(unit) if self.is_spared(unit, visitor) => {
                let source = self.traffic_source;
                (self.off(), Decision { cause: Cause::Traffic, source, ..decision })
            }
            Some(unit) => {
                let bucket = bucket::draw(unit, self.seed);
                visitor.drew(Draw::Variant, Some(bucket));
                (self.arm_at(bucket), because(Cause::Variant))
            }
        }
    }

    fn off(&self) -> &Arm {
        &self.arms[self.off]
    }

    /// Whether the unit takes no part in the draw.
    #[inline]
    fn is_spared(&self, unit: u64, visitor: &mut impl Visitor) -> bool {
        if self.traffic == Reach::Everybody {
            return false;
        }
        let bucket = bucket::draw(unit, self.traffic_seed);
        visitor.drew(Draw::Traffic, Some(bucket));
        !self.traffic.has(bucket)
    }

    #[inline]
    fn arm_at(&self, bucket: u64) -> &Arm {
        let point = bucket::point(bucket, self.total);
        self.arms.iter().find(|arm| point < arm.end).unwrap_or_else(|| self.off())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc};

    use proptest::prelude::*;
    use serde_json::Value;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::model::Definition;

    fn compile(weights: impl IntoIterator<Item = (String, Weight)>) -> Variants {
        let variants: model::Variants = weights.into_iter().collect();
        let definition = Definition::new().variants(variants);
        Variants::compile("flag", &Resolved::new(Arc::new(definition), 0)).unwrap()
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

            assert_eq!(variants.arm_at(bucket).name, row["index"].to_string(), "{row}");
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
            let arm = variants.arm_at(bucket::draw(user, variants.seed));
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
                let arm: usize = before.arm_at(bucket).name.parse().unwrap();
                let expected = if arm == from && point >= border - moved { from + 1 } else { arm };
                prop_assert_eq!(after.arm_at(bucket).name, expected.to_string());
            }
        }
    }
}
