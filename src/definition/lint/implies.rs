//! Comparison of conditions: tests if one holds whenever another one holds.

use crate::model::{Comparison, Condition, Operator, Prerequisite, RequiredState, Scalar, Value};

/// The most pairs of conditions that are compared for one flag. The number of pairs grows
/// exponentially with the levels of both conditions.
const STEPS: usize = 200_000;

/// A comparison of conditions, with a limit of steps.
#[derive(Debug)]
pub(super) struct Prover {
    steps: usize,
}

impl Prover {
    pub(super) fn new() -> Self {
        Self { steps: STEPS }
    }

    /// Compares like [`implies`](Self::implies), but returns `None` if no step is left.
    pub(super) fn try_implies(&mut self, narrow: &Condition, wide: &Condition) -> Option<bool> {
        (self.steps > 0).then(|| self.implies(narrow, wide))
    }

    /// Returns `true` if `wide` holds for every context for which `narrow` holds. Returns `false`
    /// if that is not obvious.
    pub(super) fn implies(&mut self, narrow: &Condition, wide: &Condition) -> bool {
        let Some(steps) = self.steps.checked_sub(1) else { return false };
        self.steps = steps;
        match (narrow, wide) {
            (Condition::Compare(narrow), Condition::Compare(wide)) => covers(wide, narrow),
            (Condition::Segment(narrow), Condition::Segment(wide))
                if narrow.name() == wide.name() =>
            {
                true
            }
            (Condition::Segment(narrow), _) => self.implies(narrow.when(), wide),
            (_, Condition::Segment(wide)) => self.implies(narrow, wide.when()),
            (_, Condition::All(parts)) => parts.iter().all(|wide| self.implies(narrow, wide)),
            // A condition that never holds implies everything. Another lint finds it.
            (Condition::Any(parts), _) => {
                !parts.is_empty() && parts.iter().all(|narrow| self.implies(narrow, wide))
            }
            (Condition::Not(narrow), Condition::Not(wide)) => narrow == wide,
            (Condition::Flag(narrow), Condition::Flag(wide)) => is_narrower(narrow, wide),
            // A user who does not meet the narrow condition does not meet the wide one. A flag that
            // has no state counts only where a condition names it.
            (Condition::Unless(narrow) | Condition::Not(narrow), Condition::Unless(wide))
                if wide.condition().flags().is_empty() =>
            {
                self.implies(wide.condition(), narrow.condition())
            }
            (Condition::Unless(narrow), Condition::Unless(wide)) => narrow == wide,
            _ => {
                let of_all = match narrow {
                    Condition::All(parts) => parts.iter().any(|narrow| self.implies(narrow, wide)),
                    _ => false,
                };
                of_all
                    || match wide {
                        Condition::Any(parts) => {
                            parts.iter().any(|wide| self.implies(narrow, wide))
                        }
                        _ => false,
                    }
            }
        }
    }
}

/// Returns `true` if a flag in the narrow state is also in the wide one.
fn is_narrower(narrow: &Prerequisite, wide: &Prerequisite) -> bool {
    let are_among = |narrow: &[String], wide: &[String]| narrow.iter().all(|it| wide.contains(it));
    narrow.flag == wide.flag
        && match (&narrow.state, &wide.state) {
            (RequiredState::Variants(narrow), RequiredState::Variants(wide)) => {
                are_among(narrow, wide)
            }
            // A flag that is off can serve a variant that counts as off, so variants and on or off
            // do not imply each other.
            (narrow, wide) => narrow == wide,
        }
}

/// Returns `true` if `wide` holds whenever `narrow` holds.
fn covers(wide: &Comparison, narrow: &Comparison) -> bool {
    if wide.attribute() != narrow.attribute() {
        return false;
    }
    if wide == narrow {
        return true;
    }
    // One of the comparisons reads a string as a number, and the other does not.
    if wide.reads_numbers() != narrow.reads_numbers() && wide.operator() != Operator::Exists {
        return false;
    }
    let (wide_operator, narrow_operator) = (wide.operator(), narrow.operator());
    // If a comparison can be made, the attribute exists.
    if wide_operator == Operator::Exists {
        let wants_some = wide.operand() == &Value::Bool(true);
        return wants_some && narrow_operator != Operator::Exists;
    }
    // For a list, one element meets the narrow comparison, and the same element meets the wide one.
    // But an exclusion applies to all elements.
    if matches!(wide_operator, Operator::Ne | Operator::NotIn) {
        return false;
    }
    let case = narrow.case() == wide.case();
    match (narrow_operator, narrow.operand()) {
        (Operator::Eq, value) => case && admits(wide, value),
        (Operator::In, Value::List(list)) => {
            case && !list.is_empty() && list.iter().all(|value| admits(wide, value))
        }
        (Operator::Gt, value) => match wide_operator {
            Operator::Ge => admits(wide, value),
            Operator::Gt => admits(wide, value) || wide.operand() == value,
            _ => false,
        },
        (Operator::Lt, value) => match wide_operator {
            Operator::Le => admits(wide, value),
            Operator::Lt => admits(wide, value) || wide.operand() == value,
            _ => false,
        },
        (Operator::Ge, value) => {
            matches!(wide_operator, Operator::Gt | Operator::Ge) && admits(wide, value)
        }
        (Operator::Le, value) => {
            matches!(wide_operator, Operator::Lt | Operator::Le) && admits(wide, value)
        }
        (Operator::After, value) => wide_operator == Operator::After && admits(wide, value),
        (Operator::Before, value) => wide_operator == Operator::Before && admits(wide, value),
        _ => false,
    }
}

/// Returns `true` if the comparison holds for an attribute with this value.
pub(super) fn admits(comparison: &Comparison, value: &Value<'_>) -> bool {
    let Some(scalar) = Scalar::of(value) else { return false };
    let is_opposite = matches!(comparison.operator(), Operator::Ne | Operator::NotIn);
    comparison.matcher().test(scalar) == Some(!is_opposite)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::Segment;

    fn compare(
        attribute: &str,
        operator: Operator,
        operand: impl Into<Value<'static>>,
    ) -> Condition {
        Condition::compare(attribute, operator, operand).unwrap()
    }

    fn implies(narrow: &Condition, wide: &Condition) -> bool {
        Prover::new().implies(narrow, wide)
    }

    #[test]
    fn a_narrower_comparison_implies_a_wider_one() {
        use Operator::{After, Before, Contains, Eq, Exists, Ge, Gt, In, Le, Lt, Ne, StartsWith};

        let of = |operator, operand: &str| compare("a", operator, operand.to_owned());
        let number = |operator, operand: i64| compare("a", operator, operand);
        let list = |operands: [&'static str; 2]| compare("a", In, operands);
        for (narrow, wide) in [
            (of(Eq, "x"), list(["x", "y"])),
            (of(Eq, "xyz"), of(StartsWith, "xy")),
            (list(["x", "y"]), list(["y", "x"])),
            (list(["ax", "xa"]), of(Contains, "a")),
            (number(Eq, 5), number(Gt, 4)),
            (number(Gt, 5), number(Gt, 5)),
            (number(Gt, 5), number(Gt, 4)),
            (number(Gt, 5), number(Ge, 5)),
            (number(Ge, 5), number(Gt, 4)),
            (number(Lt, 5), number(Le, 5)),
            (number(Le, 5), number(Lt, 6)),
            (of(After, "2026-01-02"), of(After, "2026-01-01")),
            (of(Before, "2026-01-01"), of(Before, "2026-01-02")),
            (of(Ne, "x"), compare("a", Exists, true)),
        ] {
            assert!(implies(&narrow, &wide), "{narrow:?} {wide:?}");
            assert!(narrow == wide || !implies(&wide, &narrow) || narrow == list(["x", "y"]));
        }
        for (narrow, wide) in [
            // A list may have `x` and `y`.
            (of(Eq, "x"), of(Ne, "y")),
            (number(Ge, 5), number(Gt, 5)),
            (number(Gt, 5), number(Lt, 9)),
            (of(Eq, "x"), compare("b", Eq, "x")),
            (of(Eq, "x"), compare("a", Exists, false)),
            (compare("a", Exists, false), compare("a", Exists, true)),
            (of(StartsWith, "x"), of(Eq, "x")),
        ] {
            assert!(!implies(&narrow, &wide), "{narrow:?} {wide:?}");
        }
    }

    #[test]
    fn conditions_are_compared_part_by_part() {
        let [a, b, c] = ["a", "b", "c"].map(|name| compare(name, Operator::Eq, 1));
        let all = |parts: &[&Condition]| Condition::All(parts.iter().copied().cloned().collect());
        let any = |parts: &[&Condition]| Condition::Any(parts.iter().copied().cloned().collect());
        let segment = Condition::Segment(Segment::new("s", any(&[&a, &b])));

        for (narrow, wide) in [
            (&a, &all(&[])),
            (&all(&[&a, &b]), &a),
            (&all(&[&c, &a, &b]), &all(&[&b, &a])),
            (&a, &any(&[&b, &a])),
            (&any(&[&a, &b]), &any(&[&c, &b, &a])),
            (&all(&[&a, &c]), &segment),
            (&segment, &any(&[&b, &a])),
            (&a.clone().negated(), &a.clone().negated()),
        ] {
            assert!(implies(narrow, wide), "{narrow:?} {wide:?}");
            assert!(!implies(&all(&[]), narrow) || narrow == &all(&[]), "{narrow:?}");
        }
        for (narrow, wide) in [
            (&a, &all(&[&a, &b])),
            (&any(&[&a, &b]), &a),
            (&any(&[]), &a),
            (&a, &any(&[])),
            (&a.clone().negated(), &a),
        ] {
            assert!(!implies(narrow, wide), "{narrow:?} {wide:?}");
        }
    }

    #[test]
    fn conditions_of_many_levels_are_given_up() {
        let deep = |name: &str| {
            let leaf = compare(name, Operator::Eq, 1);
            (0..100).fold(leaf, |inner, n| match n % 2 {
                0 => Condition::Any(vec![inner]),
                _ => Condition::All(vec![compare("c", Operator::Eq, n), inner]),
            })
        };

        // The number of ways through both conditions exceeds the limit.
        assert!(!implies(&deep("a"), &deep("b")));
    }
}
