//! Bounds of a change, for continuous integration.

use std::{fmt, str::FromStr};

use super::change::Tally;

/// A bound on the number of affected users of one flag. More users are a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FailOn {
    what: What,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Redrawn,
    NewlyOn,
    NewlyOff,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Users(u64),
    Percent(f64),
}

impl What {
    const ALL: [Self; 3] = [Self::Redrawn, Self::NewlyOn, Self::NewlyOff];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Redrawn => "redrawn",
            Self::NewlyOn => "newly-on",
            Self::NewlyOff => "newly-off",
        }
    }
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected `redrawn`, `newly-on=N` or `newly-off=N`; N is 100 users, or 5%".to_owned()
        };
        let (name, bound) = match text.split_once('=') {
            Some((name, bound)) => (name, Some(bound)),
            None => (text, None),
        };
        let what = What::ALL.into_iter().find(|what| what.as_str() == name).ok_or_else(expected)?;
        let bound = match bound {
            None if what == What::Redrawn => Bound::Users(0),
            None => return Err(expected()),
            Some(bound) => match bound.strip_suffix('%') {
                Some(percent) => {
                    let percent = percent.parse().ok();
                    let in_range = percent.filter(|percent| (0.0..=100.0).contains(percent));
                    Bound::Percent(in_range.ok_or_else(expected)?)
                }
                None => Bound::Users(bound.parse().map_err(|_| expected())?),
            },
        };
        Ok(Self { what, bound })
    }
}

impl FailOn {
    /// Returns the reason if a flag is beyond the bound; `is_known` is true if the share of its users is known.
    pub(crate) fn beyond(&self, tally: &Tally, users: u64, is_known: bool) -> Option<String> {
        let number = match self.what {
            What::Redrawn => tally.redrawn,
            What::NewlyOn => tally.newly_on,
            What::NewlyOff => tally.newly_off,
        };
        match self.bound {
            Bound::Users(bound) => (number > bound)
                .then(|| format!("{number} of {users} users, which is more than {self}")),
            Bound::Percent(_) if !is_known && number > 0 => Some(format!(
                "a share of users that is not known, and {self} is the bound: try `--contexts`"
            )),
            Bound::Percent(bound) => {
                let share = 100.0 * number as f64 / users.max(1) as f64;
                (share > bound).then(|| format!("{share:.2}% of users, which is more than {self}"))
            }
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        match self.what {
            What::Redrawn => "is re-drawn",
            What::NewlyOn => "is newly on",
            What::NewlyOff => "is newly off",
        }
    }
}

/// The bound alone.
impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            Bound::Users(users) => write!(f, "{users}"),
            Bound::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_of_users_or_a_share() {
        let tally = Tally { newly_on: 20, redrawn: 1, ..Tally::default() };
        let is_beyond = |text: &str, is_known| {
            let bound: FailOn = text.parse().unwrap();
            bound.beyond(&tally, 100, is_known).is_some()
        };

        assert!(is_beyond("redrawn", true) && !is_beyond("redrawn=1", true));
        assert!(is_beyond("newly-on=19", true) && !is_beyond("newly-on=20", true));
        assert!(is_beyond("newly-on=19.9%", true) && !is_beyond("newly-on=20%", true));
        assert!(is_beyond("newly-on=50%", false) && !is_beyond("newly-off=0%", false));
        for wrong in ["newly-on", "newly-on=x", "newly-on=101%", "other=1", "redrawn=-1"] {
            assert!(wrong.parse::<FailOn>().is_err(), "{wrong}");
        }
    }
}
