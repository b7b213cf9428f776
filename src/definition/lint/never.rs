//! Comparisons that no context can meet.

use std::{collections::BTreeMap, ops::Range};

use super::{
    file::{File, Found},
    implies::{Prover, admits},
    located::{self, Compared, Located},
};
use crate::{
    definition::{
        Code, Diagnostic, Value,
        condition::{Owner, UNLESS},
    },
    model::{
        Attribute, Comparison, Condition, Matcher, Operator, Prerequisite, RequiredState, Rule,
        Value as Operand,
    },
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::NeverMatches) {
        return;
    }
    for flag in &file.flags {
        let rules = flag.definition.rare().rules.value().map_or(&[][..], |rules| rules);
        for (value, rule) in flag.rules().zip(rules) {
            if let Some(located) = located::rule(value, rule) {
                let mut finder = Finder { owner: Owner::Flag(flag.name()), found };
                finder.visit(&located);
                finder.exclusion(value, rule);
            }
        }
    }
    for (key, value) in file.segments_in_order() {
        let known = file.segments.get(key.get_ref());
        if let Some(located) = known.and_then(|known| located::segment(value, known.when())) {
            Finder { owner: Owner::Segment(key.get_ref()), found }.visit(&located);
        }
    }
}

/// The parts of a condition that have to hold at once.
#[derive(Default)]
struct Together<'c, 'f> {
    compared: Vec<&'c Compared<'f>>,
    flags: Vec<(&'f Prerequisite, &'c Range<usize>)>,
}

struct Finder<'a, 'l> {
    owner: Owner<'a>,
    found: &'a mut Found<'l>,
}

impl Finder<'_, '_> {
    fn visit(&mut self, condition: &Located<'_>) {
        let mut together = Together::default();
        self.gather(condition, &mut together);
        self.other_state(&together.flags);
        let together = together.compared;
        for compared in &together {
            self.alone(compared);
        }
        let mut by_attribute: BTreeMap<&str, Vec<&Compared<'_>>> = BTreeMap::new();
        for compared in &together {
            by_attribute.entry(compared.comparison.attribute()).or_default().push(compared);
        }
        for (attribute, compared) in by_attribute.iter().filter(|(_, compared)| compared.len() > 1)
        {
            self.contradiction(attribute, compared);
        }
    }

    /// Reports a rule whose `unless` excludes all users that its `when` matches.
    fn exclusion(&mut self, value: &Value<'_>, rule: &Rule) {
        let written = value.get_ref().as_table().and_then(|rule| rule.get(UNLESS));
        let (Some(unless), Some(written)) = (&rule.unless, written) else { return };
        let is_all = matches!(unless, Condition::All(parts) if parts.is_empty());
        if !is_all && Prover::new().implies(&rule.when, unless) {
            self.report("a rule", written.span(), "true for all users whom `when` matches", None);
        }
    }

    /// Gathers the comparisons that all have to hold for the condition to hold. Nested conditions
    /// that have to hold by themselves are visited on the way.
    fn gather<'c, 'f>(&mut self, condition: &'c Located<'f>, together: &mut Together<'c, 'f>) {
        match condition {
            Located::Compare(compared) => together.compared.push(compared),
            Located::Flag { flag, span } => together.flags.push((flag, span)),
            Located::All(parts) => parts.iter().for_each(|part| self.gather(part, together)),
            Located::Not { part, .. } => self.visit(part),
            Located::Unless { part, span } => {
                if matches!(&**part, Located::All(parts) if parts.is_empty()) {
                    self.report("`unless`", span.clone(), "true for all users", None);
                }
                self.visit(part);
            }
            Located::Any { parts, span } => {
                if parts.is_empty() {
                    self.report("`any`", span.clone(), "an empty list", None);
                }
                parts.iter().for_each(|part| self.visit(part));
            }
            Located::Segment => {}
        }
    }

    fn report(
        &mut self,
        what: &str,
        span: Range<usize>,
        label: impl Into<String>,
        other: Option<(&Compared<'_>, &str)>,
    ) {
        let message = format!("{what} in {} can never match", self.owner);
        let problem = Diagnostic::new(Code::NeverMatches, span, message).label(label);
        let problem = match other {
            Some((other, label)) => problem.related(other.operand.span(), label),
            None => problem,
        };
        self.found.report(match self.owner {
            Owner::Flag(name) => problem.flag(name),
            Owner::Segment(_) => problem,
        });
    }

    /// Reports a flag that has to be both on and off.
    fn other_state(&mut self, flags: &[(&Prerequisite, &Range<usize>)]) {
        let is_off = |flag: &Prerequisite| flag.state == RequiredState::Off;
        let is_on = |flag: &Prerequisite| flag.state == RequiredState::On;
        for (index, (second, span)) in flags.iter().enumerate() {
            let clash = flags[..index].iter().any(|(first, _)| {
                first.flag == second.flag
                    && ((is_on(first) && is_off(second)) || (is_off(first) && is_on(second)))
            });
            if clash {
                let what = format!("flag `{}`", second.flag);
                self.report(&what, (*span).clone(), "has to be on and off at once", None);
            }
        }
    }

    /// Reports mistakes of a single comparison.
    fn alone(&mut self, compared: &Compared<'_>) {
        let Compared { comparison, operand, .. } = compared;
        let what = format!("`{}`", comparison.attribute());
        let elements = match comparison.operand() {
            Operand::List(list) => Some(list),
            _ => None,
        };
        if elements.is_some_and(|list| list.is_empty()) && comparison.operator() != Operator::NotIn
        {
            return self.report(&what, operand.span(), "an empty list", None);
        }
        if let Some(label) = wrong_type(comparison) {
            return self.report(&what, operand.span(), label, None);
        }
        if let Matcher::Versions(requirements) = &**comparison.matcher() {
            for index in requirements.contradictions() {
                let list = operand.get_ref().as_array();
                let place = list.and_then(|list| list.get(index)).unwrap_or(operand);
                self.report(&what, place.span(), "no version is in all of these ranges", None);
            }
        }
    }

    /// Reports contradictions between comparisons of one attribute that all have to hold.
    fn contradiction(&mut self, attribute: &str, compared: &[&Compared<'_>]) {
        let what = format!("`{attribute}`");
        if let Some(missing) = compared.iter().find(|it| wants_none(it.comparison)) {
            if let Some(other) = compared.iter().find(|it| !wants_none(it.comparison)) {
                let label = "has to be missing";
                let other = Some((*other, "and to have a value"));
                self.report(&what, missing.operand.span(), label, other);
            }
            return;
        }
        for (index, second) in compared.iter().enumerate() {
            let clash = compared[..index].iter().find(|first| {
                are_bounds_apart(first.comparison, second.comparison)
                    || (first.table == second.table
                        && excludes(first.comparison, second.comparison))
            });
            if let Some(first) = clash {
                let label = "no value meets this";
                let first = Some((*first, "and this at the same time"));
                self.report(&what, second.operand.span(), label, first);
                return;
            }
        }
    }
}

fn wants_none(comparison: &Comparison) -> bool {
    comparison.operator() == Operator::Exists && comparison.operand() == &Operand::Bool(false)
}

/// Returns a label if a comparison can never match because the targeting key and groups are
/// strings.
fn wrong_type(comparison: &Comparison) -> Option<&'static str> {
    let label = match comparison.place() {
        Attribute::TargetingKey => "the targeting key is a string",
        Attribute::Groups => "groups are strings",
        _ => return None,
    };
    if comparison.reads_numbers() {
        return None;
    }
    let is_text = |value: &Operand<'_>| matches!(value, Operand::String(_));
    let fits = match (comparison.operator(), comparison.operand()) {
        (Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le, _) => false,
        (Operator::Eq | Operator::Ne, value) => is_text(value),
        (Operator::In | Operator::NotIn, Operand::List(list)) => list.iter().any(is_text),
        _ => true,
    };
    (!fits).then_some(label)
}

/// Returns `true` if one comparison is a lower bound, and the other an upper bound below it.
fn are_bounds_apart(a: &Comparison, b: &Comparison) -> bool {
    let is_pair = matches!(
        (a.operator(), b.operator()),
        (Operator::Gt | Operator::Ge, Operator::Lt | Operator::Le)
            | (Operator::Lt | Operator::Le, Operator::Gt | Operator::Ge)
            | (Operator::After, Operator::Before)
            | (Operator::Before, Operator::After)
    );
    // There is a value between two bounds if each bound admits the other one.
    is_pair && !(admits(a, b.operand()) && admits(b, a.operand()))
}

/// Returns `true` if one comparison names values, and the other admits none of them.
fn excludes(a: &Comparison, b: &Comparison) -> bool {
    // A user who is in several groups can meet several comparisons.
    if matches!(a.place(), Attribute::Groups) {
        return false;
    }
    let admits_none = |named: &Comparison, other: &Comparison| match named.operator() {
        Operator::Eq => !admits(other, named.operand()),
        Operator::In => match named.operand() {
            Operand::List(list) => {
                !list.is_empty() && !list.iter().any(|value| admits(other, value))
            }
            _ => false,
        },
        _ => false,
    };
    admits_none(a, b) || admits_none(b, a)
}
