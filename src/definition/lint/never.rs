//! Comparisons that no context can meet.

use std::{collections::BTreeMap, ops::Range};

use super::{
    file::{File, Found},
    located::{Compared, Located, locate},
};
use crate::{
    definition::{Code, Diagnostic, condition::Owner, rule, segment},
    model::{Attribute, Comparison, Matcher, Operator, Scalar, Value},
};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    if !found.wants(Code::NeverMatches) {
        return;
    }
    for flag in &file.flags {
        let rules = flag.definition.rare().rules.value().map_or(&[][..], |rules| rules);
        for (value, rule) in flag.rules().zip(rules) {
            let when = value.get_ref().as_table().and_then(|rule| rule.get(rule::WHEN));
            if let Some(located) = when.and_then(|when| locate(when, &rule.when)) {
                Finder { owner: Owner::Flag(flag.name()), found }.visit(&located);
            }
        }
    }
    for (key, value) in file.segments_in_order() {
        let when = value.get_ref().as_table().and_then(|segment| segment.get(segment::WHEN));
        let known = file.segments.get(key.get_ref());
        if let (Some(when), Some(segment)) = (when, known)
            && let Some(located) = locate(when, segment.when())
        {
            Finder { owner: Owner::Segment(key.get_ref()), found }.visit(&located);
        }
    }
}

struct Finder<'a, 'l> {
    owner: Owner<'a>,
    found: &'a mut Found<'l>,
}

impl Finder<'_, '_> {
    fn visit(&mut self, condition: &Located<'_>) {
        let mut together = Vec::new();
        self.gather(condition, &mut together);
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

    /// The comparisons that all have to hold for the condition to hold. What has to hold by itself
    /// is visited on the way.
    fn gather<'c, 'f>(&mut self, condition: &'c Located<'f>, together: &mut Vec<&'c Compared<'f>>) {
        match condition {
            Located::Compare(compared) => together.push(compared),
            Located::All(parts) => parts.iter().for_each(|part| self.gather(part, together)),
            Located::Not(part) => self.visit(part),
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

    /// What is wrong with one comparison, whatever stands beside it.
    fn alone(&mut self, compared: &Compared<'_>) {
        let Compared { comparison, operand, .. } = compared;
        let what = format!("`{}`", comparison.attribute());
        let elements = match comparison.operand() {
            Value::List(list) => Some(list),
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

    /// What is wrong with comparisons of one attribute that all have to hold.
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
                let label = "nothing meets this";
                let first = Some((*first, "and this at once"));
                self.report(&what, second.operand.span(), label, first);
                return;
            }
        }
    }
}

fn wants_none(comparison: &Comparison) -> bool {
    comparison.operator() == Operator::Exists && comparison.operand() == &Value::Bool(false)
}

/// The targeting key and groups are texts.
fn wrong_type(comparison: &Comparison) -> Option<&'static str> {
    let label = match comparison.place() {
        Attribute::TargetingKey => "the targeting key is a text",
        Attribute::Groups => "groups are texts",
        _ => return None,
    };
    let is_text = |value: &Value<'_>| matches!(value, Value::String(_));
    let fits = match (comparison.operator(), comparison.operand()) {
        (Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le, _) => false,
        (Operator::Eq | Operator::Ne, value) => is_text(value),
        (Operator::In | Operator::NotIn, Value::List(list)) => list.iter().any(is_text),
        _ => true,
    };
    (!fits).then_some(label)
}

/// Whether one is a lower bound, and the other an upper bound below it.
fn are_bounds_apart(a: &Comparison, b: &Comparison) -> bool {
    let is_pair = matches!(
        (a.operator(), b.operator()),
        (Operator::Gt | Operator::Ge, Operator::Lt | Operator::Le)
            | (Operator::Lt | Operator::Le, Operator::Gt | Operator::Ge)
            | (Operator::After, Operator::Before)
            | (Operator::Before, Operator::After)
    );
    // There is something between two bounds if each is on the right side of the other.
    is_pair && !(admits(a, b.operand()) && admits(b, a.operand()))
}

/// Whether one comparison names values none of which the other admits.
fn excludes(a: &Comparison, b: &Comparison) -> bool {
    // Who is in several groups meets several comparisons.
    if matches!(a.place(), Attribute::Groups) {
        return false;
    }
    let admits_none = |named: &Comparison, other: &Comparison| match named.operator() {
        Operator::Eq => !admits(other, named.operand()),
        Operator::In => match named.operand() {
            Value::List(list) => !list.is_empty() && !list.iter().any(|value| admits(other, value)),
            _ => false,
        },
        _ => false,
    };
    admits_none(a, b) || admits_none(b, a)
}

/// Whether the comparison holds for an attribute of this value.
pub(super) fn admits(comparison: &Comparison, value: &Value<'_>) -> bool {
    let Some(scalar) = Scalar::of(value) else { return false };
    let is_opposite = matches!(comparison.operator(), Operator::Ne | Operator::NotIn);
    comparison.matcher().test(scalar) == Some(!is_opposite)
}
