//! A check for changes that may turn a flag on for more users.

use flagstaff::{
    Percentage,
    answer::FlagState,
    definition::{Effect, Field},
};
use serde_json::Value;

use super::side::Side;

/// Returns `true` if a flag may be on for a user for whom it is off now. Differences that cannot
/// be compared count as more users.
pub(super) fn is_wider(then: &Side, now: &Side) -> bool {
    let fewer = |field| !is_within(value_of(now, field), value_of(then, field));
    let denies_fewer = with_effect(Effect::Denies).any(fewer);
    // The flag is off now for denied users only, and all of them are denied then, too.
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
    let more = |field| !is_within(value_of(then, field), value_of(now, field));
    // Settings that decide about single users cannot be compared as more or less.
    let differs = |field| value_of(then, field) != value_of(now, field);
    is_larger
        || with_effect(Effect::Allows).any(more)
        || denies_fewer
        || with_effect(Effect::Narrows).chain(with_effect(Effect::Selects)).any(differs)
}

fn with_effect(effect: Effect) -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(move |field| field.effect() == effect)
}

/// Returns the value of a field; `None` if it is not set.
fn value_of(side: &Side, field: Field) -> Option<&Value> {
    side.definition.get(field.as_str()).filter(|value| !value.is_null())
}

/// Returns `true` if a flag is on for all users but those on a list of denied ones.
fn is_on_but_for_denied(side: &Side) -> bool {
    let FlagState::Partial { percentage: Percentage::HUNDRED, rules: 0, required: 0, .. } =
        side.state
    else {
        return false;
    };
    // An empty list leaves no user out.
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    with_effect(Effect::Narrows).all(|field| value_of(side, field).is_none_or(is_empty))
}

/// Returns `true` if all members of `list` are in `other`.
fn is_within(list: Option<&Value>, other: Option<&Value>) -> bool {
    let members =
        |list: Option<&Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
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
    fn a_change_is_wider_if_it_may_let_in_any_user() {
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
