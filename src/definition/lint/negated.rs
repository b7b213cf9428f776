//! Negations alone on attributes that may be missing.

use std::collections::BTreeSet;

use super::{
    file::{File, Found},
    located::{Compared, Located, locate},
};
use crate::{
    definition::{Code, Diagnostic, condition::Owner, rule, segment},
    model::{Comparison, Operator, Value},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::NegatedMissing) {
        return;
    }
    for flag in &file.flags {
        let rules = flag.definition.rare().rules.value().map_or(&[][..], |rules| rules);
        for (value, rule) in flag.rules().zip(rules) {
            let when = value.get_ref().as_table().and_then(|rule| rule.get(rule::WHEN));
            if let Some(located) = when.and_then(|when| locate(when, &rule.when)) {
                Finder { owner: Owner::Flag(flag.name()), found }.visit(&located, &BTreeSet::new());
            }
        }
    }
    for (key, value) in file.segments_in_order() {
        let when = value.get_ref().as_table().and_then(|segment| segment.get(segment::WHEN));
        let known = file.segments.get(key.get_ref());
        if let (Some(when), Some(segment)) = (when, known)
            && let Some(located) = locate(when, segment.when())
        {
            let owner = Owner::Segment(key.get_ref());
            Finder { owner, found }.visit(&located, &BTreeSet::new());
        }
    }
}

/// The attributes that a condition looks at elsewhere, so that a missing one was thought of.
type Considered<'f> = BTreeSet<&'f str>;

struct Finder<'a, 'l> {
    owner: Owner<'a>,
    found: &'a mut Found<'l>,
}

impl Finder<'_, '_> {
    fn visit<'f>(&mut self, condition: &Located<'f>, considered: &Considered<'f>) {
        let mut parts = Vec::new();
        together(condition, &mut parts);
        // A segment may look at any attribute.
        if parts.iter().any(|part| matches!(part, Located::Segment)) {
            return;
        }
        let positive = parts.iter().filter_map(|part| match part {
            Located::Compare(compared) if !is_negative(compared.comparison) => {
                Some(compared.comparison.attribute())
            }
            _ => None,
        });
        let considered: Considered<'f> = considered.iter().copied().chain(positive).collect();
        for part in parts {
            match part {
                Located::Compare(compared) if is_negative(compared.comparison) => {
                    let operator = compared.comparison.operator().as_str();
                    self.report(compared, &format!("`{operator}`"), &considered);
                }
                Located::Any { parts, .. } => {
                    let absent = parts.iter().filter_map(absent);
                    let considered = considered.iter().copied().chain(absent).collect();
                    parts.iter().for_each(|part| self.visit(part, &considered));
                }
                Located::Not(part) => {
                    let mut compared = Vec::new();
                    comparisons(part, &mut compared);
                    let lone = compared.iter().find(|it| !looks_for_presence(it.comparison));
                    if let Some(compared) = lone {
                        self.report(compared, "`not`", &considered);
                    }
                }
                Located::Compare(_) | Located::All(_) | Located::Segment => {}
            }
        }
    }

    fn report(&mut self, compared: &Compared<'_>, what: &str, considered: &Considered<'_>) {
        let attribute = compared.comparison.attribute();
        if considered.contains(attribute) {
            return;
        }
        let message = format!("{what} in {} does not match without `{attribute}`", self.owner);
        let problem = Diagnostic::new(Code::NegatedMissing, compared.operand.span(), message)
            .label(format!("a user without `{attribute}` does not match"))
            .help(format!(
                "add `exists = true` if that is meant; otherwise write `any = [{{ {attribute} = {{ exists \
                 = false }} }}, …]`"
            ));
        self.found.report(match self.owner {
            Owner::Flag(name) => problem.flag(name),
            Owner::Segment(_) => problem,
        });
    }
}

/// The parts that all have to hold.
fn together<'c, 'f>(condition: &'c Located<'f>, parts: &mut Vec<&'c Located<'f>>) {
    match condition {
        Located::All(all) => all.iter().for_each(|part| together(part, parts)),
        other => parts.push(other),
    }
}

/// All comparisons below a negation. A negation within it is left out, since it is none then.
fn comparisons<'c, 'f>(condition: &'c Located<'f>, found: &mut Vec<&'c Compared<'f>>) {
    match condition {
        Located::Compare(compared) => found.push(compared),
        Located::All(parts) | Located::Any { parts, .. } => {
            parts.iter().for_each(|part| comparisons(part, found));
        }
        Located::Not(_) | Located::Segment => {}
    }
}

/// The attribute that has to be missing for a condition to hold.
fn absent<'f>(condition: &Located<'f>) -> Option<&'f str> {
    let mut parts = Vec::new();
    together(condition, &mut parts);
    match *parts {
        [Located::Compare(compared)] if looks_for_presence(compared.comparison) => {
            let is_absent = compared.comparison.operand() == &Value::Bool(false);
            is_absent.then(|| compared.comparison.attribute())
        }
        _ => None,
    }
}

fn is_negative(comparison: &Comparison) -> bool {
    matches!(comparison.operator(), Operator::Ne | Operator::NotIn)
}

fn looks_for_presence(comparison: &Comparison) -> bool {
    comparison.operator() == Operator::Exists
}
