//! Sets of strings that fit in a word.
//!
//! With hash tables instead, W4 by handle takes 719 instructions rather than 584, and W2 by handle 238 rather than 204
//! (`tests/bench/instructions.rs`).

use crate::model::Print;

/// An open-addressing table of prints. At least half of the places are free, so that a search for a
/// print that is not a member soon ends at a free place.
#[derive(Debug, Clone)]
pub(crate) struct PrintSet {
    /// The places, as many as there are hashes. A free place has [`Print::NONE`].
    places: Box<[Print]>,
    /// The number of bits of a hash that are not used.
    shift: u32,
}

impl PrintSet {
    /// Creates the set of these names; `None` if one of them does not fit in a word.
    pub(super) fn new(names: &[String]) -> Option<Self> {
        let hash_bits = (2 * names.len()).next_power_of_two().trailing_zeros().max(1);
        let places = vec![Print::NONE; 1 << hash_bits].into();
        let mut set = Self { places, shift: u64::BITS - hash_bits };
        for name in names {
            let print = Print::whole(name)?;
            if let Err(place) = set.find(print) {
                set.places[place] = print;
            }
        }
        Some(set)
    }

    #[inline]
    pub(super) fn contain(&self, name: &str) -> bool {
        Print::whole(name).is_some_and(|print| self.find(print).is_ok())
    }

    /// Returns `Ok` if the set has the print, or else the place at which it would be.
    #[inline]
    fn find(&self, print: Print) -> Result<(), usize> {
        let last = self.places.len() - 1;
        let mut place = (print.hash() >> self.shift) as usize;
        loop {
            match self.places.get(place) {
                Some(&known) if known == print => return Ok(()),
                Some(&known) if known != Print::NONE => place = (place + 1) & last,
                _ => return Err(place),
            }
        }
    }
}
