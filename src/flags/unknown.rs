//! Names that callers evaluate and no source has.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::warned::Warned;
use crate::{
    foreign::warn,
    model::{hash_name, nearest},
};

/// Warns once per unknown name, however often it is evaluated, and never locks.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    /// The hashes of the names. Of two names with one hash, the second gets no warning.
    warned: Warned<u64>,
    /// The number of names that were compared to find similar ones.
    compared: AtomicUsize,
}

/// The number of comparisons after which no search for similar names begins. A search runs in the
/// evaluation of a flag, and names may come from requests.
const COMPARED: usize = 200_000;

impl Unknown {
    #[cold]
    pub(crate) fn note<'a>(&self, name: &str, known: impl Iterator<Item = &'a str>) {
        if !self.warned.is_new(hash_name(name)) {
            return;
        }
        let mut compared = 0;
        let similar = match self.compared.load(Ordering::Relaxed) < COMPARED {
            true => nearest(name, known.inspect(|_| compared += 1)),
            false => None,
        };
        self.compared.fetch_add(compared, Ordering::Relaxed);
        match similar {
            Some(known) => warn!(flag = name, similar = known, "no source has this flag"),
            None => warn!(flag = name, "no source has this flag"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_million_unknown_names_cost_few_comparisons() {
        let (unknown, compared) = (Unknown::default(), Cell::new(0));
        let known: Vec<_> = (0..5_000).map(|n| format!("flag_{n}")).collect();

        for n in 0..1_000_000 {
            let known = known.iter().map(|name| {
                compared.set(compared.get() + 1);
                &**name
            });
            unknown.note(&format!("nothing_{n}"), known);
        }

        assert!(compared.get() <= COMPARED + known.len(), "{}", compared.get());
    }
}
