//! Estimates of how many different units a flag has drawn for.

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    sync::atomic::{AtomicU8, Ordering},
};

use hyperloglockless::HyperLogLog;

use crate::eval::Visitor;

/// The number of bits of a hash that choose a register.
const PRECISION: u32 = 10;

const REGISTERS: usize = 1 << PRECISION;

/// The unit that an evaluation drew by, if it drew.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unit(Option<u64>);

/// Takes the first unit: a flag with a percentage and variants draws twice.
impl Visitor for Unit {
    #[inline]
    fn drawing_by(&mut self, unit: u64) {
        self.0 = self.0.or(Some(unit));
    }
}

impl Unit {
    #[inline]
    pub(super) fn hash(self) -> Option<u64> {
        self.0
    }
}

/// The registers of a HyperLogLog (Flajolet et al., 2007), which all threads share.
///
/// A register only grows, and soon hardly ever: threads read it and seldom write, so they do not
/// contend for it. Sketches per thread would need this memory for each thread and flag.
#[derive(Debug)]
pub(super) struct Units {
    registers: [AtomicU8; REGISTERS],
}

impl Default for Units {
    fn default() -> Self {
        Self { registers: [const { AtomicU8::new(0) }; REGISTERS] }
    }
}

impl Units {
    #[inline]
    pub(super) fn add(&self, unit: u64) {
        // The first bits choose the register, and the last ones its value, as in `hyperloglockless`.
        let rest = unit | 1 << (u64::BITS - PRECISION);
        raise(
            &self.registers[(unit >> (u64::BITS - PRECISION)) as usize],
            1 + rest.trailing_zeros() as u8,
        );
    }

    pub(super) fn merge(&self, other: &Self) {
        for (register, other) in self.registers.iter().zip(&other.registers) {
            raise(register, other.load(Ordering::Relaxed));
        }
    }

    /// Returns the estimate. Its standard error is 3.25 %.
    pub(super) fn estimate(&self) -> u64 {
        let registers = self.registers.each_ref().map(|it| it.load(Ordering::Relaxed));
        let zeros = registers.iter().filter(|&&register| register == 0).count();
        let sum = registers.iter().map(|&register| 0.5_f64.powi(register.into())).sum();
        let hasher = BuildHasherDefault::<DefaultHasher>::new();
        let sketch = HyperLogLog::from_parts(Box::new(registers), hasher, zeros, sum);
        sketch.raw_count().round() as u64
    }
}

#[inline]
fn raise(register: &AtomicU8, value: u8) {
    if register.load(Ordering::Relaxed) < value {
        register.fetch_max(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    fn of(users: std::ops::Range<u32>) -> Units {
        let units = Units::default();
        users.for_each(|user| units.add(xxh3_64(format!("user{user}@example.com").as_bytes())));
        units
    }

    #[test]
    fn an_estimate_is_within_four_standard_errors() {
        for users in [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
            let estimate = of(0..users).estimate();

            let error = estimate.abs_diff(users.into()) as f64 / f64::from(users.max(1));
            assert!(error < 0.13, "{users} users, {estimate} estimated");
        }
    }

    #[test]
    fn the_library_keeps_the_same_registers() {
        let hasher = BuildHasherDefault::<DefaultHasher>::new();
        let mut sketch = HyperLogLog::with_hasher(PRECISION as u8, hasher);
        for user in 0..5_000 {
            sketch.insert_hash(xxh3_64(format!("user{user}@example.com").as_bytes()));
        }

        assert_eq!(of(0..5_000).estimate(), sketch.raw_count().round() as u64);
    }

    #[test]
    fn a_merge_counts_a_unit_of_both_once() {
        let (both, other) = (of(0..6_000), of(3_000..9_000));

        both.merge(&other);

        assert_eq!(both.estimate(), of(0..9_000).estimate());
    }
}
