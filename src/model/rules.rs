//! The list of rules of a flag.

use std::{fmt, ops::Deref, sync::Arc};

use super::Rule;

/// The rules of a flag, in their order: the first one that matches decides.
///
/// `Rules` dereferences to a slice of [`Rule`]s. Clones share one list, because definitions are
/// copied whenever sources are merged.
///
/// # Example
///
/// ```
/// use flagstaff::definition::{Condition, Operator, Rule, Rules, Serve};
///
/// let ios = Rule::new(Condition::compare("os", Operator::Eq, "ios")?, Serve::Off);
/// let rules = Rules::from([ios.clone()]);
///
/// assert_eq!(rules.len(), 1);
/// assert_eq!(rules[0], ios);
/// # Ok::<(), flagstaff::definition::InvalidOperand>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Rules(Arc<[Rule]>);

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.0
    }
}

/// Creates a list of no rules.
impl Default for Rules {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl From<Vec<Rule>> for Rules {
    fn from(rules: Vec<Rule>) -> Self {
        Self(rules.into())
    }
}

impl<const LEN: usize> From<[Rule; LEN]> for Rules {
    fn from(rules: [Rule; LEN]) -> Self {
        Self(rules.into())
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl<'r> IntoIterator for &'r Rules {
    type Item = &'r Rule;
    type IntoIter = std::slice::Iter<'r, Rule>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
