//! Negations alone on attributes that may be missing.

use std::collections::BTreeSet;

use super::{
    file::{File, Found},
    located::{self, Compared, Located},
};
use crate::{
    definition::{
        Code, Diagnostic,
        condition::{AS, ATTRIBUTES, IGNORE_CASE, NUMBER, Owner, WORDS},
        written::{source, toml_key},
    },
    model::{Case, Comparison, Operator, Value},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::NegatedMissing) {
        return;
    }
    for flag in &file.flags {
        let rules = flag.definition.rare().rules.value().map_or(&[][..], |rules| rules);
        for (value, rule) in flag.rules().zip(rules) {
            if let Some(located) = located::rule(value, rule) {
                let owner = Owner::Flag(flag.name());
                Finder { text: file.text, owner, found }.visit(&located, &BTreeSet::new());
            }
        }
    }
    for (key, value) in file.segments_in_order() {
        let known = file.segments.get(key.get_ref());
        if let Some(located) = known.and_then(|known| located::segment(value, known.when())) {
            let owner = Owner::Segment(key.get_ref());
            Finder { text: file.text, owner, found }.visit(&located, &BTreeSet::new());
        }
    }
}

/// The attributes that a condition also checks elsewhere, so that its author has probably thought
/// of a missing one.
type Considered<'f> = BTreeSet<&'f str>;

struct Finder<'a, 'l> {
    text: &'a str,
    owner: Owner<'a>,
    found: &'a mut Found<'l>,
}

impl Finder<'_, '_> {
    fn visit<'f>(&mut self, condition: &Located<'f>, considered: &Considered<'f>) {
        let mut parts = Vec::new();
        together(condition, &mut parts);
        // A segment may check any attribute.
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
                    let unless = complement(compared, self.text);
                    self.report(compared, &format!("`{operator}`"), &unless, &considered);
                }
                Located::Any { parts, .. } => {
                    let absent = parts.iter().filter_map(absent);
                    let considered = considered.iter().copied().chain(absent).collect();
                    parts.iter().for_each(|part| self.visit(part, &considered));
                }
                Located::Not { part, span } => {
                    let mut compared = Vec::new();
                    comparisons(part, &mut compared);
                    let lone = compared.iter().find(|it| !looks_for_presence(it.comparison));
                    if let Some(compared) = lone {
                        let unless = source(self.text, span.clone()).unwrap_or("{ … }");
                        self.report(compared, "`not`", unless, &considered);
                    }
                }
                // `unless` also holds without the attribute.
                Located::Unless { .. } | Located::Flag { .. } => {}
                Located::Compare(_) | Located::All(_) | Located::Segment => {}
            }
        }
    }

    fn report(
        &mut self,
        compared: &Compared<'_>,
        what: &str,
        unless: &str,
        considered: &Considered<'_>,
    ) {
        let attribute = compared.comparison.attribute();
        if considered.contains(attribute) {
            return;
        }
        let message = format!("{what} in {} does not match without `{attribute}`", self.owner);
        let problem = Diagnostic::new(Code::NegatedMissing, compared.operand.span(), message)
            .label(format!("a user without `{attribute}` does not match"))
            .help(format!(
                "to match without `{attribute}` too, write `unless = {unless}` instead; to keep this, add \
                 `exists = true`"
            ));
        self.found.report(match self.owner {
            Owner::Flag(name) => problem.flag(name),
            Owner::Segment(_) => problem,
        });
    }
}

/// Collects the parts that all have to hold.
fn together<'c, 'f>(condition: &'c Located<'f>, parts: &mut Vec<&'c Located<'f>>) {
    match condition {
        Located::All(all) => all.iter().for_each(|part| together(part, parts)),
        other => parts.push(other),
    }
}

/// Collects all comparisons below a negation. Negations within it are left out, because a double
/// negation is not one.
fn comparisons<'c, 'f>(condition: &'c Located<'f>, found: &mut Vec<&'c Compared<'f>>) {
    match condition {
        Located::Compare(compared) => found.push(compared),
        Located::All(parts) | Located::Any { parts, .. } => {
            parts.iter().for_each(|part| comparisons(part, found));
        }
        Located::Not { .. } | Located::Unless { .. } | Located::Flag { .. } | Located::Segment => {}
    }
}

/// Returns the condition that is false where a negation holds, as TOML.
fn complement(compared: &Compared<'_>, text: &str) -> String {
    let comparison = compared.comparison;
    let operand = source(text, compared.operand.span()).unwrap_or("…");
    let operator = match comparison.operator() {
        Operator::NotIn => Operator::In,
        _ => Operator::Eq,
    };
    let value = match (comparison.case(), comparison.reads_numbers()) {
        (Case::Ignored, _) => format!("{{ {operator} = {operand}, {IGNORE_CASE} = true }}"),
        (Case::Exact, true) => format!("{{ {operator} = {operand}, {AS} = \"{NUMBER}\" }}"),
        (Case::Exact, false) => operand.to_owned(),
    };
    let condition = format!("{{ {} = {value} }}", toml_key(comparison.attribute()));
    match WORDS.contains(&comparison.attribute()) {
        true => format!("{{ {ATTRIBUTES} = {condition} }}"),
        false => condition,
    }
}

/// Returns the attribute that has to be missing for a condition to hold.
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
