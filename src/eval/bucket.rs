//! Bucketing version 1, `xxh3-v1`, which selects the users that a percentage reaches.
//!
//! The algorithm never changes under its name; `tests/vectors/bucketing.json` pins it against an
//! independent implementation. XXH3 is specified at <https://xxhash.com>.
//!
//! ```text
//! u    = XXH3_64(utf8(targeting key))
//! seed = XXH3_64(utf8(salt) ++ 0x00 ++ utf8(purpose))
//! h    = XXH3_64_with_seed(u as 8 little-endian bytes, seed)
//! in   ⇔ h < floor(P × 2^64 / 1,000,000), P in ten-thousandths of a percent
//! i    = the first with (h × total) >> 64 < weight_0 + … + weight_i, in ten-thousandths
//! ```

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::model::{Percentage, Rule, Weight};

/// The purpose of a draw. Draws of one flag for different purposes are independent.
pub(crate) const ROLLOUT: &str = "rollout";
pub(crate) const VARIANT: &str = "variant";
pub(crate) const TRAFFIC: &str = "traffic";

/// Returns the seed of a flag's draws for one purpose. It is computed when the flag is compiled.
pub(crate) fn seed(salt: &str, purpose: &str) -> u64 {
    let mut text = Vec::with_capacity(salt.len() + 1 + purpose.len());
    text.extend_from_slice(salt.as_bytes());
    text.push(0);
    text.extend_from_slice(purpose.as_bytes());
    xxh3_64(&text)
}

/// Returns the seed of the draws of one rule. Rules without a name draw nothing.
pub(crate) fn rule_seed(salt: &str, rule: &Rule) -> u64 {
    seed(salt, &format!("rule:{}", rule.name.as_deref().unwrap_or_default()))
}

/// Returns the bucket of a user, given the hash of the targeting key.
#[inline]
pub(crate) fn draw(user: u64, seed: u64) -> u64 {
    xxh3_64_with_seed(&user.to_le_bytes(), seed)
}

/// Returns the position of a bucket among all buckets, rounded down. A percentage reaches the
/// buckets below it.
pub(crate) fn position(bucket: u64) -> Percentage {
    Percentage::from_ten_thousandths(((u128::from(bucket) * 1_000_000) >> 64) as u32)
}

/// The buckets that a percentage reaches: those below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Below(u64),
    All,
}

impl Reach {
    /// Returns true if the bucket is reached.
    #[inline]
    pub(crate) fn has(self, bucket: u64) -> bool {
        match self {
            Self::All => true,
            Self::Below(threshold) => bucket < threshold,
        }
    }

    pub(crate) fn of(percentage: Percentage) -> Self {
        let share = u128::from(percentage.ten_thousandths()) << 64;
        u64::try_from(share / 1_000_000).map_or(Self::All, Self::Below)
    }
}

/// Returns the point below `total` that a bucket falls on. Variants lie side by side, each as wide
/// as its weight.
#[inline]
pub(crate) fn point(bucket: u64, total: u64) -> u64 {
    ((u128::from(bucket) * u128::from(total)) >> 64) as u64
}

/// Variants that are laid side by side, each as wide as its weight.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pieces {
    total: u64,
}

impl Pieces {
    /// Adds a variant, and returns the point where it ends.
    pub(crate) fn add(&mut self, weight: Weight) -> u64 {
        self.total = self.total.saturating_add(weight.ten_thousandths());
        self.total
    }

    /// Returns the sum of all weights, which is where the last variant ends.
    pub(crate) fn total(self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Reads a number of 64 bits, which JSON has as a string.
    fn number(row: &Value, name: &str) -> u64 {
        row[name].as_str().unwrap().parse().unwrap()
    }

    #[test]
    fn the_hashes_are_those_of_the_vectors() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/bucketing.json")).unwrap();
        let rows = vectors["hashes"].as_array().unwrap();
        assert!(rows.len() >= 300);

        for row in rows {
            let user = xxh3_64(row["key"].as_str().unwrap().as_bytes());
            let salt = row["salt"].as_str().unwrap_or(row["flag"].as_str().unwrap());
            let seed = seed(salt, row["purpose"].as_str().unwrap());

            assert_eq!(user, number(row, "u"), "{row}");
            assert_eq!(seed, number(row, "seed"), "{row}");
            assert_eq!(draw(user, seed), number(row, "h"), "{row}");
        }
    }

    #[test]
    fn the_thresholds_are_those_of_the_vectors() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/bucketing.json")).unwrap();

        for row in vectors["percentages"].as_array().unwrap() {
            let reach = Reach::of(row["percentage"].as_str().unwrap().parse().unwrap());

            match reach {
                Reach::All => assert_eq!(row["threshold"], "everybody", "{row}"),
                Reach::Below(threshold) => assert_eq!(threshold, number(row, "threshold"), "{row}"),
            }
            assert_eq!(reach.has(number(row, "h")), row["in"], "{row}");
        }
    }

    fn share(percentage: &str, flag: &str, users: impl Iterator<Item = String>) -> f64 {
        let reach = Reach::of(percentage.parse().unwrap());
        let seed = seed(flag, ROLLOUT);
        let (mut inside, mut all) = (0_u32, 0_u32);
        for user in users {
            all += 1;
            inside += u32::from(reach.has(draw(xxh3_64(user.as_bytes()), seed)));
        }
        f64::from(inside) / f64::from(all)
    }

    /// Returns an id in the form of a UUID, the same for each `n`.
    fn uuid(n: u32) -> String {
        let bits = u128::from(draw(u64::from(n), 1)) << 64 | u128::from(draw(u64::from(n), 2));
        uuid_text(bits)
    }

    fn uuid_text(bits: u128) -> String {
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    #[test]
    fn percentages_hit_their_share_of_ids_uuids_and_addresses() {
        const USERS: u32 = 100_000;

        for (percentage, expected) in [("1", 0.01_f64), ("10", 0.10), ("50", 0.50)] {
            // Five standard deviations of a fair draw.
            let bound = 5.0 * (expected * (1.0 - expected) / f64::from(USERS)).sqrt();
            for share in [
                share(percentage, "sequential", (0..USERS).map(|n| n.to_string())),
                share(percentage, "uuids", (0..USERS).map(uuid)),
                share(percentage, "addresses", (0..USERS).map(|n| format!("user{n}@example.com"))),
            ] {
                assert!((share - expected).abs() < bound, "{percentage} % reached {share}");
            }
        }
    }

    #[test]
    fn two_flags_draw_independently() {
        const USERS: u32 = 100_000;
        let half = Reach::Below(u64::MAX / 2 + 1);
        let (a, b) = (seed("new_checkout", ROLLOUT), seed("new_search", ROLLOUT));
        let mut cells = [0.0_f64; 4];

        for n in 0..USERS {
            let user = xxh3_64(format!("user-{n}").as_bytes());
            let cell =
                usize::from(half.has(draw(user, a))) * 2 + usize::from(half.has(draw(user, b)));
            cells[cell] += 1.0;
        }

        let total = f64::from(USERS);
        let (row, column) = (cells[2] + cells[3], cells[1] + cells[3]);
        let expected = [
            (total - row) * (total - column) / total,
            (total - row) * column / total,
            row * (total - column) / total,
            row * column / total,
        ];
        let chi_square: f64 = cells.iter().zip(expected).map(|(c, e)| (c - e).powi(2) / e).sum();
        // One degree of freedom; 10.83 is passed by chance once in 1,000 pairs of flags.
        assert!(chi_square < 10.83, "chi-square {chi_square}");
    }

    proptest! {
        #[test]
        fn a_ramp_never_drops_a_user(user in ".{0,40}", flag in "[a-z_]{1,20}") {
            let bucket = draw(xxh3_64(user.as_bytes()), seed(&flag, ROLLOUT));
            let ramp = (0..=100).map(|percent| {
                Reach::of(Percentage::whole(percent).unwrap()).has(bucket)
            });

            let ramp: Vec<bool> = ramp.collect();

            prop_assert!(ramp.is_sorted());
            prop_assert!(!ramp[0] && ramp[100]);
        }
    }
}
