//! The types that rules compare attributes with, for the values of `--set NAME=VALUE`.

use std::collections::BTreeMap;

use flagstaff::{
    Context, Snapshot,
    answer::Value,
    definition::{BucketBy, Comparison, Condition, OperandKind, Operator},
};

/// The uses of one attribute in the rules of all flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// True if a rule compares the attribute with a string.
    pub(crate) text: bool,
    /// True if a rule compares the attribute with a number or a boolean.
    pub(crate) other: bool,
    /// True if buckets are drawn by the attribute.
    pub(crate) unit: bool,
}

/// Returns the uses of attributes, by their paths.
pub(crate) fn attributes(snapshot: &Snapshot) -> BTreeMap<String, Uses> {
    let mut uses: BTreeMap<String, Uses> = BTreeMap::new();
    for (key, _) in snapshot.all(&Context::anonymous()) {
        let Some(info) = snapshot.info(key) else { continue };
        let definition = info.definition();
        let mut drawn_by = |unit: &BucketBy| {
            if let BucketBy::Attribute(path) = unit {
                uses.entry(path.clone()).or_default().unit = true;
            }
        };
        definition.rare().bucket_by.value().into_iter().for_each(&mut drawn_by);
        let rules = definition.rare().rules.value().into_iter().flat_map(|rules| rules.iter());
        for rule in rules.clone() {
            drawn_by(&rule.bucket_by);
        }
        for rule in rules {
            note(&rule.condition(), &mut uses);
        }
    }
    uses
}

fn note(condition: &Condition, uses: &mut BTreeMap<String, Uses>) {
    match condition {
        Condition::Compare(comparison) => {
            let (text, other) = kinds(comparison);
            let known = uses.entry(comparison.attribute().to_owned()).or_default();
            known.text |= text;
            known.other |= other;
        }
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| note(part, uses));
        }
        Condition::Not(inner) | Condition::Unless(inner) => note(inner.condition(), uses),
        Condition::Segment(segment) => note(segment.when(), uses),
        _ => {}
    }
}

/// Returns two booleans: a string is needed, and another type is needed.
fn kinds(comparison: &Comparison) -> (bool, bool) {
    let of = |value: &Value<'_>| {
        let is_text = matches!(value, Value::String(_));
        (is_text, !is_text)
    };
    // The rule accepts a number, and a string with a number. So it needs no type.
    if comparison.reads_numbers() {
        return (false, false);
    }
    match comparison.operator().operand() {
        OperandKind::Scalar => of(comparison.operand()),
        OperandKind::Scalars => match comparison.operand() {
            Value::List(list) => list
                .iter()
                .map(of)
                .fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1)),
            one => of(one),
        },
        OperandKind::Texts => (true, false),
        OperandKind::Number => (false, true),
        // An instant is a string or a number of seconds, and `exists` takes any value.
        _ => match comparison.operator() {
            Operator::Before | Operator::After => (false, true),
            _ => (false, false),
        },
    }
}
