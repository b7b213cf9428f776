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
        for (index, condition) in conditions.iter().enumerate() {
            let earlier =
                conditions[..index].iter().position(|earlier| prover.implies(condition, earlier));
            let place = |index: usize| places.get(index).copied().flatten();
            if let Some(earlier) = earlier
                && let (Some(here), Some(there)) = (place(index), place(earlier))
            {
                let names = [index, earlier].map(|index| name(rules, index));
                found.report(unreachable(flag, &names, &rules[earlier], here, there));
            }
        }
    }
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
        Condition::All(parts) if parts.is_empty() => "matches everybody",
        _ => "matches all of them before",
    };
    Diagnostic::new(Code::UnreachableRule, here.span(), message)
        .label(format!("{earlier_name} decides for whoever meets this"))
        .related(there.span(), matches)
        .help(format!("move {name} above {earlier_name}, or remove it"))
        .flag(flag.name())
}
