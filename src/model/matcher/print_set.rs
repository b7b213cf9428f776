//! Sets of texts that fit in a word.

use crate::model::Print;

/// Prints by their hash, each at the first place that was free from there on. Half of the places
/// are free at least, so that whoever is no member meets one soon.
#[derive(Debug, Clone)]
pub(crate) struct PrintSet {
    /// As many as there are hashes, of which none is taken where it is [`Print::NONE`].
    places: Box<[Print]>,
    /// How many bits of a hash are not used.
    shift: u32,
}

impl PrintSet {
    /// The set of these names; `None` if one of them does not fit in a word.
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

    /// Whether the print is there, or else where it would be.
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
