//! Names that were asked for and no layer knows.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use tracing::warn;

use crate::eval::Names;

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
        match nearest(name, names.iter()) {
            Some(known) => warn!(flag = name, similar = known, "no layer knows this flag"),
            None => warn!(flag = name, "no layer knows this flag"),
        }
    }
}

/// The name most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|&(likeness, known)| likeness > 0.8 && known != name)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_near_and_another_is_not() {
        let names = ["new_checkout", "beta", "dark_mode"];

        assert_eq!(nearest("new_chekout", names.into_iter()), Some("new_checkout"));
        assert_eq!(nearest("qqq", names.into_iter()), None);
    }
}
