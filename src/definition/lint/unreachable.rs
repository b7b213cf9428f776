//! Rules that are never reached.

use super::{
    file::{File, Flag, Found},
    implies::Prover,
};
use crate::{
    definition::{Code, Diagnostic, Value, condition::UNLESS, rule},
    model::{Condition, Rule},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::UnreachableRule) {
        return;
    }
    for flag in &file.flags {
        let Some(rules) = flag.definition.rare().rules.value().filter(|rules| rules.len() > 1)
        else {
            continue;
        };
        let mut prover = Prover::new();
        let places: Vec<_> = flag.rules().map(when).collect();
        let conditions: Vec<_> = rules.iter().map(Rule::condition).collect();
        let found_earlier = covered(&conditions, |narrow, wide| prover.try_implies(narrow, wide));
        for (index, earlier) in found_earlier {
            let place = |index: usize| places.get(index).copied().flatten();
            if let (Some(here), Some(there)) = (place(index), place(earlier)) {
                let names = [index, earlier].map(|index| name(rules, index));
                found.report(unreachable(flag, &names, &rules[earlier], here, there));
            }
        }
    }
}

/// Returns the conditions that imply an earlier one, each with the first of these. The search ends
/// when `implies` returns `None`, since thousands of rules make millions of pairs.
fn covered<C>(
    conditions: &[C],
    mut implies: impl FnMut(&C, &C) -> Option<bool>,
) -> Vec<(usize, usize)> {
    let mut covered = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        for (earlier, wide) in conditions[..index].iter().enumerate() {
            match implies(condition, wide) {
                Some(false) => {}
                Some(true) => {
                    covered.push((index, earlier));
                    break;
                }
                None => return covered,
            }
        }
    }
    covered
}

fn when<'f>(rule: &'f Value<'f>) -> Option<&'f Value<'f>> {
    let rule = rule.get_ref().as_table()?;
    rule.get(rule::WHEN).or_else(|| rule.get(UNLESS))
}

/// Returns a rule's name, or its number, for messages.
fn name(rules: &[Rule], index: usize) -> String {
    match &rules[index].name {
        Some(name) => format!("rule `{name}`"),
        None => format!("rule {}", index + 1),
    }
}

fn unreachable(
    flag: &Flag<'_>,
    [name, earlier_name]: &[String; 2],
    earlier: &Rule,
    here: &Value<'_>,
    there: &Value<'_>,
) -> Diagnostic {
    let message = format!("{name} of flag `{}` is never reached", flag.name());
    let matches = match &*earlier.condition() {
        Condition::All(parts) if parts.is_empty() => "matches all users",
        _ => "matches all of these users first",
    };
    Diagnostic::new(Code::UnreachableRule, here.span(), message)
        .label(format!("{earlier_name} decides for all users who match this"))
        .related(there.span(), matches)
        .help(format!("move {name} above {earlier_name}, or remove it"))
        .flag(flag.name())
}

#[cfg(test)]
mod tests {
    use super::covered;

    #[test]
    fn no_pair_is_looked_at_once_the_prover_has_given_up() {
        let numbers: Vec<u32> = (0..100).collect();
        let mut pairs = 0;
        let mut is_same = |a: &u32, b: &u32| {
            pairs += 1;
            (pairs <= 10).then_some(a % 3 == b % 3)
        };

        let found = covered(&numbers, &mut is_same);

        assert_eq!(found, [(3, 0), (4, 1), (5, 2), (6, 0)]);
        assert_eq!(pairs, 11);
    }
}
