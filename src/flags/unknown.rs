//! Names that were asked for and no layer knows.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use tracing::warn;

use crate::{eval::Names, model::nearest};

/// Warns once per unknown name, however often it is asked for, and never locks.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    warned: ArcSwap<HashSet<Box<str>>>,
}

/// Names beyond this many are not warned about: they come from data, not from code.
const CAP: usize = 1_000;

impl Unknown {
    #[cold]
    pub(crate) fn note(&self, name: &str, names: &Names) {
        let warned = self.warned.load();
        if warned.contains(name) || warned.len() >= CAP {
            return;
        }
        self.warned.rcu(|warned| {
            let mut warned = HashSet::clone(warned);
            warned.insert(name.into());
            warned
        });
        match nearest(name, names.iter().filter(|&known| known != name)) {
            Some(known) => warn!(flag = name, similar = known, "no layer knows this flag"),
            None => warn!(flag = name, "no layer knows this flag"),
        }
    }
}
