//! Whether a flag lets more in than before.

use flagstaff::{Percentage, answer::FlagState};
use serde_json::Value;

use super::effect::Side;

/// What decides about users one by one, and cannot be compared as more and less.
const RULES: [&str; 7] =
    ["rules", "requires", "active", "traffic", "bucket_by", "salt", "variants"];

/// Whether a flag may be on for somebody for whom it is off now. What cannot be told counts as more.
pub(super) fn is_wider(then: &Side, now: &Side) -> bool {
    let side = |side: &Side, name: &str| side.definition.get(name).cloned().unwrap_or_default();
    let fewer = |name: &str| !is_within(&side(now, name), &side(then, name));
    let denies_fewer = ["denied_users", "denied_groups"].into_iter().any(fewer);
    // Whoever is off now is denied then, and nothing else lets them in.
    if is_on_but_for_denied(now) && !denies_fewer {
        return false;
    }
    let is_larger = match (now.state, then.state) {
        (_, FlagState::Off | FlagState::Unknown) | (FlagState::On, _) => return false,
        (
            FlagState::Partial { percentage: now, .. },
            FlagState::Partial { percentage: then, .. },
        ) => then > now,
        _ => return true,
    };
    let more = |name: &str| !is_within(&side(then, name), &side(now, name));
    let differs = |name: &&str| {
        let [then, now] =
            [then, now].map(|of| Some(side(of, name)).filter(|value| !value.is_null()));
        then != now
    };
    is_larger
        || ["allowed_users", "allowed_groups"].into_iter().any(more)
        || denies_fewer
        || RULES.iter().any(differs)
}

/// Whether a flag is on for everybody whom no list denies it.
fn is_on_but_for_denied(side: &Side) -> bool {
    let FlagState::Partial { percentage: Percentage::HUNDRED, rules: 0, required: 0, .. } =
        side.state
    else {
        return false;
    };
    let has = |name| side.definition.get(name).is_some_and(|value| !value.is_null());
    !["active", "traffic", "variants"].into_iter().any(has)
}

/// Whether all members of a list are in another one.
fn is_within(list: &Value, other: &Value) -> bool {
    let members = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let other = members(other);
    members(list).iter().all(|member| other.contains(member))
}

#[cfg(test)]
mod tests {
    use flagstaff::{
        Definition,
        definition::{Condition, Operator, Rule, Serve},
    };

    use super::*;

    fn side(definition: &Definition) -> Side {
        Side::from(Some(definition))
    }

    fn percent(percent: u32) -> Definition {
        Definition::new().percentage(Percentage::whole(percent).unwrap())
    }

    #[test]
    fn more_is_whatever_may_let_somebody_in() {
        let ten = || percent(10).allowed_users(["ana", "bob"]).denied_users(["eve", "mallory"]);
        let on = || Definition::new().enabled(true);
        let all = || percent(100).denied_users(["eve", "mallory"]).denied_groups(["banned"]);
        let rule = || Rule::new(Condition::compare("os", Operator::Eq, "ios").unwrap(), Serve::On);
        let few = || ten().denied_groups(["banned"]).rules([rule()]);
        let off = || Definition::new().enabled(false);

        for (then, now, wider) in [
            (on(), off(), true),
            (off(), on(), false),
            (ten(), off(), true),
            (ten(), on(), false),
            (on(), ten(), true),
            (ten(), ten(), false),
            (ten().percentage(Percentage::whole(9).unwrap()), ten(), false),
            (ten().percentage(Percentage::whole(11).unwrap()), ten(), true),
            (ten().allowed_users(["ana"]), ten(), false),
            (ten().allowed_users(["ana", "eve"]), ten(), true),
            (ten().allowed_groups(["beta"]), ten(), true),
            (ten().denied_users(["eve", "mallory", "bob"]), ten(), false),
            (ten().denied_users(["eve"]), ten(), true),
            (ten().salt("other"), ten(), true),
            (few(), all(), false),
            (few().denied_users(["eve"]), all(), true),
            (few().denied_groups(["others"]), all(), true),
            (few(), all().requires(["other"]), true),
            (few(), all().variants([("a", 1)]), true),
            (few().denied_users(["eve", "mallory", "bob"]), all().rules([rule()]), true),
        ] {
            assert_eq!(is_wider(&side(&then), &side(&now)), wider, "{now:?} -> {then:?}");
        }
    }
}
